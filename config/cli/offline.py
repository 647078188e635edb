"""What the commands share that look at files without a running broker: finding them, and opening them as documents."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from broker.model import Address, Document, Envelope
from broker.parse import Limits, Parse
from config.cli.say import complain, stop

files = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE|FOLDER..."
)
jsonl = click.option("--jsonl", is_flag=True, help="A line of JSON for each file, as soon as it is known.")
forms = click.option(
    "--forms",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with forms beside the packaged ones.",
)


def written_moment(text: str) -> datetime:
    """Read a moment in ISO 8601: with Z or an offset, else it is UTC; a day alone is its first moment."""
    try:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is not like 2026-01-31 or 2026-01-31T12:00:00Z") from None


at = click.option("--at", type=written_moment, metavar="TIME", help="The moment to judge for (UTC); now by default.")


def found(paths: Iterable[Path]) -> list[Path]:
    """Return the files named, and those below the folders named, in the order of their paths.

    Leaves with exit status 2 if a folder holds no file: nothing can be said about nothing.
    """
    named: list[Path] = []
    for path in paths:
        below = sorted(_below(path)) if path.is_dir() else [path]
        if not below:
            stop(f"{path}: there are no files in this folder")
        named += below
    return named


def _below(folder: Path) -> Iterable[Path]:
    for where, _, names in os.walk(folder, onerror=_unreadable):
        for one in (Path(where, name) for name in names):
            if one.is_file() or one.is_symlink():  # a link that leads nowhere is named and told; a pipe would block
                yield one


def _unreadable(error: OSError) -> NoReturn:
    raise error


def octets(file: Path) -> bytes | None:
    """Return a file's bytes; or None, and say so, if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        complain(f"{file}: {error.strerror}")
        return None


def envelope(file: Path, payload: bytes, moment: datetime, to: Address | None = None) -> Envelope:
    """Return a file's content as if it had just come in."""
    return Envelope(
        channel="offline",
        sender="offline",
        received_at=moment,
        payload=payload,
        to=to or Address(),
        file_name=file.name,
    )


def document(file: Path, payload: bytes, moment: datetime, limits: Limits) -> Document:
    """Return a file parsed; raises Malformed or TooLarge."""
    return Parse(limits=limits)(envelope(file, payload, moment))


def moment(given: datetime | None) -> datetime:
    """Return the moment asked for, or now."""
    from config.clock import now

    return given or now()
