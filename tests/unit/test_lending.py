"""An office is used by one thread at a time, kept when it behaves, thrown away when it breaks its contract."""

from __future__ import annotations

import pytest

from broker.errors import Refused, Unavailable
from broker.model import OfficeId
from config.lending import OfficePool

TOWN = OfficeId("town")


class Recorder:
    closed = 0

    def deliver(self, parcel):
        return ""

    def check(self):
        return None

    def close(self):
        self.closed += 1


def test_an_office_that_behaved_is_used_again():
    pool = OfficePool({TOWN: Recorder})
    with pool.lend(TOWN) as first:
        pass
    with pool.lend(TOWN) as second:
        assert second is first


def test_two_threads_at_once_get_two():
    pool = OfficePool({TOWN: Recorder})
    with pool.lend(TOWN) as first, pool.lend(TOWN) as second:
        assert second is not first


@pytest.mark.parametrize("answer", [Unavailable("down"), Refused("no")])
def test_an_answer_within_the_contract_keeps_the_office(answer):
    pool = OfficePool({TOWN: Recorder})
    with pytest.raises(type(answer)), pool.lend(TOWN) as first:
        raise answer
    with pool.lend(TOWN) as second:
        assert second is first


def test_a_broken_contract_closes_it_and_nobody_gets_it_again():
    pool = OfficePool({TOWN: Recorder})
    with pytest.raises(ZeroDivisionError), pool.lend(TOWN) as first:
        raise ZeroDivisionError
    assert first.closed == 1
    with pool.lend(TOWN) as second:
        assert second is not first


def test_an_unknown_office_is_unavailable_here():
    with pytest.raises(Unavailable), OfficePool({}).lend(TOWN):
        pass


def test_closing_closes_what_is_idle():
    pool = OfficePool({TOWN: Recorder})
    with pool.lend(TOWN) as idle:
        pass
    pool.close()
    assert idle.closed == 1
