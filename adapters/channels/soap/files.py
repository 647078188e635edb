"""How it is seen that a file of the configuration has changed."""

from __future__ import annotations

from pathlib import Path


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what differs once a file has been written anew; None while it is away, as in the middle of a rename."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
