"""What the References of a message's signature cover, and whether their digests agree.

A Reference may cover four things, each known by its place in the tree: the Body, the Timestamp and the tokens of our
Security header, and a header block.  Anything else of the same name or the same Id is how messages are wrapped.
Each is covered once at most, so the digests cost no more than one walk over the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from adapters.wire.soap import WSSE as WSSE_NS
from adapters.wire.soap import Message, elements, name_of
from adapters.wire.wss.header import Security
from adapters.wire.wss.names import DS, DS_NS, WSU_NS
from adapters.wire.wss.refusal import no
from broker.verify import prefixes, references
from broker.verify.algorithms import ENVELOPED, EXCLUSIVE
from broker.verify.c14n import Canon
from broker.verify.shape import Layout, Signature

_REFERENCES: Final = 20
_TRANSFORMS: Final = ([EXCLUSIVE.uri], [ENVELOPED, EXCLUSIVE.uri])
"""The first of the second leaves nothing out, as the signature stands in none of the four; node's `soap` writes it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covered:
    """What is signed."""

    body: bool
    timestamp: bool
    headers: tuple[etree._Element, ...]


def judge(
    signed_info: etree._Element, message: Message, security: Security, *, parts: Signature, layout: Layout, canon: Canon
) -> Covered:
    """Return what a signature covers, every digest proven; raise a Rejection, or Fault.

    `signed_info` is the canonical one: what is obeyed is what was signed.
    """
    body = elements(message.root)[-1]
    # A Body or a Timestamp that was moved into the Header is no header block: the signature would seem to have no time.
    framework = {message.version.namespace, WSSE_NS, WSU_NS, DS_NS}
    blocks = [it for it in message.headers if etree.QName(it).namespace not in framework]
    timestamp = [] if security.timestamp is None else [security.timestamp]
    allowed = [body, *timestamp, *security.tokens, *blocks]
    targets: list[etree._Element] = []
    for place, reference in _numbered(signed_info):
        target = _target(reference, layout, place)
        if target not in allowed:
            raise no(_ELSEWHERE.get(name_of(target), "wss.reference-target"), place)
        if target in targets:
            raise no("wss.reference-twice", place)
        if [it.get("Algorithm") for it in reference.iterfind(f"{DS}Transforms/{DS}Transform")] not in _TRANSFORMS:
            raise no("wss.transform", place)
        if next(target.iter(etree.Comment), None) is not None:
            # No digest covers a comment (XMLDSig §4.4.3.3), yet `nadajAny` would hand it on.
            raise no("wss.comment", place)
        targets.append(target)
    for found in references.judge_all(signed_info, parts.signed_info, security.signature, layout, canon):
        if found.fault is not None:
            raise found.fault
        if found.target is body:  # `nadajAny` hands on what stands in it, with its declarations; headers are text
            prefixes.require_signed(found, message.root)
    return Covered(
        body=body in targets,
        timestamp=security.timestamp is not None and security.timestamp in targets,
        headers=tuple(block for block in blocks if block in targets),
    )


_ELSEWHERE: Final = {"Body": "wss.body-elsewhere", "Timestamp": "wss.timestamp-elsewhere"}


def _numbered(signed_info: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    found = list(signed_info.iterchildren(DS + "Reference"))
    if len(found) > _REFERENCES:
        raise no("wss.too-many", "ds:Reference")
    return ((f"ds:Reference[{number}]", reference) for number, reference in enumerate(found, start=1))


def _target(reference: etree._Element, layout: Layout, place: str) -> etree._Element:
    uri = reference.get("URI") or ""
    if not uri.startswith("#") or uri.startswith("#xpointer("):
        raise no("wss.reference-external", place)
    target = layout.ids.get(uri[1:])
    if target is None:
        raise no("wss.reference-missing", place)
    return target
