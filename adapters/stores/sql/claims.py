"""Deliveries: claim, renew, release, record, as statements on a connection.

Every transition is guarded in the WHERE clause by the state it starts from and by the claim's token; no row
means that somebody else was there first.  On PostgreSQL claims go round what another node has locked; on
SQLite, which knows no FOR UPDATE, a transaction that writes has the whole file for itself.
Lock order, the same for all works: deliveries, then offices; a claim waits for neither.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, bindparam, func, insert, literal, select, update

from adapters.stores.sql import rows
from adapters.stores.sql.columns import Moment, Words
from adapters.stores.sql.tables import deliveries, events, offices
from broker.errors import BrokerError, LeaseLost
from broker.model import Claim, Outcome
from broker.states import LIVE, DeliveryEvent, DeliveryState, follow

_AT_ONCE = 1000  # deliveries taken in one transaction, whoever asks for more
_SENDING = DeliveryState.SENDING.value


_NOW = bindparam("now", type_=Moment)
_MOST = bindparam("most", type_=Integer)


def _candidates(*, probed: bool) -> Select[Any]:
    """Return the query for offices with room: one look into the index of live deliveries for each office.

    It costs the same however many deliveries wait or are stored.  Offices to be probed take turns, whatever waits for
    them: a probe that fails puts its office behind the others.
    """
    mine = (deliveries.c.office == offices.c.id) & deliveries.c.claimable_at.is_not(None)
    first_due = select(func.min(deliveries.c.claimable_at)).where(mine).scalar_subquery()
    busy = select(func.count()).where(mine, deliveries.c.token.is_not(None), deliveries.c.claimable_at > _NOW)
    allowed = literal(1) if probed else offices.c.in_flight
    return (
        select(offices.c.id, allowed.label("allowed"))
        .where(
            offices.c.paused.is_(False),
            offices.c.open_until <= _NOW if probed else offices.c.open_until.is_(None),
            first_due <= _NOW,
            busy.scalar_subquery() < allowed,
        )
        .order_by(offices.c.open_until if probed else first_due, offices.c.id)
        .limit(_MOST)
        .with_for_update(of=offices, skip_locked=True)
    )


# Built once: building a statement costs more than running it.
_TO_PROBE = _candidates(probed=True)
_WELL = _candidates(probed=False)
_IN_FLIGHT = (
    select(deliveries.c.office, func.count().label("number"))
    .where(
        deliveries.c.office.in_(bindparam("offices", expanding=True)),
        deliveries.c.token.is_not(None),
        deliveries.c.claimable_at > _NOW,
    )
    .group_by(deliveries.c.office)
)
_DUE = (
    select(deliveries.c.id, deliveries.c.state, deliveries.c.claimable_at)
    .where(deliveries.c.office == bindparam("office"), deliveries.c.claimable_at <= _NOW)
    .order_by(deliveries.c.claimable_at, deliveries.c.id)
    .limit(_MOST)
    .with_for_update(skip_locked=True)
)
_TAKE = (
    update(deliveries)
    .where(
        deliveries.c.id.in_(bindparam("wanted", expanding=True)),
        deliveries.c.state.in_(sorted(LIVE)),
        deliveries.c.claimable_at <= _NOW,
    )
    .values(
        state=_SENDING,
        attempts=deliveries.c.attempts + 1,
        crashes=deliveries.c.crashes + (deliveries.c.state == _SENDING).cast(Integer),
        claimable_at=bindparam("until", type_=Moment),
        token=bindparam("by"),
    )
    .returning(deliveries)
)
_HELD = (
    (deliveries.c.id == bindparam("delivery"))
    & (deliveries.c.state == _SENDING)
    & (deliveries.c.token == bindparam("held_by"))
)
"""The fence: the delivery is being sent, and by this claim."""
_TOLD = (deliveries.c.id, deliveries.c.submission, deliveries.c.office)
# A lease that ran out is still ours while the token stands: after an outage of the store longer than the lease,
# one node would otherwise hand over the same delivery twice at once, and count a crash that never was.
_RENEW = update(deliveries).where(_HELD).values(claimable_at=bindparam("until", type_=Moment))
_RELEASE = (
    update(deliveries)
    .where(_HELD)
    .values(
        state=follow(DeliveryState.SENDING, DeliveryEvent.RELEASED).value,
        attempts=deliveries.c.attempts - 1,
        due_at=func.coalesce(bindparam("again_at", type_=Moment), deliveries.c.due_at, type_=Moment),
        claimable_at=func.coalesce(bindparam("again_at", type_=Moment), deliveries.c.due_at, type_=Moment),
        token=None,
    )
    .returning(*_TOLD)
)
_END = (
    update(deliveries)
    .where(_HELD)
    .values(
        state=bindparam("after"),
        reference=bindparam("answered", type_=Words),
        last_error=bindparam("error", type_=Words),
        due_at=func.coalesce(bindparam("again_at", type_=Moment), deliveries.c.due_at, type_=Moment),
        claimable_at=bindparam("again_at", type_=Moment),
        token=None,
    )
    .returning(*_TOLD)
)


def _fence(claim: Claim) -> dict[str, str]:
    return {"delivery": claim.delivery.id, "held_by": claim.token}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a worker asks for, and of which node; so many of it may be probes."""

    lease: timedelta
    most: int
    probes: int = 1
    node: str = ""

    @property
    def wanted(self) -> int:
        """How many it takes."""
        return max(self.most, 0)

    @property
    def most_probes(self) -> int:
        """How many of them may be probes."""
        return min(max(self.probes, 0), self.wanted)


def claim(connection: Connection, now: datetime, members: Sequence[Demand]) -> Sequence[list[Claim]]:
    """Serve all workers of the transaction at once, and share out in the order in which they asked."""
    alike: defaultdict[tuple[timedelta, str], list[int]] = defaultdict(list)
    for number, it in enumerate(members):
        alike[it.lease, it.node].append(number)
    shares: dict[int, list[Claim]] = {}
    for (lease, node), numbers in alike.items():
        most, probes = sum(members[one].wanted for one in numbers), sum(members[one].most_probes for one in numbers)
        taken = _claim(connection, now, Demand(lease=lease, most=most, probes=probes, node=node))
        probing, others = [it for it in taken if it.probe], [it for it in taken if not it.probe]
        for one in numbers:
            it = members[one]
            share, probing = probing[: it.most_probes], probing[it.most_probes :]
            left = it.wanted - len(share)
            shares[one], others = share + others[:left], others[left:]
    return [shares[number] for number in range(len(members))]


def _claim(connection: Connection, now: datetime, it: Demand) -> list[Claim]:
    most = min(it.wanted, _AT_ONCE)
    probing = _due(connection, now, _TO_PROBE, min(it.most_probes, most))
    due = probing + _due(connection, now, _WELL, most - len(probing))
    if not due:
        return []
    # The fence is delivery and token together, and a delivery is taken once in a transaction: one token will do.
    token, expires_at = secrets.token_hex(16), now + it.lease
    taken = connection.execute(
        _TAKE, {"wanted": [row.id for row in due], "now": now, "until": expires_at, "by": token}
    ).all()
    before = {row.id: row.state for row in due}
    connection.execute(insert(events), [rows.step(row, _how_taken(before[row.id]), now, it.node) for row in taken])
    after = {row.id: rows.delivery(row) for row in taken}
    return [
        Claim(delivery=after[row.id], token=token, claimed_at=now, expires_at=expires_at, probe=number < len(probing))
        for number, row in enumerate(due)
        if row.id in after
    ]


def _due(connection: Connection, now: datetime, candidates: Select[Any], most: int) -> list[Row[Any]]:
    """Return and lock up to `most` deliveries that are due at such offices, longest due first."""
    due: list[Any] = []
    for office, room in _open_offices(connection, now, candidates, most) if most > 0 else ():
        due += connection.execute(_DUE, {"office": office, "now": now, "most": min(room, most)}).all()
    return sorted(due, key=lambda row: (row.claimable_at, row.id))[:most]


def _how_taken(before: str) -> DeliveryEvent:
    state = DeliveryState(before)
    event = DeliveryEvent.TAKEN_OVER if state is DeliveryState.SENDING else DeliveryEvent.CLAIMED
    follow(state, event)
    return event


def _open_offices(connection: Connection, now: datetime, candidates: Select[Any], most: int) -> list[tuple[str, int]]:
    """Return up to `most` offices that are open for an attempt and have one due, in their order, with their room.

    The offices' rows are locked before attempts in flight are counted, so that two nodes cannot both count the
    last free place.
    """
    locked = connection.execute(candidates, {"now": now, "most": most}).all()
    if not locked:
        return []
    counted = connection.execute(_IN_FLIGHT, {"now": now, "offices": [office.id for office in locked]})
    in_flight = {row.office: row.number for row in counted}
    room = ((office.id, office.allowed - in_flight.get(office.id, 0)) for office in locked)
    return [(office, free) for office, free in room if free > 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A claim to be prolonged."""

    claim: Claim
    lease: timedelta


def renew(connection: Connection, now: datetime, members: Sequence[Renewal]) -> Sequence[Claim | BrokerError]:
    """Prolong the leases of claims that still hold their deliveries."""
    return [_renew(connection, now, it) for it in members]


def _renew(connection: Connection, now: datetime, it: Renewal) -> Claim | BrokerError:
    expires_at = now + it.lease
    prolonged = connection.execute(_RENEW, _fence(it.claim) | {"until": expires_at})
    return replace(it.claim, expires_at=expires_at) if prolonged.rowcount else LeaseLost(it.claim.delivery.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A claim to be given back; without a wait it is due as it was."""

    claim: Claim
    wait: timedelta


def release(connection: Connection, now: datetime, members: Sequence[Return]) -> Sequence[BrokerError | None]:
    """Give deliveries back untried, with their attempt."""
    return [_release(connection, now, it) for it in members]


def _release(connection: Connection, now: datetime, it: Return) -> BrokerError | None:
    again_at = now + it.wait if it.wait else None
    given_back = connection.execute(_RELEASE, _fence(it.claim) | {"again_at": again_at}).one_or_none()
    if given_back is None:
        return LeaseLost(it.claim.delivery.id)
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
    ended = {
        "after": outcome.state.value,
        "answered": outcome.reference,
        "error": outcome.error,
        "again_at": now + outcome.wait if outcome.state is DeliveryState.WAITING else None,
    }
    return connection.execute(_END, _fence(it.claim) | ended).one_or_none()


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
