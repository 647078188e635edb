"""What nobody has signed and yet could be read: instructions, foreign elements in a signature, what acts on the form."""

import pytest
from lxml import etree

from broker.verify.algorithms import EXCLUSIVE, INCLUSIVE
from broker.verify.fault import Fault
from broker.verify.references import Covered
from broker.verify.shape import Layout
from broker.verify.unsigned import elements, require_no_attribute_around, require_nothing

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
XMLNS = f'xmlns="{DS}" xmlns:x="{XADES}"'
PROPERTIES = "<Object><x:QualifyingProperties><x:SignedProperties><foreign xmlns=''/></x:SignedProperties></x:QualifyingProperties></Object>"


def layout(inside, around="{}"):
    signature = f"<Signature {XMLNS}><SignedInfo><foreign xmlns=''/></SignedInfo>{inside}</Signature>"
    root = etree.fromstring(around.format(f"<r>{signature}</r>"))
    return Layout(root=root, form=root, signatures=(root[0],), ids={}, places=(0,))


def covered(it, *, by_id=False):
    return Covered(report=None, target=it.root if by_id else None)


def signed(it):
    """The SignedInfo of the one signature, and its properties where they belong."""
    return {it.signatures[0][0], *it.signatures[0].iterfind(f"{{{DS}}}Object/*/{{{XADES}}}SignedProperties")}


def refused(it, code, place, **how):
    with pytest.raises(Fault) as caught:
        require_nothing(it, [covered(it, **how)], signed(it), {})
    assert (caught.value.code, caught.value.place) == (code, place)
    return caught.value


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<!-- a comment --><?an instruction?>",
        PROPERTIES,
        "<KeyInfo><KeyName/><e:ECKeyValue xmlns:e='http://www.w3.org/2009/xmldsig11#'/></KeyInfo>",
        "<Object><t:Later xmlns:t='http://uri.etsi.org/01903/v1.4.1#'/></Object>",
        "<Object><c:InclusiveNamespaces xmlns:c='http://www.w3.org/2001/10/xml-exc-c14n#'/></Object>",
    ],
)
def test_what_belongs_to_a_signature_may_stand_in_it(inside):
    it = layout(inside)
    require_nothing(it, [covered(it)], signed(it), {})


@pytest.mark.parametrize(
    "inside",
    [
        "<foreign xmlns=''/>",
        "<KeyInfo><f:foreign xmlns:f='urn:f'/></KeyInfo>",
        "<Object><x:QualifyingProperties><x:UnsignedProperties><foreign xmlns=''/></x:UnsignedProperties></x:QualifyingProperties></Object>",
        "<Object><x:SignedProperties><foreign xmlns=''/></x:SignedProperties></Object>",
        "<x:QualifyingProperties><x:SignedProperties><foreign xmlns=''/></x:SignedProperties></x:QualifyingProperties>",
        "<KeyInfo/>" + PROPERTIES + "<Object><foreign xmlns=''/></Object>",
        "<Object xmlns:f='urn:f'><x:A><x:B/></x:A><x:C><f:D/></x:C></Object>",
        "<Object><n:x xmlns:n='http://www.w3.org/2000/09/xmldsig'/></Object>",
        "<KeyInfo><SignedInfo><foreign xmlns=''/></SignedInfo></KeyInfo>",
        f"<KeyInfo>{PROPERTIES}</KeyInfo>",
    ],
)
def test_a_foreign_element_that_nothing_covers_is_refused(inside):
    refused(layout(inside), "verify.foreign-unsigned", "ds:Signature[1]")


def test_the_form_inside_an_enveloping_signature_is_covered_and_its_neighbours_are_not():
    root = etree.fromstring(f"<Signature {XMLNS}><Object><f><g/></f></Object><KeyInfo/></Signature>")
    form = root[0][0]
    assert [etree.QName(it).localname for it in elements(root, {form})] == ["Object", "KeyInfo"]
    beside = etree.fromstring(f"<Signature {XMLNS}><Object><f/><g xmlns=''/></Object></Signature>")
    assert [etree.QName(it).localname for it in elements(beside, {beside[0][0]})] == ["Object", "g"]


@pytest.mark.parametrize("around", ["<?a b?>{}", "{}<?a b?>", "<!--c--><?a b?>{}", "{}<!--c--><?a b?>"])
def test_instructions_around_the_root_are_covered_only_with_the_document(around):
    it = layout("", around)
    require_nothing(it, [covered(it)], signed(it), {})
    require_nothing(it, [covered(it, by_id=True), covered(it)], signed(it), {})
    refused(it, "verify.instruction-unsigned", "processing-instruction()", by_id=True)


def test_comments_around_the_root_are_nothing_to_read():
    it = layout("", "<!--a-->{}<!--b-->")
    require_nothing(it, [covered(it, by_id=True)], signed(it), {})


def test_the_first_foreign_element_is_named():
    it = layout("<KeyInfo><f:one xmlns:f='urn:f'/><f:two xmlns:f='urn:f'/></KeyInfo>")
    assert refused(it, "verify.foreign-unsigned", "ds:Signature[1]").facts == {"element": "one", "line": "1"}


def test_the_signature_is_numbered_and_the_line_is_that_of_the_element():
    second = f"<Signature {XMLNS}>\n<KeyInfo>\n<f:one xmlns:f='urn:f'/></KeyInfo></Signature>"
    root = etree.fromstring(f"<r>\n<Signature {XMLNS}/>\n{second}</r>")
    it = Layout(root=root, form=root, signatures=tuple(root), ids={}, places=(0, 1))
    with pytest.raises(Fault) as caught:
        require_nothing(it, [covered(it)], (), {})
    assert (caught.value.place, caught.value.facts["line"]) == ("ds:Signature[2]", "5")
    root[0].tail = "text"
    with pytest.raises(Fault) as caught:
        require_nothing(it, [covered(it)], (), {})
    assert (caught.value.code, caught.value.place) == ("verify.signature-in-text", "ds:Signature[1]")


def test_a_line_that_is_too_far_down_to_be_known_is_told_as_such():
    it = layout("<KeyInfo><f:one xmlns:f='urn:f'/></KeyInfo>", "\n" * 70_000 + "{}")
    assert refused(it, "verify.foreign-unsigned", "ds:Signature[1]").facts["line"] == "65535+"
    it.signatures[0].tail = "text"
    assert refused(it, "verify.signature-in-text", "ds:Signature[1]").facts["line"] == "65535+"


def test_what_stands_in_a_counter_signature_that_does_not_hold_is_told_with_the_reason_of_the_nearest():
    it = layout("<Object><x:A><KeyInfo><f:one xmlns:f='urn:f'/></KeyInfo></x:A></Object>")
    held = it.signatures[0][1]
    between, nearest = held[0], held[0][0]
    for unproven in ({held: "verify.certificate-expired"}, {held: "other", nearest: "verify.certificate-expired"}):
        with pytest.raises(Fault) as caught:
            require_nothing(it, [covered(it)], {*signed(it)}, unproven)
        assert (caught.value.code, caught.value.place) == (
            "verify.counter-signature-unproven",
            "ds:Signature[1]/xades:CounterSignature",
        )
        assert caught.value.facts == {"element": "one", "line": "1", "reason": "verify.certificate-expired"}
    require_nothing(it, [covered(it)], {*signed(it), between}, {held: "verify.certificate-expired"})


def test_what_only_has_the_name_of_something_signed_is_not_signed():
    it = layout(PROPERTIES)
    with pytest.raises(Fault, match="foreign-unsigned"):
        require_nothing(it, [covered(it)], {it.signatures[0][0]}, {})
    with pytest.raises(Fault, match="foreign-unsigned"):
        require_nothing(it, [covered(it)], signed(it) - {it.signatures[0][0]}, {})


@pytest.mark.parametrize("behind", ["000", " 000", "\n0", "\n0\n"])
def test_a_signature_that_is_followed_by_text_is_refused(behind):
    it = layout("")
    it.root.text = "1"
    it.signatures[0].tail = behind
    fault = refused(it, "verify.signature-in-text", "ds:Signature[1]")
    assert fault.facts == {"line": str(it.signatures[0].sourceline)}


@pytest.mark.parametrize("behind", [None, "", " \n\t"])
def test_a_signature_may_stand_behind_text_and_before_white_space_or_other_elements(behind):
    it = layout("")
    it.root.text = "1"
    it.signatures[0].tail = behind
    it.root.append(etree.fromstring("<rest>000</rest>"))
    it.root[1].tail = "000"
    require_nothing(it, [covered(it)], signed(it), {})


# ── attributes of XML itself ──

WRAPPED = etree.fromstring(
    f'<Signature {XMLNS}><Object><form xmlns=""><part><deep/></part></form></Object><Object><x:P/></Object></Signature>'
)
OBJECT, FORM = WRAPPED[0], WRAPPED[0][0]
NAMES = ("base", "lang", "space", "whatever")


def acted_on(target, *others, root=WRAPPED, method=EXCLUSIVE):
    """What is said of a Reference to the target beside others; what is at fault, or nothing."""
    own = Covered(report=None, target=target, method=method)
    try:
        require_no_attribute_around(own, [own, *(Covered(report=None, target=it) for it in others)], root)
    except Fault as fault:
        return fault.code, fault.place, fault.facts["attribute"]
    return ""


def unsigned(name):
    return "verify.attribute-unsigned", "", f"xml:{name}"


@pytest.fixture
def put():
    """Puts an attribute of XML on an element, and takes it away afterwards."""
    marked = []

    def put(element, name):
        element.set(f"{{http://www.w3.org/XML/1998/namespace}}{name}", "x")
        marked.append(element)

    yield put
    for element in marked:
        element.attrib.clear()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("on", [OBJECT, WRAPPED])
def test_an_attribute_of_xml_around_what_is_covered_must_be_covered(put, on, name):
    put(on, name)
    assert acted_on(FORM) == unsigned(name)
    assert acted_on(FORM, FORM[0]) == unsigned(name)
    assert acted_on(FORM[0]) == unsigned(name)
    assert acted_on(FORM[0], FORM) == ""  # that one's own Reference is asked, and may hand it down
    assert acted_on(FORM, method=INCLUSIVE) == ""
    assert acted_on(on) == ""


def test_what_stands_in_something_covered_is_covered(put):
    put(OBJECT, "base")
    assert acted_on(FORM, OBJECT) == ""
    assert acted_on(FORM, WRAPPED) == ""
    put(FORM[0], "lang")
    assert acted_on(FORM[0][0], OBJECT) == ""
    assert acted_on(FORM[0][0], FORM) == ""
    assert acted_on(FORM[0]) == unsigned("base")
    assert acted_on(FORM[0][0]) == unsigned("lang")


def test_an_identifier_and_what_is_no_attribute_of_xml_act_on_nothing(put):
    put(OBJECT, "id")
    OBJECT.set("Id", "x")
    OBJECT.set("{urn:other}lang", "x")
    assert acted_on(FORM) == ""


def test_what_covers_the_document_leaves_its_signatures_out_and_holds_the_rest(put):
    root = etree.fromstring(f"<r><a><b/></a><Signature {XMLNS}><Object><x:P/></Object></Signature></r>")
    inside, properties = root[0][0], root[1][0][0]
    put(root, "lang")
    put(root[0], "base")
    assert acted_on(inside, None, root=root) == acted_on(properties, None, root=root) == ""
    assert acted_on(None, None, root=root) == ""
    assert acted_on(inside, root=root) == unsigned("base")
    assert acted_on(properties, root=root) == unsigned("lang")
    put(root[1], "space")
    assert acted_on(properties, None, root=root) == unsigned("space")
    assert acted_on(properties, root[1], None, root=root) == ""
