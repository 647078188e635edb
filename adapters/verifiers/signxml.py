"""signxml as the second verifier: its reading of XMLDSig, around the traps that are known of it and of lxml.

signxml's are which octets a Reference means, what its transforms make of them, the digests, and the signature's value.
Ours is only what it cannot do itself:

* It looks at the first signature it finds: here it is told which.
* It canonicalises parts of a document in place, which lxml does wrongly where a default namespace is inherited: here a
  part is read again on its own first.
* It forgets the instructions outside the root, which a Reference to the whole document covers: here they stay.
* It knows no XPath transform: here the one of the public signing service, which leaves every signature out, is done by
  what it does itself to leave out one.
* It parses by a parser of its own: here all octets go through `broker.parse`.
* It refuses a certificate that has ended, and asks for an end-entity policy: here it is handed the certificate, as of
  a moment at which that was valid, for what certificates are worth is not its question.
* It keeps state on itself: here there is a new one for each signature.

What it says is read from what it raises (`_MEANING`); and if it raises nothing, from the digests that it has made: it
disagrees if they are not those that our own verifier has made for the same References.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidCertificate, InvalidDigest
from signxml.util import _remove_sig
from signxml.verifier import SignatureConfiguration, XMLVerifier

from broker.errors import Unavailable
from broker.evidence import SecondOpinion, SignatureReport, Stance
from broker.parse import DS as XMLDSIG
from broker.parse import Limits, again, read
from broker.verify.certificate import load
from broker.vocabulary import over

BY: Final = "signxml"
CANNOT: Final = {
    "xpath": "the XPath transform in other words than `not(ancestor-or-self::ds:Signature)`",
    "comments": "methods with comments: it digests them, though a Reference into the document leaves them out",
    "instructions": "instructions outside the root, where a Reference names the root by its Id and so leaves them out",
    "inherited": "a part canonicalised inclusively that inherits `xml:` attributes: it forgets them",
    "prefix-list": "`#default` among InclusiveNamespaces, which lxml drops, and white space there that is no blank",
    "no-certificate": "a signature by a key whose certificate does not stand beside it",
    "costly": "many References to a large document: it reads the whole document again for each",
}
"""What it cannot read of the shapes that we take, by the reason that is given, and why."""
UNREADABLE: Final = "unreadable"
"""The reason where it gave up for another one, that nobody foresaw."""

_DS: Final = f"{{{XMLDSIG}}}"
_XML: Final = "{http://www.w3.org/XML/1998/namespace}"
_XPATH: Final = "http://www.w3.org/TR/1999/REC-xpath-19991116"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_COMMENTED: Final = "WithComments"
_IDS: Final = frozenset({"Id", "ID", "id"})

# What it means when it raises; the first that fits.
_MEANING: Final[tuple[tuple[type[Exception], Stance, str], ...]] = (
    (InvalidDigest, Stance.DISAGREES, "digest"),
    (InvalidCertificate, Stance.NONE, UNREADABLE),  # a kind of the next one, and not what was asked
    (InvalidSignature, Stance.DISAGREES, "signature-value"),  # cryptography's, of which signxml's own is a kind
    # InvalidInput; what lxml, cryptography, Python raise: none of them says that a digest or a value is wrong.
    (Exception, Stance.NONE, UNREADABLE),
)
_DECIDES: Final = (Stance.DISAGREES, Stance.NONE, Stance.AGREES)
_PREFIXES: Final = Limits().namespaces
# What all References together may make it read (`_weight`): six to a letter of 31 MB; 4 to 5 ms of CPU a million.
_MOST: Final = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A signature that it is asked about: by whose certificate, and what its References digest to, if that is known."""

    certificate: x509.Certificate | None
    digests: Sequence[bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signxml:
    """The second verifier (`broker.second_opinion.SecondVerifier`).  `limits` are those of stage parse."""

    limits: Limits = field(default_factory=Limits)

    def __call__(self, document: bytes, signatures: Sequence[SignatureReport], /) -> SecondOpinion:
        """Read the octets, and judge each signature."""
        try:
            root = read(document, self.limits)
            # lxml's copies leave the names of the document in the dictionary of the thread, as its parse would.
            return over(
                root, len(document), lambda: opinion(root, len(document), [_asked(it, root) for it in signatures])
            )
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - whatever hostile octets make of a library: it has not said no
            return SecondOpinion(by=BY, stance=Stance.NONE, reason=UNREADABLE)


def _asked(it: SignatureReport, root: etree._Element) -> Asked:
    digests = [base64.b64decode(one.actual) for one in it.references]
    return Asked(certificate=_beside(root, it.certificate.sha256) if it.certificate else None, digests=digests)


def _beside(root: etree._Element, sha256: str) -> x509.Certificate | None:
    """Return the certificate with this digest, which stands beside a signature."""
    for written in root.iter(f"{_DS}X509Certificate"):
        der = base64.b64decode("".join(written.itertext()))
        if hashlib.sha256(der).hexdigest() == sha256:
            return load(der).x509
    return None


def opinion(root: etree._Element, size: int, asked: Sequence[Asked]) -> SecondOpinion:
    """Return what signxml says of the signatures at the root of a document of `size` octets, asked about in order.

    A disagreement about one of them decides, then that it has no opinion of one.  Raises ValueError if they are not as
    many as were asked about.
    """
    signatures = _signatures(root)
    costly = _is_costly(root, signatures, size)
    said = [SecondOpinion(by=BY, stance=Stance.AGREES)]
    for number, (signature, it) in enumerate(zip(signatures, asked, strict=True)):
        reason = "costly" if costly else next(_cannot(signature, root), "")
        stance = Stance.NONE
        if it.certificate is None:
            reason = reason or "no-certificate"
        elif not reason:
            stance, reason = _verified(root, number, it.certificate, it)
        said.append(SecondOpinion(by=BY, stance=stance, reason=reason, place=f"ds:Signature[{number + 1}]"))
    return min(said, key=lambda one: _DECIDES.index(one.stance))


def _signatures(root: etree._Element) -> list[etree._Element]:
    """Return the signatures that must hold: the root, or the root's children."""
    return [root] if root.tag == f"{_DS}Signature" else list(root.iterchildren(f"{_DS}Signature"))


def _verified(root: etree._Element, number: int, by: x509.Certificate, asked: Asked) -> tuple[Stance, str]:
    """Have one signature verified; return what comes of it, and why."""
    verifier = _Verifier(number)
    config = SignatureConfiguration(
        require_x509=True,
        expect_references=False,  # any number: counted below
        signature_methods=frozenset(SignatureMethod),
        digest_algorithms=frozenset(DigestAlgorithm),
        ignore_ambiguous_key_info=True,
        verification_time=by.not_valid_before_utc,
    )
    try:
        found = verifier.verify(root, x509_cert=by, expect_config=config, validate_schema=False)
    except Exception as no:  # noqa: BLE001 - the table ends with whatever else
        return next((stance, reason) for kind, stance, reason in _MEANING if isinstance(no, kind))
    # Another version of it may answer otherwise, or have nothing that asks the methods below.
    if not isinstance(found, list) or len(found) != len(verifier.digests):
        return Stance.NONE, UNREADABLE
    if asked.digests is None or verifier.digests == list(asked.digests):
        return Stance.AGREES, ""
    same = len(verifier.digests) == len(asked.digests)
    return Stance.DISAGREES, "other-octets" if same else "references"


class _Verifier(XMLVerifier):
    """signxml's verifier of the signature with this number, around its traps: see the head of this file."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self.digests: list[bytes] = []  # that it has made, of each Reference
        self._digested = b""

    def get_root(self, data: etree._Element) -> etree._Element:
        return data  # it is read only: every Reference has a copy of its own

    def _get_signature(self, root: etree._Element) -> etree._Element:
        return _signatures(root)[self._number]

    def _fromstring(self, xml_string: bytes, **_: Any) -> etree._Element:
        # It would read what it has digested once more, for a caller who wants to see what was signed.
        return again(b"<digested/>" if xml_string is self._digested else xml_string)

    def _tostring(self, xml_node: etree._Element, **_: Any) -> bytes:
        whole = xml_node.getroottree() if xml_node.getparent() is None else xml_node
        return etree.tostring(whole, encoding="UTF-8", with_tail=False)

    def _c14n(self, nodes: etree._Element, algorithm: Any, inclusive_ns_prefixes: Any = None) -> bytes:
        # To be canonicalised is the root of a document of its own, always: of the whole, or of a part read again.
        alone = nodes if nodes.getparent() is None else again(self._tostring(nodes))
        octets: bytes = super()._c14n(alone.getroottree(), algorithm, inclusive_ns_prefixes)
        return octets

    def _apply_transforms(self, payload: Any, *, transforms_node: Any, signature: etree._Element) -> bytes:
        transforms = () if transforms_node is None else transforms_node.iterchildren(f"{_DS}Transform")
        if any(it.get("Algorithm") == _XPATH for it in transforms):
            for it in list(payload.iter(f"{_DS}Signature")):
                _remove_sig(it, idempotent=True)  # type: ignore[no-untyped-call]
        octets: bytes = super()._apply_transforms(payload, transforms_node=transforms_node, signature=signature)
        return octets

    def _get_digest(self, data: bytes, algorithm: Any) -> bytes:
        made: bytes = super()._get_digest(data, algorithm)
        self.digests.append(made)
        self._digested = data
        return made


# ── what it cannot read ──


def _is_costly(root: etree._Element, signatures: Sequence[etree._Element], size: int) -> bool:
    """Whether it would read more than it may: all of the document again for each Reference."""
    references = sum(1 for it in signatures for _ in it.iterfind(f"{_DS}SignedInfo/{_DS}Reference"))
    return references * _weight(root, size) > _MOST


def _weight(root: etree._Element, size: int) -> int:
    """Return what it costs to write, read and canonicalise a document once more, in octets of text (measured).

    A node or an attribute costs as much as a hundred; and an element, in inclusive canonical form, the square of the
    prefixes in its scope, which are no more than are declared at all, nor than stage parse lets through.
    """
    nodes = sum(1 + len(it.attrib) for it in root.iter())
    elements = sum(1 for _ in root.iter(etree.Element))
    prefixes = min(etree.tostring(root).count(b"xmlns"), _PREFIXES)
    return size + 100 * nodes + elements * prefixes**2


def _cannot(signature: etree._Element, root: etree._Element) -> Iterator[str]:
    """Yield why it has no opinion of a signature, as far as the shape tells: keys of CANNOT."""
    methods = list(signature.iterfind(f"{_DS}SignedInfo/{_DS}CanonicalizationMethod"))
    references = list(signature.iterfind(f"{_DS}SignedInfo/{_DS}Reference"))
    transforms = [*methods, *(it for one in references for it in one.iter(f"{_DS}Transform"))]
    algorithms = {it.get("Algorithm", "") for it in transforms}
    if not all(_leaves_signatures_out(it) for it in transforms if it.get("Algorithm") == _XPATH):
        yield "xpath"
    if any(it.endswith(_COMMENTED) for it in algorithms) and _any(root, etree.Comment):
        yield "comments"
    named = {it.get("URI", "")[1:] for it in references} - {""}
    if named & {root.get(name) for name in _IDS} and _outside(root, etree.PI):
        yield "instructions"
    inclusive = [signature.find(f"{_DS}SignedInfo") for it in methods if not _is_exclusive(it)]
    parts = [*inclusive, *(_named(root, it.get("URI", "")) for it in references if _ends_inclusive(it))]
    if any(_inherits(part) for part in parts if part is not None):
        yield "inherited"
    lists = [it.get("PrefixList", "") for one in transforms for it in one.iterchildren(f"{{{_EXCLUSIVE}}}*")]
    if any("#default" in it or it.split() != [word for word in it.split(" ") if word] for it in lists):
        yield "prefix-list"


def _leaves_signatures_out(transform: etree._Element) -> bool:
    """Whether an XPath transform says in the usual words that no signature is meant."""
    held = list(transform)
    words = "".join(held[0].itertext()).strip() if len(held) == 1 else ""
    prefixes = [prefix for prefix, name in held[0].nsmap.items() if name == XMLDSIG] if held else []
    return words in {f"not(ancestor-or-self::{prefix}:Signature)" for prefix in prefixes}


def _any(root: etree._Element, kind: Any) -> bool:
    return next(root.iter(kind), None) is not None or _outside(root, kind)


def _outside(root: etree._Element, kind: Any) -> bool:
    return any(next(root.itersiblings(kind, preceding=way), None) is not None for way in (True, False))


def _is_exclusive(method: etree._Element) -> bool:
    return method.get("Algorithm", "").startswith(_EXCLUSIVE)


def _ends_inclusive(reference: etree._Element) -> bool:
    """Whether what it means is canonicalised inclusively, as it is where nothing is said."""
    return not any(_is_exclusive(it) for it in reference.iter(f"{_DS}Transform"))


def _named(root: etree._Element, uri: str) -> etree._Element | None:
    """Return the part of the document that a Reference names, if it names one."""
    names = " or ".join(f"local-name() = '{name}'" for name in sorted(_IDS))
    found = root.xpath(f"//*[@*[{names}] = $name]", name=uri[1:]) if uri[1:] else []
    return found[0] if isinstance(found, list) and found else None


def _inherits(part: etree._Element) -> bool:
    """Whether elements above a part have attributes that inclusive canonicalisation hands down (C14N 1.0 §2.4)."""
    return any(str(name).startswith(_XML) for above in part.iterancestors() for name in above.attrib)
