"""Taking custody: find, accept, refuse, and what an office is handed, as statements on a connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from adapters.stores.sql import rows
from adapters.stores.sql.columns import key
from adapters.stores.sql.tables import (
    content,
    deliveries,
    events,
    messages,
    receipts,
    refusal_hours,
    refusals,
    submissions,
)
from broker.errors import BrokerError, Reused, Unavailable
from broker.model import Acceptance, Claim, Fingerprint, Parcel, Receipt, ReceiptKind, Refusal, SubmissionId
from broker.ports import EventRecord

_known = (
    select(messages.c.content_key, messages.c.id_key, receipts)
    .join(receipts, receipts.c.submission == messages.c.submission)
    .where(receipts.c.kind == ReceiptKind.UPP.value)
)
# Built once: building a statement costs more than running it.
_BY_ID = _known.where(messages.c.id_key == bindparam("id"))
_BY_CONTENT = _known.where(messages.c.content_key == bindparam("content"))
_SUBMISSION = (
    select(submissions, content.c.document, content.c.report)
    .join(
        content,
        (content.c.submission == submissions.c.id) & (content.c.accepted_at == submissions.c.accepted_at),
    )
    .where(submissions.c.id == bindparam("submission"))
)
_RECEIPT = select(receipts).where(
    receipts.c.submission == bindparam("submission"), receipts.c.kind == ReceiptKind.UPP.value
)


def find(connection: Connection, message: Fingerprint) -> Receipt | None:
    """Return the receipt given for this message; raise Reused if its id was used for anything else."""
    by_content, by_id = rows.content_key(message), rows.id_key(message)
    if by_id is not None:
        used = connection.execute(_BY_ID, {"id": by_id}).one_or_none()
        if used is not None:
            if bytes(used.content_key) != by_content:
                raise Reused("intake.reused-id")
            return rows.receipt(used)
    known = connection.execute(_BY_CONTENT, {"content": by_content}).one_or_none()
    return None if known is None else rows.receipt(known)


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the engine's own insert, the one that knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def accept(connection: Connection, now: datetime, members: Sequence[Acceptance]) -> Sequence[Receipt | BrokerError]:
    """Keep all that are new; the unique keys decide which of several equal ones is first."""
    keys = []
    for it in members:
        message = rows.fingerprint(it.submission)
        keys.append(
            {
                "content_key": rows.content_key(message),
                "id_key": rows.id_key(message),
                "submission": it.submission.id,
            }
        )
    keys.sort(key=lambda row: row["content_key"] or b"")  # the same order on every node: none waits in a circle
    fresh = set(
        connection.execute(
            _insert(connection, messages).on_conflict_do_nothing().returning(messages.c.submission), keys
        ).scalars()
    )
    kept = [it for it in members if it.submission.id in fresh]
    if kept:
        _keep(connection, now, kept)
    return [
        it.receipt if it.submission.id in fresh else _given_then(connection, rows.fingerprint(it.submission))
        for it in members
    ]


def _keep(connection: Connection, now: datetime, kept: Sequence[Acceptance]) -> None:
    connection.execute(insert(submissions), [rows.submission_values(it.submission) for it in kept])
    connection.execute(
        insert(content),
        [
            {
                "submission": it.submission.id,
                "accepted_at": it.submission.accepted_at,
                "document": it.document,
                "report": it.report,
            }
            for it in kept
        ],
    )
    connection.execute(insert(receipts), [rows.receipt_values(it.receipt) for it in kept])
    due = [rows.delivery_values(one) for it in kept for one in it.deliveries]
    if due:
        connection.execute(insert(deliveries), due)
    told = (
        EventRecord(at=now, name="intake.accepted", submission=it.submission.id, detail=it.submission.digest)
        for it in kept
    )
    connection.execute(insert(events), [rows.event_values(event) for event in told])


def _given_then(connection: Connection, message: Fingerprint) -> Receipt | BrokerError:
    try:
        known = find(connection, message)
    except Reused as no:
        return no
    return known if known is not None else Unavailable("the store knows the message but has no receipt of it")


def refuse(cap: int) -> Callable[[Connection, datetime, Sequence[Refusal]], Sequence[None]]:
    """Return the work that records refusals, `cap` of each sender in an hour."""

    def work(connection: Connection, now: datetime, members: Sequence[Refusal]) -> Sequence[None]:
        kept = [it for it in sorted(members, key=lambda it: key(it.sender)) if _counted(connection, it) <= cap]
        if kept:
            connection.execute(insert(refusals), [rows.refusal_values(it) for it in kept])
            told = (EventRecord(at=now, name="intake.refused", detail=it.code) for it in kept)
            connection.execute(insert(events), [rows.event_values(event) for event in told])
        return [None] * len(members)

    return work


def _counted(connection: Connection, it: Refusal) -> int:
    """Count a refusal; return how many its sender has had in this hour."""
    counting = _insert(connection, refusal_hours).values(
        hour=it.at.replace(minute=0, second=0, microsecond=0), sender_key=key(it.sender), seen=1
    )
    more = counting.on_conflict_do_update(
        index_elements=["hour", "sender_key"], set_={"seen": refusal_hours.c.seen + 1}
    ).returning(refusal_hours.c.seen)
    seen: int = connection.execute(more).scalar_one()
    return seen


def receipt_of(connection: Connection, submission: SubmissionId) -> Receipt | None:
    """Return the receipt given when custody was taken."""
    row = connection.execute(_RECEIPT, {"submission": submission}).one_or_none()
    return None if row is None else rows.receipt(row)


def parcel(connection: Connection, claim: Claim) -> Parcel:
    """Return what the office is handed; raise Unavailable if its content is no longer kept."""
    submission = claim.delivery.submission
    row = connection.execute(_SUBMISSION, {"submission": submission}).one_or_none()
    receipt = receipt_of(connection, submission)
    if row is None or receipt is None:
        raise Unavailable("the document is not in the store")
    return Parcel(
        delivery=claim.delivery.id,
        submission=rows.submission(row),
        document=bytes(row.document),
        receipt=receipt,
        report=bytes(row.report),
    )
