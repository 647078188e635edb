"""Deadlines: by when something must have come of a document, and what is overdue.

Rule 1: everything that decides what is late, and what is told of it, is in this file; stores only write it down.
Rule 2: this file reads no clock and knows no store: facts and a moment go in, names of what is overdue come out.
Rule 3: all three stages run from the moment at which custody was taken, for that is what the receipt promised; what
operators do to a delivery afterwards moves no deadline.

The stages are those of registered electronic delivery (ETSI EN 319 522-1: each has evidence of its failure); the
lengths of time are by default those of e-CODEX: 12 hours to relay, 24 to deliver; retrieval (36) is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Protocol

from broker.custody import READMITTED
from broker.model import Delivery, DeliveryId, OfficeId, SubmissionId
from broker.ports import EventRecord
from broker.quarantine import cause
from broker.states import FINAL, DeliveryState


class Stage(StrEnum):
    """What must have come of a document."""

    RELAY = "relay"  # the first attempt to hand it over has begun
    DELIVERY = "delivery"  # the office's system has it
    RETRIEVAL = "retrieval"  # the office has answered it


class Level(StrEnum):
    """How late it is."""

    WARNED = "warned"  # it will be late if nobody looks
    EXPIRED = "expired"  # it is late; a partner that wants negative evidence gets it


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """After how long a stage is warned of, and when it has expired; zero is never."""

    warn: timedelta = timedelta(0)
    expire: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of one office."""

    relay: Term = Term(warn=timedelta(hours=8), expire=timedelta(hours=12))
    delivery: Term = Term(warn=timedelta(hours=16), expire=timedelta(hours=24))
    retrieval: Term = Term()

    def of(self, stage: Stage) -> Term:
        """Return the term of a stage."""
        return {Stage.RELAY: self.relay, Stage.DELIVERY: self.delivery, Stage.RETRIEVAL: self.retrieval}[stage]

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with them: a warning that comes no earlier than the expiry, stages out of order."""
        for stage in Stage:
            term = self.of(stage)
            if term.expire and term.warn >= term.expire:
                yield f"{stage}: the warning must come before the expiry"
        if self.retrieval.warn and not self.retrieval.expire:
            yield f"{Stage.RETRIEVAL}: must expire, for what awaits an answer is kept until then"
        in_order = [(stage, self.of(stage).expire) for stage in Stage if self.of(stage).expire]
        for (earlier, first), (later, then) in pairwise(in_order):
            if first > then:
                yield f"{later}: must not expire before {earlier}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The terms of all offices."""

    default: Terms = Terms()
    offices: Mapping[OfficeId, Terms] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, office: OfficeId) -> Terms:
        """Return the terms of an office."""
        return self.offices.get(office, self.default)

    def soonest(self, *stages: Stage) -> timedelta | None:
        """Return the shortest time after which one of these stages can be late; None if none ever is."""
        terms = (each.of(stage) for each in (self.default, *self.offices.values()) for stage in stages)
        return min((after for term in terms for after in (term.warn, term.expire) if after), default=None)

    def awaits_answer(self, office: OfficeId) -> bool:
        """Tell whether this office's answers are watched for: only if that ends, for until then content is kept."""
        return bool(self.of(office).retrieval.expire)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A delivery as far as deadlines go."""

    delivery: Delivery
    accepted_at: datetime  # when custody was taken
    begun_before: bool = False  # an attempt had begun at an office that has given the document over
    awaited: bool = False  # its office's answer is watched for, and has not come
    told: frozenset[tuple[Stage, Level]] = frozenset()


def begun(delivery: Delivery) -> bool:
    """Tell whether an attempt has ever begun.  A requeue counts attempts anew, and leaves what the last one said."""
    tried = bool(delivery.attempts or delivery.last_error or delivery.reference)
    return tried or delivery.state not in {DeliveryState.WAITING, DeliveryState.REDIRECTED}


def begun_before(deliveries: Iterable[Delivery]) -> bool:
    """Tell whether an attempt had begun at an office that has given the document over, from all its deliveries."""
    return any(begun(one) for one in deliveries if one.state is DeliveryState.REDIRECTED)


def overdue(it: Watched, terms: Terms, now: datetime) -> Sequence[tuple[Stage, Level]]:
    """Return what is late and has not been told.

    What has expired is not warned of any more, and where delivery has expired relay is told no more.
    """
    found = []
    for stage in _unmet(it):
        term = terms.of(stage)
        level = next(
            (
                level
                for level, after in ((Level.EXPIRED, term.expire), (Level.WARNED, term.warn))
                if after and now - it.accepted_at >= after
            ),
            None,
        )
        if level is not None and not {(stage, level), (stage, Level.EXPIRED)} & it.told:
            found.append((stage, level))
    return found


def waived(it: Watched, terms: Terms) -> bool:
    """Tell whether an answer is watched for to which the office that has the document is held no more.

    Its deadline was switched off since, or the document was redirected: without one the wait would never end.
    """
    return it.awaited and it.delivery.state is DeliveryState.DELIVERED and not terms.retrieval.expire


def to_be_told(it: Watched, timetable: Timetable, now: datetime) -> bool:
    """Tell whether there is anything to write down of a delivery now."""
    terms = timetable.of(it.delivery.office)
    return waived(it, terms) or bool(overdue(it, terms, now))


def owes(level: Level, sender: str, notes: Sequence[str], wants: Callable[[str], bool]) -> bool:
    """Tell whether what is told of a submission with these notes owes its sender negative evidence, if it `wants` it.

    What was taken back into custody owes none: the store has forgotten what came of it in time, and a sealed statement
    that nothing did may be false.
    """
    return level is Level.EXPIRED and READMITTED not in notes and wants(sender)


def _unmet(it: Watched) -> Iterator[Stage]:
    if it.delivery.state not in FINAL:
        if not (begun(it.delivery) or it.begun_before) and (Stage.DELIVERY, Level.EXPIRED) not in it.told:
            yield Stage.RELAY
        yield Stage.DELIVERY
    elif it.delivery.state is DeliveryState.DELIVERED and it.awaited:
        yield Stage.RETRIEVAL


# ── what is kept of it ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something overdue that has just been written down."""

    delivery: Delivery
    stage: Stage
    level: Level
    owed: bool  # the partner is owed negative evidence


class Progress(StrEnum):
    """How far negative evidence has come."""

    OWED = "owed"  # the deadline has passed; the seal has not been set yet
    SEALED = "sealed"  # it is durable, and on its way to the partner
    KEPT = "kept"  # there is no box to push it to: the partner is to fetch it
    SENT = "sent"  # the partner's own system has it
    DECLINED = "declined"  # and that system will not take it: the partner is to fetch it


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Sealed evidence that something did not happen in time, for the partner that sent the document."""

    submission: SubmissionId
    stage: Stage
    delivery: DeliveryId
    office: OfficeId
    state: DeliveryState  # of the delivery when its deadline was found to have passed
    cause: str  # why, as far as the last attempt told
    deadline: datetime
    at: datetime  # when it was found
    progress: Progress = Progress.OWED
    id: str = ""
    xml: bytes = b""
    tries: int = 0  # to hand it to the partner's system


def telling(of: Delivery, stage: Stage, level: Level, at: datetime) -> EventRecord:
    """Return the event that tells that a delivery is late: how it stood then, and why as far as is known."""
    return _event(of, f"{stage}-{level}", at)


def waiver(of: Delivery, at: datetime) -> EventRecord:
    """Return the event that tells that the answer is watched for no more, because nothing holds the office to it."""
    return _event(of, "waived", at)


def _event(of: Delivery, what: str, at: datetime) -> EventRecord:
    return EventRecord(
        at=at,
        name=f"deadline.{what}",
        submission=of.submission,
        delivery=of.id,
        detail=f"{of.state} {_why(of)}".strip(),
    )


def shortfall(it: Watched, stage: Stage, terms: Terms, at: datetime) -> Evidence:
    """Return the evidence that is owed from now on because a stage has not come about in time."""
    return Evidence(
        submission=it.delivery.submission,
        stage=stage,
        delivery=it.delivery.id,
        office=it.delivery.office,
        state=it.delivery.state,
        cause=_why(it.delivery),
        deadline=it.accepted_at + terms.of(stage).expire,
        at=at,
    )


def _why(of: Delivery) -> str:
    return cause(of.last_error) if of.last_error else ""


class Watch(Protocol):
    """What a store keeps of deadlines.  Every method is one transaction and may be called by many threads at once.

    Raises Unavailable as the store does.
    """

    def candidates(self, timetable: Timetable, at: datetime) -> Iterator[Sequence[DeliveryId]]:
        """Yield, a page at a time, those of which `tell` would have had something to write at this moment.

        Writes nothing, and walks what is not final, and what an answer is watched for, never what was delivered.
        """
        ...

    def tell(
        self, deliveries: Sequence[DeliveryId], timetable: Timetable, wants: Callable[[str], bool]
    ) -> Sequence[Told]:
        """Write down what is overdue now of these, each once, with an event `deadline.<stage>-<level>`.

        Where an answer is `waived`, watch for it no longer, with an event `deadline.waived`.
        An expiry whose sender `wants` negative evidence owes it from then on, once for a submission and stage.
        """
        ...

    def settle(self) -> int:
        """Note what was late and has come about: `deadline.met-late` where it had expired; return how many had."""
        ...

    def owed(self, most: int = 100) -> Sequence[Evidence]:
        """Return evidence whose next step is due, longest due first: to be sealed, or to be handed over."""
        ...

    def proceed(self, before: Evidence, after: Evidence, wait: timedelta = timedelta(0), detail: str = "") -> bool:
        """Write down the next step of some evidence, with an event `evidence.<progress>` if it got further.

        Returns False, and changes nothing, if it is no longer as it was `before`.  What is owed or sealed still
        is due again after `wait`.
        """
        ...

    def evidence(self, submission: SubmissionId) -> Sequence[Evidence]:
        """Return all evidence for a submission, in the order of its stages."""
        ...

    def awaits_answer(self, submission: SubmissionId) -> bool:
        """Tell whether an answer to this submission is watched for and has not come."""
        ...

    def answered(self, submission: SubmissionId, reason: str) -> bool:
        """Take an operator's word that the office has answered; return False if no answer was watched for."""
        ...

    def late(self) -> Mapping[tuple[Stage, Level], int]:
        """Count what is overdue and has not come about."""
        ...
