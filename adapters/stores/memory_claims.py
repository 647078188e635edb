"""Which of the due deliveries a claim takes, for the store in memory: the probes first, then the longest due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from broker.model import Delivery, OfficeId


def choose(
    due: Sequence[Delivery],
    room: Mapping[OfficeId, int],
    opened: Mapping[OfficeId, datetime],
    most: int,
    probes: int,
) -> list[Delivery]:
    """Return up to `most` of the deliveries, which come longest due first; see `broker.ports.Store.claim`.

    `room` is how many more attempts an office is open for, `opened` until when an open breaker was to cool.
    """
    free = dict(room)
    first: dict[OfficeId, Delivery] = {}
    others: list[Delivery] = []
    for one in due:
        if free.get(one.office, 0) <= 0:
            continue
        if one.office in opened:
            first.setdefault(one.office, one)
        else:
            others.append(one)
            free[one.office] -= 1
    longest_cooled = sorted(first, key=lambda office: (opened[office], office))[: max(min(probes, most), 0)]
    probing = [one for one in first.values() if one.office in longest_cooled]
    return probing + others[: max(most - len(probing), 0)]
