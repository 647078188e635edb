"""A copy of the SQLite file is of one moment and whole, whatever is written meanwhile; and it is only there if so."""

from __future__ import annotations

import itertools
import os
import sqlite3
import threading

import pytest

from adapters.stores import SqlStore
from adapters.stores.sql import layout
from adapters.stores.sql.backup import _STEP, copy
from adapters.testkit.stores.values import LEASE, TOWN, Hands, fingerprint, kept, limits
from broker.errors import Unavailable


@pytest.fixture
def file(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(file):
    made = SqlStore(f"sqlite:///{file}", clock=Hands())
    made.enrol([limits(TOWN)])
    yield made
    made.close()


def test_a_copy_holds_what_was_committed_also_what_is_in_the_log_only(store, file, tmp_path):
    letters = [kept(store) for _ in range(20)]
    copied = copy(file, tmp_path / "copy")
    assert (copied.submissions, copied.layout) == (20, layout.newest())
    assert copied.latest == letters[-1].submission.accepted_at
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    restored = SqlStore(f"sqlite:///{tmp_path / 'copy'}", clock=Hands())
    assert [restored.find(fingerprint(it)) for it in letters] == [it.receipt for it in letters]
    restored.close()


def test_a_copy_is_of_one_moment_while_the_store_is_written_to_and_ends(store, file, tmp_path):
    """Each step of the copy is followed by writes: one that began anew for them would never end."""
    for _ in range(8):
        kept(store, bytes(4096 * _STEP // 4))
    before = store.stats().submissions
    steps = itertools.count(1)

    def write(left, number):
        assert next(steps) < 20, "it began anew"
        kept(store)

    copied = copy(file, tmp_path / "copy", write)
    assert next(steps) > 2
    assert copied.submissions == before < store.stats().submissions


def test_nobody_waits_for_a_copy(store, file, tmp_path):
    kept(store, bytes(4096 * _STEP))
    claimed = []

    def work(left, number):
        worker = threading.Thread(target=lambda: claimed.append(store.claim(LEASE)))
        worker.start()
        worker.join()

    copy(file, tmp_path / "copy", work)
    assert len(claimed) > 1
    assert len(claimed[0]) == 1


def test_a_file_that_is_there_is_left_alone(store, file, tmp_path):
    kept(store)
    (tmp_path / "copy").write_bytes(b"yesterday's")
    with pytest.raises(FileExistsError):
        copy(file, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"yesterday's"


def test_what_was_left_by_a_copy_that_was_broken_off_is_in_nobodys_way(store, file, tmp_path):
    kept(store)
    left = tmp_path / f".copy.{'ab' * 8}.part"
    left.write_bytes(b"half")
    assert copy(file, tmp_path / "copy").submissions == 1
    assert not left.exists()


def test_a_damaged_database_gives_no_copy(store, file, tmp_path):
    for _ in range(200):
        kept(store, b"x" * 5000)
    store.close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'deliveries_by_state'").fetchone()
    database.close()
    with file.open("r+b") as octets:
        octets.seek((root - 1) * 4096)
        octets.write(b"\xff" * 4096)
    with pytest.raises(Unavailable, match="the copy is not whole"):
        copy(file, tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


def test_a_file_system_without_hard_links_takes_a_copy_too(store, file, tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    kept(store)
    assert copy(file, tmp_path / "copy").submissions == 1
    with pytest.raises(FileExistsError):
        copy(file, tmp_path / "copy")
    assert [one.name for one in tmp_path.iterdir() if "copy" in one.name] == ["copy"]
