"""Time-stamps on receipts, long after they went out: a job of housekeeping that nobody waits for.

Takes receipts that have no stamped copy yet, oldest first and not too many, has their seals time-stamped, checks what
the authority says, and keeps the copy beside the receipt.  When the authority is away, the job ends and the next one
goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from urllib.parse import urlsplit

import structlog

from adapters.trust.fetch import Fetcher, Hosts
from adapters.trust.timestamp import Authority
from broker.errors import ConfigError, Unavailable
from broker.model import Receipt
from broker.ports import Clock, Store
from broker.stamped import to_stamp, with_stamp
from broker.verify import TrustSnapshot, anchors
from broker.verify.timestamp import TimeStamp
from config import clock
from config.schedule import Chore
from config.settings import Settings
from config.sources import Problems, of_file

log = structlog.get_logger(__name__)

Stamp = Callable[[bytes], tuple[bytes, TimeStamp]]
"""Return a token (DER) over octets, and what it says; raise Unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamping:
    """Has receipts time-stamped, at most `most` in a run, `parallel` at the same time."""

    store: Store
    stamp: Stamp
    clock: Clock
    most: int = 500
    parallel: int = 4
    _passed_over: set[str] = field(default_factory=set, init=False)  # what cannot be stamped must not block the rest

    def run(self) -> None:
        """Stamp what is there to be stamped; return when it is done, or the authority is away."""
        waiting = self.store.unstamped(self.most + len(self._passed_over))
        batch = [one for one in waiting if one.id not in self._passed_over][: self.most]
        if not batch:
            return
        away = Event()
        with ThreadPoolExecutor(min(self.parallel, len(batch)), thread_name_prefix="stamping") as pool:
            done: Sequence[bool] = list(pool.map(lambda one: self._one(one, away), batch))
        log.info("stamping.done", stamped=sum(done), waiting=len(batch) - sum(done))

    def _one(self, receipt: Receipt, away: Event) -> bool:
        if away.is_set():
            return False
        try:
            octets = to_stamp(receipt.xml)
        except ValueError:
            self._passed_over.add(receipt.id)
            log.warning("stamping.passed-over", receipt=receipt.id)
            return False
        try:
            token, _ = self.stamp(octets)
            self.store.stamp(receipt.id, with_stamp(receipt.xml, token), self.clock())
        except Unavailable as no:
            if not away.is_set():
                away.set()
                log.warning("stamping.unavailable", reason=no.reason)
            return False
        return True


def authority(settings: Settings) -> Authority | None:
    """Return the authority that the configuration names, None if it names none; raise ConfigError."""
    own, wrong = settings.stamping, Problems()
    if not own.url:
        return None
    pems = [wrong.of(of_file, settings.path(file), anchors, "ca") or () for file in own.ca]
    trust = TrustSnapshot(anchors=tuple(one for pem in pems for one in pem))
    parts = urlsplit(own.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        wrong.found.append("url: must be http:// or https://")
    if not own.ca:
        wrong.found.append("ca: name the time-stamping authority's certificate: else no time-stamp could be believed")
    hosts = wrong.of(Hosts, (parts.netloc, *own.hosts)) if not wrong.found else None
    if hosts is None:
        raise ConfigError([f"stamping.{problem}" for problem in wrong.found])
    fetcher = Fetcher(hosts=hosts, deadline=own.deadline, most=100_000)
    return Authority(fetcher=fetcher, url=own.url, trust=trust, clock=clock.now, policy=own.policy)


def chores(settings: Settings, store: Store, stamps: Authority | None) -> dict[str, Chore]:
    """Return what housekeeping is to do, and how often."""
    own = settings.stamping
    if stamps is None:
        return {}
    job = Stamping(store=store, stamp=stamps.stamp, clock=clock.now, most=own.most, parallel=own.parallel)
    return {"stamping": Chore(own.every, job.run, alone=True)}
