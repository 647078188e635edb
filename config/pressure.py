"""Measures what `broker/pressure.py` judges: the disk, the queues, the store, the seal, the process's memory.

A thread of its own looks several times a second; what comes of it is an attribute that intake reads.  Whatever may not
answer at all (a store behind a dead network, a token, a file system) is asked in a further thread each: when its
answer does not come, that is an answer too.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from pydantic import Field, NonNegativeInt, PositiveInt

from adapters.wire.kind import KindSettings
from broker.errors import Unavailable
from broker.model import Fingerprint, OfficeId, Receipt
from broker.pressure import NONE, Ceilings, Condition, Pressure, Queued, Readings, Strain, judge

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

EVERY: Final = 1.0  # seconds between two questions
_GLANCE: Final = 0.25  # and between two looks at what is known, which cost next to nothing
_SHARE: Final = 20  # of the time, at most one part in so many is spent on counting: a long queue takes long to count
_STALE: Final = 60.0  # but what was counted may not be much older: senders are put off on the strength of it
_TRIM: Final = 10.0  # seconds between two tries to give memory back
_OF_NOBODY: Final = Fingerprint(sender="", message_id="", box="", trial=True, digest="")  # no message has it
_FAREWELL: Final = 2.0  # seconds that an end waits for a thread that may never answer


class PressureSettings(KindSettings):
    """When senders are told to come back later; 0 is no ceiling.  Sizes in bytes."""

    disk: NonNegativeInt = 500_000_000  # that must be free under the store, the log, and each of:
    folders: tuple[Path, ...] = ()
    queue: NonNegativeInt = 1_000_000  # deliveries that may wait
    office_queue: NonNegativeInt = 200_000  # of these, for one office
    memory: NonNegativeInt = 3_000_000_000  # resident, of one process
    large: PositiveInt = 100_000_000  # of documents of 1 MB and more that are in intake at once; others wait their turn
    patience: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))  # for an answer


class Watched(Protocol):
    """What is asked of the store."""

    def find(self, message: Fingerprint) -> Receipt | None: ...

    def queued(self) -> Mapping[OfficeId, Queued]: ...

    def strain(self) -> Strain: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said(Generic[Answer]):
    answer: Answer | None = None
    away: str = ""


class Probe(Generic[Answer]):
    """Asks one thing again and again, in a thread of its own.

    `ask` may raise Unavailable.  After `patience` seconds without an answer it counts as away.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], Answer],
        *,
        pause: float = EVERY,
        patience: float,
        steady: Callable[[], float],
        counts: bool = False,
    ) -> None:
        # A count costs the store work, and one that it broke off has cost as much as one it gave.  What does not
        # count says whether somebody answers: that must be known soon, the more so when he has just been slow.
        self._counts = counts
        self._name = name
        self._ask = ask
        self._pause = pause
        self._patience = patience
        self._steady = steady
        self._said: _Said[Answer] = _Said()
        self.heard = False  # whether there has been an answer, good or bad
        self._asked_at: float | None = None  # the question that has no answer yet
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"probe-{name}", daemon=True)

    @property
    def answer(self) -> Answer | None:
        """The last answer there was; None while there has been none."""
        return self._said.answer

    @property
    def away(self) -> str:
        """Why there is no answer; "" if there is, or it may still come in time."""
        asked_at = self._asked_at
        if asked_at is not None and self._steady() - asked_at > self._patience:
            return f"no answer within {self._patience:g} s"
        return self._said.away

    def start(self) -> None:
        self._thread.start()

    def stop(self, farewell: float = _FAREWELL) -> None:
        """Ask no more, and wait for the thread; one that hangs is left, it ends with the process."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(farewell)

    def ask(self) -> float:
        """Ask once; return how many seconds to leave it alone."""
        begun = self._asked_at = self._steady()
        try:
            self._said = _Said(answer=self._ask())
        except Unavailable as away:
            self._said = _Said(answer=self.answer, away=away.reason)
        except Exception:  # a bug of ours must not keep documents out
            log.exception("pressure.bug", probe=self._name)
            self._said = _Said(answer=self.answer)
        finally:
            self.heard, self._asked_at = True, None
        if not self._counts:
            return self._pause
        return max(self._pause, min(_STALE, _SHARE * (self._steady() - begun)))

    def _run(self) -> None:
        while not self._ended.wait(self.ask()):
            pass


class Watch:
    """The newest Pressure, by a call that costs nothing."""

    def __init__(
        self,
        ceilings: Ceilings,
        *,
        store: Watched,
        seal: Callable[[], None],
        folders: Sequence[Path] = (),
        patience: float = 10.0,
        memory: Callable[[], int] | None = None,
        steady: Callable[[], float] = monotonic,
    ) -> None:
        """`seal` raises Unavailable while the seal cannot sign; `memory` returns the bytes that are resident."""
        self._ceilings = ceilings
        self.strain = store.strain
        self.memory = memory or resident
        self.steady = steady
        self._now = NONE
        self.ready = False  # whether there was a look that knew of everything that is asked
        self._trimmed = -_TRIM
        # Two questions: to count a long queue takes seconds, and whether the store answers must be known meanwhile.
        self.alive = Probe("store", lambda: store.find(_OF_NOBODY), patience=patience, steady=steady)
        self.queued = Probe("queue", store.queued, patience=patience, steady=steady, counts=True)
        self.sealing = Probe("seal", seal, pause=5 * EVERY, patience=patience, steady=steady)
        self.disk = Probe("disk", lambda: free(folders), patience=patience, steady=steady)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pressure", daemon=True)

    def __call__(self) -> Pressure:
        return self._now

    @property
    def probes(self) -> Sequence[Probe[Any]]:
        """All that is asked."""
        return self.alive, self.queued, self.sealing, self.disk

    def start(self) -> None:
        """Begin to look.  Until the first look nobody is put off."""
        for one in self.probes:
            one.start()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        for one in self.probes:
            one.stop()
        if self._thread.ident is not None:
            self._thread.join(_FAREWELL)

    def look(self) -> Pressure:
        """Judge what is known now; say in the log what has changed."""
        before, whole = self._now, all(probe.heard or probe.away for probe in self.probes)
        strain = self.strain()
        seen = Readings(
            store=self.alive.away,
            writer=strain.failing,
            writes=strain.taken,
            seal=self.sealing.away,
            free=self.disk.answer or {},
            queued={office: it.number for office, it in (self.queued.answer or {}).items()},
            memory=self.memory(),
        )
        self._now = now = judge(seen, self._ceilings, before)
        self.ready = self.ready or whole
        if Condition.MEMORY in now.on:
            self._trim()
        _tell(before, now)
        return now

    def _run(self) -> None:
        while not self._ended.wait(_GLANCE):
            try:
                self.look()
            except Exception:  # documents are let in on the last that was known
                log.exception("pressure.bug", probe="watch")

    def _trim(self) -> None:
        """Give back what is free: the allocator keeps it, and documents would be kept out by nothing but that."""
        if self.steady() - self._trimmed >= _TRIM:
            gc.collect()
            if _malloc_trim is not None:
                _malloc_trim(0)
            self._trimmed = self.steady()


def _tell(before: Pressure, now: Pressure) -> None:
    for condition in now.on.keys() - before.on.keys():
        log.warning("pressure.on", condition=condition, reason=now.on[condition])
    for condition in before.on.keys() - now.on.keys():
        log.info("pressure.off", condition=condition)
    for office in sorted(now.offices - before.offices):
        log.warning("pressure.on", condition=Condition.OFFICE_QUEUE, office=office)
    for office in sorted(before.offices - now.offices):
        log.info("pressure.off", condition=Condition.OFFICE_QUEUE, office=office)


def free(folders: Sequence[Path]) -> dict[str, int]:
    """Return the bytes free to us, by folder; one that cannot be asked is left out."""
    found = {}
    for folder in folders:
        try:
            about = os.statvfs(folder)
        except OSError:
            continue
        found[str(folder)] = about.f_bavail * about.f_frsize
    return found


def resident() -> int:
    """Return the bytes of this process that are in memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


_malloc_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""glibc's; other C libraries have none."""
