"""What a list and a certificate say together, down to the edges: equal sets, first moments, contradictions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapters.testkit.certificates import QC_PERSON, distinguished, key, statements_of
from adapters.testkit.pki import Pki
from broker.verify.qualified import (
    Claims,
    Criteria,
    KeyPurposes,
    KeyUsage,
    Purpose,
    Qualification,
    Service,
    SubjectAttributes,
    claims,
    is_qualified,
)

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PKI = Pki(at=AT)
CERTIFICATE = PKI.person.certificate
SERVICE = Service(
    name="s", territory="PL", since=AT - 900 * DAY, until=AT + DAY, purposes=frozenset({Purpose.SIGNATURES})
)
EVERY = Criteria(combine="all", parts=())


def corrected(*qualifiers):
    return replace(SERVICE, qualifications=(Qualification(qualifiers=frozenset(qualifiers), criteria=EVERY),))


def certified(*extras):
    return PKI.qualified_ca.issue(
        distinguished(common_name="Jan Testowy"),
        key("qualified subject"),
        not_before=AT - DAY,
        not_after=AT + DAY,
        extras=extras,
    ).certificate


def test_statements_with_anything_behind_them_are_none():
    with pytest.raises(ValueError, match="trailing"):
        claims(certified(statements_of(QC_PERSON + b"\x00")))
    assert not is_qualified(certified(statements_of(QC_PERSON + b"\x00")), [SERVICE], AT)
    assert is_qualified(certified(statements_of(QC_PERSON)), [SERVICE], AT)


@pytest.mark.parametrize(
    "statements",
    [
        "302a3008060604008e4601013008060604008e4601043008060604008e460106300a060804008e4601060101",
        "300a3008060604008e460106",  # of a type, and not which
        "300c300a060604008e4601060900",
        "30020600",
        "3080",
        "",
    ],
)
def test_statements_that_no_library_reads_say_no_and_raise_nothing(statements):
    """Whatever it is that the library raises, and that may be anything."""
    assert not is_qualified(certified(statements_of(bytes.fromhex(statements))), [SERVICE], AT)


def test_a_criterion_is_met_by_exactly_what_it_names_and_by_more():
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION]
    certificate = certified((x509.ExtendedKeyUsage(purposes), False))
    dotted = [it.dotted_string for it in purposes]
    assert KeyPurposes(frozenset(dotted)).matches(certificate)
    assert KeyPurposes(frozenset(dotted[:1])).matches(certificate)
    assert not KeyPurposes(frozenset([*dotted, "1.2.3"])).matches(certificate)
    held = {it.oid.dotted_string for it in certificate.subject}
    assert SubjectAttributes(frozenset(held)).matches(certificate)
    assert SubjectAttributes(frozenset([NameOID.COMMON_NAME.dotted_string])).matches(certificate)
    assert not SubjectAttributes(frozenset([*held, "1.2.3"])).matches(certificate)


def test_a_service_counts_from_its_first_moment_until_just_before_its_last():
    second = timedelta(seconds=1)
    moments = (SERVICE.since - second, SERVICE.since, SERVICE.until - second, SERVICE.until)
    assert [SERVICE.covers(at) for at in moments] == [False, True, True, False]


def test_a_key_without_a_device_is_a_no_and_not_silence():
    """Silence would let another service, which says yes, decide alone."""
    claimed = claims(CERTIFICATE)
    assert corrected("QCNoQSCD").verdict(CERTIFICATE, claimed) is False
    assert SERVICE.verdict(CERTIFICATE, claimed) is True
    assert not is_qualified(CERTIFICATE, [SERVICE, corrected("QCNoQSCD")], AT)
    assert is_qualified(CERTIFICATE, [SERVICE], AT)


@pytest.mark.parametrize(
    ("claimed", "qualifiers", "said"),
    [
        (Claims(compliant=True, protected=True), (), True),
        (Claims(compliant=True, protected=False), (), False),
        (Claims(compliant=False, protected=True), (), False),
        (Claims(compliant=True, protected=True, purpose=Purpose.SEALS), (), None),
        (Claims(compliant=True, protected=True, purpose=None), (), False),
        (Claims(), ("QCStatement", "QCWithQSCD"), True),
        (Claims(compliant=True, protected=True, purpose=Purpose.SEALS), ("QCForESig",), True),
        (Claims(compliant=True, protected=True), ("QCForESig", "QCForESeal"), False),
        (Claims(compliant=True, protected=True), ("NotQualified",), False),
        (Claims(compliant=True, protected=True), ("QCWithSSCD", "QCNoSSCD"), False),
    ],
)
def test_a_list_corrects_what_a_certificate_claims(claimed, qualifiers, said):
    assert corrected(*qualifiers).verdict(CERTIFICATE, claimed) is said


def test_what_is_for_websites_is_no_signature_even_where_the_service_may_issue_such():
    websites = replace(SERVICE, purposes=frozenset({Purpose.WEBSITES}))
    claimed = Claims(compliant=True, protected=True, purpose=Purpose.WEBSITES)
    assert websites.verdict(CERTIFICATE, claimed) is False


def test_the_two_last_bits_of_a_usage_exist_only_beside_key_agreement():
    plain = KeyUsage((("encipher_only", False), ("decipher_only", False)))
    assert plain.matches(CERTIFICATE)
    assert not KeyUsage((("encipher_only", True),)).matches(CERTIFICATE)
