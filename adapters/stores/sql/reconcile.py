"""What a partner sent, as queries: by the index of senders, so that a list costs what it holds and no more.

Ids are ordered by time and made after the moment of acceptance is read, so a list since a moment begins at the id of
that moment, a little early; the moment itself decides.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, func, select, true

from adapters.stores.sql import rows
from adapters.stores.sql.access import Access
from adapters.stores.sql.columns import key
from adapters.stores.sql.tables import contents, deliveries, events, message_ids, receipts, refusals, submissions
from broker.model import Delivery, FormKey, Receipt, ReceiptKind, Refusal, SubmissionId
from broker.reconcile import MOST, Sent, standing
from broker.retention import PRUNED

T = TypeVar("T")

_EARLY: Final = timedelta(hours=1)  # by which a node's clock may have been behind the one that made the id
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UPP: Final = receipts.c.kind == ReceiptKind.UPP.value
_TOLD: Final = [column for column in refusals.c if column.name != "negative_receipt"]


def first_id(since: datetime) -> str:
    """Return an id (UUID version 7) that no submission since a moment comes before; "" for all of them."""
    try:
        millisecond = (since - _EARLY - _EPOCH) // timedelta(milliseconds=1)
    except OverflowError:  # an hour before the first moment of all
        return ""
    return str(uuid.UUID(int=millisecond << 80 | 0x7 << 76 | 0b10 << 62)) if 0 < millisecond < 1 << 48 else ""


def _whose(sender: str | None) -> ColumnElement[bool]:
    return true() if sender is None else submissions.c.sender_key == key(sender)


def _sent(connection: Connection, query: Select[Any]) -> Sequence[Sent]:
    """Return submissions as their sender may know them: a query for each table, however many they are."""
    found = connection.execute(query).all()
    ids = [row.id for row in found]
    receipt_of = _by_submission(
        connection, select(receipts.c.submission, receipts.c.id.label("value")).where(_UPP), ids
    )
    removed = select(events.c.submission, events.c.at.label("value")).where(events.c.name == PRUNED)
    removed_at = _by_submission(connection, removed, ids)
    going: dict[str, list[Delivery]] = defaultdict(list)
    for some in _parts(ids):
        for row in connection.execute(select(deliveries).where(deliveries.c.submission.in_(some))):
            going[row.submission].append(rows.delivery(row))
    made = []
    for row in found:
        word, reference = standing(going[row.id])
        made.append(
            Sent(
                submission=SubmissionId(row.id),
                sender=row.sender,
                receipt=receipt_of[row.id],
                message_id=row.message_id,
                digest=row.digest,
                box=row.box,
                form=FormKey(name=row.form_name, version=row.form_version),
                received_at=row.received_at,
                accepted_at=row.accepted_at,
                standing=word,
                reference=reference,
                removed_at=removed_at.get(row.id),
            )
        )
    return made


def _by_submission(connection: Connection, query: Select[Any], ids: Sequence[str]) -> Mapping[str, Any]:
    of = query.selected_columns.submission
    return {row.submission: row.value for some in _parts(ids) for row in connection.execute(query.where(of.in_(some)))}


def _parts(found: Sequence[T]) -> Iterator[Sequence[T]]:
    return (found[start : start + MOST] for start in range(0, len(found), MOST))


def _refusal(row: Any) -> Refusal:
    told = {column.name: getattr(row, column.name) for column in _TOLD if column.name != "id"}
    return Refusal(**told)


class SqlReconciliation:
    """The `Reconciliation` of a SqlStore: reads alone."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def sent(self, sender: str | None, since: datetime, after: str = "", most: int = MOST) -> Sequence[Sent]:
        query = select(submissions).where(
            _whose(sender), submissions.c.id > max(after, first_id(since)), submissions.c.accepted_at >= since
        )
        with self._access.read() as connection:
            return _sent(connection, query.order_by(submissions.c.id).limit(most))

    def turned_away(self, sender: str | None, since: datetime, skip: int = 0, most: int = MOST) -> Sequence[Refusal]:
        query = select(*_TOLD).where(refusals.c.at >= since).order_by(refusals.c.at, refusals.c.id)
        if sender is not None:
            query = query.where(refusals.c.sender == sender)
        with self._access.read() as connection:
            return list(map(_refusal, connection.execute(query.offset(skip).limit(most))))

    def known(self, sender: str | None, digests: Sequence[str]) -> Sequence[Sent]:
        # Whose they are is asked here: in the query, SQLite would rather go through all that the sender ever sent.
        query = select(submissions).where(submissions.c.digest.in_(digests)).order_by(submissions.c.id)
        with self._access.read() as connection:
            found = _sent(connection, query) if digests else []
        return [one for one in found if sender in {None, one.sender}]

    def refused(self, sender: str | None, digests: Sequence[str]) -> Sequence[Refusal]:
        last = select(func.max(refusals.c.id)).where(refusals.c.digest.in_(digests)).group_by(refusals.c.digest)
        if sender is not None:
            last = last.where(refusals.c.sender == sender)
        query = select(*_TOLD).where(refusals.c.id.in_(last)).order_by(refusals.c.id)
        with self._access.read() as connection:
            return list(map(_refusal, connection.execute(query))) if digests else []

    def messages(self, sender: str, message_ids: Sequence[str]) -> Mapping[str, SubmissionId]:
        wanted = {key(sender, one): one for one in message_ids}
        with self._access.read() as connection:
            return {wanted[used]: SubmissionId(of) for used, of in _stand_for(connection, list(wanted))}

    def receipt(self, sender: str | None, id: str) -> Receipt | None:  # noqa: A002 - the field's name
        query = select(receipts).join(submissions, submissions.c.id == receipts.c.submission)
        with self._access.read() as connection:
            row = connection.execute(query.where(receipts.c.id == id, _whose(sender))).one_or_none()
        return None if row is None else rows.receipt(row)


def _stand_for(connection: Connection, wanted: Sequence[bytes]) -> Iterator[tuple[bytes, str]]:
    query = select(message_ids.c.id_key, contents.c.submission).join(
        contents, contents.c.content_key == message_ids.c.content_key
    )
    for some in _parts(wanted):
        for row in connection.execute(query.where(message_ids.c.id_key.in_(some))):
            yield bytes(row.id_key), row.submission
