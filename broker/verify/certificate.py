"""One certificate as verification needs it, read once and remembered.

Whatever a hostile certificate makes the library raise becomes a Fault here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID

from broker.evidence import CertificateReport, Identity
from broker.verify.fault import Fault
from broker.verify.identity import from_subject
from broker.verify.trust import PublicKey

RSA_BITS: Final = 2048
RSA_EXPONENT_BITS: Final = 32
EC_BITS: Final = 256
_LARGEST: Final = 20_000  # octets of a certificate from outside: it is remembered, and real ones have some 2,000
# Purposes of keys that machines hold for protocols (RFC 5280 §4.2.1.12): with one of these nobody signs a document,
# though the certificate may stand below the same authority as those of persons.
_MACHINES: Final = frozenset(
    {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING}
)

# Whatever cryptography raises over octets that a stranger made.  Its warning (of a serial number below zero) is raised
# where warnings are errors, and will be a ValueError.
HOSTILE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
    CryptographyDeprecationWarning,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Certificate:
    """What a certificate says; `key` is None if it is neither RSA nor an elliptic curve."""

    der: bytes
    x509: x509.Certificate
    key: PublicKey | None
    report: CertificateReport
    identity: Identity
    authority: bool  # may issue certificates (RFC 5280 §4.2.1.9)
    signs: bool  # its key usage allows signing documents


@lru_cache(maxsize=4096)
def load(der: bytes) -> Certificate:
    """Return the certificate; raise Fault if the octets are none."""
    try:
        return _load(x509.load_der_x509_certificate(der), der)
    except HOSTILE as error:
        raise Fault("verify.certificate-unreadable") from error


def _load(certificate: x509.Certificate, der: bytes) -> Certificate:
    report = CertificateReport(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=str(certificate.serial_number),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=hashlib.sha256(der).hexdigest(),
    )
    return Certificate(
        der=der,
        x509=certificate,
        key=_key(certificate),
        report=report,
        identity=from_subject(certificate.subject),
        authority=_is_authority(certificate),
        signs=_may_sign(certificate),
    )


def _key(certificate: x509.Certificate) -> PublicKey | None:
    key = certificate.public_key()
    return key if isinstance(key, RSAPublicKey | EllipticCurvePublicKey) else None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return constraints.value.ca


def _may_sign(certificate: x509.Certificate) -> bool:
    """Whether nonRepudiation or digitalSignature is among its usages (EN 319 412-2 §4.3.2); none named: yes.

    And whether its key is more than a machine's: of a server, a time-stamping unit, an OCSP responder.
    """
    if _is_for_machines(certificate):
        return False
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.content_commitment or usage.digital_signature


def _is_for_machines(certificate: x509.Certificate) -> bool:
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return _MACHINES.issuperset(purposes)


def usable(key: PublicKey) -> bool:
    """Whether the key is as long as DOMAIN §5 asks, and of RSA with an exponent that real keys have.

    Real ones have 65537 or less.  One as long as the modulus makes each check some two hundred times as dear, and
    the sender chooses it.  Go's crypto/rsa and Windows draw the line at 32 bits too.
    """
    if isinstance(key, RSAPublicKey):
        return key.key_size >= RSA_BITS and key.public_numbers().e.bit_length() <= RSA_EXPONENT_BITS
    return key.key_size >= EC_BITS


def issuer_key(issuer: x509.Certificate) -> str:
    """Return what tells one issuer from another: SHA-256, hex, over its name's DER and its SubjectPublicKeyInfo."""
    return hashlib.sha256(issuer.subject.public_bytes() + spki(issuer)).hexdigest()


def spki(of: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo, DER, written in one way for one key."""
    return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def distinct(ders: Sequence[bytes]) -> tuple[Certificate, ...]:
    """Return the certificates in order, each once; raise Fault."""
    if any(len(der) > _LARGEST for der in ders):
        raise Fault("verify.certificate-unreadable")
    return tuple(load(der) for der in dict.fromkeys(ders))
