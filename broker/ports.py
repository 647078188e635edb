"""Every seam of the broker: what the core asks of the world, and what it gives to it.

An implementation lives in `adapters/` (or in an integrator's package), raises only errors of `broker.errors`,
and passes the suite of the same name in `adapters/testkit`.  A comment here is a contract: what errors mean,
what a repeat does, when something may be acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from typing import Final, Protocol, TypeVar

from lxml import etree

from broker.model import (
    Acceptance,
    Address,
    Claim,
    Delivery,
    DeliveryId,
    Envelope,
    Fingerprint,
    Flaw,
    Form,
    OfficeId,
    OfficeLimits,
    Outcome,
    Parcel,
    Receipt,
    Refusal,
    Submission,
    SubmissionId,
    Target,
)
from broker.partner import Partner
from broker.pressure import Queued, Strain
from broker.states import DeliveryState

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Stage(Protocol[In_contra, Out_co]):
    """One step of intake: a value in, a richer value out.

    Raises a Rejection if the document is at fault and Unavailable if the world is.  Does no I/O of its own,
    reads no clock, keeps nothing between calls, may be called by many threads at once.
    """

    def __call__(self, value: In_contra, /) -> Out_co: ...


Clock = Callable[[], datetime]
"""The moment now, in UTC."""

Ids = Callable[[], str]
"""A new identifier, unique over all nodes, later ones sorting after earlier ones (UUID version 7)."""

Pace = Callable[[Partner], None]
"""Counts a partner's message; raises NotYet, with a wait, when it is over the partner's share."""

Accept = Callable[[Envelope], Receipt]
"""Intake as a channel sees it: a receipt, a Rejection, or Unavailable.  A repeat gets the receipt given then."""


class Channel(Protocol):
    """A way in."""

    def serve(self, accept: Accept, stop: Event) -> None:
        """Call `accept` for each message until `stop` is set; then let what is under way end, and return.

        Acknowledge a message only after `accept` has returned or raised a Rejection; on Unavailable leave it
        with the sender and do not spin; on NotYet let others' messages pass it.  Raises Unavailable if the channel
        cannot be opened.
        """
        ...


class Office(Protocol):
    """A way out: one office, reached one way.  Used by one thread at a time; every call ends within its deadline."""

    def deliver(self, parcel: Parcel) -> str:
        """Hand over the parcel; return the office's own reference (empty if it gave none).

        Return only when the office has answered that it has the document.  `parcel.delivery` is the same on
        every attempt: pass it on, so that the office can drop a repeat.  Raises Unavailable (will be retried;
        may name a wait) or Refused (will not).
        """
        ...

    def check(self) -> None:
        """Try the way to the office without handing anything over.  Raises Unavailable."""
        ...

    def close(self) -> None:
        """Let go of connections.  The office may be used again: it then connects anew."""
        ...


class Store(Protocol):
    """Custody: what is in here survives.  Every method is one transaction and may be called by many threads.

    Raises Unavailable when the store is out of reach or full: then nothing has changed, or it cannot be known
    and the same call may be made again.  Leases and due times run on the store's own clock.
    """

    def enrol(self, offices: Sequence[OfficeLimits]) -> None:
        """Make the offices known, or change their limits; breaker, pause and counters stay as they are."""
        ...

    def find(self, message: Fingerprint) -> Receipt | None:
        """Return the receipt given for this very message, or None if it is new.

        Changes nothing but to bind a new message id to the message that is known, durably, before it returns:
        that id is used then.  Raises Reused if the sender used this message id for anything else.
        """
        ...

    def accept(self, acceptance: Acceptance) -> Receipt:
        """Keep submission, document, receipt, report and deliveries, durably, or nothing; return the receipt.

        If the same message is there already (a race lost), change no more than `find` does and return the receipt
        given then; raise Reused as `find` does, and change nothing.  When this returns, the data have reached the
        disk.
        """
        ...

    def first_use(self, token: str, until: datetime) -> bool:
        """Return True the first time a token is shown, False ever after, over all nodes; forget it after `until`."""
        ...

    def forget_use(self, token: str) -> None:
        """Let a token be used again: its message came to nothing, and the sender may send it as it is."""
        ...

    def refuse(self, refusal: Refusal) -> None:
        """Record that a document was turned away; it occupies no message id.

        Capped per sender and hour: what is over the cap is only counted.
        """
        ...

    def claim(self, lease: timedelta, most: int = 1, probes: int = 1) -> Sequence[Claim]:
        """Take up to `most` due deliveries, longest due first, of offices that are open for another attempt.

        An office is open if it is not paused, its breaker is closed (or its cooling over: then one attempt
        probes), and fewer attempts are in flight than its limit.  At most `probes` of those taken probe, and come
        first, the longest cooled before the others.  The attempt is counted here.  A delivery whose lease ran out is
        taken over and a crash is counted.  No two calls take the same delivery.
        """
        ...

    def renew(self, claim: Claim, lease: timedelta) -> Claim:
        """Prolong the lease from now, also one that has run out while nobody has taken the delivery over.

        Raises LeaseLost if another worker has taken it over, or it is no longer being sent.
        """
        ...

    def release(self, claim: Claim, wait: timedelta = timedelta(0)) -> None:
        """Give the delivery back untried, with its attempt, to be due again after `wait`.

        Raises LeaseLost if the claim is no longer ours.
        """
        ...

    def record(self, claim: Claim, outcome: Outcome) -> None:
        """Write an attempt's outcome, its event and the office's health; raise LeaseLost if no longer ours."""
        ...

    def parcel(self, claim: Claim) -> Parcel:
        """Return what the office is to be handed."""
        ...

    def keep_seal(self, sha256: str, pem: bytes, at: datetime) -> None:
        """Remember a seal's certificate and those above it (PEM), once, by the SHA-256 of its DER.

        Durable before the first receipt under it is given: who checks an old receipt must find its certificate.
        """
        ...

    def unstamped(self, most: int = 100) -> Sequence[Receipt]:
        """Return proofs of submission that have no time-stamped copy yet, oldest first."""
        ...

    def stamp(self, receipt: str, xml: bytes, at: datetime) -> None:
        """Keep the time-stamped copy of a receipt beside it, once; the receipt itself never changes."""
        ...

    def awaiting(self, most: int = 100, after: str = "") -> Sequence[Record]:
        """Return what was let in under a grace and is still to be judged again, oldest first, as `Ledger.list` does.

        `after` is the last id of the page before.  No content is read: one that cannot be must not hide the others.
        """
        ...

    def settle(self, submission: SubmissionId, event: str, detail: str, report: bytes) -> None:
        """Write what judging again has found, as an event, and the new report beside the first; it awaits no more."""
        ...

    def close(self) -> None:
        """End what is under way and let go of connections."""
        ...


class Seal(Protocol):
    """The broker's electronic seal."""

    def seal(self, unsigned: bytes) -> bytes:
        """Return the XML with an enveloped XAdES baseline-B signature as the root's last child.

        Raises Unavailable while the key is out of reach.  May be called by many threads.
        """
        ...


class Catalogue(Protocol):
    """The forms that offices have agreed on."""

    def find(self, namespace: str, root: str) -> Form | None:
        """Return the form whose root element this is."""
        ...

    def flaws(self, form: Form, element: etree._Element) -> Sequence[Flaw]:
        """Return what is wrong with the element by the form's schema; nothing if it is valid.

        Thread-safe: no thread ever sees another document's values.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What routing is asked: the envelope's word first, then the form's (DOMAIN §3)."""

    to: Address
    form: Form
    at: datetime  # rows have dates
    regons: tuple[str, ...] = ()  # of the addressees named in the form, in document order
    nips: tuple[str, ...] = ()


class Router(Protocol):
    """The routing table as a snapshot."""

    def target(self, question: Question) -> Target:
        """Return where the document goes, or raise Unroutable."""
        ...


# ── the operators' view ──────────────────────────────────────────────────────────────────────────────────


OVERTURNED: Final = "verify.overturned"  # the event: let in under a grace, judged again, and it does not hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which submissions an operator asks for; empty fields do not restrict."""

    office: str = ""
    sender: str = ""
    state: DeliveryState | None = None
    digest: str = ""
    since: datetime | None = None
    trials: bool = False  # trials are left out unless asked for
    overturned: bool = False  # only what was OVERTURNED, as long as that report is kept
    after: str = ""  # the last id of the page before
    most: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """Something that happened, written in the transaction that made it happen."""

    at: datetime
    name: str
    submission: SubmissionId | None = None
    delivery: DeliveryId | None = None
    detail: str = ""  # a code or a short reason, no personal data


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is kept of one submission, the document itself apart."""

    submission: Submission
    receipt: Receipt
    report: bytes
    deliveries: tuple[Delivery, ...]
    events: tuple[EventRecord, ...] = ()
    stamped: bytes | None = None  # the receipt's time-stamped copy
    later_report: bytes | None = None  # what judging again has found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts for operators and tests; trials are left out."""

    submissions: int
    refusals: int
    deliveries: dict[DeliveryState, int] = field(default_factory=dict)
    oldest_waiting: datetime | None = None


class Ledger(Protocol):
    """What operators see and do, off the hot path.  Raises Unavailable as the store does."""

    def list(self, wanted: Filter) -> Sequence[Record]:
        """Return matching submissions, newest first, without their events and reports."""
        ...

    def show(self, submission: SubmissionId) -> Record | None:
        """Return everything about one submission."""
        ...

    def document(self, submission: SubmissionId) -> bytes | None:
        """Return the document byte for byte."""
        ...

    def seals(self) -> Sequence[bytes]:
        """Return the certificates (PEM, each with those above it) of every seal ever used, oldest first."""
        ...

    def refusals(self, since: datetime | None = None, most: int = 100) -> Sequence[Refusal]:
        """Return what was turned away, newest first."""
        ...

    def requeue(self, deliveries: Iterable[DeliveryId], reason: str) -> Sequence[DeliveryId]:
        """Send refused or quarantined deliveries round again, patience counted anew; return those that were."""
        ...

    def pause(self, office: OfficeId, paused: bool) -> bool:
        """Stop or resume claims for an office; return False if it is unknown."""
        ...

    def stats(self) -> Stats:
        """Return counts."""
        ...

    def queued(self) -> Mapping[OfficeId, Queued]:
        """Return what waits or is being handed over, by office; offices for which nothing does are left out."""
        ...

    def strain(self) -> Strain:
        """Return how hard it is to write.  Never waits, never raises."""
        ...
