"""Nodes on one PostgreSQL wake each other; a hint that is lost costs a moment and nothing else."""

from __future__ import annotations

import os
import resource
import threading
from contextlib import ExitStack
from threading import Event, Semaphore

import psycopg
import pytest
from structlog.testing import capture_logs

from adapters.stores import SqlStore, migrate
from adapters.stores.sql import hints
from adapters.testkit.stores.values import kept


class Ear:
    """A node that listens."""

    def __init__(self, url):
        self.store, self.rung, self._stop = SqlStore(url), Semaphore(0), Event()
        self._thread = threading.Thread(target=self.store.nodes.listen, args=(self.rung.release, self._stop))
        self._thread.start()

    def heard(self, within=20.0):
        return self.rung.acquire(timeout=within)

    def close(self):
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.store.close()


@pytest.fixture
def outages():
    """How often a node could not hear."""
    with capture_logs() as said:
        yield lambda: [one["event"] for one in said if one["event"].startswith("nodes.")]


@pytest.fixture
def ear(postgres_database, outages):
    """Makes nodes that listen already, and do so all the time."""
    migrate(postgres_database)
    with ExitStack() as ends:

        def make(url=postgres_database):
            made = Ear(url)
            ends.callback(made.close)
            assert made.heard()  # it rings itself when it begins: something may have been said before
            return made

        yield make


def cut_off(url):
    """End every connection that listens, as a fire wall or an operator would."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"
        ).fetchall()
    assert ended


def test_what_one_node_announces_the_others_hear_and_it_does_not(ear, outages):
    speaker, first, second = ear(), ear(), ear()
    speaker.store.nodes.announce()
    assert first.heard()
    assert second.heard()
    assert not speaker.heard(within=0.2)
    assert outages() == []


def test_a_node_hears_what_is_said_while_it_speaks_itself(ear, outages):
    nodes = [ear(), ear()]
    for _ in range(10):
        for node in nodes:
            node.store.nodes.announce()
    for node in nodes:
        assert node.heard()
    assert outages() == []


def test_announcements_that_come_together_are_few(ear, outages):
    speaker, other = ear(), ear()
    for _ in range(2000):
        speaker.store.nodes.announce()
    assert other.heard()
    number = 1
    while other.heard(within=0.5):
        number += 1
    assert number < 100
    assert outages() == []


def test_a_connection_that_was_cut_is_made_anew_and_what_may_have_been_missed_is_looked_for(
    ear, outages, postgres_database, monkeypatch
):
    monkeypatch.setattr(hints, "_AGAIN", 0.05)
    speaker, other = ear(), ear()
    cut_off(postgres_database)
    assert speaker.heard()  # each rings itself when it hears again
    assert other.heard()
    speaker.store.nodes.announce()
    assert other.heard()
    assert sorted(outages()) == ["nodes.deaf"] * 2 + ["nodes.hears-again"] * 2


@pytest.fixture
def many_descriptors():
    """Have the lowest 1,100 descriptors taken: a connection that is made then has a higher one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for one in taken:
        os.close(one)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_descriptors")
def test_a_node_with_thousands_of_connections_hears_as_well(ear, outages):
    speaker, other = ear(), ear()
    speaker.store.nodes.announce()
    assert other.heard()
    assert outages() == []


def test_a_bug_does_not_make_a_node_deaf_for_ever(postgres_database, monkeypatch, outages):
    monkeypatch.setattr(hints, "_AGAIN", 0.05)
    migrate(postgres_database)
    heard, stop, rung = Semaphore(0), Event(), []

    def ring():
        rung.append(1)
        if len(rung) == 1:
            raise ZeroDivisionError
        heard.release()

    store = SqlStore(postgres_database)
    thread = threading.Thread(target=store.nodes.listen, args=(ring, stop))
    thread.start()
    assert heard.acquire(timeout=20)
    stop.set()
    thread.join(20)
    store.close()
    assert outages() == ["nodes.bug", "nodes.hears-again"]


def test_taking_custody_announces_nothing_by_itself(ear):
    """NOTIFY in the accepting transaction would make all nodes' commits wait for each other."""
    speaker, other = ear(), ear()
    kept(speaker.store)
    assert not other.heard(within=0.3)


def test_who_announces_waits_for_nobody_even_when_the_database_is_gone(postgres_database, monkeypatch):
    monkeypatch.setattr(hints, "_AGAIN", 0.05)
    migrate(postgres_database)
    away = Ear(postgres_database.replace("127.0.0.1", "127.0.0.2"))  # nobody listens there
    for _ in range(10_000):
        away.store.nodes.announce()
    away.close()
