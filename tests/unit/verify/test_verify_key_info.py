"""What else a KeyInfo says of the key: it must be the signer's, and a list of revocations must be one."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode

import pytest
from lxml import etree

from adapters.testkit.signing.recipe import BASELINE, PLAIN
from broker.verify import key_info
from broker.verify.fault import Fault
from broker.verify.key_info import require
from tests.corpus.verify.keys import der_value, ec_value, in_der, list_of_revocations, modulus, rsa_value
from tests.corpus.verify.recipes import signed
from tests.corpus.verify.scene import PKI, judged

XMLNS = 'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
KEY = PKI.person.key.public_key()
ON_CURVE = PKI.elliptic_person.key.public_key()


def info(inside: str) -> etree._Element:
    return etree.fromstring(f"<ds:KeyInfo {XMLNS}>{inside}</ds:KeyInfo>")


def numbered(of: object) -> str:
    number = modulus(of)  # type: ignore[arg-type]
    return rsa_value(b64encode(number.to_bytes(256, "big")).decode())


def fault(inside: str, key: object = KEY) -> tuple[str, str]:
    with pytest.raises(Fault) as caught:
        require(info(inside), key)  # type: ignore[arg-type]
    assert caught.value.place == "ds:KeyInfo"
    return caught.value.code, caught.value.facts["part"]


LIST = f"<ds:X509Data>{list_of_revocations()}</ds:X509Data>"


def test_a_key_info_that_says_nothing_of_the_key_is_let_through() -> None:
    require(None, KEY)
    elsewhere = "<ds:SPKIData><ds:X509CRL>?</ds:X509CRL><ds:KeyValue/></ds:SPKIData>"
    for inside in (
        "",
        elsewhere,
        "<ds:KeyName>x</ds:KeyName>",
        "<ds:X509Data><ds:X509SKI>AAAA</ds:X509SKI></ds:X509Data>",
        LIST,
    ):
        require(info(inside), KEY)


def test_the_signers_own_key_may_stand_beside_the_certificate_in_any_spelling() -> None:
    require(info(numbered(PKI.person) + der_value(in_der(PKI.person))), KEY)
    require(info(ec_value(PKI.elliptic_person) + der_value(in_der(PKI.elliptic_person))), ON_CURVE)


@pytest.mark.parametrize("before", ["", numbered(PKI.person)])
def test_any_other_key_is_a_fault_wherever_it_stands(before: str) -> None:
    mismatch = "verify.key-value-mismatch"
    assert fault(before + numbered(PKI.other_person)) == (mismatch, "KeyValue")
    assert fault(before + ec_value(PKI.elliptic_person)) == (mismatch, "KeyValue")
    assert fault(before + der_value(in_der(PKI.other_person))) == (mismatch, "DEREncodedKeyValue")
    assert fault(numbered(PKI.person), ON_CURVE) == (mismatch, "KeyValue")


def test_what_cannot_be_read_is_a_fault_and_is_named() -> None:
    unreadable = "verify.key-info-unreadable"
    assert fault("<ds:KeyValue/>") == (unreadable, "KeyValue")
    assert fault(der_value(b"0")) == (unreadable, "DEREncodedKeyValue")
    for inside in ("", "?", "AAAA"):
        written = f"<ds:X509Data><ds:X509CRL>{inside}</ds:X509CRL></ds:X509Data>"
        assert fault(written) == fault(LIST + written) == (unreadable, "X509CRL")


def test_so_many_keys_and_lists_may_be_written_and_not_one_more() -> None:
    require(info(numbered(PKI.person) * 10 + LIST * 10), KEY)
    too_many = ("verify.key-info-unreadable", "> 10")
    assert fault(numbered(PKI.person) * 11) == too_many
    assert fault(LIST * 11) == too_many


def test_a_list_may_have_so_many_octets_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = len(b64decode(re.sub("<.*?>", "", LIST)))
    monkeypatch.setattr(key_info, "_LARGEST", octets)
    require(info(LIST), KEY)
    monkeypatch.setattr(key_info, "_LARGEST", octets - 1)
    assert fault(LIST) == ("verify.key-info-unreadable", "X509CRL")


def test_whatever_the_profile_the_key_that_signed_is_the_one_that_is_written() -> None:
    other = numbered(PKI.other_person).encode()
    for document, how in ((signed(BASELINE), {}), (signed(PLAIN), {"profile": "basic"})):
        assert judged(document, **how).code == ""
        report = judged(document.replace(b"<ds:X509Data>", other + b"<ds:X509Data>"), **how)
        assert (report.code, report.place) == ("verify.key-value-mismatch", "ds:Signature[1]/ds:KeyInfo")
        assert report.facts["part"] == "KeyValue"


def test_a_value_that_does_not_hold_is_told_of_before_a_key_that_is_not_the_signers() -> None:
    other = numbered(PKI.other_person).encode()
    document = signed(BASELINE).replace(b"<ds:X509Data>", other + b"<ds:X509Data>")
    broken = re.sub(rb"(<ds:SignatureValue[^>]*>)....", rb"\1AAAA", document)
    assert judged(broken).code == "verify.signature-value-mismatch"
