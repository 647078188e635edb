"""What is late, whose move it is, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.stores import MemoryStore
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COUNTY,
    GAVE_UP,
    NOON,
    POSTPONED,
    REFUSED,
    TOWN,
    Hands,
    a_letter,
    limits,
)
from broker.deadlines import (
    Level,
    Stage,
    Term,
    Terms,
    Timetable,
    Watched,
    begun,
    overdue,
)
from broker.errors import BrokerError
from broker.moves import AWAITED, MOVES, TAKEN_OVER, UNTRIED, Owner, deadline, move
from broker.states import FINAL, STUCK, DeliveryState
from tests.builders import a_delivery, a_submission

HOUR = timedelta(hours=1)
TERMS = Terms(
    relay=Term(warn=1 * HOUR, expire=2 * HOUR),
    delivery=Term(warn=3 * HOUR, expire=4 * HOUR),
    retrieval=Term(warn=5 * HOUR, expire=6 * HOUR),
)


def watched(awaited=False, told=(), begun_before=False, **about):
    return Watched(
        delivery=a_delivery(a_submission(), **about),
        accepted_at=NOON,
        awaited=awaited,
        begun_before=begun_before,
        told=frozenset(told),
    )


def test_every_state_has_an_owner_and_all_that_is_not_final_a_deadline_and_a_next_action():
    assert set(MOVES) == set(DeliveryState)
    for state, it in MOVES.items():
        assert (it.owner is Owner.NOBODY) == (state in FINAL)
        assert bool(it.action) == bool(it.stage) == (state not in FINAL)
        assert (it.owner is Owner.OPERATOR) == (state in STUCK)
    assert (UNTRIED.owner, AWAITED.owner) == (Owner.BROKER, Owner.OFFICE)


def test_what_was_never_tried_is_ours_and_what_was_is_its_offices():
    assert move(watched()) is UNTRIED
    assert move(watched(attempts=1)) is MOVES[DeliveryState.WAITING]
    assert begun(a_delivery(a_submission(), last_error="line.silent: …"))  # a requeue counts attempts anew


def test_who_takes_a_document_over_inherits_that_an_attempt_had_begun():
    it = watched(begun_before=True)
    assert move(it) is TAKEN_OVER
    assert deadline(it, TERMS) == NOON + 4 * HOUR
    assert overdue(it, TERMS, NOON + 9 * HOUR) == [(Stage.DELIVERY, Level.EXPIRED)]
    assert not begun(a_delivery(a_submission(), state=DeliveryState.REDIRECTED))


def test_an_answer_is_awaited_only_of_who_has_the_document():
    assert move(watched(awaited=True)) is UNTRIED
    assert move(watched(awaited=True, state=DeliveryState.DELIVERED)) is AWAITED
    assert deadline(watched(awaited=True, state=DeliveryState.DELIVERED), TERMS) == NOON + 6 * HOUR
    assert deadline(watched(state=DeliveryState.DELIVERED), TERMS) is None


def test_a_term_of_zero_is_never():
    assert deadline(watched(), Terms(relay=Term())) is None
    assert overdue(watched(), Terms(relay=Term(), delivery=Term()), NOON + 10_000 * HOUR) == []


def test_the_defaults_are_those_of_e_codex_and_hold_together():
    assert [Terms().of(stage).expire / HOUR for stage in Stage] == [12, 24, 0]
    assert list(Terms().problems()) == []


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (Terms(delivery=Term(warn=24 * HOUR, expire=24 * HOUR)), "delivery: the warning"),
        (Terms(relay=Term(expire=30 * HOUR)), "delivery: must not expire before relay"),
        (Terms(relay=Term(), retrieval=Term(expire=2 * HOUR)), "retrieval: must not expire before delivery"),
        (Terms(retrieval=Term(warn=2 * HOUR)), "retrieval: must expire"),
    ],
)
def test_terms_that_make_no_sense_are_named(terms, words):
    assert [problem for problem in terms.problems() if problem.startswith(words)]


SPANS = st.timedeltas(timedelta(0), timedelta(days=3))
STATES = st.sampled_from(DeliveryState)


@st.composite
def every_terms(draw):
    return Terms(**{str(stage): Term(warn=draw(SPANS), expire=draw(SPANS)) for stage in Stage})


@given(terms=every_terms(), state=STATES, attempts=st.integers(0, 1), awaited=st.booleans(), age=SPANS)
def test_nothing_is_late_before_its_time(*, terms, state, attempts, awaited, age):
    it = watched(awaited=awaited, state=state, attempts=attempts)
    for stage, level in overdue(it, terms, NOON + age):
        term = terms.of(stage)
        after = term.expire if level is Level.EXPIRED else term.warn
        assert timedelta(0) < after <= age
        told = replace(it, told=frozenset({(stage, level)}))
        assert (stage, level) not in overdue(told, terms, NOON + age)
        before = it.accepted_at + after - timedelta(microseconds=1)
        assert (stage, level) not in overdue(it, terms, before)
    if state in FINAL and not (state is DeliveryState.DELIVERED and awaited):
        assert overdue(it, terms, NOON + age) == []


TIMES = Timetable(default=TERMS, offices={COUNTY: Terms(relay=Term(), delivery=Term(expire=2 * HOUR))})
STEPS = st.one_of(
    st.sampled_from([ACKNOWLEDGED, POSTPONED, REFUSED, GAVE_UP]),
    st.sampled_from(["requeue", "redirect", "look", "look", "settle", "answer"]),
    st.integers(-90, 200).map(lambda minutes: timedelta(minutes=minutes)),
)


@settings(max_examples=150)
@given(script=st.lists(STEPS, max_size=40), awaits=st.booleans())
@example(script=["redirect", ACKNOWLEDGED], awaits=True)  # from then on nobody is held to an answer
def test_any_script_of_events_tells_each_once_and_none_before_its_time(*, script, awaits):
    """Attempts, operators, a clock that jumps both ways, and looks at any moment."""
    clock = Hands()
    store = MemoryStore(clock)
    store.enrol([limits(TOWN), limits(COUNTY)])
    letter = replace(a_letter(), awaits_answer=awaits)
    store.accept(letter)

    def apply(step):
        ids = [one.id for one in store.show(letter.submission.id).deliveries]
        if isinstance(step, timedelta):
            clock.pass_by(step)
        elif step == "requeue":
            store.requeue(ids, "again")
        elif step == "redirect":
            store.quarantine.redirect(ids, COUNTY, "moved", even_if_sent=True)
        elif step == "look":
            for page in store.watch.candidates(TIMES, clock.now):
                store.watch.tell(page, TIMES, lambda _: True)
        elif step == "settle":
            store.watch.settle()
        elif step == "answer":
            store.watch.answered(letter.submission.id, "they rang up")
        else:
            for claim in store.claim(HOUR):
                store.record(claim, step)

    for step in [*script, "look", "settle", "look"]:
        try:
            apply(step)
        except BrokerError:
            continue
    record = store.show(letter.submission.id)
    told = [it for it in record.events if it.name.startswith("deadline.") and it.delivery]
    offices = {one.id: one.office for one in record.deliveries}
    late = [it for it in told if it.name not in {"deadline.met-late", "deadline.waived"}]
    assert len({(it.delivery, it.name) for it in late}) == len(late)
    for it in late:
        stage, level = it.name.removeprefix("deadline.").split("-")
        term = TIMES.of(offices[it.delivery]).of(Stage(stage))
        assert it.at - NOON >= (term.expire if level == Level.EXPIRED else term.warn) > timedelta(0)
    expired = {(it.delivery, it.name) for it in late if it.name.endswith("expired")}
    assert [it.name for it in told].count("deadline.waived") <= 1
    met = [(it.delivery, it.detail) for it in told if it.name == "deadline.met-late"]
    assert len(set(met)) == len(met)
    inherited = {one.id for one in record.deliveries if one.id != letter.deliveries[0].id}
    assert all((one, f"deadline.{stage}-expired") in expired or one in inherited for one, stage in met)
    names = [it.name for it in record.events]
    first = names.index("delivery.claimed") if "delivery.claimed" in names else len(names)
    assert not any(name.startswith("deadline.relay") for name in names[first:])  # at whatever office it began
    evidence = store.watch.evidence(letter.submission.id)
    assert {it.stage for it in evidence} == {
        Stage(it.name.removeprefix("deadline.").split("-")[0]) for it in late if it.name.endswith("expired")
    }
