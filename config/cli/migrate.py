"""`goniec migrate`: make the store's tables, or bring them to the layout that this version reads."""

from __future__ import annotations

import time
from pathlib import Path

import click

from config.cli.say import as_json, complain, configuration, end, say, say_json


@click.command("migrate")
@configuration
@as_json
@click.option("--check", is_flag=True, help="Say what would be done, and change nothing.")
def command(config: Path, as_json: bool, check: bool) -> None:
    """Make the store's tables, or bring them up to date; do nothing if they are.

    A SQLite file is made when the broker first starts; a PostgreSQL database needs this once, and both after an
    upgrade. Brokers of the version before go on meanwhile; what a layout adds says whether they may serve afterwards.
    Broken off, it can be run again.

    Exit status 0 done, 2 the store is out of reach or not for this version; with --check 0 there is nothing to do, 1
    there is.
    """
    from config.settings import load
    from config.upkeep import migrate_store, outstanding

    settings = load(config)
    there, missing = outstanding(settings)
    if check:
        if as_json:
            steps = [{"layout": one.layout, "adds": one.title} for one in missing]
            say_json({"layout": there, "outstanding": steps})
        else:
            say(f"layout {there or 'none'}: " + (f"{len(missing)} to be done" if missing else "nothing to be done"))
            for one in missing:
                say(f"{one.layout}  {one.title}")
        end(not missing)
    began = time.monotonic()

    def tell(line: str) -> None:
        if not as_json:
            say(f"{line}  (after {time.monotonic() - began:.1f} s)")
        elif line.startswith("waiting"):
            complain(line)

    migrate_store(settings, tell)
    if as_json:
        say_json({"migrated": True, "from": there, "done": [one.layout for one in missing]})
    else:
        click.echo("The tables are as this version reads them.")
