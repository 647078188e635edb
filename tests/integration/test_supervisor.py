"""The supervisor among processes that behave badly: real forks, with workers that are a few lines each."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from config.worker import LONGEST_PAUSE, Place

PATIENCE = 60.0

# `work(worker, again)` is what a worker does; `again` counts how often SIGHUP has been heeded before it was born.
SCRIPT = """
import os, signal, sys, time
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

again = 0

def read():
    global again
    again += 1
    return SimpleNamespace(workers=2)

%s

it = supervisor.Supervisor(
    SimpleNamespace(workers=2), Listeners(keep=True), read=read, bind=lambda settings, listeners: None
).run()
if isinstance(it, int):
    sys.exit(it)
work(it, again)
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
