"""What waits for an operator: told by cause, and sent round again or to another office.

Rule 1: what a cause is, and whether a delivery may have reached its office, is decided here, from what stores keep.
Rule 2: the evidence of a delivery is never written over: what an operator does adds events, and deliveries.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from broker.custody import READMITTED
from broker.model import Delivery, DeliveryId, OfficeId
from broker.states import STUCK, DeliveryEvent, DeliveryState

# ── causes ──

_NAMED: Final = re.compile(r"([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)?): ")
_WORDS: Final = 6  # of an error whose maker named no cause
_LONGEST: Final = 60  # characters of a cause

# Causes by which it is known that the office has not got the document: nothing was sent, or the office did not take the
# message for one.  A fault of its own (Server, Receiver) or a code that is not final may come after it was stored.
_NOT_THERE: Final = re.compile(
    r"line\.unreachable|node\.no-such-office|store|office\.(?:returned|http-4\d\d)"
    r"|office\.fault-(?:client|sender|versionmismatch|mustunderstand)"
)
_OPEN_ENDED: Final = frozenset({DeliveryEvent.POSTPONED, DeliveryEvent.GAVE_UP})


def cause(error: str) -> str:
    """Return why, in one word, so that ids and moments in an error's text do not split what belongs together.

    It is the word with which the text begins (`line.silent: …`: see `Unavailable.condition`).  Of other texts, those of
    an integrator's adapter or of an older version, it is `other.` and their first words, whatever has a figure in it
    left out.
    """
    named = _NAMED.match(error)
    if named is not None:
        return named[1][:_LONGEST]
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", " ", error.lower())
    words = [word for word in re.findall(r"\w+(?:[-.:/]\w+)*", bare) if not re.search(r"[\d_]", word)]
    plain = [re.sub(r"\W+", "-", word) for word in words if not re.fullmatch(r"[a-f]{8,}", word)]
    return f"other.{'-'.join(plain[:_WORDS]) or 'unsaid'}"[:_LONGEST]


def may_be_there(notes: Sequence[str], events: Iterable[tuple[DeliveryEvent, str]]) -> bool:
    """Tell whether an office may have got a delivery without our knowing, from its events, each with its detail.

    An attempt that ended without an outcome (`taken-over`) may have reached the office; one whose answer was lost, said
    nothing, or told of the office's own trouble may have, too.  One that the office refused for good has not.  Of what
    was taken back into custody (a note on its submission) all earlier events are lost: most likely an office has it.
    """
    return READMITTED in notes or any(
        event is DeliveryEvent.TAKEN_OVER or (event in _OPEN_ENDED and not _NOT_THERE.fullmatch(cause(detail)))
        for event, detail in events
    )


# ── what an operator asks for ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which deliveries; empty fields do not restrict."""

    states: frozenset[DeliveryState] = STUCK
    office: str = ""
    cause: str = ""
    since: datetime | None = None  # patience counted from this moment or later: entry, or the last requeue
    until: datetime | None = None  # and from before this one
    ids: tuple[DeliveryId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """Deliveries of one office in one state whose last error has the same text."""

    office: OfficeId
    state: DeliveryState
    error: str
    number: int
    oldest: datetime
    examples: tuple[DeliveryId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Deliveries that wait for an operator for one cause.

    `permanent`: the office said a final no.  Otherwise patience ended, or they ended their workers: what was in the
    way may be gone.
    """

    cause: str
    permanent: bool
    number: int
    oldest: datetime
    offices: Mapping[OfficeId, int]
    examples: tuple[DeliveryId, ...]
    says: str  # the text of one of them


EXAMPLES: Final = 3


def grouped(piles: Iterable[Pile], wanted: str = "") -> Sequence[Group]:
    """Put together what has one cause (only `wanted`, if given): the largest group first, transient ones before."""
    found: dict[tuple[bool, str], list[Pile]] = {}
    for pile in piles:
        why = cause(pile.error)
        if not wanted or why == wanted:
            found.setdefault((pile.state is DeliveryState.REFUSED, why), []).append(pile)
    groups = [_group(permanent, why, of) for (permanent, why), of in found.items()]
    return sorted(groups, key=lambda it: (it.permanent, -it.number, it.cause))


def _group(permanent: bool, why: str, piles: Sequence[Pile]) -> Group:
    offices: Counter[OfficeId] = Counter()
    for pile in piles:
        offices[pile.office] += pile.number
    first = min(piles, key=lambda pile: (pile.oldest, pile.examples))
    ids = sorted({one for pile in piles for one in pile.examples})
    return Group(
        cause=why,
        permanent=permanent,
        number=offices.total(),
        oldest=first.oldest,
        offices=dict(sorted(offices.items())),
        examples=tuple(ids[:EXAMPLES]),
        says=first.error,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """When deliveries that are sent round again are due: the first after `first`, each next one `step` later."""

    first: timedelta = timedelta(0)
    step: timedelta = timedelta(0)


AT_ONCE: Final = Spread()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected:
    """What came of a redirection.  What is named nowhere was unknown, or in no state for it, or is there already."""

    made: Mapping[DeliveryId, DeliveryId]  # the delivery that ended, and the one that took the document over
    held_back: Sequence[DeliveryId] = ()  # may have reached their office


class Quarantine(Protocol):
    """What operators see of deliveries that are stuck, and do about them.  Raises Unavailable as the store does."""

    def piles(self, wanted: Selection) -> Sequence[Pile]:
        """Count what is selected, by office, state and text of the last error; `cause` and `ids` do not restrict."""
        ...

    def find(self, wanted: Selection, after: Delivery | None = None, most: int = 500) -> Sequence[Delivery]:
        """Return a page of what is selected; `after` is the last one of the page before.  `cause` does not restrict.

        The last page is shorter than `most`.
        """
        ...

    def requeue(self, deliveries: Sequence[DeliveryId], reason: str, spread: Spread = AT_ONCE) -> Sequence[DeliveryId]:
        """Send refused or quarantined deliveries round again, in this order; return those that were.

        One transaction.  Patience is counted from when each is due.  What is not stuck (any more) is left alone, so
        the same call may be made again.
        """
        ...

    def redirect(
        self,
        deliveries: Sequence[DeliveryId],
        to: OfficeId,
        reason: str,
        *,
        even_if_sent: bool = False,
        dry_run: bool = False,
    ) -> Redirected:
        """End deliveries, and have their documents delivered to another office instead, each under a new id.

        One transaction.  The delivery that ends keeps all it says, and its event names the other.  One that may have
        reached its office is held back unless `even_if_sent`; one that is being handed over just now, or for which
        that office has a delivery already, is left alone.  A dry run tells what would come of it and changes nothing.
        Raises Refused if the store does not know that office.
        """
        ...

    def unfinished(self) -> Mapping[OfficeId, int]:
        """Count what is not final, by office."""
        ...


def selected(quarantine: Quarantine, wanted: Selection, most: int = 500) -> Iterator[Delivery]:
    """Yield all that is selected, a page at a time."""
    last: Delivery | None = None
    while True:
        page = quarantine.find(wanted, last, most)
        yield from (one for one in page if not wanted.cause or cause(one.last_error) == wanted.cause)
        if len(page) < most:
            return
        last = page[-1]
