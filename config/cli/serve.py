"""`goniec serve`: the broker itself."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from config.cli.say import configuration


@click.command("serve")
@configuration
@click.option("--json", "as_json", is_flag=True, help="Taken as by every command; the log is lines of JSON anyway.")
def command(config: Path, as_json: bool) -> None:  # noqa: ARG001 - see its help
    """Run the broker until SIGTERM or SIGINT; then end what is under way and stop.

    A way in that cannot be opened is tried again every few seconds, and the log says so.  With `workers` in the
    configuration this process only watches over so many others, and SIGHUP has them replaced one by one; then a way in
    that cannot be opened at the start ends it.  Without workers SIGHUP is ignored.  Sockets that systemd hands over
    (LISTEN_FDS) are used.  Exit status 0 after a clean stop, 1 if a worker did not end well, 2 if it could not start.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # where nobody heeds it, it must not end anything
    from config.around import bind
    from config.listeners import Listeners
    from config.run import logged, serve
    from config.settings import load
    from config.supervisor import Supervisor

    settings = load(config)
    alone = settings.workers == 1
    listeners = Listeners.handed_over(os.environ, keep=not alone)
    if alone:
        serve(settings, listeners)
        return
    with logged(settings):
        worker = Supervisor(settings, listeners, read=lambda: load(config), bind=bind).run()
    if isinstance(worker, int):
        sys.exit(worker)
    serve(worker.settings, listeners, worker)
