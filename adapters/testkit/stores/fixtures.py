"""What the custody suites are given: a clock set by hand and a way to open stores on the same data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from adapters.testkit.stores.values import COUNTY, TOWN, Hands, limits
from adapters.wire.kind import Custody

Connect = Callable[[], Custody]


class StoreFixtures:
    """Base of the suites: override `connect`."""

    @pytest.fixture
    def clock(self) -> Hands:
        """Return the clock that stores run on."""
        return Hands()

    @pytest.fixture
    def connect(self, clock: Hands) -> Iterator[Connect]:
        """Yield a function that opens one more store on the same data; close them all afterwards."""
        raise NotImplementedError("an implementation's suite says how to open it")

    @pytest.fixture
    def store(self, connect: Connect) -> Custody:
        """Return a store that knows two offices with wide limits."""
        store = connect()
        store.enrol([limits(TOWN), limits(COUNTY)])
        return store
