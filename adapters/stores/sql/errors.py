"""The seam of the SQL store: a foreign error comes in, one of ours goes out, with its cause.

What the database says may quote values of a row, so only the kind of error and its code are told on, and the
text only of errors about the connection, which know no rows.  The code says how long it is worth waiting, and whether
the database as such is in trouble or only this one statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import OperationalError as OutOfReach

from broker.errors import Unavailable
from broker.pressure import Condition

SOON: Final = timedelta(seconds=2)
_RESTART: Final = timedelta(seconds=5)  # a server that comes back, or another that takes over
_MENDED: Final = timedelta(seconds=30)  # somebody has to do something
_ROOM: Final = timedelta(seconds=60)  # somebody has to make room

# By the longest beginning of the code: SQLite's names of result codes (sqlite.org/rescode.html), PostgreSQL's SQLSTATE
# (its documentation, appendix A).  What is not here is about one statement only.
_WAITS: Final = {
    "SQLITE_FULL": _ROOM,
    "SQLITE_IOERR": _MENDED,
    "SQLITE_READONLY": _MENDED,
    "SQLITE_CANTOPEN": _MENDED,
    "SQLITE_CORRUPT": _MENDED,
    "SQLITE_NOTADB": _MENDED,
    "SQLITE_BUSY": SOON,
    "SQLITE_LOCKED": SOON,
    "08": _RESTART,  # connection exception
    "25006": _RESTART,  # read-only transaction: the server is a standby now, or was made to be read only
    "28": _MENDED,  # may not log in
    "3D": _MENDED,  # no such database
    "53": _RESTART,  # insufficient resources: memory, connections (53300)
    "53100": _ROOM,  # disk full
    "55P03": SOON,  # lock not available
    "57014": _RESTART,  # the statement ran out of time
    "57P": _RESTART,  # shut down by an operator, after a crash, or not up yet
    "58": _MENDED,  # system error: 58030 is I/O
}
_UNDONE: Final = "40"  # transaction rollback, such as of a deadlock: the database is well, whatever the driver calls it


def unavailable(error: Exception) -> Unavailable:
    """Return what the caller is told; the caller raises it from the error.

    Its condition is `store` if the database as such is in trouble, empty if only this statement was.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    about = (isinstance(error, OutOfReach) and not code.startswith(_UNDONE)) or isinstance(cause, OSError)
    wait = _wait(code) or (_RESTART if about else None)
    reason = f"store: {type(cause).__name__}"
    if code:
        reason += f" {code}"
    if isinstance(error, OutOfReach):
        first = str(cause).partition("\n")[0]
        reason += f": {first}"
    return Unavailable(reason, retry_after=wait or SOON, condition="" if wait is None else Condition.STORE)


def _wait(code: str) -> timedelta | None:
    known = [beginning for beginning in _WAITS if code.startswith(beginning)]
    return _WAITS[max(known, key=len)] if known else None


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever SQLAlchemy and the drivers raise into Unavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        raise unavailable(error) from error
