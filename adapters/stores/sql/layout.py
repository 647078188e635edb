"""Which layout a database has, which one this version reads, and whether this version may serve from it.

A layout is the number of the last migration that was run: four digits, later ones greater.  A database names the
layouts of the oldest and the newest version that may serve from it (`layouts`), so that a version meets a database
that was made by a later one, which it knows nothing of, and still knows whether it may go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

from adapters.stores.sql.tables import layouts
from broker.errors import ConfigError

LOCK_WAIT: Final = "500ms"
"""For which a migration waits for a table's lock on PostgreSQL: everybody else waits behind it meanwhile."""


def script(also: Path | None = None) -> Config:
    """Return Alembic's configuration: there is no ini file.  `also` is a folder of migrations of a version to come."""
    config = Config()
    folder = Path(__file__).parent.with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    folders = [folder / "versions", *([also] if also else [])]
    config.set_main_option("version_locations", "\n".join(map(str, folders)).replace("%", "%%"))
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A migration."""

    layout: str  # that it makes
    title: str  # what it adds, one line


def steps(there: str | None, also: Path | None = None) -> tuple[Step, ...]:
    """Return the migrations that are to be run on a database of this layout, in their order; none on a later one."""
    directory = ScriptDirectory.from_config(script(also))
    known = list(directory.walk_revisions())
    if there is not None and there not in {one.revision for one in known}:
        return ()
    missing = [one for one in known if there is None or one.revision > there]
    return tuple(Step(layout=one.revision, title=one.doc.strip()) for one in reversed(missing))


def newest(also: Path | None = None) -> str:
    """Return the layout that this version reads and writes."""
    return str(ScriptDirectory.from_config(script(also)).get_current_head())


def layout(connection: Connection) -> str | None:
    """Return the layout that is there, None in a database without one of ours."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None and inspect(connection).has_table("submissions"):
        raise ConfigError(["the store's database holds tables that are not Goniec's"])
    return found


def may_serve(connection: Connection, there: str | None) -> tuple[str, str]:
    """Return the layouts of the oldest and the newest version that may serve; "" and "" if there is no layout.

    Before 0003 a database took only the version that had made it; so does one in which a migration was broken off.
    """
    if there is not None and inspect(connection).has_table(layouts.name):
        named = connection.execute(select(layouts)).one_or_none()
        if named is not None:
            return named.oldest, named.newest
    return there or "", there or ""


def fits(connection: Connection, mine: str | None = None) -> None:
    """Raise ConfigError, with what to do, if this version may not serve from the database as it is now."""
    mine, there = mine or newest(), layout(connection)
    oldest, latest = may_serve(connection, there)
    if mine > latest:
        raise ConfigError([f"the store has layout {there or 'none'}, this version needs {mine}: run `goniec migrate`"])
    if mine < oldest:
        takes = f"the store has layout {there} and takes versions of layout {oldest} and later"
        raise ConfigError([f"{takes}, this version's is {mine}: it is too old, put the newer version in its place"])
