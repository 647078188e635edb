"""Reads what is packaged with the program: schemas, WSDLs.  `broker`, `routing` and `schemas` take bytes only."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from broker.errors import ConfigError

_SCHEMAS = files("schemas")


def text(path: str) -> bytes:
    """Return a packaged text by its path below `schemas/`; a missing one is a bug."""
    return _SCHEMAS.joinpath(*path.split("/")).read_bytes()


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its path from there with slashes; raise ConfigError."""
    if not folder.is_dir():
        raise ConfigError([f"{folder}: no such folder"])
    return {
        str(file.relative_to(folder).as_posix()): content(file) for file in sorted(folder.rglob("*")) if file.is_file()
    }


def schemas() -> dict[str, bytes]:
    """Return every packaged file below `schemas/`, by its path from there."""
    return tree(Path(str(_SCHEMAS)))


def content(file: Path) -> bytes:
    """Return a file's bytes; raise ConfigError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from error
