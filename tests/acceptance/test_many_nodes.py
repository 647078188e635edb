"""Several processes serve one store: behind one address, or each behind its own.  Some are killed, all are replaced."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.stores import migrate
from adapters.testkit.box import Submission
from adapters.testkit.dms_conduct import Conduct
from config.bootstrap import open_store
from config.cli.main import goniec
from config.demo.site import Serving, free_port
from tests.crash.partners import Partners
from tests.crash.promises import audit

WORKERS = 3
PATIENCE = 60.0
NODES = {"beat": 0.3, "lease": 1.0}
# A worker that is killed over and over is not its documents' fault.
DELIVERY = {"lease": 2.0, "first_wait": 0.1, "longest_wait": 0.5, "poll": 0.1, "crashes": 1000, "threads": 4}


@pytest.fixture(params=["sqlite", "postgres"])
def store(request):
    """Where the custody is, as a field of the site."""
    if request.param == "sqlite":
        return {}
    url = request.getfixturevalue("postgres_database")
    migrate(url)
    return {"store": url}


@pytest.fixture
def machine(found, store):
    """A town that is served by several workers."""

    def make(**about):
        sections = {"nodes": NODES, "delivery": DELIVERY, **about.pop("sections", {})}
        town = found(workers=WORKERS, sections=sections, **store, **about)
        until(lambda: len(alive(town.site)) == WORKERS)
        return town

    return make


def roomy(dms, office):
    """An office that takes many documents at once."""
    return {"kind": "soap", "url": dms.url(office.id), "in_flight": 30}


def until(holds, patience=PATIENCE):
    """Wait until it holds; return what held."""
    end = time.monotonic() + patience
    while not (held := holds()):
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)
    return held


def nodes(site):
    opened = open_store(site.settings)
    try:
        return opened.nodes.list()
    finally:
        opened.close()


def alive(site):
    return [node for node in nodes(site) if node.alive(site.settings.nodes.lease)]


def pids(site):
    return {node.pid for node in alive(site)}


def holders(site, duty="report"):
    return [node for node in nodes(site) if duty in node.duties]


def events(site, name):
    lines = (json.loads(line) for line in site.log.read_text(encoding="utf-8", errors="replace").splitlines())
    return [line for line in lines if line["event"] == name]


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def load(town, number=4, box=None):
    """Partners that send one letter after the other."""

    def letter():
        load.made += 1
        return Submission(document=town.letter(load.made, attachments=()), box=town.office.box)

    return Partners(box or town.site.box, letter, number, secrets.randbits(32), patience=PATIENCE)


load.made = 0


def holds(town, partners):
    """Every promise, over everything that was sent."""
    town.settle()
    account = audit(town.site, sent=partners.sent, words=partners.words, arrivals=town.dms.records.arrivals)
    assert account.broken == {}
    assert account.submissions == len(partners.sent) == account.delivered
    return account


# ── one machine ──


def test_workers_behind_one_address_are_nodes_that_share_the_work(machine):
    town = machine(ways=roomy)
    assert pids(town.site) == set(town.serving.workers)
    assert len(holders(town.site)) == 1
    town.dms.behave(Conduct(delay=0.5))
    with load(town, 6) as partners:
        partners.wait_for(30)
    holds(town, partners)
    known = {node.id for node in nodes(town.site)}
    opened = open_store(town.site.settings)
    try:
        takers = {
            event.detail
            for submission in {word.submission for word in partners.words}
            for event in opened.show(submission).events
            if event.name == "delivery.claimed"
        }
    finally:
        opened.close()
    assert takers <= known
    assert len(takers) > 1, "one worker did it all"
    assert town.serving.stop() == 0
    assert nodes(town.site) == []


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(machine):
    town = machine()
    with load(town) as partners:
        for _ in range(3):
            partners.wait_for(4)
            (victim,) = holders(town.site) or until(lambda: holders(town.site))  # the one whose loss costs most
            before = set(town.serving.workers)
            os.kill(victim.pid, signal.SIGKILL)
            until(lambda before=before, victim=victim: set(town.serving.workers) - before and not running(victim.pid))
            until(lambda: len(pids(town.site) & set(town.serving.workers)) == WORKERS)
        partners.wait_for(4)
    holds(town, partners)
    assert len(events(town.site, "supervisor.worker-died")) == 3
    assert town.serving.stop() == 0


def test_on_sighup_every_worker_is_replaced_and_no_submission_is_refused_or_dropped(machine):
    town = machine()
    with load(town) as partners:
        partners.wait_for(4)
        for _ in range(2):
            old = set(town.serving.workers)
            town.serving.process.send_signal(signal.SIGHUP)
            until(lambda old=old: len(set(town.serving.workers)) == WORKERS and not set(town.serving.workers) & old)
        partners.wait_for(4)
    assert partners.resent == 0, "a partner met a refusal or a dropped connection"
    holds(town, partners)
    assert events(town.site, "supervisor.replacement-failed") == []
    assert town.serving.stop() == 0
    assert nodes(town.site) == []


def test_a_stop_lets_attempts_end_and_no_node_stays_behind(machine):
    town = machine()
    town.dms.behave(Conduct(delay=2.0))
    documents = [town.letter(number) for number in range(6)]
    for document in documents:
        assert town.put(document).status == 200
    until(lambda: town.dms.records.arrivals or any("delivery.claimed" in str(each) for each in shown(town)))
    assert town.serving.stop() == 0
    assert nodes(town.site) == []
    said = [event.name for record in shown(town) for event in record.events]
    assert "delivery.taken-over" not in said
    assert said.count("delivery.claimed") == said.count("delivery.acknowledged") + said.count("delivery.released")
    town.dms.behave(Conduct())
    with town.site.start():
        town.settle()
    assert sorted(one.document for one in town.dms.received) == sorted(documents)


def shown(town):
    opened = open_store(town.site.settings)
    try:
        from broker.ports import Filter

        return [opened.show(record.submission.id) for record in opened.list(Filter())]
    finally:
        opened.close()


def test_workers_end_when_their_supervisor_is_killed(machine):
    town = machine()
    workers = town.serving.workers
    document = town.letter()
    town.put(document)
    town.serving.process.kill()
    until(lambda: not any(map(running, workers)))
    assert nodes(town.site) == []
    with town.site.start():
        town.settle()
        assert len(town.serving.workers) == 0
    assert [one.document for one in town.dms.received] == [document]
