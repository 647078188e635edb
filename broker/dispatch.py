"""Dispatch: one claimed delivery is tried, and what came of it is written down."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import structlog

from broker.errors import BrokerError, LeaseLost, Refused, Unavailable
from broker.model import Claim, OfficeId, Parcel
from broker.ports import Office, Store
from broker.retry import RetryPolicy, decide

log = structlog.get_logger(__name__)

Lend = Callable[[OfficeId], AbstractContextManager[Office]]
"""Lends an office to one thread.  Raises Unavailable if the office is not configured here or cannot be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Delivers what was claimed.  May be called by many threads: the pool lends each its own office."""

    store: Store
    lend: Lend
    policy: RetryPolicy
    jitter: Callable[[], float]  # in [0, 1)
    room: Callable[[int], AbstractContextManager[None]] = lambda size: nullcontext()  # noqa: ARG005 - there is room

    def deliver(self, claim: Claim) -> None:
        """Try one delivery and record the outcome.

        Whatever happens here, the delivery stays in the store: if nothing can be recorded, its lease runs out
        and it is tried again under the same id.
        """
        delivery = claim.delivery
        bound = log.bind(
            delivery=delivery.id, submission=delivery.submission, office=delivery.office, attempt=delivery.attempts
        )
        answer: str | BrokerError
        asked = False
        try:
            parcel = self._parcel(claim)
            # Wrapped up, a document takes several times its size: large ones take turns.
            with self.room(len(parcel.document)), self.lend(delivery.office) as office:
                asked = True  # only now: an office that is not configured on this node is no sick one
                answer = office.deliver(parcel)
        except (Unavailable, Refused) as expected:
            answer = expected
        except Exception as bug:  # noqa: BLE001 - an adapter broke its contract: hold on to the document
            bound.exception("delivery.adapter-bug")
            answer = Unavailable(f"adapter bug: {type(bug).__name__}", condition="node.adapter-bug")
        outcome = decide(claim, answer, policy=self.policy, jitter=self.jitter(), asked=asked)
        try:
            self.store.record(claim, outcome)
        except LeaseLost:
            bound.warning("delivery.lease-lost", outcome=outcome.event)
        except Unavailable as away:
            bound.warning("delivery.unrecorded", outcome=outcome.event, reason=away.reason)
        else:
            bound.info(f"delivery.{outcome.event}", wait=outcome.wait.total_seconds(), reason=outcome.error)

    def _parcel(self, claim: Claim) -> Parcel:
        """Return what is to be handed over; raise Unavailable without asking the office."""
        if self.policy.worn_out(claim):
            raise Unavailable("earlier attempts ended without an outcome", condition="node.crashed")
        return self.store.parcel(claim)
