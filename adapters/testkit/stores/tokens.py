"""What a store promises about tokens that count once: `first_use`, `forget_use`."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.values import NOON, Hands, at_once
from adapters.wire.kind import Custody

SECOND = timedelta(seconds=1)
LATER = NOON + timedelta(minutes=10)


class TokenSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_a_token_counts_once(self, connect: Connect, store: Custody) -> None:
        assert store.first_use("a" * 64, LATER)
        assert not store.first_use("a" * 64, LATER)
        assert not connect().first_use("a" * 64, LATER + SECOND)
        assert store.first_use("b" * 64, LATER)

    def test_of_many_who_show_a_token_at_once_one_is_first(self, connect: Connect, store: Custody) -> None:
        nodes = [store, connect(), connect()]
        answers = at_once([partial(nodes[n % 3].first_use, "same", LATER) for n in range(24)])
        assert sorted(map(str, answers)) == ["False"] * 23 + ["True"]

    def test_many_tokens_at_once_are_each_the_first(self, connect: Connect, store: Custody) -> None:
        nodes = [store, connect()]
        calls = [partial(nodes[n % 2].first_use, f"t{n}", LATER) for n in range(30)]
        assert at_once(calls) == [True] * 30
        assert at_once(calls) == [False] * 30

    def test_a_token_that_was_forgotten_counts_again_once(self, connect: Connect, store: Custody) -> None:
        assert store.first_use("t", LATER)
        connect().forget_use("t")
        assert store.first_use("t", LATER)
        assert not store.first_use("t", LATER)

    def test_forgetting_a_token_touches_no_other(self, store: Custody) -> None:
        assert store.first_use("one", LATER)
        store.forget_use("other")
        store.forget_use("on")
        assert not store.first_use("one", LATER)

    def test_a_token_is_remembered_to_its_last_moment(self, store: Custody, clock: Hands) -> None:
        assert store.first_use("t", LATER)
        clock.now = LATER - SECOND
        assert not store.first_use("t", LATER + SECOND)
        clock.now = LATER + SECOND
        assert store.first_use("t", LATER + 2 * SECOND)
        assert not store.first_use("t", LATER + 2 * SECOND)

    def test_a_live_token_outlives_any_number_that_have_ended(self, store: Custody, clock: Hands) -> None:
        for n in range(20):
            assert store.first_use(f"short {n}", NOON + SECOND)
        assert store.first_use("long", LATER)
        clock.pass_by(2 * SECOND)
        for n in range(20):
            assert store.first_use(f"next {n}", LATER)
        assert not store.first_use("long", LATER)

    def test_a_token_may_be_any_text(self, store: Custody) -> None:
        odd = "ż\x00\ud800 " + "x" * 5000
        assert store.first_use(odd, LATER)
        assert not store.first_use(odd, LATER)
        assert store.first_use(odd[:-1], LATER)
