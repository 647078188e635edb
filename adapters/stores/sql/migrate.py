"""Makes the tables, and says whether they are the ones that this version reads.

The steps are in `adapters/stores/migrations`, in Alembic's form, and run from inside the package: there is no ini
file and nothing to install.  Several processes may start at once: one migrates, the others wait for it.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.errors import translated
from broker.errors import ConfigError

_MIGRATING = 0x476F6E6965630001  # PostgreSQL's advisory lock for it
_TRIES = 100


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    folder = Path(__file__).parent.with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def newest() -> str | None:
    """Return the layout that this version reads and writes."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def migrate(url: str) -> None:
    """Bring the database to the newest layout; do nothing if it is there.  Raises Unavailable."""
    engine = open_engine(url, writes=True)
    try:
        with translated():
            upgrade(engine)
    finally:
        engine.dispose()


def upgrade(engine: Engine, to: str = "head") -> None:
    """Run what is missing in one transaction, under a lock."""
    if engine.dialect.name == "sqlite":
        _lay_out(engine)
    with engine.begin() as connection:  # on SQLite this takes the write lock, so the others wait here
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
        command.upgrade(_config(connection), to)


def ready(writing: Engine, reading: Engine) -> None:
    """Make a fresh SQLite file; raise ConfigError if the database has another layout than this version's."""
    with reading.connect() as connection:
        there = layout(connection)
    if there is None and writing.dialect.name == "sqlite":
        upgrade(writing)
    with reading.connect() as connection:
        fits(connection)


def fits(connection: Connection) -> None:
    """Raise ConfigError if the layout that is there is not the one that this version reads."""
    there = layout(connection)
    if there != newest():
        needed = f"this version needs {newest()}: run `goniec migrate`"
        raise ConfigError([f"the store has layout {there or 'none'}, {needed}"])


def layout(connection: Connection) -> str | None:
    """Return the layout that is there, None in a database without one of ours."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None and inspect(connection).has_table("submissions"):
        raise ConfigError(["the store's database holds tables that are not Goniec's"])
    return found


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
