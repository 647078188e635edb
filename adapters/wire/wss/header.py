"""Which Security header is ours, and what stands in it.

At most one is (WSS 1.1.1 §5: two must not share a role), with at most one signature.  The order of its elements
means nothing: clients put the token before the signature or after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

from lxml import etree

from adapters.wire.soap import Message, addressed, elements
from adapters.wire.wss.names import DS, SECURITY, TIMESTAMP, TOKEN, XENC
from adapters.wire.wss.refusal import no

_TOKENS: Final = 4
_ELEMENTS: Final = 1_000  # in a signature: 20 References have some 200, counted before anything is canonicalised
_SIGNATURE: Final = DS + "Signature"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Security:
    """The header for us, signed; every other element in it says nothing here."""

    element: etree._Element
    signature: etree._Element
    timestamp: etree._Element | None
    tokens: tuple[etree._Element, ...]


def find(message: Message) -> Security | None:
    """Return the signed Security header for us, or None if nothing is signed for us; raise Malformed."""
    ours = [block for block in message.headers if block.tag == SECURITY and addressed(message.version, block)]
    if len(ours) > 1:
        raise no("wss.two-headers", "wsse:Security")
    inside = elements(ours[0]) if ours else []
    if any(str(child.tag).startswith(XENC) for child in inside):
        raise no("wss.encrypted", "wsse:Security")
    by_name = {name: [it for it in inside if it.tag == name] for name in (_SIGNATURE, TIMESTAMP, TOKEN)}
    signatures, timestamps, tokens = by_name.values()
    if not signatures:
        return None
    if len(signatures) > 1:
        raise no("wss.two-signatures", "ds:Signature")
    if next(islice(signatures[0].iter(), _ELEMENTS, None), None) is not None:
        raise no("wss.too-many", "ds:Signature")
    if len(timestamps) > 1:
        raise no("wss.two-timestamps", "wsu:Timestamp")
    if len(tokens) > _TOKENS:
        raise no("wss.too-many", "wsse:BinarySecurityToken")
    return Security(
        element=ours[0],
        signature=signatures[0],
        timestamp=timestamps[0] if timestamps else None,
        tokens=tuple(tokens),
    )
