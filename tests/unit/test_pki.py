"""The test PKI looks like what offices meet, and says so in its certificates."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID, NameOID

from adapters.testkit.pki import JAN, ORGANISATION_NIP, ZOFIA, Pki

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PKI = Pki(at=NOW)


def subject(credential, oid):
    found = credential.certificate.subject.get_attributes_for_oid(oid)
    return found[0].value if found else None


def test_a_person_is_named_in_the_certificate_and_may_only_commit():
    assert subject(PKI.person, NameOID.SERIAL_NUMBER) == f"PNOPL-{JAN.pesel}"
    assert subject(PKI.person, NameOID.GIVEN_NAME) == JAN.given
    assert subject(PKI.person, NameOID.SURNAME) == JAN.family
    usage = PKI.person.certificate.extensions.get_extension_for_oid(ExtensionOID.KEY_USAGE).value
    assert usage.content_commitment
    assert not usage.digital_signature


def test_an_organisation_is_named_by_its_nip_and_has_no_surname():
    assert subject(PKI.organisation, NameOID.ORGANIZATION_IDENTIFIER) == f"VATPL-{ORGANISATION_NIP}"
    assert subject(PKI.organisation, NameOID.SURNAME) is None


@pytest.mark.parametrize("person", [JAN, ZOFIA])
def test_the_persons_numbers_have_right_check_digits(person):
    weighted = sum(int(d) * w for d, w in zip(person.pesel, (1, 3, 7, 9) * 3, strict=False)) - 7 * int(person.pesel[10])
    assert (10 - weighted % 10) % 10 == int(person.pesel[10])
    assert person.pesel.startswith(person.born.strftime("%y%m%d"))


@pytest.mark.parametrize(
    ("name", "authority"),
    [
        ("person", "qualified_ca"),
        ("organisation", "qualified_ca"),
        ("expired", "qualified_ca"),
        ("platform", "platform_ca"),
        ("local_person", "local_ca"),
        ("seal", "seal_ca"),
        ("next_seal", "seal_ca"),
        ("stranger", "untrusted_ca"),
    ],
)
def test_each_certificate_was_issued_by_its_own_authority(name, authority):
    credential, above = getattr(PKI, name), getattr(PKI, authority).credential.certificate
    credential.certificate.verify_directly_issued_by(above)
    assert credential.chain == (above,)


def test_expired_and_not_yet_valid_are_exact_by_the_callers_clock():
    assert PKI.expired.certificate.not_valid_after_utc == NOW - timedelta(days=1)
    assert PKI.not_yet_valid.certificate.not_valid_before_utc == NOW + timedelta(days=1)
    assert PKI.person.certificate.not_valid_before_utc < NOW < PKI.person.certificate.not_valid_after_utc


def test_a_stranger_has_the_honest_persons_name_and_another_key():
    assert PKI.stranger.certificate.subject == PKI.person.certificate.subject
    assert PKI.stranger.certificate.public_key() != PKI.person.certificate.public_key()
    assert PKI.seal.certificate.public_key() != PKI.next_seal.certificate.public_key()


def test_an_intermediate_authority_can_be_made_for_longer_paths():
    above = PKI.qualified_ca
    middle = above.subordinate("Goniec Test Middle CA", NOW)
    person = PKI.personal(middle, JAN)
    assert person.chain == (middle.credential.certificate, above.credential.certificate)
    person.certificate.verify_directly_issued_by(middle.credential.certificate)


def test_written_files_load_again_and_keys_are_their_owners_alone(tmp_path):
    PKI.write(tmp_path)
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        if path.suffix == ".key" or "bundle" in path.name:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            serialization.load_pem_private_key(data, password=None)
        else:
            x509.load_pem_x509_certificate(data)
    assert {"qualified-ca.pem", "platform-ca.pem", "local-ca.pem", "seal-ca.pem", "seal.bundle.pem", "person.key"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_writing_twice_replaces_the_files(tmp_path):
    PKI.write(tmp_path)
    Pki(at=NOW + timedelta(days=1)).write(tmp_path)
    written = x509.load_pem_x509_certificate((tmp_path / "expired.pem").read_bytes())
    assert written.not_valid_after_utc == NOW
