"""The keeper of revocation evidence: fetches it in the background, and holds what is known as one immutable value.

    documents' threads ──ask(path)──▶ inbox ──▶ the clerk's thread: book, desks, evidence
            │                           ▲               │ questions
            └──read `evidence()`        └── answers ── workers: HTTP, and judging what was said

Whoever verifies reads one attribute and leaves a note, and never waits for anything.  Only the clerk changes state,
so there are no locks; it works off all notes at hand before it publishes, so that thousands of certificates cost one
copy of the evidence and not thousands.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final

import structlog

from adapters.trust.book import Book
from adapters.trust.cache import Cache, Kept
from adapters.trust.clerk import Clerk, Note, Pinned, Recalled
from adapters.trust.fetch import Fetcher
from adapters.trust.paths import authorities
from adapters.trust.question import Answered, Question, ask, prove
from broker.ports import Clock
from broker.verify.path import Path
from broker.verify.revocation import Evidence
from broker.verify.trust import REVOCATION_REQUIRED, TrustSnapshot

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 1000  # notes worked off before what is known is published
_LONGEST_WAIT: Final = 1.0  # seconds: a snapshot of trust that has changed is seen as soon as that
_SWEEP: Final = timedelta(minutes=1)
_WARM: Final = 5.0  # seconds that a start waits for what the cache knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the keeper does and holds.  A certificate costs about 5 kB of memory."""

    threads: int = 8
    certificates: int = 10_000
    waiting: int = 10_000  # notes of documents that the clerk has not read yet
    budget: timedelta = timedelta(seconds=20)  # for one attempt: no further source is asked after it
    soonest: timedelta = timedelta(seconds=30)  # between two attempts that were answered


class Keeper:
    """`evidence()` is what is known, `ask(path)` says that more is needed: what `Verify` wants, from any thread."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        trust: Callable[[], TrustSnapshot],
        clock: Clock,
        cache: Cache | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Nothing runs before `start`."""
        limits = limits or Limits()
        jitter = random.SystemRandom().random
        book = Book(most=limits.certificates, jitter=jitter, soonest=limits.soonest, freshness=trust().freshness)
        self._clerk = Clerk(book, fetcher, budget=limits.budget, jitter=jitter)
        self._fetcher = fetcher
        self._trust = trust
        self._clock = clock
        self._cache = cache
        self._most_waiting = limits.waiting
        self._inbox: SimpleQueue[Note | Event | None] = SimpleQueue()
        self._reached: list[Event] = []  # to be set when all that was noted before them is worked off
        self._noted: set[tuple[bytes, ...]] = set()
        self._dropped = 0
        self._tell_at = clock()
        self._stopping = Event()
        self._warm = Event()
        self._workers = ThreadPoolExecutor(limits.threads, thread_name_prefix="trust")
        self._thread = Thread(target=self._run, name="trust-clerk")

    # ── what others call ──

    def evidence(self) -> Evidence:
        """Return what is known at this moment."""
        return self._clerk.publication.evidence

    def ask(self, path: Path) -> None:
        """Note that evidence about a path is missing or ends soon; returns at once, whatever is going on."""
        if path.chain in self._noted:
            return
        if self._inbox.qsize() >= self._most_waiting:
            self._dropped += 1
            return
        self._noted.add(path.chain)
        self._inbox.put(path)

    def start(self) -> None:
        """Begin; wait a few seconds at most for what the cache knows."""
        self._thread.start()
        if self._cache is not None:
            self._workers.submit(self._recall, self._cache)
            self._warm.wait(_WARM)
            worked_off = Event()
            self._inbox.put(worked_off)
            worked_off.wait(_WARM)

    def stop(self) -> None:
        """End: what is being fetched is waited for, for as long as one fetch may take."""
        self._stopping.set()
        self._inbox.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        self._workers.shutdown(wait=True, cancel_futures=True)

    # ── the clerk's thread ──

    def _run(self) -> None:
        seen: TrustSnapshot | None = None
        swept = self._clock()
        while not self._stopping.is_set():
            try:
                notes = self._notes()
                trust = self._trust()
                if trust is not seen:
                    notes.append(_pinned(trust))
                    seen = trust
                now = self._clock()
                for question in self._clerk.turn(notes, now):
                    self._workers.submit(self._work, question)
                self._tell_dropped(now)
                while self._reached:
                    self._reached.pop().set()
                if now - swept >= _SWEEP:
                    swept = now
                    self._sweep(now)
            except Exception:  # a bug must not end the keeper: nobody would be asked any more
                log.exception("trust.bug")
                self._stopping.wait(1)

    def _notes(self) -> list[Note]:
        """Wait for notes, or until something is due; return all that are there."""
        due = self._clerk.book.next_due()
        wait = _LONGEST_WAIT if due is None else min(max((due - self._clock()).total_seconds(), 0), _LONGEST_WAIT)
        notes: list[Note] = []
        try:
            note = self._inbox.get(timeout=wait)
            while note is not None:
                if isinstance(note, Event):
                    self._reached.append(note)
                    break
                if isinstance(note, Path):
                    self._noted.discard(note.chain)
                notes.append(note)
                if len(notes) == _AT_ONCE:
                    break
                note = self._inbox.get_nowait()
        except Empty:
            pass  # those were all
        return notes

    def _tell_dropped(self, now: datetime) -> None:
        """Say how many notes found no room, not more often than is of use."""
        if self._dropped and now >= self._tell_at:
            dropped, self._dropped = self._dropped, 0
            self._tell_at = now + _SWEEP
            log.warning("trust.dropped", notes=dropped)

    def _sweep(self, now: datetime) -> None:
        gone = self._clerk.sweep(now)
        if self._cache is not None:
            for key in gone:
                self._cache.forget(key)

    # ── the workers ──

    def _work(self, question: Question) -> None:
        at, freshness = self._clock(), self._trust().freshness
        try:
            answered = ask(question, self._fetcher, at, freshness)
            if self._cache is not None:
                self._keep(self._cache, answered, at)
        except Exception:  # the item would wait for its answer for ever
            log.exception("trust.bug")
            answered = Answered(question=question, chain=question.chains[0], problem="a bug")
        self._inbox.put(answered)

    def _keep(self, cache: Cache, answered: Answered, at: datetime) -> None:
        question, settled = answered.question, answered.settled
        keys = [Book.list_key(listed.issuer) for listed in settled.lists]
        if not keys and settled.statuses:
            keys = [question.key]
        said = (*question.before, (question.source, answered.octets))
        for key in keys:
            cache.keep(Kept(key=key, chain=answered.chain, said=said, at=at, signer=question.signer))

    def _recall(self, cache: Cache) -> None:
        """Judge what the cache has, as of when it was fetched, as far as it still leads to an anchor."""
        try:
            trust, count = self._trust(), 0
            anchors = {anchor.der for anchor in (*trust.anchors, *trust.timestamp_anchors)}
            for kept in cache.load():
                if self._stopping.is_set():
                    return
                if kept.chain[-1].der in anchors:
                    settled = prove(kept.chain, kept.said, kept.at, trust.freshness)
                    self._inbox.put(
                        Recalled(key=kept.key, chain=kept.chain, signer=kept.signer, at=kept.at, settled=settled)
                    )
                    count += 1
            log.info("trust.recalled", files=count)
        except Exception:  # what is not recalled is fetched
            log.exception("trust.bug")
        finally:
            self._warm.set()


def _pinned(trust: TrustSnapshot) -> Pinned:
    chains = authorities(trust) if trust.revocation == REVOCATION_REQUIRED else ()
    return Pinned(chains=tuple(chains), freshness=trust.freshness)
