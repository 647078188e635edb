"""What `form.toml` says about a form of the catalogue.

It stands in `forms/<name>/<version>/`, beside the form's schema and its `examples/`, and has the fields of
`broker.model.Form`: `name` and `version` (the folder's), `namespace`, `root`, `title_pl`, `title_en`, `signed`
(default true), `level` (default "local"); and two for the schema: `schema` (its file in this folder) and `xsd`
("1.0", the default, or "1.1").
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from broker.errors import ConfigError
from broker.evidence import Level
from broker.model import Form, FormKey

_TEXTS = ("name", "version", "namespace", "root", "title_pl", "title_en", "schema")
_DEFAULTS: dict[str, Any] = {"signed": True, "level": Level.LOCAL.value, "xsd": "1.0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A form and the schema that it is held to."""

    form: Form
    schema: str  # path of the schema file, in the schema folder
    xsd: str  # "1.0" or "1.1"


def read_form(path: str, content: bytes) -> Entry:
    """Read `forms/<name>/<version>/form.toml`; raise ConfigError with everything that is wrong with it."""
    try:
        told = {**_DEFAULTS, **tomllib.loads(content.decode())}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path}: {error}"]) from error
    problems = _problems(path.split("/"), told)
    if problems:
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    form = Form(
        key=FormKey(name=told["name"], version=told["version"]),
        namespace=told["namespace"],
        root=told["root"],
        title_pl=told["title_pl"],
        title_en=told["title_en"],
        signed=told["signed"],
        level=Level(told["level"]),
    )
    return Entry(form=form, schema=f"{path.removesuffix('form.toml')}{told['schema']}", xsd=told["xsd"])


def _problems(parts: Sequence[str], told: dict[str, Any]) -> list[str]:
    """Say what is wrong with the keys of a form description."""
    problems = [f"unknown key {key}" for key in told if key not in {*_TEXTS, *_DEFAULTS}]
    problems += [f"{key} must be a text" for key in _TEXTS if not isinstance(told.get(key), str) or not told[key]]
    if ["forms", told.get("name"), told.get("version"), "form.toml"] != list(parts):
        problems.append("must stand in forms/<name>/<version>/")
    if not isinstance(told["signed"], bool):
        problems.append("signed must be true or false")
    if told["level"] not in set(Level):
        problems.append(f"level must be one of {', '.join(Level)}")
    elif told["signed"] is True and told["level"] == Level.NONE:
        problems.append('a form that is signed needs a level above "none"')
    if told["xsd"] not in {"1.0", "1.1"}:
        problems.append('xsd must be "1.0" or "1.1"')
    return problems
