"""WS-Security on our replies: token, Timestamp, Body and every header block signed, by exclusive C14N and SHA-256.

Nothing is loaded here: the key and the certificate were, at start.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.wire.soap import WSSE as WSSE_NS
from adapters.wire.soap import Version, elements
from adapters.wire.wss.names import (
    BASE64,
    CREATED,
    DS,
    DS_NS,
    EXPIRES,
    REFERENCE,
    SECURITY,
    TIMESTAMP,
    TOKEN,
    TOKEN_REFERENCE,
    WSU,
    WSU_NS,
    X509V3,
)
from broker.parse import Limits
from broker.parse import read as read_xml
from broker.verify.algorithms import EXCLUSIVE

Key = RSAPrivateKey | EllipticCurvePrivateKey

HOLDS: Final = timedelta(minutes=5)
"""From Created to Expires."""

_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_OWN: Final = Limits(payload=200_000_000, markup=10_000_000)


def sign(version: Version, envelope: bytes, key: Key, certificate: x509.Certificate, at: datetime) -> bytes:
    """Return an envelope of ours (as `soap.write` writes it) with a Security header for whoever reads it.

    `certificate` is that of `key`: RSA of 2048 bits or more, or an elliptic curve of 256 bits or more.
    """
    root = etree.Element(
        f"{{{version.namespace}}}Envelope",
        nsmap={"soap": version.namespace, "wsse": WSSE_NS, "wsu": WSU_NS, "ds": DS_NS},
    )
    root.extend(elements(read_xml(envelope, _OWN)))
    body = root[-1]
    if len(root) == 1:
        root.insert(0, etree.Element(f"{{{version.namespace}}}Header"))
    head = root[0]
    targets = [("body", body), *((f"header-{number}", block) for number, block in enumerate(elements(head), start=1))]
    security = etree.Element(SECURITY)
    head.insert(0, security)
    token = etree.SubElement(security, TOKEN, EncodingType=BASE64, ValueType=X509V3)
    token.text = b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")
    targets += [("token", token), ("timestamp", _timestamp(security, at))]
    for name, target in targets:
        target.set(WSU + "Id", f"goniec-{name}")
    signature = etree.SubElement(security, DS + "Signature")
    signed_info = _signed_info(signature, key, targets)
    value = etree.SubElement(signature, DS + "SignatureValue")
    value.text = b64encode(_value(key, _canonical(signed_info))).decode("ascii")
    pointer = etree.SubElement(etree.SubElement(signature, DS + "KeyInfo"), TOKEN_REFERENCE)
    etree.SubElement(pointer, REFERENCE, URI="#goniec-token", ValueType=X509V3)
    signed: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return signed


def _timestamp(security: etree._Element, at: datetime) -> etree._Element:
    timestamp = etree.SubElement(security, TIMESTAMP)
    for name, moment in ((CREATED, at), (EXPIRES, at + HOLDS)):
        etree.SubElement(timestamp, name).text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return timestamp


def _signed_info(signature: etree._Element, key: Key, targets: list[tuple[str, etree._Element]]) -> etree._Element:
    signed_info = etree.SubElement(signature, DS + "SignedInfo")
    etree.SubElement(signed_info, DS + "CanonicalizationMethod", Algorithm=EXCLUSIVE.uri)
    kind = "rsa" if isinstance(key, RSAPrivateKey) else "ecdsa"
    etree.SubElement(signed_info, DS + "SignatureMethod", Algorithm=f"{_MORE}{kind}-sha256")
    for name, target in targets:
        reference = etree.SubElement(signed_info, DS + "Reference", URI=f"#goniec-{name}")
        transforms = etree.SubElement(reference, DS + "Transforms")
        etree.SubElement(transforms, DS + "Transform", Algorithm=EXCLUSIVE.uri)
        etree.SubElement(reference, DS + "DigestMethod", Algorithm=_SHA256)
        digest = etree.SubElement(reference, DS + "DigestValue")
        digest.text = b64encode(hashlib.sha256(_canonical(target)).digest()).decode("ascii")
    return signed_info


def _canonical(element: etree._Element) -> bytes:
    octets: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return octets


def _value(key: Key, octets: bytes) -> bytes:
    if isinstance(key, RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
    size = (key.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
