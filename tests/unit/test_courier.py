"""The courier claims only what it has a thread for, renews what takes long, and leaves nothing behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from time import monotonic

import pytest

from broker.errors import LeaseLost, Unavailable
from broker.model import Claim
from config.courier import Courier
from tests.builders import NOON, a_delivery, a_submission


def a_claim(crashes: int = 0, *, probe: bool = False) -> Claim:
    delivery = replace(a_delivery(a_submission()), crashes=crashes)
    return Claim(delivery=delivery, token=delivery.id, claimed_at=NOON, expires_at=NOON, probe=probe)


class Shelf:
    """The part of a store that the courier touches: claims are taken from a list."""

    def __init__(self, claims):
        self.claims = list(claims)
        self.asked: list[int] = []
        self.renewed: list[str] = []
        self.put_off: list[str] = []
        self.away = 0
        self.lost: set[str] = set()

    def claim(self, lease, most=1, probes=1):
        self.asked.append(most)
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        probing = [claim for claim in self.claims if claim.probe][: min(max(probes, 0), most)]
        others = [claim for claim in self.claims if not claim.probe][: most - len(probing)]
        taken = probing + others
        self.claims = [claim for claim in self.claims if claim not in taken]
        return taken

    def release(self, claim, wait):
        self.put_off.append(claim.token)
        self.claims.append(claim)

    def renew(self, claim, lease):
        if claim.token in self.lost:
            raise LeaseLost
        self.renewed.append(claim.token)
        return replace(claim, expires_at=NOON + lease)


@pytest.fixture
def running():
    """Runs couriers, and ends them after the test."""
    ends = []

    def start(shelf, deliver, **about):
        settings = {"threads": 2, "lease": timedelta(seconds=60), "poll": timedelta(milliseconds=5), **about}
        courier, stop = Courier(store=shelf, deliver=deliver, **settings), threading.Event()
        thread = threading.Thread(target=courier.run, args=(stop,))
        thread.start()

        def end():
            stop.set()
            courier.ring()
            thread.join(20)
            assert not thread.is_alive()

        ends.append(end)
        return end

    yield start
    for end in ends:
        end()


def test_everything_due_is_delivered_once(running):
    claims, seen, all_seen = [a_claim() for _ in range(20)], [], threading.Event()

    def deliver(claim):
        seen.append(claim)
        if len(seen) == 20:
            all_seen.set()

    running(Shelf(claims), deliver)
    assert all_seen.wait(20)
    assert sorted(claim.token for claim in seen) == sorted(claim.token for claim in claims)


def test_no_more_is_claimed_than_there_are_free_threads(running):
    shelf, gate, started = Shelf([a_claim() for _ in range(9)]), threading.Event(), threading.Semaphore(0)

    def deliver(_claim):
        started.release()
        gate.wait(20)

    running(shelf, deliver, threads=3)
    for _ in range(3):
        assert started.acquire(timeout=20)
    assert len(shelf.claims) == 6
    assert max(shelf.asked) <= 3
    gate.set()


def test_attempts_under_way_end_before_the_courier_does(running):
    begun, gate, ended = threading.Event(), threading.Event(), threading.Event()

    def deliver(_claim):
        begun.set()
        gate.wait(20)
        ended.set()

    end = running(Shelf([a_claim()]), deliver)
    assert begun.wait(20)
    threading.Timer(0.05, gate.set).start()
    end()
    assert ended.is_set()


def test_a_long_attempt_keeps_its_lease(running):
    claim, shelf, gate = a_claim(), None, threading.Event()
    shelf = Shelf([claim])
    renewed_twice = threading.Event()
    plain = shelf.renew

    def renew(held, lease):
        after = plain(held, lease)
        if len(shelf.renewed) >= 2:
            renewed_twice.set()
        return after

    shelf.renew = renew
    running(shelf, lambda _claim: gate.wait(20), lease=timedelta(milliseconds=30))
    assert renewed_twice.wait(20)
    gate.set()
    assert set(shelf.renewed) == {claim.token}


def test_a_store_that_is_away_is_asked_again(running):
    shelf, seen = Shelf([a_claim()]), threading.Event()
    shelf.away = 3
    running(shelf, lambda _claim: seen.set())
    assert seen.wait(20)
    assert len(shelf.asked) >= 4


def test_a_courier_that_gets_no_thread_goes_on_when_there_are_some(running, monkeypatch):
    shelf, seen = Shelf([a_claim() for _ in range(3)]), threading.Semaphore(0)
    plain, refused = threading.Thread.start, []

    def start(thread):
        if thread.name.startswith("courier") and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        plain(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    running(shelf, lambda _claim: seen.release(), threads=1)
    for _ in range(2):
        assert seen.acquire(timeout=20)
    assert refused


def test_what_no_thread_was_there_for_is_neither_claimed_nor_delivered_unseen(running, monkeypatch):
    """Queued for a thread that never came it would run at some time, with a lease that nobody renews."""
    shelf, seen, all_seen = Shelf([a_claim() for _ in range(6)]), [], threading.Event()
    plain, none, asked = threading.Thread.start, threading.Event(), threading.Semaphore(0)
    none.set()

    def start(thread):
        if thread.name.startswith("courier") and none.is_set():
            asked.release()
            raise RuntimeError("can't start new thread")
        plain(thread)

    def deliver(claim):
        seen.append(claim.token)
        if len(seen) == 6:
            all_seen.set()

    monkeypatch.setattr(threading.Thread, "start", start)
    wanted = sorted(claim.token for claim in shelf.claims)
    running(shelf, deliver, threads=8)
    for _ in range(3):
        assert asked.acquire(timeout=20)
    assert len(shelf.claims) == 6
    none.clear()
    assert all_seen.wait(20)
    assert sorted(seen) == wanted
    assert shelf.put_off == []


def test_a_courier_works_with_the_threads_that_are_to_be_had(running, monkeypatch):
    shelf, gate, started = Shelf([a_claim() for _ in range(9)]), threading.Event(), threading.Semaphore(0)
    plain, there = threading.Thread.start, []

    def start(thread):
        if thread.name.startswith("courier"):
            if sum(it.is_alive() for it in there) == 3:
                raise RuntimeError("can't start new thread")
            there.append(thread)
        plain(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    running(shelf, lambda _claim: (started.release(), gate.wait(20)), threads=8)
    for _ in range(3):
        assert started.acquire(timeout=20)
    assert len(shelf.claims) == 6
    assert max(shelf.asked) == 3
    gate.set()
    for _ in range(6):
        assert started.acquire(timeout=20)


def test_what_cannot_begin_is_given_back_with_all_that_was_claimed_with_it():
    shelf = Shelf([a_claim() for _ in range(3)] + [a_claim(crashes=1)])
    wanted = sorted(claim.token for claim in shelf.claims)
    courier = Courier(
        store=shelf,
        deliver=lambda _claim: None,
        threads=4,
        lease=timedelta(seconds=60),
        poll=timedelta(seconds=1),
    )
    pool = ThreadPoolExecutor(4)
    pool.shutdown()  # it takes nothing any more
    with pytest.raises(RuntimeError):
        courier._feed(pool)
    assert sorted(shelf.put_off) == wanted
    assert courier.idle


# ── offices that hang ──


def test_offices_whose_breaker_is_open_hold_a_quarter_of_the_threads_and_the_others_are_served(running):
    gate, probing, all_seen, seen = threading.Event(), threading.Semaphore(0), threading.Event(), []
    others = [a_claim() for _ in range(30)]

    def deliver(claim):
        if claim.probe:
            probing.release()
            gate.wait(20)
            return
        seen.append(claim.token)
        if len(seen) == len(others):
            all_seen.set()

    shelf = Shelf([a_claim(probe=True) for _ in range(20)])
    running(shelf, deliver, threads=8)
    for _ in range(2):
        assert probing.acquire(timeout=20)
    shelf.claims += others
    assert all_seen.wait(20)
    assert sum(claim.probe for claim in shelf.claims) == 18
    gate.set()
    for _ in range(18):
        assert probing.acquire(timeout=20)


def test_a_single_thread_probes_no_longer_than_it_serves_the_others(running):
    """The second probe begins when as much time has gone by as the first has taken."""
    probes, letters, all_seen = [], [], threading.Event()

    def deliver(claim):
        begun = monotonic()
        if claim.probe:
            threading.Event().wait(0.2)
            probes.append((begun, monotonic()))
        else:
            letters.append(claim)
        if len(probes) == 3 and len(letters) == 4:
            all_seen.set()

    running(Shelf([*[a_claim(probe=True) for _ in range(3)], *[a_claim() for _ in range(4)]]), deliver, threads=1)
    assert all_seen.wait(20)
    for (begun, ended), (then, _) in pairwise(probes):
        assert then - ended >= ended - begun


def test_a_bug_in_renewing_does_not_cost_the_other_leases(running):
    shelf, gate, kept = Shelf([a_claim(), a_claim()]), threading.Event(), threading.Event()
    plain, times = shelf.renew, []

    def renew(held, lease):
        times.append(held)
        if len(times) == 1:
            raise ZeroDivisionError
        kept.set()
        return plain(held, lease)

    shelf.renew = renew
    running(shelf, lambda _claim: gate.wait(20), lease=timedelta(milliseconds=30))
    assert kept.wait(20)
    gate.set()


def test_a_bug_in_delivering_does_not_stop_the_courier(running):
    seen = threading.Semaphore(0)

    def deliver(_claim):
        seen.release()
        raise ZeroDivisionError

    running(Shelf([a_claim() for _ in range(5)]), deliver, threads=1)
    for _ in range(5):
        assert seen.acquire(timeout=20)


def test_of_what_was_under_way_in_a_crash_one_is_tried_at_a_time_and_the_others_are_safe_before_that(running):
    suspects = [a_claim(crashes=1) for _ in range(5)]
    shelf, seen, all_seen, together = Shelf(suspects), [], threading.Event(), []

    def deliver(claim):
        seen.append(claim.token)
        together.append(len(shelf.claims) + len(seen))
        if len(seen) == 5:
            all_seen.set()

    # A long poll: a thread that is slow to start is waited for, and nobody claims the others meanwhile.
    running(shelf, deliver, threads=8, poll=timedelta(seconds=15))
    assert all_seen.wait(20)
    assert sorted(seen) == sorted(claim.token for claim in suspects)
    assert together == [5] * 5


def test_a_suspect_that_takes_long_holds_up_no_other_but_suspects(running):
    gate, seen, all_seen = threading.Event(), [], threading.Event()
    slow, other, innocent = a_claim(crashes=1), a_claim(crashes=1), [a_claim() for _ in range(6)]

    def deliver(claim):
        if claim is slow:
            gate.wait(20)
        seen.append(claim)
        if len(seen) >= 6:
            all_seen.set()

    running(Shelf([slow, other, *innocent]), deliver, threads=4)
    assert all_seen.wait(20)
    assert slow not in seen
    assert other not in seen
    gate.set()


def test_after_an_outage_longer_than_a_lease_what_is_under_way_is_renewed_before_anything_is_claimed(running):
    long_one, gate, begun = a_claim(), threading.Event(), threading.Event()
    shelf = Shelf([long_one])
    order, renewed_first = [], threading.Event()
    plain_claim, plain_renew = shelf.claim, shelf.renew
    out = threading.Event()

    def claim(lease, most=1, probes=1):
        if out.is_set():
            raise Unavailable("away")
        order.append("claim")
        return plain_claim(lease, most, probes)

    def renew(held, lease):
        if out.is_set():
            raise Unavailable("away")
        order.append("renew")
        renewed_first.set()
        return plain_renew(held, lease)

    shelf.claim, shelf.renew = claim, renew

    def deliver(_claim):
        begun.set()
        gate.wait(20)

    # the outage ends between two turns of the lease-keeper (at 1 and 2), well after half the lease is over
    running(shelf, deliver, lease=timedelta(seconds=3), poll=timedelta(milliseconds=5))
    assert begun.wait(20)
    out.set()
    order.clear()
    threading.Event().wait(1.8)
    order.clear()
    out.clear()
    assert renewed_first.wait(20)
    gate.set()
    assert order[0] == "renew"


def test_an_attempt_that_does_not_end_is_left_behind_with_its_lease_and_keeps_its_attempt(running):
    """It may have reached its office: whoever takes it over must know that it was tried."""
    begun, gate = threading.Event(), threading.Event()
    shelf, done = Shelf([a_claim()]), []

    def deliver(_claim):
        begun.set()
        gate.wait(20)
        done.append(True)

    end = running(shelf, deliver, drain=timedelta(milliseconds=20))
    assert begun.wait(20)
    end()
    assert not done
    assert shelf.put_off == []
    gate.set()


def test_leases_are_renewed_while_a_stop_waits(running):
    claim, gate, stopping, renewed = a_claim(), threading.Event(), threading.Event(), threading.Event()
    shelf = Shelf([claim])
    plain = shelf.renew

    def renew(held, lease):
        if stopping.is_set():
            renewed.set()
        return plain(held, lease)

    begun = threading.Event()
    shelf.renew = renew
    end = running(shelf, lambda _claim: (begun.set(), gate.wait(20)), lease=timedelta(milliseconds=30))
    assert begun.wait(20)
    waiting = threading.Thread(target=end)
    stopping.set()
    waiting.start()
    assert renewed.wait(20)
    gate.set()
    waiting.join(20)


def test_what_was_claimed_and_not_begun_is_given_back():
    """A thread that is there has not taken it yet when the end comes: nobody has seen it."""
    claim, shelf = a_claim(), Shelf([])
    courier = Courier(
        store=shelf,
        deliver=lambda _claim: None,
        threads=1,
        lease=timedelta(seconds=60),
        poll=timedelta(seconds=1),
    )
    with ThreadPoolExecutor(1) as pool:
        gate, busy = threading.Event(), threading.Event()
        pool.submit(lambda: (busy.set(), gate.wait(20)))
        assert busy.wait(20)
        future = courier._begin(pool, claim)
        courier._end(pool)
        gate.set()
    assert future.cancelled()
    assert shelf.put_off == [claim.token]
    assert courier.idle
