"""What a `ds:Reference` says, what it covers, and whether its digest agrees.

Read from the canonical SignedInfo, so that what is obeyed is what was signed; only the namespace in which an
XPath's prefix is meant comes from the document, because exclusive C14N may leave it out.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from broker.evidence import ReferenceReport
from broker.verify import algorithms, written
from broker.verify.algorithms import ENVELOPED, INCLUSIVE, METHODS, XPATH, Method
from broker.verify.c14n import Canon
from broker.verify.fault import Fault
from broker.verify.names import DS, EXCLUSIVE_C14N, SIGNATURE
from broker.verify.shape import Layout

_REFERENCES: Final = 20
_TRANSFORMS: Final = 5
_PREFIXES: Final = 32
_LONGEST_LIST: Final = 10_000  # characters of a list of prefixes

_XPATH_SIGNATURE: Final = re.compile(
    r"\s*not\s*\(\s*ancestor-or-self\s*::\s*([A-Za-z_][\w.-]*):Signature\s*\)\s*", re.ASCII
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covered:
    """What a Reference was found to be: its line in the report, its target, and its octets if they were made."""

    report: ReferenceReport
    target: etree._Element | None = None  # None: the document, or not found
    octets: bytes = b""
    method: Method = INCLUSIVE
    out: tuple[int, ...] = ()  # positions of the signatures left out
    whole: bool = False  # the document or its root, not only a part
    names_form: bool = False  # whether it is the form that it names, though it may not have been found to cover it
    fault: Fault | None = None


def require_few(original: etree._Element) -> None:
    """Raise Fault if a SignedInfo has more References than may be: asked before it is canonicalised."""
    if sum(1 for _ in original.iterchildren(DS + "Reference")) > _REFERENCES:
        raise Fault("verify.too-many-references", "ds:SignedInfo")


def judge_all(
    signed_info: etree._Element, original: etree._Element, signature: etree._Element, layout: Layout, canon: Canon
) -> tuple[Covered, ...]:
    """Judge every Reference of a SignedInfo: one that fails hides no other.  Raises Fault if there is none.

    `signed_info` is the canonical one, `original` the same in the document.
    """
    written_ones = list(signed_info.iterchildren(DS + "Reference"))
    if not written_ones:
        raise Fault("verify.no-references", "ds:SignedInfo")
    originals = original.iterchildren(DS + "Reference")
    return tuple(
        _Reference(element, same, signature, layout, canon).judge(f"ds:Reference[{number}]")
        for number, (element, same) in enumerate(zip(written_ones, originals, strict=True), start=1)
    )


class _Reference:
    """One Reference on its way to being judged; what is found out before a fault stays in the report."""

    def __init__(
        self,
        element: etree._Element,
        original: etree._Element,
        signature: etree._Element,
        layout: Layout,
        canon: Canon,
    ) -> None:
        self._element = element
        self._original = original
        self._signature = signature
        self._layout = layout
        self._canon = canon
        self._target: etree._Element | None = None
        self._method: Method | None = None
        self._own = False  # an enveloped-signature transform: leave this signature out
        self._all = False  # the XPath transform: leave every signature out
        self._out: tuple[int, ...] = ()
        self._whole = False
        self._octets = b""
        self._actual = b""

    def judge(self, place: str) -> Covered:
        """Return what the Reference is worth."""
        fault: Fault | None = None
        try:
            self._judge()
        except Fault as found:
            fault = found.at(place)
        digest_value = self._element.find(DS + "DigestValue")
        digest_method = self._element.find(DS + "DigestMethod")
        return Covered(
            report=ReferenceReport(
                uri=self._element.get("URI"),
                type=self._element.get("Type") or "",
                transforms=tuple(it.get("Algorithm") or "" for it in self._transforms()),
                digest_method="" if digest_method is None else digest_method.get("Algorithm") or "",
                expected="" if digest_value is None else "".join((written.text(digest_value) or "").split()),
                actual=base64.b64encode(self._actual).decode("ascii"),
                holds=fault is None,
                covers_form=bool(self._octets) and self._names_form(),
            ),
            target=self._target,
            octets=self._octets,
            method=self._method or INCLUSIVE,
            out=self._out,
            whole=self._whole,
            names_form=self._whole or self._names_form(),
            fault=fault,
        )

    def _names_form(self) -> bool:
        form = self._layout.form
        return self._whole if form is self._layout.root else self._target in (form, form.getparent())

    def _judge(self) -> None:
        # The cheap questions first: nothing is canonicalised for a Reference that is refused anyway.
        self._resolve()
        name, expected = self._digest()
        self._read_transforms()
        self._octets = self._cover()
        self._actual = self._canon.digest(name, self._octets)
        if self._actual != expected:
            raise Fault("verify.digest-mismatch")

    def _digest(self) -> tuple[str, bytes]:
        parts = [part.tag for part in self._element.iterchildren(etree.Element)]
        expected = [DS + "DigestMethod", DS + "DigestValue"]
        if parts not in (expected, [DS + "Transforms", *expected]):
            raise Fault("verify.signature-malformed", part="ds:Reference")
        method, value = list(self._element.iterchildren(etree.Element))[-2:]
        name = algorithms.digest(method.get("Algorithm") or "")
        digest = written.octets(value)
        if digest is None or len(digest) != hashlib.new(name).digest_size:
            raise Fault("verify.digest-malformed")
        return name, digest

    # ── transforms ──

    def _transforms(self) -> Iterator[etree._Element]:
        return self._element.iterfind(f"{DS}Transforms/{DS}Transform")

    def _read_transforms(self) -> None:
        transforms = list(self._transforms())
        if len(transforms) > _TRANSFORMS:
            raise Fault("verify.too-many-transforms")
        for held in self._element.iterfind(f"{DS}Transforms"):
            if [child.tag for child in held.iterchildren(etree.Element)] != [DS + "Transform"] * len(transforms):
                raise Fault("verify.signature-malformed", part="ds:Transforms")
        originals = self._original.iterfind(f"{DS}Transforms/{DS}Transform")
        for transform, original in zip(transforms, originals, strict=True):
            self._read_transform(transform, original)

    def _read_transform(self, transform: etree._Element, original: etree._Element) -> None:
        uri = transform.get("Algorithm") or ""
        if uri in METHODS:
            if self._method is not None:
                raise Fault("verify.transform-order")
            self._method = method(transform)
            return
        if uri == XPATH:
            _require_signature_xpath(original)
            self._all = True
        elif uri == ENVELOPED:
            if len(transform):
                raise Fault("verify.transform-parameters")
            self._own = True
        else:
            raise algorithms.refused_transform(uri)
        if self._method is not None:  # octets are no nodes any more: nothing can be left out of them
            raise Fault("verify.transform-order")

    # ── target ──

    def _resolve(self) -> None:
        uri = self._element.get("URI")
        if uri is None:
            raise Fault("verify.reference-no-uri")
        if uri == "":
            self._whole = True
            return
        if not uri.startswith("#"):
            raise Fault(_elsewhere(uri), uri=uri)
        if uri.startswith("#xpointer("):
            raise Fault("verify.reference-xpointer")
        self._target = self._layout.ids.get(uri[1:])
        if self._target is None:
            raise Fault("verify.reference-target-missing")
        self._whole = self._target is self._layout.root

    def _cover(self) -> bytes:
        """Return the octets that the Reference covers."""
        how = self._method or INCLUSIVE
        leaves_out = self._own or self._all
        if self._whole:
            if leaves_out and self._layout.enveloping:
                raise Fault("verify.covers-nothing")
            if self._all:
                self._out = self._layout.positions()
            elif self._own:
                self._out = self._layout.positions(of=self._signature)
            return self._canon.document(how, self._out, alone=self._target is not None)
        target = self._target
        if target is None:
            raise Fault("verify.reference-target-missing")
        if leaves_out and self._stands_in_what_is_left_out(target):
            raise Fault("verify.covers-nothing")
        return self._canon.part(target, how)

    def _stands_in_what_is_left_out(self, target: etree._Element) -> bool:
        around = [target, *target.iterancestors()]
        return any(it.tag == SIGNATURE if self._all else it is self._signature for it in around)


def _elsewhere(uri: str) -> str:
    scheme = _SCHEME.match(uri)
    name = scheme[1].lower() if scheme else ""
    if name in ("http", "https"):
        return "verify.reference-http"
    return "verify.reference-file" if name == "file" else "verify.reference-external"


def _require_signature_xpath(original: etree._Element) -> None:
    """Raise Fault unless the transform is exactly `not(ancestor-or-self::ds:Signature)` (DOMAIN §5)."""
    children = list(original.iterchildren(etree.Element))
    if len(children) != 1 or children[0].tag != DS + "XPath":
        raise Fault("verify.transform-parameters")
    expression = written.text(children[0])
    match = _XPATH_SIGNATURE.fullmatch(expression or "")
    if match is None or children[0].nsmap.get(match[1]) != DS[1:-1]:
        raise Fault("verify.transform-xpath")


def method(element: etree._Element) -> Method:
    """Return the canonicalisation that a Transform or CanonicalizationMethod names; raise Fault."""
    uri = element.get("Algorithm") or ""
    known = METHODS.get(uri)
    if known is None:
        raise Fault("verify.c14n-unknown", algorithm=uri)
    children = list(element.iterchildren(etree.Element))
    if not children:
        return known
    if not known.exclusive or len(children) != 1 or children[0].tag != EXCLUSIVE_C14N + "InclusiveNamespaces":
        raise Fault("verify.transform-parameters")
    said = children[0].get("PrefixList") or ""
    if len(said) > _LONGEST_LIST:
        raise Fault("verify.transform-parameters")
    prefixes = tuple(dict.fromkeys(said.split()))
    if len(prefixes) > _PREFIXES or len(children[0]):
        raise Fault("verify.transform-parameters")
    return Method(known.uri, exclusive=True, comments=known.comments, prefixes=prefixes)
