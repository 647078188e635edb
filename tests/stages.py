"""Stages of intake that let every letter pass, for tests of what lies around them; and a seal that only marks."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from broker.evidence import UNSIGNED, Level
from broker.model import Document, Envelope, Form, FormKey, Routed, Target, Valid, Verified

LETTER = Form(
    key=FormKey(name="letter", version="1"),
    namespace="",
    root="letter",
    title_pl="",
    title_en="",
    signed=False,
    level=Level.NONE,
)


def parse(envelope: Envelope) -> Document:
    root = etree.Element(LETTER.root)
    return Document(envelope=envelope, root=root, form=root)


def validate(document: Document) -> Valid:
    return Valid(document=document, form=LETTER)


def verify(valid: Valid) -> Verified:
    return Verified(valid=valid, report=UNSIGNED, content=b"")


def route_to(target: Target) -> Callable[[Verified], Routed]:
    return lambda verified: Routed(verified=verified, target=target)


class Marking:
    """A seal that only marks: what a seal is worth is tested with the seals."""

    def seal(self, unsigned: bytes) -> bytes:
        return unsigned
