"""What lies open of the secrets: files that others can read or replace, and passwords written into the configuration.

A file counts as secret if settings mark it (`adapters.wire.secret.SecretFile`, in an integrator's kind too), or if
settings name it and there is a private key in it.
"""

from __future__ import annotations

import os
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


def exposed(settings: Settings) -> list[str]:
    """Return a line for everything that lies open: what a broker in production does not start with."""
    return [*open_files(settings), *written_passwords(settings)]


def open_files(settings: Settings, who: int | None = None) -> list[str]:
    """Return a line for each secret file that others can read, or put another in the place of.

    `who` is the number of the account that the broker runs as, by default the one that asks.
    """
    found = _secret(settings, _paths(settings))
    if settings.file is not None:
        for place in _written(settings.file)[:1]:
            found.setdefault(settings.file, place)
    account = os.geteuid() if who is None else who
    return [f"{place}: {problem}" for file, place in found.items() for problem in _openness(file, account)]


def open_seal(settings: Settings) -> list[str]:
    """Return a line for each secret file of the seal that lies open."""
    try:
        _, own = kinds.read(seals.KINDS, settings.seal, "seal")
    except ConfigError:  # whoever makes the seal tells
        return []
    found = _secret(settings, _walk("seal", own, Path))
    return [f"{place}: {problem}" for file, place in found.items() for problem in _openness(file, os.geteuid())]


def open_key(file: Path) -> list[str]:
    """Return a line for each way in which a file lies open, if there is a private key in it."""
    return _openness(file, os.geteuid()) if _holds_a_key(file) else []


def written_passwords(settings: Settings) -> list[str]:
    """Return a line for each address in the configuration's file, not in the environment, that holds a password."""
    hint = "holds a password, in a file that is read, copied and kept: name it by password_file or password_variable"
    return [f"{place}: {hint}" for place in (_written(settings.file) if settings.file else ())]


# ── files ──


def _secret(settings: Settings, paths: Iterator[tuple[str, Path]]) -> dict[Path, str]:
    """Return the secret files among those, each with the first place that names it."""
    found: dict[Path, str] = {}
    for place, path in paths:
        file = settings.path(path)
        if isinstance(path, SecretFile) or _holds_a_key(file):
            found.setdefault(file, place)
    return found


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


def _openness(file: Path, who: int) -> list[str]:
    try:
        kept = file.stat()
        names = {name: name.lstat() for name in _way(file.absolute())}
    except OSError:  # likewise
        return []
    if stat.S_ISDIR(kept.st_mode):
        return [f"{file} is a folder: name the file"]
    problems = []
    if kept.st_mode & _OTHERS:
        mode = stat.S_IMODE(kept.st_mode)
        problems.append(f"{file} is secret, and not its owner's alone (mode {mode:04o}): chmod 600")
    if kept.st_uid not in {0, who}:
        problems.append(
            f"{file} is secret, and belongs to another account (uid {kept.st_uid}): chown it to the one that the "
            "broker runs as, and run this as that one"
        )
    once = {(one.st_dev, one.st_ino): name for name, one in reversed(names.items())}  # a folder can have two names
    problems += [
        f"{file} is secret, and others may put another in its place: {name} is theirs {how}"
        for name in reversed(once.values())
        if (how := _theirs(names[name], who))
    ]
    return problems


def _theirs(name: os.stat_result, who: int) -> str:
    """Return how a folder or a link on the way to a file is somebody else's to change; "" if it is not."""
    folder = stat.S_ISDIR(name.st_mode)
    if name.st_uid not in {0, who} and (folder or stat.S_ISLNK(name.st_mode)):
        return f"(uid {name.st_uid})"
    # In a folder with the sticky bit, as /tmp has it, a name is given to something else by its owner only.
    if folder and name.st_mode & _WRITABLE and not name.st_mode & stat.S_ISVTX:
        return f"to write (mode {stat.S_IMODE(name.st_mode):04o})"
    return ""


def _way(path: Path) -> Iterator[Path]:
    """Yield every name that leads to a file, its own too: as it is written, and behind each link.  Raises OSError."""
    seen: set[Path] = set()
    left = [path]
    while left:
        one = left.pop()
        for name in (one, *one.parents):
            if name in seen:
                continue
            seen.add(name)
            yield name
            if name.is_symlink():
                left.append(name.parent / name.readlink())


# ── passwords ──


def _written(file: Path) -> list[str]:
    """Return the settings in a configuration's file whose value is an address with a password in it."""
    return [place for place, text in _walk("", raw(file), str) if _has_password(text)]


def _has_password(text: str) -> bool:
    try:
        address = urlsplit(text)
        return "://" in text and (bool(address.password) or "password" in parse_qs(address.query))
    except ValueError:
        return False
