"""What there is one of, by itself: a store's transactions in groups, its claims over many offices, the journal, a seal.

A transaction is what the writer's thread does (`Writer._commit`), done here by hand with so many members; reads that
belong to it, of a message before and of a parcel after, are counted with the server's CPU and not with its time.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from adapters.seals import token as tokens
from adapters.seals.pkcs11 import Settings, make
from adapters.stores import SqlStore
from adapters.stores.sql import rows
from adapters.stores.sql.claims import Demand, Ending
from adapters.stores.sql.store import ACCEPT, CLAIM, RECORD
from adapters.stores.sql.writer import Work, _Job
from adapters.testkit.pki import JAN
from adapters.testkit.softhsm import LABEL, MODULE, PIN, SoftHsm
from adapters.testkit.stores.values import ACKNOWLEDGED
from adapters.wire.kind import Surroundings
from broker.errors import BrokerError
from broker.model import Acceptance, OfficeId, OfficeLimits
from broker.parse import Limits
from broker.ports import Seal
from config import clock
from tests.benchmarks import filled
from tests.benchmarks.costs import BATCH, RESTS, WORKED
from tests.receipts import ISSUED, PKI, a_registrar, a_seal, an_admitted, its_submission

LEASE: Final = timedelta(minutes=5)
GROUPS: Final = (1, 16)  # members of a transaction: from two points a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """Transactions of one kind and size: medians of time, means of CPU, milliseconds for one transaction."""

    engine: str
    operation: str
    members: int
    wall: float
    cpu: float  # of the calling process
    server: float | None  # of the database's; None: it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What of a transaction is there however many are in it, and what each adds: time, the server's CPU; milliseconds."""

    engine: str
    operation: str
    fixed: float
    each: float
    server_fixed: float | None
    server_each: float | None


def lines(grouped: Sequence[Grouped]) -> Iterator[Line]:
    """Yield for each operation the line through its two sizes."""
    for operation in dict.fromkeys(it.operation for it in grouped):
        few, many = (it for it in grouped if it.operation == operation)
        apart = many.members - few.members
        each = (many.wall - few.wall) / apart
        server = None if many.server is None or few.server is None else (many.server - few.server) / apart
        yield Line(
            engine=few.engine,
            operation=operation,
            fixed=few.wall - few.members * each,
            each=each,
            server_fixed=None if few.server is None or server is None else few.server - few.members * server,
            server_each=server,
        )


class Hand:
    """Does by hand what the store's writer does."""

    def __init__(self, store: SqlStore, engine: str, server: Callable[[], float] | None = None) -> None:
        """`server` tells the seconds of CPU time that the database's processes have taken."""
        self.store, self.engine, self._server = store, engine, server
        self._writer = store._open()

    def commit(self, work: Work[Any, Any], members: Sequence[Any]) -> list[Any]:
        """Return what each member is answered; raise what it would be told if that is an error."""
        if work is ACCEPT:
            for month in {
                it.submission.accepted_at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for it in members
            }:
                self.store._months.ensure(month)
        results = self._writer._commit([_Job(work=work, asked=it) for it in members])
        for wrong in (it for it in results if isinstance(it, BrokerError)):
            raise wrong
        return results

    def timed(self, operation: str, members: int, do: Callable[[], Iterator[float]]) -> Grouped:
        """Measure `do`, which yields the seconds that each of its transactions took."""
        server, cpu = self._server() if self._server else 0.0, time.process_time()
        took = list(do())
        cpu = (time.process_time() - cpu) / len(took) * 1e3
        spent = (self._server() - server) / len(took) * 1e3 if self._server else None
        return Grouped(
            engine=self.engine,
            operation=operation,
            members=members,
            wall=statistics.median(took) * 1e3,
            cpu=cpu,
            server=spent,
        )


def transactions(hand: Hand, documents: int) -> list[Grouped]:
    """Take in so many documents, claim and record them, in groups of each size."""
    hand.store.enrol([OfficeLimits(office=it, in_flight=documents) for it in filled.OFFICES])
    fresh, told = filled.letters(clock.now), []
    for number in GROUPS:
        letters = [[next(fresh) for _ in range(number)] for _ in range(max(documents // number, 3))]
        claimed: list[Sequence[Any]] = []

        def taking(letters: list[list[Acceptance]] = letters) -> Iterator[float]:
            for group in letters:
                for it in group:
                    hand.store.find(rows.fingerprint(it.submission))
                begin = time.perf_counter()
                hand.commit(ACCEPT, group)
                yield time.perf_counter() - begin

        def claiming(groups: int = len(letters), number: int = number, into: list[Any] = claimed) -> Iterator[float]:
            for _ in range(groups):
                begin = time.perf_counter()
                [claims] = hand.commit(CLAIM, [Demand(lease=LEASE, most=number)])
                yield time.perf_counter() - begin
                for claim in claims:
                    hand.store.parcel(claim)
                into.append(claims)

        def recording(groups: list[Sequence[Any]] = claimed) -> Iterator[float]:
            for claims in groups:
                begin = time.perf_counter()
                hand.commit(RECORD, [Ending(claim=claim, outcome=ACKNOWLEDGED) for claim in claims])
                yield time.perf_counter() - begin

        told.append(hand.timed("accept", number, taking))
        told.append(hand.timed("claim", number, claiming))
        told.append(hand.timed("record", number, recording))
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Claiming:
    """Claims of sixteen over so many offices, milliseconds each: nothing is due, one delivery is, one for each is."""

    engine: str
    offices: int
    enrol: float
    none: float
    one: float
    all: float
    server: float | None  # CPU of the database's for a claim of nothing


def claims_over(hand: Hand, number: int, rounds: int) -> Claiming:
    """Enrol so many offices and claim."""
    names = [OfficeId(f"office-{it:04}") for it in range(number)]
    begin = time.perf_counter()
    hand.store.enrol([OfficeLimits(office=it) for it in names])
    enrolled = time.perf_counter() - begin
    fresh = filled.letters(clock.now)

    def due(offices: Sequence[OfficeId]) -> None:
        letters = [_to(next(fresh), office) for office in offices]
        for at in range(0, len(letters), 200):
            hand.commit(ACCEPT, letters[at : at + 200])

    def claim(most: int = 16) -> float:
        begin = time.perf_counter()
        [claims] = hand.commit(CLAIM, [Demand(lease=LEASE, most=most)])
        took = time.perf_counter() - begin
        for at in range(0, len(claims), 200):
            hand.commit(RECORD, [Ending(claim=it, outcome=ACKNOWLEDGED) for it in claims[at : at + 200]])
        return took

    def nothing() -> Iterator[float]:
        for _ in range(rounds):
            yield claim()

    none, one = hand.timed("claim of nothing", 0, nothing), []
    for turn in range(rounds):
        due(names[turn % number :][:1])
        one.append(claim())
    due(names)
    every = []
    for turn in range(rounds):
        every.append(claim())
        due([names[(16 * turn + it) % number] for it in range(16)])
    middle = statistics.median
    return Claiming(
        engine=hand.engine,
        offices=number,
        enrol=enrolled * 1e3,
        none=none.wall,
        one=middle(one) * 1e3,
        all=middle(every) * 1e3,
        server=none.server,
    )


def _to(letter: Acceptance, office: OfficeId) -> Acceptance:
    [delivery] = letter.deliveries
    submission = replace(letter.submission, office=office)
    return replace(letter, submission=submission, deliveries=(replace(delivery, office=office),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chained:
    """Events that were chained, milliseconds for a batch of 500, events a second without a rest and as it is."""

    engine: str
    events: int
    batch: float
    flat_out: float
    with_rests: float


def chained(store: SqlStore, engine: str) -> Chained:
    """Chain everything that is not chained, in full batches."""
    took, number = [], 0
    while store.journal.lag().unchained >= BATCH:
        begin = time.perf_counter()
        batch = store.journal.chain(BATCH)
        took.append(time.perf_counter() - begin)
        number += batch.size if batch else 0
    batch = statistics.median(took)
    return Chained(
        engine=engine,
        events=number,
        batch=batch * 1e3,
        flat_out=BATCH / batch,
        with_rests=WORKED * BATCH / (RESTS * batch),
    )


# ── seals ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Receipts sealed in a second, by so many threads; milliseconds of CPU for each."""

    key: str
    threads: int
    rate: float
    cpu: float


def seals(folder: Path, number: int) -> list[Sealing]:
    """Seal receipts by a key in a file and by one in SoftHSM."""
    admitted = an_admitted()
    unsigned = a_registrar().upp(admitted, its_submission(admitted), ISSUED).xml
    elliptic = PKI.personal(PKI.seal_ca, JAN, kind="ec-256", usage=("digital_signature",))
    told = [_sealed("RSA-2048 in a file", a_seal(PKI.seal), unsigned, number, threads) for threads in (1, 8)]
    told.append(_sealed("P-256 in a file", a_seal(elliptic), unsigned, number, 1))
    with _token(folder) as seal:
        told += [_sealed("RSA-2048 in SoftHSM", seal, unsigned, number, threads) for threads in (1, 8)]
    return told


def _sealed(key: str, seal: Seal, unsigned: bytes, number: int, threads: int) -> Sealing:
    seal.seal(unsigned)
    with ThreadPoolExecutor(threads) as pool:
        wall, cpu = time.perf_counter(), time.process_time()
        list(pool.map(seal.seal, [unsigned] * number))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Sealing(key=key, threads=threads, rate=number / wall, cpu=cpu / number * 1e3)


@contextmanager
def _token(folder: Path) -> Iterator[Seal]:
    hsm = SoftHsm(folder)
    hsm.put(PKI.seal, label="seal")
    around = Surroundings(
        name="seal", folder=folder, clock=lambda: ISSUED, ids=os.urandom, text=lambda _: b"", limits=Limits()
    )
    os.environ["GONIEC_SCALING_PIN"] = PIN
    try:
        with hsm.configured():
            tokens.forget()
            yield make(Settings(module=MODULE, token=LABEL, key="seal", pin_variable="GONIEC_SCALING_PIN"), around)
    finally:
        tokens.forget()
        del os.environ["GONIEC_SCALING_PIN"]
