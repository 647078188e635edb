"""Rows of the journal's tables to values, also rows that hold what no version of ours can have written.

SQLite takes anything into any column, and either engine holds moments that Python does not.  Such a row must not keep
all others from being looked at: it is read column by column, and what cannot be read is replaced by what no row of
ours says.  So whoever holds it against its hash finds it changed.  What is to be hashed or vouched for is taken as it
is or not at all: `sound_entries`, `sound_batches`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import NoneType
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select
from sqlalchemy.exc import DataError, DBAPIError

from adapters.stores.sql import rows
from adapters.stores.sql.tables import batches, events
from broker.errors import Unavailable
from broker.journal import Batch, Entry
from broker.ports import EventRecord

Values = Mapping[str, Any]
Kinds = Mapping[str, tuple[tuple[type, ...], Any]]

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What stands for a moment that cannot be read."""

_HOLDS: Final = "the journal holds what cannot be read:"
_UNREADABLE: Final = "(cannot be read)"
_NO_HASH: Final = b"\xff" * 32
_ODD: Final = (TypeError, ValueError, OverflowError, AttributeError, DBAPIError)
# What a column's values are, and what stands for one that is none.
_EVENT: Final[Kinds] = {
    "at": ((datetime,), NEVER),
    "name": ((str,), _UNREADABLE),
    "submission": ((str, NoneType), _UNREADABLE),
    "delivery": ((str, NoneType), _UNREADABLE),
    "detail": ((str,), _UNREADABLE),
    "batch": ((int, NoneType), None),
    "position": ((int, NoneType), None),
    "leaf": ((bytes, NoneType), None),
}
_BATCH: Final[Kinds] = {
    "at": ((datetime,), NEVER),
    "size": ((int,), -1),
    "root": ((bytes,), _NO_HASH),
    "previous": ((bytes,), _NO_HASH),
    "head": ((bytes,), _NO_HASH),
    "sealed": ((bytes, NoneType), b""),
    "stamp": ((bytes, NoneType), b""),
}


def entries_of(connection: Connection, query: Select[Any], values: Values) -> list[Entry]:
    """Return the events of a query, whatever they hold."""
    try:
        return [_entry(row) for row in connection.execute(query, values)]
    except _ODD as error:
        _require_strange(error)
    return [_legible_entry(connection, number) for number in _ids(connection, query, values)]


def sound_entries(connection: Connection, query: Select[Any], values: Values) -> list[Entry]:
    """Return the events of a query; raise Unavailable, which names the event, if one cannot be read."""
    try:
        return [_entry(row) for row in connection.execute(query, values)]
    except _ODD as error:
        _require_strange(error)
        for number in _ids(connection, query, values):
            _require_legible(connection, select(events).where(events.c.id == number), _EVENT, f"event {number}")
        raise


def sound_batches(connection: Connection, query: Select[Any], values: Values) -> list[Batch]:
    """Return the batches of a query; raise Unavailable, which names the batch, if one cannot be read."""
    try:
        return [_batch(row) for row in connection.execute(query, values)]
    except _ODD as error:
        _require_strange(error)
        for number in _numbers(connection, query, values):
            one = select(batches).where(batches.c.number == number)
            _require_legible(connection, one, _BATCH, f"batch {number}")
        raise


def batches_of(connection: Connection, query: Select[Any], values: Values) -> list[Batch]:
    """Return the batches of a query, whatever they hold; raise Unavailable if one has no number."""
    try:
        return [_batch(row) for row in connection.execute(query, values)]
    except _ODD as error:
        _require_strange(error)
    return [_legible_batch(connection, number) for number in _numbers(connection, query, values)]


def moment_of(connection: Connection, query: Select[Any]) -> datetime | None:
    """Return the moment that a query finds, if any; `NEVER` if it cannot be read."""
    try:
        found: datetime | None = connection.execute(query).scalar()
    except _ODD as error:
        _require_strange(error)
        return NEVER
    return found


def _require_strange(error: Exception) -> None:
    """Raise the error again if it is not about what a row holds: the database is away, or refuses."""
    if isinstance(error, DBAPIError) and not isinstance(error, DataError) and "decode to UTF-8" not in str(error.orig):
        raise error


def _ids(connection: Connection, query: Select[Any], values: Values) -> list[int]:
    return list(connection.execute(query.with_only_columns(events.c.id), values).scalars())


def _numbers(connection: Connection, query: Select[Any], values: Values) -> list[int]:
    numbers = list(connection.execute(query.with_only_columns(batches.c.number), values).scalars())
    if not all(isinstance(number, int) for number in numbers):
        raise Unavailable(f"{_HOLDS} the number of a batch")
    return numbers


def _require_legible(connection: Connection, query: Select[Any], kinds: Kinds, what: str) -> None:
    try:
        _require_kinds(connection.execute(query).one(), kinds)
    except _ODD as error:
        _require_strange(error)
        raise Unavailable(f"{_HOLDS} {what}") from error


def _entry(row: Row[Any]) -> Entry:
    _require_kinds(row, _EVENT)
    return Entry(id=row.id, event=rows.event(row), batch=row.batch, position=row.position, leaf=row.leaf)


def _batch(row: Row[Any]) -> Batch:
    _require_kinds(row, _BATCH)
    if not isinstance(row.number, int):
        raise TypeError("number")
    return Batch(number=row.number, **{name: getattr(row, name) for name in _BATCH})


def _require_kinds(row: Row[Any], kinds: Kinds) -> None:
    for name, (kind, _) in kinds.items():
        if not isinstance(getattr(row, name), kind):
            raise TypeError(name)


def _legible_entry(connection: Connection, number: int) -> Entry:
    try:
        return _entry(connection.execute(select(events).where(events.c.id == number)).one())
    except _ODD as error:
        _require_strange(error)
    told = _columns(connection, events, events.c.id == number, _EVENT)
    place = {name: told.pop(name) for name in ("batch", "position", "leaf")}
    return Entry(id=number, event=EventRecord(**told), **place)


def _legible_batch(connection: Connection, number: int) -> Batch:
    return Batch(number=number, **_columns(connection, batches, batches.c.number == number, _BATCH))


def _columns(connection: Connection, table: Table, which: ColumnElement[bool], kinds: Kinds) -> dict[str, Any]:
    """Return the values of one row, each column by itself."""
    found: dict[str, Any] = {}
    for name, (kind, instead) in kinds.items():
        try:
            value = connection.execute(select(table.c[name]).where(which)).scalar_one()
        except _ODD as error:
            _require_strange(error)
            value = instead
        found[name] = value if isinstance(value, kind) else instead
    return found
