"""How it is seen that a file of the configuration has changed, and that others can read or replace one with a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.wire.secret import insist_on_secrecy


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what differs once a file has been written anew; None while it is away, as in the middle of a rename."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass(frozen=True, slots=True)
class Keys:
    """What is asked of files with keys before one that is new is used; of the first whoever starts the broker asks."""

    look: Callable[[Path], Sequence[str]]
    environment: str

    def exposed(self, *files: Path) -> list[str]:
        """Return a line for each way in which a file lies open: if that ends, it is tried again."""
        return [problem for file in dict.fromkeys(files) for problem in self.look(file)]

    def insist_on_secrecy(self, *files: Path) -> None:
        """Raise ConfigError in production if one lies open, elsewhere say so in the log."""
        insist_on_secrecy(self.exposed(*files), self.environment)


NO_KEYS: Final = Keys(lambda _file: (), "test")
