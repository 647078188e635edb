"""`goniec serve`: the broker itself."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.say import configuration


@click.command("serve")
@configuration
def command(config: Path) -> None:
    """Run the broker until SIGTERM or SIGINT; then end what is under way and stop.

    Exit status 0 after a clean stop, 2 if it could not start or a channel failed for good.
    """
    from config.run import serve
    from config.settings import load

    serve(load(config))
