"""A store as full as one likes: submissions of some months, receipted, delivered and chained, written in bulk.

Every row is what the store itself would have written: keys and ids are made by its own functions, columns by
`adapters/stores/sql/rows.py`; only numbers, keys and moments differ from one submission to the next.  Documents and
receipts are short, for it is rows that are asked about.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, Table, text

from adapters.stores.sql import rows
from adapters.stores.sql.columns import key
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


def _delivered(it: Acceptance) -> Delivery:
    done = {"state": DeliveryState.DELIVERED, "attempts": 1, "reference": f"EZD/{it.submission.message_id}"}
    return replace(it.deliveries[0], **done)


def _events(it: Acceptance, number: int) -> Iterator[rows.Values]:
    """Yield what happened to a delivered submission, chained; `number` counts submissions."""
    of, delivery = it.submission, it.deliveries[0].id
    steps: tuple[tuple[str, DeliveryId | None, str], ...] = (
        ("intake.accepted", None, of.digest),
        (f"delivery.{DeliveryEvent.CLAIMED}", delivery, ""),
        (f"delivery.{DeliveryEvent.ACKNOWLEDGED}", delivery, f"EZD/{of.message_id}"),
    )
    for place, (name, about, detail) in enumerate(steps, start=3 * number):
        told = EventRecord(at=of.accepted_at, name=name, submission=of.id, delivery=about, detail=detail)
        chained = {"batch": place // _BATCH, "position": place % _BATCH, "leaf": key(name, of.id)}
        yield rows.event_values(told) | chained


def _rows(it: Acceptance, number: int) -> Iterator[tuple[Table, rows.Values]]:
    of = it.submission
    message = rows.fingerprint(of)
    by_content = rows.content_key(message)
    yield message_ids, {"id_key": rows.id_key(message), "content_key": by_content}
    yield contents, {"content_key": by_content, "submission": of.id}
    yield submissions, rows.submission_values(of)
    held = {"submission": of.id, "accepted_at": of.accepted_at, "document": it.document, "report": it.report}
    yield content, held
    yield receipts, rows.receipt_values(it.receipt)
    yield unstamped, {"receipt": it.receipt.id}
    yield deliveries, rows.delivery_values(_delivered(it))
    for event in _events(it, number):
        yield events, event


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
    moment = until - number * APART
    first = moment
    months = Months(engine)
    made, some = letters(lambda: moment), []
    write = _Bulk(engine)
    for done in range(number):
        moment = first + done * APART
        months.ensure(moment)
        it = next(made)
        for table, row in _rows(it, done):
            write(table, row)
        if done % max(number // 2000, 1) == 0:
            some.append(it.submission.id)
        if done % _CHUNK == _CHUNK - 1:
            write.flush()
            tell(done + 1)
    for row in _batches(number, until):
        write(batches, row)
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
        self._waiting: dict[Table, list[tuple[Any, ...]]] = {}
        self._how: dict[Table, tuple[tuple[str, ...], tuple[Any, ...]]] = {}
        if not self._postgres:
            self._raw.cursor().execute("PRAGMA synchronous=OFF")  # a store that is thrown away
            self._raw.cursor().execute("PRAGMA secure_delete=OFF")

    def __call__(self, table: Table, row: rows.Values) -> None:
        """Take a row."""
        if table not in self._how:
            dialect = self._engine.dialect
            binds = (table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in row)
            self._how[table] = tuple(row), tuple(binds)
        names, processors = self._how[table]
        values = (row[name] if bind is None else bind(row[name]) for name, bind in zip(names, processors, strict=True))
        self._waiting.setdefault(table, []).append(tuple(values))

    def flush(self) -> None:
        """Write what was taken, and commit."""
        cursor = self._raw.cursor()
        if not self._postgres:
            cursor.execute("BEGIN")
        for table, waiting in self._waiting.items():
            names = ", ".join(f'"{name}"' for name in self._how[table][0])
            if self._postgres:
                with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:  # type: ignore[attr-defined]
                    for values in waiting:
                        copy.write_row(values)
            else:
                gaps = ", ".join("?" for _ in waiting[0])
                cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({gaps})", waiting)
        cursor.execute("COMMIT")
        self._waiting.clear()

    def close(self) -> None:
        """Write the rest, and let go of the connection."""
        self.flush()
        if not self._postgres:
            self._raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._raw.close()
