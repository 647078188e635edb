"""What retention leaves behind on each engine: files and tables that are smaller, and no word of what was removed."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from adapters.stores import SqlStore, migrate
from adapters.stores.sql import partitions
from adapters.stores.sql.retention import PAGES
from adapters.testkit.stores.values import ACKNOWLEDGED, COUNTY, LEASE, REFUSED, TOWN, Hands, kept, limits
from broker.errors import Unavailable
from broker.retention import Rule, Rules, Terms

DECEMBER = datetime(2025, 12, 15, tzinfo=UTC)
NOW = datetime(2026, 2, 10, tzinfo=UTC)
ALL = Terms(rules=Rules((Rule(keep=timedelta(days=20)),)), at=NOW)
LARGE = 400_000


def set_to(moment):
    """A clock that shows this moment."""
    clock = Hands()
    clock.now = moment
    return clock


def large(number=0):
    """A document that no engine can compress."""
    return number.to_bytes(4, "big") + os.urandom(LARGE)


def ended(store, document, *, how=ACKNOWLEDGED, **about):
    letter = kept(store, document, **about)
    for claim in store.claim(LEASE, 10):
        store.record(claim, how)
    return letter


def prune(store):
    return store.retention.prune(ALL, store.retention.look(ALL).due)


def give_back(store, at=NOW):
    steps = 0
    while store.retention.give_back(at):
        steps += 1
    return steps


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def file(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.fixture
def in_file(file):
    store = SqlStore(f"sqlite:///{file}", clock=set_to(NOW))
    store.enrol([limits(TOWN), limits(COUNTY)])
    yield store
    store.close()


def bytes_of(file):
    return sum(one.stat().st_size for one in file.parent.iterdir())


def test_sqlite_gives_the_space_back_to_the_file_system_in_steps(in_file, file):
    letters = [ended(in_file, large(number), accepted_at=DECEMBER) for number in range(30)]
    new = ended(in_file, large(), accepted_at=NOW)
    before = bytes_of(file)
    assert before > 31 * LARGE
    assert len(prune(in_file)) == len(letters)
    assert bytes_of(file) >= before
    steps = give_back(in_file)
    assert steps >= 30 * LARGE // 4096 // PAGES
    assert bytes_of(file) < 3 * LARGE
    assert file.with_name("store.sqlite-wal").stat().st_size == 0
    assert in_file.document(new.submission.id) == new.document
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_giving_back_does_not_hold_up_what_comes_in_meanwhile(in_file, file):
    for number in range(30):
        ended(in_file, large(number), accepted_at=DECEMBER)
    prune(in_file)
    done = threading.Event()
    taken = []

    def send():
        while not done.is_set():
            taken.append(kept(in_file, b"<letter/>", accepted_at=NOW))

    with closing(sqlite3.connect(file)) as reader:  # one that reads all the time keeps the log from being cut
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM submissions").fetchall()
        thread = threading.Thread(target=send)
        thread.start()
        try:
            give_back(in_file)
        finally:
            done.set()
            thread.join()
    assert taken
    assert all(in_file.document(one.submission.id) == one.document for one in taken)
    assert bytes_of(file) > file.stat().st_size  # the log is still there: the reader stood in the way
    give_back(in_file)
    assert file.with_name("store.sqlite-wal").stat().st_size == 0


def test_who_asks_for_the_parcel_of_a_removed_document_is_told_when_it_went(in_file):
    letter = kept(in_file, b"<letter/>", accepted_at=DECEMBER)
    (claim,) = in_file.claim(LEASE)
    in_file.record(claim, ACKNOWLEDGED)
    assert len(prune(in_file)) == 1
    with pytest.raises(Unavailable, match=f"removed at {NOW:%Y-%m-%d}"):
        in_file.parcel(claim)
    assert in_file.show(letter.submission.id).receipt == letter.receipt


def test_on_sqlite_what_was_removed_is_gone_from_the_file(in_file, file):
    kept(
        in_file,
        b"<letter>44051401359</letter>" * 1000,
        accepted_at=DECEMBER,
        trial=True,
        file_name="pesel-44051401359.xml",
        case="44051401359",
        reply_to="/44051401359/box",
        message_id="44051401359",
    )
    prune(in_file)
    give_back(in_file)
    in_file.close()
    assert b"44051401359" not in b"".join(one.read_bytes() for one in file.parent.iterdir())


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def in_server(postgres_database):
    migrate(postgres_database)
    store = SqlStore(postgres_database, clock=set_to(NOW))
    store.enrol([limits(TOWN), limits(COUNTY)])
    yield store
    store.close()


@contextmanager
def server(url, *, autocommit=True):
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=autocommit) as connection:
        yield connection


@pytest.fixture
def ask(postgres_database):
    with server(postgres_database) as connection:
        yield lambda query: connection.execute(query).fetchone()[0]


def takes(ask):
    """What all months take, indexes and TOAST included."""
    return ask("SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'content'::regclass")


def months(ask):
    return ask(
        "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY 1) FROM pg_inherits"
        " JOIN pg_class ON oid = inhrelid WHERE inhparent = 'content'::regclass AND relkind = 'r'"
    )


def test_postgresql_drops_a_month_in_which_nothing_is_left(in_server, ask):
    for number in range(10):
        ended(in_server, large(number), accepted_at=DECEMBER)
    new = ended(in_server, large(), accepted_at=NOW)
    assert months(ask) == "content_2025_12 content_2026_02"
    before = takes(ask)
    prune(in_server)
    assert takes(ask) >= before - 10 * 8192  # the rows are dead, their pages are still there
    assert give_back(in_server) == 1
    assert months(ask) == "content_2026_02"
    assert takes(ask) < before / 5
    assert in_server.document(new.submission.id) == new.document
    late = ended(in_server, b"<letter/>", accepted_at=DECEMBER)  # a clock that has gone wrong: the month is made anew
    assert in_server.document(late.submission.id) == late.document


def test_a_month_in_which_anything_is_left_is_not_dropped(in_server, ask):
    ended(in_server, large(), accepted_at=DECEMBER)
    waits = ended(in_server, large(), how=REFUSED, accepted_at=DECEMBER)
    prune(in_server)
    assert give_back(in_server) == 0
    assert months(ask) == "content_2025_12"
    assert in_server.document(waits.submission.id) == waits.document


def test_a_month_that_holds_little_and_takes_much_is_written_anew(in_server, ask, postgres_database, monkeypatch):
    monkeypatch.setattr(partitions, "_LITTLE", 10 * LARGE)
    for number in range(30):
        ended(in_server, large(number), accepted_at=DECEMBER)
    waits = ended(in_server, large(), how=REFUSED, accepted_at=DECEMBER)
    before = takes(ask)
    with server(postgres_database, autocommit=False) as slow:
        slow.execute("SELECT txid_current()")  # somebody's transaction may see what is removed now
        prune(in_server)
        file = "SELECT pg_relation_filenode('content_2025_12')"
        where = ask(file)
        assert give_back(in_server) == 0
        assert takes(ask) >= before
        assert ask(file) == where  # nor was all of it copied, for nothing
    deadline = time.monotonic() + 120
    while not give_back(in_server):  # others use this server, and their transactions count too
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert takes(ask) < before / 5
    assert give_back(in_server) == 0
    assert in_server.document(waits.submission.id) == waits.document


def test_the_month_that_is_under_way_and_the_one_just_over_are_left_alone(in_server, ask):
    kept(in_server, accepted_at=DECEMBER)
    with server(in_server._writing.url.render_as_string(hide_password=False)) as connection:
        connection.execute("DELETE FROM content")
    for at in (DECEMBER, datetime(2026, 1, 1, 23, 59, tzinfo=UTC)):
        assert give_back(in_server, at) == 0
    assert give_back(in_server, datetime(2026, 1, 2, 0, 1, tzinfo=UTC)) == 1
    assert months(ask) is None


def test_a_node_whose_clock_is_ahead_does_not_drop_the_month_that_is_under_way(in_server, ask, postgres_database):
    ended(in_server, large(), accepted_at=NOW)
    with server(postgres_database) as connection:
        connection.execute("DELETE FROM content")
    assert give_back(in_server, NOW + timedelta(days=4000)) == 0
    assert months(ask) == "content_2026_02"
    kept(in_server, accepted_at=NOW)


def test_a_month_that_another_process_has_dropped_is_made_again(in_server, ask, postgres_database):
    ended(in_server, b"<letter/>", accepted_at=DECEMBER)
    prune(in_server)
    other = SqlStore(postgres_database, clock=set_to(NOW))
    try:
        assert give_back(other) == 1
    finally:
        other.close()
    assert months(ask) is None
    letter = kept(in_server, accepted_at=DECEMBER)
    assert in_server.document(letter.submission.id) == letter.document
    assert months(ask) == "content_2025_12"


def test_a_month_that_somebody_reads_is_dropped_another_time_and_nobody_waits_for_it(in_server, ask, postgres_database):
    ended(in_server, large(), accepted_at=DECEMBER)
    prune(in_server)
    with server(postgres_database, autocommit=False) as backup:
        backup.execute("LOCK TABLE content IN ACCESS SHARE MODE")  # as pg_dump does, for as long as it runs
        assert give_back(in_server) == 0
        kept(in_server, accepted_at=NOW)
        assert "content_2025_12" in months(ask)
    assert give_back(in_server) == 1
    assert months(ask) == "content_2026_02"


def test_a_hold_that_comes_while_pruning_wins_or_is_told_no(in_server):
    letters = [ended(in_server, b"<letter/>", accepted_at=DECEMBER) for _ in range(20)]
    due = in_server.retention.look(ALL).due
    other = SqlStore(in_server._writing.url.render_as_string(hide_password=False), clock=set_to(NOW))
    held = {}
    try:
        hold = threading.Thread(
            target=lambda: held.update(
                {it.submission.id: other.retention.hold(it.submission.id, "x") for it in letters}
            )
        )
        hold.start()
        gone = {one for it in due for one in in_server.retention.prune(ALL, [it])}
        hold.join()
    finally:
        other.close()
    for letter in letters:
        it = letter.submission.id
        assert held[it] is not (it in gone)
        assert (in_server.document(it) is None) is (it in gone)
