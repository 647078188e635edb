"""What a supervisor knows of its workers: who is in which place, what settings he is to have, when one dies."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import structlog

from config.listeners import Address
from config.settings import Settings

log = structlog.get_logger(__name__)

LONGEST_PAUSE: Final = 30.0  # before a worker that dies again and again is started
SOUND: Final = 10.0  # seconds: a worker that was ready and lived so long did not die of how it was started

_DOUBLED: Final = 5  # times that a pause is doubled: then it is the longest


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker is given when it is born: its settings, its number, and how it says that it is ready."""

    settings: Settings
    number: int
    succeeds: bool  # somebody serves in its place until it is ready
    _line: int

    def ready(self) -> None:
        """Tell the supervisor that this worker takes connections."""
        try:
            os.write(self._line, b"1")
        except OSError as gone:
            log.warning("worker.unheard", reason=gone.strerror)
        os.close(self._line)


@dataclass(slots=True)
class Course:
    """Settings that workers are to have, and the numbers of those that are still to be replaced for that."""

    settings: Settings
    listen: Collection[Address] = ()  # what they listen on
    rest: deque[int] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class Child:
    """A worker as its supervisor sees it."""

    pid: int
    number: int
    line: int  # where it says that it is ready; -1 when it has said so, or never will
    born: float = field(default_factory=monotonic)
    ready: bool = False
    until: float = float("inf")  # when it is ended by force


@dataclass(slots=True)
class Place:
    """One worker's place: who is in it, and when it is filled again if nobody is."""

    child: Child | None = None
    again_at: float = 0.0
    deaths: int = 0  # in a row, each soon after its start

    def died(self, *, sound: bool = False) -> float:
        """Note that nobody is in it any more; return the pause, in seconds, the longer the more often it happens."""
        self.child = None
        self.deaths = 0 if sound else self.deaths + 1
        pause = min(LONGEST_PAUSE, 2.0 ** min(self.deaths - 2, _DOUBLED)) if self.deaths > 1 else 0.0
        self.again_at = monotonic() + pause
        return pause
