"""One suite, every store."""

from __future__ import annotations

import pytest

from adapters.stores.memory import MemoryStore
from adapters.testkit.stores import ClaimSuite, CustodySuite, LedgerSuite


class TestMemory(CustodySuite, ClaimSuite, LedgerSuite):
    @pytest.fixture
    def connect(self, clock):
        store = MemoryStore(clock, refusals_per_hour=5)
        yield lambda: store
        store.close()
