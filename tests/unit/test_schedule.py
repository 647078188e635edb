"""The timetable of housekeeping: no job waits for another, however long that takes."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

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
