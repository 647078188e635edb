"""What trust adds: how a sender was known, tokens, seals, time-stamped copies, second judgements, content keys.

Nothing that was there changes its meaning, so a node of the first layout that is still running goes on working:
what it writes is read as "not known how".  No table that grows is rewritten or walked under a lock that writers
want; on SQLite, where one transaction holds them all up, the only walk is over the receipts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.stores.sql.columns import Key, Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns and tables."""
    op.create_table(
        "uses",
        sa.Column("token_key", Key, primary_key=True),
        sa.Column("until", Moment, nullable=False),
    )
    op.create_index("uses_by_end", "uses", ["until"])
    op.create_table(
        "seals",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("pem", sa.LargeBinary, nullable=False),
        sa.Column("at", Moment, nullable=False),
    )
    _stamps()
    _rechecks()
    op.create_table(
        "content_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("proof", sa.LargeBinary, nullable=False),
        sa.Column("at", Moment, nullable=False),
    )
    # Last, for from here on nobody else can write to it.
    op.add_column("submissions", sa.Column("proof", sa.String, nullable=False, server_default="none"))


def _stamps() -> None:
    op.create_table("unstamped", sa.Column("receipt", sa.String, primary_key=True))
    op.create_table(
        "stamps",
        sa.Column("receipt", sa.String, primary_key=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("xml", sa.LargeBinary, nullable=False),
    )
    op.execute("INSERT INTO unstamped (receipt) SELECT id FROM receipts WHERE kind = 'UPP'")


def _rechecks() -> None:
    op.create_table("rechecks", sa.Column("submission", sa.String, primary_key=True))
    op.create_table(
        "later_reports",
        sa.Column("submission", sa.String, primary_key=True),
        sa.Column("accepted_at", Moment, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("report", sa.LargeBinary, nullable=False),
    )
