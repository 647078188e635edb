"""The supervisor among processes that behave badly: real forks, with workers that are a few lines each."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from config.demo.site import children, free_port
from config.worker import LONGEST_PAUSE, Place

PATIENCE = 60.0

# `work(worker, again)` is what a worker does; `again` says at which SIGHUP its settings were read.  WORKERS says how
# many there are to be then, PORTS where they listen.
SCRIPT = """
import os, signal, sys, time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
import structlog
from config import supervisor
from config.listeners import Listeners

structlog.configure(
    processors=[structlog.processors.JSONRenderer()],
    logger_factory=structlog.WriteLoggerFactory(Path("log").open("a", buffering=1)),
)

def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.01)

def until_told():
    signal.sigwait({signal.SIGTERM})

heeded = 0
WORKERS, PORTS = {}, {}

def bind(settings, listeners):
    for port in PORTS.get(settings.again, ()):
        listeners("127.0.0.1", port).close()

def settings():
    return SimpleNamespace(workers=WORKERS.get(heeded, 2), again=heeded)

def read():
    global heeded
    heeded += 1
    return settings()

%s

listeners = Listeners(keep=True)
it = supervisor.Supervisor(settings(), listeners, read=read, bind=bind).run()
if isinstance(it, int):
    sys.exit(it)
Path(f"settings-{os.getpid()}").write_text(str(it.settings.again))
work(it, it.settings.again)
"""

GOOD = """
def work(worker, again):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    worker.ready()
    until_told()
"""


class Supervised:
    """A supervisor under test."""

    def __init__(self, folder, work):
        self.folder = folder
        self.said = (folder / "stderr").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT % work],
            cwd=folder,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=self.said,
        )

    def events(self, name):
        log = self.folder / "log"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [line for line in map(json.loads, lines) if line["event"] == f"supervisor.{name}"]

    def until(self, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            self.said.seek(0)
            assert self.process.poll() is None, self.said.read()
            assert time.monotonic() < end, "it never came to that"
            time.sleep(0.02)

    def ready(self, number):
        self.until(lambda: len(self.events("worker-ready")) >= number)

    def again(self):
        """Have the configuration read again."""
        self.process.send_signal(signal.SIGHUP)

    @property
    def workers(self):
        return set(children(self.process.pid))

    def have(self, *settings):
        """Tell whether there are workers with these settings, all of them ready, and no others."""
        ready = {one["pid"] for one in self.events("worker-ready")}
        born = [self.folder / f"settings-{pid}" for pid in self.workers if pid in ready]
        return sorted(int(one.read_text()) for one in born) == sorted(settings) and len(born) == len(self.workers)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def close(self):
        self.process.kill()  # its workers end with it
        self.process.wait(PATIENCE)
        self.said.close()


@pytest.fixture
def supervised(tmp_path):
    """Starts a supervisor of two workers."""
    with ExitStack() as ends:

        def start(work):
            made = Supervised(tmp_path, work)
            ends.callback(made.close)
            return made

        yield start


LATE = """
def work(worker, again):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if again:
        Path("born").touch()
        wait_for("go")
    worker.ready()
    until_told()
"""


def test_a_successor_that_gets_ready_while_all_are_told_to_end_ends_too(supervised, tmp_path):
    it = supervised(LATE)
    it.ready(2)
    it.process.send_signal(signal.SIGHUP)
    it.until((tmp_path / "born").exists)
    it.process.send_signal(signal.SIGTERM)
    it.until(lambda: it.events("stopping"))
    (tmp_path / "go").touch()
    assert it.process.wait(PATIENCE) == 0
    assert len(it.events("worker-ready")) == 3
    assert it.events("replacement-failed") == []


# What the third SIGHUP brings is good, and so is what there was at first.
BAD = """
def work(worker, again):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if again in {1, 2}:
        sys.exit(3)
    worker.ready()
    until_told()
"""


@pytest.mark.parametrize("number", [1, 2, 5])
def test_settings_with_which_nobody_comes_up_leave_workers_their_number_and_their_settings_as_they_were(
    supervised, number
):
    it = supervised(f"WORKERS = {{1: {number}, 2: {number}, 3: {number}}}" + BAD)
    it.ready(2)
    before = it.workers
    for failed in (1, 2):
        it.again()
        it.until(lambda failed=failed: len(it.events("replacement-failed")) == failed)
        assert it.workers == before
    assert it.events("worker-ended") == it.events("worker-died") == []
    os.kill(min(before), signal.SIGKILL)
    it.ready(3)
    assert it.have(0, 0)
    it.again()
    it.until(lambda: it.have(*[3] * number))
    assert it.stop() == 0


@pytest.mark.parametrize("number", [1, 5])
def test_the_number_of_workers_changes_when_the_first_new_one_is_ready(supervised, tmp_path, number):
    it = supervised(f"WORKERS = {{1: {number}}}" + LATE)
    it.ready(2)
    before = it.workers
    it.again()
    it.until((tmp_path / "born").exists)
    assert len(it.workers) == 3
    assert before < it.workers
    assert it.events("worker-ended") == []
    (tmp_path / "go").touch()
    it.until(lambda: it.have(*[1] * number))
    assert it.events("worker-died") == []
    assert it.stop() == 0


def test_a_worker_that_dies_while_the_first_new_one_starts_is_started_as_it_was_and_replaced_in_its_turn(
    supervised, tmp_path
):
    it = supervised(LATE)
    it.ready(2)
    before = it.workers
    it.again()
    it.until((tmp_path / "born").exists)
    for victim in before:
        os.kill(victim, signal.SIGKILL)
    it.ready(4)
    (tmp_path / "go").touch()
    it.until(lambda: it.have(1, 1))
    assert it.events("replacement-failed") == []
    assert it.stop() == 0


HALF = """
def work(worker, again):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if again == 2:
        sys.exit(3)
    if again == 1 and worker.number == 1:
        Path("half").touch()
        wait_for("go")
    worker.ready()
    until_told()
"""


def test_settings_with_which_nobody_comes_up_do_not_end_a_replacement_that_is_half_done(supervised, tmp_path):
    it = supervised(HALF)
    it.ready(2)
    it.again()
    it.until((tmp_path / "half").exists)
    it.again()
    it.until(lambda: len(it.events("replacing")) == 2)
    (tmp_path / "go").touch()
    it.until(lambda: it.events("replacement-failed"))
    it.until(lambda: it.have(1, 1))
    assert it.stop() == 0


HALTING = """
def work(worker, again):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if again == 1:
        Path("born").touch()
        wait_for("go")
        sys.exit(3)
    worker.ready()
    until_told()
"""

SLOW = """
def work(worker, again):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if not again:
        Path("born").touch()
        wait_for("go")
    worker.ready()
    until_told()
"""


def test_new_settings_that_come_before_anybody_is_ready_are_tried_beside_the_old_ones(supervised, tmp_path):
    it = supervised("WORKERS = {1: 3}" + SLOW)
    it.until((tmp_path / "born").exists)
    it.again()
    it.ready(3)
    (tmp_path / "go").touch()
    it.until(lambda: it.have(1, 1, 1))
    assert it.events("worker-died") == it.events("replacement-failed") == []
    assert it.stop() == 0


ENDLESS = """
supervisor.READY_WITHIN = 3.0

def work(worker, again):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if again % 2:
        Path(f"born-{again}").touch()
        time.sleep(1000)
    worker.ready()
    until_told()
"""


def test_a_successor_that_hangs_while_it_starts_is_in_nobodys_way_for_long(supervised, tmp_path):
    """It has taken nothing in: neither corrected settings nor a stop have to wait for it as for one that serves."""
    it = supervised(ENDLESS)
    it.ready(2)
    it.again()
    it.until((tmp_path / "born-1").exists)
    it.again()
    it.until(lambda: it.have(2, 2))
    it.again()
    it.until((tmp_path / "born-3").exists)
    assert it.stop() == 1, "it had to be killed"


# Whoever dies once is not started again for a thousand seconds.
SICK = """
from config import worker
worker.LONGEST_PAUSE, worker._DOUBLED = 1000.0, 20
supervisor.Place = partial(worker.Place, deaths=20)
"""


def test_new_settings_are_tried_at_once_where_all_workers_have_died_of_the_old_ones(supervised):
    it = supervised(SICK + GOOD)
    it.ready(2)
    for victim in it.workers:
        os.kill(victim, signal.SIGKILL)
    it.until(lambda: len(it.events("worker-died")) == 2)
    assert not it.workers
    it.again()
    it.until(lambda: it.have(1, 1))
    assert it.stop() == 0


UNREADABLE = """
def read():
    global heeded
    heeded += 1
    if heeded == 1:
        raise RecursionError("maximum recursion depth exceeded")
    return settings()
"""


def test_a_configuration_that_breaks_whatever_reads_it_ends_nothing(supervised):
    it = supervised(UNREADABLE + GOOD)
    it.ready(2)
    before = it.workers
    it.again()
    it.until(lambda: it.events("kept-old"))
    assert it.workers == before
    (kept,) = it.events("kept-old")
    assert kept["problems"] == ["RecursionError"]
    assert kept["exc_info"]
    it.again()
    it.until(lambda: it.have(2, 2))
    assert it.stop() == 0


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_address_that_no_worker_serves_any_more_is_closed_in_all_of_them(supervised):
    """Else the system takes connections there, and nobody ever answers."""
    kept, old, new = (free_port() for _ in range(3))
    it = supervised(f"PORTS = {{0: [{kept}, {old}], 1: [{kept}, {new}]}}" + GOOD)
    it.ready(2)
    assert not refused(old)
    it.again()
    it.until(lambda: it.have(1, 1))
    it.until(lambda: refused(old))
    assert not refused(kept)
    assert not refused(new)
    assert it.stop() == 0


def test_an_address_of_settings_that_were_given_up_is_closed_in_whoever_was_born_meanwhile(supervised, tmp_path):
    old, new = free_port(), free_port()
    it = supervised(f"PORTS = {{0: [{old}], 1: [{new}], 2: [{new}]}}" + HALTING)
    it.ready(2)
    before = it.workers
    it.again()
    it.until((tmp_path / "born").exists)
    os.kill(min(before), signal.SIGKILL)
    it.ready(3)
    assert not refused(new)
    (tmp_path / "go").touch()
    it.until(lambda: it.events("replacement-failed"))
    assert it.have(0, 0)
    it.until(lambda: refused(new))
    assert not refused(old)
    it.again()
    it.until(lambda: it.have(2, 2))
    assert it.events("kept-old") == []
    assert it.stop() == 0


NO_FORK = """
fork, forks = os.fork, iter(range(1, 100))

def scarce():
    if next(forks) in FAILING:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()

os.fork = scarce
"""


def test_a_worker_for_which_the_system_has_no_process_is_tried_again(supervised):
    it = supervised("FAILING = {2, 3}" + NO_FORK + GOOD)
    it.ready(2)
    assert [(one["worker"], one["wait"]) for one in it.events("worker-unborn")] == [(1, 0.0), (1, 1.0)]
    assert it.stop() == 0


def test_a_successor_for_which_the_system_has_no_process_leaves_everything_as_it_was(supervised):
    it = supervised("FAILING = {3}" + NO_FORK + GOOD)
    it.ready(2)
    it.process.send_signal(signal.SIGHUP)
    it.until(lambda: it.events("worker-unborn"))
    it.process.send_signal(signal.SIGHUP)
    it.ready(4)
    assert it.stop() == 0


def test_a_process_that_cannot_have_even_one_worker_ends_and_says_so(supervised):
    it = supervised("FAILING = {1}" + NO_FORK + GOOD)
    assert it.process.wait(PATIENCE) == 1
    assert len(it.events("worker-unborn")) == 1


HANGING = """
supervisor.READY_WITHIN = 0.5

def work(worker, again):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if worker.number and not Path("hung").exists():
        Path("hung").touch()
        time.sleep(1000)
    worker.ready()
    until_told()
"""


def test_a_worker_that_hangs_while_it_starts_is_killed_and_started_again(supervised):
    it = supervised(HANGING)
    it.ready(2)
    (stuck,) = it.events("worker-stuck")
    assert (stuck["worker"], stuck["ready"]) == (1, False)
    assert it.stop() == 0


def test_the_pause_before_a_worker_that_always_dies_grows_to_its_longest_and_stays_there():
    place = Place()
    pauses = [place.died() for _ in range(1500)]
    assert pauses[:7] == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE]
    assert set(pauses[7:]) == {LONGEST_PAUSE}
    assert place.died(sound=True) == 0.0
