"""The clerk: decides who is asked about what, and what is made of the answers.  One thread, no waiting, no network.

It is handed notes and gives back questions for the workers.  An attempt at an item goes through its sources in turn,
OCSP first, until one proves something or its time is over; a service that is silent is passed over, and one that is
busy enough is queued for.  What came for somebody else meanwhile (a list serves all of its issuer) ends an attempt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from adapters.trust.book import Book, Item
from adapters.trust.desk import Desk
from adapters.trust.fetch import Fetcher
from adapters.trust.paths import issuers
from adapters.trust.publication import Publication
from adapters.trust.question import Answered, Question, Source
from broker.errors import Unavailable
from broker.verify.certificate import Certificate
from broker.verify.path import Path
from broker.verify.revocation import Settled

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What the cache knows of a certificate or a list, judged again."""

    key: str
    chain: tuple[Certificate, ...]
    signer: bool
    at: datetime
    settled: Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The authorities that configuration names, all of them, and how long evidence counts."""

    chains: tuple[tuple[tuple[Certificate, ...], tuple[str, ...]], ...]
    freshness: timedelta


Note = Path | Answered | Recalled | Pinned


@dataclass(slots=True)
class _Counter:
    """A desk, and the items that queue before it."""

    name: str
    desk: Desk
    waiting: deque[Item] = field(default_factory=deque)


class Clerk:
    """`turn` is all that happens; `publication.evidence` is what it has led to."""

    def __init__(self, book: Book, fetcher: Fetcher, *, budget: timedelta, jitter: Callable[[], float]) -> None:
        """`budget` is the time for one attempt: no further source is asked after it."""
        self.book = book
        self.publication = Publication()
        self._fetcher = fetcher
        self._budget = budget
        self._jitter = jitter
        self._counters: dict[tuple[str, int, str], _Counter] = {}
        self._questions: list[Question] = []

    def turn(self, notes: Sequence[Note], now: datetime) -> list[Question]:
        """Work off notes and what is due; return the questions to be asked now."""
        for news in [note for note in notes if isinstance(note, Answered | Recalled)]:
            self._take_in(news, now)
        self.publication.publish()
        for note in notes:
            if isinstance(note, Answered | Recalled):
                self._lists_came(note.settled, now)
            match note:
                case Answered():
                    self._after(note, now)
                case Recalled():
                    self._recalled(note, now)
                case Pinned():
                    self._pin(note, now)
                case Path():
                    self._want(self.book.asked(note.certificates, note.issuers, now), now)
        for item in self.book.due(now):
            self._begin(item, now)
        self.publication.publish()
        questions, self._questions = self._questions, []
        return questions

    def sweep(self, now: datetime) -> list[str]:
        """Forget what is no longer needed; return its keys."""
        gone = self.book.forget(now)
        self.publication.forget(
            (key for key in gone if not self.book.is_list(key)), (key.partition(":")[2] for key in gone)
        )
        self.publication.publish()
        return gone

    # ── what comes in ──

    def _take_in(self, note: Answered | Recalled, now: datetime) -> None:
        """Put what was proven, about what is in the book, beside what is known."""
        if isinstance(note, Recalled):
            items = self.book.asked(note.chain, issuers(note.chain), note.at, signer=note.signer)
            item = items[0] if items else None
        else:
            item = self.book.items.get(note.question.key)
        if item is None:
            return
        for listed in note.settled.lists:
            self.book.listed(listed, item, note.chain, now)
        self.publication.add(note.settled, self.book.items)

    def _lists_came(self, settled: Settled, now: datetime) -> None:
        """Keep lists fresh from now on, whoever's attempt has brought them, and end the silence that they end."""
        for listed in settled.lists:
            item = self.book.items.get(self.book.list_key(listed.issuer))
            if item is not None and not item.running:
                if self._counts(item, now):
                    self.book.proven(item, self.publication.evidence, now)
                else:
                    self.book.failed(item, now, answered=True)
            for other in self.book.unanswered(listed.issuer):
                if self._counts(other, now):
                    other.failures, other.failed_at = 0, None
                    self.publication.heard(other.key)

    def _counts(self, item: Item, now: datetime) -> bool:
        """Tell whether what is known of an item counts now."""
        life = item.life(self.publication.evidence, self.book.freshness)
        return life is not None and (life.final or life.end > now)

    def _recalled(self, note: Recalled, now: datetime) -> None:
        item = self.book.items.get(note.key)
        if item is None or item.running:
            return
        if self._counts(item, now):
            self._good(item, now)

    def _pin(self, note: Pinned, now: datetime) -> None:
        self.book.unpin()
        self.book.freshness = note.freshness
        for chain, keys in note.chains:
            self._want(self.book.asked(chain, keys, now, signer=False, pinned=True), now)

    def _want(self, items: Iterable[Item], now: datetime) -> None:
        for item in items:
            if self.book.wanted(item, self.publication.evidence, now):
                self._begin(item, now)

    # ── an attempt ──

    def _begin(self, item: Item, now: datetime) -> None:
        item.running = True
        item.give_up_at = now + self._budget
        item.begun_with = item.life(self.publication.evidence, self.book.freshness)
        item.left = deque(item.sources)
        item.said, item.disowned = [], False
        item.untried = False
        self._next(item, now)

    def _next(self, item: Item, now: datetime) -> None:
        """Ask the next source, queue for it, or give up."""
        if self._came_meanwhile(item, now):
            self._good(item, now)
            return
        while item.left and item.give_up_at is not None and now < item.give_up_at:
            source = item.left[0]
            counter = self._counter(source)
            if counter is not None and not counter.desk.closed(now):
                if counter.desk.full:
                    counter.waiting.append(item)
                    return
                item.left.popleft()
                counter.desk.enter()
                before = tuple(item.said)
                self._questions.append(
                    Question(key=item.key, chains=item.chains, source=source, signer=item.signer, before=before)
                )
                return
            item.left.popleft()
        self._bad(item, now)

    def _after(self, answer: Answered, now: datetime) -> None:
        """Go on with the item that was asked about, and with those that queue."""
        source = answer.question.source
        counter = self._counter(source)
        if counter is None:
            return
        if answer.problem and counter.desk.failed(now):
            log.warning("trust.unreachable", kind=source.kind, host=counter.name, reason=answer.problem)
        elif not answer.problem and counter.desk.answered():
            log.info("trust.reachable", kind=source.kind, host=counter.name)
        item = self.book.items.get(answer.question.key)
        if item is not None:
            self._judge(item, answer, now)
        queue, counter.waiting = counter.waiting, deque()
        for waiting in queue:
            self._next(waiting, now)

    def _judge(self, item: Item, answer: Answered, now: datetime) -> None:
        if answer.problem:
            self._next(item, now)
            return
        item.said.append((answer.question.source, answer.octets))
        item.disowned = item.disowned or item.key in answer.settled.unknown
        told = any(status.certificate == item.key for status in answer.settled.statuses)
        told = told or any(listed.issuer == item.issuer for listed in answer.settled.lists)
        source = answer.question.source
        if told and self._counts(item, now):
            log.info("trust.fetched", kind=source.kind, url=source.url, of=item.key)
            self._good(item, now)
        else:
            log.warning("trust.unproven", kind=source.kind, url=source.url, of=item.key)
            self._next(item, now)

    def _came_meanwhile(self, item: Item, now: datetime) -> bool:
        life = item.life(self.publication.evidence, self.book.freshness)
        if life is None or life.due(now):
            return False
        return item.begun_with is None or life.final or life.begin > item.begun_with.begin

    def _good(self, item: Item, now: datetime) -> None:
        item.running = False
        self.book.proven(item, self.publication.evidence, now)
        self.publication.heard(item.key)
        status = None if item.is_list else self.publication.evidence.status(item.certificate, item.issuer)
        if status is not None and not status.good and not item.revocation_told:
            item.revocation_told = True
            log.warning("trust.revoked-seen", certificate=item.key, since=status.revoked_at, reason=status.reason)

    def _bad(self, item: Item, now: datetime) -> None:
        item.running = False
        is_new = item.failed_at is None
        self.book.failed(item, now, answered=bool(item.said))
        if not item.is_list and not any(map(self._counter, item.sources)):
            self.publication.unasked(item.key)
            if is_new:
                log.warning("trust.unasked", certificate=item.key, named=[it.url for it in item.sources])
        elif item.disowned:  # whoever answers is not silent
            self.publication.heard(item.key)
        elif not item.is_list:
            since = self._silent_since(item, now)
            self.publication.silent(item.key, since)
            if is_new:
                log.info("trust.silent", certificate=item.key, since=since, asked=[it.url for it in item.sources])

    def _silent_since(self, item: Item, now: datetime) -> datetime:
        """Return since when nobody answers for an item: for longer than it was asked for, if all its services are."""
        own = item.failed_at or now
        counters = [counter for source in item.sources if (counter := self._counter(source)) is not None]
        since = [counter.desk.silent_since for counter in counters if counter.desk.silent_since is not None]
        return min(own, max(since)) if since and len(since) == len(counters) else own

    def _counter(self, source: Source) -> _Counter | None:
        """Return the service at a URL; None if it may not be called, so that there are no more than hosts listed."""
        try:
            address = self._fetcher.address(source.url)
        except Unavailable:
            return None
        key = (address.host, address.port, source.kind)
        if key not in self._counters:
            self._counters[key] = _Counter(f"{address.host}:{address.port}", Desk(jitter=self._jitter))
        return self._counters[key]
