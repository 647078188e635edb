"""Intake: an envelope comes in, a receipt goes out, and between them lies one transaction (DESIGN §4.1).

Sign, commit, release: the receipt is sealed before the commit and handed over only after it.  There is no
receipt without custody, and a sealed receipt whose commit failed dies in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from broker.errors import Rejection
from broker.evidence import to_json
from broker.model import (
    Acceptance,
    Admitted,
    Delivery,
    DeliveryId,
    Document,
    Envelope,
    Receipt,
    Refusal,
    Routed,
    Submission,
    SubmissionId,
    Valid,
    Verified,
)
from broker.ports import Clock, Ids, Stage, Store
from broker.receipt import Registrar

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The way of one document from a channel into custody.  `accept` may be called by many threads."""

    store: Store
    parse: Stage[Envelope, Document]
    validate: Stage[Document, Valid]
    verify: Stage[Valid, Verified]
    route: Stage[Verified, Routed]
    admit: Stage[Routed, Admitted]
    registrar: Registrar
    clock: Clock
    ids: Ids
    negative: frozenset[str] = frozenset()  # partners that asked for a sealed receipt of refusals too

    def accept(self, envelope: Envelope) -> Receipt:
        """Take custody and return the receipt; a repeat gets the receipt given then, byte for byte.

        Raises a Rejection (recorded before it is raised) or Unavailable (nothing was taken, nothing is lost:
        the sender may send the same again).
        """
        bound = log.bind(channel=envelope.channel, sender=envelope.sender, sha256=envelope.digest)
        try:
            # Before anything else, so that a repeat gets its receipt even after a certificate has expired,
            # a route has changed, or while the seal is away.
            known = self.store.find(envelope.fingerprint)
            if known is not None:
                bound.info("intake.repeated", submission=known.submission)
                return known
            admitted = self.admit(self.route(self.verify(self.validate(self.parse(envelope)))))
            acceptance = self._custody(admitted)
            receipt = self.store.accept(acceptance)
        except Rejection as no:
            self._refuse(envelope, no)
            bound.info(f"{no.stage}.refused", code=no.code, place=no.place)
            raise
        if receipt.submission == acceptance.submission.id:
            bound.info(
                "intake.accepted",
                submission=receipt.submission,
                office=admitted.target.office,
                form=str(admitted.form.key),
                row=admitted.target.row,
                notes=admitted.target.notes,
                trial=envelope.trial,
            )
        else:
            bound.info("intake.repeated", submission=receipt.submission)
        return receipt

    def _custody(self, admitted: Admitted) -> Acceptance:
        """Make all that is to be kept, the sealed receipt included; nothing is kept yet."""
        envelope, target, now = admitted.envelope, admitted.target, self.clock()
        submission = Submission(
            id=SubmissionId(self.ids()),
            channel=envelope.channel,
            sender=envelope.sender,
            message_id=envelope.message_id,
            fingerprint_box=envelope.fingerprint.box,
            box=target.box,
            office=target.office,
            row=target.row,
            form=admitted.form.key,
            trial=envelope.trial,
            digest=envelope.digest,
            size=len(envelope.payload),
            file_name=envelope.file_name,
            reply_to=envelope.reply_to,
            case=envelope.case,
            in_reply_to=envelope.in_reply_to,
            level=admitted.report.level,
            notes=target.notes,
            received_at=envelope.received_at,
            accepted_at=now,
        )
        delivery = Delivery(
            id=DeliveryId(self.ids()), submission=submission.id, office=target.office, since=now, due_at=now
        )
        return Acceptance(
            submission=submission,
            document=envelope.payload,
            receipt=self.registrar.upp(admitted, submission, now),
            report=to_json(admitted.report),
            deliveries=() if envelope.trial else (delivery,),
        )

    def _refuse(self, envelope: Envelope, no: Rejection) -> None:
        """Record the refusal, durably, before anyone is told of it."""
        now = self.clock()
        if envelope.sender in self.negative:
            no.negative_receipt = self.registrar.npp(envelope, no, now)
        self.store.refuse(
            Refusal(
                at=now,
                channel=envelope.channel,
                sender=envelope.sender,
                message_id=envelope.message_id,
                digest=envelope.digest,
                size=len(envelope.payload),
                code=no.code,
                place=no.place,
                negative_receipt=no.negative_receipt,
            )
        )
