"""SQLite as custody needs it: how the file is laid out, several processes on it, and what happens when it fails."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import event

from adapters.stores import SqlStore, migrate
from adapters.stores.sql.engine import open_engine
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    Hands,
    a_letter,
    again,
    at_once,
    fingerprint,
    kept,
    limits,
)
from broker.errors import ConfigError, Unavailable

LEASE = timedelta(minutes=5)
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["adapters.stores", "adapters.testkit.stores.values"])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(file):
    made = SqlStore(f"sqlite:///{file}", clock=Hands())
    yield made
    made.close()


def planted(store, pragma):
    """Make each new connection forget something, or have less time or room."""
    for engine in (store._writing, store._reading):
        event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))


def test_a_fresh_file_can_give_space_back_and_lets_readers_and_writer_work_side_by_side(file, store):
    kept(store)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_fresh_file_is_its_owners_alone_and_so_is_its_log(file, store):
    kept(store)
    written = list(file.parent.glob("store.sqlite*"))
    assert file.with_name("store.sqlite-wal") in written
    assert {one.stat().st_mode & 0o777 for one in written} == {0o600}


@pytest.mark.parametrize("writes", [True, False])
def test_every_connection_flushes_each_commit(file, writes):
    with open_engine(f"sqlite:///{file}", writes=writes).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000


def test_one_file_is_made_when_many_open_it_at_once(file):
    stores = [SqlStore(f"sqlite:///{file}", clock=Hands()) for _ in range(8)]
    letters = [a_letter() for _ in stores]
    answers = at_once([lambda one=one, it=it: one.accept(it) for one, it in zip(stores, letters, strict=True)])
    assert answers == [letter.receipt for letter in letters]
    for one in stores:
        one.close()


def work(url, letter, connection):
    """Accept the one letter that all send, then deliver whatever there is until nothing is left."""
    store = SqlStore(url, clock=Hands())
    receipt, delivered = store.accept(letter), []
    while claims := store.claim(LEASE, 3):
        for claim in claims:
            store.record(claim, ACKNOWLEDGED)
            delivered.append(claim.delivery.id)
    store.close()
    connection.send((receipt, delivered))


def test_several_processes_share_the_file(file, store):
    store.enrol([limits()])
    letters = [kept(store) for _ in range(60)]
    same = a_letter()
    ends = []
    processes = []
    for _ in range(3):
        mine, theirs = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=work, args=(f"sqlite:///{file}", again(same), theirs))
        process.start()
        theirs.close()
        ends.append(mine)
        processes.append(process)
    answers = [end.recv() for end in ends]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len({receipt.xml for receipt, _ in answers}) == 1
    delivered = Counter(one for _, some in answers for one in some)
    assert set(delivered.values()) == {1}
    assert {letter.deliveries[0].id for letter in letters} <= set(delivered)
    assert len(delivered) == 61
    assert store.stats().submissions == 61


def test_a_full_disk_is_unavailable_and_loses_nothing_that_was_answered(file, store):
    first = kept(store)
    store.close()
    full = SqlStore(f"sqlite:///{file}", clock=Hands())
    planted(full, "max_page_count=60")
    with pytest.raises(Unavailable) as no:
        [kept(full, b"x" * 50_000) for _ in range(100)]
    assert "SQLITE_FULL" in no.value.reason
    assert no.value.retry_after is not None
    assert full.find(fingerprint(first)) == first.receipt
    full.close()


def test_a_write_lock_held_too_long_by_another_is_unavailable_until_it_is_let_go(file, store):
    kept(store)
    store.close()
    patient = SqlStore(f"sqlite:///{file}", clock=Hands())
    planted(patient, "busy_timeout=20")
    letter = a_letter()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as no:
            patient.accept(letter)
        assert "SQLITE_BUSY" in no.value.reason
        assert patient.find(fingerprint(letter)) is None
        other.execute("ROLLBACK")
    assert patient.accept(letter) == letter.receipt
    patient.close()


def test_a_file_that_cannot_be_written_is_unavailable(file, store):
    kept(store)
    store.close()
    unwritable = SqlStore(f"sqlite:///{file}", clock=Hands())
    planted(unwritable, "query_only=ON")
    with pytest.raises(Unavailable, match="SQLITE_READONLY"):
        kept(unwritable)
    unwritable.close()


def test_a_folder_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="SQLITE_CANTOPEN"):
        SqlStore(f"sqlite:///{tmp_path / 'nowhere' / 'store.sqlite'}", clock=Hands()).stats()


def test_a_file_that_is_no_database_is_unavailable(file):
    file.write_bytes(b"not a database " * 1000)
    with pytest.raises(Unavailable, match="SQLITE_NOTADB"):
        SqlStore(f"sqlite:///{file}", clock=Hands()).stats()


def test_no_error_tells_what_was_in_the_row(store):
    first = kept(store)
    with pytest.raises(Unavailable) as no:
        kept(store, id=first.submission.id, file_name="44051401359")
    assert "44051401359" not in str(no.value) + str(no.value.__cause__)


def test_another_layout_is_a_configuration_error(file, store):
    kept(store)
    store.close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE layouts SET oldest = '9999', newest = '9999'")
    with pytest.raises(ConfigError, match="9999"):
        SqlStore(f"sqlite:///{file}", clock=Hands()).stats()


def test_a_file_of_somebody_elses_is_left_alone(file):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE submissions (theirs)")
    with pytest.raises(ConfigError):
        SqlStore(f"sqlite:///{file}", clock=Hands()).stats()


def test_migrating_twice_changes_nothing(file, store):
    letter = kept(store)
    migrate(f"sqlite:///{file}")
    assert store.find(fingerprint(letter)) == letter.receipt


def test_after_close_no_thread_and_no_open_file_is_left(file, store):
    before = set(threading.enumerate())
    kept(store)
    assert set(threading.enumerate()) - before
    store.close()
    assert not set(threading.enumerate()) - before
    assert not file.with_name("store.sqlite-wal").exists()  # the last connection to close folds it in
