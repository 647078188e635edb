"""The simulation says what queueing theory says where theory has an answer, and keeps what the broker promises."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.arrivals import DAY, HOUR, MIX, WEEK, Load, skewed
from tests.benchmarks.costs import POSTGRES, SQLITE, Costs
from tests.benchmarks.queueing import Office, Outage, Plant, Simulation, percentile
from tests.benchmarks.stations import Core, Station, Timeline

FREE = Costs(**dict.fromkeys((field.name for field in fields(Costs)), 0.0))
NEAR = 0.08  # of 15,000 documents: means of queues converge slowly


def told(plant, load, costs, seed=1):
    return Simulation(plant, costs, seed).run(load.arrivals(seed))


def alone(**about):
    """A plant that hands nothing over: its store writes nothing but acceptances."""
    return Plant(offices=[Office()], threads=0, **about)


def for_documents(rate, number=15_000):
    return Load(rate=rate, seconds=number / rate)


# ── what theory knows ──


@pytest.mark.parametrize("busy", [0.3, 0.7])
def test_a_store_that_commits_one_by_one_is_an_m_d_1_queue(busy):
    story = told(
        alone(together=1, writes=10**9, room=10**9), for_documents(busy / 0.01), replace(FREE, transaction=0.01)
    )
    expected = 0.01 + busy * 0.01 / (2 * (1 - busy))  # Pollaczek and Khinchine
    assert statistics.fmean(story.to_receipt) == pytest.approx(expected, rel=NEAR)
    assert story.store == pytest.approx(busy, rel=NEAR)


@pytest.mark.parametrize("busy", [0.3, 0.7])
def test_a_core_that_is_shared_does_not_mind_who_is_large(busy):
    """M/G/1 with processor sharing: a document takes its own work over what is left of the core, whatever the mix."""
    costs = replace(FREE, octet=1e-6)
    mix = ((0.9, 5_000), (0.1, 50_000))
    load = replace(for_documents(busy / 0.0095), mix=mix)
    sizes = [arrival.octets for arrival in load.arrivals()]
    story = told(alone(room=10**9), load, costs)
    assert statistics.fmean(story.to_receipt) == pytest.approx(statistics.fmean(sizes) * 1e-6 / (1 - busy), rel=NEAR)
    assert story.nodes == [pytest.approx(busy, rel=NEAR)]


@pytest.mark.parametrize(("at_once", "busy"), [(1, 0.6), (2, 0.7), (8, 0.8)])
def test_an_office_that_takes_c_at_once_is_an_m_m_c_queue(at_once, busy):
    plant = Plant(offices=[Office(seconds=0.5, in_flight=at_once)], threads=1_000)
    story = told(plant, for_documents(busy * at_once / 0.5, 25_000), FREE)
    assert statistics.fmean(story.to_delivery) == pytest.approx(
        0.5 + erlang_c(at_once, busy) * 0.5 / at_once / (1 - busy), rel=NEAR
    )
    assert story.offices == [pytest.approx(busy, rel=NEAR)]
    waits = [took for took in story.to_receipt if took > 0]
    assert waits == []


def erlang_c(servers, busy):
    """The part of all that finds every server busy."""
    offered = servers * busy
    terms = [offered**k / math.factorial(k) for k in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - busy)
    return last / (sum(terms) + last)


def test_a_station_serves_in_order_by_so_many_servers():
    timeline, ended = Timeline(), []
    station = Station(timeline, 2)
    for name, seconds in (("a", 5.0), ("b", 1.0), ("c", 1.0), ("d", 4.0)):
        station.serve(seconds, lambda it: ended.append((it, timeline.now)), name)
    timeline.run()
    assert ended == [("b", 1.0), ("c", 2.0), ("a", 5.0), ("d", 6.0)]
    assert station.busy == 11.0


def test_a_core_is_shared_equally_from_moment_to_moment():
    timeline, ended = Timeline(), []
    core = Core(timeline)
    timeline.after(0.0, core.work, 3.0, lambda: ended.append(("first", timeline.now)))
    timeline.after(1.0, core.work, 1.0, lambda: ended.append(("second", timeline.now)))
    timeline.run()
    assert ended == [("second", 3.0), ("first", 4.0)]
    assert core.busy == 4.0


def test_writes_that_wait_share_a_transaction():
    """The store is asked for three times what it can do one by one; in groups of up to sixteen it holds."""
    costs = replace(FREE, transaction=0.01, acceptance=0.001)
    load = for_documents(300, 6_000)
    story = told(alone(together=16), load, costs)
    assert story.put_off == 0
    assert story.seconds < load.seconds + 1
    each = 6_000 / story.transactions
    assert story.store == pytest.approx((0.01 / each + 0.001) * 300, rel=0.02)
    assert percentile(story.to_receipt, 0.99) < 2 * (0.01 + 16 * 0.001)
    one_by_one = told(alone(together=1), load, costs)
    assert one_by_one.put_off > 0
    assert one_by_one.seconds == pytest.approx(6_000 * 0.011, rel=0.1)


def test_who_waits_for_a_flush_does_not_hold_the_store():
    costs = replace(FREE, transaction=0.001, flush=0.099)
    story = told(alone(nodes=10, together=1), for_documents(90, 3_000), costs)
    assert story.store == pytest.approx(0.09, rel=NEAR)
    assert story.put_off == 0
    assert min(story.to_receipt) == pytest.approx(0.1)


def test_a_token_bounds_what_the_nodes_can_do():
    story = told(alone(nodes=4, tokens=2), for_documents(40, 8_000), replace(FREE, document=0.001, token=0.04))
    assert story.token == pytest.approx(0.8, rel=NEAR)
    slower = told(alone(nodes=4, tokens=1), for_documents(40, 4_000), replace(FREE, document=0.001, token=0.04))
    assert slower.seconds == pytest.approx(4_000 * 0.04, rel=0.1)


# ── what the broker promises ──

OUTAGES = st.lists(
    st.builds(
        lambda begin, length, of: Outage(begin=begin, end=begin + length, **of),
        st.floats(0, 60),
        st.floats(0.5, 100),
        st.one_of(st.integers(0, 1).map(lambda it: {"node": it}), st.integers(0, 2).map(lambda it: {"office": it})),
    ),
    max_size=3,
    unique_by=lambda it: (it.node, it.office),
)


@settings(max_examples=25)
@given(outages=OUTAGES, room=st.integers(1, 50), office_queue=st.integers(5, 200), seed=st.integers(0, 1_000))
def test_every_document_has_one_receipt_and_is_delivered_once_whatever_goes_away(outages, room, office_queue, seed):
    offices = [Office(seconds=0.2), Office(seconds=0.05), Office(seconds=0.5, in_flight=4)]
    plant = Plant(offices=offices, nodes=2, room=room, office_queue=office_queue, outages=outages)
    load = Load(rate=8, seconds=60, shares=[1, 2, 3])
    run = Simulation(plant, replace(POSTGRES, document=0.15), seed)  # so long that a node dies over some
    story = run.run(load.arrivals(seed))
    number = sum(1 for _ in load.arrivals(seed))
    assert story.sent == len(story.to_receipt) == len(story.to_delivery) == number
    assert all(took >= 0 for took in itertools.chain(story.to_receipt, story.to_delivery))
    for desk in run.desks:
        assert (desk.open, desk.under_way, list(desk.waiting)) == (0, 0, [])
    for node in run.nodes:
        assert (node.intake, node.deliveries, node.free, node.up) == (set(), set(), plant.threads, True)
    assert len([it for it, _ in story.caught_up if it.office is not None]) == len(
        [it for it in outages if it.office is not None]
    )


@settings(max_examples=8)
@given(rate=st.floats(20, 80), seed=st.integers(0, 1_000), dies=st.booleans())
def test_more_nodes_never_make_it_worse(rate, seed, dies):
    """As long as the store is not what bounds it: there each node has transactions of its own."""
    offices = [Office(seconds=0.1, in_flight=20)] * 5
    outages = [Outage(begin=10, end=40, node=0)] if dies else []
    load = Load(rate=rate, seconds=30, shares=[1] * 5)
    stories = [
        told(Plant(offices=offices, nodes=nodes, lanes=4, outages=outages), load, POSTGRES, seed)
        for nodes in (1, 2, 4, 8)
    ]
    for fewer, more in itertools.pairwise(stories):
        for part in (0.5, 0.99):
            assert percentile(more.to_receipt, part) <= percentile(fewer.to_receipt, part) * 1.02
        assert statistics.fmean(more.to_receipt) <= statistics.fmean(fewer.to_receipt) * 1.02
        assert more.put_off <= fewer.put_off


@pytest.mark.parametrize("costs", [SQLITE, POSTGRES], ids=["sqlite", "postgres"])
def test_the_same_seed_gives_the_same_story_and_another_seed_another(costs):
    plant = Plant(
        offices=[Office()] * 3, nodes=2, outages=[Outage(begin=5, end=15, node=1), Outage(begin=3, end=20, office=2)]
    )
    load = Load(rate=10, seconds=60, shares=[1, 1, 1], mix=MIX)
    assert told(plant, load, costs, seed=7) == told(plant, load, costs, seed=7)
    assert told(plant, load, costs, seed=7) != told(plant, load, costs, seed=8)


def test_an_office_catches_up_as_fast_as_it_can_take_more_than_comes():
    office = Office(seconds=0.5, in_flight=4)  # eight a second
    plant = Plant(offices=[office], outages=[Outage(begin=100, end=1_900, office=0)])
    story = told(plant, Load(rate=2, seconds=4_000), FREE)
    [(_, seconds)] = story.caught_up
    assert seconds == pytest.approx(1_800 * 2 / (8 - 2), rel=0.15)
    assert story.most_waiting == pytest.approx(1_800 * 2, rel=0.1)


def test_what_a_dead_node_held_is_taken_over_when_its_lease_has_ended():
    plant = Plant(
        offices=[Office(seconds=5.0, in_flight=50)], nodes=2, lease=60.0, outages=[Outage(begin=20, end=50, node=0)]
    )
    story = told(plant, Load(rate=4, seconds=60), replace(FREE, document=0.05))
    [(_, seconds)] = story.caught_up
    assert 60 < seconds < 120
    assert story.repeats > 0
    late = [took for took in story.to_delivery if took > 60]
    assert 1 <= len(late) <= 16  # no more than a node has threads


def test_whoever_finds_no_room_is_told_to_come_back_and_comes_back():
    story = told(alone(room=5), Load(rate=200, seconds=10), replace(FREE, document=0.01))
    assert story.put_off > 0
    assert len(story.to_receipt) == story.sent
    assert min(story.to_receipt) < 0.1
    assert max(story.to_receipt) > 5


def test_a_queue_that_is_full_for_one_office_puts_off_its_documents_alone():
    offices = [Office(seconds=0.1), Office(seconds=0.1)]
    plant = Plant(offices=offices, office_queue=20, outages=[Outage(begin=0, end=100, office=0)])
    put_off = told(plant, Load(rate=4, seconds=60, shares=[1, 1]), FREE)
    assert put_off.put_off > 0
    prompt = [took for took in put_off.to_receipt if took < 1]
    assert len(prompt) == pytest.approx(put_off.sent / 2 + 20, rel=0.2)


def test_attempts_at_an_office_that_is_down_are_the_breakers_probes():
    """Of 1,800 documents that wait for a dead office no more are tried than one each time that it has cooled."""
    plant = Plant(offices=[Office(seconds=0.1)], outages=[Outage(begin=0, end=900, office=0)])
    run = Simulation(plant, replace(FREE, handover=1.0))
    story = run.run(Load(rate=2, seconds=900).arrivals())
    tries = story.nodes[0] * story.seconds - story.sent
    assert 900 / (30 + 1) - 2 <= tries <= 900 / 30 + 5 + 2


# ── the load ──


def test_a_week_has_the_mean_that_was_asked_for_and_a_morning_three_times_it():
    load = Load(rate=0.2, seconds=7 * DAY, hours=WEEK)
    times = [arrival.at for arrival in load.arrivals()]
    assert len(times) == pytest.approx(0.2 * 7 * DAY, rel=0.02)
    assert times == sorted(times)
    mean = sum(WEEK) / len(WEEK)
    for hour in (9, 3 * 24 + 9, 6 * 24 + 12):
        came = sum(1 for at in times if hour * HOUR <= at < (hour + 1) * HOUR)
        assert came == pytest.approx(0.2 * HOUR * WEEK[hour] / mean, rel=0.2)
    assert max(WEEK) / mean > 2


def test_sizes_and_offices_come_in_the_shares_that_were_asked_for():
    shares = skewed(2_500, 0.1)
    arrivals = list(Load(rate=100, seconds=300, shares=shares, mix=MIX).arrivals())
    for share, octets in MIX[:3]:
        assert sum(it.octets == octets for it in arrivals) / len(arrivals) == pytest.approx(share, rel=0.1)
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert sum(it.office == 0 for it in arrivals) / len(arrivals) == pytest.approx(0.1, rel=0.1)
    assert max(it.office for it in arrivals) > 2_400
