"""Looking for what is late or stuck costs what is not final, however much was delivered; on both engines."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import event, insert, text

from adapters.stores import SqlStore, migrate
from adapters.stores.sql import rows
from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.tables import deliveries, events, overdue, submissions
from adapters.testkit.stores.quarantine import of, stuck
from adapters.testkit.stores.values import NOON, TOWN, Hands, a_letter, kept, limits
from adapters.testkit.stores.watch import TIMES, a_question, watch
from broker.quarantine import Selection, selected
from broker.states import DeliveryState

DELIVERED = 5_000
UNMET = "SCAN overdue USING INDEX overdue_unmet"  # what is late and has not come about, no more


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """A store with much that was delivered, some of it late."""
    made = f"sqlite:///{tmp_path / 'store.sqlite'}"
    if request.param == "postgres":
        made = request.getfixturevalue("postgres_database")
    migrate(made)
    engine = open_engine(made, writes=True)
    letter = rows.submission_values(a_letter().submission)
    sent = rows.delivery_values(a_letter().deliveries[0])
    ids = [f"{number:08}" for number in range(DELIVERED)]
    late = {"stage": "delivery", "level": "expired", "at": NOON, "met_at": NOON}
    with engine.begin() as connection:
        connection.execute(insert(submissions), [{**letter, "id": f"a{it}"} for it in ids])
        connection.execute(
            insert(deliveries),
            [
                {**sent, "id": f"a{it}", "submission": f"a{it}", "state": "delivered", "claimable_at": None}
                for it in ids
            ],
        )
        connection.execute(insert(overdue), [{**late, "delivery": f"a{it}", "submission": f"a{it}"} for it in ids])
        told = {"at": NOON, "name": "intake.accepted", "delivery": None, "detail": "", "batch": 1, "position": 0}
        connection.execute(insert(events), [{**told, "submission": f"a{it}"} for it in ids])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return made


def test_what_was_delivered_is_not_walked(url):
    clock = Hands()
    store = SqlStore(url, clock=clock)
    store.enrol([limits(TOWN), limits("county")])
    letters = [stuck(store) for _ in range(5)]
    kept(store), a_question(store)
    asked = []
    for engine in (store._writing, store._reading):
        event.listen(engine, "before_cursor_execute", lambda *about: asked.append((about[2], about[3], about[5])))
    clock.pass_by(timedelta(hours=6))
    assert len(watch(store, clock, TIMES, wants=True)) > len(letters)
    store.watch.settle()
    assert sum(store.watch.late().values()) > len(letters)
    assert len(store.watch.owed()) > len(letters)
    assert len(store.quarantine.piles(Selection())) == 1
    assert len(list(selected(store.quarantine, Selection(), most=2))) == len(letters)
    assert list(selected(store.quarantine, Selection(ids=(of(letters[0]),))))
    store.quarantine.requeue([of(letters[0])], "again")
    store.quarantine.redirect([of(letters[1])], "county", "moved")
    assert sum(store.quarantine.unfinished().values()) == len(letters) + 1
    assert all(store.watch.evidence(letter.submission.id) for letter in letters)
    states = {one.state for one in store.show(letters[1].submission.id).deliveries}
    assert states == {DeliveryState.REDIRECTED, DeliveryState.WAITING}
    explain = "EXPLAIN QUERY PLAN" if url.startswith("sqlite") else "EXPLAIN"
    steps = set()
    with store._reading.connect() as connection:
        for statement, parameters, many in asked:
            if statement.split()[0] in {"SELECT", "UPDATE", "INSERT", "DELETE"}:
                first = parameters[0] if many else parameters
                plan = connection.exec_driver_sql(
                    f"{explain} {statement}", first if isinstance(first, dict) else tuple(first)
                )
                steps |= {str(step[-1]) for step in plan}
    store.close()
    walked = {step for step in steps if re.search(r"Seq Scan on|\bSCAN\b", step)} - {UNMET}
    assert not [step for step in walked if re.search("deliveries|submissions|events|overdue", step)], walked
    assert any("overdue_unmet" in step for step in steps)
