"""Proof that comes later, as statements on a connection: seals, time-stamped copies, second judgements.

Each is written once and beside what was there: no receipt and no report is ever written over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Integer, Table, bindparam, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from adapters.stores.sql import rows
from adapters.stores.sql.tables import events, later_reports, receipts, rechecks, seals, stamps, submissions, unstamped
from broker.model import Receipt, SubmissionId
from broker.ports import EventRecord

_MOST = bindparam("most", type_=Integer)
# The queue is cut to length before anything is joined to it: it may hold a million, and only its first are wanted.
_FIRST_UNSTAMPED = select(unstamped.c.receipt).order_by(unstamped.c.receipt).limit(_MOST).subquery()
_UNSTAMPED = (
    select(receipts)
    .join(_FIRST_UNSTAMPED, _FIRST_UNSTAMPED.c.receipt == receipts.c.id)
    .order_by(_FIRST_UNSTAMPED.c.receipt)
)
_AWAITING = (
    select(rechecks.c.submission)
    .where(rechecks.c.submission > bindparam("after"))
    .order_by(rechecks.c.submission)
    .limit(_MOST)
)


# ── seals ──


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSeen:
    """A seal's certificate with those above it."""

    sha256: str
    pem: bytes
    at: datetime


def keep_seal(connection: Connection, now: datetime, members: Sequence[SealSeen]) -> Sequence[None]:
    """Keep the certificates that are new; an event says so."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    keeping = dialect.insert(seals).on_conflict_do_nothing().returning(seals.c.sha256)
    for it in sorted(members, key=lambda it: it.sha256):
        new = connection.execute(keeping, {"sha256": it.sha256, "pem": it.pem, "at": it.at}).first()
        if new is not None:
            told = EventRecord(at=now, name="seal.kept", detail=it.sha256)
            connection.execute(insert(events), [rows.event_values(told)])
    return [None] * len(members)


def all_seals(connection: Connection) -> Sequence[bytes]:
    """Return the certificates of all seals, oldest first."""
    query = select(seals.c.pem).order_by(seals.c.at, seals.c.sha256)
    return [bytes(pem) for pem in connection.execute(query).scalars()]


# ── time-stamped copies ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A receipt's time-stamped copy."""

    receipt: str
    xml: bytes
    at: datetime


def without_copy(connection: Connection, most: int) -> Sequence[Receipt]:
    """Return receipts that have no time-stamped copy, oldest first."""
    return list(map(rows.receipt, connection.execute(_UNSTAMPED, {"most": most})))


def stamp(connection: Connection, now: datetime, members: Sequence[Copy]) -> Sequence[None]:
    """Keep the copies of receipts that have none; one that is unknown, or has one, is left as it is."""
    new = {it.receipt: it for it in reversed(members)}
    taken = _take(connection, unstamped, "receipt", list(new))
    if taken:
        connection.execute(insert(stamps), [{"receipt": one, "at": new[one].at, "xml": new[one].xml} for one in taken])
        of = select(receipts.c.submission).where(receipts.c.id.in_(taken)).order_by(receipts.c.id)
        told = [
            rows.event_values(EventRecord(at=now, name="stamp.kept", submission=submission))
            for submission in connection.execute(of).scalars()
        ]
        connection.execute(insert(events), told)
    return [None] * len(members)


def _take(connection: Connection, queue: Table, column: str, wanted: Sequence[str]) -> list[str]:
    """Take what is still there out of a queue, the same order on every node; return it."""
    taking = delete(queue).where(queue.c[column] == bindparam("one")).returning(queue.c[column])
    return [one for one in sorted(wanted) if connection.execute(taking, {"one": one}).first() is not None]


# ── judged again ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What judging again has found."""

    submission: SubmissionId
    event: str
    detail: str
    report: bytes


def waiting_to_be_judged(connection: Connection, most: int, after: str) -> Sequence[SubmissionId]:
    """Return what was let in under a grace, oldest first, and after this one."""
    return [SubmissionId(one) for one in connection.execute(_AWAITING, {"most": most, "after": after}).scalars()]


def settle(connection: Connection, now: datetime, members: Sequence[Settlement]) -> Sequence[None]:
    """Write the event and the report of what still awaits; what awaits no more is left as it is."""
    new = {it.submission: it for it in reversed(members)}
    taken = [new[SubmissionId(one)] for one in _take(connection, rechecks, "submission", list(new))]
    if taken:
        entered = _entered(connection, taken)
        connection.execute(
            insert(later_reports),
            [
                {"submission": it.submission, "accepted_at": entered[it.submission], "at": now, "report": it.report}
                for it in taken
            ],
        )
        told = (EventRecord(at=now, name=it.event, submission=it.submission, detail=it.detail) for it in taken)
        connection.execute(insert(events), [rows.event_values(event) for event in told])
    return [None] * len(members)


def _entered(connection: Connection, settled: Sequence[Settlement]) -> dict[str, datetime]:
    query = select(submissions.c.id, submissions.c.accepted_at).where(
        submissions.c.id.in_([it.submission for it in settled])
    )
    return {row.id: row.accepted_at for row in connection.execute(query)}
