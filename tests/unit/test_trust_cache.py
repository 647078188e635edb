"""What is kept of evidence in a folder: whole or not at all, and never believed as it stands there."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.testkit.responder_words import Lie
from adapters.trust.cache import Cache, Kept
from adapters.trust.question import Source, prove
from broker.errors import ConfigError
from broker.verify.revocation import OCSP
from tests.keeping import FRESHNESS, NOON, OCSP_URL, Ca, Office


def kept(lie: Lie = Lie.NONE) -> Kept:
    ca, said = Ca(), []
    office = Office(ca)
    path = ca.path(ca.person(crl=False))
    office.hand(path)
    said.append((Source(OCSP, OCSP_URL), ca.say(office.asked[0], lie)))
    return Kept(key=path.certificates[0].report.sha256, chain=path.certificates, said=tuple(said), at=NOON, signer=True)


def test_what_is_kept_comes_back_as_it_was(tmp_path):
    one = kept()
    Cache(tmp_path).keep(one)
    assert list(Cache(tmp_path).load()) == [one]


def test_the_newer_takes_the_place_of_the_older_and_what_is_forgotten_is_gone(tmp_path):
    cache, one = Cache(tmp_path), kept()
    for _ in range(3):
        cache.keep(one)
    assert len(list(tmp_path.iterdir())) == 1
    cache.forget(one.key)
    cache.forget(one.key)
    assert list(tmp_path.iterdir()) == []


def test_the_newest_comes_first(tmp_path):
    cache, several = Cache(tmp_path), [kept() for _ in range(3)]
    seen: set[Path] = set()
    for age, one in enumerate(several):
        cache.keep(one)
        (newest,) = set(tmp_path.iterdir()) - seen
        seen.add(newest)
        os.utime(newest, (1_000_000_000 - age, 1_000_000_000 - age))
    assert [it.key for it in cache.load()] == [it.key for it in several]


def test_no_file_is_named_for_a_person_and_others_cannot_look_into_the_folder(tmp_path):
    Cache(tmp_path / "new").keep(kept())
    (file,) = (tmp_path / "new").iterdir()
    assert set(file.stem) <= set("0123456789abcdef")
    assert (tmp_path / "new").stat().st_mode & 0o77 == 0


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_becomes_of_a_file_it_is_read_or_removed_and_proves_nothing_false(tmp_path, data):
    for file in tmp_path.iterdir():
        file.unlink()
    cache, one = Cache(tmp_path), _STRANGER
    cache.keep(one)
    (file,) = tmp_path.iterdir()
    octets = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(octets[: data.draw(st.sampled_from([len(octets), len(octets) // 2, 10, 0]))])
    loaded = list(cache.load())
    assert len(loaded) == len(list(tmp_path.iterdir()))
    for it in loaded:
        settled = prove(it.chain, it.said, it.at, FRESHNESS)
        assert not settled.statuses
        assert not settled.lists


_STRANGER = kept(Lie.STRANGER)


def test_what_is_loaded_is_judged_as_of_when_it_was_fetched(tmp_path):
    one = kept()
    Cache(tmp_path).keep(one)
    (loaded,) = Cache(tmp_path).load()
    (status,) = prove(loaded.chain, loaded.said, loaded.at, FRESHNESS).statuses
    assert (status.certificate, status.good) == (one.key, True)
    assert not prove(loaded.chain, loaded.said, loaded.at + timedelta(days=1), FRESHNESS).statuses


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[]\n", b"null\n", b'{"chain": [1]}\n', b"x" * 100, b"[" * 99_999])
def test_what_is_no_evidence_is_removed(tmp_path, content):
    (tmp_path / f"{'0' * 64}.evidence").write_bytes(content)
    (tmp_path / f"{'1' * 64}.evidence.0123abcd").write_bytes(content)
    assert list(Cache(tmp_path).load()) == []
    assert list(tmp_path.iterdir()) == []


FOREIGN = [
    "seal.key",
    "half.evidence",
    f"{'0' * 63}.evidence",
    f"{'0' * 65}.evidence",
    f"{'A' * 64}.evidence",
    f"{'0' * 64}.evidence.bak",
    f"{'0' * 64}.evidence.0123abcde",
    f"{'0' * 64}.evidences",
    f"x{'0' * 64}.evidence",
    "trusted-lists.zip",
]


def test_what_is_not_of_the_cache_is_neither_read_nor_touched(tmp_path):
    """Somebody has named the folder of the keys."""
    Cache(tmp_path).keep(kept())
    (own,) = tmp_path.iterdir()
    for name in FOREIGN:
        (tmp_path / name).write_bytes(own.read_bytes())
    (tmp_path / f"{'2' * 64}.evidence").mkdir()
    assert len(list(Cache(tmp_path).load())) == 1
    assert {file.name for file in tmp_path.iterdir()} == {own.name, f"{'2' * 64}.evidence", *FOREIGN}


def test_a_file_under_another_ones_name_is_not_read(tmp_path):
    Cache(tmp_path).keep(kept())
    (file,) = tmp_path.iterdir()
    file.rename(tmp_path / f"{'0' * 64}.evidence")
    assert list(Cache(tmp_path).load()) == []


def test_a_folder_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path):
    cache = Cache(tmp_path / "folder")
    (tmp_path / "folder").rmdir()
    with capture_logs() as said:
        cache.keep(kept())
        cache.keep(kept())
    assert [line["event"] for line in said] == ["trust.cache-unwritable"]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_configuration(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"trust\.cache"):
        Cache(Path(tmp_path / "file" / "folder"))
