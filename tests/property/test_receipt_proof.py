"""No change to the canonical octets of a receipt is ever accepted, and none raises anything."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.testkit.signing.canonical import tree
from broker.proof import check
from tests.receipts import SCHEMA, TRUST, a_upp

# A changed certificate may get a negative serial number, of which cryptography warns before it refuses in future.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")

UPP = a_upp()
HEAD = UPP.index(b"<pos:Dokument")
PLACES = st.integers(HEAD, len(UPP) - 1)
SIGNS = st.sampled_from([bytes([c]) for c in b"Aa09+/=#\" <>&;'\n\t:-_.xZ"])


def octets(xml):
    try:
        return etree.tostring(tree(xml), method="c14n", exclusive=True, with_comments=False)
    except (etree.XMLSyntaxError, etree.C14NError):
        return None


ISSUED = octets(UPP)


def holds_only_if_untouched(changed):
    found = check(changed, schema=SCHEMA, trust=TRUST)
    if found.holds:
        assert octets(changed) == ISSUED
        assert changed == UPP or "receipt.rewritten" in found.notes


@settings(max_examples=400)
@given(at=PLACES, sign=SIGNS)
def test_no_sign_can_be_replaced(at, sign):
    holds_only_if_untouched(UPP[:at] + sign + UPP[at + 1 :])


@settings(max_examples=300)
@given(
    at=PLACES,
    text=st.sampled_from([b" ", b"\n", b"x", b"<!--x-->", b"<?x?>", b"<x/>", b"&#32;", b"&amp;", b"=", b' a="b"']),
)
def test_nothing_can_be_put_in(at, text):
    holds_only_if_untouched(UPP[:at] + text + UPP[at:])


@settings(max_examples=300)
@given(at=PLACES, length=st.integers(1, 200))
def test_nothing_can_be_left_out(at, length):
    holds_only_if_untouched(UPP[:at] + UPP[at + length :])


@settings(max_examples=200)
@given(at=PLACES, length=st.integers(1, 400), to=PLACES)
def test_nothing_can_be_said_twice(at, length, to):
    holds_only_if_untouched(UPP[:to] + UPP[at : at + length] + UPP[to:])


ELEMENTS = len(list(tree(UPP).iter()))


@settings(max_examples=200)
@given(which=st.integers(1, ELEMENTS - 1), to=st.integers(0, ELEMENTS - 1), index=st.integers(0, 5), copy=st.booleans())
@example(which=ELEMENTS - 1, to=0, index=0, copy=True)
def test_no_element_can_be_moved_or_copied(which, to, index, copy):
    root = tree(UPP)
    elements = list(root.iter())
    element, parent = elements[which], elements[to]
    if element in (parent, *parent.iterancestors()):
        return
    moved = tree(etree.tostring(element, with_tail=False)) if copy else element
    parent.insert(index, moved)
    holds_only_if_untouched(etree.tostring(root))


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace")))
def test_rubbish_raises_nothing(rubbish):
    assert not check(rubbish, schema=SCHEMA, trust=TRUST).holds
