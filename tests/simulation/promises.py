"""Holds a simulated world to the promises of custody, once everything has come to rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from broker.errors import IllegalTransition
from broker.ports import Filter, Record
from broker.states import DeliveryEvent, DeliveryState, follow
from tests.crash.promises import EVENT, Promise
from tests.simulation.world import BAD, Arrival, Word, World

Breach = tuple[Promise, str]


def breaches(world: World) -> list[Breach]:
    """Return every promise that was broken, and how."""
    listed = world.store.list(Filter(most=100_000))
    records = {
        str(it.submission.id): shown for it in listed if (shown := world.store.show(it.submission.id)) is not None
    }
    words = [word for partner in world.partners for word in partner.words] + world.queue.replies + world.queue.dead
    arrivals = [arrival for office in world.offices.values() for arrival in office.arrivals]
    return [
        *_answers(world, words),
        *_receipts(world, records, words),
        *_submissions(records),
        *_refusals(world, words),
        *_handovers(world, records, arrivals),
        *_law(records, arrivals),
        *_fence(world, records),
    ]


def _answers(world: World, words: list[Word]) -> Iterator[Breach]:
    got: dict[str, set[tuple[str, bytes, str]]] = defaultdict(set)
    for word in words:
        got[word.digest].add((word.submission, word.receipt, word.code))
    sent = [letter for partner in world.partners for letter in partner.letters] + world.posted
    for letter in sent:
        answers, bad = got[letter.digest], letter.payload.startswith(BAD)
        if not answers:
            yield Promise.ANSWERED, f"{letter.payload!r}: no answer"
        elif len(answers) > 1:
            yield Promise.ONE, f"{letter.payload!r}: {len(answers)} different answers"
        elif any(bool(code) is not bad for _, _, code in answers):
            yield Promise.ANSWERED, f"{letter.payload!r}: {answers}"


def _receipts(world: World, records: dict[str, Record], words: list[Word]) -> Iterator[Breach]:
    for word in words:
        if word.code:
            continue
        record = records.get(word.submission)
        if record is None:
            yield Promise.KEPT, f"{word.submission}: a receipt without a submission"
        elif record.receipt.xml != word.receipt or record.submission.digest != word.digest:
            yield Promise.KEPT, f"{word.submission}: another receipt or document is kept"
        elif world.store.document(record.submission.id) is None:
            yield Promise.KEPT, f"{word.submission}: no document is kept"


def _submissions(records: dict[str, Record]) -> Iterator[Breach]:
    for digest, times in Counter(record.submission.digest for record in records.values()).items():
        if times > 1:
            yield Promise.ONE, f"{digest}: {times} submissions"


def _refusals(world: World, words: list[Word]) -> Iterator[Breach]:
    recorded = {(refusal.digest, refusal.code) for refusal in world.store.refusals(most=100_000)}
    for word in words:
        if word.code and (word.digest, word.code) not in recorded:
            yield Promise.TOLD, f"{word.digest}: refused, and nothing says so"


def _handovers(world: World, records: dict[str, Record], arrivals: list[Arrival]) -> Iterator[Breach]:
    ids: dict[str, set[str]] = defaultdict(set)
    for it in arrivals:
        ids[it.digest].add(it.delivery)
        record = records.get(it.submission)
        if record is None or record.submission.digest != it.digest or record.receipt.xml != it.receipt:
            yield Promise.KNOWN, f"{it.delivery}: {it.office} has what the store has not"
    for digest, different in ids.items():
        if len(different) > 1:
            yield Promise.ONCE, f"{digest}: handed over as {sorted(different)}"
    for record in records.values():
        for delivery in record.deliveries:
            said = delivery.id in world.offices[delivery.office].answered
            match delivery.state:
                case DeliveryState.WAITING | DeliveryState.SENDING:
                    yield Promise.DELIVERED, f"{delivery.id}: still {delivery.state}"
                case DeliveryState.DELIVERED if not said:
                    yield Promise.DELIVERED, f"{delivery.id}: marked as delivered, and the office has not said so"
        if len(record.deliveries) != 1:
            yield Promise.DELIVERED, f"{record.submission.id}: {len(record.deliveries)} deliveries"


def _law(records: dict[str, Record], arrivals: list[Arrival]) -> Iterator[Breach]:
    came = Counter(it.delivery for it in arrivals)
    for record in records.values():
        for delivery in record.deliveries:
            told = [event for event in record.events if event.delivery == delivery.id and event.name.startswith(EVENT)]
            steps = [DeliveryEvent(event.name.removeprefix(EVENT)) for event in told]
            state = DeliveryState.WAITING
            try:
                for step in steps:
                    state = follow(state, step)
            except IllegalTransition as breach:
                yield Promise.LAWFUL, f"{delivery.id}: {breach} in {steps}"
            else:
                if state is not delivery.state:
                    yield Promise.LAWFUL, f"{delivery.id}: is {delivery.state}, its events end in {state}"
            if came[delivery.id] > delivery.attempts:
                yield Promise.COUNTED, f"{delivery.id}: came {came[delivery.id]} times, {delivery.attempts} are counted"


def _fence(world: World, records: dict[str, Record]) -> Iterator[Breach]:
    for record in records.values():
        attempts: dict[str, int] = defaultdict(int)
        for event in record.events:
            if event.delivery is None or not event.name.startswith(EVENT):
                continue
            step = DeliveryEvent(event.name.removeprefix(EVENT))
            if step is DeliveryEvent.TAKEN_OVER and (event.delivery, attempts[event.delivery]) in world.recorded:
                yield (
                    Promise.FENCED,
                    f"{event.delivery}: attempt {attempts[event.delivery]} was taken over, and recorded",
                )
            attempts[event.delivery] += {
                DeliveryEvent.CLAIMED: 1,
                DeliveryEvent.TAKEN_OVER: 1,
                DeliveryEvent.RELEASED: -1,
            }.get(step, 0)
