"""What a seal's certificate must be, whatever holds its key; and the path above it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

_RSA_BITS, _EC_BITS = 2048, 256  # what a verifier takes (DOMAIN §5)
_CURVES = ec.SECP256R1, ec.SECP384R1, ec.SECP521R1  # for which it is known which of two values counts


def above(own: x509.Certificate, found: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return a certificate and those above it, nearest first, no self-signed root; others are left out."""
    path = [own]
    while path[-1].subject != path[-1].issuer:
        next_one = next((c for c in found if c.subject == path[-1].issuer and c not in path), None)
        if next_one is None:
            break
        path.append(next_one)
    return [c for i, c in enumerate(path) if i == 0 or c.subject != c.issuer]


def problems(certificate: x509.Certificate, at: datetime) -> list[str]:
    """Return every reason why receipts cannot be sealed under it at that moment."""
    found = _of_key(certificate.public_key())
    if at < certificate.not_valid_before_utc:
        found.append(f"the seal's certificate is not valid before {certificate.not_valid_before_utc.isoformat()}")
    if at > certificate.not_valid_after_utc:
        found.append(f"the seal's certificate expired on {certificate.not_valid_after_utc.isoformat()}")
    if not _may_sign(certificate):
        found.append("the seal's certificate is not for signing (digitalSignature or nonRepudiation)")
    return found


def _of_key(key: object) -> list[str]:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return ["the seal's key is neither RSA nor on an elliptic curve"]
    found = []
    least = _RSA_BITS if isinstance(key, rsa.RSAPublicKey) else _EC_BITS
    if key.key_size < least:
        found.append(f"the seal's key has {key.key_size} bits, at least {least} are needed")
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
        found.append(f"the seal's key is on the curve {key.curve.name}; P-256, P-384 and P-521 are taken")
    return found


def valid(certificate: x509.Certificate, at: datetime) -> bool:
    """Whether it is within its time."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True  # RFC 5280 §4.2.1.3: without the extension the key is not restricted
    return usage.digital_signature or usage.content_commitment
