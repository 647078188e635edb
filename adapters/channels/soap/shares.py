"""Who holds how much of the channel: connections, messages being worked on, memory.

Until it is proven who is there, a connection counts for its address; afterwards for its partner.  So a stranger can
take nothing from a partner, and no partner from another: what strangers may have together and what one partner may
have leave a quarter to all others.  When every place is taken, the connection that has been
unproven for longest gives up its own: whoever opens thousands of slow ones pushes out his own, and an honest client
needs a place only for as long as it takes to prove itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Final

from broker.errors import Unavailable
from broker.partner import Partner, Partners

RETRY_AFTER: Final = timedelta(seconds=5)  # told to a partner that is over its share
SMALL: Final = 1_000_000  # bytes of a message that never waits for others
_PREFIX: Final = 64  # of IPv6: what one customer of a provider gets is one place


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose share it is: a partner's, or that of several who have one certificate."""

    name: str
    connections: int = 0  # it may have open; 0: what its part of all comes to
    alone: bool = False  # there is nobody to share with

    def part(self, of: int) -> int:
        """Return how much of something it may have that others need as well."""
        return of * 3 // 4 if self.alone else of // 4


@dataclass(eq=False, slots=True, kw_only=True)
class Line:
    """One open connection, as the shares see it."""

    place: str  # where it comes from
    cut: Callable[[], None]  # closes it
    key: str = ""  # SHA-256 of the client's certificate, if TLS has shown one
    holder: Holder | None = None  # whose share it counts for, once it is proven
    working: bool = False  # a whole message has come by it and is being worked on


@dataclass(slots=True)
class Lines:
    """The connections.  Only the loop's thread touches them.

    With `believed` senders nobody is told from anybody: then no place is taken from one for another.
    """

    most: int
    per_place: int
    believed: bool
    _open: dict[Line, None] = field(default_factory=dict)
    _unproven: dict[Line, None] = field(default_factory=dict)  # oldest first
    _places: Counter[str] = field(default_factory=Counter)
    _held: Counter[str] = field(default_factory=Counter)

    def enter(self, line: Line) -> bool:
        """Count a new connection; return False if there is no place for it."""
        if not self.believed and self._places[line.place] >= self.per_place:
            return False
        if len(self._open) >= self.most and not self._make_room():
            return False
        self._open[line] = None
        self._unproven[line] = None
        self._places[line.place] += 1
        return True

    def prove(self, line: Line, holder: Holder) -> bool:
        """Count a connection for who was proven to be there; return False if that is more than he may have."""
        if line not in self._open or line.holder is not None:
            return True
        if self._held[holder.name] >= (holder.connections or max(1, holder.part(self.most))):
            return False
        self._uncount(line)
        line.holder = holder
        self._held[holder.name] += 1
        return True

    def leave(self, line: Line) -> None:
        """Forget a connection that has ended."""
        if line in self._open:
            del self._open[line]
            self._uncount(line)

    def __len__(self) -> int:
        return len(self._open)

    def _make_room(self) -> bool:
        oldest = None if self.believed else next((line for line in self._unproven if not line.working), None)
        if oldest is None:
            return False
        self.leave(oldest)
        oldest.cut()
        return True

    def _uncount(self, line: Line) -> None:
        counter, name = (self._held, line.holder.name) if line.holder else (self._places, line.place)
        counter[name] -= 1
        if counter[name] <= 0:
            del counter[name]
        self._unproven.pop(line, None)


class Turns:
    """Messages being worked on, by partner.  May be used by many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def of(self, partner: Partner) -> Iterator[None]:
        """Hold a turn of a partner's; raise Unavailable if it has as many as it may."""
        with self._lock:
            if partner.connections and self._taken[partner.id] >= partner.connections:
                raise Unavailable("a partner has as many messages under way as it may", retry_after=RETRY_AFTER)
            self._taken[partner.id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[partner.id] -= 1
                if not self._taken[partner.id]:
                    del self._taken[partner.id]


@dataclass(slots=True)
class Memory:
    """Bytes of messages that are held.  Only the loop's thread touches it.

    Strangers get half of it together, one address of them a quarter, and one partner its part, but each always one
    message.
    """

    most: int
    one: int  # the largest message
    believed: bool
    _held: Counter[tuple[bool, str]] = field(default_factory=Counter)  # by whether it is proven, and partner or place
    _sums: Counter[bool] = field(default_factory=Counter)  # of these, what the proven hold and what the others do

    def take(self, line: Line, count: int) -> tuple[bool, str]:
        """Count bytes for a connection and return whom they were counted for; raise Unavailable if it is too much."""
        holder = line.holder
        whose = (False, line.place) if holder is None else (True, holder.name)
        full = self._sums.total() + count > self.most
        if not self.believed:
            part = self.most // 4 if holder is None else holder.part(self.most)
            full |= self._held[whose] + count > max(part, self.one)
            full |= holder is None and self._sums[False] + count > max(self.most // 2, self.one)
        if full:
            raise Unavailable("too many bytes are being received", retry_after=RETRY_AFTER)
        self._held[whose] += count
        self._sums[whose[0]] += count
        return whose

    def give(self, whose: tuple[bool, str], count: int) -> None:
        """Count bytes out again."""
        self._sums[whose[0]] -= count
        self._held[whose] -= count
        if not self._held[whose]:
            del self._held[whose]


class Bench:
    """Bytes of large messages being taken apart at once; what comes over waits, small messages never do.

    Taking one apart needs up to six times its size more (measured), so it is this that bounds the memory, and not how
    much has been received.  Used by the loop's thread.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Hold room for a message of that size; one that is larger than all the room is taken alone."""
        if size < SMALL:
            yield
            return
        async with self._changed:
            await self._changed.wait_for(lambda: not self._taken or self._taken + size <= self._most)
            self._taken += size
        try:
            yield
        finally:
            async with self._changed:
                self._taken -= size
                self._changed.notify_all()


def holder(of: tuple[Partner, ...], key: str, partners: Partners) -> Holder:
    """Return whose share it is that these partners are there, who have the certificate `key` (SHA-256), one or more."""
    caps, ids = [one.connections for one in of], {one.id for one in of}
    return Holder(
        name=f"partner {of[0].id}" if len(of) == 1 else key,
        connections=sum(caps) if all(caps) else 0,
        alone=not any(one.certificates for one in partners.all.values() if one.id not in ids),
    )


def place(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        it = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "?"
    if isinstance(it, ipaddress.IPv6Address):
        if it.ipv4_mapped is not None:
            return str(it.ipv4_mapped)
        return str(ipaddress.ip_network((it, _PREFIX), strict=False))
    return str(it)


def sort_of(address: str) -> str:
    """Return what may be said of an address in a log: loopback, private, public."""
    try:
        it = ipaddress.ip_address(address.partition("%")[0].partition("/")[0])
    except ValueError:
        return "unknown"
    if isinstance(it, ipaddress.IPv6Address) and it.ipv4_mapped is not None:
        it = it.ipv4_mapped
    return "loopback" if it.is_loopback else "public" if it.is_global else "private"
