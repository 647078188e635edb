"""The tables, as queries see them.  The migrations are what makes them; a test holds the two together.

Laid out for what comes later (DESIGN §4.5): submissions and idempotency keys are never partitioned; content is
in a table of its own, by month on PostgreSQL, so that pruning it is dropping a partition; every event has room
for the batch of the journal that will chain it.
Every index that claim, intake and show use is as deep after a million submissions as it is wide: none of them
counts, and what is live is found by a partial index that holds live rows only.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

from adapters.stores.sql.columns import Key, Moment, Span, Words

metadata = MetaData()
# Texts that may be the id of a submission: a stranger may write anything into `in_reply_to`, and PostgreSQL refuses
# entries of an index over 2.7 kB.  In a statement of this very wording, or no engine knows that the index serves it.
MAY_BE_ID: Final = "in_reply_to <> '' AND length(in_reply_to) <= 100"
Numbered = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER numbers itself there

submissions = Table(
    "submissions",
    metadata,
    Column("id", String, primary_key=True),
    Column("channel", Words, nullable=False),
    Column("sender", Words, nullable=False),
    Column("sender_key", Key, nullable=False),
    Column("message_id", Words, nullable=False),
    Column("fingerprint_box", Words, nullable=False),
    Column("box", Words, nullable=False),
    Column("office", String, nullable=False),
    Column("row", Words, nullable=False),
    Column("form_name", String, nullable=False),
    Column("form_version", String, nullable=False),
    Column("trial", Boolean, nullable=False),
    Column("digest", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("file_name", Words, nullable=False),
    Column("reply_to", Words, nullable=False),
    Column("case", Words, nullable=False),
    Column("in_reply_to", Words, nullable=False),
    Column("level", String, nullable=False),
    Column("notes", Words, nullable=False),  # JSON array
    Column("received_at", Moment, nullable=False),
    Column("accepted_at", Moment, nullable=False),
    Column("proof", String, nullable=False, server_default="none"),
    Index("submissions_by_sender", "sender_key", "id"),
    Index("submissions_by_office", "office", "id"),
    Index("submissions_by_digest", "digest"),
    Index("submissions_in_reply", "in_reply_to", "id", sqlite_where=text(MAY_BE_ID), postgresql_where=text(MAY_BE_ID)),
)

# What makes two messages the same message: see broker.model.Fingerprint.
contents = Table(
    "contents",
    metadata,
    Column("content_key", Key, primary_key=True),  # sender, box, trial, digest
    Column("submission", String, nullable=False),
)

# One content may have come under many message ids; each of them stands for it from then on.
message_ids = Table(
    "message_ids",
    metadata,
    Column("id_key", Key, primary_key=True),  # sender, message id
    Column("content_key", Key, nullable=False),
)

receipts = Table(
    "receipts",
    metadata,
    Column("id", String, primary_key=True),
    Column("submission", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("answer", String, nullable=False),
    Column("xml", LargeBinary, nullable=False),
    Index("receipts_by_submission", "submission", "kind", unique=True),
)

# Receipts without a time-stamped copy.  A row of `receipts` is never written again, not even to say so.
unstamped = Table("unstamped", metadata, Column("receipt", String, primary_key=True))

stamps = Table(
    "stamps",
    metadata,
    Column("receipt", String, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("xml", LargeBinary, nullable=False),
)

# The certificates of every seal that was ever used.
seals = Table(
    "seals",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("pem", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
)

# What retention prunes, and `later_reports` with it; everything else is proof and stays.
content = Table(
    "content",
    metadata,
    Column("submission", String, nullable=False),
    Column("accepted_at", Moment, nullable=False),  # the submission's: says in which month's partition to look
    Column("document", LargeBinary, nullable=False),
    Column("report", LargeBinary, nullable=False),
    PrimaryKeyConstraint("submission", "accepted_at"),
)

# Under which keys content lies (at_rest.py): a broker that has not all of them does not start.
content_keys = Table(
    "content_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("proof", LargeBinary, nullable=False),  # a known text under this key
    Column("at", Moment, nullable=False),
)

# Let in under a grace, and to be judged again.
rechecks = Table("rechecks", metadata, Column("submission", String, primary_key=True))

# What judging again has found: beside the report in `content`, never over it.
later_reports = Table(
    "later_reports",
    metadata,
    Column("submission", String, primary_key=True),
    Column("accepted_at", Moment, nullable=False),  # the submission's: for retention
    Column("at", Moment, nullable=False),
    Column("report", LargeBinary, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("submission", String, nullable=False),
    Column("office", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("since", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("last_error", Words, nullable=False),
    Column("reference", Words, nullable=False),
    # From when on a worker may take it: due_at while waiting, the end of the lease while sending, else null.
    Column("claimable_at", Moment),
    Column("token", String),  # of the claim that holds it, else null
    Index("deliveries_by_submission", "submission"),
    Index("deliveries_by_state", "state", "submission"),
    Index(
        "deliveries_live",
        "office",
        "claimable_at",
        "id",
        sqlite_where=text("claimable_at IS NOT NULL"),
        postgresql_where=text("claimable_at IS NOT NULL"),
    ),
    Index(
        "deliveries_in_flight",
        "office",
        "claimable_at",
        sqlite_where=text("token IS NOT NULL"),
        postgresql_where=text("token IS NOT NULL"),
    ),
)

offices = Table(
    "offices",
    metadata,
    Column("id", String, primary_key=True),
    Column("in_flight", Integer, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("cooling", Span, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("open_until", Moment),  # null: the breaker is closed
    Column("paused", Boolean, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Numbered, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("name", String, nullable=False),
    Column("submission", String),
    Column("delivery", String),
    Column("detail", Words, nullable=False),
    Column("batch", BigInteger),  # the journal's batch that chains it; null until then
    Column("position", Integer),  # in its batch, from 0
    Column("leaf", LargeBinary),  # its hash, as the batch's tree has it
    Index("events_by_submission", "submission", "id"),
    Index("events_unchained", "id", sqlite_where=text("batch IS NULL"), postgresql_where=text("batch IS NULL")),
    Index(
        "events_chained",
        "batch",
        "position",
        sqlite_where=text("batch IS NOT NULL"),
        postgresql_where=text("batch IS NOT NULL"),
    ),
)

# The journal: each batch of events has the root of a hash tree, and a head that depends on all batches before it.
batches = Table(
    "batches",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("size", Integer, nullable=False),  # events
    Column("root", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),  # the head before
    Column("head", LargeBinary, nullable=False),
    Column("sealed", LargeBinary),  # the head under the broker's seal, XML; null until it is sealed
    Column("stamp", LargeBinary),  # a time-stamp on the head (RFC 3161), DER; null while there is none
    Index("batches_unsealed", "number", sqlite_where=text("sealed IS NULL"), postgresql_where=text("sealed IS NULL")),
    Index("batches_unstamped", "number", sqlite_where=text("stamp IS NULL"), postgresql_where=text("stamp IS NULL")),
)

# The processes that serve, and those that did until lately.
nodes = Table(
    "nodes",
    metadata,
    Column("id", String, primary_key=True),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String, nullable=False),
    Column("layout", String, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("draining", Boolean, nullable=False),
)

# What only one node does at a time, and which one, until when.
duties = Table(
    "duties",
    metadata,
    Column("name", String, primary_key=True),
    Column("node", String, nullable=False),
    Column("until", Moment, nullable=False),
)

# Which deliveries were told to be late, so that each is told once.
overdue = Table(
    "overdue",
    metadata,
    Column("delivery", String, primary_key=True),
    Column("stage", String, primary_key=True),
    Column("level", String, primary_key=True),
    Column("submission", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("met_at", Moment),  # when it was noted that it has come about after all
    Index("overdue_unmet", "delivery", sqlite_where=text("met_at IS NULL"), postgresql_where=text("met_at IS NULL")),
    Index("overdue_by_submission", "submission"),
)

# What offices are to answer, until they have; how many there can be depends on `deadlines.retrieval`.
awaited = Table(
    "awaited",
    metadata,
    Column("submission", String, primary_key=True),
    Column("expired_at", Moment),  # when it was told that the answer is late
    Index(
        "awaited_open",
        "submission",
        sqlite_where=text("expired_at IS NULL"),
        postgresql_where=text("expired_at IS NULL"),
    ),
)

# Sealed evidence that something did not happen in time: owed, sealed, and on its way to the partner.
evidences = Table(
    "evidences",
    metadata,
    Column("submission", String, primary_key=True),
    Column("stage", String, primary_key=True),
    Column("delivery", String, nullable=False),
    Column("office", String, nullable=False),
    Column("state", String, nullable=False),  # of the delivery when it was found to be late
    Column("cause", Words, nullable=False),
    Column("deadline", Moment, nullable=False),
    Column("at", Moment, nullable=False),
    Column("progress", String, nullable=False),
    Column("id", String, nullable=False),  # "" until it is sealed
    Column("xml", LargeBinary, nullable=False),  # likewise
    Column("tries", Integer, nullable=False),
    Column("due_at", Moment),  # when the next step is to be tried; null: there is none
    Index(
        "evidences_due", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")
    ),
)

# One row: the layouts of the oldest and the newest version that may serve from this database.
layouts = Table(
    "layouts",
    metadata,
    Column("oldest", String, nullable=False),
    Column("newest", String, nullable=False),
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", Numbered, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("channel", Words, nullable=False),
    Column("sender", Words, nullable=False),
    Column("message_id", Words, nullable=False),
    Column("digest", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("place", Words, nullable=False),
    Column("negative_receipt", LargeBinary),
    Index("refusals_by_time", "at", "id"),
    Index("refusals_by_digest", "digest"),
)

# How often a sender was turned away in an hour: over the cap, this count is all that is kept.
refusal_hours = Table(
    "refusal_hours",
    metadata,
    Column("hour", Moment, nullable=False),
    Column("sender_key", Key, nullable=False),
    Column("seen", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "sender_key"),
)

# Tokens that may be shown once, until they end.
uses = Table(
    "uses",
    metadata,
    Column("token_key", Key, primary_key=True),
    Column("until", Moment, nullable=False),
    Index("uses_by_end", "until"),
)
