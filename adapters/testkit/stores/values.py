"""Test values for the custody suites: every field has a default, so a test states only what it is about."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from broker.evidence import UNSIGNED, Level, to_json
from broker.model import (
    Acceptance,
    Delivery,
    DeliveryId,
    Fingerprint,
    FormKey,
    OfficeId,
    OfficeLimits,
    Outcome,
    Receipt,
    ReceiptKind,
    Refusal,
    Submission,
    SubmissionId,
)
from broker.ports import Store
from broker.states import DeliveryEvent, DeliveryState, follow

T = TypeVar("T")

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)
COOLING = timedelta(seconds=30)
TOWN = OfficeId("town-hall")
COUNTY = OfficeId("county")
_numbers = count(1)


class Hands:
    """A clock that a test sets by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """Return the moment that was set."""
        return self.now

    def pass_by(self, time: timedelta) -> None:
        """Let time go by."""
        self.now += time


def a_letter(document: bytes = b"<letter/>", **about: Any) -> Acceptance:
    """Return an acceptance; `about` goes to the submission, `due_at` to its one delivery."""
    number = next(_numbers)
    due_at = about.pop("due_at", NOON)
    submission = Submission(
        **{
            "id": SubmissionId(f"s{number:08}"),
            "channel": "soap",
            "sender": "citizen",
            "message_id": f"m{number}",
            "fingerprint_box": "/town/SEKAP",
            "box": "/town/SEKAP",
            "office": TOWN,
            "row": "boxes:1",
            "form": FormKey(name="pismo-ogolne", version="1410"),
            "trial": False,
            "digest": f"{number:064x}",
            "size": len(document),
            "file_name": "letter.xml",
            "reply_to": "/citizen/box",
            "case": "",
            "in_reply_to": "",
            "level": Level.LOCAL,
            "notes": (),
            "received_at": NOON,
            "accepted_at": NOON,
            **about,
        }
    )
    receipt = Receipt(
        id=f"r{number:08}",
        submission=submission.id,
        kind=ReceiptKind.UPP,
        issued_at=NOON,
        xml=f"<UPP>{number}</UPP>\n".encode(),
    )
    delivery = Delivery(
        id=DeliveryId(f"d{number:08}"), submission=submission.id, office=submission.office, since=NOON, due_at=due_at
    )
    return Acceptance(
        submission=submission,
        document=document,
        receipt=receipt,
        report=to_json(UNSIGNED),
        deliveries=() if submission.trial else (delivery,),
    )


def fingerprint(letter: Acceptance) -> Fingerprint:
    """Return what the envelope of this letter was known by."""
    it = letter.submission
    return Fingerprint(
        sender=it.sender, message_id=it.message_id, box=it.fingerprint_box, trial=it.trial, digest=it.digest
    )


def again(letter: Acceptance, **different: Any) -> Acceptance:
    """Return the same message as intake would make it anew: own ids, own receipt, `different` where it says so."""
    old = letter.submission
    kept = ("sender", "message_id", "fingerprint_box", "digest", "trial")
    return a_letter(letter.document, **{name: getattr(old, name) for name in kept} | different)


def a_refusal(**about: Any) -> Refusal:
    """Return what is kept of a document that was turned away."""
    return Refusal(
        **{
            "at": NOON,
            "channel": "soap",
            "sender": "stranger",
            "message_id": "",
            "digest": "ab" * 32,
            "size": 9,
            "code": "parse.doctype",
            "place": "line 1",
            **about,
        }
    )


def limits(office: OfficeId = TOWN, **about: Any) -> OfficeLimits:
    """Return wide limits, narrowed by `about`."""
    return OfficeLimits(**{"office": office, "in_flight": 1000, "threshold": 1000, "cooling": COOLING, **about})


def outcome(event: DeliveryEvent, **about: Any) -> Outcome:
    """Return what an attempt ended in."""
    healthy = event in {DeliveryEvent.ACKNOWLEDGED, DeliveryEvent.REFUSED}
    return Outcome(event=event, state=follow(DeliveryState.SENDING, event), **{"healthy": healthy, **about})


ACKNOWLEDGED = outcome(DeliveryEvent.ACKNOWLEDGED, reference="EZD/1/2026")
REFUSED = outcome(DeliveryEvent.REFUSED, error="no such box")
POSTPONED = outcome(DeliveryEvent.POSTPONED, wait=timedelta(minutes=1), error="connection refused")
GAVE_UP = outcome(DeliveryEvent.GAVE_UP, error="connection refused")


def kept(store: Store, document: bytes = b"<letter/>", **about: Any) -> Acceptance:
    """Put a letter into custody."""
    letter = a_letter(document, **about)
    store.accept(letter)
    return letter


def as_claimed(letter: Acceptance, *, attempts: int = 1, crashes: int = 0) -> Delivery:
    """Return the letter's delivery as a claim must show it."""
    return replace(letter.deliveries[0], state=DeliveryState.SENDING, attempts=attempts, crashes=crashes)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run all calls at the same moment, one thread each; an exception is a result too."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | Exception:
        gate.wait()
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - what was raised is what the test looks at
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
