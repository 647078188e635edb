"""What a message's signature covers cannot be changed, whatever is done to the message; nothing but a no escapes.

Two kinds of change: of bytes anywhere, and of the tree, where elements are moved, copied, taken out and renamed and
Ids given away, as wrapping attacks do.  What is still accepted has the canonical octets that were signed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.testkit.box import Submission
from adapters.testkit.wss import ALL, EPUAP, ID, NODE, ZEEP, secure
from adapters.wire import ob, soap, wss
from adapters.wire.mtom import Parts
from adapters.wire.soap import SOAP11, SOAP12, Version
from adapters.wire.wss.names import SECURITY, TIMESTAMP
from broker.errors import Malformed, TooLarge, Unauthorised
from broker.parse import Limits
from tests.corpus.verify.scene import AT, PKI

XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
MAKERS: dict[str, Callable[[Version], bytes]] = {
    "all": lambda version: secure(Submission().envelope(version), PKI.elliptic_person, AT, ALL),
    "zeep": lambda version: secure(Submission().envelope(version), PKI.elliptic_person, AT, ZEEP),
    "node": lambda version: secure(Submission().envelope(version), PKI.elliptic_person, AT, NODE),
    "epuap": lambda version: secure(Submission().envelope(version), PKI.elliptic_person, AT, EPUAP),
    "rsa": lambda version: secure(Submission().envelope(version), PKI.local_person, AT, prefixes="soap ob"),
    "any": lambda version: secure(
        Submission(any=True, document=b"<l:letter xmlns:l='urn:l' a='1'><b/>text</l:letter>").envelope(version),
        PKI.elliptic_person,
        AT,
        key_info="ski",
    ),
    "path": lambda version: secure(Submission().envelope(version), PKI.elliptic_person, AT, token="pkipath"),
}
shapes = st.sampled_from(sorted(MAKERS))
versions = st.sampled_from([SOAP11, SOAP12])


@cache
def signed(shape: str, version: Version) -> bytes:
    return MAKERS[shape](version)


def octets(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def proven(data: bytes) -> tuple[soap.Message, wss.Secured] | None:
    """What the channel would believe of a message; None if it is refused or nothing is signed."""
    try:
        message = soap.read(data, Limits())
        secured = wss.read(message, AT, parts=Parts(), known=lambda: [PKI.elliptic_person.certificate])
    except (Malformed, TooLarge, Unauthorised):
        return None
    return None if secured is None else (message, secured)


def protected(message: soap.Message, secured: wss.Secured) -> dict[str, object]:
    """Everything that is believed because of the signature."""
    body = soap.elements(message.root)[-1]
    ours = [it for it in message.headers if it.tag == SECURITY and soap.addressed(message.version, it)]
    times = [octets(it) for block in ours for it in block.iterchildren(TIMESTAMP)]
    return {
        "body": octets(body) if secured.body else None,
        "timestamp": times if secured.timestamp else None,
        "headers": sorted(octets(block) for block in secured.headers),
        "moments": (secured.created, secured.expires, secured.once),
        # Not the whole certificate: one that is not signed may be another of the same key, and is then known or not.
        "key": secured.certificate.public_key(),
        "document": document_of(message),
    }


@cache
def original(shape: str, version: Version) -> dict[str, object]:
    found = proven(signed(shape, version))
    assert found is not None
    return protected(*found)


def document_of(message: soap.Message) -> bytes:
    assert message.body is not None
    if message.body.tag == ob.DOCUMENT:
        return ob.read_file(message.body, Parts()).content
    return octets(message.body)


def hold(data: bytes, shape: str, version: Version) -> None:
    """Fail if anything is believed that was not signed."""
    found = proven(data)
    if found is not None:
        assert protected(*found) == original(shape, version)


@settings(max_examples=500)
@given(shape=shapes, version=versions, seed=st.integers(0, 2**32), data=st.data())
def test_bytes_that_are_signed_cannot_be_changed(shape: str, version: Version, seed: int, data: st.DataObject) -> None:
    message = signed(shape, version)
    random = Random(seed)
    at, other, size = random.randrange(len(message)), random.randrange(len(message)), data.draw(st.integers(0, 40))
    new = data.draw(
        st.one_of(
            st.binary(min_size=1, max_size=3),
            st.sampled_from([b" ", b"<!-- -->", b"A", b"<a/>", b'Id="body-0" ', b"&#32;", b"\n", b"=", b"<?p?>", b""]),
            st.just(message[at : at + size] * 2),
            st.just(message[other : other + size]),
        )
    )
    hold(message[:at] + new + message[at + size :], shape, version)


def _move(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    if one not in list(other.iterancestors()) and one is not other:
        other.insert(random.randrange(len(other) + 1), one)


def _copy(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    copied = deepcopy(one)
    if random.random() < 0.5:
        for it in copied.iter(etree.Element):
            for name in (ID, "Id"):
                it.attrib.pop(name, None)
    other.insert(random.randrange(len(other) + 1), copied)


def _swap_content(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    one.text, other.text = other.text, one.text


def _drop(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    above = one.getparent()
    if above is not None:
        above.remove(one)


def _give_id(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    bearers = [it for it in root.iter(etree.Element) if it.get(ID) or it.get("Id")]
    bearer = random.choice(bearers or [root])
    name = ID if bearer.get(ID) else "Id"
    value = bearer.attrib.pop(name, "x") if random.random() < 0.7 else bearer.get(name, "x")
    one.set(random.choice([ID, "Id", "ID", "id", XML_ID]), str(value))


def _rename(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    one.tag = other.tag


def _attribute(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    for name, value in other.attrib.items():
        one.set(name, value)


def _comment(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    one.insert(random.randrange(len(one) + 1), random.choice([etree.Comment("c"), etree.PI("p", "i")]))


def _wrap(root: etree._Element, one: etree._Element, other: etree._Element, random: Random) -> None:
    above = one.getparent()
    if above is not None:
        wrapper = etree.Element(other.tag)
        above.replace(one, wrapper)
        wrapper.append(one)


DEEDS = [_move, _copy, _swap_content, _drop, _give_id, _rename, _attribute, _comment, _wrap]


@settings(max_examples=600)
@given(
    shape=shapes,
    version=versions,
    seed=st.integers(0, 2**48),
    deeds=st.lists(st.sampled_from(DEEDS), min_size=1, max_size=5),
)
def test_parts_that_are_signed_cannot_be_moved_or_replaced(
    shape: str, version: Version, seed: int, deeds: list
) -> None:
    random = Random(seed)
    root = etree.fromstring(signed(shape, version))
    for deed in deeds:
        inside = list(root.iter(etree.Element))
        # Half of all deeds concern what carries the meaning: the large parts, not the leaves of the signature.
        large = [it for it in inside if len(list(it.iterancestors())) <= 3]
        one, other = (random.choice(large if random.random() < 0.5 else inside) for _ in range(2))
        deed(root, one, other, random)
    hold(etree.tostring(root), shape, version)


NAMES = st.sampled_from(
    sorted({str(it.tag) for shape in ("all",) for it in etree.fromstring(signed(shape, SOAP11)).iter(etree.Element)})
)
TEXTS = st.sampled_from(["", "#body-0", "AAAA", "x", " ", "2026-01-01T12:00:00Z", "2026", "MII=", "\u0661", "0" * 5000])
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["Id", ID, "URI", "Algorithm", "ValueType", "EncodingType", "PrefixList", "Type"]),
    st.one_of(
        TEXTS,
        st.sampled_from(
            sorted(
                {v for it in etree.fromstring(signed("all", SOAP11)).iter(etree.Element) for v in it.attrib.values()}
                | {"#", "##", "#xpointer(/)", "#default", "a" * 300}
            )
        ),
    ),
    max_size=3,
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 4) -> etree._Element:
    element = etree.Element(draw(NAMES), draw(ATTRIBUTES))
    element.text = draw(TEXTS)
    for _ in range(draw(st.integers(0, 3)) if depth else 0):
        element.append(draw(trees(depth - 1)))
    return element


@settings(max_examples=150)
@given(tree=trees(), at=st.integers(0, 200), version=versions, instead=st.booleans())
def test_nothing_but_a_no_leaves_the_reader(tree: etree._Element, at: int, version: Version, instead: bool) -> None:
    """Any elements with any attributes, grafted anywhere onto a signed message."""
    root = etree.fromstring(signed("all", version))
    inside = list(root.iter(etree.Element))
    place = inside[at % len(inside)]
    above = place.getparent()
    if instead and above is not None:
        above.replace(place, tree)
    else:
        place.append(tree)
    hold(etree.tostring(root), "all", version)
