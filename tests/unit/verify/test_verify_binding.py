"""The certificate is bound by its digest, and what else the binding says must not contradict it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from asn1crypto import core, tsp
from asn1crypto import x509 as asn1
from hypothesis import given
from hypothesis import strategies as st

from adapters.testkit.certificates import Credential
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from broker.verify import xades
from broker.verify.certificate import load
from tests.corpus.verify.scene import AT, FORM, PKI, judged


def _issuer_serial(of: Credential, serial: int = 0) -> str:
    certificate = asn1.Certificate.load(of.der)
    value = tsp.IssuerSerial(
        {
            "issuer": [asn1.GeneralName("directory_name", certificate.issuer)],
            "serial_number": serial or certificate.serial_number,
        }
    )
    return base64.b64encode(value.dump()).decode()


def _with(issuer_serial: str) -> Callable[[str], str]:
    written = f"<xades:IssuerSerialV2>{issuer_serial}</xades:IssuerSerialV2></xades:Cert>"
    return lambda text: text.replace("</xades:Cert>", written, 1)


def test_the_issuer_and_serial_of_version_2_are_checked_when_they_are_there() -> None:
    assert judged(sign(FORM, PKI.person, AT, rewrite=_with(_issuer_serial(PKI.person)))).code == ""


@pytest.mark.parametrize(
    "written",
    [
        _issuer_serial(PKI.person, serial=7),
        _issuer_serial(PKI.stranger, serial=PKI.person.certificate.serial_number),
        base64.b64encode(core.Integer(1).dump()).decode(),
        "AAAA",
        "not Base64",
        "",
    ],
    ids=["serial", "issuer", "no-sequence", "no-der", "no-base64", "empty"],
)
def test_an_issuer_or_serial_of_version_2_that_contradicts_the_certificate_is_refused(written: str) -> None:
    report = judged(sign(FORM, PKI.person, AT, rewrite=_with(written)))
    assert report.code == "verify.signing-certificate-issuer"


@given(st.binary(max_size=80), st.integers(0, 60), st.integers(0, 255))
def test_no_octets_in_place_of_issuer_and_serial_raise_anything(junk: bytes, at: int, value: int) -> None:
    certificate = load(PKI.person.der)
    honest = bytearray(base64.b64decode(_issuer_serial(PKI.person)))
    honest[at % len(honest)] = value
    for octets in (junk, bytes(honest)):
        assert xades._same_issuer(octets, certificate) in (True, False)


def test_the_signer_is_found_wherever_its_certificate_stands_in_the_chain() -> None:
    signed = sign(FORM, PKI.person, AT, QUALIFIED).decode()
    found = re.findall("<ds:X509Certificate>.*?</ds:X509Certificate>", signed)
    backwards = signed.replace("".join(found), "".join(reversed(found)))
    assert backwards != signed
    report = judged(backwards.encode())
    assert report.code == ""
    assert report == judged(signed.encode())
