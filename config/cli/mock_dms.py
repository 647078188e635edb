"""`goniec mock-dms`: an office's document system to try things with."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Event

import click


@click.command("mock-dms")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="Loopback port; 0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to write what comes, a folder an office."
)
@click.option(
    "--manner",
    default="take",
    show_default=True,
    help="How to behave: take, status, client-fault, server-fault, http, garbage, wrong, half, trickle, hang, drop.",
)
@click.option("--delay", type=click.FloatRange(min=0), default=0.0, help="Seconds before each answer.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each document, instead of words.")
def command(port: int, host: str, folder: Path | None, manner: str, delay: float, as_json: bool) -> None:
    """Run a mock document system until SIGTERM or SIGINT.

    Every path below /dms/ is an office of its own: http://HOST:PORT/dms/katowice is what its `url` would be.
    Exit status 0 when told to stop, 2 if it cannot listen there.
    """
    from adapters.testkit.dms import MockDms
    from adapters.testkit.dms_conduct import Conduct, Manner
    from config import packaged
    from config.cli.say import say, say_json
    from config.cli.say import stop as leave

    if manner not in list(Manner):
        raise click.BadParameter(f"{manner!r} is none of {', '.join(Manner)}", param_hint="--manner")
    try:
        serving = MockDms(folder=folder, host=host, port=port, text=packaged.text)
    except OSError as error:
        if error.filename:  # of the folder, not of the port
            raise
        leave(f"cannot listen on {host}:{port}: {error.strerror or error} (--port takes another, 0 a free one)")
    stop = Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    with serving as dms:
        dms.behave(Conduct(manner=Manner(manner), delay=delay))
        click.echo(f"offices at {dms.url('<office>')}", err=as_json)
        told = 0
        while not stop.wait(0.2):
            news = dms.records.arrivals[told:]
            # What arrived has no number yet; what is kept has one (a repeat, the number of the first time).
            numbers = {(it.office, it.delivery): it.number for it in dms.records.received} if news else {}
            for one in news:
                number = numbers.get((one.office, one.delivery), "")
                if as_json:
                    say_json({"office": one.office, "number": number, **one.facts}, line=True)
                else:
                    say(f"{one.office}  {one.facts['form']}  {len(one.document)} bytes  registered as {number}")
            told += len(news)
