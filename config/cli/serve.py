"""`goniec serve`: the broker itself."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.say import configuration


@click.command("serve")
@configuration
@click.option("--json", "as_json", is_flag=True, help="Taken as by every command; the log is lines of JSON anyway.")
def command(config: Path, as_json: bool) -> None:  # noqa: ARG001 - see its help
    """Run the broker until SIGTERM or SIGINT; then end what is under way and stop.

    A way in that cannot be opened is tried again every few seconds, and the log says so.  Exit status 0 after a clean
    stop, 2 if it could not start.
    """
    from config.run import serve
    from config.settings import load

    serve(load(config))
