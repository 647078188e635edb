"""The journal, off the hot path: a chore that chains events, seals heads, publishes them and has them time-stamped.

Each step begins where the store or the file says that the last run ended, so whenever a run dies, the next goes on.
Each is by itself: while the seal is away heads are chained and sealed later, while the time-stamping authority is
away they are sealed and stamped later.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from adapters.trust.timestamp import Authority
from adapters.wire.durable import settle
from adapters.wire.kind import Custody
from broker.errors import ConfigError, Unavailable
from broker.journal import Batch, Journal, head_octets, head_of
from broker.journal_head import line, noted, unsealed
from broker.journal_proof import make
from broker.model import SubmissionId
from broker.ports import Clock, Seal
from broker.verify import anchors
from config import clock
from config.schedule import Chore
from config.settings import Settings
from config.sources import Problems, of_file
from config.stamping import Stamp

log = structlog.get_logger(__name__)

LOOK: Final = timedelta(seconds=5)  # how often it is seen whether there is a batch full
_LONGEST: Final = 4.0  # seconds of one run's chaining: a stop waits for no more
_REST: Final = 9  # times what a batch took is waited before the next: intake has one writer, and this is not in a hurry
_SILENCE: Final = timedelta(minutes=1)  # between two of the same complaint
_SEALS: Final = 200  # in one run
_STAMPS: Final = 50
_PAGE: Final = 500  # heads written at once
_TAIL: Final = 4096  # octets at the end of a file of heads in which its last line is looked for
_TORN: Final = re.compile(rb"[0-9]+( [0-9a-f]{0,63})?")  # by a crash
_LOST: Final = b"\0 0123456789abcdef"  # a line with NULs in it: what was not on the disk yet when the power failed


class _Contradicted(Exception):
    """What the store says now is not what the file of heads says, or what it said itself before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaining:
    """Chains what is there, at most `most` events a batch.  May be run by many nodes at once: the store guards it."""

    journal: Journal
    seal: Seal
    stamp: Stamp | None  # None: nobody time-stamps heads
    heads: Path | None  # the file to which heads are appended
    clock: Clock
    most: int = 500
    every: timedelta = timedelta(0)  # how old an event may get before it is chained with fewer than `most`
    patience: timedelta = timedelta(minutes=5)  # how far the journal may be behind before that is told
    wait: Callable[[float], None] = time.sleep
    _told: dict[str, datetime] = field(default_factory=dict, init=False)  # what was said lately
    _seen: dict[int, bytes] = field(default_factory=dict, init=False)  # the last head that was seen, by its number
    _begun: list[int] = field(default_factory=list, init=False)  # the batch after which stamping began, if none has one

    def run(self) -> None:
        """Go on where the last run ended; raise Unavailable if the store is away.

        What contradicts the file of heads, or what this process has seen before, is neither sealed nor stamped: else
        whoever made the journal anew in the database would have the broker itself vouch for it.
        """
        try:
            self._follow()
            self._tell_anew()
            self._chain()
            if self.heads is not None:
                self._publish(self.heads)
            self._follow()
        except _Contradicted as no:
            if self._is_news("contradicted"):
                log.error("journal.contradicted", reason=str(no))  # noqa: TRY400 - nobody's bug: no traceback
        else:
            self._seal()
            if self.stamp is not None:
                self._stamp(self.stamp)
        self._tell()

    def _follow(self) -> None:
        """Go from the last head that was seen to the last there is; raise _Contradicted if they do not follow."""
        if not self._seen:
            self._remember(self.journal.last())
            return
        [(number, head)] = self._seen.items()
        kept = [one for one in self.journal.batches(number - 1, 1) if one.number == number]
        if not kept:
            raise _Contradicted(f"batch {number} was there and is not in the store")
        if kept[0].head != head:
            raise _Contradicted(f"batch {number} had another head")
        while page := self.journal.batches(number, _PAGE):
            for one in page:
                if one.number != number + 1 or one.previous != head or one.head != head_of(one):
                    raise _Contradicted(f"batch {one.number} does not follow batch {number}")
                number, head = one.number, one.head
            self._remember(page[-1])

    def _remember(self, last: Batch | None) -> None:
        if last is not None:
            self._seen.clear()
            self._seen[last.number] = last.head

    def _tell_anew(self) -> None:
        """Tell that a file of heads is about to be made though there is a journal: it may have been taken away."""
        last = self.journal.last()
        if last is None or self.heads is None or (self.heads.exists() and not _is_empty(self.heads)):
            return
        if self._is_news("anew"):
            log.warning("journal.heads-anew", batches=last.number)

    def _chain(self) -> None:
        """Chain what fills batches, and the rest when it is old enough."""
        lag, begun = self.journal.lag(), time.monotonic()
        since = lag.unchained_since
        full, rest = divmod(lag.unchained, self.most)
        # An event from the future comes of a clock that was set back: how old it is cannot be told.
        due = bool(rest) and since is not None and not timedelta(0) <= self.clock() - since < self.every
        for _ in range(full + due):
            before = time.monotonic()
            try:
                batch = self.journal.chain(self.most)
            except Unavailable as no:  # what is chained already can be sealed all the same
                if self._is_news("unchained"):
                    log.warning("journal.not-chained", reason=no.reason)
                return
            if batch is None:
                return
            log.info("journal.head", number=batch.number, head=batch.head.hex(), events=batch.size)
            if self._seen in ({}, {batch.number - 1: batch.previous}):  # else others have chained what comes between
                self._remember(batch)
            now = time.monotonic()
            if now - begun > _LONGEST:
                return
            self.wait(_REST * (now - before))

    def _publish(self, file: Path) -> None:
        try:
            publish(self.journal, file)
        except OSError as error:
            if self._is_news("file"):
                log.warning("journal.heads-unwritable", reason=error.strerror or type(error).__name__)

    def _seal(self) -> None:
        for batch in self.journal.unsealed(_SEALS):
            try:
                sealed = self.seal.seal(unsealed(batch))
            except Unavailable as away:
                if self._is_news("seal"):
                    log.warning("journal.seal-unavailable", reason=away.reason)
                return
            self.journal.keep_sealed(batch.number, sealed)

    def _stamp(self, stamp: Stamp) -> None:
        for batch in self.journal.unstamped(_STAMPS, after=self._stamped_to()):
            try:
                token, _ = stamp(head_octets(batch))
            except Unavailable as away:
                if self._is_news("stamp"):
                    log.warning("journal.stamp-unavailable", reason=away.reason)
                return
            self.journal.keep_stamp(batch.number, token)

    def _stamped_to(self) -> int:
        """Return the number of the last batch that needs no time-stamp: those after it are stamped in order.

        Where none is stamped that is the newest but one: a head covers all before it.  Were they stamped from the
        first, an authority that is named after a year would be asked half a million times before it vouches for today.
        """
        last = self.journal.last(stamped=True)
        if last is not None:
            return last.number
        if not self._begun and (newest := self.journal.last()) is not None:
            self._begun.append(newest.number - 1)
        return self._begun[0] if self._begun else 0

    def _unstamped(self) -> tuple[int, datetime | None]:
        """Return how many batches wait for a time-stamp, and the moment of the first."""
        newest = self.journal.last()
        if self.stamp is None or newest is None:
            return 0, None
        after = self._stamped_to()
        waiting = self.journal.unstamped(1, after=after)
        return (newest.number - after, waiting[0].at) if waiting else (0, None)

    def _tell(self) -> None:
        lag, (unstamped, stamped_since) = self.journal.lag(), self._unstamped()
        since = min(filter(None, (lag.unchained_since, lag.unsealed_since, stamped_since)), default=None)
        if since is not None and self.clock() - since > self.patience and self._is_news("lag"):
            log.warning(
                "journal.lag",
                since=since,
                unchained=lag.unchained,
                unsealed=lag.unsealed,
                unstamped=unstamped,
            )

    def _is_news(self, what: str) -> bool:
        """Whether something should be told: not so if it was told in the last minute."""
        now, last = self.clock(), self._told.get(what)
        if last is not None and timedelta(0) <= now - last < _SILENCE:
            return False
        self._told[what] = now
        return True


def _is_empty(file: Path) -> bool:
    return file.is_file() and not file.stat().st_size


def publish(journal: Journal, file: Path) -> None:
    """Append the heads that are not in the file yet, a line each, and flush them to the disk.

    The file's last line must be what the store says: else nothing is written.  A line that a crash has torn is ended
    and left.  Raises OSError or Unavailable.
    """
    new = not file.exists()
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with open(descriptor, "r+b", buffering=0) as heads:  # noqa: PTH123 - a descriptor, not a path
        fcntl.flock(heads, fcntl.LOCK_EX)  # of the nodes of one machine, one at a time; closing lets go of it
        if new:
            settle(file.parent)
        lines = _tail(heads)
        last = _last(journal, lines)
        torn = b"\n" if lines[-1] else b""
        while page := journal.batches(last, _PAGE):
            heads.write(torn + b"".join(map(line, page)))
            os.fsync(descriptor)
            torn, last = b"", page[-1].number


def _tail(heads: BinaryIO) -> list[bytes]:
    """Return the last lines of a file of heads, one at least that no crash has torn unless there is none.

    What follows the last line feed is the last of them.
    """
    size, reach = heads.seek(0, os.SEEK_END), _TAIL
    while True:
        heads.seek(max(0, size - reach))
        lines = heads.read(min(reach, size)).split(b"\n")
        if reach >= size:
            return lines
        del lines[0]  # its beginning may be further up
        if not all(map(_is_torn, lines)):
            return lines
        reach *= 16  # a power cut may leave as many NULs as were written at once


def _is_torn(line: bytes) -> bool:
    """Whether a line is empty or what a crash has left of one."""
    return not line.strip() or _TORN.fullmatch(line) is not None or (b"\0" in line and not line.strip(_LOST))


def _last(journal: Journal, lines: Sequence[bytes]) -> int:
    """Return the number of the last head in the file; raise _Contradicted if the store has it no longer."""
    last = next((one for one in reversed(lines) if not _is_torn(one)), None)
    if last is None:  # nothing but what a crash has left of the very first line
        return 0
    try:
        [(number, head)] = noted([last]).heads.items()
    except ValueError:
        raise _Contradicted("the file of heads ends with something else") from None
    found: list[Batch] = [one for one in journal.batches(number - 1, 1) if one.number == number]
    if not found:
        raise _Contradicted(f"batch {number} was published and is not in the store")
    if found[0].head != head:
        raise _Contradicted(f"batch {number} was published with another head")
    return number


def examine(settings: Settings) -> None:
    """Raise ConfigError if what the configuration says of the journal cannot be."""
    own, wrong = settings.journal, Problems()
    for file in own.ca:
        wrong.of(of_file, settings.path(file), anchors, "ca")
    if own.stamp and not settings.stamping.url:
        wrong.found.append("stamp: [stamping] names no authority")
    if own.heads is not None and not settings.path(own.heads).parent.is_dir():
        wrong.found.append(f"heads: there is no folder {settings.path(own.heads).parent}")
    if wrong.found:
        raise ConfigError([f"journal.{problem}" for problem in wrong.found])


def chores(settings: Settings, store: Custody, seal: Seal, stamps: Authority | None) -> dict[str, Chore]:
    """Return what housekeeping is to do, and how often."""
    own = settings.journal
    job = chaining(settings, store, seal, stamps.stamp if stamps is not None and own.stamp else None)
    return {"journal": Chore(min(own.every, LOOK), job.run, alone=True)}


def chaining(settings: Settings, store: Custody, seal: Seal, stamp: Stamp | None) -> Chaining:
    """Return the chore's job."""
    own = settings.journal
    return Chaining(
        journal=store.journal,
        seal=seal,
        stamp=stamp,
        heads=None if own.heads is None else settings.path(own.heads),
        clock=clock.now,
        most=own.most,
        every=own.every,
        patience=5 * own.every,
    )


def proof_of(store: Custody, submission: SubmissionId) -> bytes | None:
    """Return the proof of a submission's events (JSON), None if there is none of it.  Raises Unavailable."""
    journal = store.journal
    about = journal.about(submission)
    if not about:
        return None
    page: Callable[[int, int], list[Batch]] = lambda after, most: list(journal.batches(after, most))  # noqa: E731
    return make(submission, about, entries=journal.entries, batches=page)
