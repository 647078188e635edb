"""Makers of test values: every field has a default, so a test states only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

from broker.evidence import UNSIGNED, Level, to_json
from broker.model import (
    Acceptance,
    Address,
    Delivery,
    DeliveryId,
    Envelope,
    FormKey,
    OfficeId,
    Receipt,
    ReceiptKind,
    Submission,
    SubmissionId,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_numbers = count(1)


def an_envelope(payload: bytes = b"<letter/>", **about: Any) -> Envelope:
    return Envelope(
        **{
            "channel": "soap",
            "sender": "citizen",
            "received_at": NOON,
            "payload": payload,
            "to": Address(box="/town/SEKAP"),
            "message_id": "",
            "file_name": "letter.xml",
            **about,
        }
    )


def a_submission(**about: Any) -> Submission:
    number = next(_numbers)
    return Submission(
        **{
            "id": SubmissionId(f"s{number:06}"),
            "channel": "soap",
            "sender": "citizen",
            "message_id": f"m{number}",
            "fingerprint_box": "/town/SEKAP",
            "box": "/town/SEKAP",
            "office": OfficeId("town-hall"),
            "row": "boxes:1",
            "form": FormKey(name="pismo-ogolne", version="1410"),
            "trial": False,
            "digest": f"{number:064x}",
            "size": 9,
            "file_name": "letter.xml",
            "reply_to": "",
            "case": "",
            "in_reply_to": "",
            "level": Level.LOCAL,
            "notes": (),
            "received_at": NOON,
            "accepted_at": NOON,
            **about,
        }
    )


def a_receipt(submission: Submission, **about: Any) -> Receipt:
    return Receipt(
        **{
            "id": f"r-{submission.id}",
            "submission": submission.id,
            "kind": ReceiptKind.UPP,
            "issued_at": NOON,
            "xml": f"<UPP>{submission.id}</UPP>".encode(),
            **about,
        }
    )


def a_delivery(submission: Submission, **about: Any) -> Delivery:
    return Delivery(
        **{
            "id": DeliveryId(f"d{next(_numbers):06}"),
            "submission": submission.id,
            "office": submission.office,
            "since": NOON,
            "due_at": NOON,
            **about,
        }
    )


def an_acceptance(document: bytes = b"<letter/>", **about: Any) -> Acceptance:
    """An acceptance with one delivery; `about` goes to the submission."""
    submission = a_submission(**about)
    return Acceptance(
        submission=submission,
        document=document,
        receipt=a_receipt(submission),
        report=to_json(UNSIGNED),
        deliveries=() if submission.trial else (a_delivery(submission),),
    )
