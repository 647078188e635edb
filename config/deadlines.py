"""Deadlines by the configuration: the settings, the watchdog that finds what is late, and the clerk of the evidence.

Neither is on any document's way: both are chores that one node of all does.  What they write is guarded by the store,
so that two that run at once, by a clock that jumps or a node that wakes up, tell nothing twice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import structlog
from pydantic import Field

from adapters.ops.metrics import Registry
from adapters.wire.kind import Custody, KindSettings
from broker.deadlines import (
    Evidence,
    Level,
    Progress,
    Stage,
    Term,
    Terms,
    Timetable,
    Told,
    Watch,
    Watched,
    begun_before,
)
from broker.dispatch import Dispatcher, Lend
from broker.errors import ConfigError, Refused, Unavailable
from broker.evidence import UNSIGNED, to_json
from broker.evidence import Level as SignatureLevel
from broker.model import Delivery, DeliveryId, FormKey, OfficeId, Parcel, Submission, SubmissionId
from broker.moves import Move, deadline, move
from broker.partner import Partners
from broker.ports import Clock, Ledger, Record
from broker.receipt import Registrar
from broker.retry import RetryPolicy
from config import clock
from config.schedule import Chore

if TYPE_CHECKING:
    from config.bootstrap import Parts
    from config.settings import Settings

log = structlog.get_logger(__name__)

FORM: Final = FormKey(name="dowod-negatywny", version="1")  # as the partner's system is told what it gets
SENDER: Final = "goniec"
_SKEW: Final = timedelta(minutes=1)  # by which this node's clock and the store's may disagree: it only looks earlier
_Span = Annotated[timedelta, Field(ge=timedelta(0))]


# ── settings ──


class TermSettings(KindSettings):
    """One deadline; zero is never.  The warning comes after two thirds of the time, unless it is said when."""

    expire: _Span
    warn: _Span | None = None

    def term(self) -> Term:
        return Term(expire=self.expire, warn=self.expire * 2 / 3 if self.warn is None else self.warn)


class OfficeDeadlines(KindSettings):
    """What is different for one office."""

    relay: TermSettings | None = None
    delivery: TermSettings | None = None
    retrieval: TermSettings | None = None

    def over(self, default: Terms) -> Terms:
        """Return the default terms with these instead of theirs."""
        own = {stage: setting.term() for stage in Stage if (setting := getattr(self, stage)) is not None}
        return replace(default, **{str(stage): term for stage, term in own.items()})


class DeadlineSettings(OfficeDeadlines):
    """By when something must have come of a document, counted from when custody of it was taken."""

    every: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(minutes=1)  # how often what is late is looked for


def timetable(settings: Settings) -> Timetable:
    """Return the terms of all offices; raise ConfigError with every problem."""
    default = settings.deadlines.over(Terms())
    offices = {OfficeId(name): it.deadlines.over(default) for name, it in settings.offices.items() if it.deadlines}
    problems = [f"deadlines.{problem}" for problem in default.problems()]
    problems += [f"offices.{name}.deadlines.{problem}" for name, it in offices.items() for problem in it.problems()]
    if problems:
        raise ConfigError(problems)
    return Timetable(default=default, offices=offices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a delivery stands: whose move it is, and by when."""

    delivery: Delivery
    move: Move
    deadline: datetime | None


def standing(record: Record, times: Timetable, *, awaited: bool) -> Sequence[Standing]:
    """Return how each delivery of a submission stands; `awaited` whether its office's answer is watched for."""
    at, before = record.submission.accepted_at, begun_before(record.deliveries)
    watched = (Watched(delivery=one, accepted_at=at, begun_before=before, awaited=awaited) for one in record.deliveries)
    return [
        Standing(delivery=it.delivery, move=move(it), deadline=deadline(it, times.of(it.delivery.office)))
        for it in watched
    ]


# ── the watchdog ──


@dataclass(slots=True, kw_only=True)
class Watchdog:
    """The job that finds what is late.  Called by one thread at a time."""

    watch: Watch
    timetable: Timetable
    partners: Callable[[], Partners]
    clock: Clock
    every: timedelta = timedelta(minutes=1)
    _late: Mapping[tuple[Stage, Level], int] = field(default_factory=dict, init=False)
    _looked: datetime | None = field(default=None, init=False)

    def __call__(self) -> None:
        """Tell what is late, each once, and note what has come about late.  Raises Unavailable."""
        for page in self.watch.candidates(self.timetable, self.clock() + _SKEW):
            for told in self.watch.tell(page, self.timetable, self._wants):
                _say(told)
        late = self.watch.settle()
        if late:
            log.info("deadline.met-late", number=late)
        self._late, self._looked = self.watch.late(), self.clock()

    def _wants(self, sender: str) -> bool:
        partner = self.partners().get(sender)
        return partner is not None and partner.negative_evidence

    def late(self) -> Mapping[tuple[str, ...], float]:
        """Return what was late when it was last looked, by stage and level; nothing on a node that looks no more."""
        if self._looked is None or self.clock() - self._looked > 3 * self.every:
            return {}
        return {(stage, level): number for (stage, level), number in self._late.items()}


def _say(told: Told) -> None:
    it = told.delivery
    bound = log.bind(delivery=it.id, submission=it.submission, office=it.office, stage=told.stage, state=it.state)
    if told.level is Level.EXPIRED:
        bound.error("deadline.expired", evidence=told.owed)
    else:
        bound.warning("deadline.warned")


# ── evidence ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """The job that seals the evidence that is owed, and hands it to the partner's own system where it has one.

    `way` names the office behind a box, None if routing knows no such box.  Called by one thread at a time.  Takes
    `most` at a time, and no more when it is `share` seconds under way: a stop waits for it.
    """

    watch: Watch
    ledger: Ledger
    registrar: Registrar
    way: Callable[[str], OfficeId | None]
    lend: Lend
    clock: Clock
    policy: RetryPolicy
    jitter: Callable[[], float]
    most: int = 100
    share: float = 20.0
    seconds: Callable[[], float] = time.monotonic

    def __call__(self) -> None:
        """Take every next step that is due.  Raises Unavailable if the seal or the store is away: nothing is lost."""
        away: set[OfficeId] = set()
        unreadable: list[Unavailable] = []
        for it in self._due():
            record = self._record(it, unreadable)
            if record is None:  # the others are to be told, so it must not stay in front of them
                self.watch.proceed(it, it, wait=self.policy.longest)
                continue
            sealed = self._sealed(it, record)
            if sealed is not None and sealed.progress is Progress.SEALED:
                self._send(sealed, record, away)
        if unreadable:
            raise unreadable[0]

    def _due(self) -> Iterator[Evidence]:
        """Yield each once whose next step is due, however soon it is due again."""
        until, seen = self.seconds() + self.share, set()
        while self.seconds() < until:
            page = self.watch.owed(self.most)
            due = [it for it in page if (it.submission, it.stage) not in seen]
            yield from due
            seen |= {(it.submission, it.stage) for it in due}
            if not due or len(page) < self.most:
                return

    def _record(self, of: Evidence, unreadable: list[Unavailable]) -> Record | None:
        try:
            record = self.ledger.show(of.submission)
        except Unavailable as why:  # a key is missing, or somebody changed it
            unreadable.append(why)
            return None
        if record is None:  # it never was: somebody changed the store
            log.error("evidence.orphan", submission=of.submission)
        return record

    def _sealed(self, it: Evidence, record: Record) -> Evidence | None:
        """Return it sealed and durable; None if another node was faster."""
        if it.progress is not Progress.OWED:
            return it
        id_, xml = self.registrar.negative_evidence(it, record.submission, record.receipt.id, self.clock())
        kept = Progress.KEPT if self._office(record.submission) is None else Progress.SEALED
        after = replace(it, progress=kept, id=id_, xml=xml)
        if not self.watch.proceed(it, after, detail=f"{it.stage} {id_}"):
            return None
        log.info("evidence.sealed", submission=it.submission, evidence=id_, stage=it.stage, progress=kept)
        return after

    def _office(self, of: Submission) -> OfficeId | None:
        return self.way(of.reply_to) if of.reply_to else None

    def _send(self, it: Evidence, record: Record, away: set[OfficeId]) -> None:
        office = self._office(record.submission)
        if office is None:  # the box is gone
            self._end(it, Progress.KEPT, "no such box")
            return
        if office in away:
            self.watch.proceed(it, it, wait=self.policy.wait(1, self.jitter()))
            return
        try:
            with self.lend(office) as system:
                reference = system.deliver(_parcel(it, record, office))
        except Refused as no:
            self._end(it, Progress.DECLINED, no.condition or "refused")
        except Unavailable as not_now:
            away.add(office)
            self._later(it, not_now)
        except Exception as bug:  # an adapter broke its contract: hold on to the evidence
            log.exception("evidence.adapter-bug", submission=it.submission, evidence=it.id, office=office)
            self._later(it, Unavailable(f"adapter bug: {type(bug).__name__}"))
        else:
            self._end(it, Progress.SENT, reference)

    def _later(self, it: Evidence, away: Unavailable) -> None:
        if self.clock() - it.at >= self.policy.patience:
            self._end(it, Progress.KEPT, "patience is at an end")
            return
        tried = replace(it, tries=it.tries + 1)
        self.watch.proceed(it, tried, wait=self.policy.wait(tried.tries, self.jitter()))
        log.warning("evidence.postponed", submission=it.submission, evidence=it.id, reason=away.reason)

    def _end(self, it: Evidence, progress: Progress, detail: str) -> None:
        if self.watch.proceed(it, replace(it, progress=progress), detail=detail):
            log.info("evidence.told", submission=it.submission, evidence=it.id, stage=it.stage, progress=progress)


def _parcel(it: Evidence, record: Record, office: OfficeId) -> Parcel:
    """Return what the partner's system is handed: the evidence as a document, with the receipt that it goes with.

    Its id is its delivery id too: the same on every attempt, so a system can drop a repeat.
    """
    of = record.submission
    about = Submission(
        id=SubmissionId(it.id),
        channel=SENDER,
        sender=SENDER,
        message_id=it.id,
        fingerprint_box=of.reply_to,
        box=of.reply_to,
        office=office,
        row="",
        form=FORM,
        trial=False,
        digest=hashlib.sha256(it.xml).hexdigest(),
        size=len(it.xml),
        file_name=f"{FORM.name}-{it.id}.xml",
        reply_to="",
        case=of.case,
        in_reply_to=of.id,
        level=SignatureLevel.NONE,
        notes=(),
        received_at=it.at,
        accepted_at=it.at,
    )
    return Parcel(
        delivery=DeliveryId(it.id),
        submission=about,
        document=it.xml,
        receipt=record.receipt,
        report=to_json(UNSIGNED),
    )


def chores(
    settings: Settings,
    made: Parts,
    store: Custody,
    registrar: Registrar,
    dispatcher: Dispatcher,
    *,
    figures: Registry,
) -> dict[str, Chore]:
    """Return what housekeeping is to do, and add the figure of what is late."""
    every = settings.deadlines.every
    watchdog = Watchdog(
        watch=store.watch, timetable=made.timetable, partners=made.partners, clock=clock.now, every=every
    )
    figures.gauge(
        "deadlines_overdue",
        "What is late and has not come about, by stage and level; told by the node that looks.",
        watchdog.late,
        ("stage", "level"),
    )

    def way(box: str) -> OfficeId | None:
        known = made.table().boxes.get(box)
        return None if known is None else known.office

    clerk = Clerk(
        watch=store.watch,
        ledger=store,
        registrar=registrar,
        way=way,
        lend=dispatcher.lend,
        clock=clock.now,
        policy=dispatcher.policy,
        jitter=dispatcher.jitter,
    )
    return {"deadlines": Chore(every, watchdog, alone=True), "evidence": Chore(every, clerk, alone=True)}
