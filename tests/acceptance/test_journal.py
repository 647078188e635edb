"""The journal of a served broker: chained and sealed while it runs, checked by another process, proven without it."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import pytest

from tests.commands import answer, run

QUICK = {"every": 0.2, "heads": "heads.txt", "ca": ["pki/seal-ca.pem"]}


def until(holds, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def town(found):
    return found(sections={"journal": QUICK})


@pytest.fixture
def story(town, tmp_path):
    """A town where one letter was delivered and all of it is in the journal."""
    document = town.letter()
    taken = town.put(document).answer()
    town.settle()
    at = ("-c", town.site.configuration)

    heads = tmp_path / "heads.txt"
    until(lambda: heads.exists() and heads.stat().st_size)  # a configured file that is not there is missed

    def all_sealed():
        told = answer("journal", "verify", *at)
        return told["window"] == {"events": 0, "batches": 0, "since": None} and told["batches"]

    until(all_sealed)
    return town, at, taken.document, document, taken.attachment.content


def test_what_was_delivered_can_be_traced_and_proven_without_the_store(story, tmp_path):
    town, at, of, document, receipt = story
    proof = tmp_path / "proof.json"
    told = answer("trace", *at, of, "--proof", proof)
    names = [event["name"] for event in told["events"]]
    assert names[0] == "intake.accepted"
    assert names[-1] == "delivery.acknowledged"
    assert all(event["batch"] for event in told["events"])
    assert all(batch["sealed"] for batch in told["batches"])
    for other in (told["receipt"], told["sha256"], told["deliveries"][0]["id"]):
        assert answer("trace", *at, other)["submission"] == of
    town.serving.stop()
    (tmp_path / "goniec.sqlite").rename(tmp_path / "away.sqlite")
    letter, upp, ca = tmp_path / "letter.xml", tmp_path / "upp.xml", tmp_path / "pki" / "seal-ca.pem"
    letter.write_bytes(document)
    upp.write_bytes(receipt)
    checked = answer("journal", "check-proof", proof, "--document", letter, "--receipt", upp, "--ca", ca)
    assert (checked["verdict"], checked["document"], checked["receipt"]) == ("TOTAL-PASSED", True, True)
    assert answer("journal", "check-proof", proof, "--head", tmp_path / "heads.txt")["verdict"] == "TOTAL-PASSED"
    assert answer("journal", "check-proof", proof, status=2)["verdict"] == "INDETERMINATE"
    upp.write_bytes(receipt + b"\n")
    assert answer("journal", "check-proof", proof, "--receipt", upp, "--ca", ca, status=1)["verdict"] == "TOTAL-FAILED"
    changed = json.loads(proof.read_bytes())
    changed["events"][-1]["detail"] = "EZD/9/2026"
    proof.write_text(json.dumps(changed))
    assert answer("journal", "check-proof", proof, "--ca", ca, status=1)["verdict"] == "TOTAL-FAILED"


def test_a_changed_event_is_named_in_the_store_and_in_an_export(story, tmp_path):
    town, at, _, _, _ = story
    town.serving.stop()
    with closing(sqlite3.connect(tmp_path / "goniec.sqlite")) as store, store:
        (event,) = store.execute("SELECT id FROM events WHERE name = 'delivery.acknowledged'").fetchone()
        store.execute("UPDATE events SET detail = 'EZD/9/2026' WHERE id = ?", (event,))
    told = answer("journal", "verify", *at, status=1)
    assert [(one["kind"], one["event"]) for one in told["findings"]] == [("event-changed", event)]
    assert "event-changed" in run("journal", "verify", *at, status=1).stdout
    file = tmp_path / "journal.jsonl"
    run("journal", "export", *at, file)
    offline = (
        "journal",
        "verify",
        "--export",
        file,
        "--head",
        tmp_path / "heads.txt",
        "--ca",
        tmp_path / "pki/seal-ca.pem",
    )
    assert answer(*offline, status=1)["findings"] == told["findings"]


def test_heads_are_published_in_the_file_in_the_log_and_by_a_command(story, tmp_path):
    town, at, _, _, _ = story
    lines = (tmp_path / "heads.txt").read_text().splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    logged = [json.loads(line) for line in town.log().splitlines() if '"journal.head"' in line]
    assert lines == [f"{one['number']} {one['head']}" for one in logged]
    assert run("journal", "head", *at).stdout.strip() == lines[-1]
    sealed = tmp_path / "head.xml"
    sealed.write_bytes(run("journal", "head", *at, "--sealed").stdout_bytes)
    assert answer("journal", "verify", *at, "--head", sealed)["published"] == 1
    assert answer("journal", "verify", *at)["published"] == len(lines)


def test_a_journal_that_is_gone_is_missed_by_whoever_has_its_head(story, tmp_path):
    town, at, _, _, _ = story
    town.serving.stop()
    head = tmp_path / "noted.txt"
    head.write_bytes((tmp_path / "heads.txt").read_bytes().splitlines(keepends=True)[0])
    with closing(sqlite3.connect(tmp_path / "goniec.sqlite")) as store, store:
        store.execute("DELETE FROM batches")
        store.execute("DELETE FROM events")
    told = answer("journal", "verify", *at, status=1)
    assert {one["kind"] for one in told["findings"]} == {"tail-cut"}
    assert answer("journal", "verify", *at, "--head", head, status=1)["findings"][0]["batch"] == 1
    run("journal", "head", *at, status=1)
