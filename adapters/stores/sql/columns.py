"""How values of ours are written into columns, so that SQLite and PostgreSQL give back the same.

Here: moments, texts and keys.  Which columns there are is in tables.py.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, LargeBinary, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from broker.identity import octets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """UTC to the microsecond: `timestamptz` on PostgreSQL, microseconds since 1970 on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the engine's own type."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write."""
        if value is None or dialect.name == "postgresql":
            return value
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read."""
        if value is None:
            return None
        moment: datetime = value.astimezone(UTC) if dialect.name == "postgresql" else _EPOCH + value * _MICROSECOND
        return moment


class Span(TypeDecorator[timedelta]):
    """A length of time in microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Write."""
        return None if value is None else value // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Read."""
        return None if value is None else value * _MICROSECOND


class Words(TypeDecorator[str]):
    """Any text that Python can hold.

    PostgreSQL takes no NUL and neither engine takes half a surrogate pair, but a sender can put either into a
    header; a text that the store cannot take would come back for ever.  So these are escaped, and the escape
    character (private use, U+E000) with them.
    """

    impl = Text
    cache_ok = True
    _awkward = re.compile("[\x00\ud800-\udfff\ue000]")
    _escaped = re.compile("\ue000([0-9a-f]{4})")

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Write."""
        if value is None or (value.isascii() and "\x00" not in value):
            return value
        return self._awkward.sub(lambda found: f"\ue000{ord(found[0]):04x}", value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Read."""
        if value is None or "\ue000" not in value:
            return value
        return self._escaped.sub(lambda found: chr(int(found[1], 16)), value)


class Key(LargeBinary):
    """A digest under which texts of any length are looked up: see `key`."""


def key(*parts: str | bool) -> bytes:
    """Return 32 bytes that are equal only for equal parts.

    An index over the texts themselves would grow with what a stranger writes, and PostgreSQL refuses entries
    over 2.7 kB.
    """
    return octets(*parts)
