"""Whose key must have made a signature, in either profile, and what is said if that cannot be told."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.testkit.certificates import Credential
from adapters.testkit.pki import DAY
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import PLAIN
from broker.evidence import Indication, Level
from tests.corpus.verify.scene import AT, FORM, PKI, judged

PLAINLY = sign(FORM, PKI.person, AT, PLAIN)
OWN = PKI.person.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
OTHER = PKI.other_person.pem


def shown(document: bytes, *ders: bytes) -> bytes:
    """The document with these certificates beside the signature: nothing signs them in the basic profile."""
    held = b"".join(b"<ds:X509Certificate>" + b64encode(it) + b"</ds:X509Certificate>" for it in ders)
    assert b"<ds:X509Data>" in document
    return re.sub(b"<ds:X509Data>.*</ds:X509Data>", b"<ds:X509Data>" + held + b"</ds:X509Data>", document)


def odd() -> bytes:
    """A certificate with a key of a kind that is not taken."""
    own = ed25519.Ed25519PrivateKey.generate().public_key()
    name = PKI.person.certificate.subject
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(9).public_key(own)
    builder = builder.not_valid_before(PKI.person.certificate.not_valid_before_utc)
    builder = builder.not_valid_after(PKI.person.certificate.not_valid_after_utc)
    return builder.sign(PKI.qualified_ca.credential.key, hashes.SHA256()).public_bytes(Encoding.DER)


def basic(document: bytes, **how: object):
    report = judged(document, profile="basic", **how)
    (signature,) = report.signatures
    return report.code, report.place, signature.certificate and signature.certificate.sha256


PERSON = judged(sign(FORM, PKI.person, AT)).signatures[0].certificate.sha256  # type: ignore[union-attr]


def test_of_the_certificates_beside_it_the_one_whose_key_fits_has_signed() -> None:
    for ders in (
        [PKI.person.der],
        [PKI.other_person.der, PKI.person.der],
        [odd(), PKI.person.der],
        [PKI.person.der, PKI.other_person.der],
    ):
        assert basic(shown(PLAINLY, *ders)) == ("", "", PERSON)


def test_if_none_fits_the_first_should_have() -> None:
    code, place, by = basic(shown(PLAINLY, PKI.other_person.der, PKI.organisation.der))
    assert (code, place) == ("verify.signature-value-mismatch", "ds:Signature[1]/ds:SignatureValue")
    assert by == judged(sign(FORM, PKI.other_person, AT)).signatures[0].certificate.sha256  # type: ignore[union-attr]
    assert basic(shown(PLAINLY, odd()))[:2] == ("verify.key-mismatch", "ds:Signature[1]/ds:X509Certificate")


def test_without_a_certificate_the_operators_keys_are_tried() -> None:
    bare = re.sub(b"<ds:KeyInfo.*</ds:KeyInfo>", b"", PLAINLY)
    missing = ("verify.certificate-missing", "ds:Signature[1]/ds:KeyInfo", None)
    assert basic(bare) == missing
    assert basic(bare, keys=[OWN]) == basic(bare, keys=[OTHER, OWN]) == ("", "", None)
    assert basic(bare, keys=[OTHER])[:2] == ("verify.signature-value-mismatch", "ds:Signature[1]/ds:SignatureValue")
    assert judged(bare, profile="basic", keys=[OWN]).level is Level.LOCAL
    assert judged(bare, profile="basic", keys=[OWN], path=False).level is Level.NONE
    assert basic(shown(PLAINLY), keys=[]) == missing


def test_a_key_of_the_operator_counts_before_a_certificate_and_none_that_does_not_fit() -> None:
    assert basic(PLAINLY, keys=[OWN]) == ("", "", None)
    assert basic(PLAINLY, keys=[OTHER]) == ("", "", PERSON)


def test_a_bare_key_beside_it_is_taken_only_where_nobody_asks_whose_it_is() -> None:
    numbers = PKI.person.key.public_key().public_numbers()

    def written(number: int) -> str:
        return b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()

    value = (
        f"<ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{written(numbers.n)}</ds:Modulus>"  # type: ignore[union-attr]
        f"<ds:Exponent>{written(numbers.e)}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue></ds:KeyInfo>"  # type: ignore[union-attr]
    )
    bare = re.sub(b"<ds:KeyInfo.*</ds:KeyInfo>", value.encode(), PLAINLY)
    assert basic(bare, path=False) == ("", "", None)
    assert basic(bare)[0] == "verify.certificate-missing"
    assert basic(bare, keys=[OTHER], path=False) == ("", "", None)
    changed = bare.replace(b">100<", b">900<")
    assert basic(changed, path=False)[0] == "verify.digest-mismatch"


def test_the_strict_profile_takes_no_signature_without_properties_whatever_the_keys() -> None:
    for document in (PLAINLY, shown(PLAINLY, PKI.person.der)):
        report = judged(document, keys=[OWN])
        assert (report.code, report.indication) == ("verify.xades-missing", Indication.INDETERMINATE)


def test_a_bound_certificate_must_be_beside_the_signature() -> None:
    signed = sign(FORM, PKI.person, AT)
    report = judged(re.sub(b"<ds:X509Data>.*</ds:X509Data>", b"<ds:X509Data></ds:X509Data>", signed))
    assert (report.code, report.place) == ("verify.certificate-missing", "ds:Signature[1]/ds:KeyInfo")
    with_odd = judged(shown(signed, PKI.other_person.der))
    assert with_odd.code == "verify.signing-certificate-mismatch"
    unreadable = judged(re.sub(b"(<ds:X509Certificate>)[^<]*", rb"\1AAAA", signed))
    assert (unreadable.code, unreadable.place) == (
        "verify.certificate-unreadable",
        "ds:Signature[1]/ds:X509Certificate",
    )


def in_signed_key_info(*ders: bytes, by: Credential = PKI.person) -> bytes:
    """Signed by the person, who signs KeyInfo with these certificates in it."""
    held = "".join(f"<ds:X509Certificate>{b64encode(it).decode()}</ds:X509Certificate>" for it in ders)

    def put(text: str) -> str:
        return re.sub("<ds:X509Data>.*</ds:X509Data>", f"<ds:X509Data>{held}</ds:X509Data>", text)

    return sign(FORM, by, AT, binding="key-info", rewrite=put)


def test_a_key_of_a_kind_that_is_not_taken_fits_nothing() -> None:
    on_a_curve = PKI.elliptic_person
    assert judged(in_signed_key_info(odd(), on_a_curve.der, by=on_a_curve)).code == ""


def twin() -> bytes:
    """Another certificate of the person's key."""
    own = PKI.person
    return PKI.qualified_ca.issue(own.certificate.subject, own.key, not_before=AT - DAY, not_after=AT + DAY).der


@pytest.mark.parametrize(
    "ders",
    [
        (PKI.person.der,),
        (PKI.person.der, PKI.qualified_ca.credential.der),
        (PKI.qualified_ca.credential.der, PKI.other_person.der, PKI.person.der),
        (PKI.person.der, odd(), PKI.person.der),
    ],
)
def test_of_a_signed_key_info_the_certificate_whose_key_fits_is_bound(ders: tuple[bytes, ...]) -> None:
    report = judged(in_signed_key_info(*ders))
    assert (report.code, report.level) == ("", Level.QUALIFIED)
    assert report.signatures[0].certificate
    assert report.signatures[0].certificate.sha256 == PERSON


@pytest.mark.parametrize(
    ("ders", "facts"),
    [
        ((PKI.qualified_ca.credential.der, PKI.other_person.der), {"count": "2", "fitting": "0"}),
        ((PKI.person.der, PKI.qualified_ca.credential.der, twin()), {"count": "3", "fitting": "2"}),
    ],
)
def test_if_not_exactly_one_of_several_fits_a_signed_key_info_binds_none(
    ders: tuple[bytes, ...], facts: dict[str, str]
) -> None:
    report = judged(in_signed_key_info(*ders))
    assert (report.code, report.place, report.facts) == (
        "verify.signing-certificate-ambiguous",
        "ds:Signature[1]/ds:KeyInfo",
        facts,
    )
    assert (report.indication, report.signatures[0].certificate) == (Indication.INDETERMINATE, None)


def test_the_one_certificate_of_a_signed_key_info_is_held_to_whether_its_key_fits_or_not() -> None:
    report = judged(in_signed_key_info(PKI.other_person.der))
    assert (report.code, report.place) == (
        "verify.signature-value-mismatch",
        "ds:Signature[1]/ds:SignatureValue",
    )


@pytest.mark.parametrize("certificates", ["own", "chain"])
def test_a_key_info_that_is_not_signed_binds_none(certificates: str) -> None:
    report = judged(sign(FORM, PKI.person, AT, binding="none", certificates=certificates))
    assert (report.code, report.place) == (
        "verify.signing-certificate-missing",
        "ds:Signature[1]/xades:SigningCertificate",
    )


def test_a_key_info_that_was_changed_binds_none() -> None:
    document = in_signed_key_info(PKI.person.der).replace(
        b"</ds:X509Data>", b"<ds:X509SKI>AAAA</ds:X509SKI></ds:X509Data>"
    )
    (signature,) = judged(document).signatures
    assert (signature.code, signature.certificate) == ("verify.digest-mismatch", None)
