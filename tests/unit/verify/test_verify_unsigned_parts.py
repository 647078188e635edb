"""What nobody has signed and yet could be read: instructions around the root, foreign elements in a signature."""

import pytest
from lxml import etree

from broker.verify.fault import Fault
from broker.verify.references import Covered
from broker.verify.shape import Layout
from broker.verify.unsigned import _is_signed_property, _unsigned, require_nothing

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


def refused(it, code, place, **how):
    with pytest.raises(Fault) as caught:
        require_nothing(it, [covered(it, **how)])
    assert (caught.value.code, caught.value.place) == (code, place)


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
    require_nothing(it, [covered(it)])


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
    ],
)
def test_a_foreign_element_that_nothing_covers_is_refused(inside):
    refused(layout(inside), "verify.foreign-unsigned", "ds:Signature")


def test_the_form_inside_an_enveloping_signature_is_covered_and_its_neighbours_are_not():
    root = etree.fromstring(f"<Signature {XMLNS}><Object><f><g/></f></Object><KeyInfo/></Signature>")
    form = root[0][0]
    assert [etree.QName(it).localname for it in _unsigned(root, form)] == ["Object", "KeyInfo"]
    beside = etree.fromstring(f"<Signature {XMLNS}><Object><f/><g xmlns=''/></Object></Signature>")
    assert [etree.QName(it).localname for it in _unsigned(beside, beside[0][0])] == ["Object", "g"]


@pytest.mark.parametrize("around", ["<?a b?>{}", "{}<?a b?>", "<!--c--><?a b?>{}", "{}<!--c--><?a b?>"])
def test_instructions_around_the_root_are_covered_only_with_the_document(around):
    it = layout("", around)
    require_nothing(it, [covered(it)])
    require_nothing(it, [covered(it, by_id=True), covered(it)])
    refused(it, "verify.instruction-unsigned", "processing-instruction()", by_id=True)


def test_comments_around_the_root_are_nothing_to_read():
    it = layout("", "<!--a-->{}<!--b-->")
    require_nothing(it, [covered(it, by_id=True)])


def test_signed_properties_are_covered_where_they_belong_and_nowhere_else():
    root = etree.fromstring(f"<Signature {XMLNS}>{PROPERTIES}</Signature>")
    assert [_is_signed_property(it) for it in root.iter(etree.Element)] == [False, False, False, True, False]
    alone = etree.fromstring(f"<x:SignedProperties {XMLNS}/>")
    assert not _is_signed_property(alone)
    above = etree.fromstring(f"<x:QualifyingProperties {XMLNS}><x:SignedProperties/></x:QualifyingProperties>")
    assert not _is_signed_property(above[0])
