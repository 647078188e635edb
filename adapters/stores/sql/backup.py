"""A copy of a SQLite file, made while brokers work with it: of one moment, flushed, and found whole.

One read transaction is held from the first page to the last, so what others write meanwhile is not in the copy and
does not make it begin anew; nobody waits for it.  The copy has its name only when it is complete and was checked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from adapters.wire.durable import left_of, made
from broker.errors import Unavailable

Progress = Callable[[int, int], None]
"""Takes pages that are still to be copied, and all pages."""

_STEP: Final = 4096  # pages copied at a time: 16 MB
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What is in a copy."""

    layout: str
    submissions: int
    latest: datetime | None  # the moment at which the last of them was taken into custody
    octets: int


def _silent(_left: int, _all: int) -> None:
    pass


def copy(source: Path, target: Path, progress: Progress = _silent) -> Copied:
    """Copy the database in `source` to `target`, for its owner alone; a file that is there is left alone.

    Raises OSError if the copy cannot be made where it is wanted, Unavailable if the database cannot be read or the copy
    is not whole; nothing is left behind then.
    """
    for left in left_of(target):
        left.unlink(missing_ok=True)
    try:
        with made(target) as part:
            _copy_pages(source, part, progress)
            return _examine(part)
    except sqlite3.Error as error:
        raise Unavailable(f"store: {type(error).__name__}: {error}") from error


def _copy_pages(source: Path, part: Path, progress: Progress) -> None:
    asked = f"{source.resolve().as_uri()}?mode=rw"  # a reader of a write-ahead log writes to its index
    with (
        closing(sqlite3.connect(asked, uri=True, isolation_level=None, timeout=10)) as there,
        closing(sqlite3.connect(part, isolation_level=None)) as here,
    ):
        there.execute("BEGIN")
        there.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the moment of which the copy is
        there.backup(here, pages=_STEP, progress=lambda _status, left, number: progress(left, number))
        there.execute("ROLLBACK")


def _examine(part: Path) -> Copied:
    """Look through the whole copy; nothing is written beside it."""
    with closing(sqlite3.connect(f"{part.resolve().as_uri()}?immutable=1", uri=True)) as copied:
        found = [problem for (problem,) in copied.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise Unavailable(f"store: the copy is not whole: {'; '.join(found)}")
        (layout,) = copied.execute("SELECT version_num FROM alembic_version").fetchone()
        number, latest = copied.execute("SELECT count(*), max(accepted_at) FROM submissions").fetchone()
        return Copied(
            layout=layout,
            submissions=number,
            latest=None if latest is None else _EPOCH + timedelta(microseconds=latest),
            octets=part.stat().st_size,
        )
