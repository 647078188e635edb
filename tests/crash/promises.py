"""Holds the broker to its promises of custody: what partners hold, the store, and what offices got, compared.

Green tests and tests with planted bugs ask the same audit: a promise that no bug can break here is not tested.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from adapters.testkit.dms_records import Handover
from broker.errors import IllegalTransition
from broker.model import Delivery
from broker.ports import Filter, Ledger, Record
from broker.proof import check
from broker.states import OUTCOMES, DeliveryEvent, DeliveryState, follow
from broker.verify import TrustSnapshot, anchors
from config import packaged
from config.bootstrap import open_ledger
from config.demo.site import Site

EVENT = "delivery."  # what the names of a delivery's events begin with, in the store and in the log


class Promise(StrEnum):
    """What custody means."""

    KEPT = "every receipt that a partner holds is in the store with its document, byte for byte, and verifies"
    ANSWERED = "every document that a partner sent, each time, was answered with its receipt"
    ONE = "a document is one submission with one receipt, however often it is sent"
    TOLD = "every refusal that a partner was told of is on record"
    DELIVERED = "every document in the store is at its office, or with an operator, and the store says which"
    ONCE = "an office gets a document under one delivery id only"
    KNOWN = "an office gets nothing but what the store has receipted, byte for byte"
    COUNTED = "an attempt is counted before it reaches the office"
    FENCED = "an attempt whose claim was taken over records nothing"
    LAWFUL = "a delivery's events lead from one state to the next as the table allows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One answer that a partner got: a receipt, or the code of a refusal."""

    document: bytes
    submission: str = ""
    receipt: bytes = b""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the audit found."""

    receipts: int  # answers with a receipt, those to repeats too
    submissions: int
    delivered: int  # documents that their offices have
    repeats: int  # times that an office was handed something again, under the same delivery id
    taken_over: int  # claims whose worker died, or lost its lease
    quarantined: frozenset[str]  # digests of documents that are with the operator
    broken: dict[Promise, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        kept = "every promise kept" if not self.broken else f"BROKEN {sorted(self.broken)}"
        return (
            f"receipts {self.receipts} · submissions {self.submissions} · delivered {self.delivered} · "
            f"handed over again under the same id {self.repeats} · taken over {self.taken_over} · {kept}"
        )


def audit(
    site: Site, *, sent: Collection[bytes], words: Sequence[Word], arrivals: Sequence[Handover], queued: bool = False
) -> Account:
    """Compare what partners hold, the store, and what offices got.

    `sent`: the documents that must have a receipt; `words`: every answer, `arrivals`: every handover, repeats and
    all; `queued`: offices are reached by AMQP, where RabbitMQ may hand over one attempt twice.
    """
    with open_ledger(site.settings) as ledger:
        books = _Books(ledger)
        found = [
            *_receipts(site, books, ledger, words),
            *_answers(books, sent, words),
            *_refusals(ledger, words),
            *_handovers(books, arrivals),
            *_attempts(books, arrivals, queued=queued),
            *_fence(books, site),
            *_law(books),
        ]
    broken: dict[Promise, list[str]] = defaultdict(list)
    for promise, what in found:
        broken[promise].append(what)
    events = Counter(event.name for record in books.records for event in record.events)
    return Account(
        receipts=sum(1 for word in words if word.receipt),
        submissions=len(books.records),
        delivered=len({(it.office, it.delivery) for it in arrivals}),
        repeats=len(arrivals) - len({(it.office, it.delivery) for it in arrivals}),
        taken_over=events[EVENT + DeliveryEvent.TAKEN_OVER],
        quarantined=frozenset(
            record.submission.digest
            for record, delivery in books.deliveries.values()
            if delivery.state is DeliveryState.QUARANTINED
        ),
        broken=dict(broken),
    )


Breaches = Iterable[tuple[Promise, str]]


class _Books:
    """The whole store."""

    def __init__(self, ledger: Ledger) -> None:
        listed = ledger.list(Filter(most=100_000))
        shown = [ledger.show(record.submission.id) for record in listed]
        self.records: list[Record] = [record for record in shown if record is not None]
        assert len(self.records) == len(listed)
        self.submissions = {str(record.submission.id): record for record in self.records}
        self.deliveries: dict[str, tuple[Record, Delivery]] = {
            str(delivery.id): (record, delivery) for record in self.records for delivery in record.deliveries
        }

    def steps(self, delivery: str) -> list[DeliveryEvent]:
        """What happened to a delivery, in order."""
        record, _ = self.deliveries[delivery]
        return [
            DeliveryEvent(event.name.removeprefix(EVENT))
            for event in record.events
            if event.delivery == delivery and event.name.startswith(EVENT)  # of deadlines there are others
        ]


def _digest(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


def _receipts(site: Site, books: _Books, ledger: Ledger, words: Sequence[Word]) -> Breaches:
    schema = packaged.text("receipts/upo.xsd")
    trust = TrustSnapshot(anchors=anchors((site.folder / "pki" / "seal-ca.pem").read_bytes()))
    for word in {(word.submission, word.receipt): word for word in words if word.receipt}.values():
        record = books.submissions.get(word.submission)
        if record is None:
            yield Promise.KEPT, f"{word.submission}: a receipt without a submission"
        elif record.receipt.xml != word.receipt:
            yield Promise.KEPT, f"{word.submission}: another receipt is stored"
        elif ledger.document(record.submission.id) != word.document:
            yield Promise.KEPT, f"{word.submission}: another document is stored"
        elif not check(word.receipt, schema=schema, trust=trust, document=word.document).holds:
            yield Promise.KEPT, f"{word.submission}: the receipt does not verify"


def _answers(books: _Books, sent: Collection[bytes], words: Sequence[Word]) -> Breaches:
    got: dict[bytes, set[tuple[str, bytes]]] = defaultdict(set)
    for word in words:
        if word.receipt:
            got[word.document].add((word.submission, word.receipt))
    for document in sent:
        if not got[document]:
            yield Promise.ANSWERED, f"{_digest(document)}: no receipt"
        elif len(got[document]) > 1:
            yield Promise.ONE, f"{_digest(document)}: {len(got[document])} different receipts"
    for word in words:
        if word.code and word.document in sent:
            yield Promise.ANSWERED, f"{_digest(word.document)}: refused ({word.code})"
    for digest, times in Counter(record.submission.digest for record in books.records).items():
        if times > 1:
            yield Promise.ONE, f"{digest}: {times} submissions"


def _refusals(ledger: Ledger, words: Sequence[Word]) -> Breaches:
    recorded = {(refusal.digest, refusal.code) for refusal in ledger.refusals(most=100_000)}
    for word in words:
        if word.code and (_digest(word.document), word.code) not in recorded:
            yield Promise.TOLD, f"{_digest(word.document)}: refused ({word.code}), and nothing says so"


def _handovers(books: _Books, arrivals: Sequence[Handover]) -> Breaches:
    ids: dict[str, set[str]] = defaultdict(set)
    for it in arrivals:
        ids[it.facts["submission"]].add(it.delivery)
        record, _ = books.deliveries.get(it.delivery, (None, None))
        if record is None or record.submission.id != it.facts["submission"]:
            yield Promise.KNOWN, f"{it.delivery}: the store does not know it"
        elif record.submission.digest != _digest(it.document) or record.receipt.xml != it.receipt:
            yield Promise.KNOWN, f"{it.delivery}: the office has another document or receipt"
        elif record.submission.office != it.office:
            yield Promise.KNOWN, f"{it.delivery}: at {it.office}, and not at {record.submission.office}"
    for submission, different in ids.items():
        if len(different) > 1:
            yield Promise.ONCE, f"{submission}: delivered as {sorted(different)}"
    there = {it.delivery for it in arrivals}
    for record in books.records:
        if len(record.deliveries) != 1:
            yield Promise.DELIVERED, f"{record.submission.id}: {len(record.deliveries)} deliveries"
    for name, (_, delivery) in books.deliveries.items():
        match delivery.state:
            case DeliveryState.DELIVERED if name not in there:
                yield Promise.DELIVERED, f"{name}: marked as delivered, and the office has nothing"
            case DeliveryState.WAITING | DeliveryState.SENDING:
                yield Promise.DELIVERED, f"{name}: still {delivery.state} ({delivery.last_error})"


def _attempts(books: _Books, arrivals: Sequence[Handover], *, queued: bool) -> Breaches:
    if queued:
        return
    for name, times in Counter(it.delivery for it in arrivals).items():
        _, delivery = books.deliveries.get(name, (None, None))
        if delivery is not None and times > delivery.attempts:
            yield Promise.COUNTED, f"{name}: arrived {times} times, {delivery.attempts} attempts are counted"


def _fence(books: _Books, site: Site) -> Breaches:
    """What was taken over is in the store; what an attempt says it has recorded is in the log."""
    recorded = set()
    for said in _log(site):
        if said["event"] in {EVENT + outcome for outcome in OUTCOMES}:
            recorded.add((said["delivery"], said["attempt"]))
    for name in books.deliveries:
        attempt = 0
        for event in books.steps(name):
            if event is DeliveryEvent.TAKEN_OVER and (name, attempt) in recorded:
                yield Promise.FENCED, f"{name}: attempt {attempt} was taken over, and recorded an outcome"
            attempt += {DeliveryEvent.CLAIMED: 1, DeliveryEvent.TAKEN_OVER: 1, DeliveryEvent.RELEASED: -1}.get(event, 0)


def _log(site: Site) -> Iterator[dict[str, Any]]:
    """Read the log.  A process that is killed may leave half a line behind."""
    for line in site.log.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            yield json.loads(line)


def _law(books: _Books) -> Breaches:
    for name, (_, delivery) in books.deliveries.items():
        state, steps = DeliveryState.WAITING, books.steps(name)
        try:
            for step in steps:
                state = follow(state, step)
        except IllegalTransition as breach:
            yield Promise.LAWFUL, f"{name}: {breach} in {steps}"
        else:
            if state is not delivery.state:
                yield Promise.LAWFUL, f"{name}: is {delivery.state}, its events end in {state}"
