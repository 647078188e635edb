"""One claimed delivery is tried, and what came of it is written down."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from adapters.stores.memory import MemoryStore
from adapters.testkit.stores.values import LEASE, Hands, kept, limits
from broker.dispatch import Dispatcher
from broker.errors import Refused, Unavailable
from broker.retry import RetryPolicy
from broker.states import DeliveryState


class Office:
    """Answers one thing, and remembers what it was handed."""

    def __init__(self, answer="EZD/1"):
        self.answer, self.given, self.lent = answer, [], 0

    def deliver(self, parcel):
        self.given.append(parcel)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def check(self):
        self.lent += 0

    def close(self):
        self.lent = 0

    @contextmanager
    def lend(self, _office):
        self.lent += 1
        try:
            yield self
        finally:
            self.lent -= 1


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def store(clock):
    store = MemoryStore(clock)
    store.enrol([limits(threshold=1)])
    return store


def dispatch(store, office, claim, lend=None):
    dispatcher = Dispatcher(store=store, lend=lend or office.lend, policy=RetryPolicy(), jitter=lambda: 0.0)
    with capture_logs() as logs:
        dispatcher.deliver(claim)
    return [entry["event"] for entry in logs]


def delivery(store, letter):
    return store.show(letter.submission.id).deliveries[0]


def test_the_office_is_handed_the_parcel_and_its_answer_is_kept(store):
    letter, office = kept(store, b"<a>\n</a>\n"), Office()
    (claim,) = store.claim(LEASE)
    assert dispatch(store, office, claim) == ["delivery.acknowledged"]
    assert office.given == [store.parcel(claim)]
    assert delivery(store, letter).reference == "EZD/1"
    assert office.lent == 0


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Unavailable("down"), DeliveryState.WAITING),
        (Refused("no such box"), DeliveryState.REFUSED),
        (ZeroDivisionError(), DeliveryState.WAITING),
    ],
)
def test_what_the_office_raises_decides_what_becomes_of_the_delivery(store, answer, state):
    letter, office = kept(store), Office(answer)
    (claim,) = store.claim(LEASE)
    dispatch(store, office, claim)
    assert delivery(store, letter).state is state
    assert office.lent == 0


def test_an_office_that_cannot_be_lent_is_tried_later(store):
    letter = kept(store)
    (claim,) = store.claim(LEASE)

    def lend(_office):
        raise Unavailable("not configured here")

    assert dispatch(store, None, claim, lend) == ["delivery.postponed"]
    assert delivery(store, letter).last_error == "not configured here"


def test_a_node_that_does_not_know_an_office_keeps_no_other_node_from_it(store):
    kept(store)
    kept(store, b"<next/>")
    (claim,) = store.claim(LEASE)

    def lend(_office):
        raise Unavailable("not configured here")

    dispatch(store, None, claim, lend)
    assert len(store.claim(LEASE)) == 1  # one failure would have opened the breaker


def test_a_killed_worker_leaves_the_delivery_to_be_taken_over(store, clock):
    letter, office = kept(store), Office(SystemExit())
    (claim,) = store.claim(LEASE)
    with suppress(SystemExit):
        dispatch(store, office, claim)
    assert delivery(store, letter).state is DeliveryState.SENDING
    clock.pass_by(LEASE)
    assert len(store.claim(LEASE)) == 1


def test_a_document_that_has_killed_too_many_is_quarantined_without_asking_or_blaming_the_office(store, clock):
    letter, office = kept(store), Office()
    for _ in range(RetryPolicy().crashes + 1):
        (claim,) = store.claim(LEASE)
        clock.pass_by(LEASE)
    assert dispatch(store, office, claim) == ["delivery.gave-up"]
    assert office.given == []
    assert delivery(store, letter).state is DeliveryState.QUARANTINED
    kept(store)
    assert len(store.claim(LEASE)) == 1  # one failure would have opened this office's breaker


class Away(MemoryStore):
    """A store that cannot be reached for what is named."""

    away = ""

    def parcel(self, claim):
        if self.away == "parcel":
            raise Unavailable("the store is away")
        return super().parcel(claim)

    def record(self, claim, outcome):
        if self.away == "record":
            raise Unavailable("the store is away")
        super().record(claim, outcome)


def test_a_store_that_is_away_is_not_held_against_the_office(clock):
    store = Away(clock)
    store.enrol([limits(threshold=1)])
    kept(store), kept(store)
    (claim,) = store.claim(LEASE)
    store.away = "parcel"
    office = Office()
    assert dispatch(store, office, claim) == ["delivery.postponed"]
    assert office.given == []
    assert len(store.claim(LEASE)) == 1


def test_an_outcome_that_cannot_be_recorded_leaves_the_delivery_to_its_lease(clock):
    store = Away(clock)
    store.enrol([limits()])
    letter = kept(store)
    (claim,) = store.claim(LEASE)
    store.away = "record"
    assert dispatch(store, Office(), claim) == ["delivery.unrecorded"]
    clock.pass_by(LEASE)
    (again,) = store.claim(LEASE)
    assert again.delivery.id == letter.deliveries[0].id


def test_who_lost_the_lease_records_nothing(store, clock):
    letter = kept(store)
    (slow,) = store.claim(LEASE)
    clock.pass_by(LEASE + timedelta(seconds=1))
    (quick,) = store.claim(LEASE)
    assert dispatch(store, Office(), slow) == ["delivery.lease-lost"]
    assert delivery(store, letter) == quick.delivery


def test_a_document_has_its_room_before_an_office_is_lent_and_gives_it_back_whatever_the_answer(store):
    kept(store, b"<a/>")
    held, seen = [], []

    @contextmanager
    def room(size):
        held.append(size)
        try:
            yield
        finally:
            held.pop()

    office = Office(Unavailable("away"))
    office.lend = lambda _office: (seen.append(list(held)), Office.lend(office, _office))[1]
    (claim,) = store.claim(LEASE)
    with capture_logs():
        Dispatcher(store=store, lend=office.lend, policy=RetryPolicy(), jitter=lambda: 0.0, room=room).deliver(claim)
    assert (seen, held) == ([[4]], [])
