"""`goniec journal`: what it says of journals, exports and proofs that somebody made to deceive."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from adapters.seals.pkcs12 import FileSeal
from broker.journal import Batch, chained, leaf_of
from tests.commands import answer, run
from tests.journals import chain_and_seal
from tests.receipts import PKI
from tests.unit.test_cli_journal import Place

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micro(at):
    return (at - EPOCH) // timedelta(microseconds=1)


@pytest.fixture
def old(tmp_path):
    """A journal of three batches, sealed, made three months ago."""
    place = Place(tmp_path, datetime.now(UTC) - timedelta(days=90))
    for _ in range(3):
        place.letter()
        chain_and_seal(place.store, 5, a_seal_at(place.at))
    yield place
    place.store.close()


@pytest.fixture
def ca(old):
    return ("--ca", old.folder / "pki" / "seal-ca.pem")


def a_seal_at(at):
    return FileSeal(PKI.seal.key, (PKI.seal.certificate, *PKI.seal.chain), lambda: at)


def forge(place, at=None):
    """Change an event and chain all anew, the seals off: what who can write to the database does."""
    place.sql("UPDATE events SET detail = 'EZD/9/2026' WHERE id = 3")
    last: Batch | None = None
    for old in place.store.journal.batches():
        entries = place.store.journal.entries(old.number)
        last = chained(last, [leaf_of(one) for one in entries], at or old.at)
        for one in entries:
            place.sql("UPDATE events SET leaf = ? WHERE id = ?", leaf_of(one), one.id)
        place.sql(
            "UPDATE batches SET at = ?, root = ?, previous = ?, head = ?, sealed = NULL WHERE number = ?",
            *(micro(last.at), last.root, last.previous, last.head, last.number),
        )


def exported(place, *words):
    file = place.folder / "journal.jsonl"
    answer("journal", "export", *place.config, file, *words)
    return file, [json.loads(one) for one in file.read_bytes().splitlines()]


def write(file, lines):
    file.write_text("".join(json.dumps(one) + "\n" for one in lines))


def notes(told):
    return {(one["kind"], one["batch"]) for one in told["notes"]}


# ── the store ──


def test_what_nobody_vouches_for_is_as_old_as_its_oldest_event_whatever_the_batch_says(old):
    forge(old, at=datetime.now(UTC) - timedelta(minutes=1))
    told = answer("journal", "verify", *old.config, status=2)
    assert told["verdict"] == "cannot-tell"
    assert told["window"]["since"] == min(one.event.at for one in old.store.journal.entries(1)).isoformat().replace(
        "+00:00", "Z"
    )


def test_a_seal_that_is_much_younger_than_its_batch_is_told(old):
    assert answer("journal", "verify", *old.config)["notes"] == []
    forge(old)
    chain_and_seal(old.store, 5, a_seal_at(datetime.now(UTC)))
    told = answer("journal", "verify", *old.config)
    assert notes(told) == {("sealed-late", number) for number in (1, 2, 3)}
    assert "sealed-late" in run("journal", "verify", *old.config).stdout
    assert answer("journal", "verify", *old.config, "--window", str(91 * 86400))["notes"] == []


def test_an_event_that_was_chained_long_after_it_is_said_to_have_happened_is_told(old, ca):
    letter = old.letters[0].submission.id
    old.sql(
        "INSERT INTO events (at, name, submission, delivery, detail) VALUES (?, ?, ?, ?, ?)",
        *(micro(old.at), "delivery.acknowledged", letter, "d1", "EZD/99/2026"),
    )
    old.at = datetime.now(UTC)
    chain_and_seal(old.store, 5)
    told = answer("journal", "verify", *old.config)
    (note,) = told["notes"]
    last = old.store.journal.last()
    (entry,) = old.store.journal.entries(last.number)
    assert (note["kind"], note["batch"], note["event"]) == ("chained-late", last.number, entry.id)
    proof = old.folder / "proof.json"
    run("trace", *old.config, letter, "--proof", proof)
    proven = answer("journal", "check-proof", proof, *ca)
    assert [(one["id"], one["late"]) for one in proven["events"]] == [
        (1, False),
        (2, False),
        (3, False),
        (entry.id, True),
    ]
    assert proven["events"][-1]["chained_at"] == last.at.isoformat().replace("+00:00", "Z")
    said = run("journal", "check-proof", proof, *ca).stdout
    assert "chained-late" in said


def test_a_journal_made_anew_under_somebody_elses_seal_is_never_called_sound(old, ca):
    """He changes an event, chains all anew, and puts a seal of his own on each head."""
    heads = old.heads()
    forge(old)
    other = PKI.stranger
    chain_and_seal(old.store, 5, FileSeal(other.key, (other.certificate, *other.chain), lambda: old.at))
    own = ("journal", "verify", *old.config)
    told = answer(*own, *ca, status=2)
    assert (told["verdict"], told["findings"]) == ("cannot-tell", [])
    assert [(one["kind"], one["number"]) for one in told["doubts"]] == [("seal-unknown", 3)]
    assert answer(*own, *ca, "--window", str(91 * 86400), status=2)["verdict"] == "cannot-tell"
    found = answer(*own, *ca, "--head", heads, status=1)["findings"]
    assert {(one["kind"], one["batch"]) for one in found} == {("rewritten", number) for number in (1, 2, 3)}
    proof, letter = old.folder / "proof.json", old.letters[0].submission.id
    run("trace", *old.config, letter, "--proof", proof)
    told = answer("journal", "check-proof", proof, *ca, status=2)
    assert "verify.chain-untrusted" in told["reason"]
    assert answer("journal", "check-proof", proof, *ca, "--head", heads, status=1)["verdict"] == "TOTAL-FAILED"
    # The broker goes on and seals what follows: that does not make his seals anybody's.
    old.letter()
    chain_and_seal(old.store, 5)
    assert answer(*own, *ca, "--window", str(91 * 86400), status=2)["verdict"] == "cannot-tell"


# ── a file ──


def test_an_export_is_judged_as_of_now_and_not_of_what_it_says_itself(old, ca):
    forge(old)
    file, lines = exported(old)
    write(file, [{**lines[0], "at": lines[1]["at"]}, *lines[1:]])
    offline = ("journal", "verify", "--export", file, *ca)
    assert answer(*offline, status=2)["verdict"] == "cannot-tell"


def test_an_export_in_which_nobody_vouches_for_any_batch_is_never_sound(old, ca):
    file, lines = exported(old)
    as_of = ("--as-of", lines[1]["at"])
    assert answer("journal", "verify", "--export", file, *ca, *as_of)["verdict"] == "sound"
    assert answer("journal", "verify", "--export", file, *as_of, status=2)["verdict"] == "cannot-tell"


def test_a_tail_that_was_cut_in_the_file_is_missed_by_who_has_the_heads(old, ca):
    heads = old.heads()
    file, lines = exported(old)
    kept = [one for one in lines[1:] if one.get("batch", 0) <= 1]
    end = {**lines[-1], "batches": 1, "events": 3}
    write(file, [{**lines[0], "to": 1, "sealed": 1}, *[one for one in kept if "end" not in one], end])
    offline = ("journal", "verify", "--export", file, "--head", heads, *ca)
    told = answer(*offline, status=2)
    assert (told["verdict"], told["part"], told["outside"]) == ("cannot-tell", {"first": 1, "to": 1}, 2)
    assert "a part: 1 to 1" in run(*offline, status=2).stdout
    assert answer(*offline, "--batches", "1-1")["verdict"] == "sound"
    found = answer(*offline, "--batches", "1-2", status=1)["findings"]
    assert [(one["kind"], one["batch"]) for one in found] == [("tail-cut", 2)]


def test_a_front_that_was_cut_in_the_file_is_missed_by_who_has_the_heads(old, ca):
    heads = old.heads()
    file, _ = exported(old, "--batches", "3-")
    offline = ("journal", "verify", "--export", file, "--head", heads, *ca)
    assert answer(*offline, status=2)["outside"] == 2
    assert answer(*offline, "--batches", "3-")["verdict"] == "sound"
    found = answer(*offline, "--batches", "2-", status=1)["findings"]
    assert [(one["kind"], one["batch"]) for one in found] == [("tail-cut", 2)]


def test_a_part_that_is_not_all_that_was_asked_for_is_not_called_sound(old, ca):
    file, _ = exported(old, "--batches", "2-2")
    for words, status in (("2-2", 0), ("2", 0), ("1-2", 2), ("2-3", 2), ("2-", 2)):
        answer("journal", "verify", "--export", file, *ca, "--batches", words, status=status)


def test_the_head_before_a_part_is_held_against_the_published_one(old, ca):
    heads = old.heads()
    file, _ = exported(old, "--batches", "3-")
    other = chained(None, [bytes(32)], old.at)
    heads.write_bytes(
        b"".join(
            b"2 %s\n" % other.head.hex().encode() if one.startswith(b"2 ") else one
            for one in heads.read_bytes().splitlines(keepends=True)
        )
    )
    found = answer("journal", "verify", "--export", file, "--head", heads, *ca, status=1)["findings"]
    assert [(one["kind"], one["batch"]) for one in found] == [("rewritten", 2)]


@pytest.mark.parametrize("what", ["batches", "events"])
def test_what_the_last_line_counts_must_be_there(old, ca, what):
    file, lines = exported(old)
    write(file, [*lines[:-1], {**lines[-1], what: lines[-1][what] + 1}])
    found = answer("journal", "verify", "--export", file, *ca, status=1)["findings"]
    assert [one["kind"] for one in found] == ["counts-differ"]


# ── the configured file of heads ──


def configured(place):
    file = place.folder / "goniec.toml"
    before, rest = file.read_text().split("\n[journal]", 1)
    comment, rest = rest.split("\n", 1)
    file.write_text(f'{before}\n[journal]{comment}\nheads = "noted.txt"\n{rest}')
    return place.heads()


def test_a_configured_file_of_heads_that_is_gone_or_empty_is_missed(old):
    heads = configured(old)
    assert answer("journal", "verify", *old.config)["published"] == 3
    heads.write_bytes(b"")
    assert answer("journal", "verify", *old.config, status=2)["verdict"] == "cannot-tell"
    heads.unlink()
    told = answer("journal", "verify", *old.config, status=2)
    assert (told["verdict"], told["findings"]) == ("cannot-tell", [])
    assert "noted.txt" in run("journal", "verify", *old.config, status=2).stdout.replace("\n", "")


def test_published_lines_that_cannot_be_read_or_are_missing_are_told(old):
    heads = configured(old)
    first, second, third = heads.read_bytes().splitlines(keepends=True)
    heads.write_bytes(first + second.replace(b" ", b"  ") + third)
    told = answer("journal", "verify", *old.config)
    assert (told["published"], told["unread"], told["unpublished"]) == (2, 1, 1)
    said = run("journal", "verify", *old.config).stdout
    assert "1 published lines cannot be read" in said
    assert "of 1 batches before the last published one" in said


# ── proofs ──


def test_a_document_is_compared_with_nothing_that_nobody_vouches_for(tmp_path, old, ca):
    document, receipt, proof = (tmp_path / name for name in ("letter.xml", "upp.xml", "proof.json"))
    document.write_bytes(b"<never-sent/>")
    receipt.write_bytes(b"<forged/>")
    digests = " ".join(hashlib.sha256(one.read_bytes()).hexdigest() for one in (document, receipt))
    event = {"event": 1, "batch": None, "position": None, "leaf": None, "at": "2026-01-01T12:00:00.000000Z"}
    about = {"name": "intake.accepted", "submission": "s1", "delivery": None, "detail": digests}
    invented = {"format": "goniec-journal-proof-1", "submission": "s1", "batches": [], "events": [{**event, **about}]}
    proof.write_text(json.dumps(invented))
    words = ("journal", "check-proof", proof, "--document", document, "--receipt", receipt, *ca)
    told = answer(*words, status=2)
    assert (told["document"], told["receipt"]) == (None, None)
    assert "the one that was" not in run(*words, status=2).stdout
    letter = old.letters[0]
    proof.unlink()
    run("trace", *old.config, letter.submission.id, "--proof", proof)
    receipt.write_bytes(letter.receipt.xml)
    words = ("journal", "check-proof", proof, "--receipt", receipt)
    assert answer(*words, *ca)["receipt"] is True
    assert answer(*words, status=2)["receipt"] is None
