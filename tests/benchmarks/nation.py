"""A national load, worked through from `costs.py`: the tables of docs/explanation/scaling.md.

    python -m tests.benchmarks.nation

A hundred million documents a year, twenty times the mean at the peak, 2,500 offices of which one gets a tenth.  First
what is needed by plain multiplication; then what queueing adds, by simulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import click
from rich.console import Console

from tests.benchmarks.arrivals import DAY, FLAT, HOUR, MIX, WEEK, YEAR, Load, skewed
from tests.benchmarks.costs import BATCH, KEPT, POSTGRES, RESTS, WORKED, Costs, Kept
from tests.benchmarks.queueing import Office, Outage, Plant, Simulation, Story, percentile
from tests.benchmarks.scaling import show

YEARLY: Final = 100_000_000
MEAN: Final = YEARLY / YEAR
PEAK: Final = 20 * MEAN
OFFICES: Final = 2_500
LARGEST: Final = 0.1  # the part of all documents that one office gets
OCTETS: Final = sum(share * octets for share, octets in MIX)
CORES: Final = 4  # of PostgreSQL's server
_ATTEMPTS: Final = 1.02  # at an office, for each document
_RETENTION: Final = 90 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """At this many documents a second: cores, and a second's transactions, events, signatures, MB in and of log."""

    documents: float
    cores: float  # of nodes, all of them
    server: float  # of PostgreSQL's
    writes: float  # as if each were a transaction; groups make it fewer
    events: float
    signatures: float
    mb_in: float
    mb_log: float


def needs(costs: Costs, kept: Kept, rates: Sequence[float] = (MEAN, PEAK)) -> Iterator[Need]:
    """Yield what each rate needs."""
    for rate in rates:
        store = costs.accept(0) + costs.acceptance_octet * OCTETS + _ATTEMPTS * (costs.claim + costs.record)
        yield Need(
            documents=rate,
            cores=rate * (costs.document + costs.octet * OCTETS + costs.handover + costs.handover_octet * OCTETS),
            server=rate * (store + 3 * costs.transaction),
            writes=rate * (1 + 2 * _ATTEMPTS),
            events=rate * kept.events,
            signatures=rate,
            mb_in=rate * OCTETS * 4 / 3 / 1e6,  # as Base64 in SOAP
            mb_log=rate * (kept.log + kept.log_octet * OCTETS) / 1e6,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """At how many documents a second a part is full, with the settings that it comes with."""

    part: str
    of: str
    documents: float
    times_peak: float


def ceilings(costs: Costs, kept: Kept) -> Iterator[Ceiling]:
    """Yield what each part can do, the one that stops first at the top."""
    [unit] = needs(costs, kept, rates=(1.0,))
    most = {
        ("a node's core", "intake and delivery"): 1 / unit.cores,
        ("a node's core", "intake alone"): 1 / (costs.document + costs.octet * OCTETS),
        ("a node's 16 threads", "deliveries of 0.5 s"): Plant(offices=()).threads / 0.5,
        ("a core of PostgreSQL", ""): 1 / unit.server,
        ("PostgreSQL", f"{CORES} cores"): CORES / unit.server,
        ("the journal", "with its rests"): WORKED * BATCH / (RESTS * costs.batch) / kept.events,
        ("the journal", "without"): BATCH / costs.batch / kept.events,
        ("a token", "one session"): 1 / costs.token,
        ("time-stamps", "500 every 60 s"): 500 / 60,
        ("the largest office", "2 at once, 0.5 s each"): 2 / 0.5 / LARGEST,
        ("the largest office", "16 at once, 0.5 s each"): 16 / 0.5 / LARGEST,
    }
    for (part, of), documents in sorted(most.items(), key=lambda it: it[1]):
        yield Ceiling(part=part, of=of, documents=documents, times_peak=documents / PEAK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """GB: what a day and a year bring, and what there is when documents are kept for 90 days."""

    what: str
    day: float
    year: float
    held: float


def year(kept: Kept) -> Iterator[Year]:
    """Yield what is written and kept."""
    daily = YEARLY / 365 / 1e9
    for what, octets, stays in (
        ("documents and reports", OCTETS + kept.report, _RETENTION / DAY),
        ("proof: other tables", kept.proof, 365.0),
        ("proof: indexes", kept.indexes, 365.0),
        ("log (WAL), kept for a week", kept.log + kept.log_octet * OCTETS, 7.0),
    ):
        yield Year(what=what, day=daily * octets, year=daily * octets * 365, held=daily * octets * stays)


# ── the peak ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Documents at the peak's rate: parts that are busy, milliseconds to receipt, seconds from there to delivery."""

    case: str
    nodes: int
    documents: int
    node: float
    store: float
    p50: float
    p99: float
    worst: float
    delivery_p50: float
    delivery_p99: float
    put_off: int
    most_in_intake: int
    transactions: float  # a second


def country(large: int = 16) -> list[Office]:
    """The offices: half a second for a document each; the largest one takes so many at once, the others two."""
    return [Office(in_flight=large), *[Office()] * (OFFICES - 1)]


def _peak(case: str, plant: Plant, load: Load, costs: Costs = POSTGRES) -> Peak:
    story = Simulation(plant, costs).run(load.arrivals())
    return Peak(
        case=case,
        nodes=plant.nodes,
        documents=story.sent,
        node=_of_load(story, load, max(story.nodes)),
        store=_of_load(story, load, story.store),
        p50=percentile(story.to_receipt, 0.5) * 1e3,
        p99=percentile(story.to_receipt, 0.99) * 1e3,
        worst=max(story.to_receipt) * 1e3,
        delivery_p50=percentile(story.to_delivery, 0.5),
        delivery_p99=percentile(story.to_delivery, 0.99),
        put_off=story.put_off,
        most_in_intake=story.most_in_intake,
        transactions=story.transactions / story.seconds,
    )


def _of_load(story: Story, load: Load, busy: float) -> float:
    """Return how busy a part was while documents came: what is left over ends later, and idly."""
    return busy * story.seconds / max(load.seconds, 1.0)


def peaks(nodes: Sequence[int], minutes: float) -> Iterator[Peak]:
    """Yield the peak over so many nodes."""
    load = Load(rate=PEAK, seconds=60 * minutes, shares=skewed(OFFICES, LARGEST), mix=MIX)
    for number in nodes:
        yield _peak("all there", Plant(offices=country(), nodes=number, lanes=CORES), load)


def beyond(minutes: float) -> Iterator[Peak]:
    """Yield several times the peak, each with nodes enough: what the store makes of it."""
    for times, nodes in ((3, 8), (6, 16), (10, 26)):
        load = Load(rate=times * PEAK, seconds=60 * minutes / times, shares=skewed(OFFICES, LARGEST), mix=MIX)
        plant = Plant(offices=country(16 * times), nodes=nodes, lanes=CORES, threads=32)
        yield _peak(f"{times} times the peak", plant, load)


def failures(nodes: int, minutes: float) -> Iterator[Peak]:
    """Yield the peak with one node dead all the time, one replaced, and the store away for a while."""
    load = Load(rate=PEAK, seconds=60 * minutes, shares=skewed(OFFICES, LARGEST), mix=MIX)
    end = load.seconds
    dead, replaced = Outage(begin=60, end=end, node=0), Outage(begin=120, end=150, node=1)
    away = [Outage(begin=60, end=180, node=number) for number in range(nodes)]
    for case, outages in (
        ("one dead", [dead]),
        ("one dead, one replaced", [dead, replaced]),
        ("store away 2 min", away),
    ):
        yield _peak(case, Plant(offices=country(), nodes=nodes, lanes=CORES, outages=outages), load)


# ── a weekend ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekend:
    """The largest office is away from Friday 18:00 to Monday 08:00: what waits then, hours until it has caught up."""

    in_flight: int
    seconds: float  # for a document
    waiting: int
    hours: float


def weekends() -> Iterator[Weekend]:
    """Yield how the largest office catches up, by what it takes at once; the others do not matter to it."""
    load = Load(rate=LARGEST * MEAN, seconds=9 * DAY, hours=WEEK)
    outage = Outage(begin=4 * DAY + 18 * HOUR, end=7 * DAY + 8 * HOUR, office=0)
    for in_flight, seconds in ((2, 0.5), (2, 1.0), (2, 2.0), (8, 2.0), (16, 2.0)):
        plant = Plant(offices=[Office(seconds=seconds, in_flight=in_flight)], outages=[outage], nodes=2)
        story = Simulation(plant, POSTGRES).run(load.arrivals())
        [(_, took)] = story.caught_up
        yield Weekend(in_flight=in_flight, seconds=seconds, waiting=story.most_waiting, hours=took / HOUR)


def week() -> Iterator[Peak]:
    """Yield the mean day, a tenth of a normal Monday's course, on two nodes."""
    load = Load(rate=MEAN, seconds=12 * HOUR, shares=skewed(OFFICES, LARGEST), mix=MIX, hours=WEEK)
    yield _peak("a Monday until noon", Plant(offices=country(), nodes=2, lanes=CORES), load)
    flat = replace(load, hours=FLAT, seconds=2 * HOUR)
    yield _peak("the mean", Plant(offices=country(), nodes=2, lanes=CORES), flat)


@click.command()
@click.option("--minutes", default=20.0, show_default=True, help="Of the peak, in each simulation.")
@click.option("--nodes", default=(2, 3, 4, 6), multiple=True, show_default=True, help="How many nodes to try.")
@click.option("--failing", default=4, show_default=True, help="Nodes of which some fail.")
def main(minutes: float, nodes: tuple[int, ...], failing: int) -> None:
    """Print the tables."""
    console = Console(width=200)
    for lines in (
        needs(POSTGRES, KEPT),
        ceilings(POSTGRES, KEPT),
        year(KEPT),
        week(),
        peaks(nodes, minutes),
        failures(failing, minutes),
        beyond(minutes / 4),
        weekends(),
    ):
        show(lines, console)


if __name__ == "__main__":
    main()
