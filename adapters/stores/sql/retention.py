"""Pruning, on SQLite and PostgreSQL: what may go, its going, and the space that it leaves.

What may go is guarded where it goes: the statement that deletes asks everything again.  A document is deleted row by
row, together with its event, also where a whole month goes: the event and the removal are one transaction.
Space: on PostgreSQL the emptied month is dropped (partitions.py); SQLite moves pages from the end of the file into the
holes, a few at a time, and cuts the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, delete, exists, insert, literal, select, update
from sqlalchemy import tuple_ as pair

from adapters.stores.sql import rows
from adapters.stores.sql.access import Access
from adapters.stores.sql.columns import Moment
from adapters.stores.sql.engine import cut_log, now
from adapters.stores.sql.errors import translated
from adapters.stores.sql.partitions import Months
from adapters.stores.sql.tables import (
    awaited,
    content,
    deliveries,
    events,
    evidences,
    later_reports,
    receipts,
    rechecks,
    refusal_hours,
    refusals,
    submissions,
    unstamped,
)
from adapters.stores.sql.writer import Work
from broker.model import FormKey, OfficeId, SubmissionId
from broker.ports import Clock, EventRecord
from broker.retention import HELD, LIFTED, PRUNED, REFUSALS, Due, Look, Rule, Terms
from broker.states import FINAL

PAGES = 1000  # of SQLite's file, moved in one transaction: some 20 ms

_CONTENT_OF = (content.c.submission == submissions.c.id) & (content.c.accepted_at == submissions.c.accepted_at)
_BLANK = {"file_name": "", "reply_to": "", "case": "", "message_id": ""}


# ── what may go ──


def _speaks_of(rule: Rule) -> ColumnElement[bool]:
    name, _, version = rule.form.partition("/")
    asked = {submissions.c.form_name: name, submissions.c.form_version: version, submissions.c.office: rule.office}
    return and_(literal(True), *(column == value for column, value in asked.items() if value))


def _over(terms: Terms) -> ColumnElement[bool]:
    """Whether a submission's time is over: the first rule that speaks of it decides."""
    cutoffs = [(_speaks_of(rule), literal(terms.cutoff(rule.keep), Moment)) for rule in terms.rules.rules]
    return submissions.c.accepted_at < case(*cutoffs, else_=literal(terms.cutoff(None), Moment))


def _held() -> ColumnElement[bool]:
    lifted = events.alias("lifted")
    later = (lifted.c.submission == events.c.submission) & (lifted.c.name == LIFTED) & (lifted.c.id > events.c.id)
    return exists().where(events.c.submission == submissions.c.id, events.c.name == HELD, ~exists().where(later))


def _free(terms: Terms) -> ColumnElement[bool]:
    """Whether nothing but its rule keeps a submission's content."""
    under_way = deliveries.c.state.not_in(sorted(FINAL))
    unanswered = awaited.c.expired_at.is_(None)  # an answer is known by the reply address, which goes with the content
    owed = evidences.c.due_at.is_not(None)  # and evidence is pushed to it
    waits = [
        exists().where(deliveries.c.submission == submissions.c.id, under_way),
        exists().where(rechecks.c.submission == submissions.c.id),
        exists().where(awaited.c.submission == submissions.c.id, unanswered),
        exists().where(evidences.c.submission == submissions.c.id, owed),
        _held(),
    ]
    if terms.stamped:
        waits.append(exists().where(receipts.c.submission == submissions.c.id, unstamped.c.receipt == receipts.c.id))
    return and_(*(~one for one in waits))


def look(connection: Connection, terms: Terms, after: str, most: int) -> Look:
    """Look at the next submissions with content; the slice is cut to length before anything is joined to it."""
    if not terms.rules.rules:
        return Look(due=(), after="")
    slice_ = (
        select(content.c.submission, content.c.accepted_at)
        .where(content.c.accepted_at < terms.latest, content.c.submission > after)
        .order_by(content.c.submission)
        .limit(most)
        .subquery()
    )
    seen = connection.execute(
        select(submissions, (_over(terms) & _free(terms)).label("due"))
        .join(slice_, slice_.c.submission == submissions.c.id)
        .order_by(submissions.c.id)
    ).all()
    due = tuple(
        Due(
            submission=SubmissionId(row.id),
            form=FormKey(name=row.form_name, version=row.form_version),
            office=OfficeId(row.office),
            accepted_at=row.accepted_at,
            size=row.size,
        )
        for row in seen
        if row.due
    )
    return Look(due=due, after=seen[-1].id if len(seen) == most else "")


# ── its going ──


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pruning:
    terms: Terms
    due: Sequence[Due]


def _prune(connection: Connection, now: datetime, members: Sequence[_Pruning]) -> Sequence[Sequence[SubmissionId]]:
    return [_prune_some(connection, now, it) for it in members]


def _prune_some(connection: Connection, now: datetime, it: _Pruning) -> Sequence[SubmissionId]:
    terms = it.terms.no_later_than(now)
    named = sorted(one.submission for one in it.due)
    moments = [one.accepted_at for one in it.due]
    # Whoever holds one of them meanwhile is waited for; what he has done is seen by the next statement.
    connection.execute(_locked(named))
    going = select(submissions.c.id).where(submissions.c.id.in_(named), _over(terms), _free(terms))
    removed = connection.execute(
        delete(content)
        .where(
            content.c.submission.in_(going),
            content.c.accepted_at.between(min(moments), max(moments)),  # only these months are looked into
        )
        .returning(content.c.submission)
    )
    gone = sorted(removed.scalars())
    if not gone:
        return []
    connection.execute(delete(later_reports).where(later_reports.c.submission.in_(gone)))
    connection.execute(update(submissions).where(submissions.c.id.in_(gone)).values(_BLANK))
    digests = connection.execute(select(submissions.c.id, submissions.c.digest).where(submissions.c.id.in_(gone)))
    told = [
        EventRecord(at=now, name=PRUNED, submission=row.id, detail=row.digest)
        for row in sorted(digests, key=lambda row: row.id)
    ]
    connection.execute(insert(events), [rows.event_values(event) for event in told])
    return [SubmissionId(one) for one in gone]


def _locked(named: Sequence[str]) -> Any:
    return select(submissions.c.id).where(submissions.c.id.in_(named)).order_by(submissions.c.id).with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Forgetting:
    terms: Terms
    keep: timedelta
    most: int


def _forget(connection: Connection, now: datetime, members: Sequence[_Forgetting]) -> Sequence[int]:
    return [_forget_some(connection, now, it) for it in members]


def _forget_some(connection: Connection, now: datetime, it: _Forgetting) -> int:
    before = it.terms.no_later_than(now).cutoff(it.keep)
    oldest = (
        select(refusals.c.id)
        .where(refusals.c.at < before)
        .order_by(refusals.c.at, refusals.c.id)
        .limit(it.most)
        .scalar_subquery()
    )
    gone = connection.execute(delete(refusals).where(refusals.c.id.in_(oldest)).returning(refusals.c.id)).all()
    hour = before.replace(minute=0, second=0, microsecond=0)
    hours = pair(refusal_hours.c.hour, refusal_hours.c.sender_key)
    ended = select(refusal_hours.c.hour, refusal_hours.c.sender_key).where(refusal_hours.c.hour < hour).limit(it.most)
    connection.execute(delete(refusal_hours).where(hours.in_(ended)))
    if gone:
        told = EventRecord(at=now, name=REFUSALS, detail=str(len(gone)))
        connection.execute(insert(events), [rows.event_values(told)])
    return len(gone)


# ── holds ──


@dataclass(frozen=True, slots=True, kw_only=True)
class _Holding:
    submission: SubmissionId
    reason: str
    held: bool


def _hold(connection: Connection, now: datetime, members: Sequence[_Holding]) -> Sequence[bool]:
    return [_hold_one(connection, now, it) for it in members]


def _hold_one(connection: Connection, now: datetime, it: _Holding) -> bool:
    connection.execute(_locked([it.submission]))
    held = connection.execute(
        select(_held()).select_from(submissions.join(content, _CONTENT_OF)).where(submissions.c.id == it.submission)
    ).scalar_one_or_none()
    if held is None or (not held and not it.held):
        return False
    if held is not it.held:
        told = EventRecord(at=now, name=HELD if it.held else LIFTED, submission=it.submission, detail=it.reason)
        connection.execute(insert(events), [rows.event_values(told)])
    return True


# ── space ──


def _shrink(connection: Connection, now: datetime, members: Sequence[int]) -> Sequence[int]:  # noqa: ARG001 - a work has this shape
    """Move pages out of the end of SQLite's file; return how many free ones are left in it."""
    driver = connection.connection.cursor()
    for _ in range(sum(members)):  # one call frees one page, whatever number it is given: it must be stepped
        driver.execute("PRAGMA incremental_vacuum(1)")
    left = int(driver.execute("PRAGMA freelist_count").fetchone()[0])
    return [left] * len(members)


PRUNE = Work(rank=50, do=_prune)
FORGET = Work(rank=51, do=_forget)
HOLD = Work(rank=52, do=_hold)
SHRINK = Work(rank=53, do=_shrink)


class SqlRetention:
    """The `Retention` of a SqlStore, with its `clock`.  `engine` makes connections of its own, beside the writer's."""

    def __init__(self, access: Access, engine: Engine, months: Months, clock: Clock | None) -> None:
        self._access = access
        self._engine = engine
        self._months = months
        self._clock = clock

    def look(self, terms: Terms, after: str = "", most: int = 1000) -> Look:
        with self._access.read() as connection:
            return look(connection, terms, after, most)

    def prune(self, terms: Terms, due: Sequence[Due]) -> Sequence[SubmissionId]:
        return self._access.write(PRUNE, _Pruning(terms=terms, due=due)) if due else []

    def forget_refusals(self, terms: Terms, keep: timedelta, most: int = 1000) -> int:
        return self._access.write(FORGET, _Forgetting(terms=terms, keep=keep, most=most))

    def hold(self, submission: SubmissionId, reason: str) -> bool:
        return self._access.write(HOLD, _Holding(submission=submission, reason=reason, held=True))

    def lift(self, submission: SubmissionId, reason: str) -> bool:
        return self._access.write(HOLD, _Holding(submission=submission, reason=reason, held=False))

    def give_back(self, at: datetime) -> bool:
        with self._access.read() as connection:  # opens the store if nobody has
            at = min(at, now(connection, self._clock))  # the clock of a node may be ahead
        if self._engine.dialect.name == "postgresql":
            with translated():
                return self._months.give_back(at)
        if self._access.write(SHRINK, PAGES):
            return True
        with translated():
            cut_log(self._engine)
        return False
