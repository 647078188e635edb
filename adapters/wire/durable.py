"""Files that are there whole or not at all, and still there after a power cut.

`made` is for a file that an operator names: nothing of another kind is ever replaced by it, and nobody but its owner
may read it, for what commands write holds documents, or who sent what and when.  `put` is for folders that we share
with partners and offices, in which a name says what is in the file: others must read it; umask and folder say who.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from errno import EEXIST
from pathlib import Path
from typing import Final

Kind = Callable[[bytes], bool]
"""Tells by a file's first octets (`HEAD` of them, or all) whether it is of a kind."""

HEAD: Final = 256
_UNIQUE: Final = 8  # octets
_SAFE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


def file_name(identifier: str) -> str:
    """Return a name fit for a file, the same each time: the identifier, or its digest if it holds anything odd."""
    return identifier if _SAFE.fullmatch(identifier) else hashlib.sha256(identifier.encode()).hexdigest()


@contextlib.contextmanager
def made(target: Path, over: Kind | None = None) -> Iterator[Path]:
    """Yield a hidden file beside `target`, empty, mode 600; when the block has filled it, flush it and name it so.

    What is there under that name stays, and FileExistsError is raised, unless it is a file `over` which this one may be
    written: then its permissions go on.  Both is looked at before the work and after it.  Raises OSError, and what the
    block raises: then nothing is left behind, but by a process that is killed (`.….part`).
    """
    require_free(target, over)
    part = target.with_name(f".{target.name}.{secrets.token_hex(_UNIQUE)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield part
        flush(part)
        require_free(target, over)
        _name(part, target, replace=over is not None)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    settle(target.parent)


def require_free(target: Path, over: Kind | None = None) -> None:
    """Raise FileExistsError if something is there that is not to be replaced; what is empty is of every kind."""
    if not os.path.lexists(target):
        return
    if over is not None and target.is_file():
        with target.open("rb") as file:
            head = file.read(HEAD)
        if not head or over(head):
            return
        raise FileExistsError(EEXIST, "File exists, and is something else: it stays", str(target))
    raise FileExistsError(EEXIST, os.strerror(EEXIST), str(target))


def _name(part: Path, target: Path, *, replace: bool) -> None:
    """Give a hidden file its name; unless it may replace one of that name, only if there is none."""
    if replace:
        with contextlib.suppress(FileNotFoundError):
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
        return
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        require_free(target)
        part.replace(target)


def left_of(target: Path) -> Iterator[Path]:
    """Yield what processes that were killed while they made this file have left."""
    yield from target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 2 * _UNIQUE}.part*")


def flush(file: Path) -> None:
    """Flush a file to the disk; raise OSError."""
    _flush(file, os.O_RDONLY)


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
    _flush(folder, os.O_RDONLY | os.O_DIRECTORY)


def _flush(path: Path, how: int) -> None:
    descriptor = os.open(path, how | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
