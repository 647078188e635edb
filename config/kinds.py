"""Kinds by their name: the built-in ones, and those that integrators' packages add by entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TypeVar

from pydantic import ValidationError

from adapters.wire.kind import Kind, KindSettings, SealLost, Surroundings
from broker.errors import ConfigError
from config.settings import OfKind, problems

Made = TypeVar("Made")


def with_plugins(built_in: Mapping[str, Kind[Made]], group: str) -> dict[str, Kind[Made]]:
    """Return the built-in kinds and those of the entry-point group; a name that collides is a ConfigError."""
    found, wrong = dict(built_in), []
    for point in entry_points(group=group):
        if point.name in found:
            wrong.append(f"{group}: {point.name} is there already ({point.value} collides)")
            continue
        try:
            kind = point.load()
        except Exception as error:  # noqa: BLE001 - somebody else's package: whatever it raises is its problem
            wrong.append(f"{group}: {point.value} cannot be loaded ({type(error).__name__}: {error})")
            continue
        if isinstance(kind, Kind):
            found[point.name] = kind
        else:
            wrong.append(f"{group}: {point.value} is not a Kind")
    if wrong:
        raise ConfigError(wrong)
    return found


def read(kinds: Mapping[str, Kind[Made]], entry: OfKind, path: str) -> tuple[Kind[Made], KindSettings]:
    """Return the kind that an entry of the configuration names, and its settings; make nothing of them."""
    kind = kinds.get(entry.kind)
    if kind is None:
        raise ConfigError([f"{path}.kind: {entry.kind!r} is none of {', '.join(sorted(kinds))}"])
    try:
        return kind, kind.settings(**entry.own())
    except ValidationError as error:
        raise ConfigError(problems(error, path)) from error


def make(kinds: Mapping[str, Kind[Made]], entry: OfKind, path: str, around: Surroundings) -> Made:
    """Make what an entry of the configuration describes; every problem comes with `path` before it."""
    kind, own = read(kinds, entry, path)
    try:
        return kind.make(own, around)
    except ValidationError as error:
        raise ConfigError(problems(error, path)) from error
    except ConfigError as error:
        sort = SealLost if isinstance(error, SealLost) else ConfigError
        raise sort([f"{path}: {one}" for one in error.problems]) from error
