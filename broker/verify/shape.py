"""Where signatures stand in a document and what they are made of: all that is told without any mathematics.

What wrapping attacks play with is settled here, before a digest is computed: one place for signatures, one
element for an Id, one of each part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from broker.lines import line
from broker.parse import BASE64
from broker.verify.fault import Fault
from broker.verify.names import (
    DS,
    KEY_INFO,
    MANIFEST,
    OBJECT,
    QUALIFYING_PROPERTIES,
    SIGNATURE,
    SIGNATURE_VALUE,
    SIGNED_INFO,
    SIGNED_PROPERTIES,
    XADES,
    XADES_ANY,
)

_SIGNATURES: Final = 20  # in one document, counter-signatures included
_CERTIFICATES: Final = 10  # in one KeyInfo

_ID_NAMES: Final = frozenset(
    {
        "Id",
        "ID",
        "id",
        "{http://www.w3.org/XML/1998/namespace}id",
        "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """One `ds:Signature`, taken apart."""

    element: etree._Element
    signed_info: etree._Element
    value: etree._Element
    key_info: etree._Element | None
    objects: tuple[etree._Element, ...]
    qualifying: etree._Element | None
    signed_properties: etree._Element | None
    certificates: tuple[etree._Element, ...]  # ds:X509Certificate, unsigned


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """A document as far as signatures are concerned."""

    root: etree._Element
    form: etree._Element
    signatures: tuple[etree._Element, ...]  # those that must all hold, in document order
    ids: Mapping[str, etree._Element]
    places: tuple[int, ...] = ()  # of the signatures among the root's children; of an enveloping one: none

    @property
    def enveloping(self) -> bool:
        """Whether the root is a signature that holds the form."""
        return self.root.tag == SIGNATURE

    def positions(self, *, of: etree._Element | None = None) -> tuple[int, ...]:
        """Return where signatures stand among the root's children: all of them, or the one given."""
        return tuple(place for it, place in zip(self.signatures, self.places, strict=True) if of is None or it is of)


def lay_out(root: etree._Element) -> Layout | None:
    """Find signatures, form and Ids; None if there is no signature.  Raises Fault."""
    present = list(root.iter(SIGNATURE))
    if not present:
        return None
    if len(present) > _SIGNATURES:
        raise Fault("verify.too-many-signatures")
    main = [root] if root.tag == SIGNATURE else list(root.iterchildren(SIGNATURE))
    recognised = {counter for signature in main for counter in _with_counters(signature)}
    misplaced = next((it for it in present if it not in recognised), None)
    if misplaced is not None:
        raise Fault("verify.signature-misplaced", "ds:Signature", line=line(misplaced.sourceline))
    form = _enveloped_form(root) if root.tag == SIGNATURE else root
    # Once: every Reference asks, and an index is found by walking past all that stands before.
    places = () if root.tag == SIGNATURE else tuple(root.index(it) for it in main)
    return Layout(root=root, form=form, signatures=tuple(main), ids=bearers(root), places=places)


def _with_counters(signature: etree._Element) -> Iterator[etree._Element]:
    yield signature
    for counter in counter_signatures(signature):
        yield from _with_counters(counter)


_TO_COUNTERS: Final = (
    f"{OBJECT}/{QUALIFYING_PROPERTIES}/{XADES}UnsignedProperties/{XADES}UnsignedSignatureProperties"
    f"/{XADES}CounterSignature/{SIGNATURE}"
)


def counter_signatures(signature: etree._Element) -> list[etree._Element]:
    """Return the signatures that countersign this one (ETSI EN 319 132-1 §5.2.7)."""
    return list(signature.iterfind(_TO_COUNTERS))


def bearers(root: etree._Element) -> dict[str, etree._Element]:
    """Return who bears which Id, over every attribute that anybody takes for one; raise Fault if two bear one."""
    found: dict[str, etree._Element] = {}
    for element in root.iter("*"):  # in half the time of any XPath
        for name in element.keys():  # noqa: SIM118 - an element iterates over its children, not its attributes
            if name in _ID_NAMES and found.setdefault(own := element.attrib[name], element) is not element:
                lines = {"line": line(found[own].sourceline), "other": line(element.sourceline)}
                raise Fault("verify.duplicate-id", f"@{etree.QName(name).localname}", id=own, **lines)
    return found


def _enveloped_form(signature: etree._Element) -> etree._Element:
    """Return the one element for which the enveloping signature was made; raise Fault."""
    contents = [held for held in signature.iterchildren(OBJECT) if not _is_about_signature(held)]
    if not contents:
        raise Fault("verify.detached")
    if any(held.get("Encoding") == BASE64 or _is_text(held) for held in contents):
        raise Fault("verify.enveloping-base64", "ds:Object")
    elements = [child for held in contents for child in held.iterchildren(etree.Element)]
    if len(contents) != 1 or len(elements) != 1 or _has_text(contents[0]):
        raise Fault("verify.enveloping-form", "ds:Object")
    return elements[0]


def _is_about_signature(held: etree._Element) -> bool:
    """Whether a `ds:Object` holds properties or a manifest, and no content."""
    children = list(held.iterchildren(etree.Element))
    return bool(children) and all(
        etree.QName(child).namespace == DS[1:-1] or (etree.QName(child).namespace or "").startswith(XADES_ANY)
        for child in children
    )


def _is_text(held: etree._Element) -> bool:
    return next(held.iterchildren(etree.Element), None) is None and _has_text(held)


def _has_text(element: etree._Element) -> bool:
    """Whether there is more than white space between the children."""
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


# ── one signature ────────────────────────────────────────────────────────────────────────────────────────


def take_apart(signature: etree._Element, form: etree._Element) -> Signature:
    """Return the parts of a signature; raise Fault if there is one too many, too few, or of a kind not known."""
    if _has_text(signature):
        raise Fault("verify.signature-text", "ds:Signature")
    parts = list(signature.iterchildren(etree.Element))
    names = [part.tag for part in parts]
    if names.count(SIGNED_INFO) > 1:
        raise Fault("verify.two-signed-info", "ds:SignedInfo")
    objects = [part for part in parts if part.tag == OBJECT]
    head = [part for part in parts if part.tag != OBJECT]
    if [part.tag for part in head] not in ([SIGNED_INFO, SIGNATURE_VALUE], [SIGNED_INFO, SIGNATURE_VALUE, KEY_INFO]):
        raise Fault("verify.signature-malformed", "ds:Signature", part="ds:Signature")
    if parts[: len(head)] != head:
        raise Fault("verify.signature-malformed", "ds:Signature", part="ds:Signature")
    key_info = head[2] if len(head) > 2 else None  # noqa: PLR2004 - the third part
    qualifying = _qualifying(objects, form)
    return Signature(
        element=signature,
        signed_info=head[0],
        value=head[1],
        key_info=key_info,
        objects=tuple(objects),
        qualifying=qualifying,
        signed_properties=None if qualifying is None else _signed_properties(qualifying),
        certificates=_certificates(key_info),
    )


def _certificates(key_info: etree._Element | None) -> tuple[etree._Element, ...]:
    if key_info is None:
        return ()
    found = tuple(
        written
        for data in key_info.iterchildren(DS + "X509Data")
        for written in data.iterchildren(DS + "X509Certificate")
    )
    if len(found) > _CERTIFICATES:
        raise Fault("verify.too-many-certificates", "ds:KeyInfo")
    return found


def _qualifying(objects: list[etree._Element], form: etree._Element) -> etree._Element | None:
    """Return the qualifying properties, if any; raise Fault at anything else that an Object may hide."""
    found: list[etree._Element] = []
    for held in objects:
        if held.get("Encoding") == BASE64 or _is_text(held):
            raise Fault("verify.enveloping-base64", "ds:Object")
        if _has_text(held):
            raise Fault("verify.object-unknown", "ds:Object", element="text()")
        for child in held.iterchildren(etree.Element):
            if child is form:
                continue
            found.append(_known_property(child))
    if len(found) > 1:
        raise Fault("verify.two-qualifying-properties", "xades:QualifyingProperties")
    return found[0] if found else None


def _known_property(child: etree._Element) -> etree._Element:
    if child.tag == QUALIFYING_PROPERTIES:
        return child
    name = etree.QName(child)
    if child.tag == MANIFEST:
        raise Fault("verify.manifest", "ds:Manifest")
    if not (name.namespace or "").startswith(XADES_ANY):
        raise Fault("verify.object-unknown", "ds:Object", element=name.localname)
    if name.localname == "QualifyingPropertiesReference":
        raise Fault("verify.xades-external", "xades:QualifyingPropertiesReference")
    version = (name.namespace or "").removeprefix(XADES_ANY)
    code = {"v1.1.1#": "verify.xades-1-1-1", "v1.2.2#": "verify.xades-1-2-2"}.get(version, "verify.xades-unknown")
    raise Fault(code, "xades:QualifyingProperties")


def _signed_properties(qualifying: etree._Element) -> etree._Element | None:
    if _has_text(qualifying):
        raise Fault("verify.signature-text", "xades:QualifyingProperties")
    own = list(qualifying.iterchildren(SIGNED_PROPERTIES))
    # Those of counter-signatures stand deeper, in an Object of their own; any other is out of place.
    if len(own) > 1 or any(it.tag == SIGNED_PROPERTIES and it not in own for it in _outside_objects(qualifying)):
        raise Fault("verify.two-signed-properties", "xades:SignedProperties")
    return own[0] if own else None


def _outside_objects(element: etree._Element) -> Iterator[etree._Element]:
    """Yield what is in the element and in no `ds:Object` within it, which is never entered: so all pay but once."""
    ahead = [element]
    while ahead:
        for child in ahead.pop().iterchildren(etree.Element):
            if child.tag != OBJECT:
                yield child
                ahead.append(child)
