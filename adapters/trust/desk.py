"""One service of a CA as callers see it: how many may ask at a time, since when it is silent, when to try again.

Pure: it is told what happened and when.  A service that answers is asked by several at a time; one that does not, by
one, and after two failures in a row by nobody for a while that doubles.  So a service that hangs holds one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

MOST_AT_ONCE: Final = 4
_FAILURES: Final = 2  # in a row, until it is left alone
_COOLING: Final = timedelta(seconds=2)  # doubling, spread by half, up to:
_LONGEST: Final = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class Desk:
    """State of one service; `jitter` returns a number from 0 up to 1."""

    jitter: Callable[[], float]
    limit: int = 1
    busy: int = 0
    failures: int = 0
    silent_since: datetime | None = None
    closed_until: datetime | None = field(default=None)

    def closed(self, now: datetime) -> bool:
        """Tell whether it is left alone for now."""
        return self.closed_until is not None and now < self.closed_until

    @property
    def full(self) -> bool:
        """Whether as many ask as may."""
        return self.busy >= self.limit

    def enter(self) -> None:
        """Count a caller who begins to ask."""
        self.busy += 1

    def answered(self) -> bool:
        """Count a caller who was answered; tell whether it had been silent before."""
        self.busy -= 1
        self.limit = min(self.limit + 1, MOST_AT_ONCE)
        was_silent = self.silent_since is not None
        self.failures, self.silent_since, self.closed_until = 0, None, None
        return was_silent

    def failed(self, now: datetime) -> bool:
        """Count a caller who was not answered; tell whether that is new."""
        self.busy -= 1
        self.limit = 1
        self.failures += 1
        if self.failures >= _FAILURES and not self.closed(now):
            pause = min(_COOLING * 2 ** min(self.failures - _FAILURES, 10), _LONGEST)
            self.closed_until = now + pause * (0.5 + self.jitter() / 2)
        is_new = self.silent_since is None
        self.silent_since = self.silent_since or now
        return is_new
