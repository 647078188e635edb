"""The migrations make what the queries expect, and what the hot path asks is answered from an index."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, text

from adapters.stores import SqlStore, migrate
from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.tables import metadata
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    LEASE,
    NOON,
    Hands,
    a_letter,
    a_refusal,
    again,
    fingerprint,
    kept,
    limits,
)
from broker.custody import READMITTED


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    made = f"sqlite:///{tmp_path / 'store.sqlite'}"
    if request.param == "postgres":
        made = request.getfixturevalue("postgres_database")
    migrate(made)
    return made


def test_the_migrations_make_the_tables_that_queries_see(url):
    engine = open_engine(url, writes=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_no_step_of_the_hot_path_walks_a_table_that_grows(tmp_path):
    """SQLite tells its plan for each statement: offices and seals are few and may be scanned, nothing else.

    What waits in a queue is walked in its order, and the walk ends with what was asked for.
    """
    clock = Hands()
    store = SqlStore(f"sqlite:///{tmp_path / 'store.sqlite'}", clock=clock)
    store.enrol([limits()])
    asked = []
    for engine in (store._writing, store._reading):
        event.listen(engine, "before_cursor_execute", lambda *about: asked.append((about[2], about[3], about[5])))
    letter = kept(store)
    store.refuse(a_refusal())
    (claim,) = store.claim(LEASE)
    store.parcel(claim)
    store.renew(claim, LEASE)
    store.release(claim)
    (claim,) = store.claim(LEASE)
    store.record(claim, ACKNOWLEDGED)
    store.find(fingerprint(letter))
    store.find(fingerprint(again(letter, message_id="another")))
    store.accept(again(letter, message_id="one more"))
    store.first_use("token", clock.now + LEASE)
    store.forget_use("token")
    graced = replace(a_letter(), recheck=True)
    store.accept(graced)
    store.awaiting()
    store.settle(graced.submission.id, "verify.rechecked", "passed", b"{}")
    store.unstamped()
    store.stamp(letter.receipt.id, b"<stamped/>", NOON)
    store.keep_seal("a" * 64, b"PEM", NOON)
    store.seals()
    store.show(letter.submission.id)
    store.document(letter.submission.id)
    plans = []
    with store._reading.connect() as connection:
        for statement, parameters, many in asked:
            if statement.split()[0] in {"SELECT", "UPDATE", "INSERT", "DELETE"}:
                first = parameters[0] if many else parameters
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(first))
                plans += [step.detail for step in plan]
    store.close()
    assert any("deliveries_live" in step for step in plans)
    walks = {step for step in plans if step.startswith("SCAN")}
    in_order = {step for step in walks if re.fullmatch(r"SCAN unstamped USING COVERING INDEX \w+", step)}
    assert len(in_order) == 1
    assert walks - in_order <= {"SCAN offices", "SCAN seals", "SCAN anon_1"}  # anon_1: the queue, cut to length


def test_who_has_answered_what_is_taken_back_is_told_by_an_index(url):
    """Else each document that is taken back would walk all that came after it."""
    store = SqlStore(url, clock=Hands())
    taken_back = replace(a_letter(notes=(READMITTED,)), awaits_answer=True)
    for number in range(20):
        kept(store, in_reply_to="" if number else "x" * 10_000)
    kept(store, in_reply_to=taken_back.submission.id, box="/citizen/box")
    asked = []
    event.listen(store._writing, "before_cursor_execute", lambda *about: asked.append((about[2], about[3])))
    store.accept(taken_back)
    assert not store.watch.awaits_answer(taken_back.submission.id)
    ((statement, parameters),) = [one for one in asked if "length(in_reply_to)" in one[0]]
    with store._reading.connect() as connection:
        how = "EXPLAIN"
        if connection.dialect.name == "sqlite":
            how = "EXPLAIN QUERY PLAN"
        else:
            connection.exec_driver_sql(
                "SET LOCAL enable_seqscan = off"
            )  # it takes its time to notice that there is more
        plan = [str(row[-1]) for row in connection.exec_driver_sql(f"{how} {statement}", parameters)]
    store.close()
    (look,) = [step for step in plan if "submissions" in step]
    assert re.search(r"submissions_in_reply\b", look)


def test_a_message_is_looked_up_in_two_selects_and_only_a_new_id_of_a_known_one_is_written(url):
    store = SqlStore(url, clock=Hands())
    letter = kept(store)
    read, written = [], []
    for engine, asked in ((store._reading, read), (store._writing, written)):
        event.listen(engine, "before_cursor_execute", lambda *about, asked=asked: asked.append(about[2].split()[0]))

    def costs(message):
        del read[:], written[:]
        store.find(fingerprint(message))
        assert set(read) <= {"BEGIN", "SELECT"}
        return read.count("SELECT"), bool(written)

    assert costs(a_letter()) == (2, False)
    assert costs(a_letter(message_id="")) == (1, False)
    assert costs(letter) == (1, False)
    assert costs(again(letter, message_id="")) == (1, False)
    assert costs(again(letter, message_id="another")) == (2, True)
    assert costs(again(letter, message_id="another")) == (1, False)
    store.close()


def test_every_event_waits_for_a_batch_of_the_journal(url):
    store = SqlStore(url, clock=Hands())
    kept(store)
    with store._reading.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM events WHERE batch IS NULL")).scalar() == 1
    store.close()
