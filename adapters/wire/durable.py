"""Files that are there whole or not at all, and still there after a power cut."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Final

_SAFE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


def file_name(identifier: str) -> str:
    """Return a name fit for a file, the same each time: the identifier, or its digest if it holds anything odd."""
    return identifier if _SAFE.fullmatch(identifier) else hashlib.sha256(identifier.encode()).hexdigest()


def put(folder: Path, name: str, content: bytes, unique: str) -> None:
    """Write a file under a hidden name (made of `unique`), flush it to the disk, then give it its name.

    A file of that name is replaced.  The name itself is durable after `settle`.  Raises OSError; then the hidden
    file is gone.  Only a process that is killed leaves one (`.….part`).
    """
    hidden = folder / f".{name}.{unique}.part"
    try:
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)  # as umask says
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        hidden.replace(folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            hidden.unlink()
        raise


def settle(folder: Path) -> None:
    """Flush the names in a folder to the disk; raise OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
