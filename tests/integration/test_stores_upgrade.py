"""Versions side by side: who may serve from which layout, and what nodes at work notice of a migration.

The version to come is played by migrations that a test writes; the version that is here is the old one then.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg
import pytest
from sqlalchemy import make_url, text

from adapters.stores import SqlStore, migrate, outstanding
from adapters.stores.sql import layout
from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.migrate import upgrade
from adapters.stores.sql.partitions import Months
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    LEASE,
    NOON,
    TOWN,
    Hands,
    at_once,
    fingerprint,
    kept,
    limits,
)
from broker.errors import ConfigError, Unavailable

MINE = layout.newest()

NEXT = '''
"""What comes next: a column, a table, an index over a table that grows."""
import sqlalchemy as sa
from alembic import op
from adapters.stores.migrations import online

revision = "{next}"
down_revision = "{mine}"


def upgrade():
    if not online.there("later"):
        op.create_table("later", sa.Column("id", sa.String, primary_key=True))
        op.add_column("submissions", sa.Column("weight", sa.Integer, nullable=False, server_default="0"))
    online.index("events_named", "events", ["name"], where="delivery IS NOT NULL")
    online.serve_from("{mine}", "{next}")
'''
LAST = '''
"""What drops the versions before."""
from adapters.stores.migrations import online

revision = "{last}"
down_revision = "{next}"


def upgrade():
    online.serve_from("{last}", "{last}")
'''


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("postgres_database")
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
def coming(tmp_path) -> Callable[..., Path]:
    """Writes the migrations of the versions to come: the next one, which takes this one too, and one that does not."""

    def write(*, last: bool = False) -> Path:
        folder = tmp_path / "coming"
        folder.mkdir(exist_ok=True)
        names = {"mine": MINE, "next": f"{int(MINE) + 1:04}", "last": f"{int(MINE) + 2:04}"}
        (folder / "next.py").write_text(NEXT.format(**names).lstrip())
        if last:
            (folder / "last.py").write_text(LAST.format(**names).lstrip())
        return folder

    return write


def opened(url: str) -> SqlStore:
    store = SqlStore(url, clock=Hands())
    store.enrol([limits(TOWN)])
    return store


# ── who may serve ────────────────────────────────────────────────────────────────────────────────────────


def test_layouts_are_four_digits_and_rise():
    made = [step.layout for step in layout.steps(None)]
    assert made == sorted(made) == [f"{number:04}" for number in range(1, len(made) + 1)]
    assert made[-1] == MINE


def test_a_database_names_who_may_serve_from_it(url):
    migrate(url)
    engine = open_engine(url, writes=False)
    with engine.connect() as connection:
        assert layout.may_serve(connection, MINE) == ("0002", MINE)
    engine.dispose()


def test_old_and_new_nodes_serve_side_by_side_for_a_release(url, coming):
    migrate(url)
    before = opened(url)
    first = kept(before)
    migrate(url, also=coming())
    before.may_serve()
    restarted = opened(url)
    second = kept(before)
    assert restarted.find(fingerprint(first)) == first.receipt
    assert restarted.find(fingerprint(second)) == second.receipt
    for claim in restarted.claim(LEASE, 5):
        before.record(claim, ACKNOWLEDGED)
    assert outstanding(url) == (f"{int(MINE) + 1:04}", ())
    migrate(url)  # by the old version: leaves it as it is
    before.close()
    restarted.close()


def test_a_version_that_is_too_old_says_so_and_does_not_start(url, coming):
    migrate(url)
    running = opened(url)
    migrate(url, also=coming(last=True))
    too_old = re.compile(
        f"takes versions of layout {int(MINE) + 2:04} and later, this version's is {MINE}.*newer version"
    )
    for ask in (running.may_serve, lambda: opened(url), lambda: migrate(url), lambda: outstanding(url)):
        with pytest.raises(ConfigError, match=too_old):
            ask()
    running.close()


def test_a_version_that_is_too_new_asks_for_the_migration(url):
    engine = open_engine(url, writes=True)
    upgrade(engine, "0002")
    engine.dispose()
    assert [step.layout for step in outstanding(url)[1]] == ["0003"]
    with pytest.raises(ConfigError, match=f"has layout 0002, this version needs {MINE}: run `goniec migrate`"):
        opened(url)


# ── what nodes at work notice ────────────────────────────────────────────────────────────────────────────


class Node:
    """Takes in, finds, claims and records until it is told to stop; keeps what it took in and what went wrong."""

    def __init__(self, url: str) -> None:
        self.store = SqlStore(url, clock=Hands())
        self.kept, self.wrong, self.delivered = [], [], 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.kept.append(kept(self.store))
                for claim in self.store.claim(LEASE, 2):
                    self.store.record(claim, ACKNOWLEDGED)
                    self.delivered += 1
            except Exception as error:  # noqa: BLE001 - whatever a node meets is what the test is about
                self.wrong.append(error)

    def more(self, number: int) -> None:
        """Return when it has taken in so many more."""
        enough = len(self.kept) + number
        while len(self.kept) < enough and not self.wrong:
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.store.close()


def test_nodes_at_work_go_on_while_it_is_migrated(url, coming):
    migrate(url)
    opened(url).close()
    with Node(url) as one, Node(url) as other:
        one.more(10)
        migrate(url, also=coming())
        one.more(10)
        other.more(10)
    assert not one.wrong + other.wrong
    store = opened(url)
    for it in one.kept + other.kept:
        assert store.find(fingerprint(it)) == it.receipt
    assert store.stats().submissions == len(one.kept) + len(other.kept)
    assert one.delivered + other.delivered > 0
    store.close()


def test_nodes_of_the_second_layout_go_on_while_the_third_is_made(url):
    """What they write is written here as they wrote it, without a word of this version's tables."""
    engine = open_engine(url, writes=True)
    upgrade(engine, "0002")
    Months(engine).ensure(NOON)
    with engine.begin() as connection:
        _write_as_the_second_layout(connection, 1)
    migrate(url)
    with engine.begin() as connection:
        _write_as_the_second_layout(connection, 2)
    engine.dispose()
    store = opened(url)
    for number in (1, 2):
        told = store.show(f"s{number}")
        assert [event.name for event in told.events] == ["intake.accepted"]
        assert store.document(f"s{number}") == b"<letter/>"
    assert {claim.delivery.id for claim in store.claim(LEASE, 5)} == {"d1", "d2"}
    with store.read() as connection:
        unchained = connection.execute(text("SELECT count(*) FROM events WHERE batch IS NULL")).scalar()
    assert unchained == 4  # two acceptances, two claims
    store.close()


def _write_as_the_second_layout(connection, number):
    """Write a row into each table that an acceptance writes to, column by column as that version named them."""
    at = NOON if connection.dialect.name == "postgresql" else int(NOON.timestamp() * 1_000_000)
    key, of = bytes([number]) * 32, f"s{number}"
    submission = {"id": of, "channel": "soap", "sender": "citizen", "sender_key": key, "message_id": "m"}
    submission |= {"fingerprint_box": "/town/SEKAP", "box": "/town/SEKAP", "office": TOWN, "row": "boxes:1"}
    submission |= {"form_name": "pismo-ogolne", "form_version": "1410", "trial": False, "digest": f"{number:064x}"}
    submission |= {"size": 9, "file_name": "", "reply_to": "", "case": "", "in_reply_to": "", "level": "local"}
    submission |= {"notes": "[]", "received_at": at, "accepted_at": at, "proof": "none"}
    receipt = {"id": f"r{number}", "submission": of, "kind": "UPP", "issued_at": at, "answer": "upp", "xml": b"<UPP/>"}
    delivery = {"id": f"d{number}", "submission": of, "office": TOWN, "state": "waiting", "attempts": 0, "crashes": 0}
    delivery |= {"since": at, "due_at": at, "last_error": "", "reference": "", "claimable_at": at, "token": None}
    event = {"at": at, "name": "intake.accepted", "submission": of, "delivery": None, "detail": "", "batch": None}
    for table, row in (
        ("message_ids", {"id_key": key, "content_key": key}),
        ("contents", {"content_key": key, "submission": of}),
        ("submissions", submission),
        ("content", {"submission": of, "accepted_at": at, "document": b"<letter/>", "report": b"{}"}),
        ("receipts", receipt),
        ("unstamped", {"receipt": f"r{number}"}),
        ("deliveries", delivery),
        ("events", event),
    ):
        columns, values = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)


# ── PostgreSQL: locks ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def database(postgres_database):
    migrate(postgres_database)
    opened(postgres_database).close()
    return postgres_database


@contextmanager
def a_long_transaction(url: str, *statements: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection
        connection.rollback()


def in_the_background(work: Callable[[], None]) -> tuple[threading.Thread, list[Exception]]:
    wrong: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            wrong.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, wrong


def test_a_migration_that_waits_for_a_long_transaction_lets_all_others_pass(database, coming):
    """Whoever waits for a table's lock has everybody else wait behind him."""
    lines: list[str] = []
    tried = threading.Semaphore(0)

    def tell(line: str) -> None:
        lines.append(line)
        tried.release()

    with Node(database) as node, a_long_transaction(database, "SELECT count(*) FROM submissions"):
        thread, wrong = in_the_background(lambda: migrate(database, tell=tell, also=coming()))
        for _ in range(3):
            tried.acquire()
            node.more(5)
        assert thread.is_alive()
        assert all("long transaction" in line for line in lines)
    thread.join()
    assert (node.wrong, wrong) == ([], [])
    assert lines[-1] == f"layout {int(MINE) + 1:04}"


def test_a_migration_that_was_broken_off_in_an_index_is_run_again(database, coming):
    store = opened(database)
    kept(store)
    folder = coming()
    with a_long_transaction(database, "INSERT INTO events (at, name, detail) VALUES (now(), 'x', '')"):
        thread, wrong = in_the_background(lambda: migrate(database, also=folder))
        _end_who_makes_an_index(database, thread)
        thread.join()
    assert [type(error) for error in wrong] == [Unavailable]
    assert _valid(database, "events_named") is False
    assert outstanding(database)[0] == MINE
    kept(store)
    migrate(database, also=folder)
    assert _valid(database, "events_named") is True
    assert outstanding(database)[0] == f"{int(MINE) + 1:04}"
    store.close()


def _end_who_makes_an_index(url: str, thread: threading.Thread) -> None:
    here = make_url(url).database
    asked = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = %s AND query LIKE 'CREATE INDEX%%' AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        while connection.execute(asked, [here]).fetchone() is None and thread.is_alive():
            time.sleep(0.01)


def _valid(url: str, index: str) -> bool | None:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        found = connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [index]
        ).fetchone()
    return None if found is None else found[0]


def test_many_may_migrate_a_database_at_work(database, coming):
    folder = coming()
    with Node(database) as node:
        assert at_once([lambda: migrate(database, also=folder)] * 4) == [None] * 4
        node.more(3)
    assert not node.wrong
