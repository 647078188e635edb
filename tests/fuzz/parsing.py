"""`parse`: any octets become a Document or are refused, and what becomes one is within every cap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from broker.errors import Rejection, Unavailable
from broker.model import Document
from broker.parse import Limits, Parse
from broker.texts import explain
from tests.builders import an_envelope

LONGEST = 100_000
CORPUS = Path(__file__).parents[1] / "corpus"

# Far below those in use, so that an input of a few hundred octets can reach them.
NARROW = Limits(payload=20_000, depth=8, elements=60, attributes=5, namespaces=4, scope=400, naming=4_000, markup=400)


def body(data: bytes) -> None:
    """Parse under the caps in use and under narrow ones."""
    for limits in (Limits(), NARROW):
        outcome = _outcome(data, limits)
        if isinstance(outcome, Document):
            _demand_within(outcome, limits)
        else:
            assert outcome.stage == "parse"
            assert explain(outcome, "pl")
            assert len(outcome.place) <= 500


def _outcome(data: bytes, limits: Limits) -> Document | Rejection:
    try:
        return Parse(limits=limits)(an_envelope(data))
    except Rejection as no:
        return no
    except Unavailable as away:
        raise AssertionError(f"a document made the world look out of order: {away.reason}") from away


def _demand_within(document: Document, limits: Limits) -> None:
    """Count again, in another way than the parser does."""
    root = document.root
    info = root.getroottree().docinfo
    assert info.internalDTD is None
    assert info.externalDTD is None
    assert document.form is root or document.form.getparent() is not None
    elements = list(root.iter(etree.Element))
    assert len(elements) <= limits.elements
    assert all(not isinstance(node, etree._Entity) for node in root.iter())
    assert all(len(element.attrib) <= limits.attributes for element in elements)
    assert all(len(element.nsmap) <= limits.namespaces for element in elements)
    assert all(sum(1 for _ in element.iterancestors()) < limits.depth for element in elements if not len(element))


def seeds() -> Iterator[bytes]:
    """Every document of the corpus."""
    for path in sorted(CORPUS.rglob("*.xml")):
        yield path.read_bytes()
