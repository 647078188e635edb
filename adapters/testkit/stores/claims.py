"""What a store promises about deliveries and offices: `enrol`, `claim`, `record`, `pause`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.leases import claim_one, delivery
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COOLING,
    COUNTY,
    GAVE_UP,
    LEASE,
    NOON,
    POSTPONED,
    REFUSED,
    TOWN,
    Hands,
    as_claimed,
    at_once,
    kept,
    limits,
    outcome,
)
from adapters.wire.kind import Custody
from broker.errors import IllegalTransition, LeaseLost
from broker.model import OfficeId, Outcome
from broker.states import DeliveryEvent, DeliveryState

SECOND = timedelta(seconds=1)


class ClaimSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_a_claim_counts_the_attempt_and_names_its_lease(self, store: Custody) -> None:
        letter = kept(store)
        claim = claim_one(store)
        assert claim.delivery == as_claimed(letter)
        assert (claim.claimed_at, claim.expires_at) == (NOON, NOON + LEASE)
        assert claim.token

    def test_a_delivery_is_claimed_once(self, connect: Connect, store: Custody) -> None:
        letters = [kept(store) for _ in range(30)]
        stores = [store, connect()]
        taken = at_once([lambda n=n: stores[n % 2].claim(LEASE, 5) for n in range(12)])  # type: ignore[misc]
        while more := store.claim(LEASE, 5):  # a store may pass over what another was just looking at
            taken.append(more)
        ids = Counter(claim.delivery.id for claims in taken if not isinstance(claims, Exception) for claim in claims)
        assert ids == Counter(letter.deliveries[0].id for letter in letters)

    def test_claims_have_tokens_of_their_own(self, store: Custody) -> None:
        kept(store), kept(store)
        assert claim_one(store).token != claim_one(store).token

    def test_nothing_is_claimed_before_it_is_due(self, store: Custody, clock: Hands) -> None:
        kept(store, due_at=NOON + SECOND)
        assert store.claim(LEASE) == []
        clock.pass_by(SECOND)
        assert len(store.claim(LEASE)) == 1

    def test_the_longest_due_comes_first_over_all_offices(self, store: Custody, clock: Hands) -> None:
        late, early, middle = (
            kept(store, due_at=NOON + 3 * SECOND),
            kept(store, due_at=NOON + SECOND),
            kept(store, due_at=NOON + 2 * SECOND, office=COUNTY),
        )
        clock.pass_by(LEASE)
        claimed = [claim.delivery.submission for claim in store.claim(LEASE, 2)]
        assert claimed == [early.submission.id, middle.submission.id]
        assert claim_one(store).delivery.submission == late.submission.id

    def test_no_more_are_claimed_than_were_asked_for(self, store: Custody) -> None:
        for _ in range(3):
            kept(store)
        assert len(store.claim(LEASE, 2)) == 2
        assert store.claim(LEASE, 0) == []

    def test_deliveries_to_an_office_that_is_not_enrolled_wait_for_it(self, store: Custody) -> None:
        new = OfficeId("new")
        kept(store, office=new)
        assert store.claim(LEASE) == []
        store.enrol([limits(new)])
        assert len(store.claim(LEASE)) == 1

    # ── outcomes ──

    def test_an_acknowledged_delivery_keeps_the_offices_reference(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        claim = claim_one(store)
        store.record(claim, ACKNOWLEDGED)
        assert delivery(store, letter) == replace(claim.delivery, state=DeliveryState.DELIVERED, reference="EZD/1/2026")
        clock.pass_by(10 * LEASE)
        assert store.claim(LEASE) == []

    @pytest.mark.parametrize("final", [REFUSED, GAVE_UP], ids=lambda it: it.event)
    def test_a_final_no_waits_for_the_operator(self, store: Custody, clock: Hands, final: Outcome) -> None:
        letter = kept(store)
        claim = claim_one(store)
        store.record(claim, final)
        assert delivery(store, letter) == replace(claim.delivery, state=final.state, last_error=final.error)
        clock.pass_by(10 * LEASE)
        assert store.claim(LEASE) == []

    def test_a_postponed_delivery_is_due_after_its_wait(self, store: Custody, clock: Hands) -> None:
        kept(store)
        clock.pass_by(SECOND)
        store.record(claim_one(store), POSTPONED)
        clock.pass_by(POSTPONED.wait - SECOND)
        assert store.claim(LEASE) == []
        clock.pass_by(SECOND)
        again = claim_one(store).delivery
        assert (again.attempts, again.crashes, again.due_at) == (2, 0, clock.now)
        assert again.last_error == POSTPONED.error

    @pytest.mark.parametrize("ending", [ACKNOWLEDGED, POSTPONED, REFUSED, GAVE_UP], ids=lambda it: it.event)
    def test_an_outcome_is_recorded_once(self, store: Custody, ending: Outcome) -> None:
        letter = kept(store)
        claim = claim_one(store)
        store.record(claim, ending)
        after = delivery(store, letter)
        with pytest.raises(LeaseLost):
            store.record(claim, ending)
        assert delivery(store, letter) == after

    @pytest.mark.parametrize(
        "wrong",
        [
            replace(ACKNOWLEDGED, state=DeliveryState.WAITING),
            replace(ACKNOWLEDGED, event=DeliveryEvent.CLAIMED),
            replace(POSTPONED, event=DeliveryEvent.RELEASED),
            replace(ACKNOWLEDGED, event=DeliveryEvent.TAKEN_OVER, state=DeliveryState.SENDING),
            replace(ACKNOWLEDGED, event=DeliveryEvent.REQUEUED),
        ],
        ids=lambda it: f"{it.event}-{it.state}",
    )
    def test_what_no_attempt_can_end_in_is_refused_and_changes_nothing(self, store: Custody, wrong: Outcome) -> None:
        letter = kept(store)
        claim = claim_one(store)
        with pytest.raises(IllegalTransition):
            store.record(claim, wrong)
        assert delivery(store, letter) == claim.delivery
        store.record(claim, ACKNOWLEDGED)

    # ── offices ──

    def test_no_more_attempts_are_in_flight_than_the_office_allows(self, connect: Connect, store: Custody) -> None:
        store.enrol([limits(in_flight=3)])
        for _ in range(10):
            kept(store)
        stores = [store, connect()]
        taken = at_once([lambda n=n: stores[n % 2].claim(LEASE, 2) for n in range(8)])  # type: ignore[misc]
        claims = [claim for some in taken if not isinstance(some, Exception) for claim in some]
        claims += store.claim(LEASE, 10)
        assert len(claims) == 3
        store.record(claims[0], ACKNOWLEDGED)
        store.release(claims[1])
        assert len(store.claim(LEASE, 10)) == 2

    def test_a_dead_workers_attempts_do_not_count_as_in_flight(self, store: Custody, clock: Hands) -> None:
        store.enrol([limits(in_flight=2)])
        for _ in range(4):
            kept(store)
        assert len(store.claim(LEASE, 10)) == 2
        clock.pass_by(LEASE)
        assert len(store.claim(LEASE, 10)) == 2

    def test_a_full_office_does_not_hold_up_another(self, store: Custody) -> None:
        store.enrol([limits(in_flight=1)])
        for _ in range(5):
            kept(store)
        other = kept(store, office=COUNTY, due_at=NOON)
        assert {claim.delivery.office for claim in store.claim(LEASE, 2)} == {TOWN, COUNTY}
        assert delivery(store, other).state is DeliveryState.SENDING

    def test_an_office_without_room_does_not_stand_before_one_with(self, store: Custody, clock: Hands) -> None:
        store.enrol([limits(threshold=1)])
        kept(store), kept(store)
        store.record(claim_one(store), POSTPONED)
        clock.pass_by(COOLING)
        assert claim_one(store).delivery.office == TOWN
        other = kept(store, office=COUNTY, due_at=clock.now)
        assert claim_one(store).delivery.id == other.deliveries[0].id

    def test_failures_in_a_row_open_the_breaker_for_all(self, connect: Connect, store: Custody) -> None:
        store.enrol([limits(threshold=2)])
        for _ in range(5):
            kept(store)
        store.record(claim_one(store), POSTPONED)
        store.record(claim_one(store), POSTPONED)
        assert connect().claim(LEASE, 10) == []

    def test_a_success_between_failures_keeps_the_breaker_closed(self, store: Custody) -> None:
        store.enrol([limits(threshold=2)])
        for _ in range(5):
            kept(store)
        for ending in (POSTPONED, REFUSED, POSTPONED):
            store.record(claim_one(store), ending)
        assert len(store.claim(LEASE, 10)) == 2

    def test_when_cooling_is_over_one_attempt_probes(self, connect: Connect, store: Custody, clock: Hands) -> None:
        store.enrol([limits(threshold=1)])
        for _ in range(5):
            kept(store)
        store.record(claim_one(store), POSTPONED)
        clock.pass_by(COOLING - SECOND)
        assert store.claim(LEASE, 10) == []
        clock.pass_by(SECOND)
        (probe,) = store.claim(LEASE, 10)
        assert connect().claim(LEASE, 10) == []
        store.record(probe, POSTPONED)
        assert store.claim(LEASE, 10) == []
        clock.pass_by(COOLING)
        store.record(claim_one(store), ACKNOWLEDGED)
        assert len(store.claim(LEASE, 10)) == 4 - 1

    def test_a_probe_given_back_leaves_the_breaker_half_open(self, store: Custody, clock: Hands) -> None:
        store.enrol([limits(threshold=1)])
        kept(store), kept(store)
        store.record(claim_one(store), POSTPONED)
        clock.pass_by(COOLING)
        store.release(claim_one(store))
        assert len(store.claim(LEASE, 10)) == 1

    def test_an_outcome_that_tells_nothing_about_the_office_leaves_its_breaker_alone(self, store: Custody) -> None:
        store.enrol([limits(threshold=2)])
        for _ in range(5):
            kept(store)
        store.record(claim_one(store), POSTPONED)
        store.record(claim_one(store), outcome(DeliveryEvent.GAVE_UP, healthy=None))
        assert len(store.claim(LEASE)) == 1
        store.record(claim_one(store), POSTPONED)
        assert store.claim(LEASE) == []

    def test_enrolling_again_changes_limits_and_leaves_breaker_and_pause(self, store: Custody) -> None:
        store.enrol([limits(threshold=1), limits(COUNTY)])
        store.pause(COUNTY, paused=True)
        kept(store), kept(store), kept(store, office=COUNTY)
        store.record(claim_one(store), POSTPONED)
        store.enrol([limits(threshold=9, in_flight=7), limits(COUNTY)])
        assert store.claim(LEASE, 10) == []

    def test_a_paused_office_gets_nothing_until_it_is_resumed(self, connect: Connect, store: Custody) -> None:
        kept(store)
        assert store.pause(TOWN, paused=True)
        assert connect().claim(LEASE) == []
        assert store.pause(TOWN, paused=False)
        assert len(connect().claim(LEASE)) == 1

    def test_an_unknown_office_cannot_be_paused(self, store: Custody) -> None:
        assert not store.pause(OfficeId("nowhere"), paused=True)
