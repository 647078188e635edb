"""A guess at why a digest or a signature value disagrees, for a sender who did nothing evil.

Asked only after the verdict stands, and it changes nothing of it.  A guess is made when undoing a known accident
gives the value that was signed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Final

from lxml import etree

from broker.verify.algorithms import EXCLUSIVE, INCLUSIVE, Method
from broker.verify.c14n import Canon, reread, stand_alone
from broker.verify.fault import Fault

CHANGED: Final = "verify.hint-changed"
WHITE_SPACE: Final = "verify.hint-white-space"
LINE_ENDS: Final = "verify.hint-line-ends"
INSTRUCTIONS: Final = "verify.hint-processing-instruction"
CANONICALISATION: Final = "verify.hint-canonicalisation"
NOT_LEFT_OUT: Final = "verify.hint-not-left-out"

_LARGEST: Final = 500_000  # octets: above, a guess costs more than it is worth
_A_GUESS: Final = 8  # times the octets: what all the accidents together cost, beside those that `canon` computes
_LAST_SPACE: Final = re.compile(rb"[ \t\n]+(</[^<>]+>)\Z")

Guess = tuple[str, Callable[[], bytes]]


def digest_mismatch(
    *, octets: bytes, algorithm: str, expected: bytes, canon: Canon, out: tuple[int, ...], every: tuple[int, ...]
) -> str:
    """Return a hint for a Reference to the document or its root whose digest disagrees.

    `octets` is what was digested; `out` and `every` are the positions of the signatures that were left out and of
    all there are.
    """
    if max(len(octets), canon.floor) > _LARGEST:
        return CHANGED
    try:
        canon.pay(_A_GUESS * len(octets))
    except Fault:  # enough guessed: a document may hold hundreds of References that fail
        return CHANGED
    for hint, variant in _accidents(octets, canon, out, every):
        try:
            if hashlib.new(algorithm, variant()).digest() == expected:
                return hint
        except Fault:  # this accident cannot have happened: the document has no such form
            continue
    return CHANGED


def _accidents(octets: bytes, canon: Canon, out: tuple[int, ...], every: tuple[int, ...]) -> Iterator[Guess]:
    yield LINE_ENDS, lambda: octets.replace(b"\n", b"&#xD;\n")
    yield LINE_ENDS, lambda: octets.replace(b"&#xD;", b"")
    yield WHITE_SPACE, lambda: _LAST_SPACE.sub(rb"\1", octets)
    yield WHITE_SPACE, lambda: _unindented(octets)
    yield CANONICALISATION, lambda: canon.document(EXCLUSIVE, out)
    yield CANONICALISATION, lambda: canon.document(INCLUSIVE, out)
    yield INSTRUCTIONS, lambda: canon.document(EXCLUSIVE, out, alone=True)
    yield INSTRUCTIONS, lambda: canon.document(INCLUSIVE, out, alone=True)
    yield NOT_LEFT_OUT, lambda: canon.document(INCLUSIVE, every)
    yield NOT_LEFT_OUT, lambda: canon.document(EXCLUSIVE, every)


def _unindented(octets: bytes) -> bytes:
    """Take away the white space between tags that a pretty printer adds."""
    root = reread(octets)
    for element in root.iter(etree.Element):
        if len(element):
            if not (element.text or "").strip():
                element.text = None
            for child in element:
                if not (child.tail or "").strip():
                    child.tail = None
    return stand_alone(root)


def value_mismatch(signed_info: etree._Element, used: Method, canon: Canon, holds: Callable[[bytes], bool]) -> str:
    """Return a hint for a signature value that disagrees; `holds` tries other octets of SignedInfo."""
    for other in (EXCLUSIVE, INCLUSIVE):
        try:
            if other != used and holds(canon.element(signed_info, other)):
                return CANONICALISATION
        except Fault:
            continue
    return CHANGED
