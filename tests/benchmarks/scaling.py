"""`make scaling`: how cost grows along each axis, on this machine, and how far the simulation is from a real broker.

    python -m tests.benchmarks.scaling [--axis workers …] [--engine sqlite …] [--quick] [--json]

workers     documents a second with one, two and three workers; CPU of broker and database, log and tables for each
sizes       a document of 5 kB to 30 MB
offices     12 to 2,500 of them: start, memory, intake and delivery, claims
singletons  transactions in groups, the journal, seals
queue       the same by RabbitMQ
check       a broker under a load that comes by a timetable, beside its simulation

What the simulation takes of it stands in `costs.py`; what follows from it, in docs/explanation/scaling.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from adapters.testkit.pki import Pki
from config import clock
from tests.benchmarks import machine
from tests.benchmarks.axes import AXES
from tests.benchmarks.brokers import QUICK, WHOLE, Workplace
from tests.benchmarks.timetable import check

ALL: Final = AXES | {"check": check}


def show(lines: Iterable[Any], console: Console) -> None:
    """Print lines of one kind as a table; its columns are the fields, and what they mean stands in the docstring."""
    for kind, same in groupby(lines, key=type):
        names = [field.name for field in fields(kind)]
        table = Table(*names, title=" ".join((kind.__doc__ or "").split()), title_justify="left")
        for line in same:
            table.add_row(*(_written(getattr(line, name)) for name in names))
        console.print(table)


def _written(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value >= 1_000 else f"{value:.3g}"


@click.command()
@click.option(
    "--axis", "axes", type=click.Choice([*ALL]), multiple=True, help="Which; may be repeated.  [default: all]"
)
@click.option("--engine", "engines", type=click.Choice(["sqlite", "postgres"]), multiple=True, help="[default: both]")
@click.option("--quick", is_flag=True, help="In small: to see that it runs.")
@click.option("--documents", default=0, help="How many, where documents are sent.  [default: 400, or 24 with --quick]")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line instead of tables.")
@click.option("--folder", default=Path("var/scaling"), type=click.Path(path_type=Path), help="Where the brokers work.")
def main(
    *, axes: Sequence[str], engines: Sequence[str], quick: bool, documents: int, as_json: bool, folder: Path
) -> None:
    """Measure how cost grows."""
    console, at, size = Console(width=200), clock.now(), QUICK if quick else WHOLE
    folder.mkdir(parents=True, exist_ok=True)
    place = Workplace(
        folder=folder,
        size=replace(size, documents=documents or size.documents),
        engines=engines or ("sqlite", "postgres"),
        pki=Pki(at=at),
        at=at,
        tell=lambda words: click.echo(words, err=True),
    )
    facts = machine.describe(folder)
    if as_json:
        click.echo(json.dumps({"kind": "machine", **facts}, ensure_ascii=False))
    else:
        for name, value in facts.items():
            console.print(f"{name}: {value}", highlight=False)
    for axis in axes or ALL:
        lines = ALL[axis](place)
        if as_json:
            for line in lines:
                click.echo(json.dumps({"axis": axis, "kind": type(line).__name__, **asdict(line)}, ensure_ascii=False))
        else:
            show(lines, console)


if __name__ == "__main__":
    main()
