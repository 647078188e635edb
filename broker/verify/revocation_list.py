"""Plain revocation lists: complete, and signed by the issuer's own key.  Nearly all lists are of this kind.

Read by cryptography's parser: asn1crypto takes four times as long for a list of ten megabytes, and 250 MB.  What is
not plain (partitioned, indirect, delta, signed by another key) is left to `settlement.py`.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from asn1crypto import core
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from broker.verify.certificate import HOSTILE, Certificate, issuer_key, usable
from broker.verify.revocation import RevocationList
from broker.verify.trust import PublicKey

HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
"""What evidence may be signed with: the same as documents (DOMAIN §5)."""

_LONG: Final = 0x80  # from here on an octet says how many octets of a length follow (X.690 §8.1.3.5)
_EXPIRED: Final = x509.ObjectIdentifier("2.5.29.60")  # expiredCertsOnCRL (ISO/IEC 9594-8 §9.5.2.9)
_PARTIAL: Final = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.DELTA_CRL_INDICATOR})
_ENTRY: Final = frozenset({CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE})
_HOLD_INSTRUCTION: Final = x509.ObjectIdentifier("2.5.29.23")
_ENTRY_OF_ANY: Final = _ENTRY | {CRLEntryExtensionOID.CERTIFICATE_ISSUER, _HOLD_INSTRUCTION}


def load(octets: bytes) -> x509.CertificateRevocationList | None:
    """Return a list, of which nothing is proven yet; None if the octets are none."""
    try:
        return x509.load_der_x509_crl(octets)
    except HOSTILE:
        return None


def is_signed(found: x509.CertificateRevocationList, octets: bytes, issuer: Certificate) -> bool:
    """Whether a list was signed by an issuer of its name who may sign lists, and well enough."""
    if issuer.key is None or not usable(issuer.key) or not _signs_lists(issuer.x509):
        return False
    try:
        if found.issuer.public_bytes() != issuer.x509.subject.public_bytes():
            return False
        return _holds(found, octets, issuer.key)
    except (*HOSTILE, InvalidSignature):
        return False


def _holds(found: x509.CertificateRevocationList, octets: bytes, key: PublicKey) -> bool:
    """Whether the key made the signature; raise InvalidSignature or what is hostile if not.

    Not by the library's own method, which writes ten megabytes anew to digest them, and no other thread runs meanwhile.
    """
    algorithm, how = found.signature_hash_algorithm, found.signature_algorithm_parameters
    if algorithm is None or algorithm.name not in HASHES:
        return False
    digest = hashlib.new(algorithm.name, _signed(octets)).digest()
    if isinstance(key, RSAPublicKey):
        if isinstance(how, padding.PKCS1v15 | padding.PSS):
            key.verify(found.signature, digest, how, Prehashed(algorithm))
            return True
    elif isinstance(how, ECDSA):
        key.verify(found.signature, digest, ECDSA(Prehashed(algorithm)))
        return True
    return False


def _signed(octets: bytes) -> memoryview:
    """Return the octets that are signed: the first element of the outer sequence (RFC 5280 §5.1.1.1)."""
    begin, _ = _content(octets, 0)
    _, end = _content(octets, begin)
    return memoryview(octets)[begin:end]


def _content(octets: bytes, at: int) -> tuple[int, int]:
    """Return where the content of an element begins and ends; it is well-formed DER, the list has been read."""
    short = octets[at + 1]
    if short < _LONG:
        return at + 2, at + 2 + short
    begin = at + 2 + (short - _LONG)
    return begin, begin + int.from_bytes(octets[at + 2 : begin])


def is_delta(found: x509.CertificateRevocationList) -> bool:
    """Whether it lists changes to another list."""
    return _has(found, ExtensionOID.DELTA_CRL_INDICATOR)


def names_delta(found: x509.CertificateRevocationList) -> bool:
    """Whether it says that there is a list of changes to it."""
    return _has(found, ExtensionOID.FRESHEST_CRL)


def plain(
    found: x509.CertificateRevocationList, issuer: Certificate, *, url: str, octets: bytes
) -> RevocationList | None:
    """Return a list that `is_signed`, if it is complete and nothing in it is unknown."""
    try:
        for extension in found.extensions:
            if extension.critical or extension.oid in _PARTIAL:
                return None
        revoked = _revoked(found)
    except HOSTILE:
        return None
    if revoked is None:
        return None
    return RevocationList(
        issuer=issuer_key(issuer.x509),
        revoked=revoked,
        this_update=found.last_update_utc,
        next_update=found.next_update_utc,
        remembers=remembers(found),
        url=url,
        digest=hashlib.sha256(octets).hexdigest(),
    )


def remembers(found: x509.CertificateRevocationList) -> datetime | None:
    """Return the moment since which certificates that have ended are still told of; None if they are forgotten."""
    try:
        value = found.extensions.get_extension_for_oid(_EXPIRED).value
        said = core.GeneralizedTime.load(value.public_bytes(), strict=True).native
    except (x509.ExtensionNotFound, *HOSTILE):
        return None
    return said if isinstance(said, datetime) and said.tzinfo is not None else None


def understood(found: x509.CertificateRevocationList) -> bool:
    """Whether nothing in any entry must be understood and is not: then no entry may be used (RFC 5280 §5.3)."""
    try:
        return not any(it.critical and it.oid not in _ENTRY_OF_ANY for entry in found for it in entry.extensions)
    except HOSTILE:
        return False


def _revoked(found: x509.CertificateRevocationList) -> dict[int, tuple[datetime, str]] | None:
    """Return the entries; None if one cannot be told without more than its serial number, or is not understood."""
    revoked: dict[int, tuple[datetime, str]] = {}
    for entry in found:
        reason = ""
        for extension in entry.extensions:
            if extension.oid not in _ENTRY:
                if extension.critical or extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
                    return None
            elif isinstance(extension.value, x509.CRLReason):
                reason = extension.value.reason.value
        if reason == x509.ReasonFlags.remove_from_crl.value:  # has its place in a delta alone
            return None
        revoked.setdefault(entry.serial_number, (entry.revocation_date_utc, reason))
    return revoked


def _has(found: x509.CertificateRevocationList, oid: x509.ObjectIdentifier) -> bool:
    try:
        return any(extension.oid == oid for extension in found.extensions)
    except HOSTILE:
        return True  # then it is surely not plain


def _signs_lists(issuer: x509.Certificate) -> bool:
    """Whether its key usage, if it names any, has cRLSign (RFC 5280 §6.3.3 f)."""
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
