"""Whose move a delivery waits for, what is to be done, and which deadline runs until then.

Rule: every state has an owner, and all that is not final a deadline and a next action.  This file reads no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from broker.deadlines import Stage, Terms, Watched, begun
from broker.states import DeliveryState


class Owner(StrEnum):
    """Whose move it is."""

    BROKER = "broker"
    OFFICE = "office"
    OPERATOR = "operator"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Whose move a delivery waits for, which deadline runs, and what is to be done."""

    owner: Owner
    stage: Stage | None
    action: str


MOVES: Mapping[DeliveryState, Move] = MappingProxyType(
    {
        DeliveryState.WAITING: Move(
            owner=Owner.OFFICE, stage=Stage.DELIVERY, action="take it: the broker tries again when it is due"
        ),
        DeliveryState.SENDING: Move(
            owner=Owner.BROKER,
            stage=Stage.DELIVERY,
            action="end the attempt: if its worker dies, another takes it over when the lease has run out",
        ),
        DeliveryState.DELIVERED: Move(owner=Owner.NOBODY, stage=None, action=""),
        DeliveryState.REFUSED: Move(
            owner=Owner.OPERATOR,
            stage=Stage.DELIVERY,
            action="find out why the office refuses it; then send it round again, or to another office",
        ),
        DeliveryState.QUARANTINED: Move(
            owner=Owner.OPERATOR,
            stage=Stage.DELIVERY,
            action="mend the cause; then send it round again, or to another office",
        ),
        DeliveryState.REDIRECTED: Move(owner=Owner.NOBODY, stage=None, action=""),
    }
)
"""By the state of a delivery; three moves depend on more than that:"""

UNTRIED = Move(owner=Owner.BROKER, stage=Stage.RELAY, action="begin the first attempt")
"""Waiting, and never tried."""
TAKEN_OVER = replace(UNTRIED, stage=Stage.DELIVERY)
"""Waiting, and tried only at the office from which it was taken over: what relay asks has been done."""
AWAITED = Move(owner=Owner.OFFICE, stage=Stage.RETRIEVAL, action="answer it")
"""Delivered, and the office's answer is watched for."""


def move(it: Watched) -> Move:
    """Return whose move it is."""
    if it.delivery.state is DeliveryState.WAITING and not begun(it.delivery):
        return TAKEN_OVER if it.begun_before else UNTRIED
    if it.delivery.state is DeliveryState.DELIVERED and it.awaited:
        return AWAITED
    return MOVES[it.delivery.state]


def deadline(it: Watched, terms: Terms) -> datetime | None:
    """Return when the stage that is under way expires; None when nothing is waited for, or it never does."""
    stage = move(it).stage
    after = terms.of(stage).expire if stage is not None else timedelta(0)
    return it.accepted_at + after if after else None
