"""Values of the core to rows, and back."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row

from adapters.stores.sql.columns import key
from broker.evidence import Level
from broker.model import (
    Answer,
    Delivery,
    Fingerprint,
    FormKey,
    Receipt,
    ReceiptKind,
    Refusal,
    Submission,
)
from broker.partner import Proof
from broker.ports import EventRecord
from broker.states import LIVE, DeliveryEvent, DeliveryState

Values = dict[str, Any]

# columns that are named and typed as the fields of Submission
# fmt: off
_SAME = (
    "id", "channel", "sender", "message_id", "fingerprint_box", "box", "office", "row", "trial", "digest",
    "size", "file_name", "reply_to", "case", "in_reply_to", "received_at", "accepted_at",
)
# fmt: on
_SAME_DELIVERY = ["id", "submission", "office", "attempts", "crashes", "since", "due_at", "last_error", "reference"]
_SAME_REFUSAL = ["at", "channel", "sender", "message_id", "digest", "size", "code", "place", "negative_receipt"]


def content_key(message: Fingerprint) -> bytes:
    """Return the key of sender, box, trial flag and digest."""
    return key(message.sender, message.box, message.trial, message.digest)


def id_key(message: Fingerprint) -> bytes | None:
    """Return the key of sender and message id, None when there is no message id."""
    return key(message.sender, message.message_id) if message.message_id else None


def fingerprint(it: Submission) -> Fingerprint:
    """Return what the message was known by when it came in."""
    return Fingerprint(
        sender=it.sender, message_id=it.message_id, box=it.fingerprint_box, trial=it.trial, digest=it.digest
    )


def submission_values(it: Submission) -> Values:
    """Return the row of a submission."""
    return {name: getattr(it, name) for name in _SAME} | {
        "sender_key": key(it.sender),
        "form_name": it.form.name,
        "form_version": it.form.version,
        "level": it.level.value,
        "proof": it.proof.value,
        "notes": json.dumps(it.notes),
    }


def submission(row: Row[Any]) -> Submission:
    """Read a submission."""
    return Submission(
        **{name: getattr(row, name) for name in _SAME},
        form=FormKey(name=row.form_name, version=row.form_version),
        level=Level(row.level),
        proof=Proof(row.proof),
        notes=notes(row),
    )


def notes(row: Row[Any]) -> tuple[str, ...]:
    """Read the notes on a submission."""
    return tuple(json.loads(row.notes))


def receipt_values(it: Receipt) -> Values:
    """Return the row of a receipt."""
    return {
        "id": it.id,
        "submission": it.submission,
        "kind": it.kind.value,
        "issued_at": it.issued_at,
        "answer": it.answer.value,
        "xml": it.xml,
    }


def receipt(row: Row[Any]) -> Receipt:
    """Read a receipt."""
    return Receipt(
        id=row.id,
        submission=row.submission,
        kind=ReceiptKind(row.kind),
        issued_at=row.issued_at,
        answer=Answer(row.answer),
        xml=bytes(row.xml),
    )


def delivery_values(it: Delivery) -> Values:
    """Return the row of a delivery that nobody holds."""
    return {name: getattr(it, name) for name in _SAME_DELIVERY} | {
        "state": it.state.value,
        "claimable_at": it.due_at if it.state in LIVE else None,
        "token": None,
    }


def delivery(row: Row[Any]) -> Delivery:
    """Read a delivery."""
    return Delivery(**{name: getattr(row, name) for name in _SAME_DELIVERY}, state=DeliveryState(row.state))


def refusal_values(it: Refusal) -> Values:
    """Return the row of a refusal."""
    return {name: getattr(it, name) for name in _SAME_REFUSAL}


def refusal(row: Row[Any]) -> Refusal:
    """Read a refusal."""
    return Refusal(**{name: getattr(row, name) for name in _SAME_REFUSAL})


def event_values(it: EventRecord) -> Values:
    """Return the row of an event that no batch has chained yet."""
    return {
        "at": it.at,
        "name": it.name,
        "submission": it.submission,
        "delivery": it.delivery,
        "detail": it.detail,
        "batch": None,
    }


def event(row: Row[Any]) -> EventRecord:
    """Read an event."""
    return EventRecord(at=row.at, name=row.name, submission=row.submission, delivery=row.delivery, detail=row.detail)


def step(row: Row[Any], happened: DeliveryEvent, at: Any, detail: str = "") -> Values:
    """Return the event row of a delivery's transition."""
    return event_values(
        EventRecord(at=at, name=f"delivery.{happened}", submission=row.submission, delivery=row.id, detail=detail)
    )
