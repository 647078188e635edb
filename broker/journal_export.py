"""The journal as a file: JSON lines that can be checked without the store (docs/reference/journal.md).

First a line about the file, then each batch followed by its events, at the end a line that says so.  A file without
its last line is not whole.  It is written and read line by line: no journal is too long for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from broker.journal import Batch, Entry, Lag
from broker.journal_head import written
from broker.journal_json import Json, batch_json, batch_of, digest, entry_json, entry_of, moment, whole

_KIND: Final = "goniec-journal-export-"
_FORMAT: Final = f"{_KIND}1"
LONGEST: Final = 1_000_000
"""Octets of a line."""
_EVENTS: Final = 100_000  # of a batch: more than any store of ours makes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an export begins with."""

    first: int  # the number of its first batch
    to: int | None  # of its last one, if it was cut there on purpose
    previous: bytes  # the head before the first batch
    sealed: int  # up to here every head is sealed
    stamped: int  # and time-stamped
    at: datetime | None = None  # when it was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What an export ends with."""

    batches: int
    events: int
    lag: Lag  # as it was in the store


def is_export(head: bytes) -> bool:
    """Whether a file that begins like this is an export, of whatever version."""
    return head.startswith(f'{{"format":"{_KIND}'.encode())


def opening_line(it: Opening) -> bytes:
    """Return the first line."""
    told = {
        "format": _FORMAT,
        "first": it.first,
        "to": it.to,
        "previous": it.previous.hex(),
        "sealed": it.sealed,
        "stamped": it.stamped,
        "at": None if it.at is None else written(it.at),
    }
    return _line(told)


def batch_lines(batch: Batch, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the lines of a batch."""
    yield _line(batch_json(batch))
    yield from (_line(entry_json(one)) for one in entries)


def stray_line(it: Entry) -> bytes:
    """Return the line of an event that says it is of a batch which is not there."""
    return _line({"stray": True, **entry_json(it)})


def closing_line(it: Closing) -> bytes:
    """Return the last line."""
    since = it.lag.unchained_since
    told = {
        "end": True,
        "batches": it.batches,
        "events": it.events,
        "unchained": it.lag.unchained,
        "unchained_since": None if since is None else written(since),
    }
    return _line(told)


def _line(told: Json) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


class Reader:
    """Reads an export: `opening` at once, then `batches` once, then `strays` and `closing`.  Raises ValueError.

    `lines` yields lines of at most `LONGEST` octets and one more, as `readline(LONGEST + 1)` does.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = enumerate(lines, start=1)
        told = self._next()
        if told is None or told.get("format") != _FORMAT:
            raise ValueError("line 1: not an export of the journal")
        with _At(1):
            self.opening = Opening(
                first=whole(told, "first"),
                to=None if told.get("to") is None else whole(told, "to"),
                previous=digest(told, "previous"),
                sealed=whole(told, "sealed"),
                stamped=whole(told, "stamped"),
                at=None if told.get("at") is None else moment(told, "at"),
            )
        self.strays: list[Entry] = []
        self.closing: Closing | None = None
        self._number = 1

    def _next(self) -> Json | None:
        found = next(self._lines, None)
        if found is None:
            return None
        self._number, line = found
        if len(line) > LONGEST:
            raise ValueError(f"line {self._number}: too long")
        try:
            told: Any = json.loads(line)
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            return told
        raise ValueError(f"line {self._number}: not a JSON object")

    def batches(self) -> Iterator[tuple[Batch, list[Entry]]]:
        """Yield the batches with their events."""
        batch: Batch | None = None
        entries: dict[int, Entry] = {}
        while (told := self._next()) is not None:
            with _At(self._number):
                if told.get("end") is True:
                    self.closing = _closing(told)
                    break
                if told.get("stray") is True:
                    self.strays.append(entry_of(told, "stray"))
                elif "event" in told:
                    _add(entries, batch, entry_of(told))
                else:
                    if batch is not None:
                        yield batch, list(entries.values())
                    batch, entries = batch_of(told), {}
        if self.closing is None:
            raise ValueError("the export is not whole: its last line is missing")
        if self._next() is not None:
            raise ValueError(f"line {self._number}: after the end")
        if batch is not None:
            yield batch, list(entries.values())


def _add(entries: dict[int, Entry], batch: Batch | None, one: Entry) -> None:
    if batch is None or one.batch != batch.number:
        raise ValueError("an event outside of its batch")
    if one.id in entries or len(entries) >= _EVENTS:
        raise ValueError("an event twice, or too many in a batch")
    entries[one.id] = one


def _closing(told: Json) -> Closing:
    since = None if told.get("unchained_since") is None else moment(told, "unchained_since")
    lag = Lag(unchained=whole(told, "unchained"), unchained_since=since)
    return Closing(batches=whole(told, "batches"), events=whole(told, "events"), lag=lag)


class _At:
    """Says at which line something was wrong."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ValueError) and not str(error).startswith("line "):
            raise ValueError(f"line {self._number}: {error}") from error
