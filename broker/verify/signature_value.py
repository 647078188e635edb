"""Whether a key made a signature value (XMLDSig 1.1 §6.4)."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from broker.verify.algorithms import Scheme
from broker.verify.certificate import long_enough
from broker.verify.fault import Fault
from broker.verify.trust import PublicKey

_DER_SEQUENCE: Final = 0x30


def check(key: PublicKey, scheme: Scheme, value: bytes, signed: bytes) -> None:
    """Return if the key made the value over the octets; raise Fault."""
    if isinstance(key, RSAPublicKey) != scheme.kind.startswith("rsa"):
        raise Fault("verify.key-mismatch")
    if not long_enough(key):
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
