"""What a process tells operators of itself: where it looks, what keeps documents out, and which figures it has."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from adapters.stores.memory import MemoryStore
from adapters.testkit.stores.values import COUNTY, NOON, TOWN, Hands, kept, limits
from broker.errors import Unavailable
from broker.pressure import Ceilings
from config.bootstrap import surroundings
from config.operations import Operations, ceilings_of, folders_of
from config.pressure import Watch
from config.settings import OfKind, Settings


def some_settings(folder, **about):
    return Settings(seal=OfKind(kind="pem"), folder=folder, **about)


def folders(settings):
    return folders_of(settings, surroundings(settings, "store", lambda: "id"))


class Tells:
    """A way in that says when it is open."""

    def __init__(self):
        self.ready = Event()

    def serve(self, _accept, stop):
        stop.wait()


class Silent:
    """One that does not."""

    def serve(self, _accept, stop):
        stop.wait()


@pytest.fixture
def store():
    made = MemoryStore(Hands())
    made.enrol([limits(TOWN), limits(COUNTY)])
    return made


@pytest.fixture
def operations(tmp_path, store):
    watch = Watch(Ceilings(queue=2, office_queue=1), store=store, seal=lambda: None, folders=[tmp_path], patience=10)
    channels = {"tells": Tells(), "silent": Silent()}
    return Operations(some_settings(tmp_path), watch=watch, ledger=store, channels=channels, clock=lambda: NOON)


def look(operations):
    for probe in operations.watch.probes:
        probe.ask()
    operations.watch.look()


def conditions(operations, stop=None):
    return [(one.condition, one.partial) for one in operations.standings(stop or Event())]


def figures(operations):
    lines = operations.figures.text().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_the_disks_under_the_store_the_log_and_what_is_configured_are_watched(tmp_path):
    store, log, more = tmp_path / "data", tmp_path / "log", tmp_path / "more"
    settings = some_settings(
        tmp_path,
        store={"kind": "sql", "url": f"sqlite:///{store}/goniec.sqlite"},
        log={"file": "log/goniec.jsonl"},
        pressure={"folders": ["more"], "disk": 7},
    )
    assert folders(settings) == sorted([store, log, more])
    assert ceilings_of(settings).disk == 7


def test_a_store_elsewhere_and_a_log_that_is_a_device_have_no_disk_here(tmp_path):
    assert folders(some_settings(tmp_path, store={"kind": "sql", "url": "postgresql://db/goniec"})) == []
    assert folders(some_settings(tmp_path, store={"kind": "memory"}, log={"file": Path("/dev/full")})) == []


def test_it_is_not_ready_before_it_has_looked_and_its_ways_in_are_open(operations):
    assert conditions(operations) == [("starting", False), ("channel", False), ("channel", False)]
    look(operations)
    with operations.serving("tells"), operations.serving("silent"):
        assert [one.reason for one in operations.standings(Event())] == ["tells is not open"]
        operations._channels["tells"].ready.set()
        assert conditions(operations) == []
        assert figures(operations)['goniec_channel_open{channel="tells"}'] == 1
    assert conditions(operations) == [("channel", False), ("channel", False)]


def test_a_process_that_ends_says_so(operations):
    stop = Event()
    stop.set()
    assert ("draining", False) in conditions(operations, stop)


def test_full_queues_stand_in_the_way_of_all_or_of_some(operations, store):
    kept(store)
    look(operations)
    with operations.serving("silent"), operations.serving("tells"):
        operations._channels["tells"].ready.set()
        assert conditions(operations) == [("office-queue", True)]
        kept(store)
        look(operations)
        assert conditions(operations) == [("queue", False), ("office-queue", True)]
    found = figures(operations)
    assert found['goniec_pressure{condition="queue"}'] == 1
    assert found['goniec_pressure{condition="disk"}'] == 0
    assert found["goniec_offices_full"] == 1
    assert found[f'goniec_queued_deliveries{{office="{TOWN}"}}'] == 2


def test_what_is_not_known_is_left_out_rather_than_told_from_memory(operations, store):
    kept(store)
    look(operations)
    operations._stats.ask()
    assert figures(operations)["goniec_submissions"] == 1
    store.close()
    with pytest.raises(Unavailable):
        store.queued()
    look(operations)
    operations._stats.ask()
    told = figures(operations)
    assert not [name for name in told if name.startswith(("goniec_queued", "goniec_submissions", "goniec_deliveries"))]
    assert told['goniec_pressure{condition="store"}'] == 1
    assert told["goniec_memory_bytes"] > 10_000_000
