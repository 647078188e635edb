"""What the keeper knows of each certificate and each issuer's list: who asked when, and when to ask next.

Pure and for one thread: it is told the moment and what happened.  The rules:

* Evidence is asked for when a document needs it: when there is none, or less than a fourth of its life is left.
* For authorities, and for lists (they serve everybody of their issuer), that is not waited for: they are asked for
  anew when some 70 to 75 % of their life is over, as long as anybody has asked for them within `KEEP`.
* After a failure it is asked again soon, then less often, as long as a document has asked for it within `RETRY_FOR`.
* What nobody has asked for within `KEEP` is forgotten; over `most` certificates, those longest not asked for.
* What is said of a certificate is held against every way to an anchor on which it was asked for: a document chooses
  the certificates beside it, and one must not take from others the way on which evidence can be proven.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapters.trust.question import Source
from broker.verify.certificate import Certificate
from broker.verify.revocation import CRL, OCSP, Evidence, RevocationList, good_until
from broker.verify.sources import sources

KEEP: Final = timedelta(days=7)
RETRY_FOR: Final = timedelta(minutes=15)
MOST_LISTS: Final = 200
MOST_CHAINS: Final = 16  # of one certificate: as many as are asked about for one signature
_FIRST_RETRY: Final = timedelta(seconds=1)  # doubling, spread by half, up to:
_LAST_RETRY: Final = timedelta(minutes=1)
_NOTHING_NEW: Final = timedelta(minutes=15)  # the same, for those who answer, but with nothing that helps
_PORTION: Final = 4  # evidence is due in the last fourth of its life
_LIST: Final = "list:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """From when to when evidence counts; a final revocation counts for ever."""

    begin: datetime
    end: datetime
    final: bool = False

    def due(self, now: datetime) -> bool:
        """Tell whether newer evidence is wanted."""
        return not self.final and (self.end - now) * _PORTION < self.end - self.begin


@dataclass(slots=True, kw_only=True, eq=False)
class Item:
    """One certificate below an anchor, or one issuer's list.  `know` is told of its ways to anchors, of one at once."""

    key: str  # SHA-256 of the certificate; "list:" and the issuer's key
    issuer: str  # as `broker.verify.certificate.issuer_key` names it; of the way on which it was asked for last
    signer: bool = False
    pinned: bool = False  # known from configuration: kept without being asked for
    sources: tuple[Source, ...]
    asked_at: datetime
    not_before: datetime  # of the next attempt
    due: datetime | None = None  # the next attempt that nobody has to ask for
    failures: int = 0
    failed_at: datetime | None = None  # the first of the failures in a row
    revocation_told: bool = False  # once is enough
    # On which ways up to anchors it was asked for, the latest last; whether one is newer than the last attempt.
    ways: dict[tuple[str, ...], tuple[Certificate, ...]] = field(default_factory=dict)
    untried: bool = False
    # Of the attempt under way:
    running: bool = False
    give_up_at: datetime | None = None
    begun_with: Life | None = None
    left: deque[Source] = field(default_factory=deque)
    said: list[tuple[Source, bytes]] = field(default_factory=list)
    disowned: bool = False  # somebody who may speak of it says that he does not know it

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return self.key.startswith(_LIST)

    @property
    def certificate(self) -> Certificate:
        """The certificate; of a list, one for which it came."""
        return next(iter(self.ways.values()))[0]

    @property
    def chains(self) -> tuple[tuple[Certificate, ...], ...]:
        """Its ways up to anchors, from itself on; that on which it was asked for last is the first."""
        return tuple(reversed(self.ways.values()))

    def know(self, chain: tuple[Certificate, ...]) -> None:
        """Note a way on which it was asked for; those longest not asked for go."""
        digests = tuple(it.report.sha256 for it in chain)
        if self.ways.pop(digests, None) is None:
            self.untried = True
        self.ways[digests] = chain
        if len(self.ways) > MOST_CHAINS:
            del self.ways[next(iter(self.ways))]

    def life(self, evidence: Evidence, freshness: timedelta) -> Life | None:
        """Return how long what is known counts."""
        if self.is_list:
            listed = evidence.lists.get(self.issuer)
            if listed is None:
                return None
            # Its issuer's signers count on it for `freshness`, however long it says itself.
            end = listed.this_update + freshness
            return Life(begin=listed.this_update, end=min(end, listed.next_update or end))
        status = evidence.status(self.certificate, self.issuer)
        if status is None:
            return None
        end = good_until(status, freshness, signer=self.signer)
        return Life(begin=status.this_update, end=end, final=status.final)


class Book:
    """All items.  `jitter` returns a number from 0 up to 1; `soonest` is the least time between two attempts."""

    def __init__(self, *, most: int, jitter: Callable[[], float], soonest: timedelta, freshness: timedelta) -> None:
        self.items: OrderedDict[str, Item] = OrderedDict()  # those longest not asked for stand first
        self.freshness = freshness
        self._most = most
        self._jitter = jitter
        self._soonest = soonest
        self._heap: list[tuple[datetime, int, str]] = []
        self._number = 0

    # ── what is in it ──

    def asked(
        self,
        chain: Sequence[Certificate],
        issuers: Sequence[str],
        now: datetime,
        *,
        signer: bool = True,
        pinned: bool = False,
    ) -> list[Item]:
        """Note that a path was asked for; return the items of all its certificates below the anchor."""
        found = []
        for number, (certificate, issuer) in enumerate(zip(chain, issuers, strict=False)):
            item = self.items.get(certificate.report.sha256)
            if item is None:
                named = sources(certificate.der)
                item = Item(
                    key=certificate.report.sha256,
                    issuer=issuer,
                    sources=(*(Source(OCSP, url) for url in named.ocsp), *(Source(CRL, url) for url in named.crl)),
                    asked_at=now,
                    not_before=now,
                )
                self.items[item.key] = item
            item.issuer = issuer
            item.know(tuple(chain[number:]))
            item.signer = item.signer or (signer and number == 0)
            for each in (item, self.items.get(_LIST + issuer)):
                if each is not None:
                    each.pinned = each.pinned or pinned
                    each.asked_at = max(each.asked_at, now)
                    self.items.move_to_end(each.key)
            found.append(item)
        return found

    def listed(self, listed: RevocationList, item: Item, chain: tuple[Certificate, ...], now: datetime) -> None:
        """Note that a list came, for an item; `chain` is the way on which it was proven."""
        key = _LIST + listed.issuer
        urls = dict.fromkeys([listed.url, *(source.url for source in item.sources if source.kind == CRL)])
        known = self.items.get(key)
        if known is None:
            self.items[key] = own = Item(
                key=key,
                issuer=listed.issuer,
                pinned=item.pinned,
                sources=tuple(Source(CRL, url) for url in urls),
                asked_at=item.asked_at,
                not_before=now + self._soonest,
            )
            own.know(chain)

    def unpin(self) -> None:
        """Forget what configuration said: it is about to be read anew."""
        for item in self.items.values():
            item.pinned = False

    def forget(self, now: datetime) -> list[str]:
        """Take out what is no longer needed; return the keys."""
        out: list[Item] = []
        for lists, most in ((False, self._most), (True, MOST_LISTS)):
            of_kind = [item for item in self.items.values() if item.is_list is lists]
            over = len(of_kind) - most
            idle = [item for item in of_kind if not (item.running or item.pinned)]
            out += [item for number, item in enumerate(idle) if number < over or now - item.asked_at > KEEP]
        for item in out:
            del self.items[item.key]
        return [item.key for item in out]

    @staticmethod
    def list_key(issuer: str) -> str:
        """Return the key of the item that is an issuer's list."""
        return _LIST + issuer

    @staticmethod
    def is_list(key: str) -> bool:
        """Tell whether a key is that of a list."""
        return key.startswith(_LIST)

    def unanswered(self, issuer: str) -> list[Item]:
        """Return the certificates of an issuer for which nobody answered."""
        return [it for it in self.items.values() if it.issuer == issuer and it.failed_at and not it.is_list]

    # ── when to ask ──

    def wanted(self, item: Item, evidence: Evidence, now: datetime) -> bool:
        """Tell whether an item is to be asked about now because a document needs it."""
        if item.running or (now < item.not_before and not item.untried):
            return False
        life = item.life(evidence, self.freshness)
        return life is None or life.due(now)

    def due(self, now: datetime) -> Iterator[Item]:
        """Yield the items whose time has come, each once."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            item = self.items.get(key)
            if item is not None and item.due == at:
                item.due = None
                if not item.running:
                    yield item

    def next_due(self) -> datetime | None:
        """Return when the next item's time comes."""
        return self._heap[0][0] if self._heap else None

    def proven(self, item: Item, evidence: Evidence, now: datetime) -> None:
        """Note that what is known of an item is good for now."""
        life = item.life(evidence, self.freshness)
        item.failures, item.failed_at = 0, None
        if life is None or life.final:
            item.not_before = now + KEEP
            return
        # A CA may publish no newer evidence before the old one ends: then it is not asked all the time.
        same = item.begun_with is not None and item.begun_with.begin == life.begin
        pause = max(self._soonest, (life.end - now) / 2 if same else timedelta(0))
        item.not_before = min(now + pause, max(now, life.end))
        by_itself = item.is_list or _LIST + item.issuer not in self.items
        in_use = item.pinned or (now - item.asked_at <= KEEP and (item.is_list or not item.signer))
        if by_itself and in_use:
            part = 0.70 + 0.05 * self._jitter()
            self.schedule(item, max(life.begin + part * (life.end - life.begin), item.not_before))

    def failed(self, item: Item, now: datetime, *, answered: bool) -> None:
        """Note that nobody could tell of an item; `answered`: somebody said something that does not help."""
        item.failures += 1
        item.failed_at = item.failed_at or now
        longest = _NOTHING_NEW if answered else _LAST_RETRY
        pause = min(_FIRST_RETRY * 2 ** min(item.failures - 1, 10), longest)
        item.not_before = now + pause * (0.5 + self._jitter() / 2)
        if item.pinned or now - item.asked_at <= (KEEP if item.is_list else RETRY_FOR):
            self.schedule(item, item.not_before)

    def schedule(self, item: Item, at: datetime) -> None:
        """Let an item's time come at a moment."""
        item.due = at
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, item.key))
