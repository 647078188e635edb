"""Canonical octets of a document and of its parts, by lxml, around the traps of lxml.

* Inclusive C14N of an element inside a document is wrong in lxml where a default namespace is inherited (it
  writes `xmlns=""` on grandchildren): so nothing but whole documents is canonicalised inclusively, a part being
  made a document of its own first.
* A part that stands on its own has lost the `xml:…` attributes that it inherited: C14N 1.0 §2.4 wants them all,
  C14N 1.1 §2.4 only `xml:lang` and `xml:space`; they are handed down.
* lxml has no C14N 1.1.  For whole documents it equals 1.0; for parts it differs in `xml:id` (not inherited) and
  `xml:base` (joined: refused here, nobody was seen to use it).
* lxml's `remove()` takes the text behind an element away with it: that text is kept.
* lxml drops a prefix of an InclusiveNamespaces list that the document's dictionary of names does not know, and so
  always `#default`: the word is made known first, by a namespace of that name, in the dictionary of the thread, and
  the document copied, which gives the copy this dictionary (read again, a long document would get another one).
* `URI=""` means the document without comments, its processing instructions outside the root included; a
  shortname `#x` means the element without comments (XMLDSig 1.1 §4.4.3.3).  So no octets that a Reference covers
  hold a comment, whatever the method is called.

The tree that is asked about is never changed.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from typing import Final

from lxml import etree

from broker.errors import Rejection
from broker.parse import again
from broker.verify.algorithms import INCLUSIVE, Method
from broker.verify.fault import Fault
from broker.verify.names import XML

_INHERITED_11: Final = frozenset({XML + "lang", XML + "space"})

_ELEMENT: Final = 100  # octets of text that an element costs as much as


def reread(octets: bytes) -> etree._Element:
    """Return the root of octets that were canonicalised here; raise Fault."""
    try:
        return again(octets)
    except Rejection as no:
        raise Fault("verify.c14n-failed") from no


class Canon:
    """The canonical octets of one document, each computed once.  Used by one thread.

    `budget` is how many octets may be made in all: what many References of a large document would cost is
    refused before the machine has paid for it.  `floor` is what the whole document costs at least, however few
    octets come of it: comments are walked through, too, and elements cost more than their octets (`weight`).
    """

    def __init__(self, root: etree._Element, budget: int, *, floor: int = 0) -> None:
        self._root = root
        self._left = budget
        self.floor = floor
        self._known: dict[tuple[Method, bool, tuple[int, ...]], bytes] = {}
        self._parts: dict[tuple[etree._Element, Method], bytes] = {}
        self._digests: dict[tuple[str, bytes], bytes] = {}
        self._without: tuple[tuple[int, ...], etree._Element] = ((), root)  # the last copy, no more of them

    def document(self, method: Method, out: tuple[int, ...], *, alone: bool = False) -> bytes:
        """Return the document's octets without the root's children at the positions `out`.

        `alone` leaves out what stands outside the root.  Raises Fault.
        """
        key = (method, alone, out)
        if key not in self._known:
            self.pay(self.floor)
            root = self._pruned(out)
            whole = deepcopy(root) if alone and _is_among_instructions(root) else root
            octets = self._known[key] = _octets(whole, method, comments=False)
            self.pay(len(octets) - self.floor)
        return self._known[key]

    def part(self, element: etree._Element, method: Method) -> bytes:
        """Return the octets of an element that References name, which costs by the elements in it; raise Fault."""
        key = (element, method)
        if key not in self._parts:
            self.pay(0)
            self.pay(weight(element, 0))
            self._parts[key] = self.element(element, method)
        return self._parts[key]

    def element(self, element: etree._Element, method: Method, *, comments: bool = False) -> bytes:
        """Return the octets of an element of the document; raise Fault."""
        self.pay(0)  # whoever has overdrawn is served no more
        written = etree.tostring(element, encoding="UTF-8", with_tail=False)
        self.pay(len(written))
        if method.exclusive and not method.prefixes:
            # Exclusive C14N of a part is right in lxml; it is the common case by far.
            octets = _serialise(element, method, comments=comments)
        else:
            part = reread(written)
            if not method.exclusive:
                _hand_down(element, part, method)
            octets = _octets(part, method, comments=comments)
        self.pay(len(octets) - len(written))
        return octets

    def digest(self, name: str, octets: bytes) -> bytes:
        """Return the digest by its name; many References may ask for that of the same octets."""
        key = (name, octets)
        if key not in self._digests:
            self._digests[key] = hashlib.new(name, octets).digest()
        return self._digests[key]

    def pay(self, octets: int) -> None:
        """Take so many octets out of the budget; raise Fault when it is overdrawn.  Nothing is ever paid back."""
        self._left -= max(octets, 0)
        if self._left < 0:
            raise Fault("verify.too-costly")

    def _pruned(self, out: tuple[int, ...]) -> etree._Element:
        if not out:
            return self._root
        if self._without[0] != out:
            root = deepcopy(self._root.getroottree()).getroot()
            for child in [root[position] for position in out]:
                _take_out(child)
            self._without = (out, root)
        return self._without[1]


def weight(element: etree._Element, size: int) -> int:
    """Return what it costs at least to canonicalise `size` octets and the elements in them, in octets of text."""
    return size + _ELEMENT * sum(1 for _ in element.iter(etree.Element))


def _is_among_instructions(root: etree._Element) -> bool:
    """Whether instructions stand beside the root.  Comments may: they are left out of all octets."""
    return any(next(root.itersiblings(etree.PI, preceding=it), None) is not None for it in (True, False))


def stand_alone(root: etree._Element) -> bytes:
    """Return the inclusive octets of a document that is not the one asked about, by its root; raise Fault."""
    return _octets(root, INCLUSIVE, comments=False)


def _octets(root: etree._Element, method: Method, *, comments: bool) -> bytes:
    if "#default" in method.prefixes:
        reread(b'<known xmlns:as="#default"/>')
        root = deepcopy(root.getroottree()).getroot()
    return _serialise(root.getroottree(), method, comments=comments)


def _serialise(what: etree._Element | etree._ElementTree, method: Method, *, comments: bool) -> bytes:
    try:
        return etree.tostring(
            what,
            method="c14n",
            exclusive=method.exclusive,
            with_comments=comments,
            inclusive_ns_prefixes=list(method.prefixes) or None,
        )
    except (etree.LxmlError, ValueError) as error:  # a relative namespace name, for one (C14N §1.3)
        raise Fault("verify.c14n-failed") from error


def _hand_down(element: etree._Element, part: etree._Element, method: Method) -> None:
    """Give the part the `xml:…` attributes that the element inherits; raise Fault."""
    for above in element.iterancestors():
        for name, value in above.attrib.items():
            if not name.startswith(XML):
                continue
            if method.version11 and name == XML + "base":
                raise Fault("verify.c14n11-base")
            if name not in part.attrib and (not method.version11 or name in _INHERITED_11):
                part.set(name, value)


def _take_out(child: etree._Element) -> None:
    """Put an empty comment in the element's place, which no octets show: the text behind stays where it is.

    Joined to the text before, as it would be without, it would be copied again for every signature.
    """
    parent = child.getparent()
    if parent is not None:
        place = etree.Comment()
        place.tail = child.tail
        parent.replace(child, place)
