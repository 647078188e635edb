"""Bugs, planted one at a time into a serving process: each breaks one promise of custody.

`BUGS` maps a name to what plants it, called in the process before it starts to serve.  Some of the names are no bugs
but lawful circumstances that a bug needs to show (`stuck-disk`).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Integer, bindparam, func, select

import broker.custody
import broker.dispatch
from adapters.channels.amqp import _Session
from adapters.stores.sql import claims, journal, rows
from adapters.stores.sql.store import SqlStore
from adapters.stores.sql.tables import deliveries, events
from adapters.wire.amqp import Fate, Line
from broker.errors import Unavailable
from broker.intake import Intake
from broker.states import DeliveryEvent

LATE = 60.0  # seconds: longer than any test lets the process live
STUCK = "a commit is stuck"


def _later(call: Callable[..., Any], *arguments: Any) -> None:
    """Have it done later, in memory: what a crash forgets."""
    timer = threading.Timer(LATE, call, arguments)
    timer.daemon = True
    timer.start()


def stuck_disk() -> None:
    """No bug: nothing can be committed for now."""

    def accept(self, acceptance):
        print(STUCK, flush=True)  # noqa: T201 - for the test that waits for it
        time.sleep(LATE)

    SqlStore.accept = accept


def receipt_before_commit() -> None:
    plain = SqlStore.accept

    def accept(self, acceptance):
        _later(plain, self, acceptance)
        return acceptance.receipt

    SqlStore.accept = accept


def refusal_before_commit() -> None:
    plain = SqlStore.refuse
    SqlStore.refuse = lambda self, refusal: _later(plain, self, refusal)


def deliveries_after_commit() -> None:
    """The document is kept, its delivery only remembered: no outbox."""
    plain = SqlStore.accept
    SqlStore.accept = lambda self, acceptance: plain(self, replace(acceptance, deliveries=()))


def ack_before_commit() -> None:
    plain, acknowledge = _Session._taken, Line.acknowledge

    def taken(self, deliver, properties, body):
        acknowledge(self._line, deliver.delivery_tag)
        plain(self, deliver, properties, body)

    _Session._taken = taken
    Line.acknowledge = lambda _self, _tag: None


def repeat_not_looked_up() -> None:
    """Every message goes through all stages, and only the store's unique key knows a repeat."""
    SqlStore.find = lambda _self, _message: None


def repeat_not_known() -> None:
    """Nothing knows a repeat, by its content or by the id of its delivery."""
    rows.content_key = lambda _message: secrets.token_bytes(32)
    broker.custody.delivery_id = lambda _message, _office: secrets.token_hex(16)


def attempt_counted_at_the_end() -> None:
    claims._TAKE = claims._TAKE.values(attempts=deliveries.c.attempts, crashes=deliveries.c.crashes)
    claims._END = claims._END.values(attempts=deliveries.c.attempts + 1)


def lease_without_fence() -> None:
    """Whoever comes with an outcome records it, whoever holds the claim now."""
    plain = claims._end

    def end(connection, now, it):
        held_by = connection.execute(select(deliveries.c.token).where(deliveries.c.id == it.claim.delivery.id))
        return plain(connection, now, replace(it, claim=replace(it.claim, token=held_by.scalar_one() or "")))

    claims._end = end


def take_over_told_as_a_claim() -> None:
    claims._how_taken = lambda _before: DeliveryEvent.CLAIMED


def new_id_for_every_attempt() -> None:
    plain = SqlStore.parcel

    def parcel(self, claim):
        made = plain(self, claim)
        return replace(made, delivery=f"{made.delivery}-{claim.delivery.attempts}")

    SqlStore.parcel = parcel


def delivered_without_an_answer() -> None:
    """An office that does not answer is taken for one that has the document."""
    plain = broker.dispatch.decide

    def decide(claim, answer, **about):
        return plain(claim, "" if isinstance(answer, Unavailable) else answer, **about)

    broker.dispatch.decide = decide


def parcel_not_confirmed() -> None:
    """What was written to the socket is taken for what RabbitMQ has."""
    plain = Line.settle

    def settle(self, *about):
        plain(self, *about)
        return Fate.CONFIRMED

    Line.settle = settle


def receipt_made_anew() -> None:
    """The receipt that a partner gets is not the one that is kept."""
    plain = Intake.accept

    def accept(self, envelope):
        receipt = plain(self, envelope)
        return replace(receipt, xml=receipt.xml + b"\n")

    Intake.accept = accept


def document_written_anew() -> None:
    """What the office gets is equal as XML, and not byte for byte."""
    plain = SqlStore.parcel

    def parcel(self, claim):
        made = plain(self, claim)
        return replace(made, document=made.document + b"\n")

    SqlStore.parcel = parcel


def chained_after_the_last_id() -> None:
    """An event whose transaction took its id early and committed late is never chained."""
    last = select(func.coalesce(func.max(events.c.id), 0)).where(events.c.batch.is_not(None)).scalar_subquery()
    journal._UNCHAINED = (
        select(events).where(events.c.id > last).order_by(events.c.id).limit(bindparam("most", type_=Integer))
    )


BUGS: dict[str, Callable[[], None]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        stuck_disk,
        receipt_before_commit,
        refusal_before_commit,
        deliveries_after_commit,
        ack_before_commit,
        repeat_not_looked_up,
        repeat_not_known,
        attempt_counted_at_the_end,
        lease_without_fence,
        take_over_told_as_a_claim,
        new_id_for_every_attempt,
        delivered_without_an_answer,
        parcel_not_confirmed,
        receipt_made_anew,
        document_written_anew,
        chained_after_the_last_id,
    )
}
