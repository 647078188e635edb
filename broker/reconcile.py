"""Whether two sides agree on what was sent: what a partner asks for, what it is told, and how two lists are compared.

Asked after somebody has restored a backup, above all: what the partner holds a receipt for and the broker does not
know must be sent again; what the broker knows and the partner does not was lost on the partner's side.
A digest is the SHA-256 of the document's bytes as received, hexadecimal and in lower case.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from broker.errors import Malformed, Unavailable
from broker.journal import Batch
from broker.model import Delivery, FormKey, Once, Receipt, Refusal, SubmissionId
from broker.partner import Proof
from broker.states import DeliveryState

MOST: Final = 500
"""Entries of a page, and digests that may be asked for at once."""

DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Standing(StrEnum):
    """What has become of something that was accepted, as its sender may know it."""

    WAITING = "waiting"  # on its way to the office: not yet there, or being handed over now
    STOPPED = (
        "stopped"  # the office refused it, or did not take it in time: an operator of the broker has the next move
    )
    DELIVERED = "delivered"  # the office has acknowledged it
    TRIAL = "trial"  # it goes nowhere


_STANDINGS: Final = {
    DeliveryState.WAITING: Standing.WAITING,
    DeliveryState.SENDING: Standing.WAITING,
    DeliveryState.REFUSED: Standing.STOPPED,
    DeliveryState.QUARANTINED: Standing.STOPPED,
    DeliveryState.DELIVERED: Standing.DELIVERED,
}


def standing(deliveries: Iterable[Delivery]) -> tuple[Standing, str]:
    """Return what has become of a submission by its deliveries, and the office's own reference ("" if it gave none).

    One that was given to another office has a delivery that ended and one that goes on: that counts.
    """
    going = [one for one in deliveries if one.state is not DeliveryState.REDIRECTED]
    if not going:
        return Standing.TRIAL, ""
    found = {_STANDINGS[one.state]: one.reference for one in going}
    word = next(one for one in (Standing.DELIVERED, Standing.WAITING, Standing.STOPPED) if one in found)
    return word, found[word]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Something that a partner sent and the broker accepted."""

    submission: SubmissionId
    sender: str
    receipt: str  # its id
    message_id: str  # that it came under first; "" if it had none, or when the content was removed
    digest: str
    box: str
    form: FormKey
    received_at: datetime
    accepted_at: datetime
    standing: Standing
    reference: str  # the office's own, "" if it has given none
    removed_at: datetime | None = None  # when its content was removed because its time was over


class Reconciliation(Protocol):
    """What a store can tell of all that a partner sent.  Raises Unavailable as the store does.

    `sender` None asks for everybody's: only operators may.
    """

    def sent(self, sender: str | None, since: datetime, after: str = "", most: int = MOST) -> Sequence[Sent]:
        """Return what was accepted since a moment, whatever has become of it, oldest id first, after this one."""
        ...

    def turned_away(self, sender: str | None, since: datetime, skip: int = 0, most: int = MOST) -> Sequence[Refusal]:
        """Return what was refused since a moment, oldest first, after so many; without negative receipts."""
        ...

    def known(self, sender: str | None, digests: Sequence[str]) -> Sequence[Sent]:
        """Return everything accepted with these digests, oldest id first."""
        ...

    def refused(self, sender: str | None, digests: Sequence[str]) -> Sequence[Refusal]:
        """Return the last refusal of each of these digests, of those that were refused and are still kept."""
        ...

    def messages(self, sender: str, message_ids: Sequence[str]) -> Mapping[str, SubmissionId]:
        """Return the submissions that a sender's message ids stand for, those that are known."""
        ...

    def receipt(self, sender: str | None, id: str) -> Receipt | None:  # noqa: A002 - the field's name
        """Return the receipt of this id as it was given, None if there is none of this sender."""
        ...


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list: what was accepted comes first, then what was refused."""

    sent: Sequence[Sent] = ()
    refused: Sequence[Refusal] = ()
    cursor: str = ""  # to be given back for the next page; "" at the end
    head: Batch | None = None  # the journal's newest sealed head, for who keeps a note of it


_ACCEPTED, _REFUSED = "a:", "r:"
_PLACE: Final = re.compile(r"r:([0-9]{1,18}):([0-9]{1,9})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def page(books: Reconciliation, sender: str | None, since: datetime, cursor: str = "", most: int = MOST) -> Page:
    """Return the page of the list since a moment that a cursor ("": the first) stands for.

    Raises Malformed (`reconcile.cursor`) if it is none that was given.  What is accepted while the list is being read
    comes at its end or in the next list: ask for the next one since a little before this one.
    """
    if not cursor or cursor.startswith(_ACCEPTED):
        sent = books.sent(sender, since, cursor.removeprefix(_ACCEPTED), most)
        full = len(sent) == most
        return Page(sent=sent, cursor=f"{_ACCEPTED}{sent[-1].submission}" if full else _place(since, 0))
    found = _PLACE.fullmatch(cursor)
    if found is None:
        raise Malformed("reconcile.cursor")
    try:
        begins = max(since, _EPOCH + int(found[1]) * _MICROSECOND)
    except OverflowError:
        raise Malformed("reconcile.cursor") from None
    skip = int(found[2])
    refused = books.turned_away(sender, begins, skip, most)
    if len(refused) < most:
        return Page(refused=refused)
    last = refused[-1].at
    same = sum(one.at == last for one in refused)
    return Page(refused=refused, cursor=_place(last, same if last != begins else skip + same))


def _place(at: datetime, skip: int) -> str:
    """Return the cursor for refusals since a moment, after so many of them."""
    return f"{_REFUSED}{max(0, (at - _EPOCH) // _MICROSECOND)}:{skip}"


# ── single documents ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of a digest: everything accepted with it, and its last refusal.  Neither: it is unknown."""

    digest: str
    sent: Sequence[Sent] = ()
    refused: Refusal | None = None


def look_up(books: Reconciliation, sender: str | None, digests: Sequence[str]) -> Sequence[Found]:
    """Return what is known of each of these digests, in their order; raise Malformed (`reconcile.digest`, `.many`)."""
    if len(digests) > MOST:
        raise Malformed("reconcile.many", facts={"limit": str(MOST)})
    if not all(DIGEST.fullmatch(one) for one in digests):
        raise Malformed("reconcile.digest")
    by_digest: dict[str, list[Sent]] = defaultdict(list)
    for one in books.known(sender, digests):
        by_digest[one.digest].append(one)
    refused = {one.digest: one for one in books.refused(sender, digests)}
    return [Found(digest=it, sent=tuple(by_digest.get(it, ())), refused=refused.get(it)) for it in digests]


# ── asked through a way in ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and how that is known: as of an envelope."""

    sender: str
    proof: Proof = Proof.NONE
    once: Once | None = None


class Inquiries(Protocol):
    """What a way in can ask for somebody: each is told of its own alone.

    Raises a Rejection (Unauthorised, Malformed), NotYet if the partner is over its share, or Unavailable.
    """

    def page(self, asker: Asker, since: datetime, cursor: str = "", most: int = MOST) -> Page:
        """Return a page of what the asker sent."""
        ...

    def look_up(self, asker: Asker, digests: Sequence[str]) -> Sequence[Found]:
        """Return what is known of documents of the asker's by their digests."""
        ...

    def receipt(self, asker: Asker, id: str) -> Receipt:  # noqa: A002 - the field's name
        """Return a receipt that the asker was given; raise Malformed (`reconcile.receipt`) if there is none."""
        ...


class _NoInquiries:
    """Where nobody answers: every question is put off."""

    def page(self, asker: Asker, since: datetime, cursor: str = "", most: int = MOST) -> Page:  # noqa: ARG002
        raise Unavailable("there is nobody here to ask")

    def look_up(self, asker: Asker, digests: Sequence[str]) -> Sequence[Found]:  # noqa: ARG002
        raise Unavailable("there is nobody here to ask")

    def receipt(self, asker: Asker, id: str) -> Receipt:  # noqa: A002, ARG002
        raise Unavailable("there is nobody here to ask")


NO_INQUIRIES: Final[Inquiries] = _NoInquiries()


# ── two lists ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a partner says that it sent; empty texts for what it does not say."""

    digest: str
    message_id: str = ""
    receipt: str = ""


class Difference(StrEnum):
    """How two lists can differ."""

    MISSING = "missing"  # the partner has it, the broker has not: to be sent again
    LOST = "lost"  # the broker has it, the partner has not
    RECEIPT = "receipt"  # both have it, under another receipt
    MESSAGE_ID = "message-id"  # both have it, but the message id stands for something else, or for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """One difference; `theirs` and `ours` say what each side has."""

    how: Difference
    digest: str
    theirs: str = ""
    ours: str = ""


def compare(books: Reconciliation, sender: str, since: datetime, entries: Iterable[Entry]) -> Iterator[Differs]:
    """Yield how a partner's list differs from what the broker has of it since a moment.

    The partner's list may reach back further: whatever is in it is looked up.  Raises Malformed.
    """
    named: set[bytes] = set()
    some: list[Entry] = []
    for entry in entries:
        some.append(entry)
        if len(some) == MOST:
            yield from _theirs(books, sender, some)
            named.update(bytes.fromhex(one.digest) for one in some)
            some = []
    yield from _theirs(books, sender, some)
    named.update(bytes.fromhex(one.digest) for one in some)
    for one in everything(books, sender, since):
        if isinstance(one, Sent) and bytes.fromhex(one.digest) not in named:
            yield Differs(how=Difference.LOST, digest=one.digest, ours=one.receipt)


def _theirs(books: Reconciliation, sender: str, entries: Sequence[Entry]) -> Iterator[Differs]:
    stands_for = books.messages(sender, sorted({one.message_id for one in entries if one.message_id}))
    found = look_up(books, sender, [one.digest for one in entries])
    for entry, known in zip(entries, found, strict=True):
        if not known.sent:
            ours = known.refused.code if known.refused else ""
            yield Differs(how=Difference.MISSING, digest=entry.digest, theirs=entry.receipt, ours=ours)
            continue
        receipts = [one.receipt for one in known.sent]
        if entry.receipt and entry.receipt not in receipts:
            ours = " ".join(receipts)
            yield Differs(how=Difference.RECEIPT, digest=entry.digest, theirs=entry.receipt, ours=ours)
        if entry.message_id and stands_for.get(entry.message_id) not in {one.submission for one in known.sent}:
            ours = stands_for.get(entry.message_id, "")
            yield Differs(how=Difference.MESSAGE_ID, digest=entry.digest, theirs=entry.message_id, ours=ours)


def everything(books: Reconciliation, sender: str | None, since: datetime) -> Iterator[Sent | Refusal]:
    """Yield all pages' entries since a moment."""
    cursor = ""
    while True:
        part = page(books, sender, since, cursor)
        yield from part.sent
        yield from part.refused
        cursor = part.cursor
        if not cursor:
            return
