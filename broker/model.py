"""The nouns of the broker, all frozen.

A value here is a fact that has been established, so its type is the proof: an `Admitted` exists only because
parse, validate, verify, route and admit let it through, in this order, and `receipt` takes nothing else.
Leaving a stage out is a type error.  Only `Document` holds a parsed tree, and it never leaves intake.

Every moment is UTC.  Every digest is SHA-256 in lower-case hexadecimal unless a name says otherwise.
What a signature is worth (`Report` and its parts) is in `broker/evidence.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from lxml import etree

from broker.evidence import Level, Report
from broker.partner import Proof
from broker.states import DeliveryEvent, DeliveryState

SubmissionId = NewType("SubmissionId", str)
DeliveryId = NewType("DeliveryId", str)
OfficeId = NewType("OfficeId", str)


# ── what a channel received ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the envelope says the document should go; empty strings for what it does not say."""

    box: str = ""  # skrytka: /office/box
    ade: str = ""  # e-delivery address
    teryt: str = ""  # territory whose office is meant, when a service has no box of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What makes two messages the same message (DESIGN §4.2).

    Equal (sender, box, trial, digest): the same submission.  Equal (sender, message_id), when there is one,
    with anything else different: a message id used twice.
    """

    sender: str
    message_id: str
    box: str
    trial: bool
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """What tells a message that was sent again whole from one that was made anew: its signature and its time."""

    token: str  # hexadecimal
    until: datetime  # afterwards the channel itself refuses the message as too old


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a channel received, before anyone looked inside."""

    channel: str  # the channel's name in the configuration
    sender: str  # the partner that the channel says it is
    proof: Proof = Proof.NONE  # how the channel knows
    received_at: datetime  # the moment of entry: when the last byte had arrived
    payload: bytes  # the document, untouched
    to: Address
    message_id: str = ""  # the sender's, unique among its messages; empty when the channel has none
    reply_to: str = ""  # the box to which the office's answer should go
    file_name: str = ""
    trial: bool = False  # runs every stage, gets a receipt marked as trial, is delivered to nobody
    case: str = ""  # the office's case number, when the sender knows it
    in_reply_to: str = ""  # the submission that this one answers
    once: Once | None = None  # a message that may come only once, whatever is in it
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.payload).hexdigest())

    @property
    def fingerprint(self) -> Fingerprint:
        """The keys under which a repeat of this message is known."""
        to = self.to
        # An address of another kind names its kind, so that no two kinds can be taken for one another.
        target = to.box or (to.ade and f"ade:{to.ade}") or (to.teryt and f"teryt:{to.teryt}")
        return Fingerprint(
            sender=self.sender, message_id=self.message_id, box=target, trial=self.trial, digest=self.digest
        )


# ── what the stages establish, one after the other ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Stage 1, parse: the payload is safe, well-formed XML.

    `root` is the document's root; `form` is the element that claims to be a form: the root itself, or the one
    element inside the root signature's `ds:Object` (an enveloping signature).
    """

    envelope: Envelope
    root: etree._Element
    form: etree._Element


@dataclass(frozen=True, slots=True, kw_only=True)
class FormKey:
    """A form of the catalogue and its version: `pismo-ogolne/1410`."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A kind of document that offices have agreed on, and what its kind of service asks for."""

    key: FormKey
    namespace: str
    root: str  # local name of the root element
    title_pl: str
    title_en: str
    signed: bool = True  # a help-desk question needs no signature, every other form does
    level: Level = Level.LOCAL  # the weakest signature that its kind of service takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One way in which a document breaks its schema; `message` may quote the document: never log it."""

    path: str
    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Valid:
    """Stage 2, validate: the document obeys the schema of its form."""

    document: Document
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Stage 3, verify: what the signatures are worth is established; whether that is enough is not.

    `content` is the canonical form of the form element: when the verdict is PASSED, exactly the octets that
    every signature covers.  Whoever wants a value out of the form reads it from here, never from the tree.
    """

    valid: Valid
    report: Report
    content: bytes


class Answer(StrEnum):
    """What a box gives back to the sender on the spot."""

    UPP = "upp"
    STATUS = "status"  # a status only; the receipt is kept and can be asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPolicy:
    """The rules of a box.  Empty sets mean: no restriction."""

    forms: frozenset[str] = frozenset()  # keys ("pismo-ogolne/1410") or names ("pismo-ogolne")
    senders: frozenset[str] = frozenset()
    level: Level = Level.NONE  # the weakest level that this box takes, if stronger than the form's
    unsigned: bool = True  # whether forms that need no signature may come without one
    signatures: int = 1  # how many signatures a form that needs them must bear
    answer: Answer = Answer.UPP
    # How long a CA may have been silent while documents whose certificates nobody vouches for are still let in, with
    # the verdict INDETERMINATE in the receipt, to be judged again later.  Zero: their senders are told to try later.
    grace: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a document goes, and the row of the table that said so."""

    row: str  # names the matching row, for `goniec route --explain` and the record
    office: OfficeId
    office_name: str
    box: str
    policy: BoxPolicy = field(default_factory=BoxPolicy)
    notes: tuple[str, ...] = ()  # codes of what did not agree, e.g. envelope and form


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Stage 4, route: a row of the table matched."""

    verified: Verified
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Stage 5, admit: this sender, with this level of signature, may put this form into this box."""

    routed: Routed
    notes: tuple[str, ...] = ()  # codes of what was let through with a reservation, e.g. `admit.grace`

    @property
    def envelope(self) -> Envelope:
        """What the channel received."""
        return self.routed.verified.valid.document.envelope

    @property
    def form(self) -> Form:
        """The form that the document obeys."""
        return self.routed.verified.valid.form

    @property
    def report(self) -> Report:
        """What its signatures are worth."""
        return self.routed.verified.report

    @property
    def target(self) -> Target:
        """Where it goes."""
        return self.routed.target


# ── custody ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A document the broker has taken custody of."""

    id: SubmissionId
    channel: str
    sender: str
    proof: Proof = Proof.NONE  # how it was known who sends
    message_id: str
    fingerprint_box: str  # the address as the envelope gave it: a part of the idempotency key
    box: str  # the box that routing found
    office: OfficeId
    row: str
    form: FormKey
    trial: bool
    digest: str
    size: int
    file_name: str
    reply_to: str
    case: str
    in_reply_to: str
    level: Level
    notes: tuple[str, ...]
    received_at: datetime
    accepted_at: datetime


class ReceiptKind(StrEnum):
    """Which of the official receipts (DOMAIN §2), or the evidence that is no receipt."""

    UPP = "UPP"
    NPP = "NPP"
    UPD = "UPD"
    NEGATIVE_EVIDENCE = "DowodNegatywny"  # something did not happen in time (`broker/deadlines.py`)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The sealed proof, given to the sender, that custody was taken."""

    id: str  # IdentyfikatorPoswiadczenia
    submission: SubmissionId
    kind: ReceiptKind
    issued_at: datetime
    xml: bytes
    answer: Answer = Answer.UPP


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One submission on its way to one office."""

    id: DeliveryId  # the same on every attempt: the office's key against repeats
    submission: SubmissionId
    office: OfficeId
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0  # counted when claimed, by the store
    crashes: int = 0  # claims whose lease ran out without an outcome
    since: datetime  # patience is counted from here: entry, or the last requeue
    due_at: datetime
    last_error: str = ""
    reference: str = ""  # what the office answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """All that one transaction keeps when the broker takes custody: everything, or nothing."""

    submission: Submission
    document: bytes
    receipt: Receipt
    report: bytes  # the verification report as UTF-8 JSON (`broker.evidence.to_json`)
    deliveries: tuple[Delivery, ...]
    recheck: bool = False  # it was let in under a grace: its signatures are to be judged again
    awaits_answer: bool = False  # its office is to answer it, by a deadline
    told: tuple[tuple[str, str], ...] = ()  # what else is to be written into its record: names of events, and details


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What is kept of a document that was turned away: never its content (DESIGN §4.2)."""

    at: datetime
    channel: str
    sender: str
    message_id: str
    digest: str
    size: int
    code: str
    place: str
    negative_receipt: bytes | None = None


# ── delivery ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeLimits:
    """How hard one office may be pressed; the counters live in the store and hold over all nodes."""

    office: OfficeId
    in_flight: int = 2  # attempts at the same time
    threshold: int = 5  # failures in a row that open the breaker
    cooling: timedelta = timedelta(seconds=30)  # how long it stays open before one delivery probes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to work on a delivery until `expires_at`, by the store's clock."""

    delivery: Delivery  # as it is now: SENDING, this attempt counted
    token: str  # fences the outcome: who has lost the lease cannot record
    claimed_at: datetime
    expires_at: datetime
    probe: bool = False  # of an office whose breaker is open: perhaps it hangs


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one attempt did to a delivery: decided by `broker.retry`, written by the store."""

    event: DeliveryEvent
    state: DeliveryState
    wait: timedelta = timedelta(0)  # until it is due again, counted from the store's now
    reference: str = ""
    error: str = ""
    healthy: bool | None = True  # whether the office showed itself alive: feeds its breaker; None: nothing was learnt


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What an office is handed: everything it could need, and the same on every attempt."""

    delivery: DeliveryId
    submission: Submission
    document: bytes  # byte for byte as received
    receipt: Receipt
    report: bytes  # verification report, UTF-8 JSON

    @property
    def summary(self) -> Mapping[str, str]:
        """The few facts that every kind of office passes on, by their name on the wire."""
        it = self.submission
        return {
            "delivery": self.delivery,
            "submission": it.id,
            "sender": it.sender,
            "box": it.box,
            "form": str(it.form),
            "file-name": it.file_name,
            "reply-to": it.reply_to,
            "case": it.case,
            "in-reply-to": it.in_reply_to,
            "sha256": it.digest,
            "level": it.level,
            "received-at": it.received_at.isoformat().replace("+00:00", "Z"),
        }
