"""Tokens that count once: `first_use` and `forget_use`, as statements on a connection.

They forget themselves: whoever notes new ones deletes some that have ended, twice as many, so that the table holds
little more than what can still come again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from sqlalchemy import Connection, Integer, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from adapters.stores.sql import rows
from adapters.stores.sql.columns import Moment, key
from adapters.stores.sql.tables import uses

_NOW = bindparam("now", type_=Moment)
_ENDED = (
    select(uses.c.token_key)
    .where(uses.c.until <= _NOW)
    .order_by(uses.c.until)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_PRUNE = delete(uses).where(uses.c.token_key.in_(_ENDED))
_FORGET = delete(uses).where(uses.c.token_key == bindparam("token"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A token that is shown, and until when it must be remembered."""

    token: str
    until: datetime


def first_use(connection: Connection, now: datetime, members: Sequence[Use]) -> Sequence[bool]:
    """Note the tokens that are new, or that have ended; of one token in several members, the first is first."""
    first = {key(it.token): number for number, it in reversed(list(enumerate(members)))}
    wanted: list[rows.Values] = [{"token_key": one, "until": members[number].until} for one, number in first.items()]
    wanted.sort(key=itemgetter("token_key"))  # the same order on every node: none waits in a circle
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(uses)
    noting = new.on_conflict_do_update(
        index_elements=["token_key"], set_={"until": new.excluded.until}, where=uses.c.until <= now
    ).returning(uses.c.token_key)
    noted = {first[bytes(one)] for one in connection.execute(noting, wanted).scalars()}
    connection.execute(_PRUNE, {"now": now, "most": 2 * len(members)})
    return [number in noted for number in range(len(members))]


def forget_use(connection: Connection, now: datetime, members: Sequence[str]) -> Sequence[None]:  # noqa: ARG001 - a work has this shape
    """Let tokens be used again."""
    for one in sorted(key(token) for token in members):
        connection.execute(_FORGET, {"token": one})
    return [None] * len(members)
