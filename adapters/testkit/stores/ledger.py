"""What the operators' view promises: `list`, `show`, `document`, `refusals`, `requeue`, `stats`, the events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.leases import SECOND, claim_one, delivery
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COUNTY,
    GAVE_UP,
    LEASE,
    NOON,
    POSTPONED,
    REFUSED,
    TOWN,
    Hands,
    a_letter,
    a_refusal,
    again,
    kept,
)
from adapters.wire.kind import Custody
from broker.errors import LeaseLost
from broker.model import Acceptance, DeliveryId, SubmissionId
from broker.ports import EventRecord, Filter
from broker.pressure import Queued, Strain
from broker.states import TRANSITIONS, DeliveryEvent, DeliveryState


def ids(*letters: Acceptance) -> list[SubmissionId]:
    """Return the letters' submission ids."""
    return [letter.submission.id for letter in letters]


def found(store: Custody, **wanted: object) -> list[SubmissionId]:
    """Return the ids that a filter lets through."""
    return [record.submission.id for record in store.list(Filter(**wanted))]  # type: ignore[arg-type]


def events(store: Custody, letter: Acceptance) -> tuple[EventRecord, ...]:
    """Return what happened to a letter."""
    record = store.show(letter.submission.id)
    assert record is not None
    return record.events


class LedgerSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_show_tells_everything_about_one_submission(self, connect: Connect, store: Custody) -> None:
        letter = kept(store)
        kept(store)
        record = connect().show(letter.submission.id)
        assert record is not None
        assert record.submission == letter.submission
        assert record.receipt == letter.receipt
        assert record.report == letter.report
        assert record.deliveries == letter.deliveries
        assert [event.name for event in record.events] == ["intake.accepted"]

    def test_an_unknown_submission_is_none(self, store: Custody) -> None:
        nobody = SubmissionId("nobody")
        assert store.show(nobody) is None
        assert store.document(nobody) is None

    def test_a_list_is_newest_first_and_can_be_paged(self, store: Custody) -> None:
        letters = [kept(store) for _ in range(5)]
        newest = ids(*reversed(letters))
        assert found(store) == newest
        assert found(store, most=2) == newest[:2]
        assert found(store, most=2, after=newest[1]) == newest[2:4]

    def test_a_thousand_and_more_fit_into_one_list_and_one_requeue(self, store: Custody) -> None:
        letters = [a_letter() for _ in range(1005)]
        with ThreadPoolExecutor(32) as pool:
            assert list(pool.map(store.accept, letters)) == [letter.receipt for letter in letters]
        assert found(store, most=2000) == ids(*reversed(letters))
        assert list(store.requeue([letter.deliveries[0].id for letter in letters] * 40, "none waits for me")) == []

    def test_a_list_carries_receipt_and_deliveries_but_neither_report_nor_events(self, store: Custody) -> None:
        letter = kept(store)
        (record,) = store.list(Filter())
        assert (record.submission, record.receipt, record.deliveries) == (
            letter.submission,
            letter.receipt,
            letter.deliveries,
        )
        assert (record.report, record.events) == (b"", ())

    def test_a_filter_restricts_by_each_of_its_fields(self, store: Custody) -> None:
        one = kept(store, sender="one")
        two = kept(store, sender="two", office=COUNTY, accepted_at=NOON + SECOND)
        three = kept(store, sender="one", office=COUNTY)
        claims = {claim.delivery.submission: claim for claim in store.claim(LEASE, 10)}
        store.record(claims[one.submission.id], ACKNOWLEDGED)
        store.record(claims[two.submission.id], REFUSED)
        assert found(store, sender="one") == ids(three, one)
        assert found(store, office=COUNTY) == ids(three, two)
        assert found(store, office=COUNTY, sender="one") == ids(three)
        assert found(store, state=DeliveryState.REFUSED) == ids(two)
        assert found(store, state=DeliveryState.SENDING, office=COUNTY, sender="one") == ids(three)
        assert found(store, state=DeliveryState.SENDING, after=three.submission.id) == []
        assert found(store, digest=two.submission.digest) == ids(two)
        assert found(store, digest=two.submission.digest, sender="one") == []
        assert found(store, since=NOON + SECOND) == ids(two)

    def test_trials_are_listed_only_when_asked_for(self, store: Custody) -> None:
        real, trial = kept(store), kept(store, trial=True)
        assert found(store) == ids(real)
        assert found(store, trials=True) == ids(trial, real)

    def test_refusals_are_listed_newest_first(self, store: Custody) -> None:
        refusals = [a_refusal(at=NOON + n * SECOND, sender=f"s{n}") for n in range(4)]
        for refusal in refusals:
            store.refuse(refusal)
        assert list(store.refusals()) == refusals[::-1]
        assert list(store.refusals(most=1)) == refusals[-1:]
        assert list(store.refusals(since=NOON + 2 * SECOND)) == refusals[:1:-1]

    def test_a_requeued_delivery_begins_anew_under_its_old_id(self, store: Custody, clock: Hands) -> None:
        letters = [kept(store), kept(store)]
        for ending in (REFUSED, GAVE_UP):
            store.record(claim_one(store), ending)
        clock.pass_by(LEASE)
        wanted = [letter.deliveries[0].id for letter in letters]
        assert sorted(store.requeue(wanted, "the box exists now")) == sorted(wanted)
        for letter in letters:
            now = delivery(store, letter)
            assert replace(now, last_error="") == replace(letter.deliveries[0], since=clock.now, due_at=clock.now)
        claims = store.claim(LEASE, 10)
        assert {claim.delivery.id for claim in claims} == set(wanted)
        assert {claim.delivery.attempts for claim in claims} == {1}

    def test_only_what_waits_for_the_operator_is_requeued(self, store: Custody) -> None:
        waiting, sending, done = kept(store, due_at=NOON + LEASE), kept(store), kept(store, office=COUNTY)
        for claim in store.claim(LEASE, 2):
            if claim.delivery.office == COUNTY:
                store.record(claim, ACKNOWLEDGED)
        before = [delivery(store, letter) for letter in (waiting, sending, done)]
        assert {it.state for it in before} == {DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.DELIVERED}
        assert list(store.requeue([it.id for it in before] + [DeliveryId("nobody")], "try")) == []
        assert [delivery(store, letter) for letter in (waiting, sending, done)] == before

    def test_every_step_of_a_delivery_is_an_event_that_the_table_allows(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        store.record(claim_one(store), POSTPONED)
        clock.pass_by(LEASE)
        store.release(claim_one(store))
        claim_one(store)
        clock.pass_by(LEASE)
        store.record(claim_one(store), GAVE_UP)
        store.requeue([letter.deliveries[0].id], "the office is back")
        store.record(claim_one(store), ACKNOWLEDGED)
        first, *rest = events(store, letter)
        assert (first.name, first.delivery, first.submission) == ("intake.accepted", None, letter.submission.id)
        assert [DeliveryEvent(event.name.removeprefix("delivery.")) for event in rest] == [
            DeliveryEvent.CLAIMED,
            DeliveryEvent.POSTPONED,
            DeliveryEvent.CLAIMED,
            DeliveryEvent.RELEASED,
            DeliveryEvent.CLAIMED,
            DeliveryEvent.TAKEN_OVER,
            DeliveryEvent.GAVE_UP,
            DeliveryEvent.REQUEUED,
            DeliveryEvent.CLAIMED,
            DeliveryEvent.ACKNOWLEDGED,
        ]
        state = DeliveryState.WAITING
        for event in rest:
            assert event.delivery == letter.deliveries[0].id
            state = TRANSITIONS[state][DeliveryEvent(event.name.removeprefix("delivery."))]
        assert state is DeliveryState.DELIVERED
        assert [event.at for event in rest] == sorted(event.at for event in rest)
        told = {event.name: event.detail for event in rest}
        assert told["delivery.postponed"] == POSTPONED.error
        assert told["delivery.requeued"] == "the office is back"
        assert told["delivery.acknowledged"] == ACKNOWLEDGED.reference

    def test_what_did_not_happen_is_no_event(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        lost = claim_one(store)
        clock.pass_by(LEASE)
        claim_one(store)
        before = events(store, letter)
        store.accept(again(letter))
        store.requeue([letter.deliveries[0].id], "in vain")
        with pytest.raises(LeaseLost):
            store.release(lost)
        with pytest.raises(LeaseLost):
            store.record(lost, ACKNOWLEDGED)
        assert events(store, letter) == before

    def test_stats_count_by_state_and_name_the_oldest_that_waits(self, store: Custody) -> None:
        assert (store.stats().submissions, store.stats().oldest_waiting) == (0, None)
        kept(store), kept(store), kept(store)
        kept(store, trial=True)
        store.record(claim_one(store), ACKNOWLEDGED)
        claim_one(store)
        stats = store.stats()
        assert stats.submissions == 3
        assert {state: number for state, number in stats.deliveries.items() if number} == {
            DeliveryState.DELIVERED: 1,
            DeliveryState.SENDING: 1,
            DeliveryState.WAITING: 1,
        }
        assert stats.oldest_waiting == NOON

    def test_what_is_queued_is_told_by_office_and_what_has_ended_is_not(self, store: Custody) -> None:
        assert store.queued() == {}
        first, later = kept(store), kept(store, accepted_at=NOON + SECOND)
        kept(store, trial=True)
        office = first.submission.office
        assert store.queued() == {office: Queued(number=2, since=NOON)}
        store.record(claim_one(store), ACKNOWLEDGED)
        assert store.queued() == {office: Queued(number=1, since=later.deliveries[0].since)}
        claim = claim_one(store)
        assert store.queued()[office].number == 1  # being handed over, it still takes up room
        store.record(claim, ACKNOWLEDGED)
        assert store.queued() == {}

    def test_a_store_at_rest_is_under_no_strain(self, store: Custody) -> None:
        kept(store)
        assert store.strain() == Strain()

    def test_moments_come_back_to_the_microsecond_in_utc(self, store: Custody) -> None:
        odd = NOON + timedelta(microseconds=1)
        letter = kept(store, received_at=odd, accepted_at=odd + SECOND)
        record = store.show(letter.submission.id)
        assert record is not None
        assert record.submission.received_at == odd
        assert record.submission.received_at.utcoffset() == timedelta(0)

    def test_the_document_is_there_whatever_became_of_its_delivery(self, store: Custody) -> None:
        letter = kept(store, b"<a/>", office=TOWN)
        store.record(claim_one(store), REFUSED)
        assert store.document(letter.submission.id) == b"<a/>"
