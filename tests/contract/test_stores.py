"""One suite, every store."""

from __future__ import annotations

import pytest

from adapters.stores import MemoryStore, SqlStore, migrate
from adapters.testkit.stores import ClaimSuite, CustodySuite, LeaseSuite, LedgerSuite


class TestMemory(CustodySuite, ClaimSuite, LeaseSuite, LedgerSuite):
    @pytest.fixture
    def connect(self, clock):
        store = MemoryStore(clock, refusals_per_hour=5)
        yield lambda: store
        store.close()


class TestSqlite(CustodySuite, ClaimSuite, LeaseSuite, LedgerSuite):
    @pytest.fixture
    def connect(self, clock, tmp_path):
        yield from opener(f"sqlite:///{tmp_path / 'store.sqlite'}", clock)


class TestPostgres(CustodySuite, ClaimSuite, LeaseSuite, LedgerSuite):
    @pytest.fixture
    def connect(self, clock, postgres_database):
        migrate(postgres_database)
        yield from opener(postgres_database, clock)


def opener(url, clock):
    opened = []

    def connect():
        store = SqlStore(url, clock=clock, refusals_per_hour=5)
        opened.append(store)
        return store

    yield connect
    for store in opened:
        store.close()
