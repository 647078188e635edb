"""Changes to signed documents that know what a signature is: whatever octets are a recipe for some.

A recipe: an octet that is no `<`, two that choose the document, then a change each from five octets: which, where (two),
with what (two).  Parts are moved, doubled, renamed, pointed elsewhere and put into one another, as wrapping attacks do;
the last word, changes to plain octets, is atheris's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy

from lxml import etree

from broker.errors import Rejection
from broker.parse import Limits, read

_DS = "http://www.w3.org/2000/09/xmldsig#"
_XADES = "http://uri.etsi.org/01903/v1.3.2#"
_MOST = 8

NAMES = (
    f"{{{_DS}}}Signature",
    f"{{{_DS}}}SignedInfo",
    f"{{{_DS}}}Reference",
    f"{{{_DS}}}Object",
    f"{{{_DS}}}KeyInfo",
    f"{{{_XADES}}}SignedProperties",
    f"{{{_XADES}}}CounterSignature",
    f"{{{_XADES}}}UnsignedProperties",
    f"{{{_DS}}}X509IssuerName",
    "{http://example.test/wzor/}Dokument",
    "{http://example.test/wzor/}Kwota",
)
VALUES = (
    "",
    "#doc",
    "#sum",
    "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
    "http://www.w3.org/TR/1999/REC-xpath-19991116",
    "http://www.w3.org/2001/10/xml-exc-c14n#",
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/2006/12/xml-c14n11",
    "http://www.w3.org/2001/04/xmlenc#sha512",
    "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    "http://uri.etsi.org/01903#SignedProperties",
    "not(ancestor-or-self::ds:Signature)",
    "http://example.test/",
    "999",
    "preserve",
    "CN=#0c0141",
    "CN=#0900,C=#1e020105",
)
ATTRIBUTES = (
    "Id",
    "ID",
    "id",
    "{http://www.w3.org/XML/1998/namespace}id",
    "{http://www.w3.org/XML/1998/namespace}space",
    "{http://www.w3.org/XML/1998/namespace}base",
    "URI",
    "Type",
    "Algorithm",
    "Target",
    "Encoding",
    "nr",
)

Change = Callable[[etree._Element, Sequence[etree._Element], int, int], None]


def change(recipe: bytes, documents: Sequence[bytes]) -> bytes:
    """Return a document of the corpus with the changes of the recipe."""
    choice = int.from_bytes(recipe[1:3], "little") if len(recipe) > 2 else 0
    document = documents[choice % len(documents)]
    try:
        root = read(document, Limits())
    except Rejection:
        return document
    steps = recipe[3:]
    for start in range(0, min(len(steps), 5 * _MOST) - 4, 5):
        kind, where, what = (
            steps[start],
            *(int.from_bytes(steps[at : at + 2], "little") for at in (start + 1, start + 3)),
        )
        elements = list(root.getroottree().getroot().iter(etree.Element))
        CHANGES[kind % len(CHANGES)](elements[where % len(elements)], elements, where, what)
    return etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=bool(recipe[:1] > b"\x80"))


def _other(elements: Sequence[etree._Element], what: int) -> etree._Element:
    return elements[what % len(elements)]


def _put_into(element: etree._Element, elements: Sequence[etree._Element], _: int, what: int) -> None:
    into = _other(elements, what)
    if into not in element.iter() and element.getparent() is not None:
        into.append(element)


def _copy_into(element: etree._Element, elements: Sequence[etree._Element], where: int, what: int) -> None:
    if len(elements) < 2_000:
        _other(elements, what).insert(where % 3, deepcopy(element))


def _remove(element: etree._Element, *_: object) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _swap(element: etree._Element, elements: Sequence[etree._Element], _: int, what: int) -> None:
    other = _other(elements, what)
    one, two = element.getparent(), other.getparent()
    if one is None or two is None or other in element.iter() or element in other.iter():
        return
    here, mark = one.index(element), etree.Element("mark")
    one.replace(element, mark)
    two.replace(other, element)
    one.insert(here, other)
    one.remove(mark)


def _wrap(element: etree._Element, _: object, __: int, what: int) -> None:
    parent = element.getparent()
    if parent is not None:
        outer = etree.Element(NAMES[what % len(NAMES)])
        parent.replace(element, outer)
        outer.append(element)


def _rename(element: etree._Element, _: object, __: int, what: int) -> None:
    element.tag = NAMES[what % len(NAMES)]


def _set(element: etree._Element, elements: Sequence[etree._Element], where: int, what: int) -> None:
    element.set(ATTRIBUTES[where // 7 % len(ATTRIBUTES)], VALUES[what % len(VALUES)])


def _borrow(element: etree._Element, elements: Sequence[etree._Element], where: int, what: int) -> None:
    """Give the element an attribute of another's, a URI with that other's Id above all."""
    other = _other(elements, what)
    for name, value in other.attrib.items():
        element.set("URI" if where % 2 and name in ("Id", "ID", "id") else name, f"#{value}" if where % 2 else value)


def _drop(element: etree._Element, _: object, __: int, what: int) -> None:
    names = sorted(element.attrib)
    if names:
        del element.attrib[names[what % len(names)]]


def _write(element: etree._Element, elements: Sequence[etree._Element], where: int, what: int) -> None:
    text = VALUES[what % len(VALUES)] if what % 2 else _other(elements, what).text
    if where % 3:
        element.text = text
    elif element.getparent() is not None:
        element.tail = text


def _comment(element: etree._Element, _: object, where: int, what: int) -> None:
    node = etree.Comment("aside") if what % 2 else etree.ProcessingInstruction("note", "x")
    if where % 2:
        element.insert(what % 3, node)
    else:
        element.addprevious(node)


def _declare(element: etree._Element, _: object, __: int, what: int) -> None:
    """Put a prefix into scope: for inclusive canonicalisation that is a change."""
    outer = etree.Element(element.tag, nsmap={**element.nsmap, "late": f"urn:late:{what % 3}"})
    outer.text, outer.tail = element.text, element.tail
    for name, value in element.attrib.items():
        outer.set(name, value)
    parent = element.getparent()
    if parent is not None:
        outer.extend(list(element))
        parent.replace(element, outer)


def _spell(element: etree._Element, _: object, __: int, what: int) -> None:
    """Break the text up with white space, or give it another end."""
    text = element.text or ""
    at = what % (len(text) + 1)
    element.text = text[:at] + " \n"[what % 2] + text[at:]


def _name_in_octets(_: object, elements: Sequence[etree._Element], where: int, what: int) -> None:
    """Write a value of an issuer's name as hexadecimal DER: any type, of one octet or none, or of another's text."""
    names = [it for it in elements if it.tag == f"{{{_DS}}}X509IssuerName"]
    if names:
        tag, octet = what.to_bytes(2, "little")
        content = [b"", bytes([octet]), (names[-1].text or "").encode()[:100]][where // 7 % 3]
        value = bytes([tag, len(content)]) + content
        names[where % len(names)].text = f"CN=#{value.hex()}"


CHANGES: tuple[Change, ...] = (
    _put_into,
    _copy_into,
    _remove,
    _swap,
    _wrap,
    _rename,
    _set,
    _borrow,
    _drop,
    _write,
    _comment,
    _declare,
    _spell,
    _name_in_octets,
)
