"""How fast a partner may send."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import Unavailable
from broker.partner import Partner
from config.pace import Turnstile


class Watch:
    now = 0.0

    def __call__(self):
        return self.now


def passed(turnstile, partner):
    try:
        turnstile(partner)
    except Unavailable:
        return False
    return True


def test_a_partner_without_a_rate_is_never_held_back():
    turnstile = Turnstile(Watch())
    assert all(passed(turnstile, Partner(id="portal")) for _ in range(1000))


def test_who_is_too_fast_is_told_when_the_next_may_come_and_then_it_may():
    watch = Watch()
    turnstile, partner = Turnstile(watch), Partner(id="portal", rate=30, burst=2)
    turnstile(partner)
    turnstile(partner)
    with pytest.raises(Unavailable) as held:
        turnstile(partner)
    assert held.value.retry_after == timedelta(seconds=2)
    watch.now += 2
    turnstile(partner)


def test_one_partner_does_not_use_up_anothers_share():
    turnstile = Turnstile(Watch())
    assert passed(turnstile, Partner(id="portal", rate=1))
    assert not passed(turnstile, Partner(id="portal", rate=1))
    assert passed(turnstile, Partner(id="town", rate=1))


@given(
    rate=st.floats(0.1, 6000),
    burst=st.integers(0, 50),
    steps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_nobody_ever_gets_more_than_its_burst_and_its_rate(rate, burst, steps):
    watch = Watch()
    turnstile, partner = Turnstile(watch), Partner(id="portal", rate=rate, burst=burst)
    through = 0
    for step in steps:
        watch.now += step
        through += passed(turnstile, partner)
    most = (burst or max(1, -(-rate // 1))) + watch.now * rate / 60
    assert through <= most + 1e-6
    assert through >= 1
