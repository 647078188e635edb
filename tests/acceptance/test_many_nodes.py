"""Several processes serve one store: behind one address, or each behind its own.  Some are killed, all are replaced."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.stores import migrate
from adapters.testkit.box import Submission
from adapters.testkit.dms_conduct import Conduct
from adapters.wire.listening import opened
from broker.ports import Filter
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

ON_BOTH = pytest.mark.parametrize("engine", ["sqlite", "postgres"])


@pytest.fixture
def machine(found, request):
    """A town that is served by several workers, on one of the engines."""

    def make(engine="sqlite", **about):
        store = {}
        if engine == "postgres":
            store["store"] = request.getfixturevalue("postgres_database")
            migrate(store["store"])
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


def load(town, number=2, box=None):
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
    town = machine("postgres", ways=roomy)
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


@ON_BOTH
def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(machine, engine):
    town = machine(engine)
    with load(town) as partners:
        for _ in range(3):
            partners.wait_for(4)
            # The one whose loss costs most; for as long as the lease a dead one holds the duty still.
            (victim,) = until(lambda: [node for node in holders(town.site) if running(node.pid)])
            before = set(town.serving.workers)
            os.kill(victim.pid, signal.SIGKILL)
            until(lambda before=before, victim=victim: set(town.serving.workers) - before and not running(victim.pid))
            until(lambda: len(pids(town.site) & set(town.serving.workers)) == WORKERS)
        partners.wait_for(4)
    holds(town, partners)
    assert len(events(town.site, "supervisor.worker-died")) == 3
    assert town.serving.stop() == 0


@ON_BOTH
def test_on_sighup_every_worker_is_replaced_and_no_submission_is_refused_or_dropped(machine, engine):
    town = machine(engine)
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


def test_as_many_workers_as_a_new_configuration_says_serve_and_none_of_them_refuses_anything(machine):
    town = machine()
    with load(town) as partners:
        partners.wait_for(4)
        for number in (1, 2, WORKERS):
            old = set(town.serving.workers)
            replace(town.site, workers=number).write()
            town.serving.process.send_signal(signal.SIGHUP)
            until(
                lambda old=old, number=number: (
                    len(set(town.serving.workers)) == number and not set(town.serving.workers) & old
                )
            )
            partners.wait_for(4)
    assert partners.resent == 0, "a partner met a refusal or a dropped connection"
    holds(town, partners)
    assert events(town.site, "supervisor.replacement-failed") == events(town.site, "supervisor.worker-died") == []
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


# ── two machines ──


@pytest.fixture
def machines(found, postgres_database):
    """A town with two machines on one PostgreSQL, each with a configuration and an address of its own."""
    migrate(postgres_database)
    town = found(store=postgres_database, sections={"nodes": NODES, "delivery": DELIVERY}, ways=roomy)
    with ExitStack() as ends:
        site = replace(town.site, folder=town.site.folder / "second", port=free_port()).write()
        second = replace(town, site=site, serving=ends.enter_context(site.start()))
        until(lambda: len(alive(town.site)) == 2)
        yield town, second


def test_a_duty_is_one_machines_and_passes_on_when_that_is_killed(machines):
    first, second = machines
    (holder,) = until(lambda: holders(first.site))
    assert sorted(pids(first.site)) == sorted([first.serving.process.pid, second.serving.process.pid])
    killed, left = (first, second) if holder.pid == first.serving.process.pid else (second, first)
    with ExitStack() as ends:
        again = []  # the process that serves after the one that is killed: until the partners have ended
        ends.callback(lambda: [one.stop() for one in again])
        ones, others = (ends.enter_context(load(town, 2)) for town in (killed, left))
        ones.wait_for(3)
        killed.serving.kill()
        (heir,) = until(lambda: [node for node in holders(left.site) if node.id != holder.id])
        assert heir.pid == left.serving.process.pid
        (dead,) = [node for node in nodes(left.site) if not node.alive(left.site.settings.nodes.lease)]
        assert dead.id == holder.id
        others.wait_for(3)
        again.append(killed.site.start())
        ones.wait_for(3)
        others.wait_for(3)
    left.settle()
    account = audit(
        left.site,
        sent=ones.sent | others.sent,
        words=ones.words + others.words,
        arrivals=left.dms.records.arrivals,
    )
    assert account.broken == {}
    assert account.submissions == len(ones.sent | others.sent) == account.delivered


def test_a_machine_that_is_stopped_hands_its_duties_over_at_once(machines):
    first, second = machines
    (holder,) = until(lambda: holders(first.site))
    stopped, left = (first, second) if holder.pid == first.serving.process.pid else (second, first)
    assert stopped.serving.stop() == 0
    assert holder.id not in {node.id for node in nodes(left.site)}
    (heir,) = until(lambda: holders(left.site))
    assert heir.pid == left.serving.process.pid


def test_nodes_are_listed_in_words_and_in_json(machines):
    first, second = machines
    until(lambda: holders(first.site))
    call = ["nodes", "--config", str(second.site.configuration)]
    told = json.loads(CliRunner().invoke(goniec, [*call, "--json"]).output)
    assert {node["pid"] for node in told} == {first.serving.process.pid, second.serving.process.pid}
    assert {node["state"] for node in told} == {"alive"}
    assert {node["layout"] for node in told} == {node.layout for node in nodes(first.site)}
    assert sum("report" in node["duties"] for node in told) == 1
    second.serving.kill()
    until(lambda: len(alive(first.site)) == 1)
    lines = CliRunner().invoke(goniec, call).output.splitlines()
    assert len(lines) == 3
    assert {line.split()[2]: " dead " in f"{line} " for line in lines[1:]} == {
        str(first.serving.process.pid): False,
        str(second.serving.process.pid): True,
    }


# ── what goes wrong ──


def test_workers_stay_as_they_are_when_the_new_configuration_is_wrong(found):
    town = found(workers=2, sections={"nodes": NODES, "delivery": DELIVERY})
    until(lambda: len(alive(town.site)) == 2)
    before, good = set(town.serving.workers), town.site.configuration.read_text(encoding="utf-8")
    sealless = good.replace('file = "pki/seal.bundle.pem"', 'file = "gone.pem"')
    storeless = good.replace("sqlite:///", "sqlite:////nowhere/")
    for wrong, told in (
        ("workers = none", "supervisor.kept-old"),  # no TOML
        (sealless, "supervisor.replacement-failed"),
        (storeless.replace("workers = 2", "workers = 1"), "supervisor.replacement-failed"),
        (storeless.replace("workers = 2", "workers = 4"), "supervisor.replacement-failed"),
    ):
        often = len(events(town.site, told))
        town.site.configuration.write_text(wrong, encoding="utf-8")
        town.serving.process.send_signal(signal.SIGHUP)
        until(lambda told=told, often=often: len(events(town.site, told)) > often)
        until(lambda: len(town.serving.workers) <= 2)
        assert set(town.serving.workers) == before
        assert town.put(town.letter(secrets.randbelow(10**6))).status == 200
    town.site.configuration.write_text(good.replace("workers = 2", "workers = 3"), encoding="utf-8")
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(pids(town.site) & set(town.serving.workers) - {victim}) == 2)
    before |= set(town.serving.workers)
    town.serving.process.send_signal(signal.SIGHUP)
    until(lambda: len(set(town.serving.workers) - before) == 3)
    until(lambda: len(town.serving.workers) == 3)
    assert town.serving.stop() == 0


def test_sighup_ends_nothing_where_there_are_no_workers(found):
    town = found()
    town.serving.process.send_signal(signal.SIGHUP)
    assert town.put(town.letter()).status == 200
    assert town.serving.stop() == 0


def test_what_keeps_workers_from_starting_is_told_once(found):
    town = found()
    assert town.serving.stop() == 0
    broken = replace(town.site, workers=3, sections={"seal": {"kind": "pem", "file": "boxes.csv"}}).write()
    serving = Serving(broken)
    assert serving.process.wait(PATIENCE) == 2
    serving.kill()
    said = (broken.folder / "stderr.txt").read_text(encoding="utf-8")
    assert said.count("boxes.csv") == 1


# ── sockets of the system ──

HANDED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "config.cli", "serve", "--config", sys.argv[2]])
"""


def test_a_single_process_is_replaced_without_a_refusal_when_the_system_holds_its_socket(found):
    town = found(sections={"nodes": NODES, "delivery": DELIVERY})
    assert town.serving.stop() == 0

    def start():
        command = [sys.executable, "-c", HANDED, str(held.fileno()), str(town.site.configuration)]
        with (town.site.folder / "stderr.txt").open("ab") as said:
            return subprocess.Popen(command, pass_fds=[held.fileno()], stdout=said, stderr=said)

    with opened("127.0.0.1", town.site.port) as held, ExitStack() as ends:
        running = start()
        ends.callback(lambda: running.kill())  # noqa: PLW0108 - the one that runs then
        with load(town) as partners:
            for _ in range(2):
                partners.wait_for(4)
                running.send_signal(signal.SIGTERM)
                assert running.wait(PATIENCE) == 0
                running = start()  # meanwhile connections wait in the socket
            partners.wait_for(4)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 0
    assert partners.resent == 0
    with town.site.start():
        holds(town, partners)
