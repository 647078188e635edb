"""What a store promises where many offices hang: who probes, how many at a time, in which order.  `claim`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.leases import claim_one
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COOLING,
    COUNTY,
    LEASE,
    NOON,
    POSTPONED,
    TOWN,
    Hands,
    at_once,
    kept,
    limits,
)
from adapters.wire.kind import Custody
from broker.model import Claim, OfficeId

SECOND = timedelta(seconds=1)
HANGING = [OfficeId(f"hangs{number}") for number in range(5)]


def opened(store: Custody, office: OfficeId, *, letters: int = 2, **about: Any) -> None:
    """Enrol an office, give it letters, and let its breaker open; more letters than failures wait for it."""
    store.enrol([limits(office, threshold=1)])
    for _ in range(letters):
        kept(store, office=office, **about)
    (claim,) = [it for it in store.claim(LEASE, 1, probes=0) if it.delivery.office == office]
    store.record(claim, replace(POSTPONED, wait=SECOND))


class ProbeSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_a_probe_is_taken_before_what_others_wait_for_and_no_more_than_were_asked_for(
        self, store: Custody, clock: Hands
    ) -> None:
        for name in HANGING:
            opened(store, name)
        clock.pass_by(COOLING)
        well = [kept(store, due_at=NOON - timedelta(days=1)) for _ in range(6)]
        assert [claim.probe for claim in store.claim(LEASE, 2, probes=0)] == [False, False]
        assert [claim.probe for claim in store.claim(LEASE, 1, probes=1)] == [True]
        assert [claim.probe for claim in store.claim(LEASE, 4, probes=2)] == [True, True, False, False]
        assert store.claim(LEASE, 0, probes=2) == []
        rest = store.claim(LEASE, 3, probes=0)
        assert {claim.delivery.office for claim in rest} == {TOWN}
        assert store.claim(LEASE, 3, probes=0) == []
        assert len(rest) + 4 == len(well)

    def test_a_claim_keeps_what_it_is_when_its_lease_is_prolonged(self, store: Custody, clock: Hands) -> None:
        opened(store, COUNTY)
        clock.pass_by(COOLING)
        assert store.renew(claim_one(store), LEASE).probe

    def test_an_office_that_is_well_again_is_probed_no_more(self, store: Custody, clock: Hands) -> None:
        opened(store, COUNTY)
        clock.pass_by(COOLING)
        store.record(claim_one(store), ACKNOWLEDGED)
        kept(store, office=COUNTY)
        assert not claim_one(store).probe

    def test_offices_are_probed_in_turn_however_old_the_letters_of_one_are(self, store: Custody, clock: Hands) -> None:
        for age, name in enumerate(HANGING):
            opened(store, name, letters=6, due_at=NOON - timedelta(days=age))
        probed = []
        for _ in range(3 * len(HANGING)):
            clock.pass_by(COOLING)
            claim = claim_one(store)
            probed.append(claim.delivery.office)
            store.record(claim, replace(POSTPONED, wait=SECOND))
        assert Counter(probed) == dict.fromkeys(HANGING, 3)

    def test_workers_that_ask_at_once_each_probe_as_many_as_they_may(
        self, connect: Connect, store: Custody, clock: Hands
    ) -> None:
        for name in HANGING:
            opened(store, name)
        for _ in range(8):
            kept(store)
        clock.pass_by(COOLING)
        stores = [store, connect()]
        taken = at_once([lambda n=n: stores[n % 2].claim(LEASE, 2, probes=n % 3) for n in range(6)])  # type: ignore[misc]
        for number, claims in enumerate(taken):
            assert not isinstance(claims, Exception)
            assert len(claims) <= 2
            assert sum(claim.probe for claim in claims) <= number % 3

    @pytest.mark.parametrize("hanging", [1, len(HANGING)])
    def test_offices_that_hang_take_no_more_than_their_share_from_one_that_is_well_and_are_found_when_they_recover(
        self, store: Custody, clock: Hands, hanging: int
    ) -> None:
        """Four places, one for probes; an attempt at an office that hangs takes longer than its cooling."""
        names = HANGING[:hanging]
        for name in names:
            opened(store, name, letters=20)
        under_way: list[tuple[int, Claim]] = []
        found: set[OfficeId] = set()
        for turn in range(6 + 4 * hanging):
            clock.pass_by(COOLING)
            well_again = set(names) if turn > 3 + 2 * hanging else set()
            fresh = {kept(store, due_at=clock.now).deliveries[0].id for _ in range(3)}
            free = 4 - len(under_way)
            for claim in store.claim(LEASE, free, probes=1 - sum(claim.probe for _, claim in under_way)):
                fresh.discard(claim.delivery.id)
                office = claim.delivery.office
                if office == TOWN or office in well_again:
                    store.record(claim, ACKNOWLEDGED)
                    found |= {office} - {TOWN}
                else:
                    under_way.append((turn + 2, claim))
            assert well_again or not fresh
            for ends, claim in [it for it in under_way if it[0] <= turn]:
                under_way.remove((ends, claim))
                store.record(claim, replace(POSTPONED, wait=SECOND))
        assert found == set(names)
