"""What `Quarantine` promises: what is stuck is told by cause, sent round again, or given to another office."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.leases import SECOND, claim_one, delivery
from adapters.testkit.stores.ledger import events
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COUNTY,
    GAVE_UP,
    LEASE,
    NOON,
    REFUSED,
    TOWN,
    Hands,
    a_letter,
    fingerprint,
    kept,
    outcome,
)
from adapters.wire.kind import Custody
from broker.custody import READMITTED
from broker.errors import Refused
from broker.identity import delivery_id
from broker.model import Acceptance, Delivery, DeliveryId, OfficeId, Outcome
from broker.quarantine import Selection, Spread, grouped, selected
from broker.states import DeliveryEvent, DeliveryState

WAITING = Selection(states=frozenset({DeliveryState.WAITING}))
UNREACHED = outcome(DeliveryEvent.GAVE_UP, error="line.unreachable: connection refused")
LOST = outcome(DeliveryEvent.GAVE_UP, error="line.silent: no whole answer within 45 s")
SAID_NO = outcome(DeliveryEvent.REFUSED, error="office.status-7: the office answered status 7")


def stuck(store: Custody, ended: Outcome = SAID_NO, **about: Any) -> Acceptance:
    """Put a letter into custody and let its one attempt end so."""
    letter = kept(store, **about)
    store.record(claim_one(store), ended)
    return letter


def of(letter: Acceptance) -> DeliveryId:
    """Return the id of the letter's first delivery."""
    return letter.deliveries[0].id


def there(store: Custody, letter: Acceptance) -> dict[OfficeId, Delivery]:
    """Return a letter's deliveries by office."""
    record = store.show(letter.submission.id)
    assert record is not None
    return {one.office: one for one in record.deliveries}


class QuarantineSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_what_is_stuck_is_told_by_cause_and_what_is_not_is_left_out(self, store: Custody, clock: Hands) -> None:
        kept(store, office=COUNTY)
        store.record(claim_one(store), ACKNOWLEDGED)
        lost = outcome(DeliveryEvent.GAVE_UP, error="line.silent: no whole answer within 46 s")
        letters = [stuck(store, LOST)]
        clock.pass_by(SECOND)
        letters += [stuck(store, lost), stuck(store, LOST, office=COUNTY), stuck(store, SAID_NO)]
        kept(store)
        silent, final = grouped(store.quarantine.piles(Selection()))
        assert (silent.cause, silent.permanent, silent.number) == ("line.silent", False, 3)
        assert (silent.oldest, silent.offices) == (NOON, {TOWN: 2, COUNTY: 1})
        assert set(silent.examples) == {of(one) for one in letters[:3]}
        assert (final.cause, final.permanent, final.number) == ("office.status-7", True, 1)
        assert grouped(store.quarantine.piles(Selection(office=COUNTY)))[0].number == 1

    def test_a_selection_is_found_page_by_page_in_one_order(self, store: Custody) -> None:
        letters = [stuck(store, REFUSED if number % 2 else GAVE_UP) for number in range(7)]
        found = list(selected(store.quarantine, Selection(), most=2))
        assert sorted(one.id for one in found) == sorted(of(one) for one in letters)
        assert found == list(selected(store.quarantine, Selection()))
        assert store.quarantine.find(Selection(), found[-1]) == []

    def test_each_field_of_a_selection_restricts(self, store: Custody, clock: Hands) -> None:
        early = stuck(store, LOST)
        clock.pass_by(SECOND)
        late = stuck(store, SAID_NO, office=COUNTY)
        store.quarantine.requeue([of(late)], "to see it again later")
        store.record(claim_one(store), SAID_NO)
        waits = kept(store)
        for wanted, letter in (
            (Selection(office=COUNTY), late),
            (Selection(cause="line.silent"), early),
            (Selection(since=NOON + SECOND), late),
            (Selection(until=NOON + SECOND), early),
            (Selection(states=frozenset({DeliveryState.REFUSED})), late),
            (Selection(ids=(of(early),)), early),
            (WAITING, waits),
        ):
            assert [one.id for one in selected(store.quarantine, wanted)] == [of(letter)]

    def test_a_requeue_may_be_spread_by_due_times_that_outlive_whoever_asked(
        self, store: Custody, connect: Connect, clock: Hands
    ) -> None:
        letters = [stuck(store) for _ in range(3)]
        waits = kept(store, due_at=NOON + timedelta(days=1))
        wanted = [of(letters[0]), of(waits), of(letters[1]), of(letters[2])]
        spread = Spread(first=SECOND, step=10 * SECOND)
        assert store.quarantine.requeue(wanted, "slowly", spread) == [of(letter) for letter in letters]
        assert store.claim(LEASE) == []
        later = connect()
        for number, letter in enumerate(letters):
            due = NOON + SECOND + number * 10 * SECOND
            assert (delivery(store, letter).due_at, delivery(store, letter).since) == (due, due)
            clock.now = due
            assert [claim.delivery.id for claim in later.claim(LEASE, 9)] == [of(letter)]

    def test_a_requeue_that_was_broken_off_can_be_made_again(self, store: Custody) -> None:
        first, second = stuck(store), stuck(store)
        wanted = [of(first), of(second)]
        store.quarantine.requeue(wanted[:1], "all of them")
        before = events(store, first)
        assert store.quarantine.requeue(wanted, "all of them") == wanted[1:]
        assert events(store, first) == before

    def test_a_redirected_delivery_keeps_what_it_says_and_another_takes_the_document(self, store: Custody) -> None:
        letter = stuck(store)
        old, said = delivery(store, letter), events(store, letter)
        done = store.quarantine.redirect([old.id], COUNTY, "the district is theirs now")
        new = delivery_id(fingerprint(letter), COUNTY)
        assert done.made == {old.id: new}
        assert done.held_back == ()
        deliveries = there(store, letter)
        assert deliveries[TOWN].state is DeliveryState.REDIRECTED
        assert (deliveries[TOWN].last_error, deliveries[TOWN].attempts) == (old.last_error, old.attempts)
        *before, last = events(store, letter)
        assert tuple(before) == said
        assert (last.name, last.delivery) == ("delivery.redirected", old.id)
        assert last.detail == f"to {COUNTY} as {new}: the district is theirs now"
        claim = claim_one(store)
        assert (claim.delivery.id, claim.delivery.office, claim.delivery.attempts) == (new, COUNTY, 1)
        assert store.parcel(claim).document == letter.document
        store.record(claim, ACKNOWLEDGED)
        assert store.quarantine.unfinished() == {}

    def test_a_dry_run_tells_what_would_be_done_and_does_nothing(self, store: Custody) -> None:
        letter, lost = stuck(store), stuck(store, LOST)
        wanted, before = [of(letter), of(lost)], (events(store, letter), there(store, letter))
        planned = store.quarantine.redirect(wanted, COUNTY, "moved", dry_run=True)
        assert (events(store, letter), there(store, letter)) == before
        assert store.quarantine.redirect(wanted, COUNTY, "moved") == planned
        assert (set(planned.made), planned.held_back) == ({of(letter)}, (of(lost),))

    def test_what_is_redirected_again_or_requeued_afterwards_is_left_alone(self, store: Custody) -> None:
        letter = stuck(store)
        store.quarantine.redirect([of(letter)], COUNTY, "once")
        before = events(store, letter)
        assert store.quarantine.redirect([of(letter)], COUNTY, "twice").made == {}
        assert store.quarantine.requeue([of(letter)], "back") == []
        new = there(store, letter)[COUNTY].id
        assert store.quarantine.redirect([new], TOWN, "back").made == {}  # it had it under that id already
        assert events(store, letter) == before

    def test_what_may_have_reached_its_office_is_held_back(self, store: Custody, clock: Hands) -> None:
        lost, unreached = stuck(store, LOST), stuck(store, UNREACHED)
        crashed = kept(store)
        claim_one(store)
        clock.pass_by(LEASE)
        store.record(claim_one(store), UNREACHED)
        store.quarantine.requeue([of(crashed)], "counts begin anew, what happened did happen")
        store.record(claim_one(store), UNREACHED)
        wanted = [of(one) for one in (lost, unreached, crashed)]
        done = store.quarantine.redirect(wanted, COUNTY, "down for good")
        assert set(done.made) == {of(unreached)}
        assert set(done.held_back) == {of(lost), of(crashed)}
        again = store.quarantine.redirect(wanted, COUNTY, "they have looked: it is not there", even_if_sent=True)
        assert set(again.made) == {of(lost), of(crashed)}

    def test_what_was_taken_back_is_held_back_for_what_came_of_it_before_is_forgotten(self, store: Custody) -> None:
        letter = stuck(store, UNREACHED, notes=("grace", READMITTED))
        for dry_run in (True, False):
            done = store.quarantine.redirect([of(letter)], COUNTY, "merged", dry_run=dry_run)
            assert (done.made, done.held_back) == ({}, (of(letter),))
        done = store.quarantine.redirect([of(letter)], COUNTY, "they have looked", even_if_sent=True)
        assert set(done.made) == {of(letter)}

    def test_what_waits_can_be_redirected_and_what_is_being_handed_over_cannot(self, store: Custody) -> None:
        sending = kept(store)
        claim = claim_one(store)
        waits = kept(store)
        assert set(store.quarantine.redirect([of(sending), of(waits)], COUNTY, "moved").made) == {of(waits)}
        store.record(claim, ACKNOWLEDGED)
        assert [one.delivery.office for one in store.claim(LEASE, 9)] == [COUNTY]

    def test_an_office_that_the_store_does_not_know_gets_nothing(self, store: Custody) -> None:
        letter = stuck(store)
        with pytest.raises(Refused):
            store.quarantine.redirect([of(letter)], OfficeId("nobody"), "")
        assert delivery(store, letter).state is DeliveryState.REFUSED

    def test_its_own_office_gets_it_by_a_requeue_only(self, store: Custody) -> None:
        letter = stuck(store)
        assert store.quarantine.redirect([of(letter)], TOWN, "").made == {}

    def test_what_is_not_final_is_counted_by_office(self, store: Custody) -> None:
        assert store.quarantine.unfinished() == {}
        kept(store)
        store.record(claim_one(store), ACKNOWLEDGED)
        stuck(store), kept(store), kept(store, office=COUNTY)
        claim_one(store)
        assert store.quarantine.unfinished() == {TOWN: 2, COUNTY: 1}

    def test_over_a_thousand_are_redirected_in_one_call(self, store: Custody) -> None:
        letters = [a_letter() for _ in range(1003)]
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(store.accept, letters))
        done = store.quarantine.redirect([of(one) for one in letters], COUNTY, "moved")
        assert len(done.made) == len(letters)
        assert store.quarantine.unfinished() == {COUNTY: len(letters)}
