"""What can change while the broker runs: routing table, trust anchors, partners.

Each is an immutable value made from files.  When a file changes, a new value is made; if that fails, the old one
stays and the problem is logged, so that a slip of the pen in a table stops nobody's documents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from broker.errors import ConfigError

log = structlog.get_logger(__name__)

Value = TypeVar("Value")
_Stamps = tuple[tuple[int, int, int] | None, ...]


class Snapshot(Generic[Value]):
    """The newest good value made from some files.  Reading it is one attribute access: any thread may."""

    def __init__(
        self,
        name: str,
        files: Sequence[Path] | Callable[[], Sequence[Path]],
        make: Callable[[], Value],
        *,
        first: Callable[[], Value] | None = None,
    ) -> None:
        """Make the first value; raises what `make` raises, ConfigError above all.

        `files` may be a function where one file names others.  `first` makes the first value from what was read before,
        if the files are wrong by now.
        """
        self._name = name
        self._files = files if callable(files) else lambda: files
        self._make = make
        # Always from before the files are read: what is saved meanwhile is a change.
        self._seen: _Stamps | None = self._stamps()
        try:
            self.value = make()
        except ConfigError:
            if first is None:
                raise
            self.value = first()
            self._seen = None  # what is wrong is told when they are read again

    def __call__(self) -> Value:
        """Return the value."""
        return self.value

    def refresh(self) -> None:
        """Make the value anew if a file has changed since, or others are named; called by housekeeping."""
        stamps = self._stamps()
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            self.value = self._make()
        except ConfigError as wrong:
            log.error("snapshot.kept-old", snapshot=self._name, problems=wrong.problems)  # noqa: TRY400 - the problems say it all
        else:
            log.info("snapshot.refreshed", snapshot=self._name)

    def _stamps(self) -> _Stamps:
        return tuple(stamp(file) for file in self._files())


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what is different once a file has changed; None if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None  # gone for the moment, as in the middle of a rename: that is a change too
    return found.st_mtime_ns, found.st_size, found.st_ino
