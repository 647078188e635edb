"""Chaining on real databases: late commits, rivals, a chainer that is killed, and what walks through a large table."""

from __future__ import annotations

import io
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.exc import OperationalError

from adapters.stores import SqlStore, migrate
from adapters.stores.sql import journal as sql_journal
from adapters.stores.sql import rows
from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.journal_rows import entries_of
from adapters.stores.sql.tables import events
from adapters.testkit.stores.journal import chain_all, hold_together
from adapters.testkit.stores.values import Hands, at_once, kept
from broker.errors import Unavailable
from config.journal_verify import Believed, check_file, check_store, export
from tests.crash.planted import BUGS
from tests.journals import an_event, chain_and_seal, fill
from tests.receipts import ISSUED, TRUST


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    made = request.getfixturevalue("postgres_database")
    migrate(made)
    return made


@pytest.fixture
def store(url):
    store = SqlStore(url, clock=lambda: ISSUED)
    yield store
    store.close()


@pytest.fixture
def postgres(postgres_database):
    migrate(postgres_database)
    store = SqlStore(postgres_database)
    yield store
    store.close()


def left_out_by(store):
    """Take an id first and commit last; return whether the event was left out of the journal for ever."""
    slow = open_engine(store._writing.url.render_as_string(hide_password=False), writes=True)
    with slow.connect() as late:
        with late.begin():
            late.execute(insert(events), [rows.event_values(an_event(1, detail="late"))])
            kept(store)  # takes a later id, and is committed first
            chain_all(store)
        kept(store)
        chain_all(store)
    slow.dispose()
    with store.read() as connection:
        (row,) = connection.execute(text("SELECT id, batch, position FROM events WHERE detail = 'late'"))
        first = connection.execute(text("SELECT max(id) FROM events WHERE batch = 1")).scalar_one()
    assert row.id < first  # it did come late
    return row.batch is None


def test_an_event_whose_commit_comes_late_goes_into_the_next_batch(postgres):
    assert not left_out_by(postgres)
    hold_together(postgres)
    account = check_store(postgres.journal, Believed(), lambda *_: None)
    assert (account.sound, account.window.events) == (True, 0)


def test_chaining_what_comes_after_the_last_id_leaves_late_commits_out(postgres, monkeypatch):
    """The bug that is planted here is the one that `batch IS NULL` is there against."""
    monkeypatch.setattr(sql_journal, "_UNCHAINED", sql_journal._UNCHAINED)
    BUGS["chained-after-the-last-id"]()
    assert left_out_by(postgres)


def test_an_event_of_a_transaction_that_is_taken_back_leaves_no_gap_in_the_journal(store):
    kept(store)
    with store._writing.connect() as connection, connection.begin() as transaction:
        connection.execute(insert(events), [rows.event_values(an_event(1))])
        transaction.rollback()
    kept(store)
    chain_all(store)
    hold_together(store)


def test_many_stores_chain_at_once_and_the_journal_is_one(url):
    nodes = [SqlStore(url, clock=Hands()) for _ in range(4)]
    fill(nodes[0], 400)
    while nodes[0].journal.lag().unchained:
        at_once([lambda node=node: node.journal.chain(7) for node in nodes])
    hold_together(nodes[0])
    assert nodes[0].journal.last().number * 7 >= 400
    for node in nodes:
        node.close()


def test_what_is_chained_in_one_transaction_is_taken_back_with_it(store, monkeypatch):
    """A batch without its events, or events of a batch that is not there: neither is ever committed."""
    fill(store, 10)
    broken = sql_journal._CHAIN.values(position=text("no_such_column"))
    monkeypatch.setattr(sql_journal, "_CHAIN", broken)
    with pytest.raises(Exception, match="store"):
        store.journal.chain(5)
    monkeypatch.undo()
    assert store.journal.last() is None
    chain_all(store, 5)
    hold_together(store)
    assert store.journal.lag().unchained == 0


CHAINER = """
import sys
from adapters.stores import SqlStore
from datetime import datetime, UTC
store = SqlStore(sys.argv[1], clock=lambda: datetime.now(UTC))
print("up", flush=True)
while store.journal.chain(1) is not None:
    pass
print("done", flush=True)
"""


def test_a_chainer_that_is_killed_is_followed_by_one_that_goes_on(url, store):
    fill(store, 3000)
    for _ in range(3):
        chainer = subprocess.Popen([sys.executable, "-c", CHAINER, url], stdout=subprocess.PIPE)
        assert chainer.stdout.readline() == b"up\n"
        before = store.journal.last()
        while store.journal.last() == before:
            time.sleep(0.005)
        chainer.send_signal(signal.SIGKILL)
        chainer.communicate()
    assert store.journal.lag().unchained
    chain_and_seal(store, 1000)
    hold_together(store)
    assert check_store(store.journal, Believed(trust=TRUST), lambda *_: None).sound


def test_no_question_about_the_journal_walks_through_all_events(tmp_path):
    """SQLite tells its plan: what is not chained is found in an index that holds nothing else."""
    store = SqlStore(f"sqlite:///{tmp_path / 'store.sqlite'}", clock=lambda: ISSUED)
    fill(store, 50)
    asked = []
    for engine in (store._writing, store._reading):
        event.listen(engine, "before_cursor_execute", lambda *about: asked.append((about[2], about[3], about[5])))
    chain_and_seal(store, 20)
    store.journal.keep_stamp(1, b"stamp")
    store.journal.unstamped()
    for about in ({}, {"sealed": True}, {"stamped": True}):
        store.journal.last(**about)
    store.journal.batches(1)
    store.journal.entries(1)
    store.journal.about("s00000001")
    store.journal.strays()
    store.journal.lag()
    plans = set()
    with store._reading.connect() as connection:
        for statement, parameters, many in asked:
            if statement.split()[0] in {"SELECT", "UPDATE", "INSERT", "WITH"}:
                first = parameters[0] if many else parameters
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(first))
                plans |= {step.detail for step in plan}
    store.close()
    walks = {step for step in plans if step.startswith("SCAN")}
    live = {"events_unchained", "batches_unsealed", "batches_unstamped"}
    assert {step for step in walks if "events" in step and not any(index in step for index in live)} == set()
    assert {step for step in plans if "TEMP B-TREE" in step and "events" in step} == set()


# ── rows that no version of ours could have written ──


@pytest.fixture
def lite(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'store.sqlite'}", clock=lambda: ISSUED)
    fill(store, 40)
    chain_and_seal(store, 20)
    yield store
    store.close()


def do(store, statement):
    with store._writing.begin() as connection:
        assert connection.execute(text(statement)).rowcount == 1


def found_in(store):
    """What is found in the store, and in its export: the same."""
    account = check_store(store.journal, Believed(trust=TRUST), lambda *_: None)
    file = io.BytesIO()
    export(store.journal, file, ISSUED, lambda *_: None)
    file.seek(0)
    elsewhere, _ = check_file(file, Believed(trust=TRUST), lambda *_: None)
    found = {(one.kind, one.batch, one.event) for one in account.found}
    assert {(one.kind, one.batch, one.event) for one in elsewhere.found} == found
    return found


CHANGED = {("event-changed", 1, 7)}
NOT_TEXT = "CAST(X'ff' AS TEXT)"  # SQLite takes it, and the driver does not give it out


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("at = 9000000000000000000", CHANGED),
        ("at = 'noon'", CHANGED),
        ("at = X'00'", CHANGED),
        ("name = CAST(name AS BLOB)", CHANGED),
        (f"name = {NOT_TEXT}", CHANGED),
        ("submission = X'00'", CHANGED),
        ("delivery = X'00'", CHANGED),
        ("detail = CAST(detail AS BLOB)", CHANGED),
        (f"detail = {NOT_TEXT}", CHANGED),
        ("leaf = 'leaf'", {("leaf-changed", 1, 7)}),
        ("position = X'00'", {("event-moved", 1, 7)}),
        ("position = 'six'", {("event-moved", 1, 7)}),
        ("batch = X'00'", {("event-missing", 1, None), ("event-inserted", None, 7)}),
    ],
)
def test_an_event_that_cannot_be_read_is_told_as_changed_and_the_others_are_looked_at(lite, change, found):
    do(lite, f"UPDATE events SET {change} WHERE id = 7")
    assert found_in(lite) == found
    do(lite, "UPDATE events SET detail = 'x' WHERE id = 30")
    assert found_in(lite) == found | {("event-changed", 2, 30)}


@pytest.mark.parametrize("at", ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01"])
def test_a_moment_that_only_postgresql_can_tell_is_told_as_changed(postgres, at):
    fill(postgres, 40)
    chain_and_seal(postgres, 20)
    do(postgres, f"UPDATE events SET at = '{at}' WHERE id = 7")
    assert found_in(postgres) == CHANGED
    fill(postgres, 1, start=40)
    do(postgres, f"UPDATE events SET at = '{at}' WHERE id = (SELECT max(id) FROM events)")
    with pytest.raises(Unavailable, match="event 41"):
        postgres.journal.chain(100)


class Failing:
    """A connection that is lost after so many statements."""

    def __init__(self, connection, number):
        self._connection, self._left = connection, number

    def execute(self, *words):
        if not self._left:
            raise OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))
        self._left -= 1
        return self._connection.execute(*words)


def test_a_store_that_goes_away_while_a_strange_event_is_read_changes_no_verdict(lite):
    """Each event, and each column of that one, is asked by itself then: none may count as changed because it could not be asked."""
    do(lite, "UPDATE events SET name = X'00' WHERE id = 7")
    asked = (sql_journal._OF, {"number": 1})
    with lite.read() as connection:
        whole = entries_of(connection, *asked)
        for number in range(1000):
            try:
                found = entries_of(Failing(connection, number), *asked)
            except OperationalError:
                continue
            break
    assert (found, len(found)) == (whole, 20)
    assert number > 20 + 8  # the event's columns came after all events


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ("at = 'noon'", {"head-differs", "seal-differs"}),
        ("size = 'x'", {"head-differs", "seal-differs", "size-differs"}),
        ("root = 'x'", {"head-differs", "seal-differs", "root-differs"}),
        ("previous = 'x'", {"head-differs", "seal-differs", "link-broken"}),
        ("head = 'x'", {"head-differs", "seal-differs"}),
        ("sealed = 'x'", {"seal-differs"}),
        ("stamp = 'x'", {"stamp-broken"}),
    ],
)
def test_a_batch_that_cannot_be_read_is_told_by_its_number(lite, change, kinds):
    do(lite, f"UPDATE batches SET {change} WHERE number = 1")
    assert {(kind, number) for kind, number, _ in found_in(lite)} >= {(kind, 1) for kind in kinds}


@pytest.mark.parametrize(
    "change", ["at = 'noon'", "name = X'00'", f"name = {NOT_TEXT}", "detail = X'00'", "submission = X'00'"]
)
def test_an_event_that_cannot_be_read_is_not_chained_and_is_named(lite, change):
    fill(lite, 5, start=40)
    do(lite, f"UPDATE events SET {change} WHERE id = 43")
    with pytest.raises(Unavailable, match="event 43"):
        lite.journal.chain(100)
    account = check_store(lite.journal, Believed(trust=TRUST), lambda *_: None)
    assert (account.sound, account.window.events) == (True, 5)
    assert account.window.since <= ISSUED + timedelta(milliseconds=40)


@pytest.mark.parametrize("change", ["at = 'noon'", "head = 'x'", "root = 'x'"])
def test_nothing_is_chained_to_a_batch_that_cannot_be_read_and_it_is_not_sealed(lite, change):
    fill(lite, 5, start=40)
    do(lite, f"UPDATE batches SET {change}, sealed = NULL WHERE number = 2")
    for step in (lambda: lite.journal.chain(100), lite.journal.unsealed, lite.journal.unstamped):
        with pytest.raises(Unavailable, match="batch 2"):
            step()
