"""Housekeeping on a timetable: never anything that a document waits for (DESIGN §4.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from threading import Condition
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from broker.errors import BrokerError

log = structlog.get_logger(__name__)

# More than there are jobs, and made when needed: one that waits for a foreign server or goes through a long queue must
# not keep a partner from being taken away.
THREADS: Final = 24


@dataclass(frozen=True, slots=True)
class Chore:
    """A job, and how long after each run the next one begins.

    `alone`: of all the nodes of one store, one does it: the one that holds the duty of the chore's name, for as long
    as it lives.  A node that stood still may wake up in the middle of a job that another has taken over meanwhile, so
    the job must do no harm when two do it at once: what it writes is guarded by the store, as everything is.
    """

    pause: timedelta
    job: Callable[[], None]
    _: KW_ONLY
    alone: bool = False


class Housekeeping:
    """Runs small jobs every so often, each at most once at a time; a job's failure is logged and no more."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(THREADS)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        self._running: set[str] = set()
        self._stopped = False
        self._ended = Condition()

    def every(self, pause: timedelta, name: str, job: Callable[[], None]) -> None:
        """Add a job."""
        self._scheduler.add_job(
            self._run, "interval", seconds=pause.total_seconds(), args=(name, job), id=name, name=name
        )

    def start(self) -> None:
        """Begin; the first run of each job is one pause away."""
        self._scheduler.start()

    @property
    def idle(self) -> bool:
        """Whether no job is under way."""
        with self._ended:
            return not self._running

    def stop(self, patience: timedelta = timedelta(minutes=1)) -> None:
        """Begin no more jobs, and wait for those under way, but not longer than `patience`.

        What a job does is in the store or nowhere, so a process may end in the middle of it.
        """
        self._scheduler.shutdown(wait=False)
        with self._ended:
            self._stopped = True
            if not self._ended.wait_for(lambda: not self._running, patience.total_seconds()):
                log.error("housekeeping.left-behind", jobs=sorted(self._running), after=patience.total_seconds())

    def _run(self, name: str, job: Callable[[], None]) -> None:
        with self._ended:
            if self._stopped:  # it was due before, and had to wait for a thread
                return
            self._running.add(name)
        try:
            _guarded(name, job)
        finally:
            with self._ended:
                self._running.discard(name)
                self._ended.notify_all()


def _guarded(name: str, job: Callable[[], None]) -> None:
    try:
        job()
    except BrokerError as expected:
        log.warning("housekeeping.failed", job=name, reason=str(expected))
    except Exception:  # a bug in housekeeping must not end the timetable, nor go unseen
        log.exception("housekeeping.bug", job=name)
