"""The timetable of housekeeping: no job waits for another, however long that takes."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Semaphore, Timer
from time import sleep

from config.schedule import THREADS, Housekeeping

SOON = timedelta(milliseconds=10)


def test_jobs_that_take_long_keep_no_other_from_running():
    """A partner that was taken away must be gone within seconds, whatever time-stamping and lists are waiting for."""
    done, seen, begun = Event(), Event(), [Event() for _ in range(12)]
    housekeeping = Housekeeping()
    for number, it in enumerate(begun):
        housekeeping.every(SOON, f"slow {number}", lambda it=it: (it.set(), done.wait(30)))
    housekeeping.start()
    try:
        assert all(it.wait(30) for it in begun)
        housekeeping.every(SOON, "partners", seen.set)
        assert seen.wait(30)
    finally:
        done.set()
        housekeeping.stop()


def test_a_stop_waits_for_the_job_under_way_and_begins_no_other():
    gate, begun, ended = Event(), Event(), []
    housekeeping = Housekeeping()
    housekeeping.every(SOON, "slow", lambda: (begun.set(), gate.wait(30), ended.append("slow")))
    housekeeping.start()
    assert begun.wait(30)
    Timer(0.05, gate.set).start()
    housekeeping.stop()
    assert ended == ["slow"]
    assert housekeeping.idle


def test_a_job_that_waits_for_a_thread_when_all_is_stopped_never_begins():
    """It would find the store closed, and this process no longer among the nodes."""
    gate, late, begun, ended = Event(), Event(), [Event() for _ in range(THREADS)], Semaphore(0)
    housekeeping = Housekeeping()
    for number, it in enumerate(begun):
        housekeeping.every(SOON, f"slow {number}", lambda it=it: (it.set(), gate.wait(30), ended.release()))
    housekeeping.start()
    assert all(it.wait(30) for it in begun)
    housekeeping.every(SOON, "late", late.set)
    sleep(0.3)  # it is due many times
    housekeeping.stop(timedelta(milliseconds=20))
    gate.set()
    assert all(ended.acquire(timeout=30) for _ in begun)
    assert not late.wait(0.3)


def test_a_stop_leaves_behind_what_takes_too_long():
    gate, begun = Event(), Event()
    housekeeping = Housekeeping()
    housekeeping.every(SOON, "endless", lambda: (begun.set(), gate.wait(30)))
    housekeeping.start()
    assert begun.wait(30)
    housekeeping.stop(timedelta(milliseconds=20))
    assert not housekeeping.idle
    gate.set()
