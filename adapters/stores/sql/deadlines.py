"""Deadlines on SQLite and PostgreSQL: what may be late, what was told of it, the evidence owed for it.

Only what is not final is walked, by the index over states, and what an answer is watched for; what was delivered is
not.  Whatever is written is judged anew in the transaction that writes it, with the delivery's row locked.
Lock order, as everywhere: deliveries first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from adapters.stores.sql import answers, evidence, rows
from adapters.stores.sql.access import Access
from adapters.stores.sql.columns import Moment
from adapters.stores.sql.quarantine import beyond
from adapters.stores.sql.tables import awaited, deliveries, events, overdue, submissions
from adapters.stores.sql.writer import Work
from broker.deadlines import (
    Evidence,
    Level,
    Stage,
    Timetable,
    Told,
    Watched,
    owes,
    shortfall,
    telling,
    to_be_told,
    waived,
    waiver,
)
from broker.deadlines import overdue as late_stages
from broker.model import Delivery, DeliveryId, SubmissionId
from broker.states import FINAL, DeliveryState

_PAGE: Final = 200  # deliveries judged in one transaction: what is accepted meanwhile waits for it
_OPEN: Final = sorted(set(DeliveryState) - FINAL)
_TOLD_ALL: Final = (
    select(literal(1))
    .where(
        overdue.c.delivery == deliveries.c.id,
        overdue.c.stage == Stage.DELIVERY.value,
        overdue.c.level == Level.EXPIRED.value,
    )
    .exists()
)
"""The last deadline of a delivery that is not final has passed and been told: nothing more will be."""

_UNTRIED: Final = sorted({DeliveryState.WAITING, DeliveryState.REDIRECTED})
_GIVEN_OVER: Final = deliveries.alias("given_over")


def _begun(of: FromClause) -> ColumnElement[bool]:
    """As `broker.deadlines.begun` has it."""
    tried = or_(of.c.attempts > 0, of.c.last_error != "", of.c.reference != "")
    return or_(tried, of.c.state.not_in(_UNTRIED))


_BEGUN_BEFORE: Final = (
    select(literal(1))
    .where(
        _GIVEN_OVER.c.submission == deliveries.c.submission,
        _GIVEN_OVER.c.state == DeliveryState.REDIRECTED.value,
        _begun(_GIVEN_OVER),
    )
    .exists()
)
_CAME_ABOUT: Final = or_(
    deliveries.c.state.in_(sorted(FINAL)),
    and_(overdue.c.stage == Stage.RELAY.value, or_(_begun(deliveries), _BEGUN_BEFORE)),
)
_IS_AWAITED: Final = and_(awaited.c.submission == deliveries.c.submission, awaited.c.expired_at.is_(None))
_SEEN: Final = select(deliveries, submissions.c.accepted_at, _BEGUN_BEFORE.label("begun_before")).join(
    submissions, submissions.c.id == deliveries.c.submission
)
"""What deliveries are judged by, but for what was told of them and whether an answer is awaited."""


def _late_or_free(timetable: Timetable, at: datetime) -> ColumnElement[bool]:
    """Whether an answer can be late, or its office may not be held to one."""
    soonest, held = timetable.soonest(Stage.RETRIEVAL), bool(timetable.default.retrieval.expire)
    other = [office for office, terms in timetable.offices.items() if bool(terms.retrieval.expire) is not held]
    free = deliveries.c.office.in_(other) if held else deliveries.c.office.not_in(other)
    return free if soonest is None else or_(free, submissions.c.accepted_at <= at - soonest)


class SqlWatch:
    """The `Watch` of a SqlStore."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def candidates(self, timetable: Timetable, at: datetime) -> Iterator[Sequence[DeliveryId]]:
        """Judge what is read a page at a time: a backlog of which there is nothing to tell never meets the writer."""
        for seen in chain(self._open(timetable, at), self._handed_over(timetable, at)):
            due = [it.delivery.id for it in seen if to_be_told(it, timetable, at)]
            if due:
                yield due

    def _open(self, timetable: Timetable, at: datetime) -> Iterator[Sequence[Watched]]:
        soonest = timetable.soonest(Stage.RELAY, Stage.DELIVERY)
        if soonest is None:
            return
        opened = _SEEN.add_columns(literal(False).label("awaited")).where(
            submissions.c.accepted_at <= at - soonest, ~_TOLD_ALL
        )
        for state in _OPEN:
            query = page = opened.where(deliveries.c.state == state).order_by(deliveries.c.submission, deliveries.c.id)
            while True:
                with self._access.read() as connection:
                    found = connection.execute(page.limit(_PAGE)).all()
                    seen = _watched(connection, found)
                yield seen
                if len(found) < _PAGE:
                    break
                page = query.where(beyond(found[-1].submission, found[-1].id))

    def _handed_over(self, timetable: Timetable, at: datetime) -> Iterator[Sequence[Watched]]:
        # A page of what is awaited is cut before anything is joined to it: else SQLite walks all that was delivered.
        page = select(awaited.c.submission).where(awaited.c.expired_at.is_(None)).order_by(awaited.c.submission)
        handed = _SEEN.add_columns(literal(True).label("awaited")).where(
            deliveries.c.state == DeliveryState.DELIVERED.value, _late_or_free(timetable, at)
        )
        after = ""
        while True:
            with self._access.read() as connection:
                of = connection.execute(page.where(awaited.c.submission > after).limit(_PAGE)).scalars().all()
                seen = _watched(connection, connection.execute(handed.where(deliveries.c.submission.in_(of))).all())
            yield seen
            if len(of) < _PAGE:
                return
            after = of[-1]

    def tell(
        self, deliveries: Sequence[DeliveryId], timetable: Timetable, wants: Callable[[str], bool]
    ) -> Sequence[Told]:
        return self._access.write(TELL, Asked(deliveries=tuple(deliveries), timetable=timetable, wants=wants))

    def settle(self) -> int:
        found = settled = self._access.write(SETTLE, _PAGE)
        while settled.noted == _PAGE:
            settled = self._access.write(SETTLE, _PAGE)
            found = Settled(noted=found.noted + settled.noted, late=found.late + settled.late)
        return found.late

    def owed(self, most: int = 100) -> Sequence[Evidence]:
        return self._access.write(evidence.OWED, most)

    def proceed(self, before: Evidence, after: Evidence, wait: timedelta = timedelta(0), detail: str = "") -> bool:
        return self._access.write(evidence.PROCEED, evidence.Step(before=before, after=after, wait=wait, detail=detail))

    def evidence(self, submission: SubmissionId) -> Sequence[Evidence]:
        with self._access.read() as connection:
            return evidence.of(connection, submission)

    def awaits_answer(self, submission: SubmissionId) -> bool:
        with self._access.read() as connection:
            return answers.is_awaited(connection, submission)

    def answered(self, submission: SubmissionId, reason: str) -> bool:
        return self._access.write(answers.ANSWERED, answers.Answered(submission=submission, by=reason))

    def late(self) -> Mapping[tuple[Stage, Level], int]:
        counted = (
            select(overdue.c.stage, overdue.c.level, func.count().label("number"))
            .where(overdue.c.met_at.is_(None))
            .group_by(overdue.c.stage, overdue.c.level)
        )
        with self._access.read() as connection:
            return {(Stage(row.stage), Level(row.level)): row.number for row in connection.execute(counted)}


# ── what is late ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Deliveries that may be late, and by what they are judged."""

    deliveries: tuple[DeliveryId, ...]
    timetable: Timetable
    wants: Callable[[str], bool]


def tell(connection: Connection, now: datetime, members: Sequence[Asked]) -> Sequence[list[Told]]:
    """Write down what is overdue."""
    return [_tell(connection, now, it) for it in members]


def _tell(connection: Connection, now: datetime, it: Asked) -> list[Told]:
    # One that another node has locked is passed over: something is happening to it, and the next round comes soon.
    locked = (
        _SEEN.add_columns(submissions.c.sender, submissions.c.notes, awaited.c.submission.is_not(None).label("awaited"))
        .outerjoin(awaited, _IS_AWAITED)
        .where(deliveries.c.id.in_(it.deliveries))
        # What an answer is watched for is locked as it comes, and who takes answers goes by submissions, too.
        .order_by(deliveries.c.submission, deliveries.c.id)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    found = connection.execute(locked).all()
    seen = _watched(connection, found)
    return [told for row, one in zip(found, seen, strict=True) for told in _one(connection, now, row, one, it)]


def _watched(connection: Connection, found: Sequence[Row[Any]]) -> list[Watched]:
    """Return what these rows tell, with what was told of them before."""
    before: defaultdict[str, set[tuple[Stage, Level]]] = defaultdict(set)
    for row in connection.execute(select(overdue).where(overdue.c.delivery.in_([one.id for one in found]))):
        before[row.delivery].add((Stage(row.stage), Level(row.level)))
    return [
        Watched(
            delivery=rows.delivery(row),
            accepted_at=row.accepted_at,
            begun_before=row.begun_before,
            awaited=row.awaited,
            told=frozenset(before[row.id]),
        )
        for row in found
    ]


def _one(connection: Connection, now: datetime, row: Row[Any], watched: Watched, it: Asked) -> Iterator[Told]:
    one = watched.delivery
    terms = it.timetable.of(one.office)
    if waived(watched, terms):
        _waive(connection, now, one)
        watched = replace(watched, awaited=False)
    for stage, level in late_stages(watched, terms, now):
        if stage is Stage.RETRIEVAL and not _still_awaited(connection, now, one, level):
            continue
        connection.execute(
            insert(overdue),
            {"delivery": one.id, "stage": stage.value, "level": level.value, "submission": one.submission, "at": now},
        )
        connection.execute(insert(events), [rows.event_values(telling(one, stage, level, now))])
        owed = owes(level, row.sender, rows.notes(row), it.wants)
        if owed:
            evidence.owe(connection, shortfall(watched, stage, terms, now), now)
        yield Told(delivery=one, stage=stage, level=level, owed=owed)


def _waive(connection: Connection, now: datetime, one: Delivery) -> None:
    """Watch for an answer no more, and count it as late no more, unless it has come in the meantime."""
    gone = delete(awaited).where(awaited.c.submission == one.submission).returning(awaited.c.submission)
    if connection.execute(gone).first() is None:
        return
    its = overdue.c.submission == one.submission, overdue.c.stage == Stage.RETRIEVAL.value
    connection.execute(update(overdue).where(*its).values(met_at=now))
    connection.execute(insert(events), [rows.event_values(waiver(one, now))])


def _still_awaited(connection: Connection, now: datetime, one: Delivery, level: Level) -> bool:
    """Lock what an answer is watched for, and note an expiry; False if the answer has come in the meantime."""
    still = (
        update(awaited)
        .where(awaited.c.submission == one.submission, awaited.c.expired_at.is_(None))
        .values(expired_at=now if level is Level.EXPIRED else None)
        .returning(awaited.c.submission)
    )
    return connection.execute(still).first() is not None


# ── what has come about ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How much was noted, and how much of it had expired."""

    noted: int
    late: int


def settle(connection: Connection, now: datetime, members: Sequence[int]) -> Sequence[Settled]:
    """Note what was late and has come about; an answer is noted where it comes in."""
    return [_settle(connection, now, most) for most in members]


def _settle(connection: Connection, now: datetime, most: int) -> Settled:
    found = connection.execute(
        select(overdue, deliveries.c.state)
        .join(deliveries, deliveries.c.id == overdue.c.delivery)
        .where(overdue.c.met_at.is_(None), overdue.c.stage != Stage.RETRIEVAL.value, _CAME_ABOUT)
        .order_by(overdue.c.delivery)  # and by no more: SQLite would walk what was met to have it in order
        .limit(most)
        .with_for_update(of=overdue, skip_locked=True)
    ).all()
    if not found:
        return Settled(noted=0, late=0)
    connection.execute(
        update(overdue)
        .where(
            overdue.c.delivery == bindparam("of"),
            overdue.c.stage == bindparam("missed"),
            overdue.c.level == bindparam("how"),
        )
        .values(met_at=bindparam("then", type_=Moment)),
        [{"of": row.delivery, "missed": row.stage, "how": row.level, "then": now} for row in found],
    )
    # What was redirected has not come about: the delivery that took the document over is watched.
    late = [row for row in found if row.level == Level.EXPIRED and row.state != DeliveryState.REDIRECTED]
    if late:
        connection.execute(
            insert(events), [answers.met_late(now, row.submission, row.delivery, Stage(row.stage)) for row in late]
        )
    return Settled(noted=len(found), late=len(late))


TELL: Final = Work(rank=62, do=tell)
SETTLE: Final = Work(rank=63, do=settle)
