"""What is done to the store apart from running a broker on it: made, looked into, put under another key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import make_url

from adapters import stores
from adapters.stores.sql.backup import Copied, Progress, copy
from adapters.stores.sql.layout import Step, steps
from adapters.wire.kind import Surroundings
from broker.errors import ConfigError
from broker.model import OfficeId
from config import clock, kinds
from config.around import surroundings
from config.bootstrap import open_store
from config.ids import TimeOrderedIds
from config.settings import Settings

Made = TypeVar("Made")

_OTHERWISE = "store: a PostgreSQL database is backed up by its own means, pg_dump or pg_basebackup"


def migrate_store(settings: Settings, tell: Callable[[str], None]) -> None:
    """Bring the store's tables to the layout that this version reads; raise ConfigError or Unavailable."""
    stores.migrate(_tables(settings), tell=tell)


def outstanding(settings: Settings) -> tuple[str | None, tuple[Step, ...]]:
    """Return the layout of the store, and what `migrate_store` would do; make nothing.  Raises as it does."""
    url = _tables(settings)
    file = make_url(url).database if url.startswith("sqlite") else None
    if file is not None and not Path(file).is_file():
        return None, steps(None)
    return stores.outstanding(url)


def backup_store(settings: Settings, file: Path, progress: Progress = lambda _left, _all: None) -> Copied:
    """Copy the store's SQLite file; raise ConfigError if it is none, OSError, or Unavailable."""
    url = store_url(settings)
    if not url.startswith("sqlite"):
        raise ConfigError(
            [f"store.kind: {settings.store.kind!r} is not backed up like this" if not url else _OTHERWISE]
        )
    source = Path(str(make_url(url).database))
    if not source.is_file():
        raise ConfigError([f"store: there is no {source} yet"])
    return copy(source, file, progress)


def _tables(settings: Settings) -> str:
    url = store_url(settings)
    if not url:
        raise ConfigError([f"store.kind: {settings.store.kind!r} has no tables to bring up to date"])
    return url


def store_url(settings: Settings) -> str:
    """Return where the tables of the store are, "" if it has none; open nothing.  Raises ConfigError."""
    return _of_sql(settings, stores.store_url) or ""


def examine_store(settings: Settings) -> Mapping[OfficeId, int]:
    """Return how many deliveries are not final, by office, none of a store that is not there yet.

    Raises ConfigError if the tables that are there are not for this version and these keys; raises Unavailable.
    """
    return _of_sql(settings, stores.examine) or {}


def _of_sql(settings: Settings, ask: Callable[[stores.SqlSettings, Surroundings], Made]) -> Made | None:
    """Return what the store's own settings say, None if they are not of the kind that has tables."""
    _, own = kinds.read(stores.KINDS, settings.store, "store")
    if not isinstance(own, stores.SqlSettings):
        return None
    try:
        return ask(own, surroundings(settings, "store", TimeOrderedIds(clock.now)))
    except ConfigError as error:
        raise ConfigError([f"store: {one}" for one in error.problems]) from error


@contextmanager
def rekey_store(settings: Settings) -> Iterator[tuple[int, Iterator[int]]]:
    """Yield how many rows hold content, and what puts it under the first key and yields the rows as it sees to them."""
    store = open_store(settings)
    try:
        if not isinstance(store, stores.SqlStore):
            raise ConfigError([f"store.kind: {settings.store.kind!r} keeps nothing that could be encrypted"])
        yield store.contents(), store.rekey()
    finally:
        store.close()
