"""Whether a journal is what it was: every change is found, and told by its kind and its place.

Goes through the batches in order and keeps none of them: a journal of any length is checked in the same memory.  What
nobody vouches for yet, events that are not chained and heads that are neither sealed nor published nor time-stamped,
is the open window: it is counted, and its age is told, for in there a change cannot be found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from broker.journal import FIRST, Batch, Entry, Lag, head_of
from broker.journal_batch import MOST_TOLD, Finding, Kind, check_batch
from broker.journal_doubt import Doubt, Doubts, Open, is_open
from broker.journal_head import Published, SealVerdict, is_sealed_of, judge_seal, judge_stamp, said, stamped_at
from broker.journal_late import WINDOW, Late, Note, late_events, late_head
from broker.verify import TrustSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What nobody vouches for, and since when."""

    events: int = 0  # not chained
    batches: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was found."""

    batches: int
    events: int
    first: int  # number of the first batch that was seen, 0 if there was none
    last: Batch | None
    found: tuple[Finding, ...]  # the first of them
    number: int  # of findings
    window: Window
    seals: tuple[SealVerdict, ...] = ()  # the certificates that sealed, each once
    judged: bool = False  # whether it was asked whose the seals are
    compared: int = 0  # published heads that agree
    vouched: int = 0  # batches that somebody vouches for, each by itself or by one that follows it
    notes: tuple[Note, ...] = ()  # the first of what came late
    late: int = 0  # how much did
    stamped_from: int = 0  # the first batch that is time-stamped, 0 if none is
    doubts: tuple[Doubt, ...] = ()  # seals and time-stamps by nobody who is believed
    doubted: int = 0  # how many there are

    @property
    def sound(self) -> bool:
        """Whether nothing was found and no seal or time-stamp is in doubt; the window is another question."""
        return not self.number and not self.doubted


@dataclass(slots=True, kw_only=True)
class Checker:
    """Takes batches in order, each with its events; `account` says what was found.

    `previous` is the head before the first batch that is taken, None if it is not known.  Up to `sealed` every head
    must be sealed; from the first that is time-stamped up to `stamped` every head must be that, too.  `trust` holds the
    anchors of the seals, `stamps` those of time-stamping authorities.
    `window` is how late anything may come before that is noted.
    """

    published: Published = field(default_factory=Published)
    trust: TrustSnapshot | None = None
    stamps: TrustSnapshot | None = None
    sealed: int = 0
    stamped: int = 0
    previous: bytes | None = FIRST
    next: int = 1
    to: int | None = None  # the last batch that is to be taken, if it is not the last there is
    window: timedelta = WINDOW
    found: list[Finding] = field(default_factory=list, init=False)
    _number: int = field(default=0, init=False)
    _batches: int = field(default=0, init=False)
    _events: int = field(default=0, init=False)
    _first: int = field(default=0, init=False)
    _last: Batch | None = field(default=None, init=False)
    _before: set[bytes] | None = field(default=None, init=False)
    _unvouched: Window = field(default_factory=Window, init=False)
    _compared: int = field(default=0, init=False)
    _nameless: set[bytes] = field(default_factory=set, init=False)
    _stamped_from: int = field(default=0, init=False)
    _seals: dict[str, SealVerdict] = field(default_factory=dict, init=False)
    _notes: list[Note] = field(default_factory=list, init=False)
    _late: int = field(default=0, init=False)
    _doubts: Doubts = field(default_factory=Doubts, init=False)

    def __post_init__(self) -> None:
        self._before = None if self.previous is None else {self.previous}
        self._nameless = set(self.published.nameless)
        known = self.published.heads.get(self.next - 1)
        if None not in (self.previous, known) and known != self.previous:
            self._tell([Finding(kind=Kind.REWRITTEN, batch=self.next - 1)])

    def take(self, batch: Batch, entries: Sequence[Entry]) -> list[Finding]:
        """Check a batch and its events; return what was found there."""
        found = [*self._place(batch), *check_batch(batch, entries), *self._outside(batch, entries)]
        self._tell(found)
        self._note(late_events(batch, entries, self.window))
        self._batches += 1
        self._events += len(entries)
        self._first = self._first or batch.number
        self._last = batch
        self.next = batch.number + 1
        self._before = {batch.head, head_of(batch)}  # a head that was changed breaks one link less
        return found

    def _tell(self, found: Iterable[Finding]) -> None:
        for one in found:
            self._number += 1
            if len(self.found) < MOST_TOLD:
                self.found.append(one)

    def _note(self, notes: Iterable[Note]) -> None:
        for one in notes:
            self._late += 1
            if len(self._notes) < MOST_TOLD:
                self._notes.append(one)

    def _place(self, batch: Batch) -> Iterator[Finding]:
        """Say whether the batch follows the one before."""
        if batch.number != self.next:
            missing = f"{self.next} to {batch.number - 1}" if batch.number > self.next + 1 else str(self.next)
            yield Finding(kind=Kind.BATCH_MISSING, batch=self.next, detail=missing)
        elif self._before is not None and batch.previous not in self._before:
            yield Finding(kind=Kind.LINK_BROKEN, batch=batch.number)

    def _outside(self, batch: Batch, entries: Sequence[Entry]) -> Iterable[Finding]:
        """Say what seal, time-stamp and published heads have to say; count what none of them vouches for."""
        found: list[Finding] = []
        sealed, stamped = self._judge_seal(batch, found), self._judge_stamp(batch, found)
        known = self.published.heads.get(batch.number)
        agrees = known == batch.head or batch.head in self._nameless
        if batch.number in self.published.twice:
            found.append(Finding(kind=Kind.PUBLISHED_TWICE, batch=batch.number))
        if known is not None and known != batch.head:
            found.append(Finding(kind=Kind.REWRITTEN, batch=batch.number))
        if agrees:
            self._compared += 1
            self._nameless.discard(batch.head)
        if agrees or (not found and (sealed or stamped)):
            self._unvouched = Window()  # a head covers all before it
        else:
            # A batch's own moment is not to be believed alone: who makes it anew can write any.
            moments = (batch.at, self._unvouched.since, *(one.event.at for one in entries))
            since = min(filter(None, moments))
            self._unvouched = Window(batches=self._unvouched.batches + 1, since=since)
        return found

    def _judge_seal(self, batch: Batch, found: list[Finding]) -> bool:
        """Say whether somebody who is believed has sealed this head; add what is wrong to `found`."""
        number = batch.number
        if batch.sealed is None:
            if number < self.sealed:
                found.append(Finding(kind=Kind.SEAL_MISSING, batch=number))
            return False
        if not is_sealed_of(batch.sealed, batch):
            other = said(batch.sealed)
            detail = "not the form of a sealed head" if other is None else f"upon batch {other.number}"
            found.append(Finding(kind=Kind.SEAL_DIFFERS, batch=number, detail=detail))
            return False
        if self.trust is None:
            return False
        verdict = judge_seal(batch.sealed, self.trust)
        code, by, sha256 = verdict.code, verdict.by, verdict.sha256
        if is_open(code):
            self._doubts.add(Doubt(kind=Open.SEAL, code=code, by=by, sha256=sha256, first=number, last=number))
            return False
        if code:
            found.append(Finding(kind=Kind.SEAL_BROKEN, batch=number, detail=code))
            return False
        self._seals.setdefault(sha256, verdict)
        self._note(late_head(Late.SEALED, batch, verdict.at, self.window))
        return True

    def _judge_stamp(self, batch: Batch, found: list[Finding]) -> bool:
        """Say whether somebody who is believed has time-stamped this head; add what is wrong to `found`."""
        number = batch.number
        if batch.stamp is None:
            if self._stamped_from and number < self.stamped:
                found.append(Finding(kind=Kind.STAMP_MISSING, batch=number))
            return False
        self._stamped_from = self._stamped_from or number
        code = judge_stamp(batch.stamp, batch, self.stamps)
        if is_open(code):
            self._doubts.add(Doubt(kind=Open.STAMP, code=code, first=number, last=number))
            return False
        if code:
            found.append(Finding(kind=Kind.STAMP_BROKEN, batch=number, detail=code))
            return False
        self._note(late_head(Late.STAMPED, batch, stamped_at(batch.stamp), self.window))
        return self.stamps is not None

    def count(self, batches: int, events: int) -> None:
        """Hold what was taken against what a file says that it holds."""
        for what, told, taken in (("batches", batches, self._batches), ("events", events, self._events)):
            if told != taken:
                self._tell([Finding(kind=Kind.COUNTS_DIFFER, batch=None, detail=f"{taken} {what}, not {told}")])

    @property
    def unmatched(self) -> int:
        """How many published heads without a number are none of those taken."""
        return len(self._nameless)

    def miss(self, numbers: Iterable[int]) -> None:
        """Tell that batches with these numbers should have been taken."""
        self._tell(Finding(kind=Kind.TAIL_CUT, batch=number) for number in numbers)

    def account(self, strays: Sequence[Entry] = (), lag: Lag | None = None) -> Account:
        """Return what was found in all.  `strays` are events of batches that are not there, `lag` what is behind."""
        self._tell(
            Finding(kind=Kind.EVENT_INSERTED, batch=one.batch, event=one.id, detail="of a batch that is not there")
            for one in strays
        )
        heads = sorted(self.published.heads)
        self.miss(number for number in heads if number >= self.next and (self.to is None or number <= self.to))
        self._tell(
            Finding(kind=Kind.TAIL_CUT, batch=None, detail=f"no batch has the head {head.hex()}")
            for head in sorted(self._nameless)
            if self.to is None
        )
        window = self._unvouched
        if lag is not None and lag.unchained:
            since = min(filter(None, (window.since, lag.unchained_since)), default=None)
            window = replace(window, events=lag.unchained, since=since)
        return Account(
            batches=self._batches,
            events=self._events,
            first=self._first,
            last=self._last,
            found=tuple(self.found),
            number=self._number,
            window=window,
            seals=tuple(self._seals.values()),
            judged=self.trust is not None,
            compared=self._compared,
            vouched=self._batches - self._unvouched.batches,
            notes=tuple(self._notes),
            late=self._late,
            stamped_from=self._stamped_from,
            doubts=tuple(self._doubts.all()),
            doubted=self._doubts.number,
        )
