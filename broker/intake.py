"""Intake: an envelope comes in, a receipt goes out, and between them lies one transaction (DESIGN §4.1).

Sign, commit, release: the receipt is sealed before the commit and handed over only after it.  There is no
receipt without custody, and a sealed receipt whose commit failed dies in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import structlog

from broker.admit import GRACE
from broker.custody import deliveries_of, submission_of
from broker.errors import Rejection, TooLarge, Unauthorised, Unavailable
from broker.evidence import to_json
from broker.model import (
    Acceptance,
    Admitted,
    Document,
    Envelope,
    OfficeId,
    Once,
    Receipt,
    Refusal,
    Routed,
    SubmissionId,
    Valid,
    Verified,
)
from broker.partner import NOBODY, Partner, Partners
from broker.ports import Clock, Ids, Pace, Stage, Store
from broker.pressure import NONE, Pressure
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
    partners: Callable[[], Partners] = lambda: NOBODY
    awaits_answer: Callable[[OfficeId], bool] = lambda office: False  # noqa: ARG005 - nobody's answers are watched for
    pace: Pace = lambda partner: None  # noqa: ARG005 - nobody is held back
    pressure: Callable[[], Pressure] = lambda: NONE
    room: Callable[[int], AbstractContextManager[None]] = lambda size: nullcontext()  # noqa: ARG005 - there is room

    def accept(self, envelope: Envelope) -> Receipt:
        """Take custody and return the receipt; a repeat gets the receipt given then, byte for byte.

        Raises a Rejection (recorded before it is raised) or Unavailable (nothing was taken, nothing is lost:
        the sender may send the same again).
        """
        name = self.partners().known_name(envelope.sender, envelope.proof)
        bound = log.bind(channel=envelope.channel, sender=name, sha256=envelope.digest)
        marked: Once | None = None
        try:
            try:
                self.pressure().demand_store()
                self._enter(envelope, self.partners().sender(envelope.sender, envelope.proof))
                marked = self._mark(envelope.once)
                return self._take(envelope, bound)
            except Rejection as no:
                self._refuse(envelope, no)
                bound.info(f"{no.stage}.refused", code=no.code, place=no.place)
                raise
        except Rejection:
            raise
        except Exception as failed:
            if isinstance(failed, Unavailable):
                bound.info("intake.put-off", condition=failed.condition or "other", reason=failed.reason)
            # Nothing was taken and nobody was told no, so the sender may send the very same again.
            if marked is not None:
                self._unmark(marked, bound)
            raise

    def _enter(self, envelope: Envelope, partner: Partner | None) -> None:
        """Let a partner in with what it may send at all, at its pace; where it may send to is asked in admit."""
        if partner is None:
            return
        self.pace(partner)
        size = len(envelope.payload)
        if partner.size and size > partner.size:
            raise TooLarge("partner.too-large", facts={"size": str(size), "limit": str(partner.size)})
        if envelope.reply_to and not partner.may_be_answered_in(envelope.reply_to):
            raise Unauthorised("partner.reply-box", place="reply-to", facts={"box": envelope.reply_to})

    def _mark(self, once: Once | None) -> Once | None:
        """Note that a message came that may come only once; raise Unauthorised if it came before as it is."""
        if once is not None and not self.store.first_use(once.token, once.until):
            raise Unauthorised("intake.replayed")
        return once

    def _unmark(self, once: Once, bound: structlog.stdlib.BoundLogger) -> None:
        try:
            self.store.forget_use(once.token)
        except Unavailable as away:  # why the message came to nothing is what the sender must hear
            bound.warning("intake.still-marked", reason=away.reason, until=once.until.isoformat())

    def _take(self, envelope: Envelope, bound: structlog.stdlib.BoundLogger) -> Receipt:
        # Before anything else, so that a repeat gets its receipt even after a certificate has expired, a route has
        # changed, or while the seal is away.
        known = self.store.find(envelope.fingerprint)
        if known is not None:
            bound.info("intake.repeated", submission=known.submission)
            return known
        self.pressure().demand()
        with self.room(len(envelope.payload)):
            admitted = self.admit(self.route(self.verify(self.validate(self.parse(envelope)))))
            if not envelope.trial:
                self.pressure().demand_room_for(admitted.target.office)
            acceptance = self._custody(admitted)
            receipt = self.store.accept(acceptance)
        opinion = admitted.report.second_opinion
        if receipt.submission == acceptance.submission.id:
            bound.info(
                "intake.accepted",
                submission=receipt.submission,
                office=admitted.target.office,
                form=str(admitted.form.key),
                row=admitted.target.row,
                notes=acceptance.submission.notes,
                second_opinion=opinion.stance if opinion else "",
                unread=opinion.reason if opinion else "",
                proof=envelope.proof,
                trial=envelope.trial,
            )
        else:
            bound.info("intake.repeated", submission=receipt.submission)
        return receipt

    def _custody(self, admitted: Admitted) -> Acceptance:
        """Make all that is to be kept, the sealed receipt included; nothing is kept yet."""
        envelope, target, now = admitted.envelope, admitted.target, self.clock()
        submission = submission_of(
            envelope,
            target,
            id_=SubmissionId(self.ids()),
            form=admitted.form.key,
            level=admitted.report.level,
            notes=(*target.notes, *admitted.notes),
            at=now,
        )
        return Acceptance(
            submission=submission,
            document=envelope.payload,
            receipt=self.registrar.upp(admitted, submission, now),
            report=to_json(admitted.report),
            deliveries=deliveries_of(envelope, submission, now),
            recheck=GRACE in admitted.notes,
            awaits_answer=not envelope.trial and self.awaits_answer(target.office),
        )

    def _refuse(self, envelope: Envelope, no: Rejection) -> None:
        """Record the refusal, durably, before anyone is told of it."""
        now = self.clock()
        partner = self.partners().get(envelope.sender)
        if partner is not None and partner.negative_receipts:
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
