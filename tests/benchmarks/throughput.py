"""`make bench`: documents a second from submit to receipt, deliveries a second, and the time in each stage.

A whole broker runs as `goniec serve` would (SQLite, one process), with senders in a second process and the offices'
mock document systems in a third.  Offices are paused while intake is measured, then opened while deliveries are, and
last both run together.  What the senders and the document systems take of the same processor is taken from the
broker: so the CPU time of the broker's own process stands beside every rate.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from adapters.testkit.dms import MockDms
from adapters.testkit.pki import Pki
from broker.ports import Ledger
from broker.states import DeliveryState
from config import clock
from config.bootstrap import open_ledger
from config.demo.offices import DemoOffice, offices
from config.demo.site import Serving, Site, free_port
from tests.benchmarks import machine, stages
from tests.benchmarks.documents import Letter, letters
from tests.benchmarks.senders import send

IN_FLIGHT = 4  # attempts at an office at the same time
DRAINING = 60.0  # seconds that deliveries may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Intake at one concurrency; times in milliseconds."""

    connections: int
    delivering: bool
    documents: int
    rate: float
    p50: float
    p99: float
    cpu: float  # of the broker's process, for one document


@dataclass(slots=True, kw_only=True)
class Results:
    """All that was measured."""

    machine: dict[str, str]
    size: int = 0  # bytes of a document, on average
    levels: list[Level] = field(default_factory=list)
    deliveries: float = 0.0  # a second
    cpu_of_delivery: float = 0.0  # milliseconds
    stages: list[stages.Line] = field(default_factory=list)


@contextmanager
def document_systems() -> Iterator[str]:
    """Run a mock document system in a process of its own; yield its address without the office."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_document_systems, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send(None)
        process.join()


def _document_systems(pipe: Any) -> None:
    with MockDms() as dms:
        pipe.send(dms.url("").rstrip("/"))
        pipe.recv()


def site_of(folder: Path, chosen: Sequence[DemoOffice], pki: Pki, dms: str, **about: Any) -> Site:
    """Write a broker's site whose offices are the document systems below that address; return it."""
    shutil.rmtree(folder, ignore_errors=True)  # a store of yesterday would know today's documents
    ways: dict[str, dict[str, Any]] = {
        it.id: {"kind": "soap", "url": f"{dms}/{it.id}", "in_flight": IN_FLIGHT} for it in chosen
    }
    return Site(folder=folder, offices=chosen, ways=ways, pki=pki, port=free_port(), **about).write()


class Bench:
    """A broker under measurement."""

    def __init__(self, site: Site, serving: Serving, ledger: Ledger, prepared: Sequence[Letter]) -> None:
        self._site, self._letters, self.ledger = site, prepared, ledger
        self._process = serving.process.pid

    def _cpu(self) -> float:
        return machine.cpu_of(self._process)

    def pause(self, paused: bool) -> None:
        """Close all offices, or open them."""
        for office in self._site.offices:
            self.ledger.pause(office.id, paused)

    def level(self, connections: int, number: int, *, delivering: bool = False) -> Level:
        """Send `number` documents as new messages."""
        sender = f"sender-{connections}-{delivering}"
        requests = [letter.request(sender) for letter in self._letters[:number]]
        before = self._cpu()
        sent = send(self._site.port, requests, connections)
        return Level(
            connections=connections,
            delivering=delivering,
            documents=len(requests),
            rate=sent.rate,
            p50=sent.percentile(0.50) * 1e3,
            p99=sent.percentile(0.99) * 1e3,
            cpu=(self._cpu() - before) / len(requests) * 1e3,
        )

    def drain(self) -> tuple[float, float]:
        """Let all that waits be delivered; return deliveries a second and CPU milliseconds of each."""
        before, cpu, start = self._delivered(), self._cpu(), time.perf_counter()
        self.pause(False)
        while self._open():
            if time.perf_counter() - start > DRAINING:
                raise RuntimeError(f"deliveries have not ended: {self.ledger.stats().deliveries}")
            time.sleep(0.05)
        number = self._delivered() - before
        return number / (time.perf_counter() - start), (self._cpu() - cpu) / number * 1e3

    def _delivered(self) -> int:
        return self.ledger.stats().deliveries.get(DeliveryState.DELIVERED, 0)

    def _open(self) -> int:
        counts = self.ledger.stats().deliveries
        return counts.get(DeliveryState.WAITING, 0) + counts.get(DeliveryState.SENDING, 0)


def run(*, folder: Path, quick: bool, number: int, tell: Console) -> tuple[Results, Site, list[Letter]]:
    """Measure everything; the broker's folder stays for a profile."""
    at = clock.now()
    chosen, pki = offices()[:12], Pki(at=at)
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(machine=machine.describe(folder))
    with ExitStack() as ends:
        dms = ends.enter_context(document_systems())
        site = site_of(folder, chosen, pki, dms)
        tell.print(f"signing {number} letters …")
        prepared = letters(number, chosen, pki, at)
        results.size = sum(len(it.document) for it in prepared) // number
        serving = ends.enter_context(site.start())
        ledger = ends.enter_context(open_ledger(site.settings))
        bench = Bench(site, serving, ledger, prepared)
        bench.pause(True)
        bench.level(4, min(50, number))  # warm
        tell.print("intake …")
        for connections, most in ((1, number // 3), (8, number), (32, number)):
            results.levels.append(bench.level(connections, most))
        tell.print("deliveries …")
        results.deliveries, results.cpu_of_delivery = bench.drain()
        if not quick:
            tell.print("both …")
            results.levels.append(bench.level(32, number, delivering=True))
            bench.drain()
        bench.pause(True)
    tell.print("stages …")
    results.stages = stages.measure(site, prepared[: number // 2])
    return results, site, prepared


def show(results: Results, console: Console) -> None:
    """Print the tables."""
    facts = Table(title="the machine", title_justify="left", show_header=False)
    for name, value in results.machine.items():
        facts.add_row(name, value)
    console.print(facts)
    title = f"from submit to receipt, documents of {results.size} bytes, RSA-2048"
    intake = Table("connections", "documents/s", "p50 ms", "p99 ms", "broker's CPU ms/document", title=title)
    for it in results.levels:
        name = f"{it.connections}{' while delivering' if it.delivering else ''}"
        intake.add_row(name, f"{it.rate:.0f}", f"{it.p50:.1f}", f"{it.p99:.1f}", f"{it.cpu:.2f}")
    console.print(intake)
    console.print(
        f"deliveries to SOAP document systems: {results.deliveries:.0f} a second, "
        f"{results.cpu_of_delivery:.2f} ms of the broker's CPU each"
    )
    table = Table("stage", "CPU µs", "wall µs", title="one document", title_justify="left")
    for line in results.stages:
        table.add_row(line.stage, f"{line.cpu:.0f}", "" if line.wall is None else f"{line.wall:.0f}")
    table.add_row("all", f"{sum(line.cpu for line in results.stages):.0f}", "")
    console.print(table)


@click.command()
@click.option("--quick", is_flag=True, help="Fewer documents: to see that it runs.")
@click.option("--documents", default=0, help="How many letters to sign.  [default: 900, or 150 with --quick]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option("--profile", is_flag=True, help="Also show where a thread of the pool spends its time.")
@click.option("--folder", default=Path("var/bench"), type=click.Path(path_type=Path), help="Where the broker works.")
def main(quick: bool, documents: int, as_json: bool, profile: bool, folder: Path) -> None:
    """Measure the broker."""
    console, tell = Console(), Console(stderr=True)
    number = documents or (150 if quick else 900)
    results, site, prepared = run(folder=folder, quick=quick, number=number, tell=tell)
    if as_json:
        click.echo(json.dumps(asdict(results), ensure_ascii=False))
    else:
        show(results, console)
    if profile:
        statistics = stages.profile(site, prepared, sys.stderr if as_json else sys.stdout)
        statistics.sort_stats("tottime").print_stats(45)
        statistics.sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
