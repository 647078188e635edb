"""What a seal's certificate must be, whatever holds its key; and the path above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from broker.verify.certificate import EC_BITS, RSA_BITS, RSA_EXPONENT_BITS, usable

_PEM = re.compile(rb"-----BEGIN (X509 )?CERTIFICATE-----.*?-----END (X509 )?CERTIFICATE-----", re.DOTALL)
_CURVES = ec.SECP256R1, ec.SECP384R1, ec.SECP521R1  # for which it is known which of two values counts


def readable(encoded: Iterable[bytes]) -> list[x509.Certificate]:
    """Return those of some certificates (DER) that can be read: what else lies beside a seal's own is no matter."""
    found = []
    for der in encoded:
        try:
            one = x509.load_der_x509_certificate(der)
            _ = one.subject, one.issuer  # the library reads names when they are asked for
        except ValueError:
            continue
        found.append(one)
    return found


def of_pem(data: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM file that can be read, in its order."""
    ders = []
    for block in _PEM.finditer(data):
        try:
            ders.append(x509.load_pem_x509_certificate(block[0]).public_bytes(Encoding.DER))
        except ValueError:
            continue
    return readable(ders)


def public_key(certificate: x509.Certificate) -> object | None:
    """Return a certificate's key, None if it is of a kind that is not known."""
    try:
        return certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return None


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
    found = _of_key(public_key(certificate))
    if at < certificate.not_valid_before_utc:
        found.append(f"the seal's certificate is not valid before {certificate.not_valid_before_utc.isoformat()}")
    found += ended(certificate, at)
    try:
        extensions = certificate.extensions
    except ValueError:
        return [*found, "the extensions of the seal's certificate cannot be read"]
    if not _may_sign(extensions):
        found.append("the seal's certificate is not for signing (digitalSignature or nonRepudiation)")
    if _is_ca(extensions):
        found.append("the seal's certificate is a CA's (basicConstraints CA:TRUE): use one of an end entity")
    return found


def ended(certificate: x509.Certificate, at: datetime) -> list[str]:
    """Return that its time is over, if it is."""
    until = certificate.not_valid_after_utc
    return [f"the seal's certificate expired on {until.isoformat()}"] if at > until else []


def _of_key(key: object) -> list[str]:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return ["the seal's key is neither RSA nor on an elliptic curve"]
    found = []
    least = RSA_BITS if isinstance(key, rsa.RSAPublicKey) else EC_BITS
    if key.key_size < least:
        found.append(f"the seal's key has {key.key_size} bits, at least {least} are needed")
    elif not usable(key):
        found.append(f"the seal's key has an exponent of more than {RSA_EXPONENT_BITS} bits, as no real key has")
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
        found.append(f"the seal's key is on the curve {key.curve.name}; P-256, P-384 and P-521 are taken")
    return found


def valid(certificate: x509.Certificate, at: datetime) -> bool:
    """Whether it is within its time."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _may_sign(extensions: x509.Extensions) -> bool:
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True  # RFC 5280 §4.2.1.3: without the extension the key is not restricted
    return usage.digital_signature or usage.content_commitment


def _is_ca(extensions: x509.Extensions) -> bool:
    try:
        return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
