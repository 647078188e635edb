"""The timetable of housekeeping: no job waits for another, however long that takes."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Timer

from config.schedule import Housekeeping

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


def test_a_stop_leaves_behind_what_takes_too_long():
    gate, begun = Event(), Event()
    housekeeping = Housekeeping()
    housekeeping.every(SOON, "endless", lambda: (begun.set(), gate.wait(30)))
    housekeeping.start()
    assert begun.wait(30)
    housekeeping.stop(timedelta(milliseconds=20))
    assert not housekeeping.idle
    gate.set()
