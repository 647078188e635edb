"""What a migration does to tables that grow while nodes write to them: nobody who wants to write is kept waiting.

On PostgreSQL a step is broken off when it cannot have its lock within half a second (`LOCK_WAIT`), for who waits for a
lock on a table keeps all others waiting behind it; `adapters.stores.sql.migrate` then tries the whole migration again.
So a migration is either one transaction, or can be begun again where it was broken off: what comes before an index is
one transaction and is passed over when it is there.

On SQLite all of it is one transaction, and writers wait for its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

from adapters.stores.sql.layout import LOCK_WAIT

_LAYOUTS: Final = sa.table("layouts", sa.column("oldest"), sa.column("newest"))


def there(table: str) -> bool:
    """Tell whether a table is there already: an earlier try got so far."""
    return sa.inspect(op.get_bind()).has_table(table)


def index(name: str, table: str, columns: Sequence[str], *, where: str | None = None) -> None:
    """Make an index over the rows that `where` names, or over all; on PostgreSQL without keeping anybody from writing.

    There it is made outside of any transaction, after all that this migration did so far has been committed; what is
    left of an index that was broken off is of no use and is removed first.
    """
    condition = None if where is None else sa.text(where)
    if op.get_context().dialect.name == "sqlite":
        op.create_index(name, table, list(columns), sqlite_where=condition)
        return
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        # It waits for transactions that are under way, but holds no lock that a writer wants.
        connection.execute(sa.text("SET lock_timeout = 0"))
        whole = connection.execute(
            sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": name}
        ).scalar()
        if whole is False:
            connection.execute(sa.text(f"DROP INDEX CONCURRENTLY {name}"))
        if not whole:
            op.create_index(name, table, list(columns), postgresql_where=condition, postgresql_concurrently=True)
        connection.execute(sa.text(f"SET lock_timeout = '{LOCK_WAIT}'"))


def serve_from(oldest: str, newest: str) -> None:
    """Name the layouts of the oldest and the newest version that may serve: a migration's last word."""
    op.execute(sa.delete(_LAYOUTS))
    op.execute(sa.insert(_LAYOUTS).values(oldest=oldest, newest=newest))
