"""The first layout: custody, deliveries, refusals, events.  Why it is cut like this: adapters/stores/sql/tables.py."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.stores.sql.columns import Key, Moment, Span, Words

revision = "0001"
down_revision = None

_NUMBERED = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _live(condition: str) -> dict[str, Any]:
    """Return the arguments that make an index hold only some rows, for both engines."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Make all tables of the first layout."""
    _custody()
    _deliveries()
    _events()
    _refusals()


def _custody() -> None:
    op.create_table(
        "submissions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("channel", Words, nullable=False),
        sa.Column("sender", Words, nullable=False),
        sa.Column("sender_key", Key, nullable=False),
        sa.Column("message_id", Words, nullable=False),
        sa.Column("fingerprint_box", Words, nullable=False),
        sa.Column("box", Words, nullable=False),
        sa.Column("office", sa.String, nullable=False),
        sa.Column("row", Words, nullable=False),
        sa.Column("form_name", sa.String, nullable=False),
        sa.Column("form_version", sa.String, nullable=False),
        sa.Column("trial", sa.Boolean, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("file_name", Words, nullable=False),
        sa.Column("reply_to", Words, nullable=False),
        sa.Column("case", Words, nullable=False),
        sa.Column("in_reply_to", Words, nullable=False),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("notes", Words, nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("accepted_at", Moment, nullable=False),
    )
    op.create_index("submissions_by_sender", "submissions", ["sender_key", "id"])
    op.create_index("submissions_by_office", "submissions", ["office", "id"])
    op.create_index("submissions_by_digest", "submissions", ["digest"])
    op.create_table(
        "contents",
        sa.Column("content_key", Key, primary_key=True),
        sa.Column("submission", sa.String, nullable=False),
    )
    op.create_table(
        "message_ids",
        sa.Column("id_key", Key, primary_key=True),
        sa.Column("content_key", Key, nullable=False),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("submission", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("issued_at", Moment, nullable=False),
        sa.Column("answer", sa.String, nullable=False),
        sa.Column("xml", sa.LargeBinary, nullable=False),
    )
    op.create_index("receipts_by_submission", "receipts", ["submission", "kind"], unique=True)
    op.create_table(
        "content",
        sa.Column("submission", sa.String, nullable=False),
        sa.Column("accepted_at", Moment, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("report", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("submission", "accepted_at"),
        postgresql_partition_by="RANGE (accepted_at)",  # its months are made when they come
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("submission", sa.String, nullable=False),
        sa.Column("office", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("last_error", Words, nullable=False),
        sa.Column("reference", Words, nullable=False),
        sa.Column("claimable_at", Moment),
        sa.Column("token", sa.String),
    )
    op.create_index("deliveries_by_submission", "deliveries", ["submission"])
    op.create_index("deliveries_by_state", "deliveries", ["state", "submission"])
    op.create_index(
        "deliveries_live", "deliveries", ["office", "claimable_at", "id"], **_live("claimable_at IS NOT NULL")
    )
    op.create_index("deliveries_in_flight", "deliveries", ["office", "claimable_at"], **_live("token IS NOT NULL"))
    op.create_table(
        "offices",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("in_flight", sa.Integer, nullable=False),
        sa.Column("threshold", sa.Integer, nullable=False),
        sa.Column("cooling", Span, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("open_until", Moment),
        sa.Column("paused", sa.Boolean, nullable=False),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _NUMBERED, primary_key=True, autoincrement=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("submission", sa.String),
        sa.Column("delivery", sa.String),
        sa.Column("detail", Words, nullable=False),
        sa.Column("batch", sa.BigInteger),
    )
    op.create_index("events_by_submission", "events", ["submission", "id"])
    op.create_index("events_unchained", "events", ["id"], **_live("batch IS NULL"))


def _refusals() -> None:
    op.create_table(
        "refusals",
        sa.Column("id", _NUMBERED, primary_key=True, autoincrement=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("channel", Words, nullable=False),
        sa.Column("sender", Words, nullable=False),
        sa.Column("message_id", Words, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("place", Words, nullable=False),
        sa.Column("negative_receipt", sa.LargeBinary),
    )
    op.create_index("refusals_by_time", "refusals", ["at", "id"])
    op.create_table(
        "refusal_hours",
        sa.Column("hour", Moment, nullable=False),
        sa.Column("sender_key", Key, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hour", "sender_key"),
    )
