"""The connections: how each engine is opened so that what is committed is on the disk, and what time it is there."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from collections.abc import Callable
from datetime import datetime
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.pool import NullPool, QueuePool

from adapters.stores.sql import patience
from adapters.stores.sql.columns import Moment
from broker.errors import ConfigError
from broker.ports import Clock

BUSY = 10_000  # milliseconds that a transaction waits for another process's
CHECKPOINT = 200  # milliseconds for which cutting the write-ahead log may hold up a writer
READERS = 8  # connections kept for reading
MORE_READERS = 32  # opened beyond that when many threads ask at once

# Foreign words of libpq: give up on a host that is gone within half a minute, always flush on commit, UTC only;
# each statement sees what was committed before it, as those expect that look again at what they have locked.
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "goniec",
    "options": f"-c timezone=UTC -c synchronous_commit=on -c lock_timeout={BUSY} -c statement_timeout=30000"
    " -c default_transaction_isolation=read\\ committed -c idle_in_transaction_session_timeout=60000",
}


def open_engine(url: str, *, writes: bool) -> Engine:
    """Return an engine for the one writing connection, or for the pool of readers.  Connects to nothing yet."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        arguments: dict[str, Any] = dict(_POSTGRES)
        mine = parsed.query.get("options")
        if isinstance(mine, str):  # the operator's options come first, the promise of durability last
            arguments["options"] = f"{mine} {arguments['options']}"
            parsed = parsed.difference_update_query(["options"])
        pool: dict[str, Any] = {"pool_pre_ping": not writes}
    elif parsed.get_backend_name() == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        arguments = {"timeout": BUSY / 1000, "isolation_level": None, "check_same_thread": False}
        pool = {}
    else:
        raise ConfigError(["the store's url must name a SQLite file or a PostgreSQL database"])
    if writes:
        pool = {"poolclass": NullPool}
    else:
        pool |= {"poolclass": QueuePool, "pool_size": READERS, "max_overflow": MORE_READERS, "pool_timeout": 30}
    engine = create_engine(parsed, connect_args=arguments, hide_parameters=True, **pool)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "do_connect", patience.connect)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _make_for_its_owner_alone(str(parsed.database)))
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin_at_once if writes else _begin)
    return engine


def _make_for_its_owner_alone(file: str) -> Callable[..., None]:
    """Return what makes the file before SQLite does, which would let everybody read it; its log has its mode."""

    def make(*_: Any) -> None:
        with contextlib.suppress(OSError):  # it is there, or cannot be made: then SQLite says why
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    return make


def _prepare(connection: Any, _record: Any) -> None:
    """Set what SQLite forgets with each connection, durability first."""
    for pragma in (
        f"busy_timeout={BUSY}",
        "synchronous=FULL",  # the write-ahead log is flushed by every commit: accepted means on the disk
        "journal_size_limit=67108864",
        "cache_size=-16384",
        "trusted_schema=OFF",
        "secure_delete=ON",  # what is pruned or written anew under another key is overwritten, not only unlinked
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_at_once(connection: Connection) -> None:
    """Take the write lock now: a transaction that reads first and writes later may find itself outdated.

    While another process has it, it is asked for about every millisecond.  SQLite itself waits longer from one try to
    the next, up to 100 ms, and a process that writes without pause would keep the others out for seconds.
    """
    plain: Any = connection.connection.driver_connection
    (patience,) = plain.execute("PRAGMA busy_timeout").fetchone()
    if connection.info.pop("rivals", False):
        sleep(2e-3)  # who has had to wait lets the others have a turn, too
    plain.execute("PRAGMA busy_timeout=0")
    try:
        until = monotonic() + patience / 1000
        while not _begun(plain) and monotonic() < until:
            connection.info["rivals"] = True
            sleep(random.uniform(0.5e-3, 2e-3))  # noqa: S311 - so that two do not ask in step
        if not plain.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # says what is in the way
    finally:
        plain.execute(f"PRAGMA busy_timeout={patience}")


def _begun(plain: Any) -> bool:
    """Tell whether a transaction that writes could be begun; raise nothing, but wait no longer, if it never can."""
    try:
        plain.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as taken:
        return bool(taken.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY)  # the rest of the code says why
    return True


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def cut_log(engine: Engine) -> bool:
    """Write SQLite's log into the file and cut it to nothing; return whether it could be.

    Until then the log holds what was overwritten in the file, and the file what was overwritten in the log.  It cannot
    be while somebody reads from it; a writer is held up for `CHECKPOINT` at most.
    """
    with contextlib.closing(engine.raw_connection()) as connection:
        driver = connection.cursor()
        driver.execute(f"PRAGMA busy_timeout={CHECKPOINT}")
        try:
            ((busy, _, _),) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            driver.execute(f"PRAGMA busy_timeout={BUSY}")
    return not busy


_SERVER_NOW = select(func.clock_timestamp(type_=Moment))


def now(connection: Connection, clock: Clock | None) -> datetime:
    """Return the moment by the store's clock: the one given, or the database server's."""
    if clock is not None:
        return clock()
    moment: datetime = connection.execute(_SERVER_NOW).scalar_one()
    return moment
