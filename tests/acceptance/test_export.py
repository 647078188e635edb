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
from adapters.testkit.tsa import Tsa, serving
from broker.verify import TrustSnapshot, anchors
from config import bootstrap, settings
from config.archive import INDEX
from tests.commands import answer, run
from tests.containers import a_case, chain_journal, deliver

EXAMPLE = Path(settings.__file__).parent / "example"
MANY = 15
SHARED = b"<shared/>"


def test_a_case_is_exported_while_the_broker_serves_and_the_record_tells_of_it(town, tmp_path):
    config, file = ["-c", town.site.configuration], town.site.folder / "letter.xml"
    file.write_bytes(town.letter(1))
    words = ["--url", town.site.box.url, "--box", town.office.box, "--sender", "portal"]
    submission = answer("send", file, *words)["submission"]
    town.settle()
    target, ca = tmp_path / "case.asice", town.site.folder / "pki" / "seal-ca.pem"
    told = answer("export", *config, submission, "-o", target, "--reason", "a court asks")
    assert (told["submission"], told["sha256"]) == (submission, hashlib.sha256(target.read_bytes()).hexdigest())
    said = answer("export", "check", target, "--ca", ca)
    assert (said["verdict"], said["receipt"]["document"]) == ("TOTAL-PASSED", True)
    (tmp_path / "seals.pem").write_text(run("receipt", "bundle", *config).stdout, encoding="utf-8")
    assert answer("export", "check", target, "--ca", tmp_path / "seals.pem")["verdict"] == "TOTAL-PASSED"
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


@pytest.fixture
def filled(tmp_path):
    """The configuration of a store with some submissions that are delivered and chained, and these; their receipts bear some other broker's seal."""
    folder = tmp_path / "goniec"
    shutil.copytree(EXAMPLE, folder)
    now = datetime.now(UTC).replace(microsecond=0)
    Pki(at=now).write(folder / "pki")
    store = bootstrap.open_store(settings.load(folder / "goniec.toml"))
    cases = [
        a_case(store, f"<letter n='{number}'/>".encode(), number=number, accepted_at=now - timedelta(minutes=number))
        for number in range(MANY)
    ]
    a_case(store, SHARED, number=MANY, accepted_at=now, sender="one")
    a_case(store, SHARED, number=MANY + 1, accepted_at=now, sender="another", trial=True)
    deliver(store)
    chain_journal(store)
    store.close()
    return folder / "goniec.toml", cases


def test_a_case_is_named_by_any_of_its_ids(filled, tmp_path):
    configuration, (case, *_) = filled
    words = (case.submission.id, case.receipt.id, case.deliveries[0].id, case.submission.digest.upper())
    for number, word in enumerate(words):
        said = answer("export", "-c", configuration, word, "-o", tmp_path / f"{number}.asice")
        assert said["submission"] == case.submission.id
    done = run("export", "-c", configuration, "nobody", "-o", tmp_path / "x.asice", status=1)
    assert "no submission nobody" in done.stderr
    several = run("export", "-c", configuration, hashlib.sha256(SHARED).hexdigest(), "-o", tmp_path / "x", status=2)
    assert {f"case-{MANY}", f"case-{MANY + 1}"} <= set(several.stderr.split())
    assert not list(tmp_path.glob("x*"))


def test_an_archive_is_made_and_gone_on_with(filled, tmp_path):
    words = ["export", "-c", filled[0], "--since", "2020-01-01", "--to", tmp_path / "archive"]
    counts = {"exported": MANY + 1, "there": 0, "pruned": 0, "doubtful": []}
    assert answer(*words) == {"folder": str(tmp_path / "archive"), **counts}
    assert f"{MANY + 1} were there" in run(*words).stdout
    assert answer(*words, "--trials")["exported"] == 1
    nothing = ["export", "-c", filled[0], "--since", "2100-01-01", "--to", tmp_path / "none"]
    assert answer(*nothing, status=1)["exported"] == 0


def test_a_container_that_was_touched_stays_when_its_document_was_pruned_and_the_exit_status_tells(filled, tmp_path):
    configuration, (case, *_) = filled
    words = ["export", "-c", configuration, "--since", "2020-01-01", "--to", tmp_path / "archive"]
    run(*words)
    touched = tmp_path / "archive" / f"{case.submission.id}.asice"
    touched.write_bytes(touched.read_bytes() + b"\n")
    plain = configuration.read_text(encoding="utf-8")
    configuration.write_text(plain.replace('# default = "forever"', 'default = "PT1S"'), encoding="utf-8")
    time.sleep(1)
    assert answer("prune", "-c", configuration)["pruned"] == MANY + 2
    before = touched.read_bytes()
    told = answer(*words, status=1)
    assert told["doubtful"] == [{"file": str(touched), "why": "it is not the one of the index"}]
    assert (told["exported"], told["there"]) == (0, MANY)
    assert touched.read_bytes() == before
    assert f"{touched}: it is not the one of the index; it stays" in run(*words, status=1).stderr.replace("\n", "")


def test_a_container_is_time_stamped_where_an_authority_is_named_and_waits_for_it(filled, tmp_path):
    configuration, (case, *_) = filled
    now = datetime.now(UTC)
    pki = Pki(at=now)
    (tmp_path / "tsa.pem").write_bytes(pki.local_ca.credential.pem)
    tsa = Tsa.of(pki.local_ca, now)
    tsa.clock = lambda: datetime.now(UTC)
    words = ["export", "-c", configuration, case.submission.id]
    plain = configuration.read_text(encoding="utf-8")
    with serving(tsa) as url:
        named = f'\n[stamping]\nurl = "{url}"\nca = ["{tmp_path}/tsa.pem"]\nhosts = ["{url.split("/")[2]}"]\n'
        configuration.write_text(plain + named, encoding="utf-8")
        run(*words, "-o", tmp_path / "stamped.asice")
    anchored = TrustSnapshot(anchors=anchors((tmp_path / "tsa.pem").read_bytes()))
    with opened(tmp_path / "stamped.asice", seals(configuration), anchored) as container:
        assert container.check.verdict == "TOTAL-PASSED"
        assert abs(container.check.stamped_at - now) < timedelta(minutes=4)
    done = run(*words, "-o", tmp_path / "away.asice", status=2)
    assert done.stderr
    assert not list(tmp_path.glob("*away*"))
    told = [one["name"] for one in answer("show", "-c", configuration, case.submission.id)["events"]]
    assert told.count("export.made") == 1


def test_without_its_seal_the_broker_exports_nothing(filled, tmp_path):
    configuration, (case, *_) = filled
    shutil.rmtree(configuration.parent / "pki")
    run("export", "-c", configuration, case.submission.id, "-o", tmp_path / "x.asice", status=2)
    assert not list(tmp_path.glob("*x.asice*"))


def test_a_run_that_is_killed_leaves_nothing_half_and_the_next_goes_on(filled, tmp_path):
    folder = tmp_path / "archive"
    command = [sys.executable, "-m", "config.cli", "export", "-c", str(filled[0]), "--since", "2020-01-01"]
    command += ["--to", str(folder)]
    for wanted in (1, MANY // 2):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while child.poll() is None and len(list(folder.glob("*.asice"))) < wanted:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        for file in folder.glob("*.asice"):
            with opened(file, seals(filled[0])) as container:
                assert container.check.verdict == "TOTAL-PASSED"
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    lines = {one["submission"]: one for one in map(json.loads, (folder / INDEX).read_text().splitlines())}
    assert len(lines) == len(list(folder.glob("*.asice"))) == MANY + 1
    assert not list(folder.glob(".*"))
    for one in lines.values():
        assert hashlib.sha256((folder / one["file"]).read_bytes()).hexdigest() == one["sha256"]


def seals(configuration):
    with bootstrap.open_ledger(settings.load(configuration)) as ledger:
        return TrustSnapshot(anchors=tuple(one for pem in ledger.seals() for one in anchors(pem)))
