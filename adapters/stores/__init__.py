"""Custody.  `KINDS` names the kinds of store that a configuration can ask for, `open_store` makes one."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapters.stores.memory import MemoryStore
from adapters.stores.sql.migrate import migrate
from adapters.stores.sql.store import SqlStore
from adapters.wire.kind import Custody, Kind, KindSettings, StoreKind, Surroundings
from broker.errors import ConfigError

__all__ = ["KINDS", "MemoryStore", "SqlSettings", "SqlStore", "migrate", "open_store", "store_url"]


class MemorySettings(KindSettings):
    """A store that forgets: for trying things out."""

    refusals_per_hour: int = Field(1000, ge=1, description="refusals kept of one sender in an hour")


class SqlSettings(MemorySettings):
    """A SQLite file or a PostgreSQL database."""

    url: str = Field(
        "sqlite:///goniec.sqlite",
        repr=False,  # it may hold a password; PGPASSFILE and PGSERVICE are understood too
        description="sqlite:///FILE (relative to the configuration) or postgresql://USER@HOST/DATABASE",
    )


def store_url(settings: SqlSettings, surroundings: Surroundings) -> str:
    """Return the url with the file's path made absolute; raise ConfigError if it cannot be read."""
    try:
        url = make_url(settings.url)
    except ArgumentError as error:
        raise ConfigError(["the store's url cannot be read"]) from error
    if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
        url = url.set(database=str(surroundings.folder / str(url.database)))
    return url.render_as_string(hide_password=False)


def _memory(settings: MemorySettings, surroundings: Surroundings) -> Custody:
    return MemoryStore(surroundings.clock, refusals_per_hour=settings.refusals_per_hour)


def _sql(settings: SqlSettings, surroundings: Surroundings) -> Custody:
    """SQLite has no clock of its own; many nodes on one PostgreSQL go by the server's."""
    url = store_url(settings, surroundings)
    clock = surroundings.clock if make_url(url).get_backend_name() == "sqlite" else None
    return SqlStore(url, clock=clock, refusals_per_hour=settings.refusals_per_hour)


KINDS: dict[str, StoreKind] = {
    "sql": Kind(settings=SqlSettings, make=_sql),
    "memory": Kind(settings=MemorySettings, make=_memory),
}


def open_store(kind: str, settings: dict[str, Any], surroundings: Surroundings) -> Custody:
    """Return a store of this kind.  It opens nothing before its first call, so a process may still fork."""
    made = KINDS[kind]
    return made.make(made.settings(**settings), surroundings)
