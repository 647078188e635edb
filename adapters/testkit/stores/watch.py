"""What `Watch` promises: what is late is told once, what comes about late is noted, evidence is owed and kept once.

What it promises of the answers of offices is in answers.py.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.leases import claim_one
from adapters.testkit.stores.ledger import events
from adapters.testkit.stores.quarantine import of, stuck, there
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COUNTY,
    LEASE,
    NOON,
    POSTPONED,
    REFUSED,
    TOWN,
    Hands,
    a_letter,
    at_once,
    kept,
    limits,
)
from adapters.wire.kind import Custody
from broker.custody import READMITTED
from broker.deadlines import Level, Progress, Stage, Term, Terms, Timetable
from broker.model import Acceptance, DeliveryId, OfficeId, SubmissionId
from broker.ports import Record
from broker.states import DeliveryState

HOUR = timedelta(hours=1)
VILLAGE = OfficeId("village")
STEPS = ("fails", "is refused", "requeue", "redirect")
TERMS = Terms(
    relay=Term(warn=1 * HOUR, expire=2 * HOUR),
    delivery=Term(warn=3 * HOUR, expire=4 * HOUR),
    retrieval=Term(warn=5 * HOUR, expire=6 * HOUR),
)
TIMES = Timetable(default=TERMS)
RELAY_WARNED, RELAY_EXPIRED = "deadline.relay-warned", "deadline.relay-expired"
WARNED, EXPIRED, MET = "deadline.delivery-warned", "deadline.delivery-expired", "deadline.met-late"


def watch(store: Custody, clock: Hands, times: Timetable = TIMES, *, wants: bool = False) -> list[str]:
    """Look for what is late, as the watchdog does; return what was told."""
    told = [
        told
        for page in store.watch.candidates(times, clock.now)
        for told in store.watch.tell(page, times, lambda _sender: wants)
    ]
    return [f"deadline.{it.stage}-{it.level}" for it in told]


def recorded(store: Custody, submission: SubmissionId) -> Record:
    """Return all that is kept of a submission."""
    record = store.show(submission)
    assert record is not None
    return record


def told(store: Custody, letter: Acceptance) -> list[str]:
    """Return the events of deadlines and evidence of a letter."""
    return [it.name for it in events(store, letter) if it.name.startswith(("deadline.", "evidence."))]


def a_question(store: Custody, **about: Any) -> Acceptance:
    """Put a letter into custody whose answer is watched for, and deliver it."""
    letter = replace(a_letter(**about), awaits_answer=True)
    store.accept(letter)
    store.record(claim_one(store), ACKNOWLEDGED)
    return letter


class WatchSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_nothing_is_late_before_its_time_and_each_is_told_once(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        for hours, new in ((1, RELAY_WARNED), (2, RELAY_EXPIRED), (3, WARNED), (4, EXPIRED)):
            clock.now = NOON + hours * HOUR - timedelta(microseconds=1)
            assert watch(store, clock) == []
            clock.now = NOON + hours * HOUR
            assert watch(store, clock) == [new]
            assert watch(store, clock) == []
        assert told(store, letter) == [RELAY_WARNED, RELAY_EXPIRED, WARNED, EXPIRED]
        clock.pass_by(1000 * HOUR)
        assert watch(store, clock) == []

    def test_what_expired_while_nobody_looked_is_not_warned_of(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        clock.pass_by(100 * HOUR)
        assert watch(store, clock) == [RELAY_EXPIRED, EXPIRED]
        assert told(store, letter) == [RELAY_EXPIRED, EXPIRED]

    def test_an_attempt_ends_the_wait_for_relay_and_an_answer_that_for_delivery(
        self, store: Custody, clock: Hands
    ) -> None:
        tried, delivered = kept(store), kept(store)
        first, second = store.claim(LEASE, 2)
        assert (first.delivery.id, second.delivery.id) == (of(tried), of(delivered))
        store.record(first, POSTPONED)
        store.record(second, ACKNOWLEDGED)
        clock.pass_by(2 * HOUR)
        assert watch(store, clock) == []
        clock.pass_by(1 * HOUR)
        assert watch(store, clock) == [WARNED]
        clock.pass_by(1 * HOUR)
        assert watch(store, clock) == [EXPIRED]
        assert told(store, delivered) == []

    def test_a_requeue_moves_no_deadline(self, store: Custody, clock: Hands) -> None:
        letter = stuck(store)
        clock.pass_by(3 * HOUR)
        store.quarantine.requeue([of(letter)], "again")
        assert watch(store, clock) == [WARNED]  # and not that it was never tried

    def test_what_waits_for_an_operator_is_late_too(self, store: Custody, clock: Hands) -> None:
        letter = stuck(store)
        clock.pass_by(4 * HOUR)
        assert watch(store, clock) == [EXPIRED]
        (last,) = events(store, letter)[-1:]
        assert (last.delivery, last.detail, last.at) == (of(letter), "refused office.status-7", clock.now)

    def test_each_office_has_its_own_terms_and_zero_is_never(self, store: Custody, clock: Hands) -> None:
        kept(store), kept(store, office=COUNTY)
        never = Terms(relay=Term(), delivery=Term())
        times = Timetable(default=TERMS, offices={TOWN: never})
        clock.pass_by(1 * HOUR)
        assert watch(store, clock, times) == [RELAY_WARNED]
        clock.pass_by(99 * HOUR)
        assert len(watch(store, clock, times)) == 2

    def test_two_who_look_at_once_tell_it_once(self, store: Custody, connect: Connect, clock: Hands) -> None:
        letters = [kept(store) for _ in range(20)]
        clock.pass_by(4 * HOUR)
        others = [connect() for _ in range(3)]
        results = at_once([lambda one=one: watch(one, clock, wants=True) for one in (store, *others)])  # type: ignore[misc]
        while rest := watch(store, clock, wants=True):  # what one had locked, another has passed over
            results.append(rest)
        assert sum(len(it) for it in results if isinstance(it, list)) == 2 * len(letters)
        for letter in letters:
            assert told(store, letter) == [RELAY_EXPIRED, EXPIRED]
            assert len(store.watch.evidence(letter.submission.id)) == 2

    def test_a_clock_that_goes_back_tells_nothing_twice(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        clock.pass_by(1 * HOUR)
        watch(store, clock)
        clock.pass_by(-2 * HOUR)
        assert watch(store, clock) == []
        clock.pass_by(2 * HOUR)
        assert watch(store, clock) == []
        assert told(store, letter) == [RELAY_WARNED]

    def test_what_is_delivered_late_is_delivered_and_that_it_was_late_is_told_once(
        self, store: Custody, clock: Hands
    ) -> None:
        letter = kept(store)
        clock.pass_by(4 * HOUR)
        watch(store, clock)
        assert store.watch.settle() == 0
        assert store.watch.late() == {(Stage.RELAY, Level.EXPIRED): 1, (Stage.DELIVERY, Level.EXPIRED): 1}
        claim = claim_one(store)
        assert store.watch.settle() == 1  # the attempt has begun
        assert store.watch.late() == {(Stage.DELIVERY, Level.EXPIRED): 1}
        store.record(claim, ACKNOWLEDGED)
        assert store.watch.settle() == 1
        assert store.watch.settle() == 0
        assert store.watch.late() == {}
        assert told(store, letter) == [RELAY_EXPIRED, EXPIRED, MET, MET]
        assert [it.detail for it in events(store, letter) if it.name == MET] == ["relay", "delivery"]

    def test_a_warning_that_came_to_nothing_is_counted_no_more_and_no_event(self, store: Custody, clock: Hands) -> None:
        letter = kept(store)
        store.record(claim_one(store), POSTPONED)
        clock.pass_by(3 * HOUR)
        watch(store, clock)
        assert store.watch.late() == {(Stage.DELIVERY, Level.WARNED): 1}
        store.record(claim_one(store), ACKNOWLEDGED)
        assert store.watch.settle() == 0
        assert store.watch.late() == {}
        assert told(store, letter) == [WARNED]

    def test_who_takes_a_document_over_inherits_what_was_told(self, store: Custody, clock: Hands) -> None:
        letter = stuck(store)
        clock.pass_by(3 * HOUR)
        watch(store, clock)
        new = store.quarantine.redirect([of(letter)], COUNTY, "moved").made[of(letter)]
        clock.pass_by(1 * HOUR)
        assert watch(store, clock) == [EXPIRED]  # and not relay: an attempt had begun
        assert store.watch.settle() == 0
        assert {it.delivery for it in events(store, letter) if it.name == EXPIRED} == {new}
        assert told(store, letter).count(WARNED) == 1
        store.record(claim_one(store), ACKNOWLEDGED)
        assert store.watch.settle() == 1
        assert store.watch.late() == {}
        assert there(store, letter)[COUNTY].state is DeliveryState.DELIVERED

    @pytest.mark.parametrize("noted", [True, False])
    def test_a_first_attempt_that_came_late_is_noted_once_though_the_document_was_redirected(
        self, store: Custody, clock: Hands, noted: bool
    ) -> None:
        letter = kept(store)
        clock.pass_by(2 * HOUR)
        assert watch(store, clock) == [RELAY_EXPIRED]
        store.record(claim_one(store), REFUSED)
        assert not noted or store.watch.settle() == 1
        store.quarantine.redirect([of(letter)], COUNTY, "moved")
        assert store.watch.settle() == (0 if noted else 1)
        store.record(claim_one(store), ACKNOWLEDGED)
        assert store.watch.settle() == 0
        assert store.watch.late() == {}
        assert told(store, letter) == [RELAY_EXPIRED, MET]

    def test_relay_is_told_only_if_no_attempt_for_the_document_began_in_time_at_any_office(
        self, store: Custody, clock: Hands
    ) -> None:
        """Every short story of attempts, requeues and redirections; the oracle is what the events tell."""
        store.enrol([limits(VILLAGE)])
        stories = {kept(store).submission.id: one for one in product(STEPS, repeat=3)}
        for number in range(3):
            steps = {it: story[number] for it, story in stories.items()}
            for claim in store.claim(LEASE, 1000):  # the others are given back untried
                outcome = {"fails": POSTPONED, "is refused": REFUSED}.get(steps[claim.delivery.submission])
                store.record(claim, outcome) if outcome else store.release(claim)
            for it, step in steps.items():
                ids = [one.id for one in recorded(store, it).deliveries]
                if step == "requeue":
                    store.quarantine.requeue(ids, "again")
                elif step == "redirect":
                    to = COUNTY if len(ids) == 1 else VILLAGE
                    store.quarantine.redirect(ids, to, "moved", even_if_sent=True)
            clock.pass_by(LEASE)
        clock.now = NOON + 2 * HOUR
        watch(store, clock, wants=True)
        untried = set()
        for it in stories:
            names = [event.name for event in recorded(store, it).events]
            if names.count("delivery.claimed") == names.count("delivery.released"):
                untried.add(it)
            assert (RELAY_EXPIRED in names) == (it in untried)
        assert {it.submission for it in store.watch.owed(1000) if it.stage is Stage.RELAY} == untried
        assert 0 < len(untried) < len(stories)

    def test_a_redirection_after_the_expiry_is_no_delivery_though_late(self, store: Custody, clock: Hands) -> None:
        letter = stuck(store)
        clock.pass_by(4 * HOUR)
        watch(store, clock)
        store.quarantine.redirect([of(letter)], COUNTY, "moved")
        assert store.watch.settle() == 0
        assert watch(store, clock) == []
        assert store.watch.late() == {(Stage.DELIVERY, Level.EXPIRED): 1}
        store.record(claim_one(store), ACKNOWLEDGED)
        assert store.watch.settle() == 1
        assert told(store, letter).count(EXPIRED) == 1

    # ── evidence ──

    def test_an_expiry_owes_evidence_to_a_sender_that_wants_it(self, store: Custody, clock: Hands) -> None:
        letter, deaf = stuck(store, sender="portal"), stuck(store, sender="other")
        clock.pass_by(4 * HOUR)
        for page in store.watch.candidates(TIMES, clock.now):
            for it in store.watch.tell(page, TIMES, lambda sender: sender == "portal"):
                assert it.owed == (it.delivery.id == of(letter))
        (owed,) = store.watch.owed()
        assert (owed.submission, owed.stage, owed.delivery) == (letter.submission.id, Stage.DELIVERY, of(letter))
        assert (owed.office, owed.state, owed.cause) == (TOWN, DeliveryState.REFUSED, "office.status-7")
        assert (owed.deadline, owed.at, owed.progress) == (NOON + 4 * HOUR, clock.now, Progress.OWED)
        assert store.watch.evidence(letter.submission.id) == [owed]
        assert store.watch.evidence(deaf.submission.id) == []

    def test_a_warning_owes_none(self, store: Custody, clock: Hands) -> None:
        kept(store)
        clock.pass_by(1 * HOUR)
        assert watch(store, clock, wants=True) == [RELAY_WARNED]
        assert store.watch.owed() == []

    def test_what_was_taken_back_owes_none_and_is_told_all_the_same(self, store: Custody, clock: Hands) -> None:
        letter = kept(store, notes=("grace", READMITTED))
        clock.pass_by(4 * HOUR)
        assert watch(store, clock, wants=True) == [RELAY_EXPIRED, EXPIRED]
        assert told(store, letter) == [RELAY_EXPIRED, EXPIRED]
        assert store.watch.owed() == []

    def test_evidence_goes_forward_step_by_step_and_each_step_is_taken_once(
        self, store: Custody, connect: Connect, clock: Hands
    ) -> None:
        letter = stuck(store)
        clock.pass_by(4 * HOUR)
        watch(store, clock, wants=True)
        (owed,) = store.watch.owed()
        sealed = replace(owed, progress=Progress.SEALED, id="e1", xml=b"<e/>")
        assert store.watch.proceed(owed, sealed, detail="e1")
        assert not store.watch.proceed(owed, replace(sealed, id="e2", xml=b"<other/>"), detail="e2")
        assert connect().watch.evidence(letter.submission.id) == [sealed]
        assert store.watch.owed() == [sealed]
        tried = replace(sealed, tries=1)
        assert store.watch.proceed(sealed, tried, wait=HOUR)
        assert store.watch.owed() == []
        clock.pass_by(HOUR)
        assert store.watch.owed() == [tried]
        assert store.watch.proceed(tried, replace(tried, progress=Progress.SENT), detail="EZD/9")
        clock.pass_by(99 * HOUR)
        assert store.watch.owed() == []
        assert told(store, letter) == [EXPIRED, "evidence.sealed", "evidence.sent"]
        assert events(store, letter)[-1].detail == "EZD/9"

    def test_evidence_is_owed_longest_due_first_and_no_more_than_asked_for(self, store: Custody, clock: Hands) -> None:
        first = stuck(store)
        clock.pass_by(4 * HOUR)
        watch(store, clock, wants=True)
        later = stuck(store, accepted_at=clock.now)
        clock.pass_by(4 * HOUR)
        watch(store, clock, wants=True)
        both = [first.submission.id, later.submission.id]
        assert [it.submission for it in store.watch.owed()] == both
        assert [it.submission for it in store.watch.owed(1)] == both[:1]

    def test_what_there_is_nothing_to_tell_of_is_no_candidate(self, store: Custody, clock: Hands) -> None:
        """Else a backlog would be judged anew in the writer, every minute until it expires."""

        def found() -> set[DeliveryId]:
            return {one for page in store.watch.candidates(TIMES, clock.now) for one in page}

        tried, waits = stuck(store), kept(store)
        for hours, late in ((0, set()), (1, {of(waits)}), (3, {of(tried), of(waits)}), (4, {of(tried), of(waits)})):
            clock.now = NOON + hours * HOUR
            assert found() == late
            assert len(watch(store, clock)) >= len(late)
            assert found() == set()

    def test_more_than_a_page_is_looked_through(self, store: Custody, clock: Hands) -> None:
        letters = [a_letter() for _ in range(505)]
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(store.accept, letters))
        clock.pass_by(1 * HOUR)
        found: list[DeliveryId] = [one for page in store.watch.candidates(TIMES, clock.now) for one in page]
        assert sorted(found) == sorted(of(letter) for letter in letters)
        assert watch(store, clock) == [RELAY_WARNED] * len(letters)
