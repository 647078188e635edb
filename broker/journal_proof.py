"""The proof of one submission: its events, and that each is in the journal, to be checked without the store.

An event's leaf leads by its path to the root of its batch (RFC 9162 §2.1.3), the batch's fields to its head, and the
head is vouched for by its seal, its time-stamp, or a published head, or is followed by one that is.  A proof shows
that these events are in the journal, and not that there are no others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from broker.evidence import Indication
from broker.journal import Batch, Entry, head_of, leaf_of
from broker.journal_doubt import is_open
from broker.journal_head import Published, SealVerdict, is_sealed_of, judge_seal, judge_stamp
from broker.journal_json import Json, batch_json, batch_of, digest, entry_json, entry_of, text, whole
from broker.journal_late import WINDOW, late_events
from broker.journal_tree import MOST, inclusion_path, proven_root
from broker.verify import TrustSnapshot

_KIND: Final = "goniec-journal-proof-"
_FORMAT: Final = f"{_KIND}1"
LARGEST: Final = 32_000_000
"""Octets of a proof."""
_DEPTH: Final = MOST.bit_length()


def is_proof(head: bytes) -> bool:
    """Whether a file that begins like this is a proof, of whatever version."""
    return head.startswith(f'{{\n "format": "{_KIND}'.encode())


def make(
    submission: str,
    about: Sequence[Entry],
    *,
    entries: Callable[[int], Sequence[Entry]],
    batches: Callable[[int, int], Sequence[Batch]],
) -> bytes:
    """Return the proof of a submission's events (JSON): those that are not chained yet are told, and not proven.

    `entries` returns the events of a batch, `batches(after, most)` the batches after a number.
    """
    needed: dict[int, Batch] = {}
    leaves: dict[int, tuple[list[int], list[bytes]]] = {}
    for number in sorted({one.batch for one in about if one.batch is not None}):
        members = sorted(entries(number), key=lambda one: one.id)
        leaves[number] = [one.id for one in members], [leaf_of(one) for one in members]
        _need(needed, number, batches)
    told = [_told(one, leaves) for one in about]
    proof = {
        "format": _FORMAT,
        "submission": submission,
        "events": told,
        "batches": [batch_json(needed[number]) for number in sorted(needed)],
    }
    return json.dumps(proof, indent=1).encode() + b"\n"


def _told(one: Entry, leaves: Mapping[int, tuple[list[int], list[bytes]]]) -> Json:
    if one.batch is None:
        return entry_json(one)
    ids, hashes = leaves[one.batch]
    path = inclusion_path(hashes, ids.index(one.id))
    return {**entry_json(one), "path": [beside.hex() for beside in path]}


_FOLLOWERS: Final = 1000  # batches that may come between one and the next that is sealed


def _need(needed: dict[int, Batch], number: int, batches: Callable[[int, int], Sequence[Batch]]) -> None:
    """Add a batch, and those after it up to one that is sealed."""
    for one in batches(number - 1, 1):
        needed[one.number] = one
        if one.sealed is not None or one.number != number:
            return
    followers = batches(number, _FOLLOWERS)
    reach = next((place for place, one in enumerate(followers) if one.sealed is not None), None)
    if reach is not None:
        needed.update({one.number: one for one in followers[: reach + 1]})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCheck:
    """What a proof proves.  PASSED: all its events are in a journal that is vouched for."""

    verdict: Indication
    reason: str = ""  # in words, why not PASSED
    submission: str = ""
    entries: tuple[Entry, ...] = ()
    unproven: int = 0  # events that are not chained yet
    document: bool | None = None  # whether the document is the one; None when there was none to compare
    receipt: bool | None = None
    seals: tuple[SealVerdict, ...] = ()
    stamped: int = 0  # batches whose time-stamp holds
    late: frozenset[int] = frozenset()  # events that were chained long after they are said to have happened
    batches: tuple[Batch, ...] = field(default=(), repr=False)


class _No(Exception):
    """It does not hold."""


def check(
    proof: bytes,
    *,
    trust: TrustSnapshot | None,
    stamps: TrustSnapshot | None = None,
    published: Published | None = None,
    document: bytes | None = None,
    receipt: bytes | None = None,
    window: timedelta = WINDOW,
) -> ProofCheck:
    """Judge a proof, and whether it is about this document and this receipt.

    `trust` holds the anchors of the broker's seals, `stamps` those of time-stamping authorities, `published` the heads
    that somebody noted.  FAILED: it contradicts itself or one of them; INDETERMINATE: nobody vouches for it.
    """
    try:
        submission, entries, paths, batches = _read(proof)
    except ValueError as wrong:
        return ProofCheck(verdict=Indication.FAILED, reason=f"not a proof: {wrong}")
    try:
        for one in entries:
            _require_included(one, submission, paths[one.id], batches)
        vouching = _Vouching(trust=trust, stamps=stamps, published=published or Published())
        vouched = vouching.of(batches)
        same = _compared(entries, vouched, document, receipt)
    except _No as no:
        return ProofCheck(verdict=Indication.FAILED, reason=str(no), submission=submission, entries=entries)
    open_ones = [one for one in entries if one.batch is None]
    alone = sorted({one.batch for one in entries if one.batch is not None} - vouched)
    reason = ""
    if not entries:
        reason = "it holds no event"
    elif vouching.doubt:
        reason = vouching.doubt
    elif open_ones:
        reason = f"{len(open_ones)} of its events are not chained yet"
    elif alone:
        reason = f"nobody who is believed vouches for the head of batch {alone[0]}"
    return ProofCheck(
        verdict=Indication.INDETERMINATE if reason else Indication.PASSED,
        reason=reason,
        submission=submission,
        entries=entries,
        unproven=len(open_ones),
        document=same[0],
        receipt=same[1],
        seals=tuple(vouching.seals.values()),
        stamped=vouching.stamped,
        late=frozenset(
            one.id for one in entries if one.batch is not None and any(late_events(batches[one.batch], [one], window))
        ),
        batches=tuple(batches.values()),
    )


def _read(proof: bytes) -> tuple[str, tuple[Entry, ...], dict[int, list[bytes]], dict[int, Batch]]:
    if len(proof) > LARGEST:
        raise ValueError("too large")
    try:
        told: Any = json.loads(proof)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        raise ValueError("another format")
    events, batches, submission = _objects(told, "events"), _objects(told, "batches"), text(told, "submission") or ""
    entries = tuple(entry_of(one, "path") for one in events)
    numbered = {one.number: one for one in map(batch_of, batches)}
    if len(numbered) != len(batches) or len({one.id for one in entries}) != len(entries):
        raise ValueError("a batch or an event twice")
    paths = {whole(one, "event"): _path(one) for one in events}
    return submission, entries, paths, dict(sorted(numbered.items()))


def _objects(told: Mapping[str, Any], name: str) -> list[Json]:
    value = told.get(name)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{name}: not a list of objects")
    return value


def _path(told: Mapping[str, Any]) -> list[bytes]:
    value = told.get("path", [])
    if not isinstance(value, list) or len(value) > _DEPTH:
        raise ValueError("path: not a list of hashes")
    return [digest({"path": one}, "path") for one in value]


def _require_included(one: Entry, submission: str, path: Sequence[bytes], batches: Mapping[int, Batch]) -> None:
    if one.event.submission != submission:
        raise _No(f"event {one.id}: it is about another submission")
    if one.batch is None:
        return
    batch = batches.get(one.batch)
    if batch is None or one.position is None:
        raise _No(f"event {one.id}: its batch is not in the proof")
    if one.leaf != leaf_of(one) or proven_root(leaf_of(one), one.position, batch.size, path) != batch.root:
        raise _No(f"event {one.id}: it is not in batch {batch.number} as it is told")


@dataclass(slots=True, kw_only=True)
class _Vouching:
    """Who says that a head was there."""

    trust: TrustSnapshot | None
    stamps: TrustSnapshot | None
    published: Published
    seals: dict[str, SealVerdict] = field(default_factory=dict)
    stamped: int = 0
    doubt: str = ""  # about the first batch of whose seal or time-stamp it cannot be told what it is worth

    def of(self, batches: Mapping[int, Batch]) -> set[int]:
        """Return the batches that are vouched for, each by itself or by one that follows it; raise _No."""
        vouched: set[int] = set()
        after: Batch | None = None
        for batch in reversed(list(batches.values())):
            if head_of(batch) != batch.head:
                raise _No(f"batch {batch.number}: its head is not made of what it says")
            follows = after is not None and after.number == batch.number + 1
            if follows and after is not None and after.previous != batch.head:
                raise _No(f"batch {after.number}: it does not follow batch {batch.number}")
            if self._by_itself(batch) or (follows and after is not None and after.number in vouched):
                vouched.add(batch.number)
            after = batch
        return vouched

    def _by_itself(self, batch: Batch) -> bool:
        noted = self.published.heads.get(batch.number)
        if noted is not None and noted != batch.head:
            raise _No(f"batch {batch.number}: another head was published")
        by = noted is not None or batch.head in self.published.nameless
        return any([by, *self._sealed(batch), *self._stamped(batch)])

    def _sealed(self, batch: Batch) -> Iterable[bool]:
        if batch.sealed is None:
            return
        if not is_sealed_of(batch.sealed, batch):
            raise _No(f"batch {batch.number}: the seal is upon something else")
        if self.trust is not None:
            verdict = judge_seal(batch.sealed, self.trust)
            if is_open(verdict.code):
                who = f"{verdict.by}, SHA-256 {verdict.sha256}"
                self.doubt = f"batch {batch.number} is sealed by nobody who is believed ({verdict.code}): {who}"
                return
            if verdict.code:
                raise _No(f"batch {batch.number}: the seal does not hold ({verdict.code})")
            self.seals[verdict.sha256] = verdict
            yield True

    def _stamped(self, batch: Batch) -> Iterable[bool]:
        if batch.stamp is None:
            return
        code = judge_stamp(batch.stamp, batch, self.stamps)
        if is_open(code):
            self.doubt = f"batch {batch.number} is time-stamped by nobody who is believed ({code})"
            return
        if code:
            raise _No(f"batch {batch.number}: the time-stamp does not hold ({code})")
        if self.stamps is not None:
            self.stamped += 1
            yield True


def _compared(
    entries: Sequence[Entry], vouched: set[int], document: bytes | None, receipt: bytes | None
) -> tuple[bool | None, bool | None]:
    """Say whether document and receipt are those that `intake.accepted` names; raise _No if not.

    They are held against events that somebody vouches for, and no others: None if it is not among those.
    """
    accepted = [one for one in entries if one.event.name == "intake.accepted"]
    details = [one.event.detail.split(" ") for one in accepted if one.batch in vouched]
    if len(details) < len(accepted):
        return None, None
    named = details[0] if len(details) == 1 else []
    for place, (what, octets) in enumerate((("document", document), ("receipt", receipt))):
        if octets is not None:
            if len(named) <= place:
                raise _No(f"the proof names no {what}")
            if named[place] != hashlib.sha256(octets).hexdigest():
                raise _No(f"the {what} is another one")
    return (None if document is None else True), (None if receipt is None else True)
