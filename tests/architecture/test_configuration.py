"""The reference of the configuration describes every setting there is, and no other, with its true default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters import channels, offices, seals, stores
from broker.caps import Limits
from broker.deadlines import Terms
from config.settings import OfKind, Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
NAMED = {"channels": "channels.NAME", "offices": "offices.ID", "partners": "partners.ID"}
KINDS = {"store": stores.KINDS, "seal": seals.KINDS, "channels.NAME": channels.KINDS, "offices.ID": offices.KINDS}
OURS = {"folder", "file"}  # of Settings: where the file lies is no setting
WHOLE = {"offices.ID": {"deadlines"}}  # told in one row, because another table has all of it
UNITS = {"s": 1, "min": 60, "h": 3_600, "day": 86_400, "days": 86_400}


# ── what the program has ──


def models(field: FieldInfo) -> list[type[BaseModel]]:
    """The models that a setting is made of, or holds."""
    found, todo = [], [field.annotation]
    while todo:
        one = todo.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            found.append(one)
        todo += get_args(one)
    return found


def settings(model: type[BaseModel], path: str) -> Iterator[tuple[str, str, Any]]:
    """Every setting as the table in which it belongs, its key there, and its default (undefined: it has none)."""
    for name, field in model.model_fields.items():
        if (model is Settings and name in OURS) or name == "kind":
            continue
        below = [] if name in WHOLE.get(path, ()) else models(field)
        if below and path == "deadlines":
            term = getattr(Terms(), name)
            yield path, f"{name}.expire", term.expire
            yield path, f"{name}.warn", None
        elif below:
            yield from settings(below[0], ".".join(filter(None, [path, NAMED.get(name, name)])))
        elif path == "limits":
            yield path, name, getattr(Limits(), name)
        else:
            yield path, name, field.get_default(call_default_factory=True)


def of_kinds() -> Iterator[tuple[str, str, Any]]:
    """Likewise, of what has a kind; the table is that of the kind."""
    for path, kinds in KINDS.items():
        whole = Settings.model_fields[path.partition(".")[0]].default
        yield path, "kind", whole.kind if isinstance(whole, OfKind) else PydanticUndefined
        for kind, it in kinds.items():
            if (path, kind) != ("store", "memory"):  # it has part of the other's
                own = path if path == "store" else f"{path} {kind}"
                yield from settings(it.settings, own)


THERE = {(table, key): default for table, key, default in [*settings(Settings, ""), *of_kinds()]}


# ── what the page tells ──


def told() -> Iterator[tuple[str, str, str]]:
    """Every row as its table, its key, and what stands there as the default."""
    section, tables = "", [""]
    for line in PAGE.splitlines():
        if line.startswith("## "):
            section = "".join(re.findall(r"under `\[+([^\]]+)\]+`", line))
            tables = [section]
        elif line.startswith("With `kind = "):
            tables = [f"{section} {kind}" for kind in re.findall(r'`kind = "([a-z0-9]+)"`', line)]
        elif below := re.search(r"under `\[+([a-z]+\.[a-z]+)\]+`", line):
            tables = [below[1]]
        elif row := re.match(r"\| `([a-z_.]+)` \| .+ \| (.*) \|$", line):
            for table in tables:
                yield table, row[1], row[2]


def as_told(default: Any) -> object:
    """A default in such a form as `read` gives."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, tuple | frozenset):
        return sorted(default)
    if isinstance(default, Enum | Path):
        return [str(default.value if isinstance(default, Enum) else default)]
    return [default] if isinstance(default, str) else default


def read(cell: str) -> object:
    """What a cell says: a truth, a duration, a number, else the words in it that are code."""
    if cell in {"true", "false"}:
        return cell == "true"
    if span := re.fullmatch(r"([0-9]+) ([a-z]+)", cell):
        return timedelta(seconds=int(span[1]) * UNITS[span[2]])
    if re.fullmatch(r"[0-9,]+", cell):
        return int(cell.replace(",", ""))
    return sorted(re.findall(r"`([^`]+)`", cell))


# ── and that they agree ──


def test_every_setting_is_described_once_and_nothing_else_is():
    rows = [(table, key) for table, key, _ in told()]
    assert sorted(set(THERE) - set(rows)) == []
    assert sorted(set(rows) - set(THERE)) == []
    assert len(rows) == len(set(rows))


def test_every_default_is_described_as_it_is():
    assert [(table, key, cell) for table, key, cell in told() if not is_so(cell, THERE[table, key])] == []


def is_so(cell: str, default: object) -> bool:
    if default is PydanticUndefined:
        return cell == "must be given"
    if default is None or default in ("", (), frozenset()):  # what that means stands there in words
        return bool(cell) and cell != "must be given" and isinstance(read(cell), list)
    return read(cell) == as_told(default)


def test_nothing_of_a_kind_is_left_out():
    """If something else gets a kind, its kinds belong here too."""
    of_a_kind = {
        NAMED.get(name, name)
        for name, field in Settings.model_fields.items()
        if any(issubclass(one, OfKind) for one in models(field))
    }
    assert of_a_kind == set(KINDS)
