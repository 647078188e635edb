"""PostgreSQL as custody needs it: its clock, its months, its locks, and its absence."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import event, make_url, text

from adapters.stores import SqlStore, migrate
from adapters.stores.sql.store import ACCEPT
from adapters.stores.sql.writer import Work
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COUNTY,
    LEASE,
    NOON,
    POSTPONED,
    TOWN,
    a_letter,
    at_once,
    fingerprint,
    kept,
    limits,
)
from broker.errors import ConfigError, Unavailable


@pytest.fixture
def store(postgres_database):
    migrate(postgres_database)
    made = SqlStore(postgres_database)
    made.enrol([limits(TOWN), limits(COUNTY)])
    yield made
    made.close()


@pytest.fixture
def server(postgres_database):
    with psycopg.connect(postgres_database.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def test_a_database_that_was_not_migrated_is_a_configuration_error(postgres_database):
    with pytest.raises(ConfigError, match="migrate"):
        SqlStore(postgres_database).stats()


def test_many_nodes_may_migrate_at_once(postgres_database):
    assert at_once([lambda: migrate(postgres_database)] * 4) == [None] * 4


def test_the_servers_clock_is_the_stores(store, server):
    kept(store)
    (claim,) = store.claim(LEASE)
    (now,) = server.execute("SELECT clock_timestamp()").fetchone()
    assert timedelta(0) <= now - claim.claimed_at < timedelta(hours=1)
    assert claim.expires_at - claim.claimed_at == LEASE


def test_a_commit_is_flushed_even_where_the_database_would_not(store, server, postgres_database):
    name = postgres_database.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    with store._writing.connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_statement_sees_what_was_committed_before_it_even_where_the_database_would_not(
    store, server, postgres_database, level
):
    name = postgres_database.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'".encode())
    asked = f"{postgres_database}?options=-c%20default_transaction_isolation%3D{level.replace(' ', '%5C%20')}"
    for url in (postgres_database, asked):
        other = SqlStore(url)
        for engine in (other._writing, other._reading):
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        other.close()


def test_content_is_kept_by_the_month(store, server):
    letters = [
        kept(store, accepted_at=datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        kept(store, accepted_at=datetime(2026, 1, 1, tzinfo=UTC)),
        kept(store, accepted_at=datetime(2026, 12, 31, tzinfo=UTC)),
    ]
    where = dict(server.execute("SELECT submission, tableoid::regclass::text FROM content").fetchall())
    assert [where[letter.submission.id] for letter in letters] == [
        "content_2025_12",
        "content_2026_01",
        "content_2026_12",
    ]
    server.execute("DROP TABLE content_2025_12")
    pruned = store.show(letters[0].submission.id)
    assert (pruned.receipt, pruned.report) == (letters[0].receipt, b"")
    assert store.document(letters[0].submission.id) is None
    assert store.find(fingerprint(letters[0])) == letters[0].receipt
    assert store.document(letters[1].submission.id) == letters[1].document


def test_nodes_that_get_answers_to_the_same_questions_in_contrary_order_do_not_wait_in_a_circle(
    store, postgres_database
):
    other, met = SqlStore(postgres_database), threading.Barrier(2)
    questions = [replace(a_letter(reply_to="/me"), awaits_answer=True) for _ in range(3)]
    for question in questions:
        store.accept(question)
    asked = [question.submission.id for question in questions]

    def meet(_connection, _cursor, statement, *_about):
        if statement.startswith("DELETE FROM awaited"):
            with suppress(threading.BrokenBarrierError):  # in one order, only one of the two comes as far as this
                met.wait(0.5)

    def answer_together(node, order):
        """Take in answers to these, in this order, in one transaction."""
        event.listen(node._writing, "after_cursor_execute", meet)
        letters = [a_letter(in_reply_to=one, box="/me") for one in order]
        together = Work(
            rank=1, do=lambda connection, now, members: [ACCEPT.do(connection, now, one) for one in members]
        )
        return node.write(together, letters) == [letter.receipt for letter in letters]

    calls = [lambda: answer_together(store, asked), lambda: answer_together(other, asked[::-1])]
    assert at_once(calls) == [True, True]
    other.close()


def test_of_two_that_wait_for_each_other_one_is_put_off_and_the_database_is_not_taken_for_ill(store, postgres_database):
    other, met = SqlStore(postgres_database), threading.Barrier(2)

    def lock(node, *offices):
        def do(connection, _now, members):
            for office in offices:
                connection.execute(text("SELECT FROM offices WHERE id = :id FOR UPDATE"), {"id": office})
                with suppress(threading.BrokenBarrierError):  # it waits for the other's row only once
                    met.wait(5)
                    met.abort()
            return list(members)

        return node.write(Work(rank=1, do=do), "done")

    answers = at_once([lambda: lock(store, TOWN, COUNTY), lambda: lock(other, COUNTY, TOWN)])
    (away,) = [it for it in answers if isinstance(it, Unavailable)]
    assert "40P01" in away.reason
    assert away.condition == ""
    assert answers.count("done") == 1
    assert (store.strain().failing, other.strain().failing) == ("", "")
    other.close()


def test_nodes_that_need_a_new_month_at_once_all_get_it(store, postgres_database):
    nodes = [SqlStore(postgres_database) for _ in range(4)]
    letters = [a_letter(accepted_at=NOON + timedelta(days=40 * (n % 3))) for n in range(12)]
    answers = at_once([lambda n=n, it=it: nodes[n % 4].accept(it) for n, it in enumerate(letters)])
    assert answers == [letter.receipt for letter in letters]
    for node in nodes:
        node.close()


def test_after_the_connections_are_cut_the_store_comes_back_by_itself(store, server, postgres_database):
    first, second = kept(store), a_letter()
    assert store.find(fingerprint(first)) == first.receipt
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'goniec' AND datname = %s"
    server.execute(cut, [make_url(postgres_database).database])  # and no more: the server serves other tests too
    with pytest.raises(Unavailable):
        store.accept(second)
    assert store.accept(second) == second.receipt
    assert store.find(fingerprint(first)) == first.receipt


def test_a_server_that_cannot_be_reached_is_unavailable(postgres_database):
    away = SqlStore(postgres_database.replace("127.0.0.1", "127.0.0.1").rpartition("/")[0] + "/no_such_database")
    with pytest.raises(Unavailable):
        away.find(fingerprint(a_letter()))
    away.close()


def test_an_office_that_another_node_has_locked_holds_up_no_claim(store, server):
    kept(store)
    other = kept(store, office=COUNTY)
    with server.transaction():
        server.execute("SELECT * FROM offices WHERE id = %s FOR UPDATE", [TOWN])
        (claim,) = store.claim(LEASE, 5)
    assert claim.delivery.id == other.deliveries[0].id
    assert len(store.claim(LEASE, 5)) == 1


def test_nodes_that_write_all_at_once_do_not_lock_one_another_out(store, postgres_database):
    store.enrol([limits(TOWN, threshold=10_000), limits(COUNTY, threshold=10_000)])
    nodes = [store, SqlStore(postgres_database), SqlStore(postgres_database)]
    letters = [a_letter(office=office) for office in (TOWN, COUNTY) for _ in range(40)]

    def work(number):
        node, delivered = nodes[number % 3], []
        for letter in letters[:: 1 if number % 2 else -1]:
            assert node.accept(letter) == letter.receipt
            for claim in node.claim(LEASE, 2):
                node.record(claim, ACKNOWLEDGED if len(delivered) % 3 else POSTPONED)
                delivered.append(claim.delivery.id)
        return delivered

    with ThreadPoolExecutor(6) as pool:
        delivered = [one for some in pool.map(work, range(6)) for one in some]
    assert len(delivered) == len(set(delivered)) == len(letters)
    for node in nodes[1:]:
        node.close()
