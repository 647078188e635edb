"""Brokers and stores to be measured, each with an engine of its own, and how much is measured of them."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from adapters.stores import SqlStore, migrate
from adapters.testkit.pki import Pki
from config import clock
from config.bootstrap import open_ledger, open_store
from config.demo.offices import DemoOffice
from config.demo.site import Serving, Site
from tests.benchmarks import machine
from tests.benchmarks.documents import Letter
from tests.benchmarks.engines import Database, Octets, Taken, private
from tests.benchmarks.throughput import Bench, document_systems, site_of

MB: Final = 1_000_000
STARTING: Final = 60.0  # seconds in which all workers must be there


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    documents: int
    octets: Sequence[tuple[int, int]]  # a document's, and how many of them
    offices: Sequence[int]
    workers: Sequence[int]
    groups: int  # documents in the store's transactions
    stored: int  # submissions in a store that is full
    seals: int
    loads: Sequence[float]  # by timetable, as parts of what the broker can do at most
    seconds: float  # of each of these


WHOLE: Final = Size(
    documents=400,
    octets=((5_000, 60), (50_000, 60), (500_000, 30), (5 * MB, 8), (30 * MB, 4)),
    offices=(12, 54, 500, 2_500),
    workers=(1, 2, 3),
    groups=800,
    stored=100_000,
    seals=300,
    loads=(0.3, 0.5, 0.7, 0.85),
    seconds=10.0,
)
QUICK: Final = Size(
    documents=24,
    octets=((5_000, 4), (500_000, 2)),
    offices=(12, 60),
    workers=(2,),
    groups=96,
    stored=500,
    seals=16,
    loads=(0.5,),
    seconds=1.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What every axis needs."""

    folder: Path
    size: Size
    engines: Sequence[str]
    pki: Pki
    at: datetime
    tell: Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Running:
    """A broker that serves, and its database's books if it has some."""

    site: Site
    serving: Serving
    bench: Bench
    started: float  # seconds until it answered
    books: Callable[[], Taken]
    database: Database | None

    def tables(self) -> Octets:
        """Return the octets of each of the database's tables and of its indexes."""
        return self.database.octets() if self.database else {}

    def resident(self) -> float:
        """Return the MB that are in memory, over all workers."""
        return machine.resident(self.serving.process.pid) / MB


@contextmanager
def running(
    place: Workplace,
    engine: str,
    chosen: Sequence[DemoOffice],
    prepared: Sequence[Letter],
    workers: int = 1,
    **about: Any,
) -> Iterator[Running]:
    """Start a broker with a store of its own on this engine."""
    with ExitStack() as ends:
        dms, database = ends.enter_context(document_systems()), None
        if engine == "postgres":
            server = ends.enter_context(private("postgres"))
            database = Database(server, f"scaling_{secrets.token_hex(4)}")
            migrate(database.url)
            about["store"] = database.url
        site = site_of(place.folder / "site", chosen, place.pki, dms, workers=workers, **about)
        begin = time.perf_counter()
        serving = ends.enter_context(site.start())
        started = time.perf_counter() - begin
        _wait_for_workers(site, workers)
        ledger = ends.enter_context(open_ledger(site.settings))
        yield Running(
            site=site,
            serving=serving,
            bench=Bench(site, serving, ledger, prepared),
            started=started,
            books=database.taken if database else lambda: Taken(cpu=0.0, log=0, transactions=0),
            database=database,
        )


def _wait_for_workers(site: Site, number: int) -> None:
    store = open_store(site.settings)
    try:
        deadline = time.monotonic() + STARTING
        while len(store.nodes.list()) < number:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not all {number} workers are there")
            time.sleep(0.05)
    finally:
        store.close()


@contextmanager
def bare_store(place: Workplace, engine: str) -> Iterator[tuple[SqlStore, Database | None]]:
    """Open a new store without a broker; yield it, and its database on PostgreSQL."""
    with ExitStack() as ends:
        if engine == "postgres":
            database = Database(ends.enter_context(private("postgres")), "bare")
            migrate(database.url)
            store = SqlStore(database.url)
        else:
            folder, database = place.folder / "bare", None
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            store = SqlStore(f"sqlite:///{folder}/store.sqlite", clock=clock.now)
        ends.callback(store.close)
        yield store, database
