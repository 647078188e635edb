"""The months of the content table on PostgreSQL: made before they are needed, dropped whole by retention."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock

from sqlalchemy import Engine, text

_MAKING = 0x476F6E6965630002  # the advisory lock under which nodes make partitions one after the other
_SCHEMA = text("SELECT to_regclass(:name) IS NOT NULL")


def month(moment: datetime) -> tuple[datetime, datetime]:
    """Return the first moment of the month, in UTC, and that of the next."""
    first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first, first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


class Months:
    """Knows which months this process has seen to; on SQLite there is nothing to see to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine if engine.dialect.name == "postgresql" else None
        self._there: set[datetime] = set()
        self._lock = Lock()

    def ensure(self, moment: datetime) -> None:
        """Make the partition of this moment's month if it is not there.

        In a transaction of its own, before any that writes content: making one locks the whole table for a
        moment, and a transaction that has written content already could wait in a circle.
        """
        first, after = month(moment)
        if self._engine is None or first in self._there:
            return
        with self._lock, self._engine.begin() as connection:
            name = f"content_{first:%Y_%m}"
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING})
            if not connection.execute(_SCHEMA, {"name": name}).scalar_one():
                connection.exec_driver_sql(
                    f"CREATE TABLE {name} PARTITION OF content"
                    f" FOR VALUES FROM ('{first.isoformat()}') TO ('{after.isoformat()}')"
                )
        self._there.add(first)
