"""Stage 1, parse: bytes become safe, well-formed XML, or are refused (DESIGN §4.8)."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from broker.model import Document, Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The caps on a document, checked before anything expensive runs."""

    payload: int = 32_000_000  # bytes
    depth: int = 100
    elements: int = 100_000
    attributes: int = 64  # of one element
    namespaces: int = 32  # declarations in scope of one element


def read(data: bytes, limits: Limits) -> etree._Element:
    """Return the root of a hardened parse; raise Malformed or TooLarge."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Parse:
    """The stage."""

    limits: Limits

    def __call__(self, envelope: Envelope) -> Document:
        """Read the payload and find the element that claims to be a form."""
        raise NotImplementedError
