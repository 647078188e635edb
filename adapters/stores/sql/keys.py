"""The keys under which the store's content lies: tried before anything is read, and changed while the broker runs.

`content_keys` holds a known text under every key that content may lie under.  A broker that cannot read one of them
would find it out document by document; so it does not start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from adapters.stores.sql import rows
from adapters.stores.sql.at_rest import BEGINNING, AtRest, Content, key_of
from adapters.stores.sql.engine import now
from adapters.stores.sql.tables import content, content_keys, events, later_reports
from broker.errors import ConfigError
from broker.ports import Clock, EventRecord

_TOGETHER = 16  # contents rewritten in one transaction: each may be 32 MB


def fit(connection: Connection, at_rest: AtRest) -> None:
    """Raise ConfigError with every key that is missing or wrong."""
    problems = [
        f"encryption_keys: the store holds content under the key {row.id}, which none of them is"
        for row in connection.execute(select(content_keys).order_by(content_keys.c.at))
        if not at_rest.opens(row.id, bytes(row.proof))
    ]
    if problems:
        raise ConfigError(problems)


def ready(writing: Engine, reading: Engine, at_rest: AtRest, clock: Clock | None) -> None:
    """Raise ConfigError unless all content can be read; note the key that writes, once."""
    with reading.connect() as connection:
        fit(connection, at_rest)
        noted = select(content_keys.c.id).where(content_keys.c.id == at_rest.key)
        if not at_rest.key or connection.execute(noted).first() is not None:
            return
    with writing.begin() as connection:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(
            dialect.insert(content_keys).on_conflict_do_nothing(),
            {"id": at_rest.key, "proof": at_rest.known_answer(), "at": now(connection, clock)},
        )


# ── rekey ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """One row's content under the key that writes."""

    table: str
    submission: str
    accepted_at: datetime
    values: dict[str, bytes]


_COLUMNS = {
    content: {"document": Content.DOCUMENT, "report": Content.REPORT},
    later_reports: {"report": Content.LATER_REPORT},
}


def count(connection: Connection) -> int:
    """Return how many rows hold content."""
    return sum(int(connection.execute(select(func.count()).select_from(table)).scalar_one()) for table in _COLUMNS)


def _beginnings(table: Any, after: str) -> Select[Any]:
    """Return the query of the next rows and the beginnings of what they hold."""
    heads = (func.substr(table.c[name], 1, BEGINNING).label(name) for name in _COLUMNS[table])
    query = select(table.c.submission, table.c.accepted_at, *heads).order_by(table.c.submission).limit(_TOGETHER)
    return query.where(table.c.submission > after) if after else query


def batches(engine: Engine, at_rest: AtRest) -> Iterator[tuple[int, Sequence[Rewritten]]]:
    """Yield how many rows were looked at, and those of them that are to be written anew, until all are seen."""
    for table in _COLUMNS:
        after = ""
        while True:
            with engine.connect() as connection:
                seen = connection.execute(_beginnings(table, after)).all()
                if not seen:
                    break
                yield (
                    len(seen),
                    [_rewritten(connection, table, row, at_rest) for row in seen if _old(table, row, at_rest)],
                )
            after = seen[-1].submission


def _old(table: Any, row: Row[Any], at_rest: AtRest) -> bool:
    return any(key_of(bytes(getattr(row, name))) != at_rest.key for name in _COLUMNS[table])


def _rewritten(connection: Connection, table: Any, row: Row[Any], at_rest: AtRest) -> Rewritten:
    own = (table.c.submission == row.submission) & (table.c.accepted_at == row.accepted_at)
    whole = connection.execute(select(table).where(own)).one()
    values = {}
    for name, kind in _COLUMNS[table].items():
        clear = at_rest.content(row.submission, kind, bytes(getattr(whole, name)))
        values[name] = at_rest.stored(row.submission, kind, clear)
    return Rewritten(table=table.name, submission=row.submission, accepted_at=row.accepted_at, values=values)


def rewrite(connection: Connection, at: datetime, members: Sequence[Sequence[Rewritten]]) -> Sequence[None]:  # noqa: ARG001 - a work has this shape
    """Write rows anew; one that was pruned meanwhile stays away."""
    by_name = {table.name: table for table in _COLUMNS}
    for it in (one for some in members for one in some):
        table = by_name[it.table]
        own = (table.c.submission == it.submission) & (table.c.accepted_at == it.accepted_at)
        connection.execute(update(table).where(own).values(it.values))
    return [None] * len(members)


def drop_old(connection: Connection, at: datetime, members: Sequence[str]) -> Sequence[None]:
    """Forget all keys but the one that writes: no content lies under them any more.  An event names that one."""
    for key in members:
        connection.execute(delete(content_keys).where(content_keys.c.id != bindparam("writes")), {"writes": key})
        connection.execute(insert(events), [rows.event_values(EventRecord(at=at, name="content.rekeyed", detail=key))])
    return [None] * len(members)
