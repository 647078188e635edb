"""Whether one batch of the journal and its events are what was chained, and what a check of the journal can find.

What lies outside of a batch (the head before it, its seal, its time-stamp, a published head) is judged by
`broker/journal_check.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from broker.journal import Batch, Entry, head_of, leaf_of
from broker.journal_tree import tree_root

MOST_TOLD: Final = 1000
"""Findings that are kept; the others are only counted."""


class Kind(StrEnum):
    """What is wrong."""

    EVENT_CHANGED = "event-changed"
    EVENT_MISSING = "event-missing"
    EVENT_INSERTED = "event-inserted"  # or put where it does not belong
    EVENT_MOVED = "event-moved"  # to another position in its batch
    LEAF_CHANGED = "leaf-changed"  # kept beside an event that is what it was
    ROOT_DIFFERS = "root-differs"  # its events and their leaves agree, and not with the batch
    SIZE_DIFFERS = "size-differs"
    HEAD_DIFFERS = "head-differs"  # from what the batch is made of
    LINK_BROKEN = "link-broken"  # the batch does not follow the one before
    BATCH_MISSING = "batch-missing"
    SEAL_MISSING = "seal-missing"  # though a later head is sealed
    SEAL_DIFFERS = "seal-differs"  # it is upon something else
    SEAL_BROKEN = "seal-broken"  # it proves nothing
    STAMP_MISSING = "stamp-missing"  # though a later head is time-stamped
    STAMP_BROKEN = "stamp-broken"
    TAIL_CUT = "tail-cut"  # a published head's batch is no longer there
    REWRITTEN = "rewritten"  # a published head is another one than the batch's
    PUBLISHED_TWICE = "published-twice"  # two heads were published for one batch
    COUNTS_DIFFER = "counts-differ"  # a file's last line tells of other numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it was.  `batch` is None for a published head without a number, and for a whole file."""

    kind: Kind
    batch: int | None
    event: int | None = None
    detail: str = ""  # a position, a code: no personal data


def check_batch(batch: Batch, entries: Sequence[Entry]) -> list[Finding]:
    """Return what is wrong with a batch by itself, given the events that say they are of it.

    Changes that hide one another, a changed event with the leaf and the root to match, leave a batch that agrees
    with itself: that is found by the head that follows, by the seal, or by a published head.
    """
    found = [] if batch.head == head_of(batch) else [Finding(kind=Kind.HEAD_DIFFERS, batch=batch.number)]
    in_order = sorted(entries, key=lambda one: one.id)
    leaves = {one.id: leaf_of(one) for one in in_order}
    if _is_root(batch, in_order, leaves):  # positions follow ids: whatever the columns say, these were chained
        moved = (one for place, one in enumerate(in_order) if one.position != place)
        found += [_about(Kind.EVENT_MOVED, batch, one) for one in moved]
        found += _beside(batch, in_order, leaves)
        return found
    slots, others = _slots(batch, entries, leaves)
    placed = [slots[place] for place in sorted(slots)]
    inserted = [_about(Kind.EVENT_INSERTED, batch, one) for one in others]
    if sorted(slots) == list(range(len(slots))) and _is_root(batch, placed, leaves):
        return [*found, *inserted, *_beside(batch, placed, leaves)]
    wrong = [
        *(
            _about(Kind.EVENT_INSERTED, batch, one)
            for one in placed
            if one.position is not None and one.position >= batch.size
        ),
        *inserted,
        *_missing(batch, slots),
        *(_about(Kind.EVENT_CHANGED, batch, one) for one in placed if one.leaf != leaves[one.id]),
    ]
    return found + (wrong or [Finding(kind=Kind.ROOT_DIFFERS, batch=batch.number)])


def _is_root(batch: Batch, entries: Sequence[Entry], leaves: Mapping[int, bytes]) -> bool:
    return tree_root([leaves[one.id] for one in entries]) == batch.root


def _beside(batch: Batch, chained: Sequence[Entry], leaves: Mapping[int, bytes]) -> Iterator[Finding]:
    """Say what is wrong beside events that are what was chained."""
    yield from (_about(Kind.LEAF_CHANGED, batch, one) for one in chained if one.leaf != leaves[one.id])
    if len(chained) != batch.size:
        yield Finding(kind=Kind.SIZE_DIFFERS, batch=batch.number, detail=f"{len(chained)} events")


def _about(kind: Kind, batch: Batch, one: Entry) -> Finding:
    return Finding(kind=kind, batch=batch.number, event=one.id, detail=f"position {one.position}")


def _slots(batch: Batch, entries: Sequence[Entry], leaves: Mapping[int, bytes]) -> tuple[dict[int, Entry], list[Entry]]:
    """Return the events by position, and those that stand in no position or in another's.

    If there is only one such, and the root comes out with it instead of the other, that other does not belong there.
    """
    slots: dict[int, Entry] = {}
    others: list[Entry] = []
    for one in entries:
        if one.position is None or one.position < 0 or one.position in slots:
            others.append(one)
        else:
            slots[one.position] = one
    if len(others) == 1 and others[0].position in slots:
        tried = slots | {others[0].position: others[0]}
        if _is_root(batch, [tried[place] for place in sorted(tried)], leaves):
            slots, others = tried, [slots[others[0].position]]
    return slots, others


def _missing(batch: Batch, slots: Mapping[int, Entry]) -> Iterator[Finding]:
    """Say which positions are empty, and after which event; of very many only how many."""
    number = batch.size - sum(place < batch.size for place in slots)
    if number > MOST_TOLD:
        yield Finding(kind=Kind.EVENT_MISSING, batch=batch.number, detail=f"{number} positions are empty")
        return
    last = "the first"
    for place in range(batch.size):
        if place in slots:
            last = f"after event {slots[place].id}"
        else:
            yield Finding(kind=Kind.EVENT_MISSING, batch=batch.number, detail=f"position {place}, {last}")
