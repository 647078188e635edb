"""Custody.  `KINDS` names the kinds of store that a configuration can ask for, `open_store` makes one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapters.stores.memory import MemoryStore
from adapters.stores.sql.at_rest import AtRest, ContentKey
from adapters.stores.sql.migrate import migrate, outstanding
from adapters.stores.sql.store import SqlStore
from adapters.wire.kind import Custody, Kind, KindSettings, StoreKind, Surroundings
from adapters.wire.secret import SecretSource, WithPassword, read
from broker.errors import ConfigError
from broker.model import OfficeId

__all__ = [
    "KINDS",
    "AtRest",
    "ContentKey",
    "MemoryStore",
    "SqlSettings",
    "SqlStore",
    "at_rest",
    "examine",
    "migrate",
    "open_store",
    "outstanding",
    "store_url",
]


class MemorySettings(KindSettings):
    """A store that forgets: for trying things out."""

    refusals_per_hour: int = Field(1000, ge=1, description="refusals kept of one sender in an hour")


class SqlSettings(MemorySettings, WithPassword):
    """A SQLite file or a PostgreSQL database."""

    url: SecretStr = Field(
        SecretStr("sqlite:///goniec.sqlite"),
        description="sqlite:///FILE (relative to the configuration) or postgresql://USER@HOST/DATABASE",
    )
    encryption_keys: tuple[SecretSource, ...] = Field(
        (), description="files, or env:NAME; the first encrypts documents and reports, all of them decrypt"
    )


def store_url(settings: SqlSettings, surroundings: Surroundings) -> str:
    """Return the url, a SQLite file's path made absolute and the password put in; raise ConfigError."""
    try:
        url = make_url(settings.url.get_secret_value())
    except ArgumentError:
        url = None
    if url is None:  # outside of the handler: the foreign error quotes the url
        raise ConfigError(["the store's url cannot be read"])
    hidden = url.query.get("password")  # libpq takes it there too, but there it would be shown
    if isinstance(hidden, str):
        url = url.set(password=hidden).difference_update_query(["password"])
    password = settings.password(surroundings.folder)
    if url.get_backend_name() == "sqlite":
        if password is not None:
            raise ConfigError(["password_file, password_variable: a SQLite file has no password"])
        if url.database not in {None, "", ":memory:"}:
            url = url.set(database=str(surroundings.folder / str(url.database)))
    elif password is not None:
        if url.password is not None:
            raise ConfigError(["url: holds a password, and there is another one beside it"])
        url = url.set(password=password.get_secret_value())
    return url.render_as_string(hide_password=False)


def at_rest(settings: SqlSettings, surroundings: Surroundings) -> AtRest:
    """Read the keys of content at rest; raise ConfigError with every one that cannot be used."""
    problems: list[str] = []
    keys: list[ContentKey] = []
    for number, source in enumerate(settings.encryption_keys):
        setting = f"encryption_keys.{number}"
        try:
            keys.append(ContentKey.of(read(surroundings.folder, source, setting=setting), setting))
        except ConfigError as wrong:
            problems += wrong.problems
    if problems:
        raise ConfigError(problems)
    return AtRest(keys)


def examine(settings: SqlSettings, surroundings: Surroundings) -> Mapping[OfficeId, int]:
    """Return how many deliveries are not final, by office.

    Raises ConfigError if the tables that are there have another layout, or content that the keys do not open.
    A SQLite file that is not there is not made, nor are tables.  Raises Unavailable.
    """
    url = make_url(store_url(settings, surroundings))
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        return {}
    with closing(_sql(settings, surroundings)) as store:
        return store.examine()


def _memory(settings: MemorySettings, surroundings: Surroundings) -> Custody:
    return MemoryStore(surroundings.clock, refusals_per_hour=settings.refusals_per_hour)


def _sql(settings: SqlSettings, surroundings: Surroundings) -> SqlStore:
    """SQLite has no clock of its own; many nodes on one PostgreSQL go by the server's."""
    problems: list[str] = []
    made: list[Any] = []
    for part in (store_url, at_rest):
        try:
            made.append(part(settings, surroundings))
        except ConfigError as wrong:
            problems += wrong.problems
    if problems:
        raise ConfigError(problems)
    url, content = made
    clock = surroundings.clock if make_url(url).get_backend_name() == "sqlite" else None
    return SqlStore(url, clock=clock, refusals_per_hour=settings.refusals_per_hour, at_rest=content)


KINDS: dict[str, StoreKind] = {
    "sql": Kind(settings=SqlSettings, make=_sql),
    "memory": Kind(settings=MemorySettings, make=_memory),
}


def open_store(kind: str, settings: dict[str, Any], surroundings: Surroundings) -> Custody:
    """Return a store of this kind.  It opens nothing before its first call, so a process may still fork."""
    made = KINDS[kind]
    return made.make(made.settings(**settings), surroundings)
