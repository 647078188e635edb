"""Whether a key made a signature value (XMLDSig 1.1 §6.4)."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from broker.verify.algorithms import Scheme
from broker.verify.certificate import usable
from broker.verify.fault import Fault
from broker.verify.trust import PublicKey

_DER_SEQUENCE: Final = 0x30
# The order of each curve's group (FIPS 186-5, SP 800-186 §3.2.1).
_ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"  # in two parts: it is longer than a line
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        16,
    ),
    "secp521r1": int(
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
        "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        16,
    ),
}


def check(key: PublicKey, scheme: Scheme, value: bytes, signed: bytes) -> None:
    """Return if the key made the value over the octets; raise Fault."""
    if isinstance(key, RSAPublicKey) != scheme.kind.startswith("rsa"):
        raise Fault("verify.key-mismatch")
    if not usable(key):
        raise Fault("verify.key-short")
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(value, signed, _padding(scheme), scheme.digest)
        else:
            key.verify(_der(key, value), signed, ec.ECDSA(scheme.digest))
    except InvalidSignature as error:
        raise Fault("verify.signature-value-mismatch") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Fault("verify.key-mismatch") from error


def holds(key: PublicKey, scheme: Scheme, value: bytes, signed: bytes) -> bool:
    """Whether `check` would return."""
    try:
        check(key, scheme, value, signed)
    except Fault:
        return False
    return True


def lesser(key: PublicKey, value: bytes) -> bytes | None:
    """Return the one value that stands for the signature where only one may; None if that cannot be told.

    Whoever has an ECDSA value R‖S can write R‖(n-S), n being the order of the group, and it holds as well: the lesser
    S counts.  An RSA value has no twin.
    """
    if isinstance(key, RSAPublicKey):
        return value
    order = _ORDERS.get(key.curve.name)
    size = (key.key_size + 7) // 8
    if order is None or len(value) != 2 * size:
        return None
    s = int.from_bytes(value[size:], "big")
    return value[:size] + min(s, order - s).to_bytes(size, "big") if 0 < s < order else None


def _padding(scheme: Scheme) -> padding.AsymmetricPadding:
    if scheme.kind == "rsa":
        return padding.PKCS1v15()
    # RFC 6931 §2.3.10: MGF1 with the same digest, salt as long as the digest.
    return padding.PSS(mgf=padding.MGF1(scheme.digest), salt_length=scheme.digest.digest_size)


def _der(key: ec.EllipticCurvePublicKey, value: bytes) -> bytes:
    """Turn R‖S, each as long as the group's order, into what the library takes."""
    size = (key.key_size + 7) // 8
    if len(value) != 2 * size:
        wrong = "verify.signature-value-encoding" if value[0] == _DER_SEQUENCE else "verify.signature-value-mismatch"
        raise Fault(wrong)
    return encode_dss_signature(int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big"))
