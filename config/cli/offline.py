"""What the commands share that look at files without a running broker: finding them, and opening them as documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from broker.model import Address, Document, Envelope
from broker.parse import Limits, Parse

files = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE|FOLDER..."
)
jsonl = click.option("--jsonl", is_flag=True, help="One line of JSON a file.")
forms = click.option(
    "--forms",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with forms beside the packaged ones.",
)
at = click.option("--at", type=click.DateTime(), help="The moment to judge for (UTC); now by default.")


def found(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files named, and those directly in the folders named, in the order of their names."""
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.iterdir() if one.is_file())
        else:
            yield path


def envelope(file: Path, moment: datetime, to: Address | None = None) -> Envelope:
    """Return a file as if it had just come in."""
    return Envelope(
        channel="offline",
        sender="offline",
        received_at=moment,
        payload=file.read_bytes(),
        to=to or Address(),
        file_name=file.name,
    )


def document(file: Path, moment: datetime, limits: Limits) -> Document:
    """Return a file parsed; raises Malformed or TooLarge."""
    return Parse(limits=limits)(envelope(file, moment))


def moment(given: datetime | None) -> datetime:
    """Return the moment asked for, as UTC, or now."""
    from config.clock import now

    return given.replace(tzinfo=UTC) if given else now()
