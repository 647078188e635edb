"""A connection to PostgreSQL that gives up when no answer comes.

The server ends what takes too long (`statement_timeout`), and TCP notices a host that is gone.  Neither helps against
a network in between that takes everything and lets nothing through: there a thread would wait for ever.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, ClassVar

import psycopg


class Patient(psycopg.Connection[Any]):
    """Waits so long for each answer, and is closed when none came: what was asked for cannot be known then."""

    answer: ClassVar = 35.0  # seconds; longer than the server's own limit for a statement, which should come first

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does; raise OperationalError, and close, when it takes too long."""
        begun, patience = monotonic(), self.answer if timeout is None else timeout
        try:
            return super().wait(gen, interval, patience)
        except psycopg.OperationalError as silence:
            if monotonic() - begun < patience:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError("no answer of the server") from silence


def connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> Patient:
    """Connect as SQLAlchemy asks (its event `do_connect`)."""
    return Patient.connect(*arguments, **named)
