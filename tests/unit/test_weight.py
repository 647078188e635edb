"""Large things take turns; small ones never wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.weight import SMALL, Scales


def test_what_is_small_passes_however_much_is_taken():
    scales = Scales(10 * SMALL)
    assert scales.take(10 * SMALL)
    assert not scales.take(SMALL)
    assert all(scales.take(SMALL - 1) for _ in range(1_000))


def test_what_is_larger_than_all_the_room_goes_alone():
    scales = Scales(10 * SMALL)
    assert scales.take(SMALL)
    assert not scales.take(30 * SMALL)
    scales.give(SMALL)
    assert scales.take(30 * SMALL)
    assert not scales.take(SMALL)


@given(st.lists(st.integers(0, 40 * SMALL), max_size=50), st.integers(1, 40 * SMALL))
def test_never_more_is_taken_than_there_is_room_but_by_one_alone(sizes, most):
    scales, held = Scales(most), []
    for size in sizes:
        if not scales.take(size):
            scales.give(held.pop(0))
        elif size >= SMALL:
            held.append(size)
        assert sum(held) <= most or len(held) == 1


def test_threads_wait_for_each_other_and_all_get_their_turn():
    scales, lock = Scales(3 * SMALL), threading.Lock()
    now, most = 0, 0

    def work(_number):
        nonlocal now, most
        with scales.room(SMALL):
            with lock:
                now += 1
                most = max(most, now)
            threading.Event().wait(0.001)
            with lock:
                now -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(100)))
    assert 1 <= most <= 3
    assert scales.take(3 * SMALL)


def test_room_is_given_back_when_the_work_fails():
    scales = Scales(SMALL)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), scales.room(SMALL):
            raise ZeroDivisionError
    assert scales.take(SMALL)
