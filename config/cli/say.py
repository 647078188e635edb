"""How commands speak: tables for people, JSON for programs, complaints on standard error, one exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import click

YES: Final = 0
NO: Final = 1
CANNOT_TELL: Final = 2

as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
configuration = click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("goniec.toml"),
    show_default=True,
    envvar="GONIEC_CONFIG",
    help="The configuration file.",
)


def complain(*lines: str) -> None:
    """Write lines to standard error."""
    for line in lines:
        click.echo(f"goniec: {line}", err=True)


def end(holds: bool) -> NoReturn:
    """Leave with the status that says whether it is so."""
    sys.exit(YES if holds else NO)


def moment(at: datetime | None) -> str:
    """Write a moment as UTC with Z, to the second; nothing for None."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else ""


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def say_json(value: Any, *, line: bool = False) -> None:
    """Print a value as JSON: indented, or on one line."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=None if line else 2))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table; in colour only on a terminal, and never cut when it goes into a pipe."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table) if console.is_terminal else Console(width=200).print(table)


def say_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, one a line, empty ones left out."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        if value:
            click.echo(f"{name.ljust(width)}  {value}")
