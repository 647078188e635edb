"""The bare public key of a `ds:KeyValue` (XMLDSig 1.1 §4.5.2).

It carries no trust at all: used only where nobody asks for trust, to check the mathematics of a plain XMLDSig.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from broker.verify import written
from broker.verify.fault import Fault
from broker.verify.names import DS
from broker.verify.trust import PublicKey

_DSIG11: Final = "{http://www.w3.org/2009/xmldsig11#}"
_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = MappingProxyType(
    {
        "urn:oid:1.2.840.10045.3.1.7": ec.SECP256R1,
        "urn:oid:1.3.132.0.34": ec.SECP384R1,
        "urn:oid:1.3.132.0.35": ec.SECP521R1,
    }
)


def read(key_info: etree._Element | None) -> PublicKey | None:
    """Return the key, or None if there is none of a kind that is taken; raise Fault if it cannot be read."""
    if key_info is None:
        return None
    try:
        numbers = key_info.find(f"{DS}KeyValue/{DS}RSAKeyValue")
        if numbers is not None:
            exponent, modulus = (_octets(numbers, DS + name) for name in ("Exponent", "Modulus"))
            return rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()
        point = key_info.find(f"{DS}KeyValue/{_DSIG11}ECKeyValue")
        curve = None if point is None else point.find(_DSIG11 + "NamedCurve")
        named = _CURVES.get("" if curve is None else curve.get("URI") or "")
        if point is None or named is None:
            return None
        return ec.EllipticCurvePublicKey.from_encoded_point(named(), _octets(point, _DSIG11 + "PublicKey"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Fault("verify.certificate-unreadable", "ds:KeyValue") from error


def _octets(above: etree._Element, tag: str) -> bytes:
    element = above.find(tag)
    octets = None if element is None else written.octets(element)
    if octets is None:
        raise ValueError(tag)
    return octets
