"""A node among others: what it does alone it does only while the duty is surely its own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.stores import MemoryStore
from adapters.testkit.stores.values import Hands
from broker.errors import Unavailable
from config import membership
from config.membership import Membership

SECOND = timedelta(seconds=1)
LEASE = 30 * SECOND


@pytest.fixture
def ours(monkeypatch):
    """The process's own clock, set by hand, in seconds."""
    ours = [1000.0]
    monkeypatch.setattr(membership, "monotonic", lambda: ours[0])
    return ours


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def nodes(clock):
    return MemoryStore(clock).nodes


def a_member(nodes, *duties):
    return Membership(nodes, duties=duties or ("sweep",), lease=LEASE)


def test_a_member_is_known_and_named_after_its_machine(nodes):
    member = a_member(nodes)
    (node,) = nodes.list()
    assert node.id == member.id
    assert member.id.startswith(f"{node.host}-{node.pid}-")
    assert node.duties == ("sweep",)


def test_two_members_never_have_one_name(nodes):
    assert a_member(nodes).id != a_member(nodes).id


def test_only_one_of_two_is_on_duty(nodes):
    first, second = a_member(nodes), a_member(nodes)
    done = []
    for name, member in {"first": first, "second": second}.items():
        member.alone("sweep", lambda name=name: done.append(name))()
        member.beat()
        member.alone("sweep", lambda name=name: done.append(name))()
    assert done == ["first", "first"]


def test_who_stood_still_is_off_duty_until_it_has_asked_again(nodes, clock, ours):
    first, second = a_member(nodes), a_member(nodes)
    ours[0] += LEASE.total_seconds()
    assert not first.on_duty("sweep")
    clock.pass_by(LEASE)
    second.beat()
    first.beat()
    assert (first.on_duty("sweep"), second.on_duty("sweep")) == (False, True)


def test_the_lease_is_counted_from_before_the_store_was_asked(nodes, ours):
    """The store may answer late: what it granted began when it was asked, or after."""
    plain = nodes.hold

    def slow(*asked):
        ours[0] += 20
        return plain(*asked)

    nodes.hold = slow
    member = a_member(nodes)
    ours[0] += 9
    assert member.on_duty("sweep")
    ours[0] += 1
    assert not member.on_duty("sweep")


def test_who_drains_begins_nothing_alone_and_keeps_what_it_is_at_until_that_ends(nodes):
    first, second = a_member(nodes, "sweep", "report"), a_member(nodes, "sweep", "report")
    done = []

    def job():
        first.drain()
        assert {node.id: node.draining for node in nodes.list()} == {first.id: True, second.id: False}
        first.beat()
        second.beat()
        assert not first.on_duty("sweep")
        assert not second.on_duty("sweep")
        assert second.on_duty("report"), "nobody is at it: it passes on at once"
        done.append("sweep")

    first.alone("sweep", job)()
    first.alone("sweep", job)()
    assert done == ["sweep"]
    first.beat()
    second.beat()
    assert second.on_duty("sweep")
    first.leave()
    assert [node.id for node in nodes.list()] == [second.id]


def test_a_job_that_fails_while_its_node_drains_lets_go_of_its_duty(nodes):
    first, second = a_member(nodes), a_member(nodes)

    def job():
        first.drain()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        first.alone("sweep", job)()
    second.beat()
    assert second.on_duty("sweep")


def test_a_beat_that_comes_after_leaving_does_not_make_the_node_known_again(nodes):
    member = a_member(nodes)
    member.leave()
    member.beat()
    assert list(nodes.list()) == []


def test_who_drains_takes_up_no_duty(nodes):
    first, second = a_member(nodes), a_member(nodes)
    second.drain()
    first.leave()
    second.beat()
    assert not any(node.duties for node in nodes.list())


def test_a_store_that_is_away_keeps_nobody_from_leaving(nodes):
    member = a_member(nodes)

    def away(*_):
        raise Unavailable("away")

    nodes.beat = nodes.leave = nodes.let_go = away
    member.drain()
    member.leave()
    assert not member.on_duty("sweep")
