"""The journal: events in batches, each under the root of a hash tree, each head covering all before it (DESIGN §4.13).

What must live here: the nouns, the octets that are hashed, and what a store does for the journal.  The octets are part
of the format (docs/reference/journal.md): they never change, a new form gets a new first word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from broker.journal_tree import leaf_hash, tree_root
from broker.model import Receipt, Refusal, SubmissionId
from broker.ports import EventRecord

FIRST: Final = bytes(32)
"""What stands for the head before the first batch."""

COUNTED: Final = 100_000
"""As far as is counted what is behind: more is told as so many."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EVENT: Final = "goniec-journal-event-1"
_BATCH: Final = "goniec-journal-batch-1"
_ABSENT: Final = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event as the store keeps it, and its place in the journal: all three are None until it is chained."""

    id: int
    event: EventRecord
    batch: int | None = None
    position: int | None = None  # in its batch, from 0, in the order of ids
    leaf: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some events, and the head over them and everything before."""

    number: int  # from 1, without gaps
    at: datetime  # when it was chained
    size: int  # events
    root: bytes  # of the tree over their leaves
    previous: bytes  # the head of the batch before
    head: bytes
    sealed: bytes | None = None  # the head under the broker's seal, XML
    stamp: bytes | None = None  # a time-stamp on the head (RFC 3161), DER


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far the journal is behind: what could still be changed without its being seen."""

    unchained: int = 0  # events
    unchained_since: datetime | None = None  # the oldest of them
    unsealed: int = 0  # batches
    unsealed_since: datetime | None = None


def octets(it: Entry) -> bytes:
    """Return what an event's leaf is the hash of: id, moment in microseconds, name, submission, delivery, detail."""
    event = it.event
    return _fields(_EVENT, str(it.id), _moment(event.at), event.name, event.submission, event.delivery, event.detail)


def leaf_of(it: Entry) -> bytes:
    """Return the leaf of an event."""
    return leaf_hash(octets(it))


def head_of(it: Batch) -> bytes:
    """Return the head that a batch must have."""
    return hashlib.sha256(head_octets(it)).digest()


def head_octets(it: Batch) -> bytes:
    """Return what a batch's head is the SHA-256 of, and so what a time-stamp on it is for."""
    return _fields(_BATCH, str(it.number), str(it.size), _moment(it.at), it.root.hex(), it.previous.hex())


def chained(last: Batch | None, leaves: Sequence[bytes], at: datetime) -> Batch:
    """Return the batch over these leaves that follows `last`."""
    number, previous = (1, FIRST) if last is None else (last.number + 1, last.head)
    root = tree_root(leaves)
    bare = Batch(number=number, at=at, size=len(leaves), root=root, previous=previous, head=b"")
    return Batch(number=number, at=at, size=len(leaves), root=root, previous=previous, head=head_of(bare))


def _moment(at: datetime) -> str:
    return str((at - _EPOCH) // _MICROSECOND)


def _fields(*values: str | None) -> bytes:
    """Write each after its length in four octets, so that no two sequences are written alike; None has no octets."""
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(_ABSENT)
        else:
            written = value.encode("utf-8", "surrogatepass")
            parts += (len(written).to_bytes(4, "big"), written)
    return b"".join(parts)


def acceptance_detail(digest: str, receipt: Receipt) -> str:
    """Return the detail of `intake.accepted`: the SHA-256 of the document and of the receipt given for it."""
    return f"{digest} {hashlib.sha256(receipt.xml).hexdigest()}"


def refusal_detail(it: Refusal) -> str:
    """Return the detail of `intake.refused`: the code, and the SHA-256 of what was refused and of the NPP, if any."""
    words = [it.code, it.digest]
    if it.negative_receipt is not None:
        words.append(hashlib.sha256(it.negative_receipt).hexdigest())
    return " ".join(words)


class Journal(Protocol):
    """What a store does for the journal.  Raises Unavailable as the store does; may be called by many threads."""

    def chain(self, most: int) -> Batch | None:
        """Put up to `most` events that no batch has, in the order of ids, into the next batch; return it.

        One transaction.  Returns None if there is none to chain, or if another was faster.  However many do it at
        once, batches follow one another without fork or gap, and no event is left out because it was committed late.
        """
        ...

    def unsealed(self, most: int = 100) -> Sequence[Batch]:
        """Return batches whose head is not sealed yet, oldest first."""
        ...

    def keep_sealed(self, number: int, sealed: bytes) -> None:
        """Keep the sealed head of a batch that has none; else leave it as it is."""
        ...

    def unstamped(self, most: int = 100, *, after: int = 0) -> Sequence[Batch]:
        """Return batches after this number whose head is not time-stamped yet, oldest first."""
        ...

    def keep_stamp(self, number: int, stamp: bytes) -> None:
        """Keep the time-stamp of a batch that has none; else leave it as it is."""
        ...

    def last(self, *, sealed: bool = False, stamped: bool = False) -> Batch | None:
        """Return the newest batch, or the newest of those that are sealed, or time-stamped."""
        ...

    def batches(self, after: int = 0, most: int = 100) -> Sequence[Batch]:
        """Return the batches after this number, in order."""
        ...

    def entries(self, batch: int) -> Sequence[Entry]:
        """Return the events that say they are of this batch, by position, then by id."""
        ...

    def strays(self, most: int = 100) -> Sequence[Entry]:
        """Return events that say they are of a batch which is not there.  Goes through all of them."""
        ...

    def about(self, submission: SubmissionId) -> Sequence[Entry]:
        """Return the events of a submission, chained or not, in the order of ids."""
        ...

    def lag(self) -> Lag:
        """Return how far the journal is behind, each counted up to `COUNTED`."""
        ...
