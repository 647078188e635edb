"""Events and batches of the journal as JSON, for exports and proofs, and back (docs/reference/journal.md).

Octets of hashes are hexadecimal, a time-stamp is Base64, a sealed head is its text; moments are UTC with Z, to the
microsecond.  What comes back is from strangers: whatever is wrong with it is a ValueError that names the field.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from broker.journal import Batch, Entry
from broker.journal_head import written
from broker.model import DeliveryId, SubmissionId
from broker.ports import EventRecord

Json = dict[str, Any]

_HASH: Final = re.compile("[0-9a-f]{64}")
_LARGEST: Final = 1 << 63
_BATCH: Final = frozenset({"batch", "at", "size", "root", "previous", "head", "sealed", "stamp"})
_ENTRY: Final = frozenset({"event", "batch", "position", "leaf", "at", "name", "submission", "delivery", "detail"})


def batch_json(it: Batch) -> Json:
    """Return a batch as a JSON object."""
    return {
        "batch": it.number,
        "at": written(it.at),
        "size": it.size,
        "root": it.root.hex(),
        "previous": it.previous.hex(),
        "head": it.head.hex(),
        "sealed": None if it.sealed is None else it.sealed.decode("utf-8", "replace"),
        "stamp": None if it.stamp is None else b64encode(it.stamp).decode(),
    }


def entry_json(it: Entry) -> Json:
    """Return an event as a JSON object."""
    return {
        "event": it.id,
        "batch": it.batch,
        "position": it.position,
        "leaf": None if it.leaf is None else it.leaf.hex(),
        "at": written(it.event.at),
        "name": it.event.name,
        "submission": it.event.submission,
        "delivery": it.event.delivery,
        "detail": it.event.detail,
    }


def batch_of(told: Mapping[str, Any]) -> Batch:
    """Read a batch; raise ValueError."""
    _require(told, _BATCH)
    sealed, stamp = text(told, "sealed", absent=True), text(told, "stamp", absent=True)
    return Batch(
        number=whole(told, "batch"),
        at=moment(told, "at"),
        size=whole(told, "size"),
        root=digest(told, "root"),
        previous=digest(told, "previous"),
        head=digest(told, "head"),
        sealed=None if sealed is None else sealed.encode("utf-8", "surrogatepass"),
        stamp=None if stamp is None else base64(stamp, "stamp"),
    )


def entry_of(told: Mapping[str, Any], *more: str) -> Entry:
    """Read an event, beside whose own fields `more` may stand; raise ValueError."""
    _require(told, _ENTRY, more)
    submission, delivery = text(told, "submission", absent=True), text(told, "delivery", absent=True)
    return Entry(
        id=whole(told, "event"),
        batch=None if told.get("batch") is None else whole(told, "batch"),
        position=None if told.get("position") is None else whole(told, "position"),
        leaf=None if told.get("leaf") is None else digest(told, "leaf"),
        event=EventRecord(
            at=moment(told, "at"),
            name=text(told, "name") or "",
            submission=None if submission is None else SubmissionId(submission),
            delivery=None if delivery is None else DeliveryId(delivery),
            detail=text(told, "detail") or "",
        ),
    )


# ── fields ──


def _require(told: Mapping[str, Any], names: frozenset[str], more: Collection[str] = ()) -> None:
    """Raise ValueError unless these fields are there, and no others."""
    if not names <= told.keys() <= names.union(more):
        raise ValueError(f"other fields than {', '.join(sorted(names))}")


def text(told: Mapping[str, Any], name: str, *, absent: bool = False) -> str | None:
    """Return a text; None only where it may be absent."""
    value = told.get(name)
    if isinstance(value, str) or (value is None and absent):
        return value
    raise ValueError(f"{name}: not a text")


def whole(told: Mapping[str, Any], name: str) -> int:
    """Return a whole number that a store could hold."""
    value = told.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST:
        return value
    raise ValueError(f"{name}: not a whole number")


def digest(told: Mapping[str, Any], name: str) -> bytes:
    """Return a SHA-256."""
    value = told.get(name)
    if isinstance(value, str) and _HASH.fullmatch(value):
        return bytes.fromhex(value)
    raise ValueError(f"{name}: not a SHA-256 in hexadecimal")


def moment(told: Mapping[str, Any], name: str) -> datetime:
    """Return a moment, UTC."""
    value = told.get(name)
    if isinstance(value, str) and value.endswith("Z"):
        try:
            at = datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            at = None
        if at is not None and written(at) == value:
            return at
    raise ValueError(f"{name}: not a moment in UTC, to the microsecond")


def base64(value: str, name: str) -> bytes:
    """Return what a text is the Base64 of."""
    try:
        return b64decode(value.encode(), validate=True)
    except ValueError:
        raise ValueError(f"{name}: not Base64") from None
