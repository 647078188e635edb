"""The bare public key of a `ds:KeyValue` or a `dsig11:DEREncodedKeyValue` (XMLDSig 1.1 §4.5.2, §4.5.10).

It carries no trust at all.  It is held against the signer's certificate (`key_info.py`); and where nobody asks for
trust, the mathematics of a plain XMLDSig are checked by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from lxml import etree

from broker.verify import written
from broker.verify.fault import Fault
from broker.verify.names import DS, DSIG11
from broker.verify.trust import PublicKey

Numbers = rsa.RSAPublicNumbers | ec.EllipticCurvePublicNumbers

_BARE: Final = frozenset({DS + "RSAKeyValue", DS + "DSAKeyValue", DSIG11 + "ECKeyValue"})
_RSA: Final = [DS + "Modulus", DS + "Exponent"]
_EC: Final = [DSIG11 + "NamedCurve", DSIG11 + "PublicKey"]
_LARGEST: Final = 5_000  # octets of a key in DER: RSA of 16,384 bits takes half of that
_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = MappingProxyType(
    {
        "urn:oid:1.2.840.10045.3.1.7": ec.SECP256R1,
        "urn:oid:1.3.132.0.34": ec.SECP384R1,
        "urn:oid:1.3.132.0.35": ec.SECP521R1,
        "urn:oid:1.3.36.3.3.2.8.1.1.7": ec.BrainpoolP256R1,
        "urn:oid:1.3.36.3.3.2.8.1.1.11": ec.BrainpoolP384R1,
        "urn:oid:1.3.36.3.3.2.8.1.1.13": ec.BrainpoolP512R1,
    }
)


def is_key(element: etree._Element) -> bool:
    """Whether an element is a key: a KeyValue, a DEREncodedKeyValue, or what a KeyValue should hold and does not."""
    if element.tag in _BARE:
        above = element.getparent()
        return above is None or above.tag != DS + "KeyValue"
    return element.tag in (DS + "KeyValue", DSIG11 + "DEREncodedKeyValue")


def read(key_info: etree._Element | None) -> PublicKey | None:
    """Return the key of the first KeyValue, None if it is of no kind that is taken; raise Fault if it is unreadable."""
    element = None if key_info is None else key_info.find(DS + "KeyValue")
    try:
        said = None if element is None else _numbers(element)
        return None if said is None else said.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Fault("verify.key-info-unreadable", "ds:KeyInfo", part="KeyValue") from error


def numbers(element: etree._Element) -> Numbers:
    """Return the numbers of the key that an element holds; raise whatever cryptography does (`certificate.HOSTILE`)."""
    said = _of_der(element) if element.tag == DSIG11 + "DEREncodedKeyValue" else _numbers(element)
    if said is None:
        raise ValueError(element.tag)
    return said


def _of_der(element: etree._Element) -> Numbers | None:
    octets = _octets(element)
    if len(octets) > _LARGEST:
        raise ValueError(element.tag)
    key = load_der_public_key(octets)
    return key.public_numbers() if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else None


def _numbers(element: etree._Element) -> Numbers | None:
    """Return the numbers of the one key of a KeyValue, None if it is of no kind that is taken; raise ValueError.

    What it should hold may be given itself.
    """
    held = [element] if element.tag in _BARE else list(element.iterchildren(etree.Element))
    if len(held) != 1:
        return None
    if held[0].tag == DS + "RSAKeyValue":
        modulus, exponent = (int.from_bytes(_octets(part), "big") for part in _parts(held[0], _RSA))
        return rsa.RSAPublicNumbers(exponent, modulus)
    curves = [it.get("URI") or "" for it in held[0].iterchildren(DSIG11 + "NamedCurve")]
    named = _CURVES.get(curves[0]) if len(curves) == 1 else None
    if held[0].tag != DSIG11 + "ECKeyValue" or named is None:
        return None
    _, point = _parts(held[0], _EC)
    return ec.EllipticCurvePublicKey.from_encoded_point(named(), _octets(point)).public_numbers()


def _parts(key: etree._Element, names: Sequence[str]) -> list[etree._Element]:
    """Return the parts of a key; raise ValueError if it holds others, however deep, or in another order.

    Another program may take those (XMLDSig 1.1 §4.5.2 has them in this order).
    """
    found = list(key.iterdescendants(etree.Element))
    if [it.tag for it in found] != names:
        raise ValueError(key.tag)
    return found


def _octets(element: etree._Element) -> bytes:
    octets = written.octets(element)
    if octets is None:
        raise ValueError(element.tag)
    return octets
