"""Taking custody: find, accept, refuse, and what an office is handed, as statements on a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, Table, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from adapters.stores.sql import answers, rows
from adapters.stores.sql.columns import key
from adapters.stores.sql.tables import (
    content,
    contents,
    deliveries,
    events,
    message_ids,
    receipts,
    rechecks,
    refusal_hours,
    refusals,
    submissions,
    unstamped,
)
from broker.custody import due_by
from broker.errors import BrokerError, Reused, Unavailable
from broker.journal import acceptance_detail, refusal_detail
from broker.model import Acceptance, Claim, Fingerprint, Parcel, Receipt, ReceiptKind, Refusal, SubmissionId
from broker.ports import EventRecord
from broker.retention import PRUNED

_known = (
    select(contents.c.content_key, receipts)
    .join(receipts, receipts.c.submission == contents.c.submission)
    .where(receipts.c.kind == ReceiptKind.UPP.value)
)
# Built once: building a statement costs more than running it.
_BY_ID = _known.join(message_ids, message_ids.c.content_key == contents.c.content_key).where(
    message_ids.c.id_key == bindparam("id")
)
_BY_CONTENT = _known.where(contents.c.content_key == bindparam("content"))
_BOUND = select(message_ids).where(message_ids.c.id_key.in_(bindparam("ids", expanding=True)))
_SUBMISSION = (
    select(submissions, content.c.document, content.c.report)
    .join(
        content,
        (content.c.submission == submissions.c.id) & (content.c.accepted_at == submissions.c.accepted_at),
    )
    .where(submissions.c.id == bindparam("submission"))
)
_PRUNED = select(events.c.at).where(events.c.submission == bindparam("submission"), events.c.name == PRUNED)
_RECEIPT = select(receipts).where(
    receipts.c.submission == bindparam("submission"), receipts.c.kind == ReceiptKind.UPP.value
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A message that came before."""

    receipt: Receipt  # given then
    bound: bool  # whether its message id, if it has one, stands for it already


def find(connection: Connection, message: Fingerprint) -> Known | None:
    """Return what is known of this message; raise Reused if its id was used for anything else.  Writes nothing."""
    by_content, by_id = rows.content_key(message), rows.id_key(message)
    if by_id is not None:
        used = connection.execute(_BY_ID, {"id": by_id}).one_or_none()
        if used is not None:
            if bytes(used.content_key) != by_content:
                raise Reused("intake.reused-id")
            return Known(receipt=rows.receipt(used), bound=True)
    known = connection.execute(_BY_CONTENT, {"content": by_content}).one_or_none()
    return None if known is None else Known(receipt=rows.receipt(known), bound=by_id is None)


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the engine's own insert, the one that knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


class _Keys(NamedTuple):
    """What a message is known by."""

    id: bytes | None
    content: bytes


def _keys(message: Fingerprint) -> _Keys:
    return _Keys(rows.id_key(message), rows.content_key(message))


def accept(
    connection: Connection, now: datetime, members: Sequence[Acceptance | Fingerprint]
) -> Sequence[Receipt | BrokerError]:
    """Bind message ids and keep all that are new; the unique keys decide which of several rivals is first.

    A member that is only a Fingerprint is a known message under a new id: nothing of it is kept but the id.
    Ids come before contents, so that who loses an id has taken nothing yet.
    """
    keys = [_keys(it if isinstance(it, Fingerprint) else rows.fingerprint(it.submission)) for it in members]
    bound = _bind(connection, keys)
    own = [it.id is None or bound[it.id] == it.content for it in keys]
    new = {
        it.submission.id: mine.content
        for it, mine, ours in zip(members, keys, own, strict=True)
        if ours and isinstance(it, Acceptance)
    }
    fresh = _claim_contents(connection, new)
    kept = [it for it in members if isinstance(it, Acceptance) and it.submission.id in fresh]
    if kept:
        _keep(connection, now, kept)
    return [
        _answer(connection, it, mine.content, fresh) if ours else Reused("intake.reused-id")
        for it, mine, ours in zip(members, keys, own, strict=True)
    ]


def _bind(connection: Connection, keys: Sequence[_Keys]) -> dict[bytes, bytes]:
    """Bind the ids that are new; return the content that each of the ids stands for."""
    wanted: list[rows.Values] = [{"id_key": it.id, "content_key": it.content} for it in keys if it.id is not None]
    wanted.sort(key=itemgetter("id_key"))  # the same order on every node: none waits in a circle
    if not wanted:
        return {}
    binding = _insert(connection, message_ids).on_conflict_do_nothing().returning(message_ids)
    bound = {bytes(row.id_key): bytes(row.content_key) for row in connection.execute(binding, wanted)}
    used = [it.id for it in keys if it.id is not None and it.id not in bound]
    if used:
        bound |= {bytes(row.id_key): bytes(row.content_key) for row in connection.execute(_BOUND, {"ids": used})}
    return bound


def _claim_contents(connection: Connection, new: Mapping[SubmissionId, bytes]) -> set[str]:
    """Note whose content is new; return the submissions that were first with theirs."""
    if not new:
        return set()
    claiming = _insert(connection, contents).on_conflict_do_nothing().returning(contents.c.submission)
    wanted: list[rows.Values] = [{"content_key": content, "submission": it} for it, content in new.items()]
    wanted.sort(key=itemgetter("content_key"))  # as with ids
    return set(connection.execute(claiming, wanted).scalars())


def _answer(
    connection: Connection, it: Acceptance | Fingerprint, content_key: bytes, fresh: set[str]
) -> Receipt | BrokerError:
    """Return the receipt of what was kept, or the one given when its content came first."""
    if isinstance(it, Acceptance) and it.submission.id in fresh:
        return it.receipt
    known = connection.execute(_BY_CONTENT, {"content": content_key}).one_or_none()
    return Unavailable("the store knows the message but has no receipt of it") if known is None else rows.receipt(known)


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
    connection.execute(insert(unstamped), [{"receipt": it.receipt.id} for it in kept])
    again = [{"submission": it.submission.id} for it in kept if it.recheck]
    if again:
        connection.execute(insert(rechecks), again)
    answers.await_answer(connection, [it.submission.id for it in kept if it.awaits_answer])
    due = [rows.delivery_values(due_by(one, now)) for it in kept for one in it.deliveries]
    if due:
        connection.execute(insert(deliveries), due)
    told = (
        EventRecord(at=now, name=name, submission=it.submission.id, detail=detail)
        for it in kept
        for name, detail in (("intake.accepted", acceptance_detail(it.submission.digest, it.receipt)), *it.told)
    )
    connection.execute(insert(events), [rows.event_values(event) for event in told])
    answers.take_answers(connection, now, [it.submission for it in kept])


def refuse(cap: int) -> Callable[[Connection, datetime, Sequence[Refusal]], Sequence[None]]:
    """Return the work that records refusals, `cap` of each sender in an hour."""

    def work(connection: Connection, now: datetime, members: Sequence[Refusal]) -> Sequence[None]:
        kept = [it for it in sorted(members, key=lambda it: key(it.sender)) if _counted(connection, it) <= cap]
        if kept:
            connection.execute(insert(refusals), [rows.refusal_values(it) for it in kept])
            told = (EventRecord(at=now, name="intake.refused", detail=refusal_detail(it)) for it in kept)
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
    """Return what the office is handed, content as stored; raise Unavailable if its content is no longer kept."""
    submission = claim.delivery.submission
    row = connection.execute(_SUBMISSION, {"submission": submission}).one_or_none()
    receipt = receipt_of(connection, submission)
    if row is None or receipt is None:
        removed = connection.execute(_PRUNED, {"submission": submission}).scalar()
        when = f": it was removed at {removed:%Y-%m-%dT%H:%M:%SZ}, when its time was over" if removed else ""
        raise Unavailable(f"the document is not in the store{when}")
    return Parcel(
        delivery=claim.delivery.id,
        submission=rows.submission(row),
        document=bytes(row.document),
        receipt=receipt,
        report=bytes(row.report),
    )
