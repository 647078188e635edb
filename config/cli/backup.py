"""`goniec backup`: a copy of the store while the broker works."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from config.cli.say import as_json, configuration, moment, say, say_json


@click.command("backup")
@configuration
@as_json
@click.argument("file", type=click.Path(path_type=Path))
def command(config: Path, as_json: bool, file: Path) -> None:
    """Copy the store's SQLite file to FILE while brokers work with it: whole, checked, flushed, for its owner alone.

    The copy is of the moment at which this begins, and nobody waits for it. A FILE that is there is left alone. A
    PostgreSQL database is backed up by its own means: pg_dump, pg_basebackup.

    Exit status 0 done, 2 it could not be made, or the store is no SQLite file.
    """
    from config.settings import load
    from config.upkeep import backup_store

    if sys.stderr.isatty():
        with click.progressbar(length=1, label="copied", file=sys.stderr) as bar:

            def progress(left: int, all_: int) -> None:
                bar.length = all_
                bar.update(all_ - left - bar.pos)

            copied = backup_store(load(config), file, progress)
    else:
        copied = backup_store(load(config), file)
    if as_json:
        say_json(
            {
                "file": str(file),
                "layout": copied.layout,
                "submissions": copied.submissions,
                "latest": copied.latest,
                "bytes": copied.octets,
            }
        )
    else:
        last = f", the last of {moment(copied.latest)}" if copied.latest else ""
        say(f"{file}: {copied.submissions} submissions{last}; layout {copied.layout}, {copied.octets} bytes")
