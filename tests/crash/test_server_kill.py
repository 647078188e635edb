"""kill -9 of PostgreSQL: what was answered was flushed before; what is not flushed is lost, and is found to be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event

from adapters.stores import SqlStore, migrate
from adapters.testkit.stores.values import fingerprint
from tests.conftest import engines, settings_of
from tests.crash.accepting import letter_called

LETTERS = 5


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """A PostgreSQL of its own: its folder, and a database.

    Its WAL writer looks every ten seconds only, so that what a commit does not flush is still in memory when the
    server dies.
    """
    folder = tmp_path_factory.mktemp("postgres")
    try:
        engines("up", "--dir", str(folder), "--only", "postgres")
        url = settings_of(folder)["GONIEC_TEST_POSTGRES"]
        migrate(url)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        yield folder, url
    finally:
        engines("down", "--dir", str(folder))


def kill_and_start(folder):
    engines("kill", "postgres", "--dir", str(folder))
    engines("up", "--dir", str(folder), "--only", "postgres")


def lost_after(server, name, planted=""):
    """How many of the letters that were accepted are gone after the server was killed."""
    folder, url = server
    kill_and_start(folder)  # its settings count from here on
    letters = [letter_called(f"{name}-{number}") for number in range(LETTERS)]
    store = SqlStore(url, clock=lambda: datetime.now(UTC))
    if planted:
        event.listen(store._writing, "connect", lambda it, _: (it.execute(planted), it.commit()))
    for letter in letters:
        store.accept(letter)
    kill_and_start(folder)
    store.close()
    after = SqlStore(url, clock=lambda: datetime.now(UTC))
    found = [after.find(fingerprint(letter)) for letter in letters]
    after.close()
    return found.count(None)


def test_what_was_accepted_outlives_the_server(server):
    assert lost_after(server, "kept") == 0


def test_the_audit_finds_what_a_commit_that_does_not_wait_for_the_flush_has_lost(server):
    assert lost_after(server, "lost", "SET synchronous_commit = off") > 0
