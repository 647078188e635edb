"""One suite, every store."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from adapters.stores import AtRest, ContentKey, MemoryStore, SqlStore, migrate
from adapters.testkit.stores import (
    AnswerSuite,
    ClaimSuite,
    CopySuite,
    CustodySuite,
    JournalSuite,
    LeaseSuite,
    LedgerSuite,
    NodeSuite,
    ProbeSuite,
    ProofSuite,
    QuarantineSuite,
    ReconcileSuite,
    RetentionSuite,
    TokenSuite,
    WatchSuite,
)


class Suites(
    CopySuite,
    CustodySuite,
    TokenSuite,
    ClaimSuite,
    ProbeSuite,
    LeaseSuite,
    ProofSuite,
    LedgerSuite,
    NodeSuite,
    ReconcileSuite,
    RetentionSuite,
    WatchSuite,
    AnswerSuite,
    QuarantineSuite,
    JournalSuite,
):
    """All that every store passes."""


class TestMemory(Suites):
    @pytest.fixture
    def connect(self, clock):
        store = MemoryStore(clock, refusals_per_hour=5)
        yield lambda: store
        store.close()


class TestSqlite(Suites):
    @pytest.fixture
    def connect(self, clock, tmp_path):
        yield from opener(f"sqlite:///{tmp_path / 'store.sqlite'}", clock)


class TestPostgres(Suites):
    @pytest.fixture
    def connect(self, clock, postgres_database):
        migrate(postgres_database)
        yield from opener(postgres_database, clock)


class TestEncrypted(CustodySuite, ProofSuite):
    @pytest.fixture
    def connect(self, clock, tmp_path):
        key = ContentKey.of(SecretStr("ab" * 32), "key")
        yield from opener(f"sqlite:///{tmp_path / 'store.sqlite'}", clock, AtRest([key]))


def opener(url, clock, at_rest=None):
    opened = []

    def connect():
        store = SqlStore(url, clock=clock, refusals_per_hour=5, at_rest=at_rest)
        opened.append(store)
        return store

    yield connect
    for store in opened:
        store.close()
