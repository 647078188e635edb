"""How a part of the SQL store reaches the database: the process's one writer, and connections that read."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from adapters.stores.sql.writer import Work

Asked = TypeVar("Asked")
Result = TypeVar("Result")


class Access(Protocol):
    """What `SqlStore` lends to its parts (`store.journal`, `store.nodes`, …).  Opens the store when first used."""

    def write(self, work: Work[Asked, Result], asked: Asked) -> Result:
        """Return the result once it is committed; raise the member's own BrokerError, or Unavailable."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """Yield a connection that sees one moment of the database; raise Unavailable."""
        ...
