"""How cost grows along each axis: workers, sizes, offices, what there is one of, RabbitMQ.

Each axis starts brokers and engines of its own and throws them away; each yields lines, which `scaling.py` prints.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from adapters.testkit.box import Submission
from adapters.wire.amqp import QUORUM
from config.demo.offices import offices
from tests.benchmarks import filled, machine, singletons
from tests.benchmarks.brokers import MB, Workplace, bare_store, running
from tests.benchmarks.country import many
from tests.benchmarks.documents import large_letter, letters
from tests.benchmarks.engines import Octets, Taken, private
from tests.benchmarks.throughput import Bench
from tests.crash.rabbit import Partner

# ── workers ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Times are milliseconds of CPU for a document; log and tables are octets for a document."""

    engine: str
    workers: int
    rate: float
    p99: float
    broker: float
    server: float
    transactions: float
    log: int
    deliveries: float
    broker_delivery: float
    server_delivery: float
    transactions_delivery: float
    log_delivery: int
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Octets of a table and of its indexes for a document that was delivered."""

    table: str
    octets: int
    indexes: int


def by_workers(place: Workplace) -> Iterator[Workers | Kept]:
    number, chosen = place.size.documents, offices()[:12]
    prepared = letters(number, chosen, place.pki, place.at)
    for engine in place.engines:
        for workers in place.size.workers:
            place.tell(f"{engine}, {workers} workers …")
            with running(place, engine, chosen, prepared, workers) as it:
                it.bench.pause(True)
                it.bench.level(12, number // 4)  # warm
                it.bench.drain()
                it.bench.pause(True)
                empty, before = it.tables(), it.books()
                level = it.bench.level(16, number)
                taken, between = it.books().since(before, number), it.books()
                rate, cpu = it.bench.drain()
                handed = it.books().since(between, number)
                yield Workers(
                    engine=engine,
                    workers=workers,
                    rate=level.rate,
                    p99=level.p99,
                    broker=level.cpu,
                    server=taken.cpu * 1e3,
                    transactions=taken.transactions / 1e3,
                    log=taken.log,
                    deliveries=rate,
                    broker_delivery=cpu,
                    server_delivery=handed.cpu * 1e3,
                    transactions_delivery=handed.transactions / 1e3,
                    log_delivery=handed.log,
                    memory=it.resident(),
                )
                if workers == place.size.workers[-1]:
                    yield from _kept(empty, it.tables(), number)


def _kept(before: Octets, after: Octets, number: int) -> Iterator[Kept]:
    for name, (octets, indexes) in after.items():
        table, index = (octets - before[name][0]) // number, (indexes - before[name][1]) // number
        if table or index:
            yield Kept(table=name, octets=table, indexes=index)


# ── sizes ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """One document after the other; milliseconds, and octets for a document."""

    octets: int
    documents: int
    p50: float
    broker: float
    server: float
    log: int
    broker_delivery: float
    server_delivery: float
    memory: float  # MB resident at most so far


def by_size(place: Workplace) -> Iterator[Sized]:
    chosen = offices()[:2]
    with running(place, "postgres", chosen, ()) as it:
        ledger = it.bench.ledger
        for octets, number in place.size.octets:
            place.tell(f"documents of {octets} octets …")
            prepared = [large_letter(chosen[turn % 2], octets, place.pki, place.at) for turn in range(number)]
            bench = Bench(it.site, it.serving, ledger, prepared)
            bench.pause(True)
            before = it.books()
            level = bench.level(1, number)
            taken, between = it.books().since(before, number), it.books()
            _, cpu = bench.drain()
            yield Sized(
                octets=sum(len(one.document) for one in prepared) // number,
                documents=number,
                p50=level.p50,
                broker=level.cpu,
                server=taken.cpu * 1e3,
                log=taken.log,
                broker_delivery=cpu,
                server_delivery=it.books().since(between, number).cpu * 1e3,
                memory=machine.most_resident(it.serving.process.pid) / MB,
            )


# ── offices ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Offices:
    """Seconds to start, of them CPU, MB resident then; a document's CPU, its delivery included, in milliseconds."""

    offices: int
    start: float
    start_cpu: float
    memory: float
    rate: float
    broker: float


def by_offices(place: Workplace) -> Iterator[Offices | singletons.Claiming]:
    for number in place.size.offices:
        place.tell(f"{number} offices …")
        chosen = many(number)
        prepared = letters(place.size.documents, chosen, place.pki, place.at)
        with running(place, "sqlite", chosen, prepared) as it:
            memory, cpu = it.resident(), machine.cpu_of(it.serving.process.pid)
            it.bench.level(8, place.size.documents // 4)
            level = it.bench.level(8, place.size.documents, delivering=True)
            yield Offices(
                offices=number, start=it.started, start_cpu=cpu, memory=memory, rate=level.rate, broker=level.cpu
            )
    for engine in place.engines:
        for number in place.size.offices:
            place.tell(f"claims over {number} offices, {engine} …")
            with bare_store(place, engine) as (store, database):
                hand = singletons.Hand(store, engine, None if database is None else database.cpu)
                yield singletons.claims_over(hand, number, rounds=max(place.size.groups // 8, 3))


# ── singletons ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Octets of log that PostgreSQL writes for a document of 400 octets: taken in, handed over; chained, if it was.

    In a store that holds so many, right after a checkpoint: whatever page is touched first is written whole.
    """

    stored: int
    documents: int
    log: int
    log_chained: int


def _life(stored: int, number: int, before: Taken, handed: Taken, chained: Taken) -> Life:
    log, late = handed.since(before, number).log, chained.since(handed, number).log
    return Life(stored=stored, documents=number, log=log, log_chained=late)


def _in_a_full_store(place: Workplace) -> Life:
    place.tell(f"a store of {place.size.stored} …")
    with bare_store(place, "postgres") as (store, database):
        if database is None:
            raise ValueError("no database")
        filled.fill(database.url, place.size.stored, place.at)  # ends with a checkpoint
        before = database.taken()
        singletons.transactions(singletons.Hand(store, "postgres"), place.size.groups // 4)
        after = database.taken()
        return _life(place.size.stored, 2 * (place.size.groups // 4), before, after, after)


def alone(place: Workplace) -> Iterator[Any]:
    for engine in place.engines:
        place.tell(f"transactions, {engine} …")
        with bare_store(place, engine) as (store, database):
            hand = singletons.Hand(store, engine, None if database is None else database.cpu)
            before = database and database.taken()
            grouped = singletons.transactions(hand, place.size.groups)
            between = database and database.taken()
            yield from grouped
            yield from singletons.lines(grouped)
            yield singletons.chained(store, engine)
            if database and before and between:
                yield _life(0, 2 * place.size.groups, before, between, database.taken())
    if "postgres" in place.engines:
        yield _in_a_full_store(place)
    place.tell("seals …")
    folder = place.folder / "token"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield from singletons.seals(folder, place.size.seals)


# ── RabbitMQ ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Messages a second that RabbitMQ confirms one by one; then documents a second through a broker, from confirm to
    answer, with the sender on the same cores.  Milliseconds of CPU for each, MB that RabbitMQ holds at the end.
    """

    documents: int
    confirmed: float
    server_confirmed: float
    rate: float
    broker: float
    server: float
    memory: float


def by_queue(place: Workplace) -> Iterator[Queued]:
    number, chosen = place.size.documents, offices()[:12]
    prepared = [
        Submission(document=it.document, box=it.box, sender="portal")
        for it in letters(number, chosen, place.pki, place.at)
    ]
    with private("rabbitmq") as rabbit:
        place.tell("RabbitMQ …")
        nobody, partner = Partner(rabbit.url, "idle", "answers"), Partner(rabbit.url, "goniec.in", "answers")
        partner.declare()
        with nobody.connect() as line:
            line.channel().queue_declare("idle", durable=True, arguments=QUORUM)
        cpu, begin = rabbit.cpu, time.perf_counter()
        nobody.send(prepared)
        confirmed, spent = number / (time.perf_counter() - begin), rabbit.cpu - cpu
        sections = {"channels.queue": {"kind": "amqp", "url": rabbit.url}}
        with running(place, "sqlite", chosen, (), sections=sections) as it:
            it.bench.pause(True)
            partner.until(lambda: partner.look(consumers=True) > 0)
            broker, cpu, begin = machine.cpu_of(it.serving.process.pid), rabbit.cpu, time.perf_counter()
            with partner.at_work(prepared, ahead=200):
                pass  # until each is answered
            took = time.perf_counter() - begin
            yield Queued(
                documents=number,
                confirmed=confirmed,
                server_confirmed=spent / number * 1e3,
                rate=number / took,
                broker=(machine.cpu_of(it.serving.process.pid) - broker) / number * 1e3,
                server=(rabbit.cpu - cpu) / number * 1e3,
                memory=machine.resident(rabbit.pid) / MB,
            )


AXES: Final[dict[str, Callable[[Workplace], Iterator[Any]]]] = {
    "workers": by_workers,
    "sizes": by_size,
    "offices": by_offices,
    "singletons": alone,
    "queue": by_queue,
}
