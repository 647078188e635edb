"""A database in trouble, for real: senders are told to come back, nothing is half kept, and then all is taken in."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from adapters.stores import SqlStore, migrate
from adapters.stores.sql.patience import Patient
from adapters.testkit.proxy import Mood, Proxy
from adapters.testkit.stores.values import COUNTY, LEASE, TOWN, Hands, a_letter, again, fingerprint, kept, limits
from broker.errors import Unavailable
from broker.pressure import Condition

ROOT = Path(__file__).parents[2]
LARGE = b"<letter>" + secrets.token_hex(400_000).encode() + b"</letter>"


def put_off(call, code):
    """Make a call that must be put off because of the database as such; return how long for."""
    with pytest.raises(Unavailable, match=code) as away:
        call()
    assert away.value.condition == Condition.STORE
    return away.value.retry_after


# ── PostgreSQL ──


@pytest.fixture
def server(postgres_database):
    with psycopg.connect(postgres_database.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.fixture
def role(server, postgres_database):
    """A user of the database's own, whose limits a test may change; as SQL, and as a store's URL."""
    name = f"role_{secrets.token_hex(6)}"
    migrate(postgres_database)
    server.execute(f"CREATE ROLE {name} LOGIN SUPERUSER".encode())
    try:
        yield name, make_url(postgres_database).set(username=name).render_as_string(hide_password=False)
    finally:
        server.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'" % name.encode())
        server.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP ROLE {name}".encode())


@pytest.fixture
def store(role):
    made = SqlStore(role[1])
    made.enrol([limits(TOWN), limits(COUNTY)])
    yield made
    made.close()


def end_connections(server, name):
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])


def test_a_server_that_became_read_only_is_left_for_the_one_that_took_over(server, role, store):
    kept(store)  # this month's partition is there
    letter = a_letter()
    server.execute(f"ALTER ROLE {role[0]} SET default_transaction_read_only = on".encode())
    end_connections(server, role[0])
    with pytest.raises(Unavailable):
        store.accept(letter)  # what it held was cut
    assert put_off(lambda: store.accept(letter), "25006") == timedelta(seconds=5)
    assert "25006" in store.strain().failing
    assert store.find(fingerprint(letter)) is None, "it can be read all the same"
    assert put_off(lambda: store.claim(LEASE), "25006") == timedelta(seconds=5)
    server.execute(f"ALTER ROLE {role[0]} SET default_transaction_read_only = off".encode())
    assert store.accept(letter) == letter.receipt, "the next write opens another connection"
    assert store.strain().failing == ""
    assert len(store.claim(LEASE, most=5)) == 2


def test_connections_that_an_operator_ends_cost_one_call_each(server, role, store):
    letter = kept(store)
    end_connections(server, role[0])
    assert put_off(lambda: store.claim(LEASE), "57P01|OperationalError") == timedelta(seconds=5)
    assert len(store.claim(LEASE)) == 1
    end_connections(server, role[0])
    assert store.find(fingerprint(letter)) == letter.receipt, "readers look before they ask"


def test_too_many_connections_are_a_matter_of_waiting(server, role, store):
    kept(store)
    letter = a_letter()
    server.execute(f"ALTER ROLE {role[0]} NOSUPERUSER CONNECTION LIMIT 0".encode())
    end_connections(server, role[0])
    with pytest.raises(Unavailable):
        store.accept(letter)
    assert put_off(lambda: store.accept(letter), "too many connections") == timedelta(seconds=5)
    server.execute(f"ALTER ROLE {role[0]} SUPERUSER CONNECTION LIMIT -1".encode())
    assert store.accept(letter) == letter.receipt


def test_a_full_disk_is_told_as_one_and_nothing_is_half_kept(server, role, store):
    letter = a_letter()
    raising = b"CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN RAISE disk_full; END $$ LANGUAGE plpgsql"
    server.execute(raising)
    server.execute(b"CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()")
    assert put_off(lambda: store.accept(letter), "53100") == timedelta(seconds=60)
    assert store.stats().submissions == 0
    assert store.find(fingerprint(letter)) is None
    server.execute(b"DROP TRIGGER full_disk ON events")
    assert store.accept(letter) == letter.receipt
    assert store.accept(again(letter)) == letter.receipt


class Hasty(Patient):
    answer = 1.0


def test_a_connection_whose_answers_are_swallowed_gives_up_and_is_closed(postgres_database):
    url = make_url(postgres_database)
    with Proxy(str(url.host), int(url.port)) as proxy:
        through = url.set(drivername="postgresql", host="127.0.0.1", port=proxy.port)
        connection = Hasty.connect(through.render_as_string(hide_password=False))
        assert connection.execute("SELECT 1").fetchone() == (1,)
        proxy.be(Mood.SWALLOW)
        with pytest.raises(psycopg.OperationalError, match="no answer"):
            connection.execute("SELECT 2")
        assert connection.closed


def test_what_the_server_takes_its_time_for_is_waited_for(postgres_database):
    with Hasty.connect(postgres_database.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT 3, pg_sleep(0.5)").fetchone()[0] == 3
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT nothing")


# ── SQLite ──

# In a process of its own: the kernel keeps it from writing a file beyond so many bytes (EFBIG), as a full disk would.
_LIMITED = """
import json, resource, signal, sys
from adapters.stores import SqlStore
from adapters.testkit.stores.values import Hands, a_letter, again, fingerprint, kept
from broker.errors import Unavailable

file, large = sys.argv[1], sys.stdin.buffer.read()
store = SqlStore(f"sqlite:///{file}", clock=Hands())
first = kept(store)
letter = a_letter(large)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
told = []
for call in (lambda: store.accept(letter), lambda: store.accept(letter)):
    try:
        call()
    except Unavailable as away:
        told.append([away.reason, away.condition, away.retry_after.total_seconds()])
known = store.find(fingerprint(first)) == first.receipt
failing, kept_meanwhile = store.strain().failing, store.find(fingerprint(letter)) is not None
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
after = store.accept(letter) == letter.receipt and store.accept(again(letter)) == letter.receipt
print(json.dumps({
    "told": told, "known": known, "failing": failing, "kept meanwhile": kept_meanwhile, "after": after,
    "submissions": store.stats().submissions, "queued": sum(it.number for it in store.queued().values()),
    "failing after": store.strain().failing,
}))
store.close()
"""


def test_no_room_for_a_file_takes_nothing_in_and_afterwards_the_same_message_gets_its_receipt(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "store.sqlite")],
        input=LARGE,
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    said = json.loads(ran.stdout)
    assert len(said["told"]) == 2
    for reason, condition, seconds in said["told"]:
        assert reason.startswith("store: OperationalError SQLITE_")
        assert (condition, seconds) in {("store", 60.0), ("store", 30.0)}
    assert said["failing"].startswith("store: OperationalError SQLITE_")
    del said["told"], said["failing"]
    assert said == {
        "known": True,
        "kept meanwhile": False,
        "after": True,
        "submissions": 2,
        "queued": 2,
        "failing after": "",
    }


def in_the_writer(store, pragma):
    """Set something on the connection that writes, until it is let go."""
    store._open()._connection.connection.dbapi_connection.execute(pragma)


def test_a_full_database_is_told_as_one(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'store.sqlite'}", clock=Hands())
    first, letter = kept(store), a_letter(LARGE)
    in_the_writer(store, "PRAGMA max_page_count = 100")
    assert put_off(lambda: store.accept(letter), "SQLITE_FULL") == timedelta(seconds=60)
    assert store.find(fingerprint(first)) == first.receipt
    assert store.find(fingerprint(letter)) is None
    assert store.accept(letter) == letter.receipt, "on a connection of its own, without that limit"
    store.close()


def test_a_file_that_may_only_be_read_is_told_as_such(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'store.sqlite'}", clock=Hands())
    first = kept(store)
    in_the_writer(store, "PRAGMA query_only = on")
    assert put_off(lambda: store.accept(a_letter()), "SQLITE_READONLY") == timedelta(seconds=30)
    assert store.find(fingerprint(first)) == first.receipt
    assert store.accept(a_letter()).xml
    store.close()
