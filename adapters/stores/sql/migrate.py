"""Makes the tables, and brings those of an older layout up to date while nodes serve.

The steps are in `adapters/stores/migrations`, in Alembic's form, and run from inside the package.  Several processes
may start at once: one migrates, the others wait for it.  On SQLite all steps are one transaction.  On PostgreSQL each
is one, or can be begun again where it was broken off; one that cannot have its lock at once gives way to those who
work, and is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from alembic import command
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.errors import translated
from adapters.stores.sql.layout import LOCK_WAIT, Step, fits, layout, script, steps
from broker.errors import Unavailable

Tell = Callable[[str], None]
"""Takes a line for who waits."""

_MIGRATING = 0x476F6E6965630001  # PostgreSQL's advisory lock for it
_TRIES = 100
_POLL: Final = 0.2  # seconds
_PAUSES: Final = (0.5, 1, 2, 4, *[8] * 40)  # seconds between tries to get a lock: five minutes and a half
_BLOCKED: Final = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected


def _silent(_line: str) -> None:
    pass


def migrate(url: str, *, tell: Tell = _silent, also: Path | None = None) -> None:
    """Bring the database to the newest layout; do nothing if it is there, or at a later one that takes this version.

    `also` names a folder with the migrations of a version to come.  Broken off, it can be run again.  Raises
    Unavailable, also when a table is not to be had; ConfigError if the database is not for this version.
    """
    engine = open_engine(url, writes=True)
    try:
        with translated():
            upgrade(engine, tell=tell, also=also)
    finally:
        engine.dispose()


def outstanding(url: str) -> tuple[str | None, tuple[Step, ...]]:
    """Return the layout that is there, and what `migrate` would do; change nothing.

    Raises Unavailable, and ConfigError if the database is not for this version.
    """
    engine = open_engine(url, writes=False)
    try:
        with translated(), engine.connect() as connection:
            there = layout(connection)
            missing = steps(there)
            if not missing:
                fits(connection)
            return there, missing
    finally:
        engine.dispose()


def upgrade(engine: Engine, to: str = "head", *, tell: Tell = _silent, also: Path | None = None) -> None:
    """Run what is missing, under a lock."""
    if engine.dialect.name == "sqlite":
        _lay_out(engine)
        with engine.begin() as connection:  # this takes the write lock, so the others wait here
            _run(connection, to, tell, also)
        return
    with engine.connect() as connection, _alone(connection, tell):
        for setting in (f"lock_timeout = '{LOCK_WAIT}'", "statement_timeout = 0"):  # not those of requests
            connection.execute(text(f"SET {setting}"))
        connection.commit()
        _insist(connection, lambda: _run(connection, to, tell, also), tell)


def _run(connection: Connection, to: str, tell: Tell, also: Path | None) -> None:
    """Run what is missing; a database of a later version is left as it is, if that takes this one."""
    there = layout(connection)
    if there is not None and not steps(there, also):
        fits(connection)
        return
    if not connection.in_nested_transaction() and connection.dialect.name == "postgresql":
        connection.rollback()  # what was only read: each migration begins a transaction of its own

    def done(*, step: Any, **_: Any) -> None:
        tell(f"layout {step.up_revision_id}")

    config = script(also)
    config.attributes |= {"connection": connection, "done": done}
    command.upgrade(config, to)


@contextmanager
def _alone(connection: Connection, tell: Tell) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock of migrations.

    Asked for again and again: who waits for it in a statement is waited for by the index that the holder is making.
    """
    key = {"key": _MIGRATING}
    for attempt in range(int(timedelta(hours=1).total_seconds() / _POLL)):
        mine = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one()
        connection.commit()
        if mine:
            break
        if not attempt:
            tell("waiting: another process migrates")
        time.sleep(_POLL)
    else:
        raise Unavailable("another process has been migrating the store for an hour")
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
            connection.commit()


def _insist(connection: Connection, work: Callable[[], None], tell: Tell) -> None:
    """Do the work; when a table is in use for longer than nodes should wait, let them pass and try again."""
    for pause in _PAUSES:
        try:
            work()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in _BLOCKED:
                raise
            connection.rollback()
            tell("waiting: a long transaction is using a table that is to be changed")
            time.sleep(pause)
        else:
            return
    raise Unavailable("a long transaction is using a table that is to be changed: end it, then run this again")


def ready(writing: Engine, reading: Engine) -> None:
    """Make a fresh SQLite file; raise ConfigError if this version may not serve from the database."""
    with reading.connect() as connection:
        there = layout(connection)
    if there is None and writing.dialect.name == "sqlite":
        upgrade(writing)
    with reading.connect() as connection:
        fits(connection)


def _lay_out(engine: Engine) -> None:
    """Set what a SQLite file keeps: pages can be given back, readers and the writer do not wait for each other.

    `auto_vacuum` counts only before the first table, so it comes first.  Changing the journal needs the file
    for itself for a moment and does not wait by itself.
    """
    for attempt in range(_TRIES):
        with closing(engine.raw_connection()) as connection:
            try:
                connection.cursor().execute("PRAGMA auto_vacuum=INCREMENTAL")
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            except engine.dialect.loaded_dbapi.OperationalError as busy:
                if attempt == _TRIES - 1:
                    raise OperationalError("PRAGMA journal_mode=WAL", None, busy) from busy
            else:
                return
        time.sleep(0.05)
