"""The courier: keeps a pool of threads busy with what is due, and at the end waits for them as long as it may.

One thread claims, the pool delivers.  A claim is taken only when a thread is free for it, so nothing waits in
memory while its lease runs.  An office that hangs holds at most as many threads as its limit allows until its breaker
opens; all offices whose breaker is open hold a quarter of the threads together, so the others always have the rest.

An attempt that has begun may have reached its office, so it is never given back: it ends, or is left behind with its
lease, and whoever takes it over then knows that it was tried.

What was under way when a process ended is suspect: one of it may have ended the process, and nobody knows which.  So
of suspects only one is tried at a time, and the guilty one does not take the others along until all seem guilty.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Event
from time import monotonic

import structlog

from broker.errors import LeaseLost, Unavailable
from broker.model import Claim
from broker.ports import Store

log = structlog.get_logger(__name__)


class Courier:
    """Feeds due deliveries to `deliver` until it is stopped."""

    def __init__(
        self,
        *,
        store: Store,
        deliver: Callable[[Claim], None],
        threads: int,
        lease: timedelta,
        poll: timedelta,
        drain: timedelta = timedelta(minutes=1),
    ) -> None:
        self._store = store
        self._deliver = deliver
        self._threads = threads
        self._lease = lease
        self._poll = poll.total_seconds()
        self._drain = drain.total_seconds()
        self._rest_until = 0.0  # with one thread: when it may probe again
        self._bell = Event()
        self._lock = threading.Lock()
        self._under_way: dict[Future[None], Claim] = {}
        self._renewed: dict[Future[None], float] = {}  # when each lease was last known to hold, by our own clock

    def ring(self) -> None:
        """Say that something may be due now; a hint, polling goes on beneath it."""
        self._bell.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        with self._lock:
            return not self._under_way

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set; then let the attempts under way end, for as long as `drain` allows."""
        ended = Event()
        keeper = threading.Thread(target=self._keep, args=(ended,), name="lease-keeper")
        keeper.start()
        pool: ThreadPoolExecutor | None = None
        try:
            pool = self._staffed(stop)
            while pool is not None and not stop.is_set():
                self._bell.clear()
                if not self._fed(pool):
                    self._bell.wait(self._poll)
        finally:
            if pool is not None:
                self._end(pool)
            ended.set()
            keeper.join()

    def _staffed(self, stop: Event) -> ThreadPoolExecutor | None:
        """Return a pool whose threads all run, fewer if there are no more to be had; None if stopped before that.

        A pool queues first and starts a thread then.  If there is none, what it has queued would run at some time, and
        nobody would know it or renew its lease.
        """
        wanted = self._threads
        while not stop.is_set():
            pool = ThreadPoolExecutor(wanted, thread_name_prefix="courier")
            there = _start_all(pool, wanted)
            if there == wanted:
                self._threads = wanted
                return pool
            pool.shutdown()
            log.error("courier.no-thread", there=there, wanted=self._threads)
            wanted = there
            if not there:
                stop.wait(self._poll)
                wanted = self._threads
        return None

    def _end(self, pool: ThreadPoolExecutor) -> None:
        """Give back what has not begun, wait for what has, and leave behind what does not end."""
        with self._lock:
            under_way = dict(self._under_way)
        pool.shutdown(wait=False, cancel_futures=True)
        begun = {future: claim for future, claim in under_way.items() if not future.cancelled()}
        for future in under_way.keys() - begun.keys():  # of these `wait` would think that they are still to be done
            self._put_off(under_way[future], timedelta(0))
        _, left = wait(begun, self._drain)
        if left:
            deliveries = sorted(begun[future].delivery.id for future in left)
            log.error("courier.left-behind", deliveries=deliveries, after=self._drain)

    def _fed(self, pool: ThreadPoolExecutor) -> bool:
        """Feed the pool; outlive whatever goes wrong, for nobody would deliver any more and intake would go on."""
        try:
            return self._feed(pool)
        except Exception:
            log.exception("courier.bug")
            return False

    def _feed(self, pool: ThreadPoolExecutor) -> bool:
        """Claim as much as there are free threads; return whether it is worth asking again at once."""
        free = self._threads - len(self._under_way)
        if free <= 0:
            return False
        if not self._holds_what_it_has():
            return False
        try:
            claims = self._store.claim(self._lease, free, self._probes())
        except Unavailable as away:
            log.warning("courier.store-unavailable", reason=away.reason)
            return False
        todo = [claim for claim in claims if not _suspect(claim)]
        suspects = [claim for claim in claims if _suspect(claim)]
        try:
            while todo:
                self._begin(pool, todo[0])
                del todo[0]
        except Exception:  # nobody has seen the others: left alone they would be taken for crashes
            for claim in todo + suspects:
                self._put_off(claim, timedelta(0))
            raise
        self._try_one(pool, suspects)
        return bool(claims)

    def _probes(self) -> int:
        """Return how many more offices may be probed: each may hang for as long as an attempt may take.

        A single thread is shared by time: a probe may begin when as long has gone by as the one before has taken.
        """
        if self._threads == 1:
            return int(monotonic() >= self._rest_until)
        with self._lock:
            under_way = sum(claim.probe for claim in self._under_way.values())
        return max(self._threads // 4, 1) - under_way

    def _attempt(self, claim: Claim) -> None:
        begun = monotonic()
        try:
            self._deliver(claim)
        finally:
            if claim.probe:
                self._rest_until = 2 * monotonic() - begun

    def _begin(self, pool: ThreadPoolExecutor, claim: Claim) -> Future[None]:
        begun = monotonic()
        future = pool.submit(self._attempt, claim)
        with self._lock:
            self._under_way[future] = claim
            self._renewed[future] = begun
        future.add_done_callback(self._done)
        return future

    def _try_one(self, pool: ThreadPoolExecutor, suspects: Sequence[Claim]) -> None:
        """Begin one suspect, if none is under way; the others are safe in the store before that."""
        with self._lock:
            free = 0 if any(map(_suspect, self._under_way.values())) else 1
        for claim in suspects[free:]:
            self._put_off(claim, timedelta(seconds=self._poll))
        for claim in suspects[:free]:
            # What ends a process ends it soon: until it is a moment old, nothing else is taken from the store.
            wait([self._begin(pool, claim)], self._poll)

    def _put_off(self, claim: Claim, wait: timedelta) -> None:
        try:
            self._store.release(claim, wait)
        except LeaseLost:
            log.warning("courier.lease-lost", delivery=claim.delivery.id)
        except Unavailable as away:
            log.warning("courier.store-unavailable", reason=away.reason)

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._under_way.pop(future, None)
            self._renewed.pop(future, None)
        if not future.cancelled() and (bug := future.exception()) is not None:
            log.error("courier.bug", exc_info=bug)
        self._bell.set()

    def _holds_what_it_has(self) -> bool:
        """Renew leases that may have run out; return False while the store cannot be asked.

        After an outage of the store, or when this process stood still, a claim would else bring back what is under
        way here: the same document handed over twice at once, and a crash counted that never was.
        """
        late = monotonic() - self._lease.total_seconds() / 2
        with self._lock:
            held = {future: self._under_way[future] for future, at in self._renewed.items() if at < late}
        reached = [self._renew(future, claim) for future, claim in held.items()]
        return all(reached)

    def _keep(self, ended: Event) -> None:
        """Renew the leases of attempts under way, so that a lease need not be longer than a crash should cost."""
        while not ended.wait(self._lease.total_seconds() / 3):
            with self._lock:
                held = dict(self._under_way)
            for future, claim in held.items():
                self._renew(future, claim)

    def _renew(self, future: Future[None], claim: Claim) -> bool:
        """Prolong a lease; return whether the store could be asked."""
        asked = monotonic()
        try:
            renewed = self._store.renew(claim, self._lease)
        except LeaseLost:
            if not future.done():
                log.warning("courier.lease-lost", delivery=claim.delivery.id)
            with self._lock:
                self._renewed.pop(future, None)  # another worker's now: nothing to renew any more
            return True
        except Unavailable as away:
            log.warning("courier.store-unavailable", reason=away.reason)
            return False
        except Exception:  # without its keeper every long attempt would be taken for a crash
            log.exception("courier.bug")
            return False
        with self._lock:
            if future in self._under_way:
                self._under_way[future] = renewed
                self._renewed[future] = asked
        return True


def _start_all(pool: ThreadPoolExecutor, number: int) -> int:
    """Have a new pool start its threads; return how many there are."""
    all_there = Event()
    try:
        for there in range(number):
            try:
                pool.submit(all_there.wait)
            except RuntimeError:
                return there
    finally:
        all_there.set()
    return number


def _suspect(claim: Claim) -> bool:
    return claim.delivery.crashes > 0
