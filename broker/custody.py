"""What the broker takes custody of, as nouns: the submission, and its way to its office."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from broker.evidence import Level
from broker.identity import delivery_id
from broker.model import Delivery, Envelope, FormKey, Submission, SubmissionId, Target

READMITTED: Final = "intake.readmitted"
"""The note on a submission that was taken back under the receipt given then, and the event that says so."""


def submission_of(
    envelope: Envelope,
    target: Target,
    *,
    id_: SubmissionId,
    form: FormKey,
    level: Level,
    notes: tuple[str, ...],
    at: datetime,
) -> Submission:
    """Return the submission that an envelope for this target becomes, accepted at `at`."""
    return Submission(
        id=id_,
        channel=envelope.channel,
        sender=envelope.sender,
        proof=envelope.proof,
        message_id=envelope.message_id,
        fingerprint_box=envelope.fingerprint.box,
        box=target.box,
        office=target.office,
        row=target.row,
        form=form,
        trial=envelope.trial,
        digest=envelope.digest,
        size=len(envelope.payload),
        file_name=envelope.file_name,
        reply_to=envelope.reply_to,
        case=envelope.case,
        in_reply_to=envelope.in_reply_to,
        level=level,
        notes=notes,
        received_at=envelope.received_at,
        accepted_at=at,
    )


def deliveries_of(envelope: Envelope, submission: Submission, now: datetime) -> tuple[Delivery, ...]:
    """Return what is due at once: one delivery to the submission's office; of a trial, none."""
    if submission.trial:
        return ()
    return (
        Delivery(
            id=delivery_id(envelope.fingerprint, submission.office),
            submission=submission.id,
            office=submission.office,
            since=now,
            due_at=now,
        ),
    )


def due_by(delivery: Delivery, now: datetime) -> Delivery:
    """Return a new delivery as the store keeps it, whose clock says `now`.

    What is due at once is so by the store's clock, by which it is taken: a node whose own clock is ahead must not make
    a document wait until that hour.
    """
    ahead = now < delivery.due_at <= delivery.since
    return replace(delivery, due_at=now) if ahead else delivery
