"""Identifiers rise, whatever the clock does, and never repeat."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from config.ids import TimeOrderedIds
from tests.builders import NOON


@given(st.lists(st.integers(-5_000, 5_000), min_size=2, max_size=50))
def test_later_identifiers_sort_after_earlier_ones_even_when_the_clock_steps_back(steps):
    moments = iter([NOON + timedelta(milliseconds=step) for step in steps])
    ids = TimeOrderedIds(lambda: next(moments))
    made = [ids() for _ in steps]
    assert made == sorted(set(made))


def test_an_identifier_is_a_version_7_uuid_that_tells_its_moment():
    made = uuid.UUID(TimeOrderedIds(lambda: NOON)())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(NOON.timestamp() * 1000)


def test_threads_never_get_the_same_identifier():
    ids = TimeOrderedIds(lambda: NOON)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids(), range(5_000)))
    assert len(set(made)) == 5_000
