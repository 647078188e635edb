"""MTOM: a SOAP envelope in a multipart/related body, its large binaries beside it as parts (XOP).

A part is handed out once and only once.  Twice would let a small message grow into a large one; never would
mean that something the sender sent was silently dropped.
Where the parts stand is found in `adapters/wire/multipart.py`.
Sources: RFC 2387 (related), RFC 2392 (`cid:`), XOP 1.0 (W3C 2005), SOAP 1.2 MTOM (W3C 2005).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from secrets import token_hex
from urllib.parse import unquote

from lxml import etree

from adapters.wire.base64_text import decode, encode
from adapters.wire.media import MediaType, media_type
from adapters.wire.multipart import Part, cut
from adapters.wire.soap import WHITE, Version
from broker.errors import Malformed

XOP_INCLUDE = "{http://www.w3.org/2004/08/xop/include}Include"


class Parts:
    """The binaries of one message, by Content-ID, each to be taken once."""

    def __init__(self, parts: Mapping[str, tuple[str, memoryview]] | None = None) -> None:
        self._left = dict(parts or {})

    def take(self, include: etree._Element) -> bytes:
        """Return the bytes an `xop:Include` stands for; raise Malformed (`soap.part`) if there are none left."""
        return bytes(self.view(include))

    def view(self, include: etree._Element) -> bytes | memoryview:
        """Return the same without a copy, if it is in the message as it is: then it keeps the message in memory."""
        scheme, _, identifier = (include.get("href") or "").strip(WHITE).partition(":")
        found = self._left.pop(unquote(identifier), None) if scheme.lower() == "cid" else None
        if found is None:
            raise Malformed("soap.part", place="xop:Include")
        encoding, content = found
        return decode(bytes(content)) if encoding == "base64" else content

    def demand_none_left(self) -> None:
        """Raise Malformed (`soap.part-unused`) if the message carried something that nothing refers to."""
        if self._left:
            raise Malformed("soap.part-unused", facts={"count": str(len(self._left))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An unpacked multipart body: the envelope's bytes, the envelope's own media type, the other parts."""

    envelope: bytes
    type: MediaType
    parts: Parts


def unpack(body: bytes, kind: MediaType, found: Sequence[Part] | None = None) -> Package:
    """Take a multipart/related body apart without copying its parts.

    `kind` is the message's Content-Type, `found` where its parts stand if that is known.  The package's type is what
    the envelope would be sent as without MTOM (`start-info`, or the root part's `type`).  Raises Malformed
    (`soap.multipart`, `soap.content-type`) or TooLarge (`soap.too-many-parts`).
    """
    found = cut(body, kind.get("boundary")) if found is None else found
    start = kind.get("start").strip().removeprefix("<").removesuffix(">")
    at = next((i for i, part in enumerate(found) if part.identifier == start), -1) if start else 0
    root, others = found[at], [part for i, part in enumerate(found) if i != at]
    view = memoryview(body)
    parts = {part.identifier: (part.encoding, view[part.start : part.end]) for part in others}
    if at < 0 or len(parts) != len(others) or "" in parts or root.encoding == "base64":
        raise Malformed("soap.multipart", place="Content-ID")
    envelope = bytes(view[root.start : root.end])
    inner = media_type(root.type) if root.type else MediaType(name="application/xop+xml")
    if inner.name != "application/xop+xml":
        return Package(envelope=envelope, type=inner, parts=Parts(parts))
    plain = media_type(inner.get("type") or kind.get("start-info") or "text/xml")
    merged = {**kind.parameters, **inner.parameters, **plain.parameters}
    kept: dict[str, str] = {name: merged[name] for name in ("action", "charset") if name in merged}
    return Package(envelope=envelope, type=MediaType(name=plain.name, parameters=kept), parts=Parts(parts))


def inline(element: etree._Element, parts: Parts) -> None:
    """Replace every `xop:Include` below an element by the Base64 text it stands for, in place."""
    for holder, include in _includes(element):
        content = encode(parts.view(include)).decode("ascii")
        holder.remove(include)
        holder.text = content


def write(element: etree._Element, parts: Parts) -> bytes:
    """Return an element as UTF-8 without an XML declaration, every `xop:Include` below it as Base64.

    As `inline` and a serialisation would give it, in a third of the time: large parts never become a text of the tree.
    The element stays as it is.
    """
    copy = deepcopy(element)
    mark = token_hex(16)  # which nobody can have written into the document
    contents = []
    for holder, include in _includes(copy):
        contents.append(parts.view(include))
        holder.remove(include)
        holder.text = mark
    written = etree.tostring(copy, encoding="UTF-8", xml_declaration=False, with_tail=False)
    if not contents:
        return written
    first, *others = written.split(mark.encode())
    return b"".join((first, *(it for pair in zip(map(encode, contents), others, strict=True) for it in pair)))


def _includes(element: etree._Element) -> list[tuple[etree._Element, etree._Element]]:
    """Return every `xop:Include` below an element with what it alone is the content of; raise Malformed."""
    found = []
    for include in element.iter(XOP_INCLUDE):
        holder = include.getparent()
        if holder is None or len(holder) != 1 or (holder.text or "").strip(WHITE) or (include.tail or "").strip(WHITE):
            raise Malformed("soap.part", place="xop:Include")
        found.append((holder, include))
    return found


def pack(version: Version, envelope: bytes, parts: Mapping[str, bytes], action: str = "") -> tuple[str, bytes]:
    """Return (Content-Type, body) of an MTOM message; `parts` by Content-ID, as `cid:` names them.

    The boundary is derived from nothing random: it is lengthened until it stands in no part.
    """
    boundary = b"goniec-part"
    while any(boundary in content for content in (envelope, *parts.values())):
        boundary += b"-x"
    inner = f'application/xop+xml; charset=utf-8; type="{version.media_type}"'
    pieces = [_part(boundary, "envelope", inner, envelope)]
    pieces += [_part(boundary, name, "application/octet-stream", content) for name, content in parts.items()]
    pieces.append(b"--" + boundary + b"--\r\n")
    suffix = f'; action="{action}"' if action and version.name == "1.2" else ""
    kind = (
        f'multipart/related; type="application/xop+xml"; start="<envelope>"; '
        f'start-info="{version.media_type}"; boundary="{boundary.decode()}"{suffix}'
    )
    return kind, b"".join(pieces)


def _part(boundary: bytes, identifier: str, kind: str, content: bytes) -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{identifier}>\r\n\r\n"
    return b"".join((b"--", boundary, b"\r\n", head.encode(), content, b"\r\n"))
