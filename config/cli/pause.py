"""`goniec pause`: an operator stops or resumes what goes out to one office."""

from __future__ import annotations

from pathlib import Path

import click

from broker.model import OfficeId
from config.cli.say import as_json, complain, configuration, end, say_json


@click.command("pause")
@configuration
@as_json
@click.option("--resume", is_flag=True, help="Go on.")
@click.argument("office")
def command(config: Path, as_json: bool, resume: bool, office: str) -> None:
    """Hand nothing more to OFFICE until it is resumed; what is for it is taken in and kept all the same.

    Holds over all nodes and restarts.  An attempt under way is not stopped.  Exit status 1 if there is no such office.
    """
    from config.bootstrap import open_ledger
    from config.settings import load

    with open_ledger(load(config)) as ledger:
        known = ledger.pause(OfficeId(office), not resume)
    if as_json:
        say_json({"office": office, "known": known, "paused": not resume})
    elif known:
        click.echo(f"{office} {'goes on' if resume else 'is paused'}")
    else:
        complain(f"no office {office} has been served yet")
    end(known)
