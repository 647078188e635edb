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


class Snapshot(Generic[Value]):
    """The newest good value made from some files.  Reading it is one attribute access: any thread may."""

    def __init__(
        self, name: str, files: Sequence[Path] | Callable[[], Sequence[Path]], make: Callable[[], Value]
    ) -> None:
        """Make the first value; raises what `make` raises, ConfigError above all.

        `files` may be a function where one file names others.
        """
        self._name = name
        self._files = files if callable(files) else lambda: files
        self._make = make
        self._seen = self._stamps()
        self.value = make()

    def __call__(self) -> Value:
        """Return the value."""
        return self.value

    def refresh(self) -> None:
        """Make the value anew if a file has changed since; called by housekeeping."""
        stamps = self._stamps()
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            self.value = self._make()
        except ConfigError as wrong:
            log.error("snapshot.kept-old", snapshot=self._name, problems=wrong.problems)  # noqa: TRY400 - the problems say it all
        else:
            self._seen = self._stamps()  # it may have named other files
            log.info("snapshot.refreshed", snapshot=self._name)

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(stamp(file) for file in self._files())


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what is different once a file has changed; None if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None  # gone for the moment, as in the middle of a rename: that is a change too
    return found.st_mtime_ns, found.st_size, found.st_ino
