"""The operators' commands against a broker that serves, and the mock document system as a process."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys

import pytest

from adapters.testkit.dms_conduct import GOOD, Conduct, Manner
from config.demo.site import free_port
from tests.commands import answer, run


@pytest.fixture
def letter(town):
    file = town.site.folder / "letter.xml"
    file.write_bytes(town.letter(1))
    return file


def send(town, file, *more, status=0):
    words = ["--url", town.site.box.url, "--box", town.office.box, "--sender", "portal"]
    return answer("send", file, *words, *more, status=status)


def test_a_document_is_sent_listed_and_shown(town, letter):
    config = ["-c", town.site.configuration]
    sent = send(town, letter)
    town.settle()
    again = send(town, letter, "--receipt", town.site.folder / "again.xml")
    assert again["submission"] == sent["submission"]
    assert (town.site.folder / "again.xml").read_bytes() == letter.with_name("letter.upp.xml").read_bytes()
    words = ["receipt", "verify", sent["receipt"], "--document", letter]
    run(*words, "--trust", town.site.folder / "pki" / "seal-ca.pem")

    (listed,) = answer("list", *config, "--office", town.office.id, "--state", "delivered", "--sender", "portal")
    assert listed["submission"]["id"] == sent["submission"]
    digest = hashlib.sha256(letter.read_bytes()).hexdigest()
    assert len(answer("list", *config, "--sha256", digest.upper())) == 1
    for none in (["--office", "nowhere"], ["--state", "refused"], ["--since", "2100-01-01"], ["--sha256", "00"]):
        assert answer("list", *config, *none) == []
    assert answer("list", *config, "--after", sent["submission"]) == []
    assert sent["submission"] in run("list", *config).stdout

    shown = answer("show", *config, sent["submission"])
    assert shown["submission"]["digest"] == digest
    (delivery,) = shown["deliveries"]
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)
    assert {"intake.accepted"} <= {event["name"] for event in shown["events"]}
    assert shown["report"]["indication"] == "TOTAL-PASSED"
    said = run("show", *config, sent["submission"]).stdout
    assert delivery["reference"] in said
    assert run("show", *config, sent["submission"], "--document").stdout_bytes == letter.read_bytes()
    upp = letter.with_name("letter.upp.xml").read_bytes()
    assert run("show", *config, sent["submission"], "--receipt").stdout_bytes == upp
    assert json.loads(run("show", *config, sent["submission"], "--report").stdout) == shown["report"]


def test_a_sender_cannot_draw_on_the_operators_screen(town):
    odd = "[/red] [bold]evil"
    assert town.put(town.letter(2), sender=odd).answer().document
    (listed,) = answer("list", "-c", town.site.configuration)
    assert listed["submission"]["sender"] == odd
    assert odd in run("list", "-c", town.site.configuration).stdout


def test_what_nobody_knows_is_a_no_in_words(town):
    config = ["-c", town.site.configuration]
    for unknown in ("nothing", "za\udcbf\udcf3\udcb3\udce6", "'; --"):
        done = run("show", *config, unknown, "--json", status=1)
        assert done.stdout == ""
        assert "no submission" in done.stderr
    told = answer("requeue", *config, "--reason", "a try", "nothing", status=1)
    assert told == {"requeued": [], "dry_run": False, "left": ["nothing"]}
    assert "Usage" in run("requeue", *config, "--reason", "a try", status=2).stderr
    assert "Usage" in run("list", *config, "--refusals", "--office", "x", status=2).stderr


def test_stuck_deliveries_are_sent_round_again(town, letter):
    config = ["-c", town.site.configuration]
    town.dms.behave(Conduct(manner=Manner.CLIENT_FAULT))
    submission = send(town, letter)["submission"]
    town.settle()
    (delivery,) = answer("show", *config, submission)["deliveries"]
    assert delivery["state"] == "refused"
    town.dms.behave(GOOD)
    words = ["requeue", *config, "--reason", "the office has mended its form"]
    tried = answer(*words, "--dry-run", delivery["id"], "nothing")
    assert (tried["requeued"], tried["left"], tried["dry_run"]) == ([delivery["id"]], ["nothing"], True)
    assert town.dms.received == ()
    assert answer(*words, "--office", town.office.id)["requeued"] == [delivery["id"]]
    town.settle()
    assert [one.delivery for one in town.dms.received] == [delivery["id"]]
    assert "nothing to send" in run(*words, "--office", town.office.id, status=1).stdout
    events = answer("show", *config, submission)["events"]
    assert any("mended" in event["detail"] for event in events)


def test_check_agrees_with_the_broker_that_serves(town):
    told = answer("check", "-c", town.site.configuration)
    assert (told["ok"], told["offices"]) == (True, 2)


def test_a_store_that_is_locked_or_out_of_reach_is_cannot_tell(found):
    town = found(number=1)
    town.serving.stop()
    file = town.site.configuration
    good = file.read_text(encoding="utf-8")
    (town.site.folder / "junk.sqlite").write_bytes(b"this is no database, but long enough to look like one" * 100)
    urls = (
        "sqlite:///no/such/folder/goniec.sqlite",
        "sqlite:///junk.sqlite",
        f"postgresql://nobody@127.0.0.1:{free_port()}/none",
    )
    for url in urls:
        file.write_text(good.replace("sqlite:///goniec.sqlite", url), encoding="utf-8")
        for words in (["list"], ["show", "x"], ["requeue", "--reason", "x", "y"]):
            done = run(*words, "-c", file, "--json", status=2)
            assert done.stdout == ""
            assert done.stderr.startswith("goniec: ")
    assert "Traceback" not in done.stderr


def test_what_cannot_be_served_says_so_and_ends(found):
    town = found(number=1)
    town.serving.stop()
    town.site.configuration.write_text("[seal]\n", encoding="utf-8")
    done = run("serve", "-c", town.site.configuration, status=2)
    assert "seal.kind" in done.stderr


@pytest.fixture
def mock(tmp_path):
    """Runs `goniec mock-dms` as a process."""
    started = []

    def start(*words):
        command = [sys.executable, "-u", "-m", "config.cli", "mock-dms", "--port", "0", *map(str, words)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        line = (process.stderr if "--json" in words else process.stdout).readline()
        assert line.startswith("offices at http://127.0.0.1:")
        return process, line.split()[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_the_mock_document_system_takes_what_it_is_handed_and_says_so(mock, found, tmp_path):
    process, url = mock("--json", "--folder", tmp_path / "got")
    town = found(
        number=1, ways=lambda _, office: {"kind": "soap", "url": url.replace("<office>", office.id), "cooling": 0.5}
    )
    document = town.letter(3)
    submission = town.put(document).answer().document
    town.settle()
    told = json.loads(process.stdout.readline())
    assert (told["office"], told["submission"], told["number"]) == (town.office.id, submission, "RPW/1")
    assert document in [one.read_bytes() for one in (tmp_path / "got").glob("*/*.xml")]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_mock_document_system_whose_port_is_taken_names_it(mock):
    _, url = mock()
    port = url.split(":")[2].partition("/")[0]
    said = run("mock-dms", "--port", port, status=2).stderr
    assert f"127.0.0.1:{port}: Address already in use" in said


def test_a_mock_that_cannot_listen_or_knows_no_such_manner_says_so(mock):
    _, url = mock()
    port = url.split(":")[2].split("/")[0]
    assert "in use" in run("mock-dms", "--port", port, status=2).stderr
    assert "server-fault" in run("mock-dms", "--manner", "rude", status=2).stderr


def test_listing_does_not_disturb_a_broker_at_work(town):
    assert answer("list", "-c", town.site.configuration) == []
    assert town.put(town.letter(4)).answer().document
    with sqlite3.connect(town.site.folder / "goniec.sqlite") as database:
        assert database.execute("pragma quick_check").fetchone() == ("ok",)
    database.close()
