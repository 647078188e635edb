"""`goniec demo` as a process: what it prints, what it leaves, and what it will not remove."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from config.cli.demo import MARK
from tests.commands import run

LAST = "accepted 12 · refused 10 (each as it should) · delivered 12 · receipts verified 12 · lost 0 · doubled 0"


def demo(folder, *words):
    command = [sys.executable, "-m", "config.cli", "demo", "--offices", "4", "--forms", "12", "--folder", str(folder)]
    return subprocess.run([*command, *words], check=False, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "played"
    return folder, demo(folder)


def test_its_last_line_says_that_every_promise_was_kept(played):
    _, done = played
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == LAST
    assert "\x1b" not in done.stdout


def test_it_leaves_everything_where_it_can_be_looked_at(played):
    folder, _ = played
    assert len(list((folder / "forms").glob("*.xml"))) == 12 + 10 + 1  # good, bad, trial
    receipts = list((folder / "receipts").glob("*.xml"))
    assert len(receipts) == 12 + 1
    registered = [one for one in (folder / "offices").glob("*/*.xml") if not one.name.endswith(".upp.xml")]
    assert len(registered) == 12
    assert {one.parent.name for one in registered} <= {office.name for office in (folder / "offices").iterdir()}
    assert (folder / "pki" / "seal-ca.pem").exists()
    assert (folder / "goniec.sqlite").stat().st_size
    assert all(json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines())


def test_what_it_leaves_can_be_worked_with(played):
    folder, _ = played
    run("check", "-c", folder / "goniec.toml")
    assert len(json.loads(run("list", "-c", folder / "goniec.toml", "--json").stdout)) == 12
    receipt = min((folder / "receipts").glob("0*.xml"))
    document = folder / "forms" / receipt.name
    run("receipt", "verify", receipt, "--document", document, "--trust", folder / "pki" / "seal-ca.pem")


def test_it_says_the_same_in_json_and_replaces_only_what_a_demo_made(played):
    folder, _ = played
    (folder / "left-over").write_bytes(b"")
    done = demo(folder, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["holds"], told["wrong"]) == (0, True, [])
    assert (told["accepted"], told["refused"], told["delivered"], told["lost"], told["doubled"]) == (12, 10, 12, 0, 0)
    assert len(told["letters"]) == 12 + 10 + 2
    assert all(letter["as_it_should"] for letter in told["letters"])
    assert not (folder / "left-over").exists()


def test_it_removes_no_folder_that_it_did_not_make(tmp_path):
    (tmp_path / "goniec.toml").write_text("an operator's own")
    assert "not a demo's" in run("demo", "--folder", tmp_path, status=2).stderr
    assert (tmp_path / "goniec.toml").read_text() == "an operator's own"
    assert not (tmp_path / MARK).exists()


def test_a_rabbitmq_that_was_named_must_answer(tmp_path):
    words = ["--rabbitmq", "amqp://guest:guest@127.0.0.1:1/"]
    done = demo(tmp_path / "demo", *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1  # in words of our own; none of the library's


def test_more_offices_than_there_are_is_wrong_use(tmp_path):
    assert "Usage" in run("demo", "--offices", "55", "--folder", tmp_path / "demo", status=2).stderr
