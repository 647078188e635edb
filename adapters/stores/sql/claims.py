"""Deliveries: claim, renew, release, record, as statements on a connection.

Every transition is guarded in the WHERE clause by the state it starts from and by the claim's token; no row
means that somebody else was there first.  On PostgreSQL claims go round what another node has locked; on
SQLite, which knows no FOR UPDATE, a transaction that writes has the whole file for itself.
Lock order, the same for all works: deliveries, then offices; a claim waits for neither.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, case, func, insert, select, update

from adapters.stores.sql import rows
from adapters.stores.sql.tables import deliveries, events, offices
from broker.errors import BrokerError, LeaseLost
from broker.model import Claim, Outcome
from broker.states import LIVE, DeliveryEvent, DeliveryState, follow

_SENDING = DeliveryState.SENDING.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a worker asks for."""

    lease: timedelta
    most: int


def claim(connection: Connection, now: datetime, members: Sequence[Demand]) -> Sequence[list[Claim]]:
    """Serve each worker in turn."""
    return [_claim(connection, now, wanted) if wanted.most > 0 else [] for wanted in members]


def _claim(connection: Connection, now: datetime, wanted: Demand) -> list[Claim]:
    due: list[Row[Any]] = []
    for office, room in _open_offices(connection, now, wanted.most):
        due += connection.execute(_due_at(office, now, min(room, wanted.most))).all()
    due = sorted(due, key=lambda row: (row.claimable_at, row.id))[: wanted.most]
    if not due:
        return []
    token, expires_at = secrets.token_hex(16), now + wanted.lease
    crashed = (deliveries.c.state == _SENDING).cast(Integer)
    taken = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.id.in_([row.id for row in due]),
            deliveries.c.state.in_(sorted(LIVE)),
            deliveries.c.claimable_at <= now,
        )
        .values(
            state=_SENDING,
            attempts=deliveries.c.attempts + 1,
            crashes=deliveries.c.crashes + crashed,
            claimable_at=expires_at,
            token=token,
        )
        .returning(deliveries)
    ).all()
    before = {row.id: row.state for row in due}
    connection.execute(insert(events), [rows.step(row, _how_taken(before[row.id]), now) for row in taken])
    after = {row.id: rows.delivery(row) for row in taken}
    return [
        Claim(delivery=after[row.id], token=token, claimed_at=now, expires_at=expires_at)
        for row in due
        if row.id in after
    ]


def _how_taken(before: str) -> DeliveryEvent:
    state = DeliveryState(before)
    event = DeliveryEvent.TAKEN_OVER if state is DeliveryState.SENDING else DeliveryEvent.CLAIMED
    follow(state, event)
    return event


def _open_offices(connection: Connection, now: datetime, most: int) -> list[tuple[str, int]]:
    """Return up to `most` offices that are open for an attempt and have one due, longest due first, with their room.

    One look into the index of live deliveries for each office, however many deliveries wait or are stored.
    The offices' rows are locked before attempts in flight are counted, so that two nodes cannot both count the
    last free place.
    """
    mine = (deliveries.c.office == offices.c.id) & deliveries.c.claimable_at.is_not(None)
    first_due = select(func.min(deliveries.c.claimable_at)).where(mine).scalar_subquery()
    busy = select(func.count()).where(mine, deliveries.c.token.is_not(None), deliveries.c.claimable_at > now)
    closed = offices.c.open_until.is_(None)
    open_now = offices.c.paused.is_(False) & (closed | (offices.c.open_until <= now))
    allowed = case((closed, offices.c.in_flight), else_=1)
    locked = connection.execute(
        select(offices)
        .where(open_now, first_due <= now, busy.scalar_subquery() < allowed)
        .order_by(first_due, offices.c.id)
        .limit(most)
        .with_for_update(of=offices, skip_locked=True)
    ).all()
    if not locked:
        return []
    counted = connection.execute(
        select(deliveries.c.office, func.count().label("number"))
        .where(
            deliveries.c.office.in_([office.id for office in locked]),
            deliveries.c.token.is_not(None),
            deliveries.c.claimable_at > now,
        )
        .group_by(deliveries.c.office)
    )
    in_flight = {row.office: row.number for row in counted}
    room = ((office.id, _allowed(office) - in_flight.get(office.id, 0)) for office in locked)
    return [(office, free) for office, free in room if free > 0]


def _allowed(office: Row[Any]) -> int:
    """Return how many attempts may be in flight: one probe while the breaker is open and has cooled."""
    allowed: int = 1 if office.open_until is not None else office.in_flight
    return allowed


def _due_at(office: str, now: datetime, most: int) -> Select[Any]:
    return (
        select(deliveries)
        .where(deliveries.c.office == office, deliveries.c.claimable_at <= now)
        .order_by(deliveries.c.claimable_at, deliveries.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )


def _held(claim: Claim) -> Any:
    """Return the fence: the delivery is being sent, and by this claim."""
    return (
        (deliveries.c.id == claim.delivery.id) & (deliveries.c.state == _SENDING) & (deliveries.c.token == claim.token)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A claim to be prolonged."""

    claim: Claim
    lease: timedelta


def renew(connection: Connection, now: datetime, members: Sequence[Renewal]) -> Sequence[Claim | BrokerError]:
    """Prolong leases that have not run out."""
    return [_renew(connection, now, it) for it in members]


def _renew(connection: Connection, now: datetime, it: Renewal) -> Claim | BrokerError:
    expires_at = now + it.lease
    prolonged = connection.execute(
        update(deliveries).where(_held(it.claim), deliveries.c.claimable_at > now).values(claimable_at=expires_at)
    )
    return replace(it.claim, expires_at=expires_at) if prolonged.rowcount else LeaseLost(it.claim.delivery.id)


def release(connection: Connection, now: datetime, members: Sequence[Claim]) -> Sequence[BrokerError | None]:
    """Give deliveries back untried, with their attempt."""
    return [_release(connection, now, it) for it in members]


def _release(connection: Connection, now: datetime, claim: Claim) -> BrokerError | None:
    after = follow(DeliveryState.SENDING, DeliveryEvent.RELEASED)
    given_back = connection.execute(
        update(deliveries)
        .where(_held(claim))
        .values(
            state=after.value,
            attempts=deliveries.c.attempts - 1,
            claimable_at=deliveries.c.due_at,
            token=None,
        )
        .returning(deliveries.c.id, deliveries.c.submission)
    ).one_or_none()
    if given_back is None:
        return LeaseLost(claim.delivery.id)
    connection.execute(insert(events), [rows.step(given_back, DeliveryEvent.RELEASED, now)])
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a claim's attempt ended in."""

    claim: Claim
    outcome: Outcome


def record(connection: Connection, now: datetime, members: Sequence[Ending]) -> Sequence[BrokerError | None]:
    """Write outcomes, their events, and the offices' health."""
    ended = [_end(connection, now, it) for it in members]
    told = [
        rows.step(row, it.outcome.event, now, it.outcome.reference or it.outcome.error)
        for it, row in zip(members, ended, strict=True)
        if row is not None
    ]
    if told:
        connection.execute(insert(events), told)
    showed = [
        (str(row.office), it.outcome.healthy)
        for it, row in zip(members, ended, strict=True)
        if row is not None and it.outcome.healthy is not None
    ]
    if showed:
        _feed_breakers(connection, now, showed)
    return [LeaseLost(it.claim.delivery.id) if row is None else None for it, row in zip(members, ended, strict=True)]


def _end(connection: Connection, now: datetime, it: Ending) -> Row[Any] | None:
    outcome = it.outcome
    values: dict[str, Any] = {
        "state": outcome.state.value,
        "reference": outcome.reference,
        "last_error": outcome.error,
        "claimable_at": None,
        "token": None,
    }
    if outcome.state is DeliveryState.WAITING:
        values["due_at"] = values["claimable_at"] = now + outcome.wait
    return connection.execute(
        update(deliveries)
        .where(_held(it.claim))
        .values(values)
        .returning(deliveries.c.id, deliveries.c.submission, deliveries.c.office)
    ).one_or_none()


def _feed_breakers(connection: Connection, now: datetime, showed: Sequence[tuple[str, bool]]) -> None:
    """Count failures in a row; open at the threshold, close at the first sign of life.

    A healthy office's row is only read, so that nodes that deliver to it do not queue for its lock.
    """
    named = select(offices).where(offices.c.id.in_({office for office, _ in showed})).order_by(offices.c.id)
    ailing = {office for office, healthy in showed if not healthy} | {
        row.id for row in connection.execute(named) if row.failures or row.open_until is not None
    }
    if not ailing:
        return
    for row in connection.execute(named.where(offices.c.id.in_(ailing)).with_for_update()).all():
        failures, open_until = row.failures, row.open_until
        for healthy in (healthy for office, healthy in showed if office == row.id):
            failures = 0 if healthy else failures + 1
            if healthy:
                open_until = None
            elif failures >= row.threshold:
                open_until = now + row.cooling
        connection.execute(
            update(offices).where(offices.c.id == row.id).values(failures=failures, open_until=open_until)
        )
