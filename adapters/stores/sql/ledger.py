"""What operators see and do, as statements on a connection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from adapters.stores.sql import rows
from adapters.stores.sql.columns import key
from adapters.stores.sql.tables import (
    content,
    deliveries,
    events,
    later_reports,
    offices,
    receipts,
    refusal_hours,
    refusals,
    stamps,
    submissions,
)
from broker.model import DeliveryId, OfficeId, OfficeLimits, ReceiptKind, Refusal, SubmissionId
from broker.ports import OVERTURNED, EventRecord, Filter, Record, Stats
from broker.pressure import Queued
from broker.quarantine import AT_ONCE, Spread
from broker.states import STUCK, DeliveryEvent, DeliveryState, follow

T = TypeVar("T")

_content_of = (content.c.submission == submissions.c.id) & (content.c.accepted_at == submissions.c.accepted_at)
_IN_ONE = 1000  # values in one statement
_UPP = receipts.c.kind == ReceiptKind.UPP.value


# ── what there is ──


def _page(wanted: Filter) -> Select[Any]:
    """Return the query of a page: it walks the submissions themselves, or what is fewer.

    By state that is the index of deliveries; of what was overturned, what was judged again.
    """
    query = select(submissions, receipts.c.id.label("receipt")).join(
        receipts, (receipts.c.submission == submissions.c.id) & _UPP
    )
    newest_first: Any = submissions.c.id
    if wanted.state is not None:
        in_state = select(deliveries.c.submission).where(deliveries.c.state == wanted.state.value).distinct().subquery()
        query = query.join(in_state, in_state.c.submission == submissions.c.id)
        newest_first = in_state.c.submission
    if wanted.overturned:
        # Distinct, or SQLite takes it apart and begins at all receipts there are.
        said = (events.c.submission == later_reports.c.submission) & (events.c.name == OVERTURNED)
        judged = select(later_reports.c.submission).where(select(events).where(said).exists()).distinct().subquery()
        query = query.join(judged, judged.c.submission == submissions.c.id)
        newest_first = judged.c.submission
    if wanted.after:
        query = query.where(newest_first < wanted.after)
    if wanted.office:
        query = query.where(submissions.c.office == wanted.office)
    if wanted.sender:
        query = query.where(submissions.c.sender_key == key(wanted.sender))
    if wanted.digest:
        query = query.where(submissions.c.digest == wanted.digest)
    if wanted.since is not None:
        query = query.where(submissions.c.accepted_at >= wanted.since)
    if not wanted.trials:
        query = query.where(submissions.c.trial.is_(False))
    return query.order_by(newest_first.desc()).limit(wanted.most)


def pieces(found: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list into pieces that fit into a statement: PostgreSQL takes 65,535 values in one."""
    return (found[start : start + _IN_ONE] for start in range(0, len(found), _IN_ONE))


def these(connection: Connection, wanted: Sequence[SubmissionId]) -> Sequence[Record]:
    """Return these submissions, oldest first, as a page has them."""
    query = select(submissions).order_by(submissions.c.id)
    return [
        record
        for some in pieces(wanted)
        for record in _records(connection, connection.execute(query.where(submissions.c.id.in_(some))).all())
    ]


def page(connection: Connection, wanted: Filter) -> Sequence[Record]:
    """Return matching submissions, newest first."""
    found = connection.execute(_page(wanted)).all()
    return [record for some in pieces(found) for record in _records(connection, some)]


def _records(connection: Connection, found: Sequence[Row[Any]]) -> Sequence[Record]:
    ids = [row.id for row in found]
    given = connection.execute(select(receipts).where(receipts.c.submission.in_(ids), _UPP)).all()
    receipt_of = {row.submission: rows.receipt(row) for row in given}
    deliveries_of = defaultdict(list)
    for row in connection.execute(select(deliveries).where(deliveries.c.submission.in_(ids)).order_by(deliveries.c.id)):
        deliveries_of[row.submission].append(rows.delivery(row))
    return [
        Record(
            submission=rows.submission(row),
            receipt=receipt_of[row.id],
            report=b"",
            deliveries=tuple(deliveries_of[row.id]),
        )
        for row in found
    ]


def show(connection: Connection, submission: SubmissionId) -> Record | None:
    """Return everything about one submission, reports as stored; an empty report when its content has been pruned."""
    row = connection.execute(
        select(submissions, content.c.report, later_reports.c.report.label("later_report"))
        .outerjoin(content, _content_of)
        .outerjoin(later_reports, later_reports.c.submission == submissions.c.id)
        .where(submissions.c.id == submission)
    ).one_or_none()
    given = connection.execute(
        select(receipts, stamps.c.xml.label("stamped"))
        .outerjoin(stamps, stamps.c.receipt == receipts.c.id)
        .where(receipts.c.submission == submission, _UPP)
    ).one_or_none()
    if row is None or given is None:
        return None
    sent = connection.execute(select(deliveries).where(deliveries.c.submission == submission).order_by(deliveries.c.id))
    told = connection.execute(select(events).where(events.c.submission == submission).order_by(events.c.id))
    return Record(
        submission=rows.submission(row),
        receipt=rows.receipt(given),
        report=bytes(row.report or b""),
        deliveries=tuple(map(rows.delivery, sent)),
        events=tuple(map(rows.event, told)),
        stamped=None if given.stamped is None else bytes(given.stamped),
        later_report=None if row.later_report is None else bytes(row.later_report),
    )


def document(connection: Connection, submission: SubmissionId) -> bytes | None:
    """Return the document as stored, None when it is unknown or pruned."""
    found = connection.execute(
        select(content.c.document).join(submissions, _content_of).where(submissions.c.id == submission)
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


def turned_away(connection: Connection, since: datetime | None, most: int) -> Sequence[Refusal]:
    """Return refusals, newest first."""
    query = select(refusals).order_by(refusals.c.at.desc(), refusals.c.id.desc()).limit(most)
    if since is not None:
        query = query.where(refusals.c.at >= since)
    return list(map(rows.refusal, connection.execute(query)))


def stats(connection: Connection) -> Stats:
    """Count; this walks whole indexes, so it is for people, not for the hot path."""
    by_state = connection.execute(select(deliveries.c.state, func.count().label("number")).group_by(deliveries.c.state))
    waiting = deliveries.c.state == DeliveryState.WAITING.value
    return Stats(
        submissions=_number(connection, select(func.count()).where(submissions.c.trial.is_(False))),
        refusals=_number(connection, select(func.coalesce(func.sum(refusal_hours.c.seen), 0))),
        deliveries={DeliveryState(row.state): row.number for row in by_state},
        oldest_waiting=connection.execute(select(func.min(deliveries.c.since)).where(waiting)).scalar_one(),
    )


_QUEUED = (
    select(deliveries.c.office, func.count().label("number"), func.min(deliveries.c.since).label("since"))
    .where(deliveries.c.claimable_at.is_not(None))
    .group_by(deliveries.c.office)
)


def queued(connection: Connection) -> dict[OfficeId, Queued]:
    """Count what is live, by office; it costs as much as there is live, however much is stored."""
    return {OfficeId(row.office): Queued(number=row.number, since=row.since) for row in connection.execute(_QUEUED)}


def _number(connection: Connection, query: Select[Any]) -> int:
    return int(connection.execute(query).scalar_one())


# ── what operators do ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeue:
    """Deliveries to be sent round again, why, and when each is due."""

    deliveries: tuple[DeliveryId, ...]
    reason: str
    spread: Spread = AT_ONCE


def requeue(connection: Connection, now: datetime, members: Sequence[Requeue]) -> Sequence[list[DeliveryId]]:
    """Send what waits for the operator round again, patience counted anew."""
    return [_requeue(connection, now, it) for it in members]


def _requeue(connection: Connection, now: datetime, it: Requeue) -> list[DeliveryId]:
    sent: list[Any] = []
    due = now + it.spread.first
    # With a step each has a due time of its own; the next one's counts on only from one that was sent.
    for some in ([one] for one in it.deliveries) if it.spread.step else pieces(it.deliveries):
        again = _send_again(connection, some, due)
        sent += again
        due += it.spread.step * len(again)
    if sent:
        connection.execute(insert(events), [rows.step(row, DeliveryEvent.REQUEUED, now, it.reason) for row in sent])
    return [DeliveryId(row.id) for row in sent]


def _send_again(connection: Connection, some: Sequence[DeliveryId], due: datetime) -> list[Row[Any]]:
    sent: list[Row[Any]] = []
    for state in sorted(STUCK):
        sent += connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(some), deliveries.c.state == state)
            .values(
                state=follow(state, DeliveryEvent.REQUEUED).value,
                attempts=0,
                crashes=0,
                since=due,
                due_at=due,
                claimable_at=due,
            )
            .returning(deliveries.c.id, deliveries.c.submission)
        ).all()
    return sent


def enrol(connection: Connection, now: datetime, members: Sequence[Sequence[OfficeLimits]]) -> Sequence[None]:  # noqa: ARG001 - a work has this shape
    """Add offices, or change their limits and nothing else."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(offices)
    limits = {name: new.excluded[name] for name in ("in_flight", "threshold", "cooling")}
    latest = {it.office: it for some in members for it in some}
    if latest:
        connection.execute(
            new.on_conflict_do_update(index_elements=["id"], set_=limits),
            [
                {
                    "id": it.office,
                    "in_flight": it.in_flight,
                    "threshold": it.threshold,
                    "cooling": it.cooling,
                    "failures": 0,
                    "open_until": None,
                    "paused": False,
                }
                for _, it in sorted(latest.items())
            ],
        )
    return [None] * len(members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """An office to be stopped or resumed."""

    office: OfficeId
    paused: bool


def pause(connection: Connection, now: datetime, members: Sequence[Pause]) -> Sequence[bool]:
    """Stop or resume claims; an event says so when something changed."""
    return [_pause(connection, now, it) for it in members]


def _pause(connection: Connection, now: datetime, it: Pause) -> bool:
    changed = connection.execute(
        update(offices)
        .where(offices.c.id == it.office, offices.c.paused.is_not(it.paused))
        .values(paused=it.paused)
        .returning(offices.c.id)
    ).all()
    if changed:
        name = "office.paused" if it.paused else "office.resumed"
        connection.execute(insert(events), [rows.event_values(EventRecord(at=now, name=name, detail=it.office))])
        return True
    return connection.execute(select(offices.c.id).where(offices.c.id == it.office)).first() is not None
