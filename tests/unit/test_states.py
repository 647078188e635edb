"""The life of a delivery is a table, and nothing but the table."""

from __future__ import annotations

import pytest

from broker.errors import IllegalTransition
from broker.states import FINAL, LIVE, OUTCOMES, STUCK, TRANSITIONS, DeliveryEvent, DeliveryState, follow


def test_the_table_names_every_state_and_reaches_every_one():
    assert set(TRANSITIONS) == set(DeliveryState)
    assert {after for row in TRANSITIONS.values() for after in row.values()} == set(DeliveryState)


def test_the_table_uses_every_event():
    assert {event for row in TRANSITIONS.values() for event in row} == set(DeliveryEvent)


@pytest.mark.parametrize("state", DeliveryState)
@pytest.mark.parametrize("event", DeliveryEvent)
def test_an_event_that_the_table_does_not_name_is_refused(state, event):
    if event in TRANSITIONS[state]:
        assert follow(state, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(IllegalTransition):
            follow(state, event)


def test_nothing_leads_out_of_delivered():
    assert TRANSITIONS[DeliveryState.DELIVERED] == {}


def test_what_leads_nowhere_is_final_and_what_waits_for_an_operator_is_stuck():
    assert {DeliveryState.DELIVERED, DeliveryState.REDIRECTED} == FINAL
    assert {DeliveryState.REFUSED, DeliveryState.QUARANTINED} == STUCK


def test_what_is_being_handed_over_cannot_be_redirected():
    assert DeliveryEvent.REDIRECTED not in TRANSITIONS[DeliveryState.SENDING]


def test_workers_take_what_waits_and_what_a_dead_worker_left():
    assert {DeliveryState.WAITING, DeliveryState.SENDING} == LIVE


def test_every_outcome_ends_the_attempt():
    assert set(TRANSITIONS[DeliveryState.SENDING]) - OUTCOMES == {DeliveryEvent.TAKEN_OVER, DeliveryEvent.RELEASED}
    assert DeliveryState.SENDING not in {follow(DeliveryState.SENDING, event) for event in OUTCOMES}
