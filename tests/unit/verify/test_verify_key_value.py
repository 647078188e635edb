"""A bare key in KeyInfo: what is read of it, and what is no key that is taken."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from adapters.testkit.certificates import key
from broker.verify import key_value
from broker.verify.certificate import HOSTILE
from broker.verify.fault import Fault
from broker.verify.key_value import is_key, numbers, read

XMLNS = 'xmlns="http://www.w3.org/2000/09/xmldsig#" xmlns:e="http://www.w3.org/2009/xmldsig11#"'
P256 = "urn:oid:1.2.840.10045.3.1.7"
RSA = key("bare", "rsa-2048").public_key()
CURVES = {
    P256: ec.SECP256R1(),
    "urn:oid:1.3.132.0.34": ec.SECP384R1(),
    "urn:oid:1.3.132.0.35": ec.SECP521R1(),
    "urn:oid:1.3.36.3.3.2.8.1.1.7": ec.BrainpoolP256R1(),
    "urn:oid:1.3.36.3.3.2.8.1.1.11": ec.BrainpoolP384R1(),
    "urn:oid:1.3.36.3.3.2.8.1.1.13": ec.BrainpoolP512R1(),
}


def info(inside: str) -> etree._Element:
    return etree.fromstring(f"<KeyInfo {XMLNS}><KeyValue>{inside}</KeyValue></KeyInfo>")


def written(number: int) -> str:
    return b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()


def rsa(modulus: str, exponent: str) -> etree._Element:
    return info(f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>{exponent}</Exponent></RSAKeyValue>")


def point(octets: bytes, uri: str = P256) -> etree._Element:
    named = f'<e:NamedCurve URI="{uri}"/>' if uri else ""
    return info(f"<e:ECKeyValue>{named}<e:PublicKey>{b64encode(octets).decode()}</e:PublicKey></e:ECKeyValue>")


def encoded(of: ec.EllipticCurvePublicKey) -> bytes:
    return of.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def test_an_rsa_key_is_read_by_its_numbers() -> None:
    numbers = RSA.public_numbers()
    said = rsa(written(numbers.n), written(numbers.e))
    said[0].insert(0, etree.Comment("remarks are no keys"))
    said[0][1].insert(1, etree.Comment("nor parts of one"))
    found = read(said)
    assert found is not None
    assert found.public_numbers() == numbers


@pytest.mark.parametrize("name", CURVES)
def test_a_key_on_a_named_curve_is_read_by_its_point(name: str) -> None:
    own = ec.derive_private_key(7, CURVES[name]).public_key()
    found = read(point(encoded(own), name))
    assert found is not None
    assert found.public_numbers() == own.public_numbers()
    assert numbers(point(encoded(own), name)[0]) == own.public_numbers()


OWN = key("bare", "ec-256").public_key()


@pytest.mark.parametrize(
    "held",
    [
        None,
        etree.fromstring(f"<KeyInfo {XMLNS}/>"),
        info(""),
        info("<DSAKeyValue/>"),
        point(encoded(OWN), "urn:oid:1.3.132.0.10"),  # type: ignore[arg-type]
        point(encoded(OWN), ""),  # type: ignore[arg-type]
        info("<e:ECKeyValue><e:NamedCurve/></e:ECKeyValue>"),
        info(f'<e:NoKeyValue><e:NamedCurve URI="{P256}"/></e:NoKeyValue>'),
        info("<RSAKeyValue/><RSAKeyValue/>"),
    ],
)
def test_a_key_of_no_kind_that_is_taken_is_none(held: etree._Element | None) -> None:
    assert read(held) is None
    for element in held if held is not None else ():
        with pytest.raises(ValueError, match=r"KeyValue$"):
            numbers(element)


MORE = "<KeyInfo><Modulus>AQAB</Modulus></KeyInfo>"


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_key_holds_its_two_parts_and_nothing_else_however_deep(at: int) -> None:
    of_rsa, on_a_curve = rsa(written(RSA.public_numbers().n), "AQAB"), point(encoded(OWN))
    for name, held in (("RSA", of_rsa), ("EC", on_a_curve)):
        numbers(held[0])
        held[0][0].insert(at, etree.fromstring(f"<KeyName {XMLNS}>{MORE}</KeyName>"))
        with pytest.raises(ValueError, match=f"{name}KeyValue$"):
            numbers(held[0])


def test_the_parts_of_a_key_stand_in_their_order() -> None:
    of_rsa, on_a_curve = rsa(written(RSA.public_numbers().n), "AQAB"), point(encoded(OWN))
    for name, held in (("RSA", of_rsa), ("EC", on_a_curve)):
        held[0][0].append(held[0][0][0])
        with pytest.raises(ValueError, match=f"{name}KeyValue$"):
            numbers(held[0])


def der(octets: bytes) -> etree._Element:
    return etree.fromstring(f"<e:DEREncodedKeyValue {XMLNS}>{b64encode(octets).decode()}</e:DEREncodedKeyValue>")


def in_der(of: object) -> bytes:
    return of.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]


@pytest.mark.parametrize("own", [RSA, OWN])
def test_a_key_in_der_is_read_by_its_numbers(own: object) -> None:
    assert numbers(der(in_der(own))) == own.public_numbers()  # type: ignore[attr-defined]


def test_a_key_in_der_may_have_so_many_octets_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    long = in_der(RSA)
    monkeypatch.setattr(key_value, "_LARGEST", len(long))
    assert numbers(der(long)) == RSA.public_numbers()
    monkeypatch.setattr(key_value, "_LARGEST", len(long) - 1)
    with pytest.raises(ValueError, match=r"DEREncodedKeyValue$"):
        numbers(der(long))


@pytest.mark.parametrize(
    "octets", [in_der(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()), b"0"], ids=["odd", "none"]
)
def test_what_is_no_key_in_der_that_is_taken_is_an_error(octets: bytes) -> None:
    with pytest.raises(HOSTILE):
        numbers(der(octets))


def test_base64_that_is_none_is_no_key_in_der() -> None:
    with pytest.raises(ValueError, match=r"DEREncodedKeyValue$"):
        numbers(etree.fromstring(f"<e:DEREncodedKeyValue {XMLNS}>?</e:DEREncodedKeyValue>"))


@pytest.mark.parametrize(
    "held",
    [
        rsa("", "AQAB"),
        rsa(written(RSA.public_numbers().n), "?"),
        rsa("AA==", "AA=="),
        info("<RSAKeyValue><Exponent>AQAB</Exponent></RSAKeyValue>"),
        info(f'<e:ECKeyValue><e:NamedCurve URI="{P256}"/></e:ECKeyValue>'),
        point(b"\x04" + bytes(64)),
        point(encoded(OWN)[:-1]),  # type: ignore[arg-type]
    ],
)
def test_a_key_that_cannot_be_read_is_a_fault_and_says_where(held: etree._Element) -> None:
    with pytest.raises(Fault) as caught:
        read(held)
    assert (caught.value.code, caught.value.place) == ("verify.key-info-unreadable", "ds:KeyInfo")
    assert caught.value.facts == {"part": "KeyValue"}


@pytest.mark.parametrize("inside", ["", "<Modulus>AAAA</Modulus><Modulus>AAAA</Modulus><Exponent>AQAB</Exponent>"])
def test_a_key_with_a_part_that_is_missing_or_stands_there_twice_is_named(inside: str) -> None:
    with pytest.raises(ValueError, match=r"RSAKeyValue$"):
        numbers(info(f"<RSAKeyValue>{inside}</RSAKeyValue>")[0])


NO_DER = etree.fromstring(f"<e:DEREncodedKeyValue {XMLNS}>?</e:DEREncodedKeyValue>")


@pytest.mark.parametrize(
    ("held", "named"), [(rsa("?", "AQAB")[0], "Modulus"), (rsa("AQAB", "?")[0], "Exponent"), (NO_DER, "KeyValue")]
)
def test_a_part_that_is_no_base64_is_named(held: etree._Element, named: str) -> None:
    with pytest.raises(ValueError, match=f"{named}$"):
        numbers(held)


def test_a_curve_that_is_named_twice_is_none() -> None:
    twice = point(encoded(OWN))  # type: ignore[arg-type]
    twice[0][0].insert(1, etree.fromstring(f"<e:NamedCurve {XMLNS} URI='{P256}'/>"))
    assert read(twice) is None


@pytest.mark.parametrize("inside", ["<RSAKeyValue/>", "<DSAKeyValue/>", "<e:ECKeyValue/>"])
def test_a_key_is_what_a_key_value_holds_only_where_there_is_none(inside: str) -> None:
    around = info(inside)[0]
    assert (is_key(around), is_key(around[0])) == (True, False)
    alone = etree.fromstring(f"<KeyInfo {XMLNS}>{inside}</KeyInfo>")
    assert (is_key(alone), is_key(alone[0])) == (False, True)
    alone[0].getparent().remove(held := alone[0])  # type: ignore[union-attr]
    assert is_key(held)


def test_a_key_in_der_is_a_key_and_a_part_of_one_is_none() -> None:
    assert is_key(der(b"0"))
    assert not any(is_key(it) for it in rsa("AA==", "AA==")[0][0])


def test_a_bare_key_is_read_as_one_in_a_key_value() -> None:
    own = RSA.public_numbers()
    assert numbers(rsa(written(own.n), written(own.e))[0][0]) == own
