"""Going through a whole journal, in the store or in a file: to check it, to write it out.

Batch by batch, so that any length takes the same memory.  What is chained meanwhile is left for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from broker.errors import ConfigError
from broker.journal import FIRST, Batch, Journal, Lag
from broker.journal_check import Account, Checker
from broker.journal_export import (
    LONGEST,
    Closing,
    Opening,
    Reader,
    batch_lines,
    closing_line,
    opening_line,
    stray_line,
)
from broker.journal_head import Published, judge_seal, published
from broker.journal_late import WINDOW
from broker.verify import TrustSnapshot, anchors
from config.sources import of_file

_PAGE: Final = 50
_LOWEST: Final = -(1 << 62)  # no batch of ours has such a number, but somebody may have changed one
_STRAYS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """What a journal is held against."""

    published: Published = field(default_factory=Published)
    trust: TrustSnapshot | None = None  # anchors of the seals
    stamps: TrustSnapshot | None = None  # anchors of time-stamping authorities
    window: timedelta = WINDOW  # how late anything may come before that is noted


def believed(
    heads: Sequence[Path], seals: Sequence[Path], tsas: Sequence[Path], window: timedelta = WINDOW
) -> Believed:
    """Read what a journal is to be held against; raise ConfigError."""
    trust, stamps = _anchors(seals), _anchors(tsas)
    all_heads = Published()
    for file in heads:
        try:
            one = published(file.read_bytes())
        except OSError as error:
            raise ConfigError([f"{file}: {error.strerror}"]) from error
        except ValueError as wrong:
            raise ConfigError([f"{file}: {wrong}"]) from wrong
        codes = [judge_seal(sealed, trust).code for sealed in one.sealed] if trust is not None else []
        if any(codes):
            raise ConfigError([f"{file}: the seal on this head does not hold: {codes[0]}"])
        all_heads += one
    return Believed(published=all_heads, trust=trust, stamps=stamps, window=window)


def _anchors(files: Sequence[Path]) -> TrustSnapshot | None:
    found = tuple(one for file in files for one in of_file(file, anchors))
    return TrustSnapshot(anchors=found) if found else None


# ── the store ──


def check_store(
    journal: Journal,
    against: Believed,
    seen: Callable[[int, int], None],
    *,
    first: int = 1,
    last: int | None = None,
) -> Account:
    """Check a store's journal; `seen` is told after each batch its number and the last one's.  Raises Unavailable.

    Or a part of it, from batch `first` to `last`: then the head before it is believed.
    """
    # First what is behind, then the last batch: what is chained between the two is counted once too often, not missed.
    lag, ends = journal.lag(), _ends(journal)
    end = ends.last if last is None else last
    checker = Checker(
        published=against.published,
        trust=against.trust,
        stamps=against.stamps,
        sealed=ends.sealed,
        stamped=ends.stamped,
        previous=_head_before(journal, first),
        next=first,
        to=last,
        window=against.window,
    )
    for batch in _batches(journal, _LOWEST if first == 1 else first - 1, end):
        checker.take(batch, journal.entries(batch.number))
        seen(batch.number, end)
    return checker.account(journal.strays(_STRAYS), lag)


def _head_before(journal: Journal, first: int) -> bytes | None:
    """Return the head before a batch, None if that is not there."""
    if first == 1:
        return FIRST
    return next((one.head for one in journal.batches(first - 2, 1) if one.number == first - 1), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    last: int
    sealed: int
    stamped: int


def _ends(journal: Journal) -> _Ends:
    """Return how far heads are stamped, sealed and chained, asked in this order: the later reach at least as far."""
    stamped, sealed, last = journal.last(stamped=True), journal.last(sealed=True), journal.last()
    return _Ends(
        last=last.number if last else 0,
        sealed=sealed.number if sealed else 0,
        stamped=stamped.number if stamped else 0,
    )


def _batches(journal: Journal, after: int, to: int) -> Iterator[Batch]:
    while page := [batch for batch in journal.batches(after, _PAGE) if batch.number <= to]:
        yield from page
        after = page[-1].number


# ── a file ──


def export(
    journal: Journal,
    to: BinaryIO,
    at: datetime,
    seen: Callable[[int, int], None],
    *,
    first: int = 1,
    last: int | None = None,
) -> Closing:
    """Write the batches from `first` to `last`, or to the end; return what was written.  Raises Unavailable."""
    lag, ends = journal.lag(), _ends(journal)
    previous = _head_before(journal, first) or FIRST
    whole = last is None
    end = ends.last if last is None else min(last, ends.last)
    to.write(
        opening_line(
            Opening(
                first=first,
                to=None if whole else end,
                previous=previous,
                sealed=ends.sealed,
                stamped=ends.stamped,
                at=at,
            )
        )
    )
    batches = events = 0
    for batch in _batches(journal, _LOWEST if first == 1 else first - 1, end):
        entries = journal.entries(batch.number)
        to.writelines(batch_lines(batch, entries))
        batches, events = batches + 1, events + len(entries)
        seen(batch.number, end)
    if whole:
        to.writelines(stray_line(one) for one in journal.strays(_STRAYS))
    closing = Closing(batches=batches, events=events, lag=lag if whole else Lag())
    to.write(closing_line(closing))
    return closing


def first_since(journal: Journal, since: datetime) -> int:
    """Return the number of the first batch that was chained at or after a moment; one more than the last if none."""
    after = 0
    while page := journal.batches(after, _PAGE):
        for batch in page:
            if batch.at >= since:
                return batch.number
        after = page[-1].number
    return after + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a file says that it holds of a journal, and what that leaves open."""

    first: int
    to: int | None
    outside: int  # published heads of batches that it does not hold
    newer: int  # those of them that are of batches after its last
    lacking: bool  # not all that was asked for is in it

    @property
    def whole(self) -> bool:
        """Whether it says that it holds the whole journal."""
        return self.first == 1 and self.to is None


def check_file(
    file: BinaryIO, against: Believed, seen: Callable[[int, int], None], asked: tuple[int, int | None] | None = None
) -> tuple[Account, Part]:
    """Check an export; raise ValueError if it is none, or not whole.

    What part of the journal it is to hold is for the one who checks it to say, from batch to batch: `asked`.  What the
    file says of that itself may have been written by whoever cut it.
    """
    reader = Reader(iter(lambda: file.readline(LONGEST + 1), b""))
    opening = reader.opening
    checker = Checker(
        published=against.published,
        trust=against.trust,
        stamps=against.stamps,
        sealed=opening.sealed,
        stamped=opening.stamped,
        previous=opening.previous if opening.first > 1 else FIRST,
        next=opening.first,
        to=opening.to if asked is None else asked[1],
        window=against.window,
    )
    for batch, entries in reader.batches():
        checker.take(batch, entries)
        seen(file.tell(), 0)
    closing = reader.closing
    if closing is not None:
        checker.count(closing.batches, closing.events)
    heads, to = sorted(against.published.heads), opening.to
    if asked is None:
        # Heads go on being published when a file has been made: one of a later batch says nothing against the file,
        # and nothing for it, since whoever has cut its end would leave the same.
        checker.to = checker.next - 1 if to is None else to
        newer = sum(number > checker.to for number in heads)
        outside = sum(number < opening.first for number in heads) + newer + checker.unmatched
        part = Part(first=opening.first, to=to, outside=outside, newer=newer, lacking=False)
    else:
        since, until = asked
        short = to is not None if until is None else checker.next <= until
        part = Part(first=opening.first, to=to, outside=0, newer=0, lacking=since < opening.first or short)
        checker.miss(number for number in heads if since <= number < opening.first)
    return checker.account(reader.strays, closing.lag if closing else None), part
