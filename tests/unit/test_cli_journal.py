"""`goniec journal` and `goniec trace`: what they say, and by which exit status, of journals in every condition."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.stores import SqlStore
from adapters.testkit.stores.values import ACKNOWLEDGED, LEASE, a_letter, a_refusal, limits
from broker.journal_head import line
from config import settings
from config.bundle import bundle
from tests.commands import answer, run
from tests.journals import chain_and_seal
from tests.receipts import ISSUED, PKI

EXAMPLE = Path(settings.__file__).parent / "example"


class Place:
    """A folder with a configuration and a store, whose clock stands at a moment of today."""

    def __init__(self, folder, at):
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
        (folder / "pki").mkdir()
        (folder / "pki" / "seal-ca.pem").write_bytes(PKI.seal_ca.credential.pem)
        self.folder, self.at = folder, at
        self.store = SqlStore(f"sqlite:///{folder / 'goniec.sqlite'}", clock=lambda: self.at)
        self.store.enrol([limits()])
        self.config = ("-c", folder / "goniec.toml")
        self.letters = []

    def letter(self, document=b"<letter/>", **about):
        letter = a_letter(document, **about)
        self.store.accept(letter)
        (claim,) = self.store.claim(LEASE)
        self.store.record(claim, ACKNOWLEDGED)
        self.letters.append(letter)
        return letter

    def heads(self):
        file = self.folder / "noted.txt"
        file.write_bytes(b"".join(map(line, self.store.journal.batches())))
        return file

    def sql(self, statement, *values):
        with closing(sqlite3.connect(self.folder / "goniec.sqlite")) as connection, connection:
            assert connection.execute(statement, values).rowcount > 0


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path, datetime.now(UTC) - timedelta(minutes=5))
    yield made
    made.store.close()


@pytest.fixture
def sound(place):
    for _ in range(3):
        place.letter()
        place.store.refuse(a_refusal())
        chain_and_seal(place.store, 5)
    return place


def test_a_sound_journal_is_told_with_its_last_head(sound):
    told = answer("journal", "verify", *sound.config)
    last = sound.store.journal.last()
    assert (told["verdict"], told["findings"], told["number"]) == ("sound", [], 0)
    assert told["last"]["head"] == last.head.hex()
    assert (told["batches"], told["events"]) == (last.number, 12)
    assert [one["subject"] for one in told["seals"]] == [PKI.seal.certificate.subject.rfc4514_string()]
    assert "is what it was" in run("journal", "verify", *sound.config).stdout
    assert run("journal", "head", *sound.config).stdout == f"{last.number} {last.head.hex()}\n"
    assert answer("journal", "head", *sound.config)["batch"] == last.number


def test_an_empty_journal_is_sound_and_has_no_head(place):
    assert answer("journal", "verify", *place.config)["batches"] == 0
    run("journal", "head", *place.config, status=1)
    run("journal", "head", *place.config, "--stamp", status=1)


def test_what_nobody_vouches_for_may_be_as_old_as_the_window_and_no_older(place):
    place.letter()
    assert answer("journal", "verify", *place.config)["window"]["events"] == 3
    told = answer("journal", "verify", *place.config, "--window", "60", status=2)
    assert (told["verdict"], told["findings"]) == ("cannot-tell", [])
    while place.store.journal.chain(100):
        pass
    told = answer("journal", "verify", *place.config, "--window", "60", status=2)
    assert (told["window"]["events"], told["window"]["batches"]) == (0, 1)
    assert answer("journal", "verify", *place.config, "--window", "60", "--head", place.heads())["published"] == 1


def test_seals_prove_nothing_to_who_does_not_believe_them(sound, tmp_path):
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(PKI.local_ca.credential.pem)
    told = answer("journal", "verify", *sound.config, "--ca", stranger, status=2)
    (doubt,) = told["doubts"]
    assert (told["verdict"], told["findings"], doubt["kind"]) == ("cannot-tell", [], "seal-unknown")
    assert (doubt["code"], doubt["first"], doubt["last"], doubt["number"]) == ("verify.chain-untrusted", 1, 3, 3)
    said = run("journal", "verify", *sound.config, "--ca", stranger, status=2).stdout.replace("\n", "")
    assert doubt["sha256"] in said.replace(" ", "")
    sound.store.keep_seal("ab" * 32, PKI.seal.pem, ISSUED)
    pinned = tmp_path / "seals.pem"
    pinned.write_bytes(bundle(sound.store.seals()))
    assert answer("journal", "verify", *sound.config, "--ca", pinned)["verdict"] == "sound"


def test_a_journal_without_seals_is_not_called_sound(sound):
    """Whoever makes the chain anew has to take the seals off."""
    sound.sql("UPDATE batches SET sealed = NULL")
    assert answer("journal", "verify", *sound.config, "--window", "60", status=2)["verdict"] == "cannot-tell"


def test_findings_are_listed_and_beyond_a_thousand_counted(sound):
    head = sound.folder / "many.txt"
    head.write_bytes(b"".join(b"%d %s\n" % (number, b"ab" * 32) for number in range(1, 1501)))
    told = answer("journal", "verify", *sound.config, "--head", head, status=1)
    assert (told["number"], len(told["findings"])) == (1500, 1000)
    assert "and 500 more" in run("journal", "verify", *sound.config, "--head", head, status=1).stdout


def test_an_export_is_checked_without_the_store(sound, tmp_path):
    file, heads = tmp_path / "journal.jsonl", sound.heads()
    told = answer("journal", "export", *sound.config, file)
    assert told["events"] == 12
    offline = ("journal", "verify", "--export", file, "--ca", tmp_path / "pki" / "seal-ca.pem")
    assert answer(*offline, "--head", heads)["published"] == told["batches"]
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines).replace(b"EZD/1/2026", b"EZD/2/2026", 1))
    (found,) = answer(*offline, status=1)["findings"]
    assert (found["kind"], found["batch"]) == ("event-changed", 1)
    file.write_bytes(b"".join(lines[:-1]))
    assert "not whole" in run(*offline, status=2).stderr
    file.write_bytes(b"nothing")
    assert "line 1" in run(*offline, status=2).stderr


def test_a_tail_that_was_cut_before_the_export_is_missed_by_who_has_the_heads(sound, tmp_path):
    heads, file = sound.heads(), tmp_path / "journal.jsonl"
    last = sound.store.journal.last().number
    sound.sql("DELETE FROM batches WHERE number = ?", last)
    sound.sql("DELETE FROM events WHERE batch = ?", last)
    run("journal", "export", *sound.config, file)
    offline = ("journal", "verify", "--export", file, "--head", heads)
    (found,) = answer(*offline, "--batches", f"1-{last}", status=1)["findings"]
    assert (found["kind"], found["batch"]) == ("tail-cut", last)
    assert answer(*offline, "--batches", "1-", status=1)["findings"] == [found]
    told = answer(*offline, status=2)  # it may as well be newer than the file
    assert (told["findings"], told["outside"], told["newer"]) == ([], 1, 1)
    assert "--batches 1-N" in run(*offline, status=2).stdout.replace("\n", " ")


def test_heads_that_were_published_after_an_export_was_made_do_not_call_it_cut(sound, tmp_path):
    file, ca, last = tmp_path / "journal.jsonl", tmp_path / "pki" / "seal-ca.pem", sound.store.journal.last().number
    run("journal", "export", *sound.config, file)
    sound.letter()
    chain_and_seal(sound.store, 5)
    offline = ("journal", "verify", "--export", file, "--head", sound.heads(), "--ca", ca)
    told = answer(*offline, status=2)
    assert (told["verdict"], told["findings"], told["published"], told["newer"]) == ("cannot-tell", [], last, 1)
    assert answer(*offline, "--batches", f"1-{last}")["verdict"] == "sound"


def test_a_file_with_no_batch_in_it_shows_nothing(place, tmp_path):
    file = tmp_path / "journal.jsonl"
    run("journal", "export", *place.config, file)
    for words in ((), ("--batches", "1-"), ("--ca", tmp_path / "pki" / "seal-ca.pem")):
        told = answer("journal", "verify", "--export", file, *words, status=2)
        assert (told["verdict"], told["findings"]) == ("cannot-tell", [])
    assert "nobody vouches" in run("journal", "verify", "--export", file, status=2).stdout


def test_a_window_that_is_longer_than_any_time_is_refused(sound):
    assert "--window" in run("journal", "verify", *sound.config, "--window", "99999999999999", status=2).stderr


def test_an_export_that_fails_costs_nothing_and_one_replaces_nothing_but_another(sound, tmp_path):
    file, proof = tmp_path / "journal.jsonl", tmp_path / "proof.json"
    words = ("trace", *sound.config, sound.letters[0].submission.id, "--proof")
    run("journal", "export", *sound.config, file)
    run(*words, proof)
    good, proven = file.read_bytes(), proof.read_bytes()
    run("journal", "export", *sound.config, file, "--batches", "2")
    assert b'"first":2' in file.read_bytes()
    run("journal", "export", *sound.config, file)
    run(*words, proof)
    assert (file.read_bytes().splitlines()[1:], proof.read_bytes()) == (good.splitlines()[1:], proven)
    database = tmp_path / "goniec.sqlite"
    letter, log = tmp_path / "letter.xml", tmp_path / "log.jsonl"
    letter.write_bytes(b"<letter/>")
    log.write_bytes(b'{"event": "worker.started"}\n')
    for other in (database, letter, log, proof, tmp_path / "goniec.toml"):
        before = other.read_bytes()
        assert "something else" in run("journal", "export", *sound.config, other, status=2).stderr.replace("\n", " ")
        if other != proof:
            assert "something else" in run(*words, other, status=2).stderr.replace("\n", " ")
        assert other.read_bytes() == before
    run(*words, file, status=2)
    sound.store.close()
    good = file.read_bytes()
    database.rename(tmp_path / "away")
    database.mkdir()
    run("journal", "export", *sound.config, file, status=2)
    run(*words, proof, status=2)
    assert (file.read_bytes(), proof.read_bytes()) == (good, proven)
    assert not list(tmp_path.glob(".*.part"))


def test_a_part_of_the_journal_can_be_exported(sound, tmp_path):
    file, heads = tmp_path / "part.jsonl", sound.heads()
    number = len(sound.store.journal.batches())
    assert number == 3
    for words, asked, first, batches in (
        (("--batches", "2-2"), "2-2", 2, 1),
        (("--batches", "2"), "2", 2, 1),
        (("--batches", "2-"), "2-", 2, 2),
        (("--since", "2100-01-01"), "4-", 0, 0),
        (("--since", "2000-01-01"), "1-", 1, 3),
    ):
        run("journal", "export", *sound.config, file, *words)
        own = ("--export", file, "--head", heads, "--batches", asked)
        told = answer("journal", "verify", *own, status=0 if batches else 2)  # of none nobody can vouch for anything
        assert (told["first"], told["batches"], told["published"]) == (first, batches, batches)
    for wrong in ("x", "0-2", "3-2"):
        run("journal", "export", *sound.config, file, "--batches", wrong, status=2)


def test_an_event_of_no_batch_goes_into_the_export_and_is_found_there(sound, tmp_path):
    file = tmp_path / "journal.jsonl"
    sound.sql("UPDATE events SET batch = 99 WHERE id = 1")
    run("journal", "export", *sound.config, file)
    told = answer("journal", "verify", "--export", file, "--ca", tmp_path / "pki" / "seal-ca.pem", status=1)
    assert {(one["kind"], one["event"]) for one in told["findings"]} == {("event-missing", None), ("event-inserted", 1)}


def test_a_head_that_cannot_be_believed_is_a_question_and_no_answer(sound, tmp_path):
    sealed = tmp_path / "head.xml"
    sealed.write_bytes(run("journal", "head", *sound.config, "--sealed").stdout_bytes)
    assert answer("journal", "verify", *sound.config, "--head", sealed)["published"] == 1
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(PKI.local_ca.credential.pem)
    run("journal", "verify", *sound.config, "--head", sealed, "--ca", stranger, status=2)
    sealed.write_bytes(b"<head/>")
    run("journal", "verify", *sound.config, "--head", sealed, status=2)


def test_the_story_of_a_submission_is_told_in_the_order_of_time(sound):
    letter = sound.letters[1]
    told = answer("trace", *sound.config, letter.submission.id)
    assert [one["name"] for one in told["events"]] == ["intake.accepted", "delivery.claimed", "delivery.acknowledged"]
    assert [one["batch"] for one in told["events"]] == [2, 2, 2]
    assert [one["events"] for one in told["batches"]] == [4]
    for word in (letter.receipt.id, letter.deliveries[0].id, letter.submission.digest.upper()):
        assert answer("trace", *sound.config, word) == told
    said = run("trace", *sound.config, letter.submission.id).stdout
    assert "EZD/1/2026" in said
    assert told["batches"][0]["head"] in said


def test_a_submission_that_is_not_there_has_no_story_and_a_word_that_means_many_is_asked_back(place):
    run("trace", *place.config, "nobody", status=1)
    first = place.letter(digest="ab" * 32)
    second = place.letter(digest="ab" * 32, sender="another")
    done = run("trace", *place.config, "ab" * 32, status=2)
    assert {first.submission.id, second.submission.id} <= set(done.stderr.replace("\n", " ").split())


def test_a_proof_says_which_events_are_not_proven_yet(place, tmp_path):
    proof, ca = tmp_path / "proof.json", tmp_path / "pki" / "seal-ca.pem"
    letter = place.letter()
    assert "3 events are not chained yet" in run(
        "trace", *place.config, letter.submission.id, "--proof", proof
    ).stdout.replace("\n", " ")
    assert answer("journal", "check-proof", proof, "--ca", ca, status=2)["unproven"] == 3
    chain_and_seal(place.store, 100)
    run("trace", *place.config, letter.submission.id, "--proof", proof)
    told = answer("journal", "check-proof", proof, "--ca", ca)
    assert (told["verdict"], told["submission"], len(told["events"])) == ("TOTAL-PASSED", letter.submission.id, 3)
    upp = tmp_path / "upp.xml"
    upp.write_bytes(letter.receipt.xml)
    assert answer("journal", "check-proof", proof, "--ca", ca, "--receipt", upp)["receipt"] is True
    assert answer("journal", "check-proof", proof, "--ca", ca, "--document", upp, status=1)["document"] is None
    assert "TOTAL-PASSED" in run("journal", "check-proof", proof, "--ca", ca).stdout


def test_a_proof_of_one_submission_does_not_pass_for_another(sound, tmp_path):
    one, other, ca = tmp_path / "one.json", tmp_path / "other.json", tmp_path / "pki" / "seal-ca.pem"
    for file, letter in ((one, sound.letters[0]), (other, sound.letters[1])):
        run("trace", *sound.config, letter.submission.id, "--proof", file)
    mixed = {**json.loads(one.read_bytes()), "events": json.loads(other.read_bytes())["events"]}
    one.write_text(json.dumps(mixed))
    run("journal", "check-proof", one, "--ca", ca, status=1)
    mine = json.loads(other.read_bytes())
    mine["submission"] = sound.letters[0].submission.id
    other.write_text(json.dumps(mine))
    run("journal", "check-proof", other, "--ca", ca, status=1)


def test_what_the_store_forgot_to_chain_is_no_longer_counted_when_it_is_chained(sound):
    sound.letter()
    assert answer("journal", "verify", *sound.config)["window"]["events"] == 3
    chain_and_seal(sound.store, 100)
    assert answer("journal", "verify", *sound.config)["window"] == {"events": 0, "batches": 0, "since": None}
