"""How a receipt is sealed: XAdES baseline B, enveloped, as its readers expect it (DESIGN §2, EN 319 132-1).

signxml builds the signature.  Three things it does differently are set right here: it leaves out the transforms
by which SignedProperties and KeyInfo were canonicalised (others would then use inclusive C14N and fail), it asks
the system for the time, and it keeps state, so that one signer must not serve twice (it would grow for ever).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.xades.xades import XAdESDataObjectFormat, XAdESSigner

from broker.verify.signature_value import lesser

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
_WHAT = XAdESDataObjectFormat(Description="UPO", MimeType="text/xml")


class _Signer(XAdESSigner):
    """Signs once, at the moment it was made for."""

    def __init__(self, at: datetime, **about: Any) -> None:
        super().__init__(data_object_format=_WHAT, **about)
        self._at = at

    def add_signing_time(self, signed_signature_properties: Any, sig_root: Any, signing_settings: Any) -> None:  # noqa: ARG002
        """Write the broker's time, not the system's."""
        moment = etree.SubElement(signed_signature_properties, f"{_XADES}SigningTime")
        moment.text = self._at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _add_reference_to_signed_info(self, sig_root: Any, node_to_reference: Any, **attrs: str) -> None:
        """Write the transform too: without it a reader canonicalises inclusively (XMLDSig §4.4.3.2)."""
        info: etree._Element = sig_root.find(f"{_DS}SignedInfo")
        reference = etree.SubElement(info, f"{_DS}Reference", attrs, URI=f"#{node_to_reference.get('Id')}")
        transforms = etree.SubElement(reference, f"{_DS}Transforms")
        etree.SubElement(transforms, f"{_DS}Transform", Algorithm=self.c14n_alg.value)
        etree.SubElement(reference, f"{_DS}DigestMethod", Algorithm=self.digest_alg.value)
        octets = self._c14n(node_to_reference, algorithm=self.c14n_alg)
        digest = self._get_digest(octets, algorithm=self.digest_alg)
        value = etree.SubElement(reference, f"{_DS}DigestValue")
        value.text = b64encode(digest).decode()


def _settle(sealed: etree._Element, key: PrivateKey) -> None:
    """Write that one of the two values an ECDSA signature may have which readers of receipts accept."""
    element = sealed.find(f"{_DS}Signature/{_DS}SignatureValue")
    value = None if element is None else lesser(key.public_key(), b64decode(element.text or ""))
    if element is None or value is None:
        raise ValueError("a key on a curve without a name here")
    element.text = b64encode(value).decode()


def sign(root: etree._Element, key: PrivateKey, certificates: Sequence[x509.Certificate], at: datetime) -> bytes:
    """Return the document with the signature as its root's last child; the signer's certificate comes first.

    The bytes are the canonical octets (exclusive C14N, no comments) under an XML declaration: so a receipt that
    was written anew by other software can be told from the one that was issued, without having that one at hand.
    """
    method = SignatureMethod.RSA_SHA256 if isinstance(key, rsa.RSAPrivateKey) else SignatureMethod.ECDSA_SHA256
    signer = _Signer(
        at,
        signature_algorithm=method,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    # KeyValue beside a certificate would be a second, unproven word on the key.
    sealed = signer.sign(root, key=key, cert=list(certificates), always_add_key_value=False)
    _settle(sealed, key)
    return DECLARATION + etree.tostring(sealed, method="c14n", exclusive=True, with_comments=False)
