"""What a store promises about leases: who holds a delivery, for how long, and who takes over.  `renew`, `release`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    GAVE_UP,
    LEASE,
    POSTPONED,
    REFUSED,
    Hands,
    as_claimed,
    at_once,
    kept,
)
from adapters.wire.kind import Custody
from broker.errors import LeaseLost
from broker.model import Acceptance, Claim, Delivery, Outcome
from broker.states import DeliveryState

SECOND = timedelta(seconds=1)


def delivery(store: Custody, letter: Acceptance) -> Delivery:
    """Return the letter's delivery as it stands."""
    record = store.show(letter.submission.id)
    assert record is not None
    return record.deliveries[0]


def claim_one(store: Custody) -> Claim:
    """Claim exactly one delivery."""
    (claim,) = store.claim(LEASE)
    return claim


class LeaseSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_an_expired_claim_is_taken_over_and_a_crash_counted(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        claim_one(store)
        clock.pass_by(LEASE - SECOND)
        assert store.claim(LEASE) == []
        clock.pass_by(SECOND)
        assert claim_one(store).delivery == as_claimed(letter, attempts=2, crashes=1)

    def test_who_lost_the_lease_can_do_nothing(self, connect: Connect, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        slow = claim_one(store)
        clock.pass_by(LEASE)
        quick = claim_one(connect())
        with pytest.raises(LeaseLost):
            store.record(slow, ACKNOWLEDGED)
        with pytest.raises(LeaseLost):
            store.renew(slow, LEASE)
        with pytest.raises(LeaseLost):
            store.release(slow)
        assert delivery(store, letter) == quick.delivery
        store.record(quick, ACKNOWLEDGED)
        assert delivery(store, letter).state is DeliveryState.DELIVERED

    def test_a_late_outcome_counts_while_nobody_took_over(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        claim = claim_one(store)
        clock.pass_by(2 * LEASE)
        store.record(claim, ACKNOWLEDGED)
        assert delivery(store, letter).state is DeliveryState.DELIVERED
        assert store.claim(LEASE) == []

    def test_renewal_counts_from_now(self, store: Custody, clock: Hands) -> None:
        kept(store)
        claim = claim_one(store)
        clock.pass_by(LEASE - SECOND)
        renewed = store.renew(claim, LEASE)
        assert renewed == replace(claim, expires_at=clock.now + LEASE)
        clock.pass_by(LEASE - SECOND)
        assert store.claim(LEASE) == []
        store.record(renewed, ACKNOWLEDGED)

    def test_a_lease_that_ran_out_can_be_renewed_while_nobody_took_over(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        claim = claim_one(store)
        clock.pass_by(2 * LEASE)
        renewed = store.renew(claim, LEASE)
        assert renewed == replace(claim, expires_at=clock.now + LEASE)
        clock.pass_by(LEASE - SECOND)
        assert store.claim(LEASE) == []
        assert delivery(store, letter) == as_claimed(letter)
        store.record(renewed, ACKNOWLEDGED)

    def test_a_lease_that_was_taken_over_cannot_be_renewed(
        self, connect: Connect, store: Custody, clock: Hands
    ) -> None:
        letter = kept(store)
        slow = claim_one(store)
        clock.pass_by(LEASE)
        quick = claim_one(connect())
        with pytest.raises(LeaseLost):
            store.renew(slow, 10 * LEASE)
        clock.pass_by(LEASE)
        with pytest.raises(LeaseLost):  # now the other's has run out too, and still it is the other's
            store.renew(slow, 10 * LEASE)
        assert delivery(store, letter) == quick.delivery
        assert claim_one(store).delivery.crashes == 2

    @pytest.mark.parametrize(
        "ending", [ACKNOWLEDGED, POSTPONED, REFUSED, GAVE_UP, None], ids=lambda it: it.event if it else "released"
    )
    def test_a_claim_that_has_ended_cannot_be_renewed(self, store: Custody, ending: Outcome | None) -> None:
        kept(store)
        claim = claim_one(store)
        if ending is None:
            store.release(claim)
        else:
            store.record(claim, ending)
        with pytest.raises(LeaseLost):
            store.renew(claim, LEASE)

    def test_of_a_renewal_and_a_claim_that_meet_one_gets_the_delivery(
        self, connect: Connect, store: Custody, clock: Hands
    ) -> None:
        for _ in range(10):
            kept(store)
        held = store.claim(LEASE, 10)
        clock.pass_by(LEASE)
        other = connect()
        renewals: list[Callable[[], Sequence[Claim]]] = [lambda it=it: [store.renew(it, LEASE)] for it in held]  # type: ignore[misc]
        answers = at_once([*renewals, *[lambda: other.claim(LEASE, 3)] * 3])
        lost = [it.delivery.id for it, answer in zip(held, answers[:10], strict=True) if isinstance(answer, Exception)]
        taken = [claim.delivery.id for answer in answers[10:] if not isinstance(answer, Exception) for claim in answer]
        assert {type(answer) for answer in answers if isinstance(answer, Exception)} <= {LeaseLost}
        assert sorted(taken) == sorted(lost)

    def test_a_released_claim_gives_its_attempt_back(self, store: Custody) -> None:
        letter = kept(store)
        claim = claim_one(store)
        store.release(claim)
        assert delivery(store, letter) == letter.deliveries[0]
        with pytest.raises(LeaseLost):
            store.record(claim, ACKNOWLEDGED)
        assert claim_one(store).delivery == as_claimed(letter)

    def test_a_claim_released_with_a_wait_is_due_again_after_it(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        store.release(claim_one(store), 2 * LEASE)
        assert delivery(store, letter) == replace(letter.deliveries[0], due_at=clock() + 2 * LEASE)
        clock.pass_by(2 * LEASE - timedelta(milliseconds=1))
        assert store.claim(LEASE) == []
        clock.pass_by(timedelta(milliseconds=1))
        assert claim_one(store).delivery.attempts == 1
