"""The journal's tables: events are chained into batches, heads get their seal and their time-stamp.

Events are read and hashed outside of the write, so that the one writer is held up for as long as it takes to note
their places.  A batch follows the one that was last when its events were read, or it is not written: whoever chains
at the same time waits for the last batch's row, and finds that it is the last no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Integer, bindparam, func, insert, literal, select, update

from adapters.stores.sql import rows
from adapters.stores.sql.access import Access
from adapters.stores.sql.journal_rows import batches_of, entries_of, moment_of, sound_batches, sound_entries
from adapters.stores.sql.tables import batches, events
from adapters.stores.sql.writer import Work
from broker.journal import COUNTED, Batch, Entry, Lag, chained, leaf_of
from broker.model import SubmissionId

_MOST = bindparam("most", type_=Integer)
_LAST = select(batches).order_by(batches.c.number.desc()).limit(1)
_LAST_LOCKED = _LAST.with_for_update()
# Never "id > last": who took an id may commit after a later one was chained (DESIGN §4.13).
_UNCHAINED = select(events).where(events.c.batch.is_(None)).order_by(events.c.id).limit(_MOST)
_CHAIN = (
    update(events)
    .where(events.c.id == bindparam("one"))
    .values(batch=bindparam("number"), position=bindparam("place"), leaf=bindparam("hash"))
)
_AFTER = select(batches).where(batches.c.number > bindparam("after")).order_by(batches.c.number).limit(_MOST)
_OF = select(events).where(events.c.batch == bindparam("number")).order_by(events.c.position, events.c.id)
# From one number to the next by the index, so that it takes a step for each batch and not for each event.
_first_number = (
    select(func.min(events.c.batch).label("number")).where(events.c.batch.is_not(None)).cte("numbers", recursive=True)
)
_next_number = select(func.min(events.c.batch)).where(events.c.batch > _first_number.c.number).scalar_subquery()
_NUMBERS = _first_number.union_all(select(_next_number).where(_first_number.c.number.is_not(None)))
_ASTRAY = (
    select(_NUMBERS.c.number)
    .where(_NUMBERS.c.number.is_not(None))
    .where(~select(batches.c.number).where(batches.c.number == _NUMBERS.c.number).exists())
    .limit(_MOST)
)
_STRAYS = (
    select(events)
    .where(events.c.batch.in_(bindparam("numbers", expanding=True)))
    .order_by(events.c.batch, events.c.position, events.c.id)
    .limit(_MOST)
)
_ABOUT = select(events).where(events.c.submission == bindparam("submission")).order_by(events.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chaining:
    """Events in the order of their ids, as they were read when `last` was the last batch."""

    last: Batch | None
    entries: Sequence[Entry]
    leaves: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What a batch's head gets later."""

    number: int
    octets: bytes


def _chain(connection: Connection, now: datetime, members: Sequence[_Chaining]) -> Sequence[Batch | None]:
    return [_chain_one(connection, now, it) for it in members]


def _chain_one(connection: Connection, now: datetime, it: _Chaining) -> Batch | None:
    connection.execute(_LAST_LOCKED).all()
    # Asked again: who has waited for the lock has read what was last before.  Were it not asked at all, the number
    # would be taken, and this batch be refused.
    last = connection.execute(_LAST).one_or_none()
    if (None if last is None else last.number) != (None if it.last is None else it.last.number):
        return None
    batch = chained(it.last, it.leaves, now)
    # The batch first: of two who make the very first one, the second fails here and has touched no event.
    connection.execute(insert(batches), _values(batch))
    connection.execute(
        _CHAIN,
        [
            {"one": entry.id, "number": batch.number, "place": place, "hash": leaf}
            for place, (entry, leaf) in enumerate(zip(it.entries, it.leaves, strict=True))
        ],
    )
    return batch


def _keeping(column: Column[Any]) -> Work[_Kept, None]:
    """Return the work that writes this column of batches which have nothing in it."""
    writing = (
        update(batches)
        .where(batches.c.number == bindparam("which"), column.is_(None))
        .values({column: bindparam("octets")})
    )

    def keep(connection: Connection, now: datetime, members: Sequence[_Kept]) -> Sequence[None]:  # noqa: ARG001 - a work has this shape
        for it in members:
            connection.execute(writing, {"which": it.number, "octets": it.octets})
        return [None] * len(members)

    return Work(rank=31, do=keep)


CHAIN = Work(rank=30, do=_chain)
SEALED = _keeping(batches.c.sealed)
STAMPED = _keeping(batches.c.stamp)


class SqlJournal:
    """The journal of a SQL store (`broker.journal.Journal`)."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def chain(self, most: int) -> Batch | None:
        with self._access.read() as connection:
            # Before the events: if another chains them meanwhile, it is found out.
            last = next(iter(sound_batches(connection, _LAST, {})), None)
            entries = sound_entries(connection, _UNCHAINED, {"most": most})
        if not entries:
            return None
        leaves = [leaf_of(entry) for entry in entries]
        return self._access.write(CHAIN, _Chaining(last=last, entries=entries, leaves=leaves))

    def unsealed(self, most: int = 100) -> Sequence[Batch]:
        return self._lacking(batches.c.sealed, most)

    def keep_sealed(self, number: int, sealed: bytes) -> None:
        self._access.write(SEALED, _Kept(number=number, octets=sealed))

    def unstamped(self, most: int = 100, *, after: int = 0) -> Sequence[Batch]:
        return self._lacking(batches.c.stamp, most, after)

    def keep_stamp(self, number: int, stamp: bytes) -> None:
        self._access.write(STAMPED, _Kept(number=number, octets=stamp))

    def _lacking(self, column: Column[Any], most: int, after: int | None = None) -> Sequence[Batch]:
        query = select(batches).where(column.is_(None)).order_by(batches.c.number).limit(_MOST)
        if after is not None:
            query = query.where(batches.c.number > after)
        with self._access.read() as connection:
            return sound_batches(connection, query, {"most": most})

    def last(self, *, sealed: bool = False, stamped: bool = False) -> Batch | None:
        query = _LAST
        if sealed:
            query = query.where(batches.c.sealed.is_not(None))
        if stamped:
            query = query.where(batches.c.stamp.is_not(None))
        with self._access.read() as connection:
            return next(iter(batches_of(connection, query, {})), None)

    def batches(self, after: int = 0, most: int = 100) -> Sequence[Batch]:
        with self._access.read() as connection:
            return batches_of(connection, _AFTER, {"after": after, "most": most})

    def entries(self, batch: int) -> Sequence[Entry]:
        with self._access.read() as connection:
            return entries_of(connection, _OF, {"number": batch})

    def strays(self, most: int = 100) -> Sequence[Entry]:
        with self._access.read() as connection:
            astray = connection.execute(_ASTRAY, {"most": most}).scalars().all()
            return entries_of(connection, _STRAYS, {"numbers": astray, "most": most})

    def about(self, submission: SubmissionId) -> Sequence[Entry]:
        with self._access.read() as connection:
            return entries_of(connection, _ABOUT, {"submission": submission})

    def lag(self) -> Lag:
        with self._access.read() as connection:
            unchained, since = _behind(connection, events.c.batch, events.c.id, events.c.at)
            unsealed, sealed_since = _behind(connection, batches.c.sealed, batches.c.number, batches.c.at)
        return Lag(
            unchained=unchained,
            unchained_since=since,
            unsealed=unsealed,
            unsealed_since=sealed_since,
        )


def _behind(
    connection: Connection, lacking: Column[Any], order: Column[Any], at: Column[Any]
) -> tuple[int, datetime | None]:
    """Return how many rows lack a column, counted up to a point, and the moment of the first of them."""
    missing = lacking.is_(None)
    some = select(literal(1)).select_from(lacking.table).where(missing).limit(COUNTED).subquery()
    number: int = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return number, moment_of(connection, select(at).where(missing).order_by(order).limit(1))


def _values(it: Batch) -> rows.Values:
    return {name: getattr(it, name) for name in ("number", "at", "size", "root", "previous", "head")}
