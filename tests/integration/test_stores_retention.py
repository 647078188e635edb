"""What the how-to says about retention is so: its statements run, remove what is old and ended, and nothing else."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from adapters.stores import SqlStore, migrate
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COUNTY,
    LEASE,
    REFUSED,
    TOWN,
    Hands,
    a_letter,
    a_refusal,
    again,
    fingerprint,
    kept,
    limits,
)
from broker.ports import Filter

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "retention.md"
OLD = datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
NEW = datetime(2026, 1, 1, tzinfo=UTC)


def statements(engine):
    (block,) = re.findall(rf"```sql\n-- {engine}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return block


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request, tmp_path):
    """A store, and what runs the page's statements on it."""
    if request.param == "sqlite":
        file = tmp_path / "store.sqlite"
        url = f"sqlite:///{file}"

        def prune():
            with closing(sqlite3.connect(file, isolation_level=None)) as connection:
                connection.executescript(statements("sqlite"))
    else:
        url = request.getfixturevalue("postgres_database")

        def prune():
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(statements("postgresql").encode())

    migrate(url)
    store = SqlStore(url, clock=Hands())
    store.enrol([limits(TOWN), limits(COUNTY)])
    yield store, prune
    store.close()


def test_old_documents_go_and_their_proof_stays(ground):
    store, prune = ground
    old, new = (kept(store, b"<letter>PESEL</letter>", accepted_at=at, case="OR.1") for at in (OLD, NEW))
    graced = replace(a_letter(accepted_at=OLD), recheck=True)
    store.accept(graced)
    for claim in store.claim(LEASE, 10):
        store.record(claim, ACKNOWLEDGED)
    store.settle(graced.submission.id, "verify.rechecked", "passed", b"{}")
    for at in (OLD, NEW):
        store.refuse(a_refusal(at=at))
    prune()
    told = store.show(old.submission.id)
    assert store.document(old.submission.id) is None
    assert (told.report, told.receipt) == (b"", old.receipt)
    assert (told.submission.file_name, told.submission.reply_to, told.submission.case) == ("", "", "")
    assert told.submission.digest == old.submission.digest
    assert store.show(graced.submission.id).later_report is None
    assert store.find(fingerprint(old)) == old.receipt
    assert store.accept(again(old)) == old.receipt
    assert store.document(new.submission.id) == new.document
    assert store.show(new.submission.id).submission == new.submission
    assert [one.at for one in store.refusals()] == [NEW]
    assert len(store.list(Filter())) == 3


def test_what_is_under_way_waits_for_somebody_or_awaits_its_second_judgement_stays_whole(ground):
    store, prune = ground
    waiting = kept(store, accepted_at=OLD, due_at=Hands().now + LEASE)
    refused, delivered = (kept(store, accepted_at=OLD, office=COUNTY) for _ in range(2))
    graced = replace(a_letter(accepted_at=OLD, office=COUNTY), recheck=True)
    store.accept(graced)
    for claim in store.claim(LEASE, 10):
        store.record(claim, REFUSED if claim.delivery.submission == refused.submission.id else ACKNOWLEDGED)
    prune()
    for letter in (waiting, refused, graced):
        assert store.document(letter.submission.id) == letter.document
        assert store.show(letter.submission.id).submission == letter.submission
    assert store.document(delivered.submission.id) is None


def test_pruning_twice_removes_no_more(ground):
    store, prune = ground
    kept(store, accepted_at=OLD, trial=True)
    new = kept(store, accepted_at=NEW)
    prune()
    prune()
    assert store.document(new.submission.id) == new.document


def test_on_sqlite_what_was_removed_is_gone_from_the_file(tmp_path):
    file = tmp_path / "store.sqlite"
    store = SqlStore(f"sqlite:///{file}", clock=Hands())
    kept(store, b"<letter>44051401359</letter>" * 1000, accepted_at=OLD, trial=True, file_name="pesel-44051401359.xml")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript(statements("sqlite"))
    store.close()
    assert b"44051401359" not in b"".join(one.read_bytes() for one in tmp_path.iterdir())
