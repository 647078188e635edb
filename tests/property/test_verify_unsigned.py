"""Of an accepted document nothing can be changed that routing, the receipt or the office reads.

Every node of a document of each shape is changed, one at a time: its text, the text behind it, each attribute, its
name; it is taken away, doubled, and something foreign is put beside it and into it.  Either the document is refused, or
the change lies where nothing is signed (the list is that of decision 0021), and the form's octets, who signed, and what
a receipt and the routing table would be told are as before.  Of one document, every single octet is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from lxml import etree

from broker.errors import Rejection
from broker.evidence import Indication, Report
from broker.model import Verified
from broker.parse import Limits, Parse, read
from broker.validate import Validate
from broker.verify import Verify
from config.sources import load_catalogue
from routing.route import question
from tests.builders import an_envelope
from tests.corpus.kept import ROOT
from tests.fuzz.verifying import trust

DS, XADES = "{http://www.w3.org/2000/09/xmldsig#}", "{http://uri.etsi.org/01903/v1.3.2#}"
FOREIGN = '<wnio:Kwota xmlns:wnio="http://example.test/wzor/">999</wnio:Kwota>'
LIMITS = Limits()

SHAPES = (
    "enveloped",
    "enveloping",
    "by-id",
    "signed-key-info",
    "siblings-of-every-kind",
    "counter-signature",
    "podpis-zaufany",
    "enveloping-by-c14n",
    "form-wpis-do-ewidencji-1",
)


@cache
def stages() -> tuple[Parse, Validate, Verify]:
    return Parse(limits=LIMITS), Validate(catalogue=load_catalogue((ROOT / "form",))), Verify(trust=trust)


@cache
def original(shape: str) -> bytes:
    return (ROOT / "accepted" / f"{shape}.xml").read_bytes()


def accepted(document: bytes) -> Verified | None:
    """Run the stages up to the verdict; None if one of them refuses."""
    parse, validate, verify = stages()
    try:
        done = verify(validate(parse(an_envelope(document))))
    except Rejection:
        return None
    return done if done.report.indication is Indication.PASSED and done.report.signatures else None


def told(verified: Verified) -> tuple[object, ...]:
    """What is read of a document from here on, who signed apart: by routing, by the receipt, and by whoever reads it."""
    asked = question(verified, LIMITS)
    return verified.content, asked.form, asked.regons, asked.nips, verified.valid.form.key


def signers(report: Report) -> list[tuple[object, ...]]:
    return [(it.certificate, it.level, it.identity, it.signing_time) for it in report.signatures]


# ── the changes ──


def _text(element: etree._Element) -> None:
    element.text = (element.text or "") + "9"


def _tail(element: etree._Element) -> None:
    if element.getparent() is None:
        element.set("behind", "9")  # nothing can stand behind the root: then something else is tried
    else:
        element.tail = (element.tail or "") + "9"


def _space(element: etree._Element) -> None:
    element.text = (element.text or "") + " "


def _values(element: etree._Element) -> None:
    for name in element.attrib:
        element.set(name, element.attrib[name] + "9")
    if not element.attrib:
        element.set("more", "9")


def _attributes(element: etree._Element) -> None:
    if element.attrib:
        element.attrib.clear()
    else:
        element.set("Id", "late")


def _name(element: etree._Element) -> None:
    element.tag = f"{element.tag}9"


def _away(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is None:
        element.clear()
    else:
        parent.remove(element)


def _twice(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.insert(parent.index(element), read(etree.tostring(element, with_tail=False), LIMITS))
    else:
        element.append(read(etree.tostring(element), LIMITS))


def _foreign_inside(element: etree._Element) -> None:
    element.insert(0, read(FOREIGN.encode(), LIMITS))


def _foreign_before(element: etree._Element) -> None:
    if element.getparent() is None:
        element.append(read(FOREIGN.encode(), LIMITS))
    else:
        element.addprevious(read(FOREIGN.encode(), LIMITS))


def _instruction(element: etree._Element) -> None:
    element.addprevious(etree.ProcessingInstruction("xml-stylesheet", 'href="evil.xsl"'))


CHANGES: dict[str, Callable[[etree._Element], None]] = {
    function.__name__.strip("_").replace("_", "-"): function
    for function in (
        _text,
        _tail,
        _space,
        _values,
        _attributes,
        _name,
        _away,
        _twice,
        _foreign_inside,
        _foreign_before,
        _instruction,
    )
}


BESIDE = frozenset({"tail", "twice", "foreign-before", "instruction"})
"""Those that change what holds the element, and not the element."""


def changed(shape: str, change: Callable[[etree._Element], None]) -> Iterator[tuple[str, etree._Element, bytes]]:
    """Yield for each element of a document its path, itself as it was, and the document with the change."""
    before = list(read(original(shape), LIMITS).iter(etree.Element))
    for number, element in enumerate(before):
        root = read(original(shape), LIMITS)
        tree = root.getroottree()
        change(list(root.iter(etree.Element))[number])
        yield element.getroottree().getpath(element), element, etree.tostring(tree)


POSING = {
    "in-signed-info": (DS + "SignedInfo",),
    "in-signed-properties": (DS + "Object", XADES + "QualifyingProperties", XADES + "SignedProperties"),
}
"""Elements by whose names a part of a signature is signed, where that signature means them."""


def _posing(*names: str) -> etree._Element:
    """Something foreign inside new elements of these names."""
    top = held = etree.Element(names[0])
    for name in names[1:]:
        held = etree.SubElement(held, name)
    held.append(read(FOREIGN.encode(), LIMITS))
    return top


@pytest.mark.parametrize("posing", sorted(POSING))
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_foreign_is_signed_for_the_name_of_what_holds_it(shape: str, posing: str) -> None:
    def inside(element: etree._Element) -> None:
        element.append(_posing(*POSING[posing]))

    def first(element: etree._Element) -> None:
        element.insert(0, _posing(*POSING[posing]))

    for change in (inside, first):
        for path, _, document in changed(shape, change):
            assert accepted(document) is None, path


ACTING = {
    f"{{http://www.w3.org/XML/1998/namespace}}{name}": value
    for name, value in {"base": "http://example.test/", "lang": "en", "space": "preserve"}.items()
}


@pytest.mark.parametrize("name", ACTING)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_attribute_of_xml_acts_on_nothing_that_is_signed(shape: str, name: str) -> None:
    """What is in force for the form, for each part of it and for signed properties is what was in force."""

    def put(element: etree._Element) -> None:
        element.set(name, element.get(name, "") + ACTING[name])

    def in_force(document: bytes) -> list[str]:
        return [
            next((it.get(name, "") for it in _and_above(element) if name in it.attrib), "")
            for element in read(document, LIMITS).iter(etree.Element)
            if not in_unsigned_part(element) and element.tag != DS + "Signature"
        ]

    before = in_force(original(shape))
    for path, _, document in changed(shape, put):
        if accepted(document) is not None:
            assert in_force(document) == before, path


def _and_above(element: etree._Element) -> Iterator[etree._Element]:
    yield element
    yield from element.iterancestors()


def in_unsigned_part(element: etree._Element) -> bool:
    """Whether the element is a part of a signature that nobody has signed, SignatureValue and the wrappers included."""
    tags = [str(it.tag) for it in (element, *element.iterancestors())]
    if DS + "Signature" not in tags:
        return False
    own = tags[: tags.index(DS + "Signature")]
    if DS + "SignedInfo" in own or XADES + "SignedProperties" in own:
        return XADES + "CounterSignature" in tags  # of a counter-signature, which decides nothing
    form = {it for it in own if not it.startswith((DS, "{http://uri.etsi.org/"))}
    return not form


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("shape", SHAPES)
def test_a_changed_node_is_refused_or_is_one_that_nobody_signed_and_nobody_reads(shape: str, change: str) -> None:
    before = accepted(original(shape))
    assert before is not None
    refused = 0
    for path, element, document in changed(shape, CHANGES[change]):
        after = accepted(document)
        if after is None:
            refused += 1
            continue
        parent = element.getparent()
        assert in_unsigned_part(parent if change in BESIDE and parent is not None else element), path
        assert told(after) == told(before), path
        if change == "away" and element.tag == DS + "Signature":
            assert all(it in signers(before.report) for it in signers(after.report)), path
        else:
            assert signers(after.report) == signers(before.report), path
        assert not change.startswith("foreign"), path
    assert refused


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("where", ["before", "behind"])
def test_an_instruction_around_the_root_is_signed_or_refused(shape: str, where: str) -> None:
    root = read(original(shape), LIMITS)
    instruction = etree.ProcessingInstruction("xml-stylesheet", 'href="evil.xsl"')
    (root.addprevious if where == "before" else root.addnext)(instruction)
    assert accepted(etree.tostring(root.getroottree())) is None


TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
TYPED = tuple(sorted(path.stem for path in (ROOT / "accepted").glob("prefix-*.xml")))


def meanings(document: bytes) -> list[str]:
    """What the types in the form are bound to, as a reader of the bytes finds it."""
    found = []
    for element in read(document, LIMITS).iter(etree.Element):
        said = element.get(TYPE)
        if said is not None and not in_unsigned_part(element):
            found.append(element.nsmap.get(said.strip().rpartition(":")[0] or None) or "")
    return found


def rebound(document: bytes) -> Iterator[bytes]:
    """Yield the document with each of its declarations changed, and with each prefix declared on each element."""
    for declaration in re.finditer(rb' xmlns(:\w+)?="([^"]*)"', document):
        yield document[: declaration.start(2)] + b"urn:evil" + document[declaration.end(2) :]
        yield document[: declaration.start()] + document[declaration.end() :]
    for tag in re.finditer(rb"<[A-Za-z][\w:]*", document):
        for prefix in (b"", b":o", b":wnio"):
            yield document[: tag.end()] + b" xmlns%b='urn:evil'" % prefix + document[tag.end() :]


@pytest.mark.parametrize("shape", TYPED)
def test_no_prefix_in_a_value_can_be_bound_to_something_else(shape: str) -> None:
    before = accepted(original(shape))
    assert before is not None
    refused = 0
    for document in rebound(original(shape)):
        after = accepted(document)
        if after is None:
            refused += 1
            continue
        assert told(after) == told(before)
        assert meanings(document) == meanings(original(shape))
    assert refused


def test_every_octet_of_a_document_is_signed_or_changes_nothing() -> None:
    document = original("ecdsa-ec-256")
    before = accepted(document)
    assert before is not None
    free = set()
    for at, octet in enumerate(document):
        after = accepted(document[:at] + bytes([octet ^ 1]) + document[at + 1 :])
        if after is not None:
            free.add(at)
            assert told(after) == told(before), document[max(0, at - 40) : at + 40]
            assert signers(after.report) == signers(before.report), document[max(0, at - 40) : at + 40]
    # What is left free: a comment, the declaration's white space, Ids that nothing refers to, spaces in tags.
    signed = re.search(rb"<wnio:Tytul.*</wnio:Tytul>", document)
    assert signed
    assert not free & set(range(*signed.span()))
    assert len(free) < len(document) / 10
