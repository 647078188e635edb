"""What came into the journal much later than it should have: not wrong by itself, and to be looked at.

An event is chained within a minute or so of its moment, a head sealed and time-stamped soon after.  A seal that is much
younger than its batch comes of a seal that was away, or of a journal that was made anew; an event that is much older
than its batch of a journal that is younger than its store, of a clock, or of somebody who has written the event in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from broker.journal import Batch, Entry

WINDOW: Final = timedelta(hours=1)
"""How late is late, if nobody says."""


class Late(StrEnum):
    """What came late."""

    CHAINED = "chained-late"
    SEALED = "sealed-late"
    STAMPED = "stamped-late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that came late, and by how much."""

    kind: Late
    batch: int
    event: int | None = None
    by: timedelta


def late_events(batch: Batch, entries: Sequence[Entry], window: timedelta) -> Iterator[Note]:
    """Say which events are older than their batch by more than the window."""
    for one in entries:
        by = batch.at - one.event.at
        if by > window:
            yield Note(kind=Late.CHAINED, batch=batch.number, event=one.id, by=by)


def late_head(kind: Late, batch: Batch, at: datetime | None, window: timedelta) -> Iterator[Note]:
    """Say whether what was put on a batch's head at a moment is younger than it by more than the window."""
    if at is not None and at - batch.at > window:
        yield Note(kind=kind, batch=batch.number, by=at - batch.at)
