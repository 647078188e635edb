"""The store that the benchmark fills is one that the broker could have filled: everything in it is found and shown."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from adapters.stores import SqlStore
from adapters.stores.sql import rows
from adapters.testkit.stores.values import again
from broker.identity import delivery_id
from broker.model import Acceptance
from broker.ports import Filter
from broker.states import DeliveryState
from config import clock
from tests.benchmarks import filled
from tests.benchmarks.million import Store, measure

NUMBER = 250


@pytest.fixture(params=["sqlite", "postgres"])
def full(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'full.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_database")
    known = filled.fill(url, NUMBER, clock.now())
    store = SqlStore(url, clock=clock.now)
    yield store, known
    store.close()


def test_every_submission_is_whole_and_every_repeat_known(full):
    store, known = full
    assert len(known) == NUMBER
    for of in known:
        told = store.show(of)
        message = rows.fingerprint(told.submission)
        assert store.find(message) == told.receipt
        assert [(it.id, it.state) for it in told.deliveries] == [
            (delivery_id(message, told.submission.office), DeliveryState.DELIVERED)
        ]
        assert [event.name for event in told.events] == ["intake.accepted", "delivery.claimed", "delivery.acknowledged"]
        assert told.events[0].detail == told.submission.digest
        assert store.document(of)
    repeat = store.show(known[7])
    same = Acceptance(
        submission=repeat.submission, document=b"", receipt=repeat.receipt, report=repeat.report, deliveries=()
    )
    assert store.accept(again(same)) == repeat.receipt


def test_the_counts_agree(full):
    store, known = full
    stats = store.stats()
    assert (stats.submissions, stats.deliveries) == (NUMBER, {DeliveryState.DELIVERED: NUMBER})
    assert [it.submission.id for it in store.list(Filter(most=NUMBER))] == sorted(known, reverse=True)
    with store.read() as connection:
        places = connection.execute(text("SELECT batch, position FROM events ORDER BY id")).all()
    assert places == [divmod(place, 1000) for place in range(3 * NUMBER)]


def test_measuring_takes_in_hands_over_and_shows_on_both_stores(full, tmp_path):
    store, known = full
    empty = SqlStore(f"sqlite:///{tmp_path / 'empty.sqlite'}", clock=clock.now)
    few = filled.fill(f"sqlite:///{tmp_path / 'empty.sqlite'}", 5, clock.now())
    lines = measure(Store("empty", empty, few, set), Store("full", store, known, set), rounds=10)
    assert all(line.wall > 0 and line.cpu > 0 for line in lines)
    assert {line.operation.partition(":")[0] for line in lines} == {"intake", "claim, parcel, record", "show", "find"}
    assert empty.stats().deliveries == {DeliveryState.DELIVERED: 5 + 11}
    assert store.stats().deliveries == {DeliveryState.DELIVERED: NUMBER + 11}
    empty.close()
