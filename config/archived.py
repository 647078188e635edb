"""What a container in an archive says of its case, and whether one that was made now would say more.

It shows the moment at which it was made.  It is final when it tells everything that the store tells, when nobody has
a next move, and when a seal of the journal vouches for what it tells.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zipfile import ZipFile

from adapters.wire.kind import Custody
from broker.copies import MADE
from broker.deadlines import Level, Progress, Stage
from broker.model import SubmissionId
from broker.ports import Record, Store
from broker.states import FINAL

_PAGE: Final = 500
_UNDER_WAY: Final = frozenset({Progress.OWED, Progress.SEALED})
_NO_ANSWER: Final = f"deadline.{Stage.RETRIEVAL}-{Level.EXPIRED}"

_Told = tuple[str, str, str, str]
"""When something happened, what, to which delivery, and its detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contained:
    """What a container says about the moment at which it was made."""

    submission: str
    deliveries: tuple[str, ...]  # their states
    chained: bool  # the proof from the journal leaves no event open, and a seal vouches for it
    names: frozenset[str]  # of the files in it
    events: Counter[_Told]  # what it tells of the case; not what was done with copies of it, or with its content

    @property
    def document(self) -> bool:
        """Whether the document is in it."""
        return "document.xml" in self.names

    def tells_all(self, record: Record) -> bool:
        """Whether it tells everything that the store tells now, and ends with every document where it belongs."""
        events = Counter(
            (_moment(one.at), one.name, one.delivery or "", one.detail) for one in record.events if _counts(one.name)
        )
        stamped = record.stamped is None or "receipt-stamped.xml" in self.names
        return self.chained and FINAL.issuperset(self.deliveries) and stamped and events <= self.events


def contained(archive: ZipFile) -> Contained:
    """Read what a container says that we have sealed."""
    names = frozenset(archive.namelist())
    told = json.loads(archive.read("deliveries.json"))
    chained = False
    if "journal-proof.json" in names:
        proof = json.loads(archive.read("journal-proof.json"))
        last = proof["batches"][-1:]  # what a seal stands on vouches for all before it
        chained = all(one["batch"] is not None for one in proof["events"]) and any(one["sealed"] for one in last)
    return Contained(
        submission=json.loads(archive.read("submission.json"))["submission"]["id"],
        deliveries=tuple(one["state"] for one in told["deliveries"]),
        chained=chained,
        names=names,
        events=Counter(_told(one) for one in told["events"] if _counts(one["name"])),
    )


def _told(event: dict[str, Any]) -> _Told:
    return event["at"], event["name"], event["delivery"] or "", event["detail"]


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _counts(event: str) -> bool:
    return event != MADE and not event.startswith("retention.")


def to_be_judged(store: Store) -> Iterator[SubmissionId]:
    """Yield what was let in under a grace and awaits its second judgement."""
    after = ""
    while page := store.awaiting(_PAGE, after):
        yield from (one.submission.id for one in page)
        after = page[-1].submission.id


def more_to_come(store: Custody, record: Record, *, stamps: bool) -> bool:
    """Whether somebody has a next move in a case that is delivered: time-stamps (if any are set), evidence, an answer.

    An answer whose time is over is waited for no more; if it comes after all, it is an event.
    """
    it = record.submission.id
    return (
        (stamps and record.stamped is None)
        or any(one.progress in _UNDER_WAY for one in store.watch.evidence(it))
        or (store.watch.awaits_answer(it) and all(one.name != _NO_ANSWER for one in record.events))
    )
