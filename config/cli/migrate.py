"""`goniec migrate`: make the store's tables, or bring them to the layout that this version reads."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.say import as_json, configuration, say_json


@click.command("migrate")
@configuration
@as_json
def command(config: Path, as_json: bool) -> None:
    """Make the store's tables, or bring them up to date; do nothing if they are.

    A SQLite file is made when the broker first starts; a PostgreSQL database needs this once, and after an upgrade.
    Exit status 0 done, 2 the store is out of reach.
    """
    from config.settings import load
    from config.upkeep import migrate_store

    migrate_store(load(config))
    say_json({"migrated": True}) if as_json else click.echo("The tables are as this version reads them.")
