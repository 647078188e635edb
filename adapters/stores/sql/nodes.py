"""Nodes and duties, as statements on a connection.  How nodes wake each other is in hints.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from adapters.stores.sql.access import Access
from adapters.stores.sql.columns import Moment
from adapters.stores.sql.engine import now
from adapters.stores.sql.hints import Hints
from adapters.stores.sql.layout import newest
from adapters.stores.sql.tables import duties, nodes
from adapters.stores.sql.writer import Work
from broker.nodes import Node
from broker.ports import Clock

NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A node's sign of life; with no `started_at` it has just begun."""

    id: str
    host: str
    pid: int
    version: str
    layout: str
    started_at: datetime | None = None
    draining: bool = False


def _beat(connection: Connection, now: datetime, members: Sequence[Sign]) -> Sequence[datetime]:
    """Write what nodes say of themselves; return the moment for each."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(nodes)
    keeping = new.on_conflict_do_update(
        index_elements=["id"], set_={"seen_at": new.excluded.seen_at, "draining": new.excluded.draining}
    )
    for it in sorted(members, key=lambda it: it.id):
        connection.execute(
            keeping,
            {
                "id": it.id,
                "host": it.host,
                "pid": it.pid,
                "version": it.version,
                "layout": it.layout,
                "started_at": it.started_at or now,
                "seen_at": now,
                "draining": it.draining,
            },
        )
    return [now] * len(members)


def _leave(connection: Connection, now: datetime, members: Sequence[str]) -> Sequence[None]:  # noqa: ARG001 - a work has this shape
    connection.execute(delete(nodes).where(nodes.c.id.in_(members)))
    connection.execute(delete(duties).where(duties.c.node.in_(members)))
    return [None] * len(members)


_FORGET = delete(nodes).where(nodes.c.seen_at < bindparam("before", type_=Moment)).returning(nodes.c.id)


def _forget(connection: Connection, now: datetime, members: Sequence[timedelta]) -> Sequence[int]:
    return [len(connection.execute(_FORGET, {"before": now - silent}).all()) for silent in members]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Duties that a node wants, or wants to be rid of."""

    duties: Collection[str]
    node: str
    lease: timedelta = NOTHING


def _hold(connection: Connection, now: datetime, members: Sequence[Hold]) -> Sequence[frozenset[str]]:
    return [frozenset(_held(connection, now, it)) for it in members]


def _held(connection: Connection, now: datetime, it: Hold) -> Sequence[str]:
    if not it.duties:
        return ()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(duties)
    taking = new.on_conflict_do_update(
        index_elements=["name"],
        set_={"node": new.excluded.node, "until": new.excluded.until},
        where=(duties.c.node == new.excluded.node) | (duties.c.until <= now),
    ).returning(duties.c.name)
    # In the same order on every node: none waits in a circle.
    wanted = [{"name": name, "node": it.node, "until": now + it.lease} for name in sorted(set(it.duties))]
    return connection.execute(taking, wanted).scalars().all()


def _let_go(connection: Connection, now: datetime, members: Sequence[Hold]) -> Sequence[None]:  # noqa: ARG001 - a work has this shape
    for it in members:
        connection.execute(delete(duties).where(duties.c.name.in_(it.duties), duties.c.node == it.node))
    return [None] * len(members)


BEAT = Work(rank=20, do=_beat)
LEAVE = Work(rank=21, do=_leave)
FORGET = Work(rank=22, do=_forget)
HOLD = Work(rank=23, do=_hold)
LET_GO = Work(rank=24, do=_let_go)


class SqlNodes:
    """The part; `engine` opens connections of their own, for hints."""

    def __init__(self, access: Access, engine: Engine, clock: Clock | None) -> None:
        self._access = access
        self._clock = clock
        self._hints = Hints(engine) if engine.dialect.name == "postgresql" else None
        self.own = ""  # the node that claims through this store

    def join(self, *, id: str, host: str, pid: int, version: str) -> Node:  # noqa: A002 - the field's name
        layout = newest() or ""
        at = self._access.write(BEAT, Sign(id=id, host=host, pid=pid, version=version, layout=layout))
        self.own = id
        return Node(
            id=id, host=host, pid=pid, version=version, layout=layout, started_at=at, seen_at=at, silent=NOTHING
        )

    def beat(self, node: Node) -> None:
        self._access.write(
            BEAT,
            Sign(
                id=node.id,
                host=node.host,
                pid=node.pid,
                version=node.version,
                layout=node.layout,
                started_at=node.started_at,
                draining=node.draining,
            ),
        )

    def leave(self, node: str) -> None:
        self._access.write(LEAVE, node)

    def list(self) -> Sequence[Node]:
        with self._access.read() as connection:
            moment = now(connection, self._clock)
            held = defaultdict(list)
            for duty in connection.execute(select(duties).where(duties.c.until > moment).order_by(duties.c.name)):
                held[duty.node].append(duty.name)
            known = connection.execute(select(nodes).order_by(nodes.c.started_at, nodes.c.id)).all()
        return [_node(row, moment, tuple(held[row.id])) for row in known]

    def forget(self, silent: timedelta) -> int:
        return self._access.write(FORGET, silent)

    def hold(self, duties: Collection[str], node: str, lease: timedelta) -> frozenset[str]:
        return self._access.write(HOLD, Hold(duties=duties, node=node, lease=lease))

    def let_go(self, duties: Collection[str], node: str) -> None:
        self._access.write(LET_GO, Hold(duties=duties, node=node))

    def announce(self) -> None:
        if self._hints is not None:
            self._hints.announce()

    def listen(self, ring: Callable[[], None], stop: Event) -> None:
        if self._hints is not None:
            self._hints.listen(ring, stop)


def _node(row: Row[Any], moment: datetime, held: tuple[str, ...]) -> Node:
    return Node(
        id=row.id,
        host=row.host,
        pid=row.pid,
        version=row.version,
        layout=row.layout,
        started_at=row.started_at,
        seen_at=row.seen_at,
        silent=max(moment - row.seen_at, NOTHING),
        draining=row.draining,
        duties=held,
    )
