"""How commands speak: lines and tables for people, JSON for programs, complaints on standard error, one exit status.

Half of what is said was written by strangers (file names, senders, names in certificates), so everything goes
through `shown` first: nobody's document moves the cursor of an operator's terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click

YES: Final = 0
NO: Final = 1
CANNOT_TELL: Final = 2
_PAGE: Final = 1000  # rows of a table

Item = TypeVar("Item")
Command = TypeVar("Command", bound=Callable[..., Any])

_COLOURS: Final = {YES: "green", NO: "red", CANNOT_TELL: "yellow"}
# Controls, line and paragraph separators, marks that turn the direction of writing, and what no encoding can write.
_UNSHOWN: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSHOWN_IN_JSON: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

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


def shown(text: str) -> str:
    """Return a text as one line that is safe on a terminal: what is not, by its number in Unicode."""
    return _UNSHOWN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def word(*names: str, **about: Any) -> Callable[[Command], Command]:
    """Return a click option that takes any text; what is not fit to be shown or stored arrives as `shown` has it."""
    return click.option(*names, type=shown, metavar="TEXT", **about)


def say(line: str, status: int | None = None) -> None:
    """Write a line to standard output; on a terminal in the colour of a status, unless NO_COLOR is set."""
    if status is None or os.environ.get("NO_COLOR"):
        click.echo(shown(line))
    else:
        click.secho(shown(line), fg=_COLOURS[status])


def complain(*lines: str) -> None:
    """Write lines to standard error."""
    for line in lines:
        click.echo(f"goniec: {shown(line)}", err=True)


def stop(*lines: str) -> NoReturn:
    """Say what is in the way, and leave with the status for "cannot tell or wrongly used"."""
    complain(*lines)
    sys.exit(CANNOT_TELL)


def end(holds: bool) -> NoReturn:
    """Leave with the status that says whether it is so."""
    sys.exit(YES if holds else NO)


def worst(statuses: Iterable[int]) -> int:
    """Return the status of many questions: no if any is no, else cannot tell if any is, else yes."""
    return max(statuses, key=(YES, CANNOT_TELL, NO).index, default=CANNOT_TELL)


def moment(at: datetime | None) -> str:
    """Write a moment as UTC with Z, to the second; nothing for None."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else ""


def with_bar(items: Sequence[Item], label: str, *, quiet: bool) -> Iterator[Item]:
    """Yield the items; with a progress bar on a terminal where nothing else is written (`quiet`) meanwhile."""
    if len(items) > 1 and sys.stderr.isatty() and (quiet or not sys.stdout.isatty()):
        with click.progressbar(items, label=label, file=sys.stderr) as bar:
            yield from bar
    else:
        yield from items


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
    click.echo(_json(value, indent=None if line else 2))


def say_json_members(members: Iterable[tuple[str, Any]]) -> None:
    """Print an object as `say_json` does, but each member as it comes, and an iterator as a list, row by row."""
    before = "{\n  "
    for name, value in members:
        click.echo(f"{before}{_json(name)}: ", nl=False)
        before = ",\n  "
        if not isinstance(value, Iterator):
            click.echo(_json(value).replace("\n", "\n  "), nl=False)
            continue
        between = "[\n    "
        for row in value:
            click.echo(between + _json(row).replace("\n", "\n    "), nl=False)
            between = ",\n    "
        click.echo("\n  ]" if between.startswith(",") else "[]", nl=False)
    click.echo("\n}")


def _json(value: Any, indent: int | None = 2) -> str:
    return _UNSHOWN_IN_JSON.sub(_escaped, json.dumps(value, default=_plain, ensure_ascii=False, indent=indent))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, none: str = "none") -> None:
    """Print a table: fitted to a terminal, but in a pipe every row is one line and nothing is cut.

    Without rows nothing but `none` is said: a head alone looks as if something had been cut off.  A page of rows is
    held at a time; on a terminal each has its head.
    """
    lines = ([shown(cell) for cell in row] for row in rows)
    page = list(islice(lines, _PAGE))
    if not page:
        say(none)
    head: Sequence[Sequence[str]] = [columns]
    widths = [0] * len(columns)
    while page:
        if sys.stdout.isatty():
            _say_page(columns, page)
        else:
            columnwise = zip(*head, *page, strict=True)
            widths = [max(width, *map(len, cells)) for width, cells in zip(widths, columnwise, strict=True)]
            for row in (*head, *page):
                click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        head, page = [], list(islice(lines, _PAGE))


def _say_page(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))  # as it is: in a plain str rich would obey markup
    Console().print(table)


def say_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, one a line, empty ones left out."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        if value:
            say(f"{name.ljust(width)}  {value}")
