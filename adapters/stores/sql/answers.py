"""The answers that offices are to give, on SQLite and PostgreSQL: watched for from acceptance on, until they come.

An answer is a submission of its own, seen in the transaction that accepts it; or an operator says that there was one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from adapters.stores.sql import rows
from adapters.stores.sql.columns import Words
from adapters.stores.sql.tables import MAY_BE_ID, awaited, events, overdue, submissions
from adapters.stores.sql.writer import Work
from broker.custody import READMITTED
from broker.deadlines import Stage
from broker.model import DeliveryId, Submission, SubmissionId
from broker.ports import EventRecord


def is_awaited(connection: Connection, submission: SubmissionId) -> bool:
    """Tell whether an answer to this submission is watched for and has not come."""
    return connection.execute(select(awaited).where(awaited.c.submission == submission)).first() is not None


def await_answer(connection: Connection, waiting: Sequence[SubmissionId]) -> None:
    """Watch for the answers to submissions that have just been accepted."""
    if waiting:
        connection.execute(insert(awaited), [{"submission": one} for one in waiting])


def take_answers(connection: Connection, now: datetime, came: Sequence[Submission]) -> None:
    """Note which of the submissions that have just been accepted answer one that is watched for, or were answered.

    An answer comes into the box that its sender named for it.  A sender may name anything as what it answers, so the
    text is looked up as one that may hold anything.  In order, as everybody who locks many awaited rows: two nodes that
    got the same answers in contrary order would else wait in a circle.
    """
    for it in sorted(came, key=lambda it: it.in_reply_to):
        if READMITTED in it.notes:
            _find_answer(connection, now, it)
        if it.in_reply_to and not it.trial:
            of = select(awaited.c.submission).join(submissions, submissions.c.id == awaited.c.submission)
            asked = bindparam("asked", it.in_reply_to, type_=Words), bindparam("into", it.box, type_=Words)
            known = connection.execute(of.where(awaited.c.submission == asked[0], submissions.c.reply_to == asked[1]))
            for one in known.scalars().all():
                _answered(connection, now, Answered(submission=SubmissionId(one), by=it.id))


def _find_answer(connection: Connection, now: datetime, it: Submission) -> None:
    # Only what is taken back can have an answer that is there before it.
    later = select(submissions.c.id).where(
        select(awaited).where(awaited.c.submission == it.id).exists(),
        submissions.c.id > it.id,
        submissions.c.in_reply_to == it.id,
        text(MAY_BE_ID),
        submissions.c.box == it.reply_to,
        submissions.c.trial.is_(False),
    )
    for reply in connection.execute(later.order_by(submissions.c.id).limit(1)).scalars().all():
        _answered(connection, now, Answered(submission=it.id, by=reply))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer: by which submission, or why an operator says so."""

    submission: SubmissionId
    by: str


def answered(connection: Connection, now: datetime, members: Sequence[Answered]) -> Sequence[bool]:
    """Watch no longer for the answers to these."""
    return [_answered(connection, now, it) for it in members]


def _answered(connection: Connection, now: datetime, it: Answered) -> bool:
    gone = connection.execute(
        delete(awaited).where(awaited.c.submission == it.submission).returning(awaited.c.expired_at)
    ).one_or_none()
    if gone is None:
        return False
    connection.execute(
        update(overdue)
        .where(overdue.c.submission == it.submission, overdue.c.stage == Stage.RETRIEVAL.value)
        .values(met_at=now)
    )
    event = EventRecord(at=now, name="deadline.answered", submission=it.submission, detail=it.by)
    told = [rows.event_values(event)]
    if gone.expired_at is not None:
        told.append(met_late(now, it.submission, None, Stage.RETRIEVAL))
    connection.execute(insert(events), told)
    return True


def met_late(now: datetime, submission: str, delivery: str | None, stage: Stage) -> rows.Values:
    """Return the event that what had expired has come about after all."""
    return rows.event_values(
        EventRecord(
            at=now,
            name="deadline.met-late",
            submission=SubmissionId(submission),
            delivery=None if delivery is None else DeliveryId(delivery),
            detail=stage,
        )
    )


ANSWERED: Final = Work(rank=66, do=answered)
