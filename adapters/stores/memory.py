"""A store in the process's memory: for tests, and for trying things out.  Nothing survives the process.

It keeps the whole contract but durability, under one lock, in the plainest way: the SQL store is judged by it.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from threading import RLock

from adapters.stores.memory_claims import choose
from adapters.stores.memory_copies import MemoryCopies
from adapters.stores.memory_journal import MemoryJournal
from adapters.stores.memory_nodes import MemoryNodes
from adapters.stores.memory_proofs import Proofs
from adapters.stores.memory_quarantine import MemoryQuarantine
from adapters.stores.memory_reconcile import MemoryReconciliation
from adapters.stores.memory_retention import MemoryRetention
from adapters.stores.memory_watch import MemoryWatch
from broker.custody import due_by
from broker.errors import IllegalTransition, LeaseLost, Reused, Unavailable
from broker.journal import acceptance_detail, refusal_detail
from broker.model import (
    Acceptance,
    Claim,
    Delivery,
    DeliveryId,
    Fingerprint,
    OfficeId,
    OfficeLimits,
    Outcome,
    Parcel,
    Receipt,
    Refusal,
    Submission,
    SubmissionId,
)
from broker.ports import Clock, EventRecord, Filter, Record, Stats
from broker.pressure import Queued, Strain
from broker.states import LIVE, OUTCOMES, DeliveryEvent, DeliveryState, follow


@dataclass(slots=True)
class _Office:
    limits: OfficeLimits
    failures: int = 0
    open_until: datetime | None = None
    paused: bool = False


@dataclass(slots=True)
class _Lease:
    token: str
    until: datetime


def _key(submission: Submission) -> Fingerprint:
    it = submission
    return Fingerprint(
        sender=it.sender, message_id=it.message_id, box=it.fingerprint_box, trial=it.trial, digest=it.digest
    )


class MemoryStore(Proofs):
    """Store and ledger.  `clock` is the store's clock; `refusals_per_hour` is kept of each sender."""

    def __init__(self, clock: Clock, *, refusals_per_hour: int = 1000) -> None:
        super().__init__()
        self._clock = clock
        self._cap = refusals_per_hour
        self._lock = RLock()
        self._closed = False
        self._kept: dict[SubmissionId, Acceptance] = {}
        self._by_key: dict[Fingerprint, SubmissionId] = {}
        self._by_message: dict[tuple[str, str], Fingerprint] = {}
        self._deliveries: dict[DeliveryId, Delivery] = {}
        self._leases: dict[DeliveryId, _Lease] = {}
        self._offices: dict[OfficeId, _Office] = {}
        self._refusals: list[Refusal] = []
        self._refused: Counter[tuple[str, datetime]] = Counter()
        self.events: list[EventRecord] = []
        self.nodes = MemoryNodes(self._open)
        self.journal = MemoryJournal(self)
        self.copies = MemoryCopies(self._open, self._kept, self.events)
        self.retention = MemoryRetention(self)
        self.reconcile = MemoryReconciliation(self)
        self.watch = MemoryWatch(self)
        self.quarantine = MemoryQuarantine(self)

    @contextmanager
    def _open(self) -> Iterator[datetime]:
        """Hold the lock; yield the store's now."""
        with self._lock:
            if self._closed:
                raise Unavailable("the store is closed")
            yield self._clock()

    # ── custody ──

    def enrol(self, offices: Sequence[OfficeLimits]) -> None:
        with self._open():
            for limits in offices:
                self._offices.setdefault(limits.office, _Office(limits)).limits = limits

    def find(self, message: Fingerprint) -> Receipt | None:
        with self._open():
            anonymous = replace(message, message_id="")
            if self._by_message.get((message.sender, message.message_id)) not in {None, anonymous}:
                raise Reused("intake.reused-id")
            submission = self._by_key.get(anonymous)
            if submission is None:
                return None
            self._bind(message)
            return self._kept[submission].receipt

    def _bind(self, message: Fingerprint) -> None:
        """Let the message id, if there is one, stand for this content from now on."""
        if message.message_id:
            self._by_message[message.sender, message.message_id] = replace(message, message_id="")

    def accept(self, acceptance: Acceptance) -> Receipt:
        with self._open() as now:
            it = acceptance.submission
            message = _key(it)
            known = self.find(message)
            if known is not None:
                return known
            if it.id in self._kept or any(one.id in self._deliveries for one in acceptance.deliveries):
                raise Unavailable("an id was given twice")
            self._kept[it.id] = acceptance
            self._by_key[replace(message, message_id="")] = it.id
            self._bind(message)
            self._deliveries |= {one.id: due_by(one, now) for one in acceptance.deliveries}
            if acceptance.recheck:
                self._awaiting.add(it.id)
            told = acceptance_detail(it.digest, acceptance.receipt)
            for name, detail in (("intake.accepted", told), *acceptance.told):
                self.events.append(EventRecord(at=now, name=name, submission=it.id, detail=detail))
            self.watch.accepted(it, now, awaits=acceptance.awaits_answer)
            return acceptance.receipt

    def refuse(self, refusal: Refusal) -> None:
        with self._open() as now:
            hour = refusal.sender, refusal.at.replace(minute=0, second=0, microsecond=0)
            self._refused[hour] += 1
            if self._refused[hour] <= self._cap:
                self._refusals.append(refusal)
                self.events.append(EventRecord(at=now, name="intake.refused", detail=refusal_detail(refusal)))

    # ── deliveries ──

    def _due(self, delivery: Delivery) -> datetime:
        """Return the moment from which a worker may take it."""
        lease = self._leases.get(delivery.id)
        return lease.until if lease else delivery.due_at

    def _room(self, office: OfficeId, now: datetime) -> int:
        """Return how many more attempts the office is open for."""
        it = self._offices.get(office)
        if it is None or it.paused or (it.open_until is not None and now < it.open_until):
            return 0
        sending = (self._deliveries[held] for held, lease in self._leases.items() if lease.until > now)
        in_flight = sum(one.office == office for one in sending)
        return (1 if it.open_until is not None else it.limits.in_flight) - in_flight

    def claim(self, lease: timedelta, most: int = 1, probes: int = 1) -> Sequence[Claim]:
        with self._open() as now:
            live = (one for one in self._deliveries.values() if one.state in LIVE and self._due(one) <= now)
            due = sorted(live, key=lambda one: (self._due(one), one.id))
            room = {office: self._room(office, now) for office in self._offices}
            opened = {office: it.open_until for office, it in self._offices.items() if it.open_until is not None}
            chosen = choose(due, room, opened, most, probes)
            return [self._take(one, now, lease, probe=one.office in opened) for one in chosen]

    def _take(self, one: Delivery, now: datetime, lease: timedelta, *, probe: bool) -> Claim:
        crashed = one.state is DeliveryState.SENDING
        taken = replace(one, attempts=one.attempts + 1, crashes=one.crashes + crashed)
        event = DeliveryEvent.TAKEN_OVER if crashed else DeliveryEvent.CLAIMED
        taken = self._step(taken, event, now, self.nodes.own)
        held = self._leases[one.id] = _Lease(secrets.token_hex(16), now + lease)
        return Claim(delivery=taken, token=held.token, claimed_at=now, expires_at=held.until, probe=probe)

    def _step(self, one: Delivery, event: DeliveryEvent, now: datetime, detail: str = "") -> Delivery:
        """Write a transition and its event."""
        after = self._deliveries[one.id] = replace(one, state=follow(one.state, event))
        self.events.append(
            EventRecord(at=now, name=f"delivery.{event}", submission=one.submission, delivery=one.id, detail=detail)
        )
        return after

    def _ours(self, claim: Claim) -> Delivery:
        lease = self._leases.get(claim.delivery.id)
        if lease is None or lease.token != claim.token:
            raise LeaseLost(claim.delivery.id)
        return self._deliveries[claim.delivery.id]

    def renew(self, claim: Claim, lease: timedelta) -> Claim:
        with self._open() as now:
            self._ours(claim)
            held = self._leases[claim.delivery.id]
            held.until = now + lease
            return replace(claim, expires_at=held.until)

    def release(self, claim: Claim, wait: timedelta = timedelta(0)) -> None:
        with self._open() as now:
            one = self._ours(claim)
            del self._leases[one.id]
            due = now + wait if wait else one.due_at
            self._step(replace(one, attempts=one.attempts - 1, due_at=due), DeliveryEvent.RELEASED, now)

    def record(self, claim: Claim, outcome: Outcome) -> None:
        if outcome.event not in OUTCOMES or follow(DeliveryState.SENDING, outcome.event) is not outcome.state:
            raise IllegalTransition(f"{outcome.event} to {outcome.state} as an outcome")
        with self._open() as now:
            one = self._ours(claim)
            del self._leases[one.id]
            due = now + outcome.wait if outcome.state is DeliveryState.WAITING else one.due_at
            self._step(
                replace(one, due_at=due, reference=outcome.reference, last_error=outcome.error),
                outcome.event,
                now,
                outcome.reference or outcome.error,
            )
            self._health(one.office, outcome.healthy, now)

    def _health(self, office: OfficeId, healthy: bool | None, now: datetime) -> None:
        it = self._offices[office]
        if healthy:
            it.failures, it.open_until = 0, None
        elif healthy is False:
            it.failures += 1
            if it.failures >= it.limits.threshold:
                it.open_until = now + it.limits.cooling

    def parcel(self, claim: Claim) -> Parcel:
        with self._open():
            it = self._kept.get(claim.delivery.submission)
            if it is None or it.submission.id in self.retention.pruned:
                raise Unavailable("the document is not in the store")
            return Parcel(
                delivery=claim.delivery.id,
                submission=it.submission,
                document=it.document,
                receipt=it.receipt,
                report=it.report,
            )

    def close(self) -> None:
        with self._lock:
            self._closed = True

    # ── the operators' view ──

    def _record(self, it: Acceptance) -> Record:
        own = (one for one in self._deliveries.values() if one.submission == it.submission.id)
        mine = tuple(sorted(own, key=attrgetter("id")))
        return Record(submission=it.submission, receipt=it.receipt, report=b"", deliveries=mine)

    def list(self, wanted: Filter) -> Sequence[Record]:
        with self._open():
            newest_first = (self._record(self._kept[key]) for key in sorted(self._kept, reverse=True))
            matching = [one for one in newest_first if _matches(one, wanted) and self._judged_as(wanted, one)]
            return matching[: wanted.most]

    def show(self, submission: SubmissionId) -> Record | None:
        with self._open():
            it = self._kept.get(submission)
            if it is None:
                return None
            told = tuple(event for event in self.events if event.submission == submission)
            return replace(
                self._record(it),
                report=it.report,
                events=told,
                stamped=self._stamps.get(submission),
                later_report=self._later_reports.get(submission),
            )

    def document(self, submission: SubmissionId) -> bytes | None:
        with self._open():
            it = self._kept.get(submission)
            return None if it is None or submission in self.retention.pruned else it.document

    def refusals(self, since: datetime | None = None, most: int = 100) -> Sequence[Refusal]:
        with self._open():
            wanted = [it for it in self._refusals if since is None or it.at >= since]
            wanted.reverse()  # of two at the same moment the later one comes first
            return sorted(wanted, key=attrgetter("at"), reverse=True)[:most]

    def requeue(self, deliveries: Iterable[DeliveryId], reason: str) -> Sequence[DeliveryId]:
        return self.quarantine.requeue(tuple(deliveries), reason)

    def pause(self, office: OfficeId, paused: bool) -> bool:
        with self._open() as now:
            it = self._offices.get(office)
            if it is not None and it.paused is not paused:
                it.paused = paused
                self.events.append(
                    EventRecord(at=now, name="office.paused" if paused else "office.resumed", detail=office)
                )
            return it is not None

    def may_serve(self) -> None:
        """Any version: what is in memory ends with the version that made it."""

    def stats(self) -> Stats:
        with self._open():
            deliveries = self._deliveries.values()
            waiting = [one.since for one in deliveries if one.state is DeliveryState.WAITING]
            return Stats(
                submissions=sum(not it.submission.trial for it in self._kept.values()),
                refusals=self._refused.total(),
                deliveries=dict(Counter(one.state for one in deliveries)),
                oldest_waiting=min(waiting, default=None),
            )

    def queued(self) -> Mapping[OfficeId, Queued]:
        with self._open():
            live: dict[OfficeId, list[datetime]] = defaultdict(list)
            for one in self._deliveries.values():
                if one.state in LIVE:
                    live[one.office].append(one.since)
        return {office: Queued(number=len(since), since=min(since)) for office, since in live.items()}

    def strain(self) -> Strain:
        return Strain()


def _matches(record: Record, wanted: Filter) -> bool:
    it = record.submission
    return all(
        (
            not wanted.office or it.office == wanted.office,
            not wanted.sender or it.sender == wanted.sender,
            not wanted.digest or it.digest == wanted.digest,
            not wanted.after or it.id < wanted.after,
            wanted.since is None or it.accepted_at >= wanted.since,
            wanted.trials or not it.trial,
            wanted.state is None or any(one.state is wanted.state for one in record.deliveries),
        )
    )
