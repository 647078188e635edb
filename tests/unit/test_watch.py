"""What measures pressure: it waits for nobody, outlives its bugs, and says what changed."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.testkit.stores.values import NOON
from broker.errors import Unavailable
from broker.model import OfficeId
from broker.pressure import Ceilings, Condition, Queued, Strain
from config.pressure import EVERY, Probe, Watch, free, resident

TOWN = OfficeId("town")


class Steady:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Store:
    """What the watch asks of a store."""

    def __init__(self, steady=None):
        self._steady = steady or Steady()
        self.number, self.away, self.taken, self.failing = 0, "", 0, ""
        self.takes = 0.0  # seconds

    def find(self, _message):
        self._answer()

    def queued(self):
        self._answer()
        return {TOWN: Queued(number=self.number, since=NOON)} if self.number else {}

    def _answer(self):
        self._steady.now += self.takes
        if self.away:
            raise Unavailable(self.away)

    def strain(self):
        return Strain(taken=self.taken, failing=self.failing)


@pytest.fixture
def steady():
    return Steady()


def a_watch(steady, store=None, seal=lambda: None, **ceilings):
    made = Watch(Ceilings(**ceilings), store=store or Store(), seal=seal, patience=10, memory=lambda: 0, steady=steady)
    for probe in made.probes:
        probe.ask()
    return made


def test_what_the_store_says_is_what_intake_reads(steady):
    store = Store()
    watch = a_watch(steady, store, queue=10)
    watch.look()
    watch().demand()
    store.number = 10
    watch.queued.ask()
    watch.look()
    with pytest.raises(Unavailable, match="10 deliveries wait"):
        watch().demand()


def test_a_store_or_seal_that_says_it_is_away_is_believed(steady):
    store = Store()

    def seal():
        raise Unavailable("no token")

    watch = a_watch(steady, store, seal)
    store.away = "connection refused"
    watch.alive.ask()
    assert watch.look().on == {Condition.STORE: "connection refused", Condition.SEAL: "no token"}


def test_a_queue_that_cannot_be_counted_is_as_long_as_it_was(steady):
    """The longer it is, the sooner a count is broken off: doors that opened then would make it longer still."""
    store = Store()
    store.number = 10
    watch = a_watch(steady, store, queue=10)
    store.away = "gone"
    watch.queued.ask()
    watch.alive.ask()
    assert set(watch.look().on) == {Condition.STORE, Condition.QUEUE}


def test_a_full_or_failing_writer_is_noticed_without_asking_the_database(steady):
    store = Store()
    watch = a_watch(steady, store)
    store.taken = 90
    assert set(watch.look().on) == {Condition.WRITER}
    store.taken = 73
    assert set(watch.look().on) == {Condition.WRITER}
    store.taken = 72
    assert not watch.look().on
    store.failing = "store: OperationalError SQLITE_FULL"
    assert watch.look().on == {Condition.WRITER: store.failing}


def test_no_answer_in_time_is_an_answer_and_a_late_one_is_taken(steady):
    asked, go = threading.Event(), threading.Event()

    def hang():
        asked.set()
        go.wait()
        return "late"

    probe = Probe("x", hang, patience=10, steady=steady)
    thread = threading.Thread(target=probe.ask)
    thread.start()
    asked.wait()
    steady.now = 10
    assert probe.away == ""
    steady.now = 10.1
    assert probe.away == "no answer within 10 s"
    go.set()
    thread.join()
    assert (probe.away, probe.answer) == ("", "late")


@given(st.floats(0, 100), st.floats(0.1, 50), st.booleans())
def test_a_count_takes_a_twentieth_of_the_time_and_what_it_says_is_never_much_older_than_a_minute(
    took, pause, broken_off
):
    steady = Steady()

    def count():
        steady.now += took
        if broken_off:  # which has cost the store as much as one that it ended
            raise Unavailable("statement timeout")

    left = Probe("x", count, pause=pause, patience=10, steady=steady, counts=True).ask()
    assert left == pytest.approx(max(pause, min(60, 20 * took)))


@given(st.floats(0, 100), st.floats(0.1, 50), st.sampled_from([None, Unavailable("gone"), ZeroDivisionError()]))
def test_whether_somebody_answers_is_asked_as_often_however_long_his_answer_took(took, pause, wrong):
    steady = Steady()

    def slow():
        steady.now += took
        if wrong:
            raise wrong

    with capture_logs():
        assert Probe("x", slow, pause=pause, patience=10, steady=steady).ask() == pause


def test_a_store_that_dies_after_one_slow_answer_and_one_that_is_back_are_known_within_a_minute(steady):
    store = Store(steady)
    watch = a_watch(steady, store, queue=10)
    store.takes = 25  # a checkpoint, or another server that takes over
    again = watch.alive.ask()
    store.takes, store.away = 0, "gone"
    steady.now += again
    watch.alive.ask()
    assert again == EVERY
    assert set(watch.look().on) == {Condition.STORE}
    store.takes, store.away, store.number = 0, "", 10
    watch.queued.ask()
    store.takes, store.away = 35, "no answer of the server"
    again = watch.queued.ask()
    store.takes, store.away, store.number = 0, "", 0
    steady.now += again
    for probe in watch.probes:
        probe.ask()
    assert again <= 60
    assert not watch.look().on


def test_it_is_ready_when_a_look_has_seen_everything(steady):
    watch = Watch(Ceilings(), store=Store(), seal=lambda: None, patience=10, memory=lambda: 0, steady=steady)
    for probe in watch.probes:
        watch.look()
        assert not watch.ready
        probe.ask()
    assert not watch.ready, "what was heard has not been judged yet"
    watch.look()
    assert watch.ready


def test_a_bug_in_a_look_keeps_nobody_out_and_is_told(steady):
    def bug():
        raise ZeroDivisionError

    probe = Probe("x", bug, patience=10, steady=steady)
    with capture_logs() as said:
        probe.ask()
    assert (probe.away, [one["event"] for one in said]) == ("", ["pressure.bug"])


def test_a_bug_ends_what_was_said_before_it(steady):
    """Nobody knows any more whether the store is away: that must not be held against anybody for ever."""
    store = Store()
    store.away = "gone"
    watch = a_watch(steady, store)
    assert set(watch.look().on) == {Condition.STORE}
    store.find = None
    with capture_logs():
        watch.alive.ask()
    assert not watch.look().on


def test_what_comes_and_goes_is_told_once_each(steady):
    store = Store()
    watch = a_watch(steady, store, office_queue=5)
    with capture_logs() as said:
        watch.look()
        store.failing, store.number = "full", 5
        watch.queued.ask()
        watch.look()
        watch.look()
        store.failing, store.number = "", 0
        watch.queued.ask()
        watch.look()
    assert [(one["event"], one["condition"], one.get("office")) for one in said] == [
        ("pressure.on", "writer", None),
        ("pressure.on", "office-queue", TOWN),
        ("pressure.off", "writer", None),
        ("pressure.off", "office-queue", TOWN),
    ]


def test_memory_over_its_ceiling_puts_off_until_it_is_clearly_less(steady):
    held = [100]
    watch = Watch(
        Ceilings(memory=100), store=Store(), seal=lambda: None, patience=10, memory=lambda: held[0], steady=steady
    )
    assert set(watch.look().on) == {Condition.MEMORY}
    held[0] = 81
    assert set(watch.look().on) == {Condition.MEMORY}
    held[0] = 80
    assert not watch.look().on


def test_the_thread_looks_by_itself_and_ends(steady, tmp_path):
    store = Store()
    store.number = 7
    watch = Watch(Ceilings(queue=7), store=store, seal=lambda: None, folders=[tmp_path], patience=10, steady=steady)
    before = threading.active_count()
    watch.start()
    while not watch().on or not watch.ready:
        pass
    watch.stop()
    assert threading.active_count() == before
    assert set(watch().on) == {Condition.QUEUE}


def test_free_space_is_told_by_folder_and_a_missing_one_is_left_out(tmp_path):
    found = free([tmp_path, tmp_path / "not there"])
    about = os.statvfs(tmp_path)
    assert list(found) == [str(tmp_path)]
    assert 0 < found[str(tmp_path)] <= about.f_blocks * about.f_frsize


def test_memory_is_what_the_kernel_says_is_resident():
    held = bytearray(os.urandom(1)) * 64_000_000
    with_it = resident()
    del held
    assert with_it - resident() > 50_000_000
