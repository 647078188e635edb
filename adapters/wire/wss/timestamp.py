"""When a message was made and how long it holds (WSS 1.1.1 §10): UTC, and near the moment at which it came.

A message may be as old as the window and as far ahead of us, since clocks differ; what its sender says of its end
counts as it stands.  Afterwards it is refused, so a replay need not be remembered for ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lxml import etree

from adapters.wire.soap import WHITE, elements
from adapters.wire.wss.names import CREATED, EXPIRES
from adapters.wire.wss.refusal import no
from broker.verify import written

_PLACE: Final = "wsu:Timestamp"
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]00:00)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when to when a message holds; `last` is the last moment at which it is taken."""

    created: datetime
    expires: datetime | None
    last: datetime


def read(timestamp: etree._Element, at: datetime, window: timedelta) -> Span:
    """Return what a Timestamp says; raise Malformed or Unauthorised if that is nothing, or not about now."""
    inside = elements(timestamp)
    names = sorted(str(child.tag) for child in inside)
    if names not in ([CREATED], [CREATED, EXPIRES]):
        raise no("wss.timestamp-malformed", _PLACE)
    moments = {str(child.tag): _moment(child) for child in inside}
    created, expires = moments[CREATED], moments.get(EXPIRES)
    if expires is not None and expires < created:
        raise no("wss.expires-before-created", _PLACE)
    try:
        last = created + window
        ahead = created - window
    except OverflowError:
        raise no("wss.timestamp-malformed", _PLACE) from None
    last = last if expires is None else min(last, expires)
    if ahead > at:
        raise no("wss.future", _PLACE, created=created.isoformat(), at=at.isoformat())
    if last < at:
        raise no("wss.stale", _PLACE, until=last.isoformat(), at=at.isoformat())
    return Span(created=created, expires=expires, last=last)


def _moment(element: etree._Element) -> datetime:
    said = (written.text(element) or "").strip(WHITE)
    moment = written.moment(said) if _MOMENT.fullmatch(said) else None
    if moment is None:
        raise no("wss.timestamp-malformed", _PLACE)
    return moment
