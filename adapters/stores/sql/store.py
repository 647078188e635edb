"""The store on SQLite or PostgreSQL: who calls what in which transaction.

Writes go through the process's one writer and are committed in groups; reads have connections of their own
and never wait for a write.  Nothing is opened before the first call, so a process may be forked until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeVar

from sqlalchemy import Connection

from adapters.stores.sql import claims, custody, keys, layout, ledger, migrate, partitions, proofs, quarantine, tokens
from adapters.stores.sql.at_rest import AtRest, Content
from adapters.stores.sql.copies import SqlCopies
from adapters.stores.sql.deadlines import SqlWatch
from adapters.stores.sql.engine import cut_log, now, open_engine
from adapters.stores.sql.errors import translated
from adapters.stores.sql.journal import SqlJournal
from adapters.stores.sql.nodes import SqlNodes
from adapters.stores.sql.quarantine import SqlQuarantine
from adapters.stores.sql.reconcile import SqlReconciliation
from adapters.stores.sql.retention import SqlRetention
from adapters.stores.sql.writer import Work, Writer
from broker.errors import ConfigError, IllegalTransition, Unavailable
from broker.model import (
    Acceptance,
    Claim,
    DeliveryId,
    Fingerprint,
    OfficeId,
    OfficeLimits,
    Outcome,
    Parcel,
    Receipt,
    Refusal,
    SubmissionId,
)
from broker.ports import Clock, Filter, Record, Stats
from broker.pressure import Queued, Strain
from broker.states import OUTCOMES, DeliveryState, follow

Asked = TypeVar("Asked")
Result = TypeVar("Result")

REFUSALS_PER_HOUR = 1000
_CUTS = 25  # tries to cut SQLite's log, of `CHECKPOINT` each: brokers read for milliseconds, a copy is made for longer

ACCEPT = Work(rank=0, do=custody.accept, proof=True)
REQUEUE = Work(rank=2, do=ledger.requeue)
RENEW = Work(rank=3, do=claims.renew)
RELEASE = Work(rank=4, do=claims.release)
RECORD = Work(rank=5, do=claims.record)
ENROL = Work(rank=6, do=ledger.enrol)
PAUSE = Work(rank=7, do=ledger.pause)
CLAIM = Work(rank=8, do=claims.claim)
FIRST_USE = Work(rank=9, do=tokens.first_use)
FORGET_USE = Work(rank=10, do=tokens.forget_use)
KEEP_SEAL = Work(rank=11, do=proofs.keep_seal)
STAMP = Work(rank=12, do=proofs.stamp)
SETTLE = Work(rank=13, do=proofs.settle)
REWRITE = Work(rank=14, do=keys.rewrite)
DROP_OLD_KEYS = Work(rank=15, do=keys.drop_old)


class SqlStore:
    """Store and ledger.  May be called by many threads; several processes may share one database.

    `url` names a SQLite file (made when it is not there) or a migrated PostgreSQL database.  `clock` is the
    store's clock; without one it is the database server's own, which SQLite does not have.  `at_rest` writes and
    reads content.  Raises ConfigError on the first call if the database has another layout than this version
    reads, or content that the keys at hand do not open.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        refusals_per_hour: int = REFUSALS_PER_HOUR,
        at_rest: AtRest | None = None,
    ) -> None:
        self._clock = clock
        self._at_rest = at_rest or AtRest()
        self._refuse = Work(rank=1, do=custody.refuse(refusals_per_hour))
        self._writing = open_engine(url, writes=True)
        self._reading = open_engine(url, writes=False)
        self._months = partitions.Months(self._reading)
        self.nodes = SqlNodes(self, self._writing, clock)
        self.retention = SqlRetention(self, self._writing, self._months, clock)
        self.reconcile = SqlReconciliation(self)
        self._lock = Lock()
        self._writer: Writer | None = None
        self._closed = False
        self.journal = SqlJournal(self)
        self.watch = SqlWatch(self)
        self.quarantine = SqlQuarantine(self)
        self.copies = SqlCopies(self)

    # ── the two ways in ──

    def _open(self) -> Writer:
        """Return the writer; on the first call make or check the database."""
        writer = self._writer
        if self._closed:
            raise Unavailable("the store is closed")
        if writer is None:
            with self._lock:
                if self._writer is None:
                    with translated(), self._let_go_unless_ready():
                        migrate.ready(self._writing, self._reading)
                        keys.ready(self._writing, self._reading, self._at_rest, self._clock)
                    self._writer = Writer(self._writing.connect, lambda connection: now(connection, self._clock))
                writer = self._writer
        return writer

    @contextmanager
    def _let_go_unless_ready(self) -> Iterator[None]:
        """Keep no connection of a store that could not be opened: it may never be closed."""
        try:
            yield
        except Exception:
            self._reading.dispose()
            raise

    def write(self, work: Work[Asked, Result], asked: Asked) -> Result:
        """Do a write through the one writer (see `Access`)."""
        return self._open().write(work, asked)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one moment of the database."""
        self._open()
        with translated(), self._reading.connect() as connection:
            yield connection

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._writer is not None:
                self._writer.close()
            self._writing.dispose()
            self._reading.dispose()

    # ── Store ──

    def enrol(self, offices: Sequence[OfficeLimits]) -> None:
        self.write(ENROL, offices)

    def find(self, message: Fingerprint) -> Receipt | None:
        with self.read() as connection:
            known = custody.find(connection, message)
        if known is None:
            return None
        return known.receipt if known.bound else self.write(ACCEPT, message)

    def accept(self, acceptance: Acceptance) -> Receipt:
        self._open()
        # Encrypted here, in the caller's thread: the one writer has no time for it.
        it, of = acceptance, acceptance.submission.id
        document = self._at_rest.stored(of, Content.DOCUMENT, it.document)
        report = self._at_rest.stored(of, Content.REPORT, it.report)
        written = replace(it, document=document, report=report)
        try:
            return self._keep(written)
        except Unavailable as away:
            if not partitions.missing(away):
                raise
            self._months.forget(it.submission.accepted_at)
            return self._keep(written)

    def _keep(self, acceptance: Acceptance) -> Receipt:
        with translated():
            self._months.ensure(acceptance.submission.accepted_at)
        return self.write(ACCEPT, acceptance)

    def first_use(self, token: str, until: datetime) -> bool:
        return self.write(FIRST_USE, tokens.Use(token=token, until=until))

    def forget_use(self, token: str) -> None:
        self.write(FORGET_USE, token)

    def refuse(self, refusal: Refusal) -> None:
        self.write(self._refuse, refusal)

    def claim(self, lease: timedelta, most: int = 1, probes: int = 1) -> Sequence[Claim]:
        return self.write(CLAIM, claims.Demand(lease=lease, most=most, probes=probes, node=self.nodes.own))

    def renew(self, claim: Claim, lease: timedelta) -> Claim:
        return self.write(RENEW, claims.Renewal(claim=claim, lease=lease))

    def release(self, claim: Claim, wait: timedelta = timedelta(0)) -> None:
        self.write(RELEASE, claims.Return(claim=claim, wait=wait))

    def record(self, claim: Claim, outcome: Outcome) -> None:
        if outcome.event not in OUTCOMES or follow(DeliveryState.SENDING, outcome.event) is not outcome.state:
            raise IllegalTransition(f"{outcome.event} to {outcome.state} as an outcome")
        self.write(RECORD, claims.Ending(claim=claim, outcome=outcome))

    def parcel(self, claim: Claim) -> Parcel:
        with self.read() as connection:
            it = custody.parcel(connection, claim)
        of = it.submission.id
        return replace(
            it,
            document=self._at_rest.content(of, Content.DOCUMENT, it.document),
            report=self._at_rest.content(of, Content.REPORT, it.report),
        )

    def keep_seal(self, sha256: str, pem: bytes, at: datetime) -> None:
        self.write(KEEP_SEAL, proofs.SealSeen(sha256=sha256, pem=pem, at=at))

    def unstamped(self, most: int = 100) -> Sequence[Receipt]:
        with self.read() as connection:
            return proofs.without_copy(connection, most)

    def stamp(self, receipt: str, xml: bytes, at: datetime) -> None:
        self.write(STAMP, proofs.Copy(receipt=receipt, xml=xml, at=at))

    def awaiting(self, most: int = 100, after: str = "") -> Sequence[Record]:
        with self.read() as connection:
            return ledger.these(connection, proofs.waiting_to_be_judged(connection, most, after))

    def settle(self, submission: SubmissionId, event: str, detail: str, report: bytes) -> None:
        written = self._at_rest.stored(submission, Content.LATER_REPORT, report)
        self.write(SETTLE, proofs.Settlement(submission=submission, event=event, detail=detail, report=written))

    # ── Ledger ──

    def list(self, wanted: Filter) -> Sequence[Record]:
        with self.read() as connection:
            return ledger.page(connection, wanted)

    def show(self, submission: SubmissionId) -> Record | None:
        with self.read() as connection:
            record = ledger.show(connection, submission)
        return None if record is None else self._clear(record)

    def _clear(self, record: Record) -> Record:
        """Return a record with its reports as they were before they were stored."""
        of, later = record.submission.id, record.later_report
        return replace(
            record,
            report=self._at_rest.content(of, Content.REPORT, record.report),
            later_report=None if later is None else self._at_rest.content(of, Content.LATER_REPORT, later),
        )

    def document(self, submission: SubmissionId) -> bytes | None:
        with self.read() as connection:
            stored = ledger.document(connection, submission)
        return None if stored is None else self._at_rest.content(submission, Content.DOCUMENT, stored)

    def seals(self) -> Sequence[bytes]:
        with self.read() as connection:
            return proofs.all_seals(connection)

    def refusals(self, since: datetime | None = None, most: int = 100) -> Sequence[Refusal]:
        with self.read() as connection:
            return ledger.turned_away(connection, since, most)

    def requeue(self, deliveries: Iterable[DeliveryId], reason: str) -> Sequence[DeliveryId]:
        return self.write(REQUEUE, ledger.Requeue(deliveries=tuple(deliveries), reason=reason))

    def pause(self, office: OfficeId, paused: bool) -> bool:
        return self.write(PAUSE, ledger.Pause(office=office, paused=paused))

    def stats(self) -> Stats:
        with self.read() as connection:
            return ledger.stats(connection)

    def queued(self) -> Mapping[OfficeId, Queued]:
        with self.read() as connection:
            return ledger.queued(connection)

    def strain(self) -> Strain:
        writer = self._writer
        return Strain() if writer is None else writer.strain()

    def may_serve(self) -> None:
        with translated(), self._reading.connect() as connection:
            layout.fits(connection)

    # ── content keys ──

    def examine(self) -> Mapping[OfficeId, int]:
        """Return how many deliveries are not final, by office; make and write nothing.

        Raises ConfigError if the database that is there has another layout or other keys.
        """
        with translated(), self._reading.connect() as connection:
            if layout.layout(connection) is None:
                return {}
            layout.fits(connection)
            keys.fit(connection, self._at_rest)
            return quarantine.unfinished(connection)

    def contents(self) -> int:
        """Return how many rows hold content."""
        with self.read() as connection:
            return keys.count(connection)

    def rekey(self) -> Iterator[int]:
        """Write all content anew that is not under the first key, while brokers run; yield rows as they are seen to.

        It may be broken off and begun again.  Keys under which nothing lies any more are needed no more.  Raises
        Unavailable if all is written anew, but what it replaces is still in SQLite's log or file.
        """
        if not self._at_rest.key:
            raise ConfigError(["encryption_keys: none is there to encrypt with"])
        self._open()
        yield from (seen for seen, _ in self._rewrite())
        while any(old for _, old in self._rewrite()):  # what a slow node has written meanwhile
            pass
        self.write(DROP_OLD_KEYS, self._at_rest.key)
        if self._reading.dialect.name == "sqlite":
            with translated():
                if not any(cut_log(self._reading) for _ in range(_CUTS)):
                    raise Unavailable(
                        "all is written anew, but what it replaces is still in SQLite's log: somebody reads from it; "
                        "run it again"
                    )

    def _rewrite(self) -> Iterator[tuple[int, int]]:
        """Go through all content once; yield how many rows were seen and how many of them written anew."""
        batches = keys.batches(self._reading, self._at_rest)
        while True:
            with translated():
                seen, old = next(batches, (0, ()))
            if not seen:
                return
            if old:
                self.write(REWRITE, old)
            yield seen, len(old)
