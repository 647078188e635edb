"""Canonical octets and signature values, computed apart from `broker/verify`, so that neither hides the other's faults.

One trap governs this file: lxml's inclusive C14N of an element inside a document invents `xmlns=""` on
grandchildren when a default namespace is inherited.  An element is therefore parsed again on its own first, with
the namespaces in scope (lxml writes them out) and the `xml:` attributes that it inherits.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from adapters.testkit.certificates import Credential
from adapters.testkit.signing.recipe import C14N, C14N11, DIGESTS, ENVELOPED, EXCLUSIVE, XPATH

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_HASHES = {
    "sha1": hashes.SHA1(),  # noqa: S303 - made to be refused
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def tree(data: bytes) -> etree._Element:
    """Parse without the broker's caps: a test signs what the broker refuses to read, too."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)  # noqa: TID251 - see above
    return etree.fromstring(data, parser)  # noqa: TID251 - see above


def canonical(element: etree._Element, algorithm: str, *, comments: bool = False) -> bytes:
    """Return the element's octets; the root stands for its whole document, processing instructions included."""
    if element.getparent() is None:
        return _c14n(element.getroottree(), algorithm, comments=comments)
    if algorithm.startswith(EXCLUSIVE):
        return _c14n(element, algorithm, comments=comments)
    inherited: dict[str, str] = {}
    for ancestor in element.iterancestors():
        for name, value in ancestor.attrib.items():
            # Inclusive C14N 1.0 hands every xml: attribute down; 1.1 hands down only these two (C14N 1.1 §2.4).
            handed_down = str(name).startswith(_XML) and (
                not algorithm.startswith(C14N11) or str(name) in (f"{_XML}lang", f"{_XML}space")
            )
            if handed_down and name not in element.attrib:
                inherited.setdefault(str(name), str(value))
    alone = tree(etree.tostring(element, with_tail=False))
    for name, value in inherited.items():
        alone.set(name, value)
    return _c14n(alone, algorithm, comments=comments)


def _c14n(what: etree._Element | etree._ElementTree, algorithm: str, *, comments: bool) -> bytes:
    exclusive = algorithm.startswith(EXCLUSIVE)
    return etree.tostring(what, method="c14n", exclusive=exclusive, with_comments=comments)


def referenced(data: bytes, reference: etree._Element, signature: str) -> bytes:
    """Return the octets a ds:Reference digests in `data`; `signature` is the Id of the ds:Signature it stands in.

    A transform that this file does not know is passed over, and anything outside the document counts as empty:
    such references are made to be refused.
    """
    uri = reference.get("URI") or ""
    root = tree(data)  # a tree of its own: transforms take parts away
    if uri == "":
        start = root
    elif uri.startswith("#"):
        found = [e for e in root.iter(etree.Element) if uri[1:] in (e.get("Id"), e.get("ID"), e.get("id"))]
        if not found:
            return b""
        start = found[0]
    else:
        return b""
    algorithm = C14N
    for step in reference.iter(f"{_DS}Transform"):
        named = step.get("Algorithm") or ""
        if named == ENVELOPED:
            _take_out([s for s in start.iter(f"{_DS}Signature") if s.get("Id") == signature])
        elif named == XPATH and "".join(step.itertext()).strip() == "not(ancestor-or-self::ds:Signature)":
            _take_out(list(start.iterdescendants(f"{_DS}Signature")))
        elif named.startswith((C14N, C14N11, EXCLUSIVE)):
            algorithm = named
    # What a same-document URI means holds no comments, whatever the algorithm says (XMLDSig §4.4.3.3).
    return canonical(start, algorithm)


def _take_out(signatures: list[etree._Element]) -> None:
    for signature in signatures:
        parent = signature.getparent()
        if parent is None:
            continue
        before, tail = signature.getprevious(), signature.tail or ""
        if before is not None:
            before.tail = (before.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
        signature.tail = None
        parent.remove(signature)


def digest_of(octets: bytes, algorithm: str) -> bytes:
    """Return the digest by its URI; an unknown algorithm digests as SHA-256."""
    name = next((n for n, uri in DIGESTS.items() if uri == algorithm), "sha256")
    return hashlib.new(name, octets).digest()


def signature_value(octets: bytes, method: str, by: Credential) -> bytes:
    """Return the raw signature; ECDSA as r‖s (RFC 9231), HMAC keyed with the *public* key, as an attacker would."""
    family, _, hash_name = method.partition("-")
    if family == "hmac":
        public = by.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hmac.digest(public, octets, hash_name)
    chosen = _HASHES[hash_name]
    if family == "ecdsa":
        if not isinstance(by.key, ec.EllipticCurvePrivateKey):
            raise TypeError("ecdsa needs an elliptic-curve key")
        size = (by.key.key_size + 7) // 8
        r, s = decode_dss_signature(by.key.sign(octets, ec.ECDSA(chosen, deterministic_signing=True)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if not isinstance(by.key, rsa.RSAPrivateKey):
        raise TypeError(f"{family} needs an RSA key")
    if family == "pss":
        return by.key.sign(octets, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)
    return by.key.sign(octets, padding.PKCS1v15(), chosen)
