"""What a million submissions make dearer: intake, claim and `show` on a full and on an empty store, in turns.

    python -m tests.benchmarks.million [--engine sqlite|postgres] [--rows 1000000]

Both stores are measured in the same run, one operation after the other and each time another one first, so that what
else the machine does falls on both alike; what counts is the ratio of the medians.
"""

from __future__ import annotations

import json
import os
import random
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import click
import psycopg
from rich.console import Console
from rich.table import Table

from adapters.stores import SqlStore
from adapters.stores.sql import rows
from adapters.testkit.pki import Pki
from adapters.testkit.stores.values import ACKNOWLEDGED
from broker.model import Acceptance, OfficeLimits, SubmissionId
from config import clock
from config.demo.site import Site, free_port
from tests.benchmarks import filled

MOST: Final = 1.2  # by which a full store may be dearer
LEASE: Final = timedelta(minutes=1)
COMMANDS: Final = 12  # times that `goniec show` is called on each store
ENGINES: Final = Path(__file__).resolve().parents[2] / "scripts" / "engines"
SHARED: Final = ENGINES.parent.parent / "var" / "engines" / "env"


@dataclass(slots=True)
class Store:
    """A store under measurement, and what is known to be in it."""

    name: str
    store: SqlStore
    known: list[SubmissionId]
    processes: Callable[[], set[int]]  # of the database's own, that work for this store
    took: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    fresh: Iterator[Acceptance] = field(init=False)

    def __post_init__(self) -> None:
        self.fresh = filled.letters(clock.now)
        limits = [OfficeLimits(office=office, in_flight=10, threshold=10) for office in filled.OFFICES]
        self.store.enrol(limits)

    @contextmanager
    def clocked(self, name: str) -> Iterator[None]:
        """Measure the wall time, and the CPU time of this process and all its threads."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.took[name].append((time.perf_counter() - wall, time.process_time() - cpu))

    def round(self) -> None:
        """Take in a letter, hand over one, show one that was there and the one that came last."""
        letter = next(self.fresh)
        message = rows.fingerprint(letter.submission)
        with self.clocked("intake: find, accept"):
            with self.clocked("intake: of it find"):
                known = self.store.find(message)
            self.store.accept(letter)
        if known is not None:
            raise ValueError("a new letter is known")
        with self.clocked("claim, parcel, record"):
            (claim,) = self.store.claim(LEASE)
            self.store.parcel(claim)
            self.store.record(claim, ACKNOWLEDGED)
        asked = random.choice(self.known)
        with self.clocked("show: any"):
            shown = self.store.show(asked)
        if shown is None or len(shown.events) != 3:
            raise ValueError("a submission is not all there")
        with self.clocked("find: a repeat"):
            again = self.store.find(rows.fingerprint(shown.submission))
        if again is None or again.id != shown.receipt.id:
            raise ValueError("a repeat is not known")
        with self.clocked("show: the last"):
            self.store.show(letter.submission.id)
        self.known.append(letter.submission.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One operation: medians in milliseconds, and how many times dearer it is on the full store."""

    operation: str
    empty: float
    full: float
    wall: float
    cpu: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What was measured on one engine."""

    engine: str
    rows: int
    rounds: int
    filling: float  # seconds
    octets: int
    server: tuple[float, float] | None  # the database's own CPU time for a round, milliseconds: empty, full
    lines: list[Line]


def measure(empty: Store, full: Store, rounds: int) -> list[Line]:
    """Measure in turns; the first tenth warms and does not count."""
    for number in range(rounds + rounds // 10):
        if number == rounds // 10:
            empty.took.clear()
            full.took.clear()
        for one in (empty, full) if number % 2 else (full, empty):
            one.round()
    return [_line(name, empty.took[name], full.took[name]) for name in sorted(empty.took)]


def _line(name: str, empty: list[tuple[float, float]], full: list[tuple[float, float]]) -> Line:
    middle, mean = statistics.median, statistics.fmean
    (wall, cpu), (wall_full, cpu_full) = (tuple(zip(*it, strict=True)) for it in (empty, full))
    return Line(
        operation=name,
        empty=middle(wall) * 1e3,
        full=middle(wall_full) * 1e3,
        wall=middle(wall_full) / middle(wall),
        cpu=middle(cpu_full) / middle(cpu),
        mean=mean(wall_full) / mean(wall),
    )


def commands(urls: Sequence[str], known: Sequence[Sequence[SubmissionId]], folder: Path) -> Line:
    """Measure `goniec show ID` as an operator calls it, a process each time; urls and ids: empty, full."""
    pki = Pki(at=clock.now())
    took: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    sites = [
        Site(folder=folder / str(number), offices=(), ways={}, pki=pki, port=free_port(), store=url).write()
        for number, url in enumerate(urls)
    ]
    for number in range(COMMANDS + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            words = ["-m", "config.cli", "show", random.choice(known[which]), "--config", sites[which].configuration]
            before, start = _of_children(), time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            if number:  # the first reads Python's own files from the disk
                took[which].append((time.perf_counter() - start, _of_children() - before))
    return _line("show: the command", took[0], took[1])


def _of_children() -> float:
    """Return the seconds of CPU time that processes have taken which were started here and have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


# ── where the stores are ──


@contextmanager
def sqlite_urls() -> Iterator[tuple[str, str]]:
    """Yield where an empty and a full store may be; the folder is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="goniec-million-", dir=Path("var").resolve()))
    try:
        yield f"sqlite:///{folder}/empty.sqlite", f"sqlite:///{folder}/full.sqlite"
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_urls() -> Iterator[tuple[str, str]]:
    """Yield two new databases on the tests' PostgreSQL, dropped afterwards."""
    subprocess.run([sys.executable, str(ENGINES), "up", "--only", "postgres"], check=True, stdout=subprocess.DEVNULL)
    lines = SHARED.read_text().splitlines()
    server = dict(line.removeprefix("export ").split("=", 1) for line in lines)["GONIEC_TEST_POSTGRES"]
    names = [f"million_{secrets.token_hex(4)}_{which}" for which in ("empty", "full")]
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        try:
            for name in names:
                connection.execute(f"CREATE DATABASE {name}".encode())
            empty, full = (f"{server.rpartition('/')[0]}/{name}" for name in names)
            yield empty, full
        finally:
            for name in names:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


URLS: Final = {"sqlite": sqlite_urls, "postgres": postgres_urls}


def _warm(url: str) -> None:
    """Let the disk end what the filling left to it; have the file in memory: a broker's store is, or should be."""
    os.sync()
    if url.startswith("sqlite"):
        with Path(url.removeprefix("sqlite:///")).open("rb") as file:
            while file.read(1 << 24):
                pass


def _octets(url: str) -> int:
    if url.startswith("sqlite"):
        return Path(url.removeprefix("sqlite:///")).stat().st_size
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(found[0]) if found else 0


def _backends(url: str) -> Callable[[], set[int]]:
    if url.startswith("sqlite"):
        return set

    def asked() -> set[int]:
        mine = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            return {pid for (pid,) in connection.execute(mine)}

    return asked


def _cpu(pids: set[int]) -> float:
    """Return the seconds of CPU time that these processes have taken."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def run(engine: str, number: int, rounds: int, tell: Console) -> Results:
    """Fill, measure, and throw away."""
    Path("var").mkdir(exist_ok=True)
    with ExitStack() as ends:
        urls = ends.enter_context(URLS[engine]())
        made, filling = [], 0.0
        for url, of in zip(urls, (20, number), strict=True):
            began = time.monotonic()
            known = filled.fill(url, of, clock.now(), lambda done: tell.print(f"{done} submissions …"))
            filling = time.monotonic() - began
            _warm(url)
            own = clock.now if engine == "sqlite" else None
            store = SqlStore(url, clock=own)
            ends.callback(store.close)
            made.append(Store(engine, store, known, _backends(url)))
        empty, full = made
        for one in (empty, full):
            one.round()
        pids = [one.processes() for one in made]
        before = [_cpu(of) for of in pids]
        lines = measure(empty, full, rounds)
        after = [_cpu(of) for of in pids]
        with tempfile.TemporaryDirectory() as folder:
            lines.append(commands(urls, [one.known for one in made], Path(folder)))
        spent = [(late - early) * 1e3 / (rounds + rounds // 10) for early, late in zip(before, after, strict=True)]
        return Results(
            engine=engine,
            rows=number,
            rounds=rounds,
            filling=filling,
            octets=_octets(urls[1]),
            server=(spent[0], spent[1]) if pids[0] else None,
            lines=lines,
        )


def show(results: Results, console: Console) -> None:
    """Print the table."""
    title = (
        f"{results.engine}: {results.rows} submissions ({results.octets / 1e9:.2f} GB, filled in "
        f"{results.filling:.0f} s), {results.rounds} rounds"
    )
    table = Table("operation", "empty ms", "full ms", "wall", "CPU", "mean", title=title, title_justify="left")
    for it in results.lines:
        told = (f"{it.wall:.2f}{' !' if it.wall > MOST else ''}", f"{it.cpu:.2f}{' !' if it.cpu > MOST else ''}")
        table.add_row(it.operation, f"{it.empty:.2f}", f"{it.full:.2f}", *told, f"{it.mean:.2f}")
    console.print(table)
    if results.server is not None:
        empty, full = results.server
        console.print(
            f"the server's own CPU for a round: {empty:.2f} ms empty, {full:.2f} ms full ({full / empty:.2f})"
        )


@click.command()
@click.option("--engine", type=click.Choice([*URLS, "both"]), default="both", show_default=True)
@click.option("--rows", default=1_000_000, show_default=True, help="How many submissions the full store holds.")
@click.option("--rounds", default=400, show_default=True, help="How often each operation is measured on each store.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of tables.")
@click.option("--strict", is_flag=True, help="Exit status 1 if any ratio of medians is over 1.2.")
def main(engine: str, rows: int, rounds: int, as_json: bool, strict: bool) -> None:
    """Measure what a full store costs beside an empty one."""
    console, tell = Console(), Console(stderr=True)
    over = False
    for one in URLS if engine == "both" else [engine]:
        results = run(one, rows, rounds, tell)
        over |= any(max(it.wall, it.cpu) > MOST for it in results.lines)
        if as_json:
            click.echo(json.dumps(asdict(results)))
        else:
            show(results, console)
    sys.exit(int(strict and over))


if __name__ == "__main__":
    main()
