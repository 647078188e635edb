"""What a container proves beyond its seal: the receipt in it is for the document in it, and the journal knows of both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.archive.opened import opened
from adapters.archive.writing import Part, is_container, write
from broker.evidence import Indication
from broker.verify import TrustSnapshot
from config.export_check import Trusted, check
from tests.commands import answer, run
from tests.containers import AT, TRUSTED, TSA, a_case, a_store, an_exporter, chain_journal
from tests.receipts import PKI, TRUST, a_seal, a_upp


@pytest.fixture
def case(tmp_path):
    """A store with one case that went all its way, and its container."""
    store = a_store()
    kept = a_case(store, stamped=True)
    chain_journal(store)
    target = tmp_path / "good.asice"
    an_exporter(store).export(kept.submission.id, target)
    return store, kept, target


def parts_of(target):
    """The files of a container as parts, by name."""
    with opened(target, TRUST) as container:
        return {
            one.name: Part(name=one.name, media_type=one.media_type, content=container.content(one.name, 1 << 30))
            for one in container.check.files
        }


def sealed_anew(target, change):
    """Seal a container anew with a change, as the broker itself would if it lied."""
    parts = change(parts_of(target))
    other = target.with_name("other.asice")
    write(other, parts.values(), seal=a_seal(), at=AT, over=is_container)
    return other


def told(target, trusted=TRUSTED):
    found = check(target, trusted).container
    return found.verdict, found.code, found.place


def test_a_case_that_is_whole_holds_without_a_reservation(case):
    found = check(case[2], TRUSTED)
    assert (found.container.verdict, found.container.notes) == (Indication.PASSED, ())
    assert (found.receipt.holds, found.receipt.document) == (True, True)
    assert found.receipt.stamped_at == TSA.clock().replace(microsecond=0)
    assert (found.journal.verdict, found.journal.document, found.journal.receipt) == (Indication.PASSED, True, True)


def swap(name, content):
    return lambda parts: {**parts, name: replace(parts[name], content=content(parts[name].content))}


def drop(name):
    return lambda parts: {each: part for each, part in parts.items() if each != name}


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        (swap("document.xml", lambda it: it + b" "), "container.receipt", "receipt.other-document"),
        (swap("receipt.xml", lambda it: it.replace(b"T12:00", b"T11:00", 1)), "container.receipt", "receipt.seal"),
        (swap("receipt.xml", lambda _: b"<a/>"), "container.receipt", "receipt.schema"),
        (drop("receipt.xml"), "container.receipt", "parse.empty"),
        (
            lambda parts: drop("receipt-stamped.xml")(
                swap("receipt.xml", lambda _: a_upp(parts["document.xml"].content))(parts)
            ),
            "container.journal",
            "the receipt is another one",
        ),
        (
            lambda parts: swap("receipt.xml", lambda _: a_upp(parts["document.xml"].content))(parts),
            "container.receipt",
            "receipt-stamped.xml",
        ),
        (swap("journal-proof.json", lambda _: b"{}"), "container.journal", None),
        (
            swap("journal-proof.json", lambda it: it.replace(b"intake.accepted", b"intake.refused")),
            "container.journal",
            None,
        ),
        (
            swap("submission.json", lambda it: it.replace(b'"id": "case-1"', b'"id": "case-2"')),
            "container.journal",
            "the proof is of another submission",
        ),
        (swap("submission.json", lambda _: b"[" * 100_000), "container.journal", "the proof is of another submission"),
        (swap("submission.json", lambda _: b"[]"), "container.journal", "the proof is of another submission"),
    ],
)
def test_what_does_not_fit_together_is_told_though_the_seal_holds(change, code, place, case):
    found = told(sealed_anew(case[2], change))
    assert found[:2] == (Indication.FAILED, code)
    assert place in {None, found[2]}


def test_a_container_of_a_stranger_tells_what_is_wrong_in_it_before_whom_it_is_from(case):
    nobody = Trusted(seals=TrustSnapshot())
    assert told(case[2], nobody)[:2] == (Indication.INDETERMINATE, "container.seal")
    assert check(case[2], nobody).receipt.document
    other = sealed_anew(case[2], swap("document.xml", lambda it: it + b" "))
    assert told(other, nobody)[0] is Indication.INDETERMINATE  # neither seal can be told, and so says nothing


def test_without_a_document_or_a_proof_the_rest_holds_and_that_is_told(case):
    bare = sealed_anew(case[2], lambda parts: drop("document.xml")(drop("journal-proof.json")(parts)))
    found = check(bare, TRUSTED)
    assert found.container.verdict is Indication.PASSED
    assert found.container.notes == ("container.no-document", "container.no-journal")
    assert (found.receipt.document, found.journal) == (None, None)


def test_events_that_are_not_chained_yet_are_a_reservation(tmp_path):
    store = a_store()
    case = a_case(store)
    an_exporter(store).export(case.submission.id, tmp_path / "c.asice")
    found = check(tmp_path / "c.asice", TRUSTED)
    assert (found.container.verdict, found.container.notes) == (Indication.PASSED, ("container.journal-open",))


def test_a_proof_of_another_submission_is_no_proof_of_this_one(case, tmp_path):
    store, _, target = case
    other = a_case(store, b"<another/>", number=2)
    chain_journal(store)
    an_exporter(store).export(other.submission.id, tmp_path / "2.asice")
    foreign = parts_of(tmp_path / "2.asice")["journal-proof.json"].content
    assert told(sealed_anew(target, swap("journal-proof.json", lambda _: foreign)))[:2] == (
        Indication.FAILED,
        "container.journal",
    )


# ── the command ──


@pytest.fixture
def ca(tmp_path):
    files = {"ca.pem": PKI.seal_ca.credential.pem, "tsa.pem": PKI.local_ca.credential.pem}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return ["--ca", tmp_path / "ca.pem", "--tsa", tmp_path / "tsa.pem"]


def test_the_command_says_yes_and_lists_what_is_sealed(case, ca):
    said = answer("export", "check", case[2], *ca)
    assert (said["verdict"], said["code"], said["notes"]) == ("TOTAL-PASSED", "", [])
    assert said["receipt"]["document"]
    assert said["journal"]["verdict"] == "TOTAL-PASSED"
    assert {one["name"] for one in said["files"]} == set(parts_of(case[2]))
    words = run("export", "check", case[2], *ca).stdout
    assert "TOTAL-PASSED" in words
    assert "the one that was receipted" in words


def test_the_command_says_no_with_status_1_and_names_the_file(case, ca):
    other = case[2].with_name("other.asice")
    other.write_bytes(case[2].read_bytes()[:-100])
    assert "container.zip" in run("export", "check", other, *ca, status=1).stdout
    forged = sealed_anew(case[2], swap("document.xml", lambda it: it + b" "))
    said = answer("export", "check", forged, *ca, status=1)
    assert (said["code"], said["place"]) == ("container.receipt", "receipt.other-document")
    assert "other-document" in run("export", "check", forged, *ca, status=1).stdout


def test_without_anchors_the_command_cannot_tell(case):
    done = run("export", "check", case[2], status=2)
    assert "name those of the broker's seal by --ca" in done.stderr
    assert "INDETERMINATE" in done.stdout


def test_the_command_is_told_off_for_what_makes_no_sense(case, tmp_path):
    for words in (
        ["check"],
        ["check", case[2], case[2]],
        [],
        ["a", "b"],
        ["a", "--since", "2026-01-01"],
        ["--since", "2026-01-01"],
        ["--to", tmp_path],
        ["--since", "2026-01-01", "--to", tmp_path, "-o", "x"],
    ):
        assert "Usage" in run("export", *words, status=2).stderr
    assert "No such file" in run("export", "check", tmp_path / "nothing.asice", status=2).stderr


def test_names_in_a_strangers_container_do_not_draw_on_the_screen(case, ca):
    odd = sealed_anew(case[2], lambda parts: {**parts, "x": Part(name="x[red]x", media_type="t/t", content=b"")})
    assert "x[red]x" in run("export", "check", odd, *ca).stdout
