"""What a signer signs about its own signature, read from plain XML."""

from datetime import UTC, datetime

import pytest
from lxml import etree

from broker.verify.fault import Fault
from broker.verify.xades import _properties

XMLNS = 'xmlns="http://uri.etsi.org/01903/v1.3.2#"'


def properties(inside: str, tag: str = "SignedProperties"):
    return _properties(etree.fromstring(f"<{tag} {XMLNS}>{inside}</{tag}>"))


def roles(outer: str, *names: str) -> str:
    held = "".join(f"<ClaimedRole>{it}</ClaimedRole>" for it in names)
    return f"<{outer}><ClaimedRoles>{held}</ClaimedRoles></{outer}>"


@pytest.mark.parametrize("wrapped", [True, False])
def test_time_certificate_and_roles_are_read_of_either_version(wrapped: bool) -> None:
    for version in ("", "V2"):
        inside = (
            "<SigningTime>2026-01-01T12:00:00Z</SigningTime>"
            f"<SigningCertificate{version}><!--c--><Other/><Cert>1</Cert><Cert>2</Cert></SigningCertificate{version}>"
            + roles(f"SignerRole{version}", "a", "b")
        )
        if wrapped:
            inside = f"<SignedSignatureProperties>{inside}</SignedSignatureProperties><SignedDataObjectProperties/>"
        found = properties(inside)
        assert found.signing_time is not None
        assert found.signing_time.moment == datetime(2026, 1, 1, 12, tzinfo=UTC)
        assert [it.text for it in found.certificates] == ["1", "2"]
        assert [it.text for it in found.roles] == ["a", "b"]


def test_what_is_not_said_is_none() -> None:
    for inside in ("", "<SignedSignatureProperties/>", "<SigningCertificate/>", "<Cert/>"):
        found = properties(inside)
        assert (found.signing_time, found.certificates, found.roles) == (None, (), ())


@pytest.mark.parametrize(
    ("inside", "tag", "place"),
    [
        ("", "QualifyingProperties", "xades:SignedProperties"),
        ("<SignedSignatureProperties/><SignedSignatureProperties/>", "SignedProperties", "xades:SignedProperties"),
        ("<SigningCertificate/><SigningCertificate/>", "SignedProperties", "xades:SigningCertificate"),
        ("<SigningCertificate/><SigningCertificateV2/>", "SignedProperties", "xades:SigningCertificate"),
        ("<SigningTime/><SigningTime/>", "SignedProperties", "xades:SigningTime"),
    ],
)
def test_what_is_said_twice_is_malformed_and_the_place_is_told(inside: str, tag: str, place: str) -> None:
    with pytest.raises(Fault) as caught:
        properties(inside, tag)
    assert (caught.value.code, caught.value.place) == ("verify.xades-malformed", place)
    assert caught.value.facts == {"part": place}
