"""A database of an older layout is brought up to date as it is, full, and everything in it still reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert, text

from adapters.stores import SqlStore, migrate
from adapters.stores.sql import rows
from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.layout import newest
from adapters.stores.sql.migrate import upgrade
from adapters.stores.sql.partitions import Months
from adapters.stores.sql.tables import content, contents, deliveries, message_ids, receipts, submissions
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    LEASE,
    NOON,
    TOWN,
    Hands,
    a_letter,
    again,
    fingerprint,
    kept,
    limits,
)
from broker.errors import ConfigError
from broker.partner import Proof
from broker.ports import Filter

MANY = 200


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("postgres_database")
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


def first_layout(url, letters):
    """Make a database of the first layout and fill it as its version did."""
    engine = open_engine(url, writes=True)
    upgrade(engine, "0001")
    Months(engine).ensure(NOON)
    with engine.begin() as connection:
        for it in letters:
            write_as_then(connection, it)
    engine.dispose()


def write_as_then(connection, it):
    """Write what version 0001 wrote: no column that came later."""
    of, message = it.submission.id, fingerprint(it)
    then = {key: value for key, value in rows.submission_values(it.submission).items() if key != "proof"}
    connection.execute(insert(message_ids).values(id_key=rows.id_key(message), content_key=rows.content_key(message)))
    connection.execute(insert(contents).values(content_key=rows.content_key(message), submission=of))
    writing = insert(submissions).values(then)
    assert "proof" not in str(writing.compile(connection))
    connection.execute(writing)
    values = {"submission": of, "accepted_at": NOON, "document": it.document, "report": it.report}
    connection.execute(insert(content).values(values))
    connection.execute(insert(receipts).values(rows.receipt_values(it.receipt)))
    for one in it.deliveries:
        connection.execute(insert(deliveries).values(rows.delivery_values(one)))


@pytest.fixture
def letters():
    return [a_letter(f"<letter>{n}</letter>".encode()) for n in range(MANY)]


def test_everything_of_a_full_database_of_the_first_layout_still_reads(url, letters):
    first_layout(url, letters)
    with pytest.raises(ConfigError, match="goniec migrate"):
        SqlStore(url, clock=Hands()).stats()
    migrate(url)
    store = SqlStore(url, clock=Hands())
    store.enrol([limits(TOWN)])
    assert store.stats().submissions == MANY
    for it in letters[:3] + letters[-3:]:
        told = store.show(it.submission.id)
        assert told.submission == replace(it.submission, proof=Proof.NONE)
        assert (told.receipt, told.report, told.deliveries) == (it.receipt, it.report, it.deliveries)
        assert (told.stamped, told.later_report) == (None, None)
        assert store.document(it.submission.id) == it.document
        assert store.find(fingerprint(it)) == it.receipt
        assert store.accept(again(it)) == it.receipt
    assert len(store.list(Filter(most=1000))) == MANY
    claims = store.claim(LEASE, 5)
    assert [store.parcel(claim).document for claim in claims] == [it.document for it in letters[:5]]
    store.record(claims[0], ACKNOWLEDGED)
    assert store.awaiting() == []
    store.close()


def test_receipts_of_the_first_layout_wait_for_their_time_stamped_copy(url, letters):
    first_layout(url, letters)
    migrate(url)
    store = SqlStore(url, clock=Hands())
    assert list(store.unstamped(MANY + 1)) == [it.receipt for it in letters]
    store.stamp(letters[0].receipt.id, b"<stamped/>", NOON)
    assert store.show(letters[0].submission.id).stamped == b"<stamped/>"
    assert list(store.unstamped(1)) == [letters[1].receipt]
    store.close()


def test_a_node_of_the_first_layout_that_is_still_running_goes_on_writing(url, letters):
    *before, late = letters
    first_layout(url, before)
    migrate(url)
    engine = open_engine(url, writes=True)
    with engine.begin() as connection:
        write_as_then(connection, late)
    engine.dispose()
    store = SqlStore(url, clock=Hands())
    assert store.show(late.submission.id).submission == late.submission
    assert store.find(fingerprint(late)) == late.receipt
    store.close()


def test_who_reads_while_it_is_migrated_sees_the_old_or_the_new_and_no_error(url, letters):
    first_layout(url, letters)
    reading = open_engine(url, writes=False)
    counting = text("SELECT count(*) FROM submissions")
    with reading.connect() as open_before:
        assert open_before.execute(counting).scalar() == MANY
        open_before.commit()
        migrate(url)
        assert open_before.execute(counting).scalar() == MANY
    with reading.connect() as after:
        assert after.execute(text("SELECT version_num FROM alembic_version")).scalar() == newest()
    reading.dispose()


def test_a_new_database_and_a_migrated_one_are_the_same(tmp_path):
    layouts = []
    for name in ("new", "migrated"):
        engine = open_engine(f"sqlite:///{tmp_path / name}", writes=True)
        if name == "migrated":
            upgrade(engine, "0001")
        upgrade(engine)
        with engine.connect() as connection:
            told = connection.exec_driver_sql("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2, 3").all()
            columns = connection.exec_driver_sql("SELECT name FROM pragma_table_info('submissions') ORDER BY 1").all()
        layouts.append((told, columns))
        engine.dispose()
    assert layouts[0] == layouts[1]


def test_a_letter_kept_now_says_how_its_sender_was_known(url):
    migrate(url)
    store = SqlStore(url, clock=Hands())
    letter = kept(store, proof=Proof.WS_SECURITY)
    assert store.show(letter.submission.id).submission.proof is Proof.WS_SECURITY
    store.close()
