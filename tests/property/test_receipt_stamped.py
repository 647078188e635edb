"""No change to a time-stamped copy is accepted that makes it say anything else, and none raises anything."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.testkit.signing.canonical import tree
from adapters.testkit.tsa import Tsa
from broker.proof import check
from broker.stamped import apart, to_stamp, with_stamp
from broker.verify import TrustSnapshot, anchors
from tests.receipts import ISSUED, PKI, SCHEMA, TRUST, a_upp

pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")

CA = PKI.local_ca
STAMPS = TrustSnapshot(anchors=anchors(CA.credential.pem))
UPP = a_upp()
COPY = with_stamp(UPP, Tsa.of(CA, ISSUED + timedelta(hours=1)).token(to_stamp(UPP)))
PLACES = st.integers(COPY.index(b"<pos:Dokument"), len(COPY) - 1)
SIGNS = st.sampled_from([bytes([c]) for c in b"Aa09+/=#\" <>&;'\n\t:-_.xZ"])
TEXTS = st.sampled_from([b" ", b"\n", b"x", b"<!--x-->", b"<?x?>", b"<x/>", b"&#32;", b"=", b' a="b"'])


def told(copy):
    return check(copy, schema=SCHEMA, trust=TRUST, stamps=STAMPS)


EXPECTED = told(COPY)


def receipt_of(copy):
    octets = etree.tostring(tree(copy), method="c14n", exclusive=True, with_comments=False)
    parts = apart(octets)
    return octets if parts is None else parts[0]


ISSUED_OCTETS = receipt_of(UPP)


def holds_only_if_it_says_the_same(changed):
    found = told(changed)
    if found.holds:
        assert receipt_of(changed) == ISSUED_OCTETS
        assert (found.facts, found.stamped_at) == (EXPECTED.facts, EXPECTED.stamped_at)


def test_the_copy_itself_holds():
    assert EXPECTED.holds
    assert EXPECTED.stamped_at is not None


@settings(max_examples=200)
@given(at=PLACES, sign=SIGNS)
def test_no_sign_can_be_replaced(at, sign):
    holds_only_if_it_says_the_same(COPY[:at] + sign + COPY[at + 1 :])


@settings(max_examples=150)
@given(at=PLACES, text=TEXTS)
def test_nothing_can_be_put_in(at, text):
    holds_only_if_it_says_the_same(COPY[:at] + text + COPY[at:])


@settings(max_examples=150)
@given(at=PLACES, length=st.integers(1, 400), to=PLACES)
def test_nothing_can_be_said_twice(at, length, to):
    holds_only_if_it_says_the_same(COPY[:to] + COPY[at : at + length] + COPY[to:])


ELEMENTS = len(list(tree(COPY).iter()))


@settings(max_examples=150)
@given(which=st.integers(1, ELEMENTS - 1), to=st.integers(0, ELEMENTS - 1), index=st.integers(0, 5))
def test_no_element_can_be_moved(which, to, index):
    root = tree(COPY)
    elements = list(root.iter())
    element, parent = elements[which], elements[to]
    if element not in (parent, *parent.iterancestors()):
        parent.insert(index, element)
        holds_only_if_it_says_the_same(etree.tostring(root))
