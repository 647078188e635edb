"""Looking for what is late or stuck costs what is not final, however much was delivered; on both engines."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, insert, text

from adapters.stores import SqlStore, migrate
from adapters.stores.sql import rows
from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.tables import deliveries, events, overdue, submissions
from adapters.testkit.stores.quarantine import of, stuck
from adapters.testkit.stores.values import ACKNOWLEDGED, NOON, TOWN, Hands, a_letter, kept, limits
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
    steps, handed_over = set(), set()
    with store._reading.connect() as connection:
        for statement, parameters, many in asked:
            if statement.split()[0] in {"SELECT", "UPDATE", "INSERT", "DELETE"}:
                first = parameters[0] if many else parameters
                plan = connection.exec_driver_sql(
                    f"{explain} {statement}", first if isinstance(first, dict) else tuple(first)
                )
                found = {str(step[-1]) for step in plan}
                steps |= found
                if "delivered" in (first.values() if isinstance(first, dict) else first):  # and in no other state
                    handed_over |= found
    store.close()
    walked = {step for step in steps if re.search(r"Seq Scan on|\bSCAN\b", step)} - {UNMET}
    assert not [step for step in handed_over if re.search(r"deliveries_by_state \(state=\?(\)| AND submission>)", step)]
    assert not [step for step in walked if re.search("deliveries|submissions|events|overdue", step)], walked
    assert any("overdue_unmet" in step for step in steps)


def test_what_there_is_nothing_to_tell_of_never_meets_the_writer(url):
    """A backlog that was warned of waits for hours until it expires: it must not hold up those who write."""
    clock = Hands()
    store = SqlStore(url, clock=clock)
    store.enrol([limits(TOWN)])
    stuck(store), kept(store), a_question(store)
    written = []
    clock.pass_by(timedelta(hours=3))
    assert watch(store, clock)
    event.listen(store._writing, "before_cursor_execute", lambda *about: written.append(about[2]))
    assert watch(store, clock) == []
    store.close()
    assert written == []


def test_awaited_answers_are_locked_in_the_order_of_submissions(postgres_database):
    """As who takes answers in locks them: in contrary orders two nodes would wait for one another."""
    migrate(postgres_database)
    clock = Hands()
    store = SqlStore(postgres_database, clock=clock)
    store.enrol([limits(TOWN)])
    first, second = (replace(a_letter(), awaits_answer=True) for _ in range(2))
    for letter, sent in ((first, second), (second, first)):  # the ids of their deliveries are in contrary order
        store.accept(replace(letter, deliveries=(replace(letter.deliveries[0], id=of(sent)),)))
    for claim in store.claim(timedelta(hours=1), 2):
        store.record(claim, ACKNOWLEDGED)
    clock.pass_by(timedelta(hours=5))
    engine = open_engine(postgres_database, writes=True)
    lock = text("SELECT submission FROM awaited WHERE submission = :it FOR UPDATE NOWAIT")
    waits = text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    with ThreadPoolExecutor(1) as pool:
        with engine.connect() as answering, answering.begin():
            answering.execute(lock, {"it": first.submission.id})
            told = pool.submit(watch, store, clock)
            with engine.connect() as looking:
                while not looking.execute(waits).all():
                    assert not told.done()
                    time.sleep(0.05)
            answering.execute(lock, {"it": second.submission.id})  # raises if it is held by the one who waits
        assert told.result() == ["deadline.retrieval-warned"] * 2
    engine.dispose()
    store.close()
