"""Copies of the evidence, on SQLite and PostgreSQL: what a word names, and the event that a copy was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, union

from adapters.stores.sql import rows
from adapters.stores.sql.access import Access
from adapters.stores.sql.tables import deliveries, events, receipts, submissions
from adapters.stores.sql.writer import Work
from broker.copies import MADE, MOST
from broker.model import SubmissionId
from broker.ports import EventRecord

# Each part of it is one look into an index.
_MEANT = union(
    select(submissions.c.id).where(submissions.c.id == bindparam("word")),
    select(submissions.c.id).where(submissions.c.digest == bindparam("digest")),
    select(receipts.c.submission).where(receipts.c.id == bindparam("word")),
    select(deliveries.c.submission).where(deliveries.c.id == bindparam("word")),
).subquery()
_NEWEST_FIRST = select(_MEANT.c.id).order_by(_MEANT.c.id.desc()).limit(MOST)
_KNOWN = select(submissions.c.id).where(submissions.c.id == bindparam("one"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy that was made."""

    submission: SubmissionId
    detail: str


def _made(connection: Connection, now: datetime, members: Sequence[Copy]) -> Sequence[bool]:
    known = [connection.execute(_KNOWN, {"one": it.submission}).first() is not None for it in members]
    told = [
        rows.event_values(EventRecord(at=now, name=MADE, submission=it.submission, detail=it.detail))
        for it, is_known in zip(members, known, strict=True)
        if is_known
    ]
    if told:
        connection.execute(insert(events), told)
    return known


COPY_MADE = Work(rank=40, do=_made)


class SqlCopies:
    """The `Copies` of a SqlStore."""

    def __init__(self, store: Access) -> None:
        self._store = store

    def named(self, word: str) -> Sequence[SubmissionId]:
        with self._store.read() as connection:
            found = connection.execute(_NEWEST_FIRST, {"word": word, "digest": word.lower()})
            return [SubmissionId(one) for one in found.scalars()]

    def made(self, submission: SubmissionId, detail: str) -> bool:
        return self._store.write(COPY_MADE, Copy(submission=submission, detail=detail))
