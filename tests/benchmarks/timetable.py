"""A real broker under a load that comes by a timetable, and beside it what the simulation says of the same timetable.

What a document costs is measured in the same run: of the core, one over the most documents a second that it managed
(other work on the machine is in that); of the store, transactions by hand.  What the simulation adds is how long
documents wait for each other.  No office takes anything meanwhile.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from config.demo.offices import offices
from tests.benchmarks import costs, machine, queueing, singletons
from tests.benchmarks.arrivals import Load
from tests.benchmarks.brokers import Workplace, bare_store, running
from tests.benchmarks.documents import letters
from tests.benchmarks.senders import send

LINES: Final = 64  # connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Milliseconds from the moment that a document was due to its receipt: measured, simulated."""

    engine: str
    workers: int
    load: float
    rate: float
    busy: float  # of one core, the broker's
    busy_simulated: float
    mean: float
    mean_simulated: float
    p50: float
    p50_simulated: float
    p95: float
    p95_simulated: float
    p99: float
    p99_simulated: float


def _store(place: Workplace, engine: str) -> costs.Costs:
    """Return what acceptances cost the store just now."""
    with bare_store(place, engine) as (store, database):
        hand = singletons.Hand(store, engine, None if database is None else database.cpu)
        line = next(singletons.lines(singletons.transactions(hand, place.size.groups // 8)))
    if line.server_fixed is None or line.server_each is None:
        return replace(costs.SQLITE, transaction=line.fixed / 1e3, acceptance=max(line.each, 0.0) / 1e3)
    flush = max(line.fixed - line.server_fixed, 0.0)
    return replace(
        costs.POSTGRES,
        transaction=max(line.server_fixed, 0.0) / 1e3,
        acceptance=max(line.server_each, 0.0) / 1e3,
        flush=flush / 1e3,
    )


def check(place: Workplace) -> Iterator[Beside]:
    """Measure a broker at several loads, and simulate each."""
    chosen = offices()[:12]
    rough = 150.0  # documents a second, more than there will be
    prepared = letters(int(place.size.seconds * rough), chosen, place.pki, place.at)
    for engine in place.engines:
        place.tell(f"by timetable, {engine} …")
        known = _store(place, engine)
        with running(place, engine, chosen, prepared) as it:
            it.bench.pause(True)
            it.bench.level(8, place.size.documents // 4)
            most = it.bench.level(16, place.size.documents)
            costly = replace(known, document=1 / most.rate, octet=0.0)
            for part in place.size.loads:
                load = Load(rate=part * most.rate, seconds=place.size.seconds)
                due = [arrival.at for arrival in load.arrivals()]
                requests = [letter.request(f"at {part}") for letter in prepared[: len(due)]]
                cpu = machine.cpu_of(it.serving.process.pid)
                told = send(it.site.port, requests, LINES, due[: len(requests)])
                busy = (machine.cpu_of(it.serving.process.pid) - cpu) / told.seconds
                plant = queueing.Plant(
                    offices=[queueing.Office()], threads=0, lanes=1 if engine == "sqlite" else os.cpu_count() or 1
                )
                story = queueing.Simulation(plant, costly).run(load.arrivals())
                wait = [queueing.percentile(story.to_receipt, one) * 1e3 for one in (0.5, 0.95, 0.99)]
                yield Beside(
                    engine=engine,
                    workers=1,
                    load=part,
                    rate=load.rate,
                    busy=busy,
                    busy_simulated=story.nodes[0],
                    mean=statistics.fmean(told.latencies) * 1e3,
                    mean_simulated=statistics.fmean(story.to_receipt) * 1e3,
                    p50=told.percentile(0.5) * 1e3,
                    p50_simulated=wait[0],
                    p95=told.percentile(0.95) * 1e3,
                    p95_simulated=wait[1],
                    p99=told.percentile(0.99) * 1e3,
                    p99_simulated=wait[2],
                )
