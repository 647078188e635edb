"""What an attempt means for a delivery."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.deadlines import begun
from broker.errors import BrokerError, Refused, Unavailable
from broker.model import Claim
from broker.retry import RetryPolicy, decide
from broker.states import OUTCOMES, DeliveryEvent, DeliveryState
from tests.builders import NOON, a_delivery, a_submission

POLICY = RetryPolicy(first=timedelta(seconds=10), longest=timedelta(hours=1), patience=timedelta(days=1), crashes=3)
JITTER = st.floats(0, 1, exclude_max=True)
DOWN = Unavailable("connection refused")


def a_claim(age=timedelta(0), **about):
    delivery = a_delivery(a_submission(), **{"state": DeliveryState.SENDING, "attempts": 1, **about})
    return Claim(delivery=delivery, token="t", claimed_at=delivery.since + age, expires_at=NOON)


def decided(answer, claim=None, jitter=0.0, **about):
    return decide(claim or a_claim(), answer, policy=POLICY, jitter=jitter, **about)


def test_a_reference_is_an_acknowledgement():
    outcome = decided("EZD/1")
    assert (outcome.event, outcome.state) == (DeliveryEvent.ACKNOWLEDGED, DeliveryState.DELIVERED)
    assert (outcome.reference, outcome.error, outcome.healthy) == ("EZD/1", "", True)


def test_an_empty_reference_is_an_acknowledgement_too():
    assert decided("").event is DeliveryEvent.ACKNOWLEDGED


def test_a_refusal_is_final_and_shows_the_office_alive():
    outcome = decided(Refused("no such box"))
    assert (outcome.event, outcome.error, outcome.healthy) == (DeliveryEvent.REFUSED, "no such box", True)


@pytest.mark.parametrize("no", [Refused(""), Unavailable("")])
def test_what_an_attempt_ended_in_is_never_kept_as_nothing(no):
    outcome = decided(no)
    assert begun(a_delivery(a_submission(), last_error=outcome.error))  # as it is after a requeue


def test_an_outage_is_postponed_and_held_against_the_office():
    outcome = decided(DOWN)
    assert (outcome.event, outcome.state) == (DeliveryEvent.POSTPONED, DeliveryState.WAITING)
    assert (outcome.error, outcome.healthy) == ("connection refused", False)


def test_an_office_that_asks_for_a_wait_is_not_healthy_for_it():
    assert decided(Unavailable("busy", retry_after=timedelta(0))).healthy is False
    assert decided(Unavailable("busy", retry_after=timedelta(1))).healthy is False
    assert decided(Unavailable("busy", retry_after=timedelta(1)), asked=False).healthy is None


def test_an_attempt_that_never_reached_the_office_says_nothing_about_it():
    assert decided(DOWN, asked=False).healthy is None


@given(st.integers(1, 1000), JITTER)
def test_waits_double_up_to_a_cap_and_spread_by_half(failures, jitter):
    wait = POLICY.wait(failures, jitter)
    middle = min(POLICY.first * 2 ** min(failures - 1, 30), POLICY.longest)
    assert middle * 0.5 <= wait <= middle * 1.5


@given(st.timedeltas(timedelta(days=-1), timedelta(days=400)), JITTER)
def test_an_office_gets_the_wait_it_asks_for_but_neither_none_nor_for_ever(asked, jitter):
    wait = decided(Unavailable("busy", retry_after=asked), jitter=jitter).wait
    granted = min(max(asked, POLICY.first), POLICY.longest)
    assert granted <= wait <= granted * 1.1


@pytest.mark.parametrize("answer", [DOWN, Unavailable("busy", retry_after=timedelta(1)), BrokerError("bug")])
def test_patience_is_a_length_of_time_not_a_number_of_tries(answer):
    almost = POLICY.patience - timedelta(microseconds=1)
    assert decided(answer, a_claim(almost, attempts=100_000)).event is DeliveryEvent.POSTPONED
    assert decided(answer, a_claim(POLICY.patience)).event is DeliveryEvent.GAVE_UP


def test_crashes_are_counted_apart_and_end_patience_early():
    assert decided(DOWN, a_claim(crashes=2)).event is DeliveryEvent.POSTPONED
    assert decided(DOWN, a_claim(crashes=3)).event is DeliveryEvent.GAVE_UP


def test_an_answer_counts_however_late_it_comes():
    late = a_claim(2 * POLICY.patience, crashes=9)
    assert decided("EZD/1", late).event is DeliveryEvent.ACKNOWLEDGED
    assert decided(Refused("no"), late).event is DeliveryEvent.REFUSED


ANSWERS = st.one_of(
    st.text(max_size=3),
    st.sampled_from([DOWN, Refused("no"), BrokerError("bug"), Unavailable("", retry_after=timedelta(1))]),
)


@given(
    answer=ANSWERS,
    jitter=JITTER,
    attempts=st.integers(1, 99),
    crashes=st.integers(0, 9),
    age=st.timedeltas(timedelta(0), timedelta(9)),
    asked=st.booleans(),
)
def test_every_decision_is_one_that_a_store_records(*, answer, jitter, attempts, crashes, age, asked):
    claim = a_claim(age, attempts=attempts, crashes=crashes)
    outcome = decided(answer, claim, jitter, asked=asked)
    assert outcome.event in OUTCOMES
    assert (outcome.wait > timedelta(0)) == (outcome.state is DeliveryState.WAITING)
    assert outcome == decided(answer, claim, jitter, asked=asked)


def test_what_is_kept_of_an_error_begins_with_its_cause():
    assert decided(Unavailable("no whole answer", condition="line.silent")).error == "line.silent: no whole answer"
    assert decided(Refused("no such box", condition="office.status-7")).error == "office.status-7: no such box"
