"""The auditor: what clients hold, the store, the journal and the offices' records, compared document by document."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from broker.errors import IllegalTransition
from broker.model import SubmissionId
from broker.ports import Filter, Ledger, Record
from broker.proof import check
from broker.states import DeliveryEvent, DeliveryState, follow
from broker.verify import TrustSnapshot, anchors
from config import packaged
from config.bootstrap import open_ledger
from tests.crash.campaign.books import Arrival, digest
from tests.crash.campaign.field import Field
from tests.crash.campaign.load import Load
from tests.crash.promises import EVENT, Promise

PAGE = 1000
READERS = 4  # threads: most of the time goes into waiting for the database
VERIFIED = 50  # of so many receipts one is verified whole; all are compared octet for octet
SHOWN = 10  # breaches of a promise that are told

Breach = tuple[Promise, str]


@dataclass
class Account:
    """What the auditor found."""

    submissions: int = 0
    delivered: int = 0
    repeats: int = 0  # times that an office got something again, under the same delivery id
    taken_over: int = 0
    refused: int = 0
    verified: int = 0
    broken: dict[Promise, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __str__(self) -> str:
        kept = "every promise kept"
        if self.broken:
            kept = "\n".join(
                [f"BROKEN: {promise.value} ({len(found)}): {found[:SHOWN]}" for promise, found in self.broken.items()]
            )
        return (
            f"submissions {self.submissions} · delivered {self.delivered} · refused {self.refused} · "
            f"handed over again under the same id {self.repeats} · taken over {self.taken_over} · "
            f"receipts verified whole {self.verified} · {kept}"
        )


def audit(field: Field, load: Load) -> Account:
    """Compare everything."""
    account = Account()
    with field.directly() as site, open_ledger(site.settings) as ledger:
        for promise, what in _Auditor(field, load, ledger, account).breaches():
            account.broken[promise].append(what)
    return account


class _Auditor:
    def __init__(self, field: Field, load: Load, ledger: Ledger, account: Account) -> None:
        self.field, self.load, self.ledger, self.account = field, load, ledger, account
        self.known: dict[str, tuple[str, str, str]] = {}  # submission: document, receipt, delivery
        self.by_document: Counter[str] = Counter()
        self.arrivals: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in field.shelves.came:
            self.arrivals[arrival.delivery].append(arrival)
        self.trust = TrustSnapshot(anchors=anchors(field.pki.seal_ca.credential.pem))
        self.schema = packaged.text("receipts/upo.xsd")

    def breaches(self) -> Iterator[Breach]:
        for record, document in self._records():
            yield from self._record(record, document)
        for document, times in self.by_document.items():
            if times > 1:
                yield Promise.ONE, f"{document}: {times} submissions"
        yield from self._clients()
        yield from self._offices()
        for wrong in [*self.field.shelves.wrong, *map(repr, self.field.dms.bugs), *map(repr, self.field.tls_dms.bugs)]:
            yield Promise.KNOWN, wrong

    def _records(self) -> Iterator[tuple[Record, bytes | None]]:
        after = ""
        with ThreadPoolExecutor(READERS) as readers:
            while page := self.ledger.list(Filter(most=PAGE, after=after)):
                yield from readers.map(self._read, [it.submission.id for it in page])
                after = page[-1].submission.id

    def _read(self, of: SubmissionId) -> tuple[Record, bytes | None]:
        shown = self.ledger.show(of)
        assert shown is not None
        return shown, self.ledger.document(of)

    def _record(self, record: Record, document: bytes | None) -> Iterator[Breach]:
        account, submission = self.account, record.submission
        account.submissions += 1
        self.by_document[submission.digest] += 1
        if document is None or digest(document) != submission.digest:
            yield Promise.KEPT, f"{submission.id}: its document is not kept"
        elif account.submissions % VERIFIED == 0:
            account.verified += 1
            if not check(record.receipt.xml, schema=self.schema, trust=self.trust, document=document).holds:
                yield Promise.KEPT, f"{submission.id}: its receipt does not verify"
        if len(record.deliveries) != 1:
            yield Promise.DELIVERED, f"{submission.id}: {len(record.deliveries)} deliveries"
            return
        (delivery,) = record.deliveries
        receipt = digest(record.receipt.xml)
        self.known[submission.id] = submission.digest, receipt, delivery.id
        came = self.arrivals.get(delivery.id, [])
        # There RabbitMQ's confirmation is the answer, and it may hand out one attempt twice.
        queued = self.field.rabbit is not None and submission.office == self.field.offices[2].id
        if delivery.state is not DeliveryState.DELIVERED:
            yield Promise.DELIVERED, f"{delivery.id}: {delivery.state} ({delivery.last_error})"
        elif not came:
            yield Promise.DELIVERED, f"{delivery.id}: marked as delivered, and the office has nothing"
        else:
            account.delivered += 1
            if not queued and (submission.office, delivery.id) not in self.field.shelves.answered:
                yield Promise.DELIVERED, f"{delivery.id}: marked as delivered, and the office has not said so"
        if any((it.document, it.receipt, it.office) != (submission.digest, receipt, submission.office) for it in came):
            yield Promise.KNOWN, f"{delivery.id}: the office has something else"
        if len(came) > delivery.attempts and not queued:
            yield Promise.COUNTED, f"{delivery.id}: came {len(came)} times, {delivery.attempts} attempts are counted"
        account.repeats += max(len(came) - 1, 0)
        yield from self._law(record)

    def _law(self, record: Record) -> Iterator[Breach]:
        state = DeliveryState.WAITING
        steps = [
            DeliveryEvent(event.name.removeprefix(EVENT)) for event in record.events if event.name.startswith(EVENT)
        ]
        self.account.taken_over += steps.count(DeliveryEvent.TAKEN_OVER)
        try:
            for step in steps:
                state = follow(state, step)
        except IllegalTransition as breach:
            yield Promise.LAWFUL, f"{record.submission.id}: {breach} in {steps}"
            return
        if any(delivery.state is not state for delivery in record.deliveries):
            yield Promise.LAWFUL, f"{record.submission.id}: its events end in {state}"

    def _clients(self) -> Iterator[Breach]:
        answers, post = self.load.clients.answers, self.load.post
        for document in post.sound | post.unsound:
            if document not in answers:
                yield Promise.ANSWERED, f"{document}: no answer"
        refused = {(it.digest, it.code) for it in self.ledger.refusals(most=1_000_000)}
        for document, heard in answers.items():
            if len(heard) > 1:
                yield Promise.ONE, f"{document}: {len(heard)} different answers"
            for answer in heard:
                if answer.code:
                    self.account.refused += 1
                    if document in post.sound:
                        yield Promise.ANSWERED, f"{document}: refused ({answer.code})"
                    if (document, answer.code) not in refused:
                        yield Promise.TOLD, f"{document}: refused ({answer.code}), and nothing says so"
                elif self.known.get(answer.submission, ("", ""))[:2] != (document, answer.receipt):
                    yield Promise.KEPT, f"{answer.submission}: the store has no such receipt of this document"

    def _offices(self) -> Iterator[Breach]:
        ids: dict[str, set[str]] = defaultdict(set)
        for delivery, came in self.arrivals.items():
            for arrival in came:
                ids[arrival.document].add(delivery)
                if self.known.get(arrival.submission, ("", "", ""))[2] != delivery:
                    yield Promise.KNOWN, f"{delivery}: the store does not know it"
        for document, different in ids.items():
            if len(different) > 1:
                yield Promise.ONCE, f"{document}: handed over as {sorted(different)}"
