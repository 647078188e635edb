"""What custody that can be proven adds: the journal's batches, nodes and their duties, deadlines, who may serve.

Nothing that was there changes its meaning, so a node of the second layout that is still running goes on working:
the events that it writes are chained like all others.  No table that grows is rewritten; the one index over a table
that grows holds nothing yet.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.stores.sql.columns import Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns and tables."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")  # that of requests; this one may take as long as it takes
    _journal()
    _nodes()
    _deadlines()
    op.create_table(
        "layouts",
        sa.Column("oldest", sa.String, nullable=False),
        sa.Column("newest", sa.String, nullable=False),
    )
    op.execute("INSERT INTO layouts (oldest, newest) VALUES ('0002', '0003')")


def _journal() -> None:
    op.create_table(
        "batches",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("stamp", sa.LargeBinary),
    )
    op.add_column("events", sa.Column("position", sa.Integer))
    op.add_column("events", sa.Column("leaf", sa.LargeBinary))
    chained = sa.text("batch IS NOT NULL")
    op.create_index("events_chained", "events", ["batch", "position"], sqlite_where=chained, postgresql_where=chained)


def _nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("layout", sa.String, nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("seen_at", Moment, nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
    )
    op.create_table(
        "duties",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("until", Moment, nullable=False),
    )


def _deadlines() -> None:
    op.create_table(
        "overdue",
        sa.Column("delivery", sa.String, primary_key=True),
        sa.Column("stage", sa.String, primary_key=True),
        sa.Column("level", sa.String, primary_key=True),
        sa.Column("submission", sa.String, nullable=False),
        sa.Column("at", Moment, nullable=False),
    )
    op.create_table(
        "evidences",
        sa.Column("submission", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("xml", sa.LargeBinary, nullable=False),
    )
