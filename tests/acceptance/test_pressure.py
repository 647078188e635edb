"""A whole broker under pressure: senders are told when to come back, /readyz says why, and then all is taken in."""

from __future__ import annotations

import http.client
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url

from adapters.stores import migrate
from adapters.testkit.pki import Pki
from adapters.testkit.proxy import Mood, Proxy
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.softhsm import LABEL, MODULE, PIN, SoftHsm
from broker.model import OfficeId
from config.bootstrap import open_ledger
from config.demo.forms import Kind, form
from config.demo.site import free_port

PATIENCE = 60.0
DEBIAN = Path(__file__).resolve().parents[2] / "scripts" / "debian.py"


@pytest.fixture
def watched(found):
    """Founds a town with an endpoint for monitoring."""

    def make(pressure=None, **about):
        port = free_port()
        watching = {"ops": {"listen": f"127.0.0.1:{port}"}, "pressure": {"patience": 1, **(pressure or {})}}
        town = found(sections={**watching, **about.pop("sections", {})}, **about)
        return town, Monitor(port)

    return make


class Monitor:
    """Who asks the endpoint."""

    def __init__(self, port):
        self.port = port

    def get(self, path):
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            line.request("GET", path, headers={"Accept": "application/json"})
            answer = line.getresponse()
            return answer.status, answer.read().decode()
        finally:
            line.close()

    def conditions(self):
        """What keeps documents out, of all or of some; whether it is ready goes by the former alone."""
        status, body = self.get("/readyz")
        said = json.loads(body)
        assert (status == 200) == said["ready"] == all(one["partial"] for one in said["conditions"])
        return {one["condition"] for one in said["conditions"]}

    def wait_for(self, *conditions):
        self.wait_until(lambda now: now == set(conditions))

    def wait_until(self, holds):
        deadline = time.monotonic() + PATIENCE
        while not holds(now := self.conditions()):
            assert time.monotonic() < deadline, now
            time.sleep(0.05)

    def figure(self, name):
        lines = self.get("/metrics")[1].splitlines()
        return {line.partition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)}


def told_to_come_back(reply, seconds=None):
    assert reply.status == 503
    assert reply.fault().code.endswith("Server")
    assert seconds is None or reply.headers["retry-after"] == str(seconds)
    for why in (b"disk", b"queue", b"seal", b"store", b"postgres"):
        assert why not in reply.body.lower(), "why is nobody's business out there"


def test_a_full_queue_puts_new_documents_off_answers_repeats_and_drains(watched):
    town, monitor = watched({"queue": 3})
    monitor.wait_for()
    with open_ledger(town.site.settings) as ledger:
        ledger.pause(OfficeId(town.office.id), True)
        letters = [town.letter(number) for number in range(4)]
        receipts = [town.put(letter).answer().attachment.content for letter in letters[:3]]
        monitor.wait_for("queue")
        told_to_come_back(town.put(letters[3]), 30)
        assert town.put(letters[0]).answer().attachment.content == receipts[0], "a repeat gets its receipt all the same"
        assert monitor.figure("goniec_put_off_total") == {'goniec_put_off_total{condition="queue"}': 1}
        assert monitor.figure("goniec_pressure")['goniec_pressure{condition="queue"}'] == 1
        assert monitor.figure("goniec_queued_deliveries") == {
            f'goniec_queued_deliveries{{office="{town.office.id}"}}': 3
        }
        ledger.pause(OfficeId(town.office.id), False)
        monitor.wait_for()
        assert town.put(letters[3]).answer().success
        town.settle()
    assert sorted(one.document for one in town.dms.received) == sorted(letters)
    found = monitor.figure("goniec_intake_total")
    assert found['goniec_intake_total{outcome="accepted"}'] == 4
    assert found['goniec_intake_total{outcome="repeated"}'] == 1
    assert monitor.figure("goniec_intake_seconds_count") == {"goniec_intake_seconds_count": 6}


def test_a_full_queue_of_one_office_keeps_nobody_elses_documents_out(watched):
    town, monitor = watched({"office_queue": 2})
    full, other = town.site.offices[:2]
    with open_ledger(town.site.settings) as ledger:
        ledger.pause(OfficeId(full.id), True)
        for number in range(2):
            assert town.put(town.letter(number)).answer().success
        monitor.wait_for("office-queue")
        put_off = town.letter(3)
        told_to_come_back(town.put(put_off), 60)
        letter = sign(form(Kind.LETTER_1410, other, 4), town.site.pki.person, datetime.now(UTC), QUALIFIED)
        assert town.put(letter, box=other.box).answer().success
        assert town.put(put_off, trial="true").answer().success, "a trial waits in no queue"
        ledger.pause(OfficeId(full.id), False)
        monitor.wait_for()
        assert town.put(put_off).answer().success


def test_a_low_disk_puts_new_documents_off_and_no_repeat(watched, tmp_path):
    town, monitor = watched()
    letter = town.letter()
    receipt = town.put(letter).answer().attachment.content
    assert town.serving.stop() == 0
    low = town.site.configuration.read_text().replace("patience = 1", f"patience = 1\ndisk = {10**18}")
    town.site.configuration.write_text(low)
    with town.site.start():
        monitor.wait_for("disk")
        told_to_come_back(town.put(town.letter(1)), 60)
        assert town.put(letter).answer().attachment.content == receipt


def test_a_disk_without_a_byte_left_loses_nothing_and_when_there_is_room_the_same_message_is_taken_in(watched):
    """The kernel lets the process write no file any more (RLIMIT_FSIZE): its store and its log."""
    town, monitor = watched()
    monitor.wait_for()
    known, letter = town.letter(), town.letter(1)
    receipt = town.put(known).answer().attachment.content
    town.settle()
    process = town.serving.process.pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (1, before[1]))
    told_to_come_back(town.put(letter))
    monitor.wait_for("writer")
    told_to_come_back(town.put(letter))
    assert town.put(known).answer().attachment.content == receipt
    resource.prlimit(process, resource.RLIMIT_FSIZE, before)
    monitor.wait_for()
    assert town.put(letter).answer().success
    town.settle()
    assert sorted(one.document for one in town.dms.received) == sorted([known, letter])
    with open_ledger(town.site.settings) as ledger:
        assert ledger.stats().submissions == 2


def test_a_seal_whose_token_is_gone_is_noticed_without_a_document_and_comes_back(watched, tmp_path, monkeypatch):
    subprocess.run([sys.executable, str(DEBIAN), "softhsm"], check=True)
    hsm = SoftHsm(tmp_path / "hsm")
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    monkeypatch.setenv("TEST_SEAL_PIN", PIN)
    table = {"kind": "pkcs11", "module": MODULE, "token": LABEL, "key": "seal", "pin_variable": "TEST_SEAL_PIN"}
    hsm.put(Pki(at=datetime.now(UTC)).seal, label="seal", id_="01")
    town, monitor = watched(sections={"seal": table})
    monitor.wait_for()
    hsm.take_away()
    monitor.wait_for("seal")
    told_to_come_back(town.put(letter := town.letter()), 15)
    hsm.bring_back()
    monitor.wait_for()
    assert town.put(letter).answer().success


@pytest.fixture
def away(watched, postgres_database):
    """A town whose PostgreSQL can be taken away."""
    url = make_url(postgres_database)
    with Proxy(str(url.host), int(url.port)) as proxy:
        through = url.set(drivername="postgresql", host="127.0.0.1", port=proxy.port)
        migrate(postgres_database)
        made = watched(sections={"store": {"kind": "sql", "url": through.render_as_string(hide_password=False)}})
        yield (*made, proxy)
        proxy.be(Mood.FORWARD)
        made[0].serving.stop()


def test_a_store_that_is_away_or_silent_is_told_in_time_and_the_same_message_is_taken_in_later(away):
    town, monitor, proxy = away
    monitor.wait_for()
    letters = [town.letter(number) for number in range(3)]
    assert town.put(letters[0]).answer().success
    for mood in (Mood.REFUSE, Mood.SWALLOW):
        proxy.be(mood)
        monitor.wait_until(lambda now: "store" in now)  # the writer may have met it too
        told_to_come_back(town.put(letters[1]))
        assert monitor.get("/livez") == (200, "ok\n")
    assert "goniec_queued_deliveries{" not in monitor.get("/metrics")[1]
    proxy.be(Mood.REFUSE)  # what was swallowed is lost: cut, so that nobody goes on waiting for it
    proxy.be(Mood.FORWARD)
    monitor.wait_for()
    for letter in letters:
        assert town.put(letter).answer().success
    town.settle()
    assert sorted(one.document for one in town.dms.received) == sorted(letters)
