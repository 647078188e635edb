"""A store as full as one likes: submissions of some months, receipted, delivered and chained, written in bulk.

Every row is what the store itself would have written: the first submission's columns are made by
`adapters/stores/sql/rows.py`, keys and ids of all by the store's own functions; numbers, keys and moments are what
differs from one submission to the next.  Documents and
receipts are short, for it is rows that are asked about.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, Table, text

from adapters.stores.sql import rows
from adapters.stores.sql.columns import Moment, key
from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.migrate import migrate
from adapters.stores.sql.partitions import Months
from adapters.stores.sql.tables import (
    batches,
    content,
    contents,
    deliveries,
    events,
    message_ids,
    receipts,
    submissions,
    unstamped,
)
from broker.evidence import UNSIGNED, Level, to_json
from broker.identity import delivery_id
from broker.model import (
    Acceptance,
    Delivery,
    DeliveryId,
    Fingerprint,
    FormKey,
    OfficeId,
    Receipt,
    ReceiptKind,
    Submission,
    SubmissionId,
)
from broker.ports import EventRecord
from broker.states import DeliveryEvent, DeliveryState
from config.ids import TimeOrderedIds

OFFICES: Final = tuple(OfficeId(f"office-{number:02}") for number in range(40))
APART: Final = timedelta(seconds=8)  # a million of them are three months
_SENDERS: Final = tuple(f"partner-{number:03}" for number in range(300))
_CHUNK: Final = 10_000
_BATCH: Final = 1000  # events that the journal chains together
_DOCUMENT: Final = b"<letter>" + b"x" * 380 + b"</letter>"
_RECEIPT: Final = b"<UPP>" + b"x" * 590 + b"</UPP>"

Tell = Callable[[int], None]


def letters(clock: Callable[[], datetime]) -> Iterator[Acceptance]:
    """Yield messages, each new, as intake hands them to the store at the moment that the clock has then."""
    ids = TimeOrderedIds(clock)
    while True:
        number, at = secrets.randbits(40), clock()
        office = OFFICES[number % len(OFFICES)]
        submission = Submission(
            id=SubmissionId(ids()),
            channel="soap",
            sender=_SENDERS[number % len(_SENDERS)],
            message_id=f"m-{number}",
            fingerprint_box=f"/{office}/SEKAP",
            box=f"/{office}/SEKAP",
            office=office,
            row="boxes:1",
            form=FormKey(name="pismo-ogolne", version="1410"),
            trial=False,
            digest=hashlib.sha256(number.to_bytes(8, "big")).hexdigest(),
            size=len(_DOCUMENT),
            file_name="pismo.xml",
            reply_to="",
            case="",
            in_reply_to="",
            level=Level.QUALIFIED,
            notes=(),
            received_at=at,
            accepted_at=at,
        )
        receipt = Receipt(id=ids(), submission=submission.id, kind=ReceiptKind.UPP, issued_at=at, xml=_RECEIPT)
        delivery = Delivery(
            id=delivery_id(rows.fingerprint(submission), office),
            submission=submission.id,
            office=office,
            since=at,
            due_at=at,
        )
        yield Acceptance(
            submission=submission,
            document=_DOCUMENT,
            receipt=receipt,
            report=to_json(UNSIGNED),
            deliveries=(delivery,),
        )


def _template(it: Acceptance) -> dict[Table, list[rows.Values]]:
    """Return the rows that the store writes for a submission that was delivered and chained, by table."""
    of, delivery = it.submission, it.deliveries[0]
    message = rows.fingerprint(of)
    done = replace(delivery, state=DeliveryState.DELIVERED, attempts=1, reference="EZD/1")
    steps: tuple[tuple[str, DeliveryId | None], ...] = (
        ("intake.accepted", None),
        (f"delivery.{DeliveryEvent.CLAIMED}", delivery.id),
        (f"delivery.{DeliveryEvent.ACKNOWLEDGED}", delivery.id),
    )
    told = (EventRecord(at=of.accepted_at, name=name, submission=of.id, delivery=about) for name, about in steps)
    chained = {"batch": 0, "position": 0, "leaf": bytes(32)}
    return {
        message_ids: [{"id_key": rows.id_key(message), "content_key": rows.content_key(message)}],
        contents: [{"content_key": rows.content_key(message), "submission": of.id}],
        submissions: [rows.submission_values(of)],
        content: [
            {"submission": of.id, "accepted_at": of.accepted_at, "document": it.document, "report": it.report},
        ],
        receipts: [rows.receipt_values(it.receipt)],
        unstamped: [{"receipt": it.receipt.id}],
        deliveries: [rows.delivery_values(done)],
        events: [rows.event_values(event) | chained for event in told],
    }


def _differences(number: int, of: str, receipt: str, at: Any) -> dict[Table, list[rows.Values]]:
    """Return what differs in the rows of one submission, as the driver takes it: `at` is written already."""
    office, sender = OFFICES[number % len(OFFICES)], _SENDERS[number % len(_SENDERS)]
    digest = hashlib.sha256(number.to_bytes(8, "big")).hexdigest()
    message = Fingerprint(sender=sender, message_id=f"m-{number}", box=f"/{office}/SEKAP", trial=False, digest=digest)
    by_content, delivery = rows.content_key(message), delivery_id(message, office)
    submission = {"id": of, "sender": sender, "sender_key": key(sender), "message_id": message.message_id}
    submission |= {"fingerprint_box": message.box, "box": message.box, "office": office, "digest": digest}
    submission |= {"received_at": at, "accepted_at": at}
    places = (divmod(place, _BATCH) for place in range(3 * number, 3 * number + 3))
    chained = [{"at": at, "submission": of, "batch": batch, "position": place} for batch, place in places]
    chained[0] |= {"detail": digest}
    for event in chained[1:]:
        event["delivery"] = delivery
    return {
        message_ids: [{"id_key": rows.id_key(message), "content_key": by_content}],
        contents: [{"content_key": by_content, "submission": of}],
        submissions: [submission],
        content: [{"submission": of, "accepted_at": at}],
        receipts: [{"id": receipt, "submission": of, "issued_at": at}],
        unstamped: [{"receipt": receipt}],
        deliveries: [{"id": delivery, "submission": of, "office": office, "since": at, "due_at": at}],
        events: chained,
    }


def _batches(number: int, at: datetime) -> Iterator[rows.Values]:
    head = bytes(32)
    for one in range(3 * number // _BATCH):
        previous, head = head, key(str(one))
        told = {"number": one, "at": at, "size": _BATCH, "root": key("root", str(one)), "previous": previous}
        yield told | {"head": head, "sealed": b"<head/>", "stamp": None}


def fill(url: str, number: int, until: datetime, tell: Tell = lambda _done: None) -> list[SubmissionId]:
    """Make a store with so many submissions, the last of them at `until`; return some of them, of all ages."""
    migrate(url)
    engine = open_engine(url, writes=True)
    first = until - number * APART
    months, ids = Months(engine), TimeOrderedIds(lambda: at)
    write, written, some = _Bulk(engine), Moment().bind_processor(engine.dialect), []
    for table, samples in _template(next(letters(lambda: first))).items():
        write.learn(table, samples)
    for done in range(number):
        at = first + done * APART
        months.ensure(at)
        of, receipt = ids(), ids()
        for table, differences in _differences(done, of, receipt, written(at) if written else at).items():
            write(table, differences)
        if done % max(number // 2000, 1) == 0:
            some.append(SubmissionId(of))
        if done % _CHUNK == _CHUNK - 1:
            write.flush()
            tell(done + 1)
    write.flush()
    for row in _batches(number, until):
        write.learn(batches, [row])
        write(batches, [{}])
    write.close()
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
    engine.dispose()
    return some


class _Bulk:
    """Rows by table, written by the driver's own means for many: executemany on SQLite, COPY on PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._raw = engine.raw_connection()
        self._postgres = engine.dialect.name == "postgresql"
        self._waiting: dict[Table, list[list[Any]]] = {}
        self._samples: dict[Table, list[list[Any]]] = {}
        self._places: dict[Table, dict[str, int]] = {}
        if not self._postgres:
            self._raw.cursor().execute("PRAGMA synchronous=OFF")  # a store that is thrown away
            self._raw.cursor().execute("PRAGMA secure_delete=OFF")

    def learn(self, table: Table, samples: Sequence[rows.Values]) -> None:
        """Take whole rows, written as the driver wants them, from which those to come differ."""
        dialect = self._engine.dialect
        names = list(samples[0])
        binds = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        self._places[table] = {name: place for place, name in enumerate(names)}
        self._samples[table] = [
            [bind(row[name]) if bind else row[name] for name, bind in zip(names, binds, strict=True)] for row in samples
        ]
        self._waiting.setdefault(table, [])

    def __call__(self, table: Table, differences: Sequence[rows.Values]) -> None:
        """Take rows by what is different in them; values are as the driver takes them."""
        places, waiting = self._places[table], self._waiting[table]
        for sample, row in zip(self._samples[table], differences, strict=True):
            whole = sample.copy()
            for name, value in row.items():
                whole[places[name]] = value
            waiting.append(whole)

    def flush(self) -> None:
        """Write what was taken, and commit."""
        cursor = self._raw.cursor()
        if not self._postgres:
            cursor.execute("BEGIN")
        for table, waiting in self._waiting.items():
            if not waiting:
                continue
            names = ", ".join(f'"{name}"' for name in self._places[table])
            if self._postgres:
                with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:  # type: ignore[attr-defined]
                    for values in waiting:
                        copy.write_row(values)
            else:
                gaps = ", ".join("?" for _ in waiting[0])
                cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({gaps})", waiting)
            waiting.clear()
        cursor.execute("COMMIT")

    def close(self) -> None:
        """Write the rest, and let go of the connection."""
        self.flush()
        if not self._postgres:
            self._raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._raw.close()
