"""What lies open of the secrets: files that others can read or replace, and passwords written into the configuration.

A file counts as secret if settings mark it (`adapters.wire.secret.SecretFile`, in an integrator's kind too), or if
settings name it and there is a private key in it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel

from adapters import channels, offices, seals, stores
from adapters.wire.kind import Kind
from adapters.wire.secret import SecretFile
from broker.errors import ConfigError
from config import kinds
from config.settings import OfKind, Settings, raw

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_LOOKED_AT: Final = 1_000_000  # octets: no file of certificates and keys is longer
_KEY: Final = b"PRIVATE KEY-----"


def open_files(settings: Settings) -> list[str]:
    """Return a line for each secret file that others can read, or put another in the place of."""
    found: dict[Path, str] = {}
    for place, path in _paths(settings):
        file = settings.path(path)
        if isinstance(path, SecretFile) or _holds_a_key(file):
            found.setdefault(file, place)
    return [f"{place}: {problem}" for file, place in found.items() for problem in _openness(file)]


def written_passwords(settings: Settings) -> list[str]:
    """Return a line for each address in the configuration's file, not in the environment, that holds a password."""
    if settings.file is None:
        return []
    hint = "holds a password, in a file that is read, copied and kept: name it by password_file or password_variable"
    return [f"{place}: {hint}" for place, text in _texts(raw(settings.file)) if _has_password(text)]


# ── files ──


def _paths(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield every path in the settings and in those of every kind, with the setting's name."""
    yield from _walk("", settings, Path)
    entries: list[tuple[str, OfKind, Mapping[str, Kind[Any]]]] = [
        ("seal", settings.seal, seals.KINDS),
        ("store", settings.store, stores.KINDS),
    ]
    ways: tuple[tuple[str, Mapping[str, OfKind], Mapping[str, Kind[Any]]], ...] = (
        ("channels", settings.channels, channels.KINDS),
        ("offices", settings.offices, offices.KINDS),
    )
    for group, entered, built_in in ways:
        known = _known(built_in, f"goniec.{group}")
        entries += [(f"{group}.{name}", entry, known) for name, entry in entered.items()]
    for place, entry, known in entries:
        try:
            _, own = kinds.read(known, entry, place)
        except ConfigError:
            continue  # whoever makes the kind tells what is wrong with its settings
        yield from _walk(place, own, Path)


def _known(built_in: Mapping[str, Kind[Any]], group: str) -> Mapping[str, Kind[Any]]:
    try:
        return kinds.with_plugins(built_in, group)
    except ConfigError:  # likewise told elsewhere
        return built_in


def _walk(place: str, value: object, wanted: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is of the type wanted, however deep it lies, with the names that lead to it."""
    inner: Iterator[tuple[object, object]] = iter(())
    if isinstance(value, wanted):
        yield place, value
    elif isinstance(value, BaseModel):
        inner = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        inner = iter(value.items())
    elif isinstance(value, Sequence | frozenset) and not isinstance(value, str | bytes):
        inner = iter(enumerate(value))
    for name, one in inner:
        yield from _walk(f"{place}.{name}" if place else str(name), one, wanted)


def _holds_a_key(file: Path) -> bool:
    try:
        if not file.is_file():
            return False
        with file.open("rb") as opened:
            return _KEY in opened.read(_LOOKED_AT)
    except OSError:  # whoever needs the file tells that it cannot be read
        return False


def _openness(file: Path) -> list[str]:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        folders = [(one, stat.S_IMODE(one.stat().st_mode)) for one in file.resolve().parents]
    except OSError:  # likewise
        return []
    problems = []
    if mode & _OTHERS:
        problems.append(f"{file} is secret, and not its owner's alone (mode {mode:04o}): chmod 600")
    # In a folder with the sticky bit, as /tmp has it, a file is replaced by its owner only.
    problems += [
        f"{file} is secret, and others may put another in its place: {folder} is theirs to write (mode {its:04o})"
        for folder, its in folders
        if its & _WRITABLE and not its & stat.S_ISVTX
    ]
    return problems


# ── passwords ──


def _texts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return _walk("", values, str)


def _has_password(text: str) -> bool:
    try:
        address = urlsplit(text)
        return "://" in text and (bool(address.password) or "password" in parse_qs(address.query))
    except ValueError:
        return False
