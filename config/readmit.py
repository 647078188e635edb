"""Taking a document back into custody that the store has forgotten, under the receipt that was given for it.

A store that was restored from a backup does not know what came in after it; who sent that holds a receipt.  The
receipt says under which ids and at which moments custody was taken, and it is kept again byte for byte.  What it does
not say (the box as the sender named it, the message id, where answers go) is told by whoever readmits.

The document goes through all stages as of its moment of entry.  Where one refuses now what was taken then, a person
decides, and his reason stays in the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from broker.admit import GRACE
from broker.custody import READMITTED, deliveries_of, submission_of
from broker.errors import NotYet, Rejection
from broker.evidence import Indication, Level, Report, to_json
from broker.intake import Intake
from broker.model import (
    Acceptance,
    Address,
    Envelope,
    Form,
    FormKey,
    Receipt,
    ReceiptKind,
    SubmissionId,
    Target,
)
from broker.ports import Ledger, Question, Router
from broker.proof import ReceiptCheck, check
from broker.upo import ENVIRONMENT, FORM, LEVEL, TRIAL, addressee
from broker.verify import TrustSnapshot, anchors
from config import packaged, sources
from config.bootstrap import assemble
from config.bundle import bundle
from config.settings import Settings

UNCHECKED: Final = "intake.readmitted-unchecked"
"""The note on one that was taken back though a stage refused it."""

_PATIENCE: Final = 30.0  # seconds in which evidence of revocation may be fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the receipt does not say, and whoever readmits does."""

    to: Address  # as the sender named it: a part of what makes its repeats known
    sender: str = ""  # the receipt's, where that names one
    channel: str = "readmitted"
    message_id: str = ""
    reply_to: str = ""
    file_name: str = ""
    case: str = ""
    in_reply_to: str = ""
    without_checks: str = ""  # the reason why a stage may be passed over that refuses; empty: none may


@dataclass(frozen=True, slots=True, kw_only=True)
class Readmitted:
    """What came of it."""

    submission: SubmissionId
    receipt: str
    again: bool  # it was there already, under this very receipt
    passed_over: str = ""  # the code of the refusal that was passed over


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What the stages found, or as much of it as is to be had where one refused."""

    target: Target
    report: Report
    notes: tuple[str, ...]
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readmission:
    """Takes documents back.  `trust` holds the anchors of our own seals, `environment` is ours."""

    intake: Intake
    ledger: Ledger
    router: Router
    trust: TrustSnapshot
    schema: bytes
    environment: str

    def __call__(self, document: bytes, receipt: bytes, said: Said) -> Readmitted:
        """Take the document back under this receipt; if it is there under it already, do nothing.

        Raises a Rejection if the receipt is not ours or not for this document, if the document has come in again under
        another id meanwhile, or if a stage refuses it and may not be passed over; Unavailable if it cannot be judged.
        """
        facts = self._proven(document, receipt, said).facts
        envelope = Envelope(
            channel=said.channel,
            sender=said.sender or facts.get("Nadawca/IdentyfikatorPodmiotu", ""),
            received_at=_moment(facts["entered"]),
            payload=document,
            to=said.to,
            message_id=said.message_id,
            reply_to=said.reply_to,
            file_name=said.file_name,
            trial=facts.get(TRIAL) == "true",
            case=said.case,
            in_reply_to=said.in_reply_to,
        )
        of, id_ = SubmissionId(facts["IdentyfikatorDokumentu"]), facts["IdentyfikatorPoswiadczenia"]
        if self._there_already(of, envelope, receipt):
            return Readmitted(submission=of, receipt=id_, again=True)
        judged = self._judged(envelope, facts[FORM], said)
        if addressee(judged.target).id != facts["Adresat/IdentyfikatorPodmiotu"]:
            told = {"receipt": facts["Adresat/IdentyfikatorPodmiotu"], "routed": addressee(judged.target).id}
            raise Rejection("intake.readmit-addressee", facts=told)
        self._keep(envelope, judged, facts, receipt, said)
        return Readmitted(submission=of, receipt=id_, again=False, passed_over=judged.refusal)

    def _proven(self, document: bytes, receipt: bytes, said: Said) -> ReceiptCheck:
        """Judge the receipt: it must be our own proof of submission, as issued, for this document of this sender."""
        found = check(receipt, schema=self.schema, trust=self.trust, document=document)
        if not found.holds:
            raise Rejection(found.code, place=found.place)
        sender = found.facts.get("Nadawca/IdentyfikatorPodmiotu", "")
        wrong = {
            "intake.readmit-copy": "receipt.stamp-not-judged" in found.notes,
            "receipt.rewritten": "receipt.rewritten" in found.notes,
            "intake.readmit-kind": found.kind is not ReceiptKind.UPP,
            "intake.readmit-environment": found.facts.get(ENVIRONMENT) != self.environment,
            "intake.readmit-sender": bool(sender and said.sender and sender != said.sender),
        }
        for code, holds in wrong.items():
            if holds:
                raise Rejection(code, facts={"kind": str(found.kind or ""), "sender": sender})
        return found

    def _there_already(self, of: SubmissionId, envelope: Envelope, receipt: bytes) -> bool:
        """Tell whether the store has it under this receipt; raise a Rejection if it has it under another."""
        message = envelope.fingerprint
        there = self.ledger.show(of)
        if there is not None:
            it = there.submission
            same = (it.sender, it.fingerprint_box, it.trial) == (message.sender, message.box, message.trial)
            if same and there.receipt.xml == receipt:
                return True
            raise Rejection("intake.readmit-differs", facts={"submission": of, "box": it.fingerprint_box})
        known = self.intake.store.find(message)
        if known is not None:
            raise Rejection("intake.readmit-later", facts={"submission": known.submission, "receipt": known.id})
        return False

    def _judged(self, envelope: Envelope, form: str, said: Said) -> _Judged:
        """Send the document through the stages; where one refuses and may be passed over, only find the office."""
        intake = self.intake
        report = Report(indication=Indication.INDETERMINATE, judged_at=envelope.received_at)
        key = FormKey(name=form.rpartition("/")[0], version=form.rpartition("/")[2])
        found = Form(key=key, namespace="", root="", title_pl="", title_en="")
        target: Target | None = None
        try:
            valid = intake.validate(intake.parse(envelope))
            found = valid.form
            verified = intake.verify(valid)
            report = verified.report
            routed = intake.route(verified)
            target = routed.target
            admitted = intake.admit(routed)
        except Rejection as no:
            if not said.without_checks:
                raise
            if target is None:
                target = self.router.target(Question(to=envelope.to, form=found, at=envelope.received_at))
            return _Judged(target=target, report=report, notes=(*target.notes, UNCHECKED), refusal=no.code)
        return _Judged(target=target, report=report, notes=(*target.notes, *admitted.notes))

    def _keep(self, envelope: Envelope, judged: _Judged, facts: Mapping[str, str], receipt: bytes, said: Said) -> None:
        made, target, form = _moment(facts["made"]), judged.target, facts[FORM]
        submission = submission_of(
            envelope,
            target,
            id_=SubmissionId(facts["IdentyfikatorDokumentu"]),
            form=FormKey(name=form.rpartition("/")[0], version=form.rpartition("/")[2]),
            level=Level(facts[LEVEL]),
            notes=(*judged.notes, READMITTED),
            at=made,
        )
        kept = self.intake.store.accept(
            Acceptance(
                submission=submission,
                document=envelope.payload,
                receipt=Receipt(
                    id=facts["IdentyfikatorPoswiadczenia"],
                    submission=submission.id,
                    kind=ReceiptKind.UPP,
                    issued_at=made,
                    xml=receipt,
                    answer=target.policy.answer,
                ),
                report=to_json(judged.report),
                deliveries=deliveries_of(envelope, submission, self.intake.clock()),
                recheck=GRACE in judged.notes,
                awaits_answer=not envelope.trial and self.intake.awaits_answer(target.office),
                told=((READMITTED, f"{judged.refusal}: {said.without_checks}" if judged.refusal else ""),),
            )
        )
        if kept.submission != submission.id:  # somebody was faster
            raise Rejection("intake.readmit-later", facts={"submission": kept.submission, "receipt": kept.id})


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written.strip())


def readmit(settings: Settings, document: bytes, receipt: bytes, said: Said, seals: bytes = b"") -> Readmitted:
    """Take a document back into the store of a configuration.

    `seals` are certificates of our own, PEM, beside those that the store knows.  Evidence of revocation that is missing
    is fetched, for half a minute.  Raises as `Readmission` does, and ConfigError.
    """
    broker = assemble(settings)
    try:
        if broker.keeper is not None:
            broker.keeper.start()
        known = bundle(broker.ledger.seals()) + seals
        work = Readmission(
            intake=broker.intake,
            ledger=broker.ledger,
            router=sources.load_routing(settings),
            trust=TrustSnapshot(anchors=tuple(anchors(known))),
            schema=packaged.text("receipts/upo.xsd"),
            environment=settings.environment,
        )
        return _patiently(lambda: work(document, receipt, said))
    finally:
        if broker.keeper is not None:
            broker.keeper.stop()
        broker.close()


def _patiently(work: Callable[[], Readmitted]) -> Readmitted:
    """Do the work, again and again while evidence is being fetched."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with suppress(NotYet):
            return work()
        time.sleep(1)
    return work()
