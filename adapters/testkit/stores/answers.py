"""What `Watch` promises of the answers of offices: watched for until they come, somebody says so, or nobody asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.testkit.stores.fixtures import StoreFixtures
from adapters.testkit.stores.leases import claim_one
from adapters.testkit.stores.ledger import events
from adapters.testkit.stores.quarantine import of
from adapters.testkit.stores.values import ACKNOWLEDGED, COUNTY, NOON, REFUSED, Hands, a_letter, kept
from adapters.testkit.stores.watch import EXPIRED, HOUR, MET, RELAY_EXPIRED, TERMS, a_question, told, watch
from adapters.wire.kind import Custody
from broker.custody import READMITTED
from broker.deadlines import Level, Stage, Term, Terms, Timetable


class AnswerSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_an_answer_is_watched_for_where_one_is_awaited(self, store: Custody, clock: Hands) -> None:
        question, letter = a_question(store), kept(store)
        store.record(claim_one(store), ACKNOWLEDGED)
        assert store.watch.awaits_answer(question.submission.id)
        assert not store.watch.awaits_answer(letter.submission.id)
        clock.pass_by(5 * HOUR)
        assert watch(store, clock) == ["deadline.retrieval-warned"]
        clock.pass_by(1 * HOUR)
        assert watch(store, clock, wants=True) == ["deadline.retrieval-expired"]
        assert watch(store, clock) == []
        assert told(store, letter) == []
        assert [it.stage for it in store.watch.owed()] == [Stage.RETRIEVAL]

    def test_what_has_not_been_delivered_is_not_late_with_its_answer(self, store: Custody, clock: Hands) -> None:
        store.accept(replace(a_letter(), awaits_answer=True))
        clock.pass_by(6 * HOUR)
        assert watch(store, clock) == [RELAY_EXPIRED, EXPIRED]

    def test_an_answer_into_the_box_that_was_named_for_it_ends_the_wait(self, store: Custody, clock: Hands) -> None:
        question = a_question(store, reply_to="/citizen/box")
        it = question.submission.id
        kept(store, in_reply_to=it, box="/another/box")
        kept(store, in_reply_to=it, box="/citizen/box", trial=True)
        kept(store, in_reply_to="\x00\ud800 nothing of ours", box="/citizen/box")
        assert store.watch.awaits_answer(it)
        reply = kept(store, in_reply_to=it, box="/citizen/box")
        assert not store.watch.awaits_answer(it)
        last = events(store, question)[-1]
        assert (last.name, last.detail) == ("deadline.answered", reply.submission.id)
        clock.pass_by(6 * HOUR)
        assert not any("retrieval" in name for name in watch(store, clock))

    def test_an_answer_that_was_there_before_its_question_was_taken_back_is_known(self, store: Custody) -> None:
        mine, foreign = (replace(a_letter(notes=(READMITTED,)), awaits_answer=True) for _ in range(2))
        reply = kept(store, in_reply_to=mine.submission.id, box="/citizen/box")
        kept(store, in_reply_to=foreign.submission.id, box="/another/box")
        kept(store, in_reply_to=foreign.submission.id, box="/citizen/box", trial=True)
        store.accept(mine)
        store.accept(foreign)
        assert not store.watch.awaits_answer(mine.submission.id)
        assert store.watch.awaits_answer(foreign.submission.id)
        last = events(store, mine)[-1]
        assert (last.name, last.detail) == ("deadline.answered", reply.submission.id)

    def test_an_answer_that_comes_late_is_noted(self, store: Custody, clock: Hands) -> None:
        question = a_question(store)
        clock.pass_by(6 * HOUR)
        watch(store, clock)
        assert store.watch.late() == {(Stage.RETRIEVAL, Level.EXPIRED): 1}
        assert store.watch.settle() == 0
        kept(store, in_reply_to=question.submission.id, box="/citizen/box", accepted_at=clock.now)
        assert store.watch.late() == {}
        assert told(store, question) == ["deadline.retrieval-expired", "deadline.answered", MET]

    def test_an_operators_word_ends_the_wait_too(self, store: Custody, clock: Hands) -> None:
        question, letter = a_question(store), kept(store)
        assert store.watch.answered(question.submission.id, "they rang up")
        assert not store.watch.answered(question.submission.id, "twice")
        assert not store.watch.answered(letter.submission.id, "nobody waits")
        clock.pass_by(6 * HOUR)
        assert "deadline.retrieval-expired" not in watch(store, clock)
        assert told(store, question) == ["deadline.answered"]

    # ── where nothing ends the wait ──

    @pytest.mark.parametrize("since", ["switched off", "warned of alone", "redirected"])
    def test_an_answer_to_which_no_office_is_held_any_more_is_watched_for_no_longer(
        self, store: Custody, clock: Hands, since: str
    ) -> None:
        """Else its content would be kept for ever, and it would be looked at every minute."""
        question = replace(a_letter(), awaits_answer=True)
        it = question.submission.id
        store.accept(question)
        if since == "redirected":
            store.record(claim_one(store), REFUSED)
            store.quarantine.redirect([of(question)], COUNTY, "moved")
        store.record(claim_one(store), ACKNOWLEDGED)
        clock.pass_by(5 * HOUR)
        others = replace(TERMS, retrieval=Term(warn=HOUR) if since == "warned of alone" else Term())
        if since != "redirected":
            assert watch(store, clock) == ["deadline.retrieval-warned"]
            times = Timetable(default=others)
        else:
            times = Timetable(default=TERMS, offices={COUNTY: others})
        assert watch(store, clock, times) == []
        assert not store.watch.awaits_answer(it)
        assert store.watch.late() == {}
        assert told(store, question)[-1] == "deadline.waived"
        assert list(store.watch.candidates(times, clock.now + 1000 * HOUR)) == []
        kept(store, in_reply_to=it, box="/citizen/box")
        assert told(store, question)[-1] == "deadline.waived"

    def test_an_answer_is_waived_though_nothing_at_all_has_a_deadline_and_only_once_it_could_come(
        self, store: Custody, clock: Hands
    ) -> None:
        never = Timetable(default=Terms(relay=Term(), delivery=Term()))
        waits = replace(a_letter(due_at=NOON + HOUR), awaits_answer=True)
        store.accept(waits)
        question = a_question(store)
        assert watch(store, clock, never) == []
        assert not store.watch.awaits_answer(question.submission.id)
        assert store.watch.awaits_answer(waits.submission.id)
