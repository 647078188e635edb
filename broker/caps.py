"""The caps on a document, and the counts that are held against them while libxml2 builds its tree.

What must live here: how much is too much, and why.  Who reads XML is `broker/parse.py`; what can be told from the text
before there is a tree is told there.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from broker.errors import Malformed, TooLarge
from broker.lines import line


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The caps on a document, checked before anything expensive runs."""

    payload: int = 32_000_000  # bytes
    depth: int = 100
    elements: int = 30_000  # each costs some 10 µs in all stages together (decision 0025)
    attributes: int = 64  # of one element
    # Σ over the elements of their attributes, squared: canonical XML sorts them, and libxml2 does it one by one.
    sorting: int = 10_000_000
    namespaces: int = 32  # prefixes in scope of one element
    # Σ over the elements of prefixes in scope × declarations on the way down: what inclusive C14N costs, some
    # 3 ns each (measured), so at most about 0.15 s.  32 prefixes declared once reach it after 39,000 elements;
    # a portal that declares six on each of ten levels after 200,000.
    scope: int = 40_000_000
    # Σ over the elements and their attributes of the length of the longest namespace name so far, in characters: what
    # exclusive C14N may spell out (it repeats a declaration wherever it is used anew), so at most some 40 MB.
    # Names of 60 characters, longer than the portals', reach it after 660,000 elements and attributes.
    naming: int = 40_000_000
    # Characters of a namespace name; real ones have less than a hundred.
    name: int = 2_000
    # Declarations of namespaces in the whole text, each some 5 µs: six on each of 6,000 elements.
    declarations: int = 40_000
    # Comments, instructions and sections of CDATA in the whole text.
    remarks: int = 20_000
    # Signs "<" and "=" in the whole text, wherever they stand: what bounds the memory of the tree (no node
    # comes without one, and one node takes up to 300 bytes), attributes and comments and instructions included.
    markup: int = 1_000_000
    # Comments and instructions outside the root: lxml writes them in a time that grows with their square (20,000 took
    # two seconds).  Real forms have one or two.
    outside: int = 200


class Counts:
    """What has been seen of one document so far."""

    __slots__ = (
        "declared",
        "elements",
        "fresh",
        "last",
        "limits",
        "longest",
        "naming",
        "path",
        "prefixes",
        "reached",
        "scope",
        "sorting",
    )

    def __init__(self, limits: Limits, last: str = "") -> None:
        self.limits = limits
        self.last = last  # local name of the root's child after which nobody reads on
        self.reached: etree._Element | None = None  # the first such child, when it has ended
        self.elements = 0
        self.scope = 0
        self.longest = 0  # characters of the longest namespace name so far
        self.naming = 0
        self.sorting = 0
        self.declared = 0  # declarations on the way down to the present element
        self.fresh: list[str] = []  # prefixes that the next element declares
        self.path: list[list[str]] = []  # those of the open elements
        self.prefixes: dict[str, int] = {}  # how often each prefix is declared on the way down

    def take(self, parser: etree.XMLPullParser) -> None:
        """Count what the parser has read since the last call; raise TooLarge at the first cap that is passed."""
        for event, what in parser.read_events():
            if event == "start":
                self._open(what)
            elif event == "end":
                self._close()
                if self.last and self.reached is None and len(self.path) == 1 and _is_own(what, self.last):
                    self.reached = what
            else:
                if "}" in what[1] or "{" in what[1]:  # no URI holds one, and lxml writes names as {namespace}local
                    raise Malformed("parse.malformed", facts={"reason": "a namespace name holds a curly bracket"})
                self.fresh.append(str(what[0]))
                self.longest = max(self.longest, len(what[1]))
                if self.longest > self.limits.name:
                    raise TooLarge("parse.too-much-namespacing", facts={"limit": str(self.limits.name)})

    def _open(self, element: etree._Element) -> None:
        limits, fresh = self.limits, self.fresh
        self.elements += 1
        self.path.append(fresh)
        self.fresh = []  # a new list each time: the one on the path must not grow any more
        if fresh:
            for prefix in fresh:
                self.prefixes[prefix] = self.prefixes.get(prefix, 0) + 1
            self.declared += len(fresh)
        self.scope += len(self.prefixes) * self.declared
        if self.elements > limits.elements:
            raise _over("parse.too-many-elements", limits.elements, element)
        if len(self.path) > limits.depth:
            raise _over("parse.too-deep", limits.depth, element)
        if len(self.prefixes) > limits.namespaces:
            raise _over("parse.too-many-namespaces", limits.namespaces, element)
        if self.scope > limits.scope:
            raise _over("parse.too-much-namespacing", limits.scope, element)
        attributes = len(element.attrib)
        if attributes > limits.attributes:
            raise _over("parse.too-many-attributes", limits.attributes, element)
        self.sorting += attributes * attributes
        if self.sorting > limits.sorting:
            raise _over("parse.too-many-attributes", limits.attributes, element)
        self.naming += self.longest * (1 + attributes)
        if self.naming > limits.naming:
            raise _over("parse.too-much-namespacing", limits.naming, element)

    def _close(self) -> None:
        gone = self.path.pop()
        for prefix in gone:
            left = self.prefixes[prefix] - 1
            if left:
                self.prefixes[prefix] = left
            else:
                del self.prefixes[prefix]
        self.declared -= len(gone)


def _is_own(element: etree._Element, name: str) -> bool:
    """Whether an element has this local name, in the namespace of the one that holds it."""
    own, above = etree.QName(element), element.getparent()
    return own.localname == name and above is not None and own.namespace == etree.QName(above).namespace


def _over(code: str, limit: int, element: etree._Element) -> TooLarge:
    return TooLarge(code, place=f"line {line(element.sourceline)}", facts={"limit": str(limit)})
