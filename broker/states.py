"""The life of a delivery.

Rule 1: everything that decides which state may follow which is in this file.
Rule 2: this file knows nothing of offices, adapters, stores or clocks.
Rule 3: a store guards a transition in its WHERE clause and writes the event in the same transaction.
"""

from __future__ import annotations

from enum import StrEnum

from broker.errors import IllegalTransition


class DeliveryState(StrEnum):
    """Where a delivery stands, and who has the next move."""

    WAITING = "waiting"  # ours: it is tried when it is due
    SENDING = "sending"  # the worker's that holds its claim, until the lease ends
    DELIVERED = "delivered"  # nobody's: the office has answered
    REFUSED = "refused"  # the operator's: the office said a final no
    QUARANTINED = "quarantined"  # the operator's: patience is at an end, or it killed its workers
    REDIRECTED = "redirected"  # nobody's: an operator gave the document to another office, as another delivery


class DeliveryEvent(StrEnum):
    """What can happen to a delivery."""

    CLAIMED = "claimed"  # a worker took it; the attempt is counted now, not at its end
    TAKEN_OVER = "taken-over"  # its lease ran out without an outcome: a crash is counted
    RELEASED = "released"  # its worker gave it back untried; the attempt is given back
    ACKNOWLEDGED = "acknowledged"
    POSTPONED = "postponed"
    REFUSED = "refused"
    GAVE_UP = "gave-up"
    REQUEUED = "requeued"  # an operator sent it round again
    REDIRECTED = "redirected"  # an operator ended it here: another delivery takes the document to another office


_S, _E = DeliveryState, DeliveryEvent

TRANSITIONS: dict[DeliveryState, dict[DeliveryEvent, DeliveryState]] = {
    _S.WAITING: {_E.CLAIMED: _S.SENDING, _E.REDIRECTED: _S.REDIRECTED},
    _S.SENDING: {
        _E.TAKEN_OVER: _S.SENDING,
        _E.RELEASED: _S.WAITING,
        _E.ACKNOWLEDGED: _S.DELIVERED,
        _E.POSTPONED: _S.WAITING,
        _E.REFUSED: _S.REFUSED,
        _E.GAVE_UP: _S.QUARANTINED,
    },
    _S.DELIVERED: {},
    _S.REFUSED: {_E.REQUEUED: _S.WAITING, _E.REDIRECTED: _S.REDIRECTED},
    _S.QUARANTINED: {_E.REQUEUED: _S.WAITING, _E.REDIRECTED: _S.REDIRECTED},
    _S.REDIRECTED: {},
}

LIVE = frozenset(state for state, row in TRANSITIONS.items() if _E.CLAIMED in row or _E.TAKEN_OVER in row)
"""States out of which a worker can take a delivery."""

STUCK = frozenset(state for state, row in TRANSITIONS.items() if _E.REQUEUED in row)
"""States in which a delivery waits for an operator."""

FINAL = frozenset(state for state, row in TRANSITIONS.items() if not row)
"""States out of which nothing leads: somebody has the document, or another delivery has taken it over."""

OUTCOMES = frozenset({_E.ACKNOWLEDGED, _E.POSTPONED, _E.REFUSED, _E.GAVE_UP})
"""What an attempt can end in; every other event is the store's or the operator's."""


def follow(state: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    """Return the state after `event`, or raise IllegalTransition."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"{event} while {state}") from None
