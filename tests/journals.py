"""Makers of journals for tests: many events at once, chained, sealed and published, in a store or in hand."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import insert

from adapters.stores import SqlStore
from adapters.stores.sql import rows
from adapters.stores.sql.journal import SqlJournal
from adapters.stores.sql.tables import events
from broker.journal import Batch, Entry, chained, leaf_of
from broker.journal_head import Published, line, noted, unsealed
from broker.model import DeliveryId, SubmissionId
from broker.ports import EventRecord
from tests.receipts import ISSUED, a_seal

NAMES = ("intake.accepted", "delivery.claimed", "delivery.acknowledged", "stamp.kept", "office.paused")


def an_event(number: int, **about) -> EventRecord:
    """An event as the broker writes it."""
    of, name = number // len(NAMES), NAMES[number % len(NAMES)]
    nobodys = name == "office.paused"
    return EventRecord(
        **{
            "at": ISSUED + timedelta(milliseconds=number),
            "name": name,
            "submission": None if nobodys else SubmissionId(f"s{of:08}"),
            "delivery": DeliveryId(f"d{of:08}") if name.startswith("delivery.") else None,
            "detail": f"{number:064x}",
            **about,
        }
    )


def a_batch(last: Batch | None, numbers, **about) -> tuple[Batch, list[Entry]]:
    """A batch of events with these ids, as a store would keep it."""
    bare = [Entry(id=number, event=an_event(number, **about)) for number in numbers]
    leaves = [leaf_of(one) for one in bare]
    batch = chained(last, leaves, ISSUED)
    entries = [
        Entry(id=one.id, event=one.event, batch=batch.number, position=place, leaf=leaf)
        for place, (one, leaf) in enumerate(zip(bare, leaves, strict=True))
    ]
    return batch, entries


def fill(store: SqlStore, number: int, start: int = 0) -> None:
    """Write events straight into the table."""
    store.stats()  # makes the tables
    values = [rows.event_values(an_event(one)) for one in range(start, start + number)]
    with store._writing.begin() as connection:
        connection.execute(insert(events), values)


def chain_and_seal(store: SqlStore, most: int, seal=None) -> None:
    """Chain all there is, and seal every head."""
    while store.journal.chain(most) is not None:
        pass
    seal = seal or a_seal()
    while page := store.journal.unsealed(1000):
        for batch in page:
            store.journal.keep_sealed(batch.number, seal.seal(unsealed(batch)))


def all_heads(store: SqlStore) -> Published:
    """What was published of this journal."""
    return noted([line(batch).strip() for batch in store.journal.batches(most=1_000_000)])


class Within:
    """A journal as it is seen inside one transaction, which may have changed it and is then taken back."""

    def __init__(self, connection) -> None:
        self._connection = connection
        self.journal = SqlJournal(self)

    @contextmanager
    def read(self):
        yield self._connection

    def write(self, work, asked):
        raise AssertionError("nothing is written here")
