"""What else a signature says of the key: it must be the signer's, and a list of revocations must be one."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import replace

import pytest
from lxml import etree

from adapters.testkit.signer import countersign, sign
from adapters.testkit.signing.recipe import BASELINE, ENVELOPING, PLAIN
from broker.verify import key_info
from broker.verify.fault import Fault
from broker.verify.key_info import require
from tests.corpus.verify.keys import der_value, ec_value, in_der, list_of_revocations, modulus, rsa_value
from tests.corpus.verify.recipes import signed
from tests.corpus.verify.scene import AT, DS, FORM, PKI, judged

XMLNS = 'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
XADES = "http://uri.etsi.org/01903/v1.3.2#"
KEY = PKI.person.key.public_key()
ON_CURVE = PKI.elliptic_person.key.public_key()


def info(inside: str, more: str = "") -> etree._Element:
    return etree.fromstring(f"<ds:Signature {XMLNS}><ds:KeyInfo>{inside}</ds:KeyInfo>{more}</ds:Signature>")


def numbered(of: object) -> str:
    number = modulus(of)  # type: ignore[arg-type]
    return rsa_value(b64encode(number.to_bytes(256, "big")).decode())


def fault(inside: str, key: object = KEY, place: str = "ds:KeyInfo", more: str = "") -> tuple[str, str]:
    with pytest.raises(Fault) as caught:
        require(info(inside, more), (), key)  # type: ignore[arg-type]
    assert caught.value.place == place
    return caught.value.code, caught.value.facts.get("part", "")


LIST = f"<ds:X509Data>{list_of_revocations()}</ds:X509Data>"


def test_a_key_info_that_says_nothing_of_the_key_is_let_through() -> None:
    require(etree.fromstring(f"<ds:Signature {XMLNS}/>"), (), KEY)
    elsewhere = "<ds:SPKIData><ds:X509CRL>?</ds:X509CRL></ds:SPKIData>"
    for inside in (
        "",
        elsewhere,
        "<ds:KeyName>x</ds:KeyName>",
        "<ds:X509Data><ds:X509SKI>AAAA</ds:X509SKI></ds:X509Data>",
        LIST,
    ):
        require(info(inside), (), KEY)


def test_the_signers_own_key_may_stand_beside_the_certificate_in_any_spelling() -> None:
    require(info(numbered(PKI.person) + der_value(in_der(PKI.person))), (), KEY)
    require(info(ec_value(PKI.elliptic_person) + der_value(in_der(PKI.elliptic_person))), (), ON_CURVE)


@pytest.mark.parametrize("before", ["", numbered(PKI.person)])
def test_any_other_key_is_a_fault_wherever_it_stands(before: str) -> None:
    mismatch = "verify.key-value-mismatch"
    assert fault(before + numbered(PKI.other_person)) == (mismatch, "KeyValue")
    assert fault(before + ec_value(PKI.elliptic_person)) == (mismatch, "KeyValue")
    assert fault(before + der_value(in_der(PKI.other_person))) == (mismatch, "DEREncodedKeyValue")
    assert fault(numbered(PKI.person), ON_CURVE) == (mismatch, "KeyValue")


@pytest.mark.parametrize("name", ["X509Data", "KeyName", "KeyInfo", "RetrievalMethod"])
def test_a_key_that_stands_deeper_is_asked_likewise(name: str) -> None:
    require(info(f"<ds:{name}>{numbered(PKI.person)}</ds:{name}>"), (), KEY)
    mismatch = ("verify.key-value-mismatch", "KeyValue")
    assert fault(f"<ds:{name}>{numbered(PKI.other_person)}</ds:{name}>") == mismatch
    in_object = f"<ds:Object><ds:{name}>{numbered(PKI.other_person)}</ds:{name}></ds:Object>"
    assert fault("", place="ds:Object", more=in_object) == mismatch


def test_a_key_without_a_key_value_around_it_is_asked_likewise() -> None:
    def bare(value: str) -> str:
        return value.removeprefix("<ds:KeyValue>").removesuffix("</ds:KeyValue>")

    require(info(bare(numbered(PKI.person))), (), KEY)
    require(info(bare(ec_value(PKI.elliptic_person))), (), ON_CURVE)
    assert fault(bare(numbered(PKI.other_person))) == ("verify.key-value-mismatch", "RSAKeyValue")
    assert fault(bare(ec_value(PKI.elliptic_person))) == ("verify.key-value-mismatch", "ECKeyValue")
    assert fault("<ds:DSAKeyValue/>") == ("verify.key-info-unreadable", "DSAKeyValue")


def test_what_stands_apart_names_a_key_of_its_own() -> None:
    signature = info("", f"<ds:Object><held>{numbered(PKI.other_person)}</held></ds:Object>")
    require(signature, {signature[1][0]}, KEY)
    with pytest.raises(Fault, match="key-value-mismatch"):
        require(signature, {signature[0]}, KEY)


def test_a_form_and_a_counter_signature_may_name_other_keys() -> None:
    """What the signer has signed, too: a role may be an assertion that holds the key of its bearer."""
    other = numbered(PKI.other_person)
    by_another = countersign(signed(BASELINE), PKI.other_person, AT, key_value=True)
    inside = re.sub(rb"(<wnio:Kwota>)", rf'\1<a xmlns:ds="{DS}">{other}</a>'.encode(), FORM)
    for document in (by_another, sign(inside, PKI.person, AT, ENVELOPING), signed(BASELINE, claimed_role=other)):
        assert b"KeyValue>" in document
        assert judged(document).code == ""
    among_unsigned = signed(BASELINE, unsigned=f"<xades:CertificateValues>{other}</xades:CertificateValues>")
    report = judged(among_unsigned)
    assert (report.code, report.place) == ("verify.key-value-mismatch", "ds:Signature[1]/ds:Object")


def test_in_the_basic_profile_properties_that_nothing_covers_may_not_name_another_key() -> None:
    properties = (
        f'<ds:Object><x:QualifyingProperties xmlns:x="{XADES}"><x:SignedProperties>{numbered(PKI.other_person)}'
        "</x:SignedProperties></x:QualifyingProperties></ds:Object></ds:Signature>"
    )
    document = signed(PLAIN).replace(b"</ds:Signature>", properties.encode())
    report = judged(document, profile="basic", keys=[PKI.person.pem])
    assert report.code == "verify.key-value-mismatch"


def test_what_cannot_be_read_is_a_fault_and_is_named() -> None:
    unreadable = "verify.key-info-unreadable"
    assert fault("<ds:KeyValue/>") == (unreadable, "KeyValue")
    assert fault(der_value(b"0")) == (unreadable, "DEREncodedKeyValue")
    for inside in ("", "?", "AAAA"):
        written = f"<ds:X509Data><ds:X509CRL>{inside}</ds:X509CRL></ds:X509Data>"
        assert fault(written) == fault(LIST + written) == (unreadable, "X509CRL")


def test_so_many_keys_and_lists_may_be_written_and_not_one_more() -> None:
    require(info(numbered(PKI.person) * 10 + LIST * 10), (), KEY)
    too_many = ("verify.too-many-keys", "")
    assert fault(numbered(PKI.person) * 11, place="") == too_many
    assert fault(LIST * 11, place="") == too_many
    more = f"<ds:Object>{numbered(PKI.person)}</ds:Object>"
    assert fault(numbered(PKI.person) * 10, place="", more=more) == too_many


def test_a_list_may_have_so_many_octets_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = len(b64decode(re.sub("<.*?>", "", LIST)))
    monkeypatch.setattr(key_info, "_LARGEST", octets)
    require(info(LIST), (), KEY)
    monkeypatch.setattr(key_info, "_LARGEST", octets - 1)
    assert fault(LIST) == ("verify.key-info-unreadable", "X509CRL")


def test_whatever_the_profile_the_key_that_signed_is_the_one_that_is_written() -> None:
    other = numbered(PKI.other_person).encode()
    for document, how in ((signed(BASELINE), {}), (signed(PLAIN), {"profile": "basic"})):
        assert judged(document, **how).code == ""
        report = judged(document.replace(b"<ds:X509Data>", other + b"<ds:X509Data>"), **how)
        assert (report.code, report.place) == ("verify.key-value-mismatch", "ds:Signature[1]/ds:KeyInfo")
        assert report.facts["part"] == "KeyValue"


def test_a_key_info_that_is_signed_may_not_hold_anothers_key_either() -> None:
    other = numbered(PKI.other_person)
    recipe = replace(
        BASELINE, binding="key-info", rewrite=lambda it: it.replace("<ds:X509Data>", other + "<ds:X509Data>")
    )
    report = judged(sign(FORM, PKI.person, AT, recipe))
    assert (report.code, report.place) == ("verify.key-value-mismatch", "ds:Signature[1]/ds:KeyInfo")
    assert judged(sign(FORM, PKI.person, AT, replace(BASELINE, binding="key-info", key_value=True))).code == ""


def test_a_value_that_does_not_hold_is_told_of_before_a_key_that_is_not_the_signers() -> None:
    other = numbered(PKI.other_person).encode()
    document = signed(BASELINE).replace(b"<ds:X509Data>", other + b"<ds:X509Data>")
    broken = re.sub(rb"(<ds:SignatureValue[^>]*>)....", rb"\1AAAA", document)
    assert judged(broken).code == "verify.signature-value-mismatch"
