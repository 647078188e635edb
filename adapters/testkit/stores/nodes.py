"""What a store promises about nodes and duties: `Custody.nodes`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Event, Thread

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.values import LEASE, NOON, Hands, at_once, kept
from adapters.wire.kind import Custody
from broker.nodes import Node

SECOND = timedelta(seconds=1)


def joined(store: Custody, id: str = "first") -> Node:  # noqa: A002 - the field's name
    """Return a node that has joined."""
    return store.nodes.join(id=id, host="town-1", pid=4711, version="1.2.3")


class NodeSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    # ── who is there ──

    def test_a_node_that_joined_is_known_to_all(self, connect: Connect, store: Custody) -> None:
        node = joined(store)
        assert (node.id, node.host, node.pid, node.version) == ("first", "town-1", 4711, "1.2.3")
        assert (node.started_at, node.seen_at, node.silent, node.draining) == (NOON, NOON, timedelta(0), False)
        assert list(connect().nodes.list()) == [node]

    def test_nobody_is_there_before_anybody_joined(self, store: Custody) -> None:
        assert list(store.nodes.list()) == []

    def test_a_node_is_as_silent_as_its_last_beat_is_old(self, store: Custody, clock: Hands) -> None:
        node = joined(store)
        clock.pass_by(10 * SECOND)
        (silent,) = store.nodes.list()
        assert (silent.silent, silent.alive(10 * SECOND), silent.alive(9 * SECOND)) == (10 * SECOND, True, False)
        store.nodes.beat(node)
        clock.pass_by(SECOND)
        (seen,) = store.nodes.list()
        assert (seen.started_at, seen.seen_at, seen.silent) == (NOON, NOON + 10 * SECOND, SECOND)

    def test_a_node_says_that_it_is_draining(self, connect: Connect, store: Custody) -> None:
        node = joined(store)
        store.nodes.beat(replace(node, draining=True))
        (draining,) = connect().nodes.list()
        assert draining.draining

    def test_nodes_come_oldest_first(self, connect: Connect, store: Custody, clock: Hands) -> None:
        joined(store, "b")
        clock.pass_by(SECOND)
        joined(connect(), "a")
        assert [node.id for node in store.nodes.list()] == ["b", "a"]

    def test_a_node_that_left_is_gone_and_its_duties_are_free(self, connect: Connect, store: Custody) -> None:
        node, other = joined(store), joined(connect(), "second")
        store.nodes.hold(["sweep"], node.id, LEASE)
        store.nodes.leave(node.id)
        store.nodes.leave(node.id)  # once more is no harm
        assert [one.id for one in store.nodes.list()] == [other.id]
        assert store.nodes.hold(["sweep"], other.id, LEASE) == {"sweep"}

    def test_nodes_that_were_silent_for_long_are_forgotten(self, store: Custody, clock: Hands) -> None:
        joined(store, "dead")
        clock.pass_by(10 * SECOND)
        joined(store, "alive")
        assert store.nodes.forget(10 * SECOND) == 0
        clock.pass_by(SECOND)
        assert store.nodes.forget(10 * SECOND) == 1
        assert [node.id for node in store.nodes.list()] == ["alive"]

    def test_a_node_that_was_forgotten_and_lives_is_known_again_by_its_beat(self, store: Custody, clock: Hands) -> None:
        node = joined(store)
        clock.pass_by(timedelta(hours=1))
        assert store.nodes.forget(SECOND) == 1
        store.nodes.beat(node)
        (known,) = store.nodes.list()
        assert known == replace(node, seen_at=clock.now)

    def test_many_nodes_may_join_and_beat_at_once(self, connect: Connect, store: Custody) -> None:
        stores = [store, connect(), connect()]
        at_once([partial(joined, stores[n % 3], f"node {n:02}") for n in range(12)])
        nodes = store.nodes.list()
        assert len(nodes) == 12
        assert at_once([partial(stores[n % 3].nodes.beat, node) for n, node in enumerate(nodes)]) == [None] * 12
        assert len(store.nodes.list()) == 12

    # ── duties ──

    def test_a_duty_is_one_nodes(self, connect: Connect, store: Custody) -> None:
        assert store.nodes.hold(["sweep"], "first", LEASE) == {"sweep"}
        assert connect().nodes.hold(["sweep"], "second", LEASE) == frozenset()
        assert store.nodes.hold(["sweep"], "first", LEASE) == {"sweep"}

    def test_of_many_that_want_a_duty_one_gets_it(self, connect: Connect, store: Custody) -> None:
        nodes = [store.nodes, connect().nodes, connect().nodes]
        won = at_once([partial(nodes[n % 3].hold, ["sweep"], f"node {n}", LEASE) for n in range(18)])
        assert sorted(map(str, won)) == ["frozenset()"] * 17 + ["frozenset({'sweep'})"]

    def test_each_duty_is_held_apart(self, store: Custody) -> None:
        assert store.nodes.hold(["sweep"], "first", LEASE) == {"sweep"}
        assert store.nodes.hold(["stamp", "sweep"], "second", LEASE) == {"stamp"}
        assert store.nodes.hold([], "second", LEASE) == frozenset()

    def test_a_duty_passes_on_when_its_lease_has_run_out_and_not_before(
        self, connect: Connect, store: Custody, clock: Hands
    ) -> None:
        store.nodes.hold(["sweep"], "first", 10 * SECOND)
        clock.pass_by(9 * SECOND)
        assert connect().nodes.hold(["sweep"], "second", 10 * SECOND) == frozenset()
        clock.pass_by(SECOND)
        assert connect().nodes.hold(["sweep"], "second", 10 * SECOND) == {"sweep"}
        assert store.nodes.hold(["sweep"], "first", 10 * SECOND) == frozenset()

    def test_renewing_counts_from_now(self, store: Custody, clock: Hands) -> None:
        store.nodes.hold(["sweep"], "first", 10 * SECOND)
        clock.pass_by(9 * SECOND)
        assert store.nodes.hold(["sweep"], "first", 10 * SECOND) == {"sweep"}
        clock.pass_by(9 * SECOND)
        assert store.nodes.hold(["sweep"], "second", 10 * SECOND) == frozenset()

    def test_a_duty_that_was_let_go_is_free(self, store: Custody) -> None:
        store.nodes.hold(["stamp", "sweep"], "first", LEASE)
        store.nodes.let_go(["sweep", "never held"], "first")
        assert store.nodes.hold(["stamp", "sweep"], "second", LEASE) == {"sweep"}

    def test_nobody_lets_go_what_is_anothers(self, store: Custody) -> None:
        store.nodes.hold(["sweep"], "first", LEASE)
        store.nodes.let_go(["sweep"], "second")
        store.nodes.leave("second")
        assert store.nodes.hold(["sweep"], "second", LEASE) == frozenset()

    def test_the_list_tells_who_holds_what_while_the_lease_runs(self, store: Custody, clock: Hands) -> None:
        first, second = joined(store), joined(store, "second")
        store.nodes.hold(["sweep", "stamp"], first.id, 10 * SECOND)
        store.nodes.hold(["report"], second.id, 5 * SECOND)
        assert [node.duties for node in store.nodes.list()] == [("stamp", "sweep"), ("report",)]
        clock.pass_by(5 * SECOND)
        assert [node.duties for node in store.nodes.list()] == [("stamp", "sweep"), ()]

    # ── who took it ──

    def test_a_claim_tells_which_node_made_it(self, connect: Connect, store: Custody, clock: Hands) -> None:
        joined(store)
        letter = kept(store)
        store.claim(LEASE)
        rival = connect()
        joined(rival, "second")
        clock.pass_by(LEASE)
        rival.claim(LEASE)
        record = store.show(letter.submission.id)
        assert record is not None
        assert [(event.name, event.detail) for event in record.events[1:]] == [
            ("delivery.claimed", "first"),
            ("delivery.taken-over", "second"),
        ]

    def test_a_claim_of_nobody_names_nobody(self, store: Custody) -> None:
        letter = kept(store)
        store.claim(LEASE)
        record = store.show(letter.submission.id)
        assert record is not None
        assert [event.detail for event in record.events[1:]] == [""]

    # ── hints ──

    def test_an_announcement_needs_nobody_who_hears_it(self, connect: Connect, store: Custody) -> None:
        store.nodes.announce()
        connect().nodes.announce()

    def test_who_listens_ends_when_told_to(self, store: Custody) -> None:
        stop = Event()
        ear = Thread(target=store.nodes.listen, args=(lambda: None, stop))
        ear.start()
        stop.set()
        ear.join(30)
        assert not ear.is_alive()
