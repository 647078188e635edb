"""A parcel as an AMQP message: what an office's document system takes from its queue.

Properties: `message_id` is the delivery id (the same on every attempt: drop what you have seen), `type` is
`goniec.parcel`, delivery mode 2.  Headers: every fact of `Parcel.summary`, as text.  Then one of two layouts:

document (the usual): the body is the document, byte for byte; the headers `receipt` (the UPP) and `report` (the
verification report, JSON) are byte strings.  A report too long for a header is left out, and `report-left-out`
tells its size.
multipart: the body is multipart/mixed (RFC 2046 §5.1.3) of the parts `document`, `receipt` and `report`, in this
order, binary, each with its Content-Length: nothing is ever left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pika.spec import BasicProperties

from adapters.wire.amqp import HEADERS, PERSISTENT
from broker.errors import Malformed
from broker.model import Parcel

TYPE: Final = "goniec.parcel"
_PARTS: Final = {"document": "application/xml", "receipt": "application/xml", "report": "application/json"}
_FACTS: Final = 20_000  # bytes kept free for the facts beside receipt and report


class Layout(StrEnum):
    """Where the parts of a parcel are."""

    DOCUMENT = "document"
    MULTIPART = "multipart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What a receiver finds in a message.  `report` is empty if it was left out."""

    facts: Mapping[str, str]
    document: bytes
    receipt: bytes
    report: bytes


def pack(parcel: Parcel, layout: Layout) -> tuple[bytes, BasicProperties]:
    """Return body and properties."""
    headers: dict[str, Any] = dict(parcel.summary)
    body, content_type = parcel.document, "application/xml"
    if layout is Layout.MULTIPART:
        body, content_type = _multipart(
            {"document": parcel.document, "receipt": parcel.receipt.xml, "report": parcel.report}
        )
    else:
        headers["receipt"] = parcel.receipt.xml
        if len(parcel.receipt.xml) + len(parcel.report) + _FACTS <= HEADERS:
            headers["report"] = parcel.report
        else:
            headers["report-left-out"] = len(parcel.report)
    return body, BasicProperties(
        content_type=content_type,
        delivery_mode=PERSISTENT,
        message_id=parcel.delivery,
        type=TYPE,
        app_id="goniec",
        headers=headers,
    )


def unpack(body: bytes, properties: BasicProperties) -> Unpacked:
    """Read what `pack` wrote; raise Malformed (`amqp.parcel`) if it is something else."""
    headers: Mapping[str, Any] = properties.headers or {}
    facts = {name: value for name, value in headers.items() if isinstance(value, str) and name not in _PARTS}
    if properties.type != TYPE or "delivery" not in facts:
        raise Malformed("amqp.parcel", place="type")
    content_type = properties.content_type or ""
    if content_type.startswith("multipart/mixed"):
        parts = _split(body, content_type.partition('boundary="')[2].rstrip('"'))
    else:
        parts = {"document": body, **{name: _octets(headers.get(name, b"")) for name in ("receipt", "report")}}
    return Unpacked(facts=facts, **parts)


def _octets(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, bytes | bytearray) else b""


def _multipart(parts: Mapping[str, bytes]) -> tuple[bytes, str]:
    # A digest of the parts cannot be found in them, so neither can the boundary; and a repeat is the same message.
    boundary = "goniec-" + hashlib.sha256(b"".join(parts.values())).hexdigest()
    pieces = [
        f"--{boundary}\r\nContent-Type: {_PARTS[name]}\r\nContent-Transfer-Encoding: binary\r\n"
        f'Content-Disposition: attachment; name="{name}"\r\nContent-Length: {len(content)}\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in parts.items()
    ]
    return b"".join((*pieces, f"--{boundary}--\r\n".encode())), f'multipart/mixed; boundary="{boundary}"'


def _split(body: bytes, boundary: str) -> dict[str, bytes]:
    """Take a multipart body apart by its lengths, so that no content can be taken for a boundary."""
    opening, at, parts = f"--{boundary}\r\n".encode(), 0, {}
    for name in _PARTS:
        head = body.find(b"\r\n\r\n", at)
        if not boundary or head < 0 or not body.startswith(opening, at):
            raise Malformed("amqp.parcel", place=name)
        lines = body[at:head].decode("latin-1").split("\r\n")[1:]
        fields = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
        start, length = head + 4, fields.get("content-length", "")
        if f'name="{name}"' not in fields.get("content-disposition", "") or not length.isdecimal():
            raise Malformed("amqp.parcel", place=name)
        at = start + int(length)
        parts[name] = body[start:at]
        if body[at : at + 2] != b"\r\n":
            raise Malformed("amqp.parcel", place=name)
        at += 2
    if body[at:] != f"--{boundary}--\r\n".encode():
        raise Malformed("amqp.parcel", place="end")
    return parts
