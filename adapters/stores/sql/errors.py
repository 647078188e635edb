"""The seam of the SQL store: a foreign error comes in, one of ours goes out, with its cause.

What the database says may quote values of a row, so only the kind of error and its code are told on, and the
text only of errors about the connection, which know no rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import OperationalError as OutOfReach

from broker.errors import Unavailable

SOON = timedelta(seconds=2)


def unavailable(error: Exception) -> Unavailable:
    """Return what the caller is told; the caller raises it from the error."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    reason = f"store: {type(cause).__name__}"
    if code:
        reason += f" {code}"
    if isinstance(error, OutOfReach):
        first = str(cause).partition("\n")[0]
        reason += f": {first}"
    return Unavailable(reason, retry_after=SOON)


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever SQLAlchemy and the drivers raise into Unavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        raise unavailable(error) from error
