"""What custody that can be proven adds: the journal's batches, nodes and their duties, deadlines, who may serve.

Nothing that was there changes its meaning, so a node of the second layout that is still running goes on working:
the events that it writes are chained like all others.  No table that grows is rewritten; the one that gets columns
gets them last, and its index, which holds nothing yet but has to read all events, is made while they are written.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.stores.migrations import online
from adapters.stores.sql.columns import Moment, Words

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add tables and columns, then the indexes over tables that grow."""
    if not online.there("layouts"):
        _tables()
    online.index("events_chained", "events", ["batch", "position"], where="batch IS NOT NULL")
    online.index("refusals_by_digest", "refusals", ["digest"])
    may_be_id = "in_reply_to <> '' AND length(in_reply_to) <= 100"  # answers alone, and no longer texts of strangers
    online.index("submissions_in_reply", "submissions", ["in_reply_to", "id"], where=may_be_id)
    online.serve_from("0002", "0003")


def _tables() -> None:
    _journal()
    _nodes()
    _deadlines()
    op.create_table(
        "layouts",
        sa.Column("oldest", sa.String, nullable=False),
        sa.Column("newest", sa.String, nullable=False),
    )
    op.add_column("events", sa.Column("position", sa.Integer))
    op.add_column("events", sa.Column("leaf", sa.LargeBinary))


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
    for name, column in (("batches_unsealed", "sealed"), ("batches_unstamped", "stamp")):
        lacking = sa.text(f"{column} IS NULL")
        op.create_index(name, "batches", ["number"], sqlite_where=lacking, postgresql_where=lacking)


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
        sa.Column("met_at", Moment),
    )
    op.create_index("overdue_by_submission", "overdue", ["submission"])
    op.create_table(
        "awaited",
        sa.Column("submission", sa.String, primary_key=True),
        sa.Column("expired_at", Moment),
    )
    op.create_table(
        "evidences",
        sa.Column("submission", sa.String, primary_key=True),
        sa.Column("stage", sa.String, primary_key=True),
        sa.Column("delivery", sa.String, nullable=False),
        sa.Column("office", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("cause", Words, nullable=False),
        sa.Column("deadline", Moment, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("progress", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("xml", sa.LargeBinary, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", Moment),
    )
    for name, table, column, condition in (
        ("overdue_unmet", "overdue", "delivery", "met_at IS NULL"),
        ("awaited_open", "awaited", "submission", "expired_at IS NULL"),
        ("evidences_due", "evidences", "due_at", "due_at IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)
