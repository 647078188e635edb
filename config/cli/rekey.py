"""`goniec rekey`: put all content under the key that is first in `[store] encryption_keys`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from config.cli.say import as_json, configuration, say_json


@click.command("rekey")
@configuration
@as_json
def command(config: Path, as_json: bool) -> None:
    """Encrypt all documents and reports anew under the first of the store's encryption keys.

    Brokers may run meanwhile, but every one of them must have been started with the new key first.  What was in clear
    is encrypted too.  It may be broken off and run again: what is done stays done.  Afterwards the other keys are
    needed for backups only.  Exit status 0 done, 2 it could not be.
    """
    from config.settings import load
    from config.upkeep import rekey_store

    with rekey_store(load(config)) as (length, rows):
        total, shown = 0, sys.stderr.isatty()
        with click.progressbar(length=length, label="contents", file=sys.stderr, hidden=not shown) as bar:
            for seen in rows:
                bar.update(seen)
                total += seen
    say_json({"rekeyed": True}) if as_json else click.echo("All content is under the first key.")
