"""Pressure: when everybody is put off before custody is taken, and for how long.

Only the rule stands here; who measures is `config/pressure.py`.  A condition that is on goes off again only when there
is clearly more room than what turned it on, so that it does not flap; a wait depends on nothing but the condition.

* store         does not answer             5 s  nothing can be known, not even a repeat
* writer        is full, or writes fail     5 s
* memory        the process holds too much 10 s
* seal          cannot sign                15 s
* queue         too many deliveries wait   30 s
* office-queue  too many for one office    60 s  its documents only; others go on
* disk          too little is free         60 s
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from broker.errors import NotYet, Unavailable
from broker.model import OfficeId


class Condition(StrEnum):
    """What keeps a document from being taken in."""

    STORE = "store"
    WRITER = "writer"
    MEMORY = "memory"
    SEAL = "seal"
    QUEUE = "queue"
    OFFICE_QUEUE = "office-queue"
    DISK = "disk"


RETRY_AFTER: Final[Mapping[Condition, timedelta]] = MappingProxyType(
    {
        Condition.STORE: timedelta(seconds=5),
        Condition.WRITER: timedelta(seconds=5),
        Condition.MEMORY: timedelta(seconds=10),
        Condition.SEAL: timedelta(seconds=15),
        Condition.QUEUE: timedelta(seconds=30),
        Condition.OFFICE_QUEUE: timedelta(seconds=60),
        Condition.DISK: timedelta(seconds=60),
    }
)

_MOST_WRITES: Final = 90  # per cent of the writer's room


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """What waits for one office or is being handed to it."""

    number: int
    since: datetime  # the oldest


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """How hard it is to write just now, as far as that is known without asking anybody."""

    taken: int = 0  # per cent of the room for writes that wait
    failing: str = ""  # why the last write failed, if that was a moment ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What may be; 0 is no ceiling."""

    disk: int = 0  # bytes that must be free
    queue: int = 0  # deliveries that may wait
    office_queue: int = 0  # of these, for one office
    memory: int = 0  # bytes resident


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What was measured.  What cannot be measured is left out, and then nothing is held against it.

    Only a queue is as long as it was when it was counted last: the longer it is, the sooner a count is broken off, and
    the doors would open just then.
    """

    store: str = ""  # why it does not answer
    writer: str = ""  # why it cannot write
    writes: int = 0  # per cent of the writer's room that is taken
    seal: str = ""  # why it cannot sign
    free: Mapping[str, int] = field(default_factory=dict)  # bytes, by folder
    queued: Mapping[OfficeId, int] = field(default_factory=dict)
    memory: int = 0  # bytes resident


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What is on, each condition with what operators read about it, and the offices whose queue is full."""

    on: Mapping[Condition, str] = field(default_factory=dict)
    offices: frozenset[OfficeId] = frozenset()

    def demand_store(self) -> None:
        """Raise Unavailable if the store cannot be asked: a call to it would only wait."""
        if Condition.STORE in self.on:
            raise _put_off(Condition.STORE, self.on[Condition.STORE])

    def demand(self) -> None:
        """Raise Unavailable, with the longest of the waits, if nothing new can be taken in."""
        if self.on:
            condition = max(self.on, key=RETRY_AFTER.__getitem__)
            raise _put_off(condition, self.on[condition])

    def demand_room_for(self, office: OfficeId) -> None:
        """Raise NotYet if too much waits for this office: what is for others may pass."""
        if office in self.offices:
            condition = Condition.OFFICE_QUEUE
            reason = f"{condition}: too many deliveries wait for {office}"
            raise NotYet(reason, retry_after=RETRY_AFTER[condition], condition=condition)


NONE: Final = Pressure()


def _put_off(condition: Condition, why: str) -> Unavailable:
    return Unavailable(f"{condition}: {why}", retry_after=RETRY_AFTER[condition], condition=condition)


def judge(seen: Readings, ceilings: Ceilings, before: Pressure) -> Pressure:
    """Return what is on now, given what was on before."""
    on = {condition: why for condition, why in _found(seen, ceilings, before) if why}
    full = frozenset(
        office
        for office, number in seen.queued.items()
        if _over(number, ceilings.office_queue, office in before.offices)
    )
    return Pressure(on=on, offices=full)


def _found(seen: Readings, ceilings: Ceilings, before: Pressure) -> Iterator[tuple[Condition, str]]:
    """Yield every condition with what speaks for it, if anything does."""
    yield Condition.STORE, seen.store
    full = _over(seen.writes, _MOST_WRITES, Condition.WRITER in before.on)
    yield Condition.WRITER, seen.writer or ("too many writes are waiting" if full else "")
    held = _over(seen.memory, ceilings.memory, Condition.MEMORY in before.on)
    yield Condition.MEMORY, f"{_mb(seen.memory)} of {_mb(ceilings.memory)}" if held else ""
    yield Condition.SEAL, seen.seal
    waiting = sum(seen.queued.values())
    many = _over(waiting, ceilings.queue, Condition.QUEUE in before.on)
    yield Condition.QUEUE, f"{waiting} deliveries wait, {ceilings.queue} may" if many else ""
    wanted = ceilings.disk * 5 // 4 if Condition.DISK in before.on else ceilings.disk
    low = [f"{_mb(free)} free of {_mb(wanted)} in {folder}" for folder, free in seen.free.items() if free < wanted]
    yield Condition.DISK, "; ".join(low)


def _over(value: int, ceiling: int, was: bool) -> bool:
    """Tell whether a value is at its ceiling; once it was, it must come down to four fifths."""
    if not ceiling:
        return False
    return value * 5 > ceiling * 4 if was else value >= ceiling


def _mb(octets: int) -> str:
    return f"{octets // 1_000_000} MB"
