"""Containers as files: whole or not there, read by who trusts nobody, nothing beside what is sealed."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import struct
import tracemalloc
import zipfile
from datetime import timedelta
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.archive.opened import opened
from adapters.archive.writing import Part, write
from adapters.testkit.pki import JAN
from adapters.testkit.tsa import Tsa
from broker import asic
from broker.errors import Unavailable
from broker.evidence import Indication
from broker.verify import TrustSnapshot, anchors
from tests.containers import STAMPS, TSA
from tests.receipts import ISSUED, PKI, TRUST, a_seal

PARTS = (
    Part(name="document.xml", media_type="text/xml", content=("<pismo>" + "treść " * 500).encode()),
    Part(name="README.txt", media_type="text/plain; charset=UTF-8", content="zażółć\n".encode()),
    Part(name="folder/pusty plik.bin", media_type="application/octet-stream", content=b""),
)
CONTENT = {part.name: part.content for part in PARTS}


def written(folder, parts=PARTS, name="c.asice", **about):
    target = folder / name
    return target, write(target, parts, **{"seal": a_seal(), "at": ISSUED, **about})


def listed(folder):
    return sorted(one.name for one in folder.iterdir())


def verdict(target, trust=TRUST, **about):
    with opened(target, trust, **about) as found:
        return found.check


def told(target, **about):
    check = verdict(target, **about)
    return check.verdict, check.code, check.place, check.notes


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return written(tmp_path_factory.mktemp("good"))[0].read_bytes()


def repacked(good, target, change=lambda names: names, **about):
    """Pack the files anew, as any other program would; `change` maps names to contents."""
    with ZipFile(io.BytesIO(good)) as old, ZipFile(target, "w", **about) as new:
        for name, content in change({one: old.read(one) for one in old.namelist()}).items():
            new.writestr(name, content, ZIP_STORED if name == asic.MIMETYPE else ZIP_DEFLATED)
    return target


# ── writing ──


def test_a_container_is_a_zip_whose_first_file_tells_what_it_is(tmp_path):
    target, done = written(tmp_path)
    octets = target.read_bytes()
    assert octets[30:38] == b"mimetype"
    assert octets[38:].startswith(asic.CONTAINER.encode())  # EN 319 162-1 annex A.1: at this place, uncompressed
    with ZipFile(target) as archive:
        assert archive.namelist() == [asic.MIMETYPE, *CONTENT, asic.MANIFEST, asic.SIGNATURES]
        assert {name: archive.read(name) for name in CONTENT} == CONTENT
        assert archive.testzip() is None
    assert (done.sha256, done.size) == (hashlib.sha256(octets).hexdigest(), len(octets))
    assert [(it.name, it.sha256) for it in done.files] == [
        (name, hashlib.sha256(content).digest()) for name, content in CONTENT.items()
    ]


def test_the_same_files_at_the_same_moment_are_the_same_octets(tmp_path):
    assert written(tmp_path, name="a")[0].read_bytes() == written(tmp_path, name="b")[0].read_bytes()


def test_what_is_there_stays_unless_it_may_be_replaced(tmp_path):
    target = tmp_path / "c.asice"
    target.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        written(tmp_path)
    assert target.read_bytes() == b"mine"
    written(tmp_path, over=lambda head: head == b"mine")
    assert told(target)[0] is Indication.PASSED
    assert listed(tmp_path) == ["c.asice"]


def test_what_came_there_meanwhile_stays_too(tmp_path):
    target = tmp_path / "c.asice"
    with pytest.raises(FileExistsError):
        written(tmp_path, first=lambda _: target.write_bytes(b"theirs"))
    assert target.read_bytes() == b"theirs"
    assert listed(tmp_path) == ["c.asice"]


def test_a_link_that_leads_nowhere_is_there_too(tmp_path):
    (tmp_path / "c.asice").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        written(tmp_path)


def test_a_file_system_without_links_gets_containers_all_the_same(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    target, _ = written(tmp_path)
    assert told(target)[0] is Indication.PASSED
    with pytest.raises(FileExistsError):
        written(tmp_path)


def test_it_is_on_the_disk_before_anybody_is_told_and_told_before_it_has_its_name(tmp_path, monkeypatch):
    flushed, seen = [], []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda it: (flushed.append(stat.S_ISDIR(os.fstat(it).st_mode)), fsync(it))[1])

    def first(sha256):
        seen.append((list(flushed), sha256, listed(tmp_path)))

    target, done = written(tmp_path, first=first)
    [(before, sha256, there)] = seen
    assert before == [False]
    assert sha256 == done.sha256
    assert [name.startswith(".c.asice.") and name.endswith(".part") for name in there] == [True]
    assert flushed == [False, False, True]
    assert target.exists()


@pytest.mark.parametrize("fails", ["parts", "seal", "first", "names", "twice"])
def test_what_comes_to_nothing_leaves_nothing(fails, tmp_path):
    def breaks(*_):
        raise Unavailable("away")

    def parts():
        yield PARTS[0]
        if fails == "parts":
            breaks()
        yield {"twice": PARTS[0], "names": Part(name="../x", media_type="x", content=b"")}.get(fails, PARTS[1])

    about = {"first": breaks} if fails == "first" else {}
    about |= {"seal": type("Away", (), {"seal_files": breaks})()} if fails == "seal" else {}
    with pytest.raises((Unavailable, ValueError)):
        written(tmp_path, parts(), **about)
    assert listed(tmp_path) == []


def test_one_file_is_held_at_a_time(tmp_path):
    """Four files of 8 MB that do not compress: never more than two of them, which meet while one is let go."""
    size = 8_000_000

    def parts():
        for number in range(4):
            yield Part(name=f"{number}.bin", media_type="x", content=os.urandom(size))

    tracemalloc.start()
    try:
        target, _ = written(tmp_path, parts())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert told(target)[0] is Indication.PASSED
        most_read = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 3 * size
    assert most_read < size


def test_a_file_that_would_shrink_to_almost_nothing_is_not_deflated(tmp_path):
    """Validators refuse what unpacks to a hundred times its size."""
    target, _ = written(tmp_path, [Part(name="air.xml", media_type="text/xml", content=b"<a/>" * 500_000), *PARTS])
    with ZipFile(target) as archive:
        sizes = [(one.file_size, one.compress_size) for one in archive.infolist()]
        assert sum(size for size, _ in sizes) < 40 * target.stat().st_size
    assert told(target) == (Indication.PASSED, "", "", ())


# ── reading ──


def test_a_container_holds_and_tells_its_files_and_its_seal(tmp_path):
    check = verdict(written(tmp_path)[0])
    assert (check.verdict, check.code, check.notes) == (Indication.PASSED, "", ())
    assert [file.name for file in check.files] == list(CONTENT)
    assert check.sealed_at == ISSUED.replace(microsecond=0)
    assert check.sealed_by.sha256 == hashlib.sha256(PKI.seal.der).hexdigest()


def test_one_of_a_seal_that_nobody_trusts_is_neither_believed_nor_called_broken(tmp_path):
    target, _ = written(tmp_path)
    assert told(target, trust=TrustSnapshot())[:3] == (
        Indication.INDETERMINATE,
        "container.seal",
        "verify.chain-untrusted",
    )
    other = TrustSnapshot(anchors=anchors(PKI.local_ca.credential.pem))
    assert told(target, trust=other)[0] is Indication.INDETERMINATE


def test_a_change_is_told_even_where_nobody_is_trusted(tmp_path, good):
    target = repacked(good, tmp_path / "c", lambda it: {**it, "README.txt": b"other"})
    assert told(target, trust=TrustSnapshot())[:3] == (Indication.FAILED, "container.changed", "README.txt")


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        (lambda it: {**it, "document.xml": it["document.xml"] + b" "}, "container.changed", "document.xml"),
        (lambda it: {**it, "folder/pusty plik.bin": b"x"}, "container.changed", "folder/pusty plik.bin"),
        (lambda it: {**it, "more.txt": b""}, "container.unsigned", "more.txt"),
        (lambda it: {**it, "META-INF/more.xml": b""}, "container.unsigned", "META-INF/more.xml"),
        (
            lambda it: {**it, "META-INF/signatures002.xml": it[asic.SIGNATURES]},
            "container.unsigned",
            "META-INF/signatures002.xml",
        ),
        (
            lambda it: {name: content for name, content in it.items() if name != "README.txt"},
            "container.missing",
            "README.txt",
        ),
        (
            lambda it: {name.replace("README", "readme"): content for name, content in it.items()},
            "container.unsigned",
            "readme.txt",
        ),
        (
            lambda it: {name: content for name, content in it.items() if name != asic.SIGNATURES},
            "container.missing",
            asic.SIGNATURES,
        ),
        (
            lambda it: {name: content for name, content in it.items() if name != asic.MANIFEST},
            "container.missing",
            asic.MANIFEST,
        ),
        (lambda it: {**it, asic.MIMETYPE: b"application/zip"}, "container.manifest", asic.MIMETYPE),
        (
            lambda it: {**it, asic.MANIFEST: it[asic.MANIFEST].replace(b"text/xml", b"text/css")},
            "container.manifest",
            asic.MANIFEST,
        ),
        (lambda it: {**it, asic.SIGNATURES: it[asic.SIGNATURES] + b"\n"}, "container.form", asic.SIGNATURES),
    ],
)
def test_whatever_is_not_as_it_was_sealed_is_told_by_name(change, code, place, tmp_path, good):
    target = repacked(good, tmp_path / "c.asice", change)
    assert told(target)[:3] == (Indication.FAILED, code, place)


def test_a_seal_on_other_files_is_no_seal_on_these(tmp_path, good):
    others = [*PARTS[1:], Part(name="document.xml", media_type="text/xml", content=b"<forged/>")]
    with ZipFile(written(tmp_path, others, name="other")[0]) as other:
        forged = other.read(asic.SIGNATURES)
        content = other.read("document.xml")
    swapped = repacked(good, tmp_path / "a", lambda it: {**it, asic.SIGNATURES: forged})
    assert told(swapped)[1] == "container.changed"
    both = repacked(good, tmp_path / "b", lambda it: {**it, asic.SIGNATURES: forged, "document.xml": content})
    assert told(both)[1] == "container.manifest"  # the order of the files is another one


def test_a_changed_digest_breaks_the_value(tmp_path, good):
    digest, other = (asic._base64(hashlib.sha256(it).digest()).encode() for it in (CONTENT["README.txt"], b"other"))
    target = repacked(
        good,
        tmp_path / "c",
        lambda it: {**it, "README.txt": b"other", asic.SIGNATURES: it[asic.SIGNATURES].replace(digest, other)},
    )
    assert told(target)[:3] == (Indication.FAILED, "container.seal", "verify.signature-value-mismatch")


def test_what_was_packed_anew_holds_and_is_told(tmp_path, good):
    target = repacked(good, tmp_path / "c.asice")
    assert told(target) == (Indication.PASSED, "", "", ("container.rewritten",))


@pytest.mark.parametrize(
    "hidden",
    [
        lambda it: b"#!/bin/sh\n" + it,
        lambda it: it + b"more",
        lambda it: it[:-2] + struct.pack("<H", 4) + b"more",
        lambda it: it[: it.index(b"PK\1\2")] + b"hidden" + it[it.index(b"PK\1\2") :],
    ],
    ids=["before", "behind", "comment", "between"],
)
def test_what_hides_beside_the_files_is_never_passed_over(hidden, tmp_path, good):
    target = tmp_path / "c.asice"
    target.write_bytes(hidden(good))
    found, _, _, notes = told(target)
    assert found is Indication.FAILED or notes == ("container.rewritten",)


def test_what_stands_before_a_file_is_compared_too(tmp_path, good):
    """The directory behind the files is what programs read; these octets nobody looks at."""
    target, octets = tmp_path / "c.asice", bytearray(good)
    octets[good.index(b"PK\3\4", 10) + 12] ^= 1  # the date, of document.xml
    target.write_bytes(octets)
    assert told(target) == (Indication.PASSED, "", "", ("container.rewritten",))


def test_two_files_of_one_name_are_no_container(tmp_path, good):
    target = tmp_path / "c.asice"
    target.write_bytes(good)
    with pytest.warns(UserWarning, match="Duplicate"), ZipFile(target, "a") as archive:
        archive.writestr("document.xml", b"<other/>")
    assert told(target)[:3] == (Indication.FAILED, "container.zip", "document.xml")


def test_an_entry_that_is_encrypted_or_packed_in_another_way_is_none(tmp_path, good):
    target = tmp_path / "c.asice"
    with ZipFile(io.BytesIO(good)) as old, ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), zipfile.ZIP_BZIP2 if name == "document.xml" else ZIP_DEFLATED)
    assert told(target)[:3] == (Indication.FAILED, "container.zip", "document.xml")
    encrypted = bytearray(good)
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    target.write_bytes(encrypted)
    assert told(target)[:3] == (Indication.FAILED, "container.zip", "mimetype")


def test_a_bomb_is_not_unpacked(tmp_path, good):
    target = tmp_path / "c.asice"
    with ZipFile(io.BytesIO(good)) as old, ZipFile(target, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            with new.open(ZipInfo(name), "w") as entry:
                entry.write(b"0" * 5_000_000 if name == asic.SIGNATURES else old.read(name))
    assert told(target)[:3] == (Indication.FAILED, "container.zip", asic.SIGNATURES)
    with ZipFile(target, "w") as new:
        for number in range(asic.MOST + 10):
            new.writestr(f"{number}", b"")
    assert told(target)[1] == "container.zip"


@pytest.mark.parametrize("octets", [b"", b"PK\5\6" + bytes(18), b"PK\3\4", os.urandom(1000), b"<xml/>"])
def test_what_is_no_zip_is_no_container(octets, tmp_path):
    target = tmp_path / "c.asice"
    target.write_bytes(octets)
    found, code, _, _ = told(target)
    assert found is Indication.FAILED
    assert code in {"container.zip", "container.missing"}


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_change_of_an_octet_gets_past_that_changes_a_file(data, tmp_path, good):
    octets = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    target = tmp_path / "c.asice"
    target.write_bytes(octets)
    with opened(target, TRUST) as found:
        assert found.check.verdict is not Indication.INDETERMINATE
        if found.check.verdict is Indication.PASSED:
            assert {name: found.content(name, 1 << 20) for name in CONTENT} == CONTENT
        if found.check.verdict is Indication.PASSED and not found.check.notes:
            with ZipFile(target) as archive:  # nothing but how files are deflated may differ
                assert archive.namelist() == [asic.MIMETYPE, *CONTENT, asic.MANIFEST, asic.SIGNATURES]


@given(cut=st.integers(0, 10_000))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_container_never_holds(cut, tmp_path, good):
    target = tmp_path / "c.asice"
    target.write_bytes(good[: cut % len(good)])
    assert told(target)[0] is Indication.FAILED


def test_only_what_is_sealed_is_handed_out(tmp_path, good):
    target = repacked(good, tmp_path / "c.asice")
    with opened(target, TRUST) as found:
        assert found.content("README.txt", 1000) == CONTENT["README.txt"]
        assert [found.content(name, 1000) for name in ("nothing", asic.MANIFEST, asic.MIMETYPE)] == [None] * 3
        with pytest.raises(ValueError, match="too large"):
            found.content("document.xml", 10)
    broken = repacked(good, tmp_path / "d.asice", lambda it: {**it, "more": b""})
    with opened(broken, TRUST) as found:
        assert found.content("README.txt", 1000) is None


# ── seals and time-stamps ──


def test_a_seal_on_an_elliptic_curve_has_one_value_only(tmp_path):
    seal = a_seal(PKI.personal(PKI.seal_ca, JAN, kind="ec-256", usage=("digital_signature",)))
    for number in range(12):  # each value has a twin, and chance would write either
        target, _ = written(tmp_path, seal=seal, name=str(number))
        assert told(target)[0] is Indication.PASSED
    with ZipFile(target) as archive:
        signed = asic.read(archive.read(asic.SIGNATURES))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    s = order - int.from_bytes(signed.value[32:], "big")
    twin = signed.unsigned.signed(signed.value[:32] + s.to_bytes(32, "big"))
    other = repacked(target.read_bytes(), tmp_path / "twin", lambda it: {**it, asic.SIGNATURES: twin})
    assert told(other)[:3] == (Indication.FAILED, "container.seal", "verify.signature-value-mismatch")


def test_a_container_is_judged_as_of_its_time_stamp_if_that_can_be_judged(tmp_path):
    target, _ = written(tmp_path, stamp=TSA.token)
    check = verdict(target, stamps=STAMPS)
    assert (check.verdict, check.stamped_at, check.notes) == (Indication.PASSED, TSA.clock().replace(microsecond=0), ())
    assert told(target) == (Indication.PASSED, "", "", ("container.stamp-not-judged",))
    stranger = TrustSnapshot(anchors=anchors(PKI.qualified_ca.credential.pem))
    assert told(target, stamps=stranger)[:2] == (Indication.INDETERMINATE, "container.stamp")


def test_a_time_stamp_on_something_else_is_none(tmp_path):
    target, _ = written(tmp_path, stamp=lambda octets: TSA.token(octets + b" "))
    assert told(target, stamps=STAMPS)[:2] == (Indication.FAILED, "container.stamp")


def test_a_time_stamp_from_before_the_seal_says_that_a_clock_was_wrong(tmp_path):
    target, _ = written(tmp_path, stamp=lambda octets: TSA.token(octets, at=ISSUED - timedelta(hours=1)))
    assert told(target, stamps=STAMPS)[:2] == (Indication.INDETERMINATE, "container.stamp-order")


def test_a_seal_that_had_ended_when_it_was_stamped_does_not_hold(tmp_path):
    ended = PKI.seal.certificate.not_valid_after_utc + timedelta(days=1)
    late, of_late = Tsa.of(PKI.local_ca, ended), TrustSnapshot(anchors=STAMPS.anchors)
    target, _ = written(tmp_path, stamp=late.token)
    found = told(target, stamps=of_late)
    assert found[:3] == (Indication.INDETERMINATE, "container.seal", "verify.certificate-expired")


def test_it_can_be_unpacked_like_any_zip(tmp_path):
    target, _ = written(tmp_path)
    shutil.unpack_archive(target, tmp_path / "out", "zip")
    assert {name: Path(tmp_path / "out" / name).read_bytes() for name in CONTENT} == CONTENT
