"""What the signed properties of XAdES say, read from the octets that are signed (ETSI EN 319 132-1 §5.2).

Read here: when the signer says it signed, which certificate it bound to the signature, which roles it claims.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from asn1crypto import tsp
from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from broker.verify import algorithms, issuer_name, written
from broker.verify.c14n import reread
from broker.verify.certificate import Certificate
from broker.verify.fault import Fault
from broker.verify.names import DS, SIGNED_PROPERTIES, TYPE_SIGNED_PROPERTIES, XADES
from broker.verify.references import Covered
from broker.verify.shape import Signature
from broker.verify.written import Span

_PLACE: Final = "xades:SigningCertificate"
_BINDINGS: Final = 10  # that are looked at: real signatures bind their own certificate and those of its path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Properties:
    """What the signer signed about its own signature."""

    signing_time: Span | None  # None: the signer claims none
    certificates: tuple[etree._Element, ...]  # each xades:Cert of SigningCertificate or SigningCertificateV2
    roles: tuple[etree._Element, ...]  # xades:ClaimedRole


def read(signature: Signature, references: Sequence[Covered]) -> Properties:
    """Return the properties of a signature; raise Fault if they are missing, not signed, or another's."""
    if signature.qualifying is None or signature.signed_properties is None:
        raise Fault("verify.xades-missing", "xades:QualifyingProperties")
    own = signature.element.get("Id")
    if not own or signature.qualifying.get("Target") != f"#{own}":
        raise Fault("verify.xades-target", "xades:QualifyingProperties/@Target")
    covering = [it for it in references if it.report.type == TYPE_SIGNED_PROPERTIES]
    if any((it.whole or it.target is not None) and it.target is not signature.signed_properties for it in covering):
        raise Fault("verify.signed-properties-elsewhere", "xades:SignedProperties")
    signed = [it for it in covering if it.target is signature.signed_properties]
    if not signed:
        said = [it.report.type for it in references if it.target is signature.signed_properties]
        if said:  # the Type must be there (ETSI TS 101 903 §6.3.1): by it other programs tell what is covered
            raise Fault("verify.signed-properties-type", "xades:SignedProperties", type=said[0])
        raise Fault("verify.signed-properties-not-covered", "xades:SignedProperties")
    if not signed[0].octets:
        raise signed[0].fault or Fault("verify.signed-properties-not-covered", "xades:SignedProperties")
    return _properties(reread(signed[0].octets))


def _properties(root: etree._Element) -> Properties:
    parts = list(root.iterchildren(XADES + "SignedSignatureProperties"))
    if root.tag != SIGNED_PROPERTIES or len(parts) > 1:
        raise Fault("verify.xades-malformed", "xades:SignedProperties", part="xades:SignedProperties")
    held = parts[0] if parts else root
    bindings = [it for name in ("SigningCertificate", "SigningCertificateV2") for it in held.iterchildren(XADES + name)]
    if len(bindings) > 1:
        raise Fault("verify.xades-malformed", _PLACE, part=_PLACE)
    times = list(held.iterchildren(XADES + "SigningTime"))
    if len(times) > 1:
        raise Fault("verify.xades-malformed", "xades:SigningTime", part="xades:SigningTime")
    roles = (
        role
        for name in ("SignerRole", "SignerRoleV2")
        for signer_role in held.iterchildren(XADES + name)
        for role in signer_role.iterfind(f"{XADES}ClaimedRoles/{XADES}ClaimedRole")
    )
    return Properties(
        signing_time=_time(times[0]) if times else None,
        certificates=tuple(bindings[0].iterchildren(XADES + "Cert")) if bindings else (),
        roles=tuple(roles),
    )


def _time(element: etree._Element) -> Span:
    said = written.span(written.text(element) or "")
    if said is None:
        raise Fault("verify.xades-malformed", "xades:SigningTime", part="xades:SigningTime")
    return said


def bound(
    bindings: Sequence[etree._Element], certificates: Sequence[Certificate], signs: Callable[[Certificate], bool]
) -> Certificate:
    """Return the certificate that the signer bound: by its digest, its issuer and its serial; raise Fault.

    One of the bindings is the signer's, and others may be of its issuers, in any order (EN 319 132-1 §5.2.2): of
    several, the signer's is the one that `signs` tells.  If it tells none, the first that is beside the signature.
    """
    first: tuple[etree._Element, Certificate] | None = None
    for binding in bindings[:_BINDINGS]:
        match = _match(binding, certificates)
        if match is None:
            continue
        if len(bindings) == 1 or signs(match):
            _check_issuer(binding, match)
            return match
        first = first or (binding, match)
    if first is None:
        raise Fault("verify.signing-certificate-mismatch", _PLACE)
    _check_issuer(*first)
    return first[1]


def _match(binding: etree._Element, certificates: Sequence[Certificate]) -> Certificate | None:
    """Return the certificate of the digest that a binding holds, None if it is not there; raise Fault."""
    digest = binding.find(XADES + "CertDigest")
    method = None if digest is None else digest.find(DS + "DigestMethod")
    value = None if digest is None else digest.find(DS + "DigestValue")
    if method is None or value is None:
        raise Fault("verify.xades-malformed", _PLACE, part=_PLACE)
    try:
        name = algorithms.digest(method.get("Algorithm") or "")
    except Fault as fault:
        raise fault.at(_PLACE) from None
    expected = written.octets(value)
    return next((it for it in certificates if hashlib.new(name, it.der).digest() == expected), None)


def _check_issuer(binding: etree._Element, certificate: Certificate) -> None:
    """Raise Fault unless issuer and serial, where they are given, are the certificate's."""
    first, second = binding.find(XADES + "IssuerSerial"), binding.find(XADES + "IssuerSerialV2")
    if first is not None:
        name, serial = first.find(DS + "X509IssuerName"), first.find(DS + "X509SerialNumber")
        if name is None or serial is None:
            raise Fault("verify.xades-malformed", _PLACE, part=_PLACE)
        if (written.text(serial) or "").strip() != certificate.report.serial:
            raise Fault("verify.signing-certificate-issuer", _PLACE)
        said = written.text(name) or ""
        # The length before the cache: it would keep for long whatever a stranger has written.
        if len(said) > issuer_name.LONGEST or not _names_issuer(said, certificate):
            raise Fault("verify.signing-certificate-issuer", _PLACE)
    elif next(binding.iterancestors(XADES + "SigningCertificate"), None) is not None:
        raise Fault("verify.xades-malformed", _PLACE, part=_PLACE)  # version 1 requires it (EN 319 132-1 annex D)
    if second is not None and not _same_issuer(written.octets(second), certificate):
        raise Fault("verify.signing-certificate-issuer", _PLACE)


@lru_cache(maxsize=1024)
def _names_issuer(name: str, certificate: Certificate) -> bool:
    return issuer_name.names(name, certificate.x509.issuer)


def _same_issuer(der: bytes | None, certificate: Certificate) -> bool:
    """Whether an IssuerSerial of RFC 5035 §5.4.1 names the certificate's issuer and serial."""
    if der is None or len(der) > issuer_name.LONGEST:
        return False
    try:
        said = tsp.IssuerSerial.load(der, strict=True)
        issuer = asn1.Name.load(certificate.x509.issuer.public_bytes(Encoding.DER))
        names = [name.name == "directory_name" and name.chosen == issuer for name in said["issuer"]]
        serial = said["serial_number"].native
    except Exception:  # noqa: BLE001 - a library reads hostile octets: whatever it raises means that it names nobody
        return False
    return serial == certificate.x509.serial_number and names == [True]
