"""The months of the content table on PostgreSQL: made before they are needed, dropped when nothing is left in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Lock

from sqlalchemy import Connection, Engine, LargeBinary, column, func, select, table, text
from sqlalchemy.exc import DBAPIError, OperationalError

from broker.errors import Unavailable

_MAKING = 0x476F6E6965630002  # the advisory lock under which nodes make partitions one after the other
_NO_PARTITION = "23514"  # check_violation (PostgreSQL's documentation, appendix A)
_SCHEMA = text("SELECT to_regclass(:name) IS NOT NULL")
_TRANSACTION = text("SELECT txid_current()")
_OLDEST = text("SELECT txid_snapshot_xmin(txid_current_snapshot())")  # of those that are under way, or the next
_MONTHS = text(
    "SELECT child.relname FROM pg_inherits"
    " JOIN pg_class child ON child.oid = inhrelid"
    " WHERE inhparent = to_regclass('content') AND child.relname ~ '^content_[0-9]{4}_[0-9]{2}$'"
    " ORDER BY child.relname"
)

PATIENCE = timedelta(milliseconds=200)
"""For which a drop waits for its lock: everybody who wants to write content waits behind it meanwhile."""

SETTLED = timedelta(days=1)
"""After its end a month is left alone for so long: clocks differ, and an acceptance may still be under way."""

_FEW = 1_000  # documents that a month may still hold to be written anew without them
_LITTLE = 256 * 1024 * 1024  # bytes of them: their deliveries wait while they are copied
_WORTH_IT = 4  # times that must be free


def month(moment: datetime) -> tuple[datetime, datetime]:
    """Return the first moment of the month, in UTC, and that of the next."""
    first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first, first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def missing(away: Unavailable) -> bool:
    """Tell whether a write failed because the month of its content is not there."""
    cause = away.__cause__
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", "") == _NO_PARTITION


class Months:
    """Knows which months this process has seen to; on SQLite there is nothing to see to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine if engine.dialect.name == "postgresql" else None
        self._there: set[datetime] = set()
        self._noted: dict[str, int] = {}  # the transaction in which a month was first seen to hold little
        self._lock = Lock()

    def ensure(self, moment: datetime) -> None:
        """Make the partition of this moment's month if it is not there.

        In a transaction of its own, before any that writes content.  It is made apart and then attached: that waits
        for no reader, be it a backup that reads for hours.
        """
        first, after = month(moment)
        if self._engine is None or first in self._there:
            return
        with self._lock, self._engine.begin() as connection:
            name = f"content_{first:%Y_%m}"
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING})
            if not connection.execute(_SCHEMA, {"name": name}).scalar_one():
                connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE content INCLUDING ALL)")
                connection.exec_driver_sql(
                    f"ALTER TABLE content ATTACH PARTITION {name}"
                    f" FOR VALUES FROM ('{first.isoformat()}') TO ('{after.isoformat()}')"
                )
        self._there.add(first)

    def forget(self, moment: datetime) -> None:
        """Look again whether this moment's month is there, the next time: another process may have dropped it."""
        self._there.discard(month(moment)[0])

    def give_back(self, at: datetime) -> bool:
        """Drop one month that is past and empty, or shrink one that is nearly so; return False if there is none."""
        if self._engine is None:
            return False
        return any(self._drop(first, name) or self._shrink(name) for first, name in self._past(at))

    def _past(self, at: datetime) -> Iterator[tuple[datetime, str]]:
        """Yield the first moment and the name of each month that is over, oldest first."""
        if self._engine is None:
            return
        with self._engine.connect() as connection:
            names = connection.execute(_MONTHS).scalars().all()
        for name in names:
            first, after = month(datetime.strptime(name, "content_%Y_%m").replace(tzinfo=UTC))
            if after + SETTLED < at:
                yield first, name

    def _drop(self, first: datetime, name: str) -> bool:
        """Drop a month if it is empty, and its lock is to be had at once."""
        if self._engine is None:
            return False
        with self._engine.connect() as connection:
            if not _empty(connection, name):
                return False
        try:
            with self._lock, self._engine.begin() as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE // timedelta(milliseconds=1)}")
                # The table first, as whoever writes content takes them; then nothing can come in any more.
                connection.exec_driver_sql("LOCK TABLE ONLY content IN ACCESS EXCLUSIVE MODE")
                if not _empty(connection, name):
                    return False
                connection.exec_driver_sql(f"DROP TABLE {name}")
                self._there.discard(first)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") == "55P03":  # lock_not_available: somebody is at work in it
                return False
            raise
        return True

    def _shrink(self, name: str) -> bool:
        """Write a month anew that holds little and takes much; return whether it takes less now.

        What somebody's old transaction may still see would be copied too, however much it is: so that is waited for.
        """
        if self._engine is None:
            return False
        autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:
            kept, stored, takes = _measured(connection, name)
            if kept > _FEW or stored > _LITTLE or takes < _WORTH_IT * (stored + _LITTLE // 16):
                return False
            noted = self._noted.setdefault(name, int(connection.execute(_TRANSACTION).scalar_one()))
            if connection.execute(_OLDEST).scalar_one() <= noted:
                return False
            connection.exec_driver_sql(f"VACUUM (FULL, SKIP_LOCKED) {name}")  # skipped: it is tried the next time
            return _measured(connection, name)[2] < takes


def _empty(connection: Connection, name: str) -> bool:
    return connection.execute(select(1).select_from(table(name)).limit(1)).first() is None


def _measured(connection: Connection, name: str) -> tuple[int, int, int]:
    """Return how many documents a month holds (counted to one above few), their bytes as stored, and what it takes."""
    stored = [func.pg_column_size(column(name, LargeBinary)) for name in ("document", "report")]
    sizes = (stored[0] + stored[1]).label("stored")
    kept = select(sizes).select_from(table(name)).limit(_FEW + 1).subquery()
    takes = func.pg_total_relation_size(name)
    found = connection.execute(
        select(func.count(), func.coalesce(func.sum(kept.c.stored), 0), takes).select_from(kept)
    ).one()
    return int(found[0]), int(found[1]), int(found[2])
