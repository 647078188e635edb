"""What waits for an operator, on SQLite and PostgreSQL: counted, found, sent round again, redirected.

Everything is found by the index over states, so that what was delivered is never walked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, insert, or_, select, update

from adapters.stores.sql import ledger, rows
from adapters.stores.sql.access import Access
from adapters.stores.sql.tables import deliveries, events, offices, overdue, submissions
from adapters.stores.sql.writer import Work
from broker.errors import BrokerError, Refused
from broker.identity import delivery_id
from broker.model import Delivery, DeliveryId, OfficeId
from broker.quarantine import AT_ONCE, Pile, Redirected, Selection, Spread, may_be_there
from broker.states import FINAL, TRANSITIONS, DeliveryEvent, DeliveryState, follow

_PREFIX: Final = "delivery."
_REDIRECTABLE: Final = sorted(state for state, row in TRANSITIONS.items() if DeliveryEvent.REDIRECTED in row)
_UNFINISHED: Final = (
    select(deliveries.c.office, func.count().label("number"))
    .where(deliveries.c.state.in_(sorted(set(DeliveryState) - FINAL)))
    .group_by(deliveries.c.office)
)


class SqlQuarantine:
    """The `Quarantine` of a SqlStore."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def piles(self, wanted: Selection) -> Sequence[Pile]:
        with self._access.read() as connection:
            return [
                Pile(
                    office=OfficeId(row.office),
                    state=DeliveryState(row.state),
                    error=row.last_error,
                    number=row.number,
                    oldest=row.oldest,
                    examples=tuple(sorted({DeliveryId(row.first), DeliveryId(row.last)})),
                )
                for row in connection.execute(_piles(wanted))
            ]

    def find(self, wanted: Selection, after: Delivery | None = None, most: int = 500) -> Sequence[Delivery]:
        with self._access.read() as connection:
            return _find(connection, wanted, after, most)

    def requeue(self, deliveries: Sequence[DeliveryId], reason: str, spread: Spread = AT_ONCE) -> Sequence[DeliveryId]:
        return self._access.write(REQUEUE, ledger.Requeue(deliveries=tuple(deliveries), reason=reason, spread=spread))

    def redirect(
        self,
        deliveries: Sequence[DeliveryId],
        to: OfficeId,
        reason: str,
        *,
        even_if_sent: bool = False,
        dry_run: bool = False,
    ) -> Redirected:
        asked = Redirection(
            deliveries=tuple(deliveries), to=to, reason=reason, even_if_sent=even_if_sent, dry_run=dry_run
        )
        return self._access.write(REDIRECT, asked)

    def unfinished(self) -> Mapping[OfficeId, int]:
        with self._access.read() as connection:
            return unfinished(connection)


def unfinished(connection: Connection) -> dict[OfficeId, int]:
    """Count what is not final, by office."""
    return {OfficeId(row.office): row.number for row in connection.execute(_UNFINISHED)}


def beyond(submission: str, delivery: str) -> ColumnElement[bool]:
    """Return what comes later in the order of submissions and, in one of them, of deliveries.

    Two comparisons and not one of pairs: SQLite walks the index from the first of them.
    """
    later = and_(deliveries.c.submission == submission, deliveries.c.id > delivery)
    return and_(deliveries.c.submission >= submission, or_(deliveries.c.submission > submission, later))


def _narrowed(query: Select[Any], wanted: Selection) -> Select[Any]:
    if wanted.office:
        query = query.where(deliveries.c.office == wanted.office)
    if wanted.since is not None:
        query = query.where(deliveries.c.since >= wanted.since)
    if wanted.until is not None:
        query = query.where(deliveries.c.since < wanted.until)
    return query


def _piles(wanted: Selection) -> Select[Any]:
    query = select(
        deliveries.c.office,
        deliveries.c.state,
        deliveries.c.last_error,
        func.count().label("number"),
        func.min(deliveries.c.since).label("oldest"),
        func.min(deliveries.c.id).label("first"),
        func.max(deliveries.c.id).label("last"),
    ).where(deliveries.c.state.in_(sorted(wanted.states)))
    return _narrowed(query, wanted).group_by(deliveries.c.office, deliveries.c.state, deliveries.c.last_error)


def _find(connection: Connection, wanted: Selection, after: Delivery | None, most: int) -> list[Delivery]:
    """Walk the index over states, one state after the other; what was named is looked up by its id."""
    found: list[Delivery] = []
    states = [state for state in sorted(wanted.states) if after is None or state >= after.state]
    for state in states:
        query = _narrowed(select(deliveries).where(deliveries.c.state == state), wanted)
        if after is not None and after.state == state:
            query = query.where(beyond(after.submission, after.id))
        query = query.order_by(deliveries.c.submission, deliveries.c.id).limit(most - len(found))
        if wanted.ids:
            query = query.where(deliveries.c.id.in_(wanted.ids))
        found += map(rows.delivery, connection.execute(query))
        if len(found) == most:
            break
    return found


# ── what operators do ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """Deliveries to be ended, and the office that is to get their documents instead."""

    deliveries: tuple[DeliveryId, ...]
    to: OfficeId
    reason: str
    even_if_sent: bool
    dry_run: bool


def redirect(
    connection: Connection, now: datetime, members: Sequence[Redirection]
) -> Sequence[Redirected | BrokerError]:
    """End deliveries and make others in their place."""
    return [_redirect(connection, now, it) for it in members]


def _redirect(connection: Connection, now: datetime, it: Redirection) -> Redirected | BrokerError:
    if connection.execute(select(offices.c.id).where(offices.c.id == it.to)).first() is None:
        return Refused(f"the store does not know the office {it.to}")
    found: list[Row[Any]] = []
    for some in ledger.pieces(it.deliveries):
        found += connection.execute(
            select(deliveries)
            .where(
                deliveries.c.id.in_(some),
                deliveries.c.state.in_(_REDIRECTABLE),
                deliveries.c.office != it.to,
            )
            .order_by(deliveries.c.id)
            .with_for_update()
        ).all()
    sent = set() if it.even_if_sent else _perhaps_there(connection, found)
    ends = [row for row in found if row.id not in sent]
    instead = _new_ids(connection, ends, it.to)
    made = {DeliveryId(row.id): instead[row.id] for row in ends if row.id in instead}
    if made and not it.dry_run:
        _give_over(connection, now, [row for row in ends if row.id in made], instead, it)
    return Redirected(made=made, held_back=tuple(sorted(sent)))


def _perhaps_there(connection: Connection, found: Sequence[Row[Any]]) -> set[DeliveryId]:
    """Return those that an office may have got, by the notes on their submissions and what their events say."""
    said: defaultdict[str, list[tuple[DeliveryEvent, str]]] = defaultdict(list)
    notes: dict[str, tuple[str, ...]] = {}
    for some in ledger.pieces(found):
        of = {row.submission for row in some}
        noted: Select[Any] = select(submissions.c.id, submissions.c.notes).where(submissions.c.id.in_(of))
        notes |= {row.id: rows.notes(row) for row in connection.execute(noted)}
        query = select(events.c.delivery, events.c.name, events.c.detail).where(
            events.c.submission.in_(of), events.c.name.startswith(_PREFIX)
        )
        for event in connection.execute(query):
            said[event.delivery].append((DeliveryEvent(event.name.removeprefix(_PREFIX)), event.detail))
    return {DeliveryId(row.id) for row in found if may_be_there(notes[row.submission], said[row.id])}


def _new_ids(connection: Connection, ends: Sequence[Row[Any]], to: OfficeId) -> dict[str, DeliveryId]:
    """Return the ids under which that office gets the documents; none for what it was given before."""
    new: dict[str, DeliveryId] = {}
    for some in ledger.pieces(ends):
        of = select(submissions).where(submissions.c.id.in_({row.submission for row in some}))
        known = {row.id: rows.fingerprint(rows.submission(row)) for row in connection.execute(of)}
        there = select(deliveries.c.submission).where(deliveries.c.submission.in_(known), deliveries.c.office == to)
        given = set(connection.execute(there).scalars())
        for row in some:
            if row.submission not in given:
                new[row.id] = delivery_id(known[row.submission], to)
                given.add(row.submission)
    return new


def _give_over(
    connection: Connection, now: datetime, ends: Sequence[Row[Any]], new: Mapping[str, DeliveryId], it: Redirection
) -> None:
    for state in _REDIRECTABLE:
        after = follow(state, DeliveryEvent.REDIRECTED).value
        for some in ledger.pieces([row.id for row in ends if row.state == state]):
            connection.execute(
                update(deliveries).where(deliveries.c.id.in_(some)).values(state=after, claimable_at=None, token=None)
            )
    instead = [Delivery(id=new[row.id], submission=row.submission, office=it.to, since=now, due_at=now) for row in ends]
    connection.execute(insert(deliveries), list(map(rows.delivery_values, instead)))
    told = [rows.step(row, DeliveryEvent.REDIRECTED, now, f"to {it.to} as {new[row.id]}: {it.reason}") for row in ends]
    connection.execute(insert(events), told)
    # What was told of the document's deadlines was told, and what was met was met: the new deliveries inherit it.
    for some in ledger.pieces([row.id for row in ends]):
        late = connection.execute(select(overdue).where(overdue.c.delivery.in_(some))).mappings().all()
        if late:
            connection.execute(insert(overdue), [{**one, "delivery": new[one["delivery"]]} for one in late])


REQUEUE: Final = Work(rank=60, do=ledger.requeue)
REDIRECT: Final = Work(rank=61, do=redirect)
