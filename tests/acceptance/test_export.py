"""Exports from a broker that serves: containers that hold, a record of each copy, and runs that are killed."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest

from adapters.archive.opened import opened
from adapters.testkit.pki import Pki
from broker.verify import TrustSnapshot, anchors
from config import bootstrap, settings
from config.archive import INDEX
from tests.commands import answer, run
from tests.containers import a_case

EXAMPLE = Path(settings.__file__).parent / "example"
MANY = 30


@pytest.fixture
def case(town):
    """A letter that was delivered: the words of the configuration, and what its sender got."""
    file = town.site.folder / "letter.xml"
    file.write_bytes(town.letter(1))
    words = ["--url", town.site.box.url, "--box", town.office.box, "--sender", "portal"]
    sent = answer("send", file, *words)
    town.settle()
    return town, ["-c", town.site.configuration], file, sent["submission"]


def test_a_case_is_exported_while_the_broker_serves_and_the_record_tells_of_it(case, tmp_path):
    town, config, file, submission = case
    target, ca = tmp_path / "case.asice", town.site.folder / "pki" / "seal-ca.pem"
    told = answer("export", *config, submission, "-o", target, "--reason", "a court asks")
    assert (told["submission"], told["sha256"]) == (submission, hashlib.sha256(target.read_bytes()).hexdigest())
    said = answer("export", "check", target, "--ca", ca)
    assert (said["verdict"], said["receipt"]["document"]) == ("TOTAL-PASSED", True)
    with ZipFile(target) as archive:
        assert archive.read("document.xml") == file.read_bytes()
        assert archive.read("receipt.xml") == file.with_name("letter.upp.xml").read_bytes()
        (delivery,) = json.loads(archive.read("deliveries.json"))["deliveries"]
        assert (delivery["state"], bool(delivery["reference"])) == ("delivered", True)
        assert len([name for name in archive.namelist() if name.startswith("certificates/")]) == 3
    last = answer("show", *config, submission)["events"][-1]
    assert last["name"] == "export.made"
    assert told["sha256"] in last["detail"]
    assert last["detail"].endswith("a court asks")

    again = run("export", *config, submission, "-o", target, status=2)
    assert "File exists" in again.stderr
    run("export", *config, submission, "-o", target, "--replace")


def test_a_case_is_named_by_any_of_its_ids(case, tmp_path):
    _, config, file, submission = case
    shown = answer("show", *config, submission)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for number, word in enumerate((submission, shown["receipt"]["id"], shown["deliveries"][0]["id"], digest.upper())):
        assert answer("export", *config, word, "-o", tmp_path / f"{number}.asice")["submission"] == submission
    done = run("export", *config, "nobody", "-o", tmp_path / "x.asice", status=1)
    assert "no submission nobody" in done.stderr
    assert not (tmp_path / "x.asice").exists()


def test_one_document_of_two_senders_is_not_guessed_at(case, tmp_path):
    town, config, file, submission = case
    words = ["--url", town.site.box.url, "--box", town.office.box, "--sender", "another"]
    other = answer("send", file, *words)["submission"]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    done = run("export", *config, digest, "-o", tmp_path / "x.asice", status=2)
    assert submission in done.stderr
    assert other in done.stderr


def test_an_archive_is_made_and_gone_on_with(case, tmp_path):
    _, config, _, submission = case
    words = ["export", *config, "--since", "2020-01-01", "--to", tmp_path / "archive"]
    assert answer(*words) == {"folder": str(tmp_path / "archive"), "exported": 1, "there": 0, "pruned": 0}
    assert "1 were there" in run(*words).stdout
    assert (tmp_path / "archive" / f"{submission}.asice").exists()
    assert answer("export", *config, "--since", "2100-01-01", "--to", tmp_path / "none", status=1)["exported"] == 0


# ── killed ──


@pytest.fixture
def filled(tmp_path):
    """The configuration of a store with many submissions, whose receipts bear some other broker's seal."""
    folder = tmp_path / "goniec"
    shutil.copytree(EXAMPLE, folder)
    now = datetime.now(UTC).replace(microsecond=0)
    Pki(at=now).write(folder / "pki")
    store = bootstrap.open_store(settings.load(folder / "goniec.toml"))
    for number in range(MANY):
        a_case(store, f"<letter n='{number}'/>".encode(), number=number, accepted_at=now - timedelta(minutes=number))
    store.close()
    return folder / "goniec.toml"


def test_a_run_that_is_killed_leaves_nothing_half_and_the_next_goes_on(filled, tmp_path):
    folder = tmp_path / "archive"
    command = [sys.executable, "-m", "config.cli", "export", "-c", str(filled), "--since", "2020-01-01"]
    command += ["--to", str(folder)]
    for wanted in (1, MANY // 2):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while child.poll() is None and len(list(folder.glob("*.asice"))) < wanted:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        for file in folder.glob("*.asice"):
            with opened(file, seals(filled)) as container:
                assert container.check.verdict == "TOTAL-PASSED"
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    lines = {one["submission"]: one for one in map(json.loads, (folder / INDEX).read_text().splitlines())}
    assert len(lines) == len(list(folder.glob("*.asice"))) == MANY
    for one in lines.values():
        assert hashlib.sha256((folder / one["file"]).read_bytes()).hexdigest() == one["sha256"]


def seals(configuration):
    with bootstrap.open_ledger(settings.load(configuration)) as ledger:
        return TrustSnapshot(anchors=tuple(one for pem in ledger.seals() for one in anchors(pem)))
