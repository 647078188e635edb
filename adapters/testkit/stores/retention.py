"""What pruning promises: what is over goes and is told, what anybody still needs stays, and the proof always does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
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
    fingerprint,
    kept,
)
from adapters.wire.kind import Custody
from broker.deadlines import Progress, Term, Timetable
from broker.deadlines import Terms as Deadlines
from broker.errors import Reused, Unavailable
from broker.model import Acceptance, FormKey, Outcome, SubmissionId
from broker.ports import Filter
from broker.retention import HELD, LIFTED, PRUNED, REFUSALS, Rule, Rules, Terms, pruned_at

DAY = timedelta(days=1)
MONTH = Rules((Rule(keep=30 * DAY),))
THEN = NOON - 31 * DAY
LETTER = FormKey(name="pismo-ogolne", version="1410")


def terms(rules: Rules = MONTH, at: datetime = NOON, *, stamped: bool = False) -> Terms:
    """Return what is asked at noon."""
    return Terms(rules=rules, at=at, stamped=stamped)


def ended(
    store: Custody, document: bytes = b"<letter/>", *, how: Outcome = ACKNOWLEDGED, **about: object
) -> Acceptance:
    """Return a letter that was taken in a month and a day before noon, and whose delivery has come to an end."""
    letter = kept(store, document, **{"accepted_at": THEN, **about})
    for claim in store.claim(LEASE, 10):
        store.record(claim, how)
    return letter


def late(store: Custody, terms: Deadlines, *, wants: bool = False) -> None:
    """Tell what is late by these terms; its senders want evidence of it or not."""
    times = Timetable(default=terms)
    for page in store.watch.candidates(times, NOON):
        store.watch.tell(page, times, lambda _sender: wants)


def found(store: Custody, asked: Terms, most: int = 1000) -> list[SubmissionId]:
    """Return all that is due, however many looks it takes."""
    due, after = [], ""
    while True:
        look = store.retention.look(asked, after, most)
        due += [one.submission for one in look.due]
        after = look.after
        if not after:
            return due


def prune(store: Custody, asked: Terms | None = None) -> list[SubmissionId]:
    """Remove what is due; return which went."""
    asked = asked or terms()
    return list(store.retention.prune(asked, store.retention.look(asked).due))


def ids(letters: Iterable[Acceptance]) -> list[SubmissionId]:
    """Return the letters' submission ids."""
    return [letter.submission.id for letter in letters]


def told(store: Custody, letter: Acceptance) -> list[tuple[str, str]]:
    """Return what retention did to a letter, by its events."""
    record = store.show(letter.submission.id)
    assert record is not None
    return [(event.name, event.detail) for event in record.events if event.name.startswith("retention.")]


class RetentionSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_content_goes_and_the_proof_stays(self, connect: Connect, store: Custody) -> None:
        letter = ended(store, b"<letter>PESEL</letter>", case="OR.1", in_reply_to="s0")
        before = store.show(letter.submission.id)
        assert before is not None
        assert prune(store) == [letter.submission.id]
        after = connect().show(letter.submission.id)
        assert after is not None
        blank = replace(letter.submission, file_name="", reply_to="", case="", message_id="")
        assert after.submission == blank
        assert (after.receipt, after.deliveries) == (before.receipt, before.deliveries)
        assert after.events[: len(before.events)] == before.events
        assert (after.report, connect().document(letter.submission.id)) == (b"", None)
        assert [one.submission for one in store.list(Filter())] == [blank]

    def test_the_event_says_what_was_removed_and_when(self, store: Custody, clock: Hands) -> None:
        letter = ended(store)
        clock.pass_by(DAY)
        prune(store)
        assert told(store, letter) == [(PRUNED, letter.submission.digest)]
        record = store.show(letter.submission.id)
        assert record is not None
        assert pruned_at(record.events) == NOON + DAY

    def test_a_repeat_still_gets_the_receipt_given_then_and_its_message_id_stays_used(
        self, connect: Connect, store: Custody
    ) -> None:
        letter = ended(store)
        prune(store)
        assert connect().find(fingerprint(letter)) == letter.receipt
        assert store.accept(again(letter)) == letter.receipt
        assert store.document(letter.submission.id) is None
        with pytest.raises(Reused):
            store.find(replace(fingerprint(letter), digest="0" * 64))

    def test_a_second_judgement_goes_with_the_first(self, store: Custody) -> None:
        letter = replace(a_letter(accepted_at=THEN), recheck=True)
        store.accept(letter)
        store.record(store.claim(LEASE)[0], ACKNOWLEDGED)
        assert prune(store) == []
        store.settle(letter.submission.id, "verify.confirmed", "", b"{}")
        assert prune(store) == [letter.submission.id]
        record = store.show(letter.submission.id)
        assert record is not None
        assert record.later_report is None

    @pytest.mark.parametrize("end", ["answer", "word", "expiry", "waiver"])
    def test_what_awaits_an_answer_stays_until_it_comes_or_somebody_says_so_or_its_time_is_over(
        self, connect: Connect, store: Custody, end: str
    ) -> None:
        question = replace(a_letter(accepted_at=THEN), awaits_answer=True)
        it = question.submission
        store.accept(question)
        store.record(store.claim(LEASE)[0], ACKNOWLEDGED)
        assert prune(store) == []
        if end == "answer":  # it is known by the reply address, which pruning takes away
            kept(store, sender="town", box=it.reply_to, fingerprint_box=it.reply_to, in_reply_to=it.id)
            assert not store.watch.awaits_answer(it.id)
        elif end == "word":
            assert connect().watch.answered(it.id, "by post")
        else:
            late(store, Deadlines(retrieval=Term(expire=DAY if end == "expiry" else timedelta(0))))
        assert prune(store) == [it.id]

    @pytest.mark.parametrize("end", [Progress.SENT, Progress.KEPT, Progress.DECLINED])
    def test_what_owes_evidence_stays_until_that_has_been_handed_over(self, store: Custody, end: Progress) -> None:
        letter = kept(store, accepted_at=THEN)
        late(store, Deadlines(relay=Term()), wants=True)
        store.record(store.claim(LEASE)[0], ACKNOWLEDGED)
        assert prune(store) == []
        (owed,) = store.watch.owed()
        sealed = replace(owed, progress=Progress.SEALED, id="e1", xml=b"<e/>")
        assert store.watch.proceed(owed, sealed, wait=DAY)
        assert prune(store) == []
        assert store.watch.proceed(sealed, replace(sealed, progress=end))
        assert prune(store) == [letter.submission.id]

    @pytest.mark.parametrize("how", [REFUSED, GAVE_UP, POSTPONED], ids=lambda how: str(how.event))
    def test_what_no_office_has_acknowledged_stays(self, store: Custody, how: Outcome) -> None:
        letter = ended(store, how=how)
        assert prune(store) == []
        assert store.document(letter.submission.id) == letter.document

    def test_what_was_never_tried_or_is_being_sent_stays(self, store: Custody) -> None:
        letter = kept(store, accepted_at=THEN)
        assert prune(store) == []
        store.claim(LEASE)
        assert prune(store) == []
        assert store.document(letter.submission.id) == letter.document

    def test_trials_go_too_for_nobody_waits_for_them(self, store: Custody) -> None:
        letter = kept(store, trial=True, accepted_at=THEN)
        assert prune(store) == [letter.submission.id]

    def test_only_what_is_older_than_its_rule_says_goes(self, store: Custody) -> None:
        moments = (NOON - 30 * DAY - timedelta(microseconds=1), NOON - 30 * DAY, NOON)
        letters = [ended(store, accepted_at=at) for at in moments]
        assert prune(store) == ids(letters[:1])
        assert store.document(letters[1].submission.id) == letters[1].document

    def test_nothing_goes_unless_a_rule_says_so(self, store: Custody, clock: Hands) -> None:
        ended(store)
        clock.pass_by(36500 * DAY)
        for rules in ((), (Rule(keep=None),), (Rule(keep=DAY, office=COUNTY),), (Rule(keep=timedelta.max),)):
            assert prune(store, terms(Rules(rules), at=clock.now)) == []

    def test_a_node_whose_clock_is_ahead_removes_nothing_before_its_time(self, store: Custody) -> None:
        young, old = ended(store, accepted_at=NOON - DAY), ended(store)
        store.refuse(a_refusal(at=NOON - DAY))
        ahead = terms(at=NOON + 4000 * DAY)
        assert ids([young, old]) == found(store, ahead)
        assert prune(store, ahead) == [old.submission.id]
        assert store.document(young.submission.id) == young.document
        assert store.retention.forget_refusals(ahead, 30 * DAY) == 0
        assert len(store.refusals()) == 1

    def test_a_node_whose_clock_is_behind_removes_what_is_over_by_it(self, store: Custody) -> None:
        ended(store)
        assert prune(store, terms(at=NOON - 2 * DAY)) == []

    def test_the_most_specific_rule_decides(self, store: Custody) -> None:
        other = FormKey(name="pismo-ogolne", version="4566")
        letters = [ended(store, office=office, form=form) for office in (TOWN, COUNTY) for form in (LETTER, other)]
        rules = [
            Rule(keep=DAY),
            Rule(keep=None, form="pismo-ogolne"),
            Rule(keep=DAY, form="pismo-ogolne/4566"),
            Rule(keep=2 * DAY, form="pismo-ogolne", office=COUNTY),
            Rule(keep=None, form="pismo-ogolne/4566", office=COUNTY),
        ]
        expected = [
            one
            for one in letters
            if terms(Rules(tuple(rules))).over(one.submission.form, one.submission.office, one.submission.accepted_at)
        ]
        assert ids(expected) == ids([letters[1], letters[2]])
        assert prune(store, terms(Rules(tuple(rules)))) == ids(expected)

    def test_a_form_is_not_taken_for_another_whose_name_begins_alike(self, store: Custody) -> None:
        ended(store, form=FormKey(name="pismo-ogolne-2", version="1410"))
        assert prune(store, terms(Rules((Rule(keep=DAY, form="pismo-ogolne"),)))) == []

    def test_where_receipts_are_stamped_content_waits_for_it(self, store: Custody) -> None:
        letter = ended(store)
        asked = terms(stamped=True)
        assert prune(store, asked) == []
        store.stamp(letter.receipt.id, b"<stamped/>", NOON)
        assert prune(store, asked) == [letter.submission.id]

    def test_looks_go_on_where_the_last_one_ended_past_what_stays(self, store: Custody) -> None:
        letters = [ended(store, how=how) for how in (ACKNOWLEDGED, REFUSED) * 4]
        assert found(store, terms(), most=3) == ids(letters[::2])
        assert found(store, terms(), most=1) == ids(letters[::2])

    def test_a_look_tells_what_is_due(self, store: Custody) -> None:
        letter = ended(store, b"<letter>1</letter>")
        (due,) = store.retention.look(terms()).due
        it = letter.submission
        assert (due.submission, due.form, due.office, due.accepted_at, due.size) == (
            it.id,
            it.form,
            it.office,
            it.accepted_at,
            len(letter.document),
        )

    def test_pruning_asks_again_what_a_look_has_found(self, store: Custody) -> None:
        held, free = ended(store), ended(store)
        due = store.retention.look(terms()).due
        assert store.retention.hold(held.submission.id, "a court asks")
        assert store.retention.prune(terms(), due) == [free.submission.id]
        assert store.retention.prune(terms(), due) == []
        assert store.document(held.submission.id) == held.document
        assert told(store, free) == [(PRUNED, free.submission.digest)]

    def test_what_is_held_stays_until_it_is_lifted(self, connect: Connect, store: Custody) -> None:
        letter, retention = ended(store), store.retention
        it = letter.submission.id
        assert not retention.lift(it, "nobody held it")
        assert retention.hold(it, "a court asks")
        assert connect().retention.hold(it, "again")
        assert prune(store) == []
        assert retention.lift(it, "it has ended")
        assert retention.hold(it, "it goes on")
        assert prune(store) == []
        assert connect().retention.lift(it, "it has ended")
        assert prune(store) == [it]
        assert told(store, letter) == [
            (HELD, "a court asks"),
            (LIFTED, "it has ended"),
            (HELD, "it goes on"),
            (LIFTED, "it has ended"),
            (PRUNED, letter.submission.digest),
        ]

    def test_what_is_lifted_is_that_submission_and_no_other(self, store: Custody) -> None:
        held, lifted = ended(store), ended(store)
        for one in (held, lifted):
            assert store.retention.hold(one.submission.id, "a court asks")
        assert store.retention.lift(lifted.submission.id, "it has ended")
        assert prune(store) == [lifted.submission.id]
        assert store.retention.lift(held.submission.id, "it has ended")
        assert prune(store) == [held.submission.id]

    def test_what_is_gone_or_unknown_cannot_be_held(self, store: Custody) -> None:
        letter = ended(store)
        prune(store)
        assert not store.retention.hold(letter.submission.id, "too late")
        assert not store.retention.hold(SubmissionId("nobody's"), "unknown")
        assert told(store, letter) == [(PRUNED, letter.submission.digest)]

    def test_an_office_is_not_handed_what_was_removed(self, store: Custody) -> None:
        letter = kept(store, accepted_at=THEN)
        (claim,) = store.claim(LEASE)
        store.record(claim, ACKNOWLEDGED)
        prune(store)
        with pytest.raises(Unavailable):
            store.parcel(claim)
        assert store.document(letter.submission.id) is None

    def test_old_refusals_are_forgotten_a_few_at_a_time_and_their_counts_with_them(
        self, store: Custody, clock: Hands
    ) -> None:
        moments = [NOON + number * timedelta(hours=1) for number in range(5)]
        for at in (*moments[2:], *moments[:2]):
            store.refuse(a_refusal(at=at))
        clock.now = moments[4]
        asked, keep = terms(at=moments[4]), timedelta(hours=1)
        assert store.retention.forget_refusals(asked, keep, most=2) == 2
        assert [one.at for one in store.refusals()] == moments[4:1:-1]
        assert store.retention.forget_refusals(asked, keep, most=2) == 1
        assert store.retention.forget_refusals(asked, keep, most=2) == 0
        assert [one.at for one in store.refusals()] == moments[4:2:-1]
        assert store.stats().refusals == 2

    def test_giving_space_back_comes_to_an_end_and_touches_nothing(self, store: Custody, clock: Hands) -> None:
        old, new = ended(store, b"<letter/>" * 100_000), ended(store, accepted_at=NOON)
        prune(store)
        clock.pass_by(31 * DAY)
        steps = 0
        while store.retention.give_back(clock.now):
            steps += 1
            assert steps < 1000
        assert store.document(old.submission.id) is None
        assert store.document(new.submission.id) == new.document
        assert REFUSALS not in [name for name, _ in told(store, old)]
