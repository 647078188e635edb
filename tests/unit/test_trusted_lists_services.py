"""What a trusted list makes of the certificates below its services (ETSI TS 119 612 §5.5, TS 119 615 §4.4)."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from pyhanko.sign.validation.qualified.eutl_parse import parse_lotl_unsafe, read_qualified_service_definitions

from adapters.testkit.certificates import QC_PERSON, distinguished, key, statements_of
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.signer import sign
from adapters.testkit.trusted_lists import (
    QTST,
    Entry,
    Lists,
    Past,
    criteria,
    issues,
    key_purposes,
    key_usage,
    policies,
    qualifies,
    subject_attributes,
)
from broker.evidence import Indication, Level
from broker.parse import Limits
from broker.parse import read as parsed
from broker.verify import Anchor, TrustSnapshot, examine
from broker.verify.trust_services import Kind
from broker.verify.trusted_list import Expected, anchors, read

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)
LISTS, PKI = Lists(at=NOW), Pki(at=NOW)
CA = PKI.qualified_ca
CERTIFICATE = CA.credential.certificate
ENTRY = Entry(certificates=(CERTIFICATE,))
POLISH = Expected(territory="PL", signers=(LISTS.national_signer.certificate,))
POLICY = "1.2.616.1.113527.2.4.1.2"
FORM = b"<letter>Good day</letter>"


def listed(*entries, **about):
    return read(LISTS.national(entries, **about), POLISH, NOW)


def level(signer, *entries, at=NOW, otherwise=Level.NONE):
    """What a document is worth that `signer` has signed, when a list with these services is all that is trusted."""
    trust = TrustSnapshot(anchors=anchors([listed(*entries)], Kind.CERTIFICATES, otherwise))
    report = examine(parsed(sign(FORM, signer, at), Limits()), trust, at)
    return report.level if report.indication is Indication.PASSED else report.code


def certified(statements=QC_PERSON, *, usage=("content_commitment",), extras=(), not_before=NOW - YEAR / 2, **subject):
    """A credential below the listed CA."""
    return CA.issue(
        distinguished(**{"common_name": "Jan Testowy", **subject}),
        key("qualified subject"),
        not_before=not_before,
        not_after=NOW + YEAR,
        usage=usage,
        extras=[*([statements_of(statements)] if statements else []), *extras],
    )


def statements(*held):
    """qcStatements of these OIDs, each with or without DER behind it."""
    body = b"".join(_der(0x30, core.ObjectIdentifier(oid).dump() + info) for oid, info in held)
    return _der(0x30, body)


def _der(tag, content):
    return bytes([tag, len(content)]) + content


def kinds(*numbers):
    oids = b"".join(core.ObjectIdentifier(f"0.4.0.1862.1.6.{it}").dump() for it in numbers)
    return "0.4.0.1862.1.6", _der(0x30, oids)


COMPLIANT, PROTECTED = ("0.4.0.1862.1.1", b""), ("0.4.0.1862.1.4", b"")
ABROAD = ("0.4.0.1862.1.7", _der(0x30, b"\x13\x02CH"))
WITH_POLICY = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier(POLICY), None)]), False
WITH_PURPOSES = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION]), False


# ── what the certificate says ──


@pytest.mark.parametrize(
    ("signer", "worth"),
    [
        (PKI.person, Level.QUALIFIED),
        (PKI.organisation, Level.QUALIFIED),
        (PKI.elliptic_person, Level.QUALIFIED),
        (certified(None), Level.NONE),
        (certified(statements(COMPLIANT, PROTECTED)), Level.QUALIFIED),
        (certified(statements(COMPLIANT, PROTECTED, kinds(1))), Level.QUALIFIED),
        (certified(statements(COMPLIANT, PROTECTED, kinds(3))), Level.NONE),
        (certified(statements(COMPLIANT, PROTECTED, kinds(1, 2))), Level.NONE),
        (certified(statements(COMPLIANT, PROTECTED, kinds(9))), Level.NONE),
        (certified(statements(COMPLIANT, kinds(1))), Level.NONE),
        (certified(statements(PROTECTED, kinds(1))), Level.NONE),
        (certified(statements(COMPLIANT, PROTECTED, ABROAD, kinds(1))), Level.NONE),
        (certified(b"\x30\x03\x02\x01"), Level.NONE),
        (certified(b"\x04\x00"), Level.NONE),
        (PKI.stranger, "verify.chain-untrusted"),
    ],
    ids=[
        "a person",
        "an organisation's seal",
        "an elliptic key",
        "no statements",
        "no type: for signatures",
        "all there",
        "for websites",
        "for two things",
        "for something unknown",
        "no qualified device",
        "not compliant",
        "qualified by another country's law",
        "statements that are cut off",
        "statements that are none",
        "below another CA",
    ],
)
def test_a_signature_is_qualified_if_the_certificate_says_so_below_a_listed_ca(signer, worth):
    assert level(signer, ENTRY) == worth


def test_what_is_not_qualified_is_worth_what_the_operator_says():
    assert level(certified(None), ENTRY, otherwise=Level.LOCAL) is Level.LOCAL


# ── what the service is ──


@pytest.mark.parametrize(
    ("entry", "person", "seal"),
    [
        (replace(ENTRY, extensions=issues("ForeSignatures")), Level.QUALIFIED, Level.NONE),
        (replace(ENTRY, extensions=issues("ForeSeals")), Level.NONE, Level.QUALIFIED),
        (replace(ENTRY, extensions=issues("ForWebSiteAuthentication")), Level.NONE, Level.NONE),
        (replace(ENTRY, extensions=()), Level.NONE, Level.NONE),
        (replace(ENTRY, status="withdrawn"), "verify.chain-untrusted", "verify.chain-untrusted"),
        (replace(ENTRY, status="recognisedatnationallevel"), "verify.chain-untrusted", "verify.chain-untrusted"),
        (replace(ENTRY, since=NOW + DAY), "verify.chain-untrusted", "verify.chain-untrusted"),
        (replace(ENTRY, since=NOW - DAY), Level.NONE, Level.NONE),
        (replace(ENTRY, kind="http://uri.etsi.org/TrstSvc/Svctype/CA/PKC"), "verify.chain-untrusted", "verify.chain-untrusted"),
        (replace(ENTRY, kind=QTST), "verify.chain-untrusted", "verify.chain-untrusted"),
        (replace(ENTRY, certificates=(PKI.person.certificate,)), "verify.chain-untrusted", "verify.chain-untrusted"),
        (replace(ENTRY, certificates=(PKI.local_ca.credential.certificate, CERTIFICATE)), Level.QUALIFIED, Level.QUALIFIED),
    ],
    ids=[
        "signatures only",
        "seals only",
        "websites only",
        "for nothing",
        "withdrawn",
        "recognised at national level",
        "granted from tomorrow on",
        "granted after the certificate was issued",
        "another type",
        "time-stamps",
        "the signer's own certificate",
        "several certificates",
    ],
)  # fmt: skip
def test_a_listed_service_counts_for_what_it_is_granted_for(entry, person, seal):
    assert (level(PKI.person, entry), level(PKI.organisation, entry)) == (person, seal)


def test_the_history_tells_for_which_times_a_service_counted():
    granted = Past(status="granted", since=NOW - 2 * YEAR, extensions=issues("ForeSignatures"))
    before = Past(status="undersupervision", since=NOW - 9 * YEAR)
    entry = replace(ENTRY, status="withdrawn", since=NOW - 10 * DAY, history=(granted, before))
    (anchor,) = anchors([listed(entry)], Kind.CERTIFICATES)
    times = {days: anchor.counts(NOW - timedelta(days=days)) for days in (0, 9, 11, 729, 731)}
    assert times == {0: False, 9: False, 11: True, 729: True, 731: False}
    assert level(PKI.person, entry) == "verify.chain-untrusted"
    assert level(PKI.person, entry, at=NOW - 11 * DAY) is Level.QUALIFIED


def test_a_service_that_was_only_renamed_stays_qualified_for_certificates_from_before():
    entry = replace(
        ENTRY,
        since=NOW - DAY,
        history=(Past(status="granted", since=NOW - 2 * YEAR, extensions=issues("ForeSignatures")),),
    )
    assert level(PKI.person, entry) is Level.QUALIFIED


def test_the_order_of_a_history_does_not_matter():
    older = Past(status="granted", since=NOW - 3 * YEAR, extensions=issues("ForeSignatures"))
    newer = Past(status="withdrawn", since=NOW - 2 * YEAR)
    spans = [
        [
            (it.since, it.until)
            for service in listed(replace(ENTRY, since=NOW - YEAR, history=order)).services
            for it in service.times
        ]
        for order in ((newer, older), (older, newer))
    ]
    assert spans[0] == spans[1] == [(NOW - YEAR, NOW + 179 * DAY), (NOW - 3 * YEAR, NOW - 2 * YEAR)]


def test_no_time_is_longer_than_the_list():
    granted = Past(status="granted", since=NOW - YEAR, extensions=issues("ForeSignatures"))
    (service,) = listed(replace(ENTRY, status="withdrawn", since=NOW + YEAR, history=(granted,))).services
    assert [it.until for it in service.times] == [NOW + 179 * DAY]


def test_nothing_counts_any_more_when_the_list_has_ended():
    found = listed(ENTRY, next_update=NOW + DAY)
    (anchor,) = anchors([found], Kind.CERTIFICATES)
    assert anchor.counts(NOW + DAY - timedelta(seconds=1))
    assert not anchor.counts(NOW + DAY)


def test_a_path_that_was_found_before_does_not_outlive_its_service():
    trust = TrustSnapshot(anchors=anchors([listed(ENTRY, next_update=NOW + DAY)], Kind.CERTIFICATES))
    document = parsed(sign(FORM, PKI.person, NOW), Limits())
    assert examine(document, trust, NOW).level is Level.QUALIFIED
    assert examine(document, trust, NOW + DAY).code == "verify.chain-untrusted"


GONE = {"status": "withdrawn", "since": NOW - DAY, "history": (Past(status="granted", since=NOW - YEAR),)}


def test_a_withdrawn_service_leads_nowhere_though_an_anchor_be_above_it():
    between = CA.subordinate("Goniec Test Issuing CA", NOW)
    gone = anchors([listed(ENTRY, Entry(certificates=(between.credential.certificate,), **GONE))], Kind.CERTIFICATES)
    document = parsed(sign(FORM, PKI.personal(between, JAN), NOW, certificates="chain"), Limits())
    assert examine(document, TrustSnapshot(anchors=gone[:1]), NOW).level is Level.QUALIFIED
    assert examine(document, TrustSnapshot(anchors=gone), NOW).code == "verify.chain-untrusted"


@pytest.mark.parametrize("status", ["withdrawn", "recognisedatnationallevel", "undersupervision"])
def test_a_service_that_was_never_granted_leads_nowhere_though_a_granted_one_be_above_it(status):
    between = CA.subordinate("Goniec Test Issuing CA", NOW)
    certificate = between.credential.certificate
    document = parsed(sign(FORM, PKI.personal(between, JAN), NOW, certificates="chain"), Limits())
    never = replace(ENTRY, certificates=(certificate,), status=status)
    for entries, other in (((ENTRY, never), ()), ((never, ENTRY), ()), ((ENTRY,), (never,))):
        lists = [listed(*it) for it in (entries, other) if it]
        trust = TrustSnapshot(anchors=anchors(lists, Kind.CERTIFICATES, Level.LOCAL))
        assert examine(document, trust, NOW).code == "verify.chain-untrusted"
    own = Anchor(certificate=CERTIFICATE, name="own", level=Level.LOCAL)
    trust = TrustSnapshot(anchors=(own, *anchors([listed(never)], Kind.CERTIFICATES)))
    assert examine(document, trust, NOW).level is Level.LOCAL
    granted = replace(ENTRY, certificates=(certificate,))
    assert len(anchors([listed(never, granted)], Kind.CERTIFICATES)) == 1
    trust = TrustSnapshot(anchors=anchors([listed(never, granted)], Kind.CERTIFICATES))
    assert examine(document, trust, NOW).level is Level.QUALIFIED


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), NOW, datetime.max.replace(tzinfo=UTC)])
def test_a_service_that_was_never_granted_counts_at_no_moment_and_is_nobodys(at):
    (never,) = anchors([listed(replace(ENTRY, status="withdrawn"))], Kind.CERTIFICATES, Level.LOCAL)
    assert not never.counts(at)
    assert never.report(at).services == ()


def test_a_withdrawn_certificate_does_not_hide_another_one_of_the_same_authority():
    usage, subject = ("key_cert_sign", "crl_sign"), CERTIFICATE.subject
    renewed = CA.issue(subject, CA.credential.key, not_before=NOW - DAY, not_after=NOW + YEAR, usage=usage, ca=True)
    own = Anchor(certificate=renewed.certificate, name="own", level=Level.LOCAL)
    gone = anchors([listed(replace(ENTRY, **GONE))], Kind.CERTIFICATES)
    document = parsed(sign(FORM, PKI.person, NOW), Limits())
    assert examine(document, TrustSnapshot(anchors=(*gone, own)), NOW).level is Level.LOCAL


def test_time_stamping_authorities_are_anchors_of_their_own():
    unit = PKI.local_person.certificate
    lists = [listed(ENTRY, Entry(certificates=(unit,), kind=QTST, name="Clock", extensions=()))]
    assert [(it.name, it.certificate) for it in anchors(lists, Kind.TIME_STAMPS)] == [("Clock", unit)]
    assert [it.certificate for it in anchors(lists, Kind.CERTIFICATES)] == [CERTIFICATE]


# ── what the list says about single certificates ──

ALWAYS = criteria(policies("1.1"), combine="none")
CASES = [
    (qualifies(ALWAYS, "NotQualified"), certified(), Level.NONE),
    (qualifies(ALWAYS, "QCForLegalPerson"), certified(), Level.NONE),
    (qualifies(ALWAYS, "QCOfTheFuture"), certified(), Level.NONE),
    (qualifies(ALWAYS, "QCForWSA"), certified(), Level.NONE),
    (qualifies(ALWAYS, "QCForESig", "QCForESeal"), certified(), Level.NONE),
    (qualifies(ALWAYS, "QCForESeal"), certified(), Level.QUALIFIED),
    (qualifies(ALWAYS, "QCNoQSCD"), certified(), Level.NONE),
    (qualifies(ALWAYS, "QCNoQSCD", "QCWithQSCD"), certified(), Level.NONE),
    (qualifies(ALWAYS, "QCQSCDStatusAsInCert"), certified(), Level.QUALIFIED),
    (qualifies(ALWAYS, "QCQSCDStatusAsInCert"), certified(statements(COMPLIANT)), Level.NONE),
    (qualifies(ALWAYS, "QCWithQSCD"), certified(statements(COMPLIANT)), Level.QUALIFIED),
    (qualifies(ALWAYS, "QCQSCDManagedOnBehalf"), certified(statements(COMPLIANT)), Level.QUALIFIED),
    (qualifies(ALWAYS, "QCWithQSCD"), certified(None), Level.NONE),
    (qualifies(ALWAYS, "QCStatement", "QCWithQSCD"), certified(None), Level.QUALIFIED),
    (qualifies(ALWAYS, "QCStatement", "QCWithQSCD", "NotQualified"), certified(None), Level.NONE),
    (qualifies(ALWAYS, "QCForESig"), certified(statements(COMPLIANT, PROTECTED, kinds(3))), Level.QUALIFIED),
    (qualifies(criteria(policies(POLICY)), "NotQualified"), certified(), Level.QUALIFIED),
    (qualifies(criteria(policies(POLICY)), "NotQualified"), certified(extras=[WITH_POLICY]), Level.NONE),
    (qualifies(criteria(policies(POLICY, "1.2.3")), "NotQualified"), certified(extras=[WITH_POLICY]), Level.QUALIFIED),
    (qualifies(criteria(policies("urn:oid:" + POLICY)), "NotQualified"), certified(extras=[WITH_POLICY]), Level.NONE),
    (qualifies(criteria(key_usage(nonRepudiation=True)), "NotQualified"), certified(), Level.NONE),
    (qualifies(criteria(key_usage(nonRepudiation=True, digitalSignature=True)), "NotQualified"), certified(), Level.QUALIFIED),
    (qualifies(criteria(key_usage(nonRepudiation=True, digitalSignature=False)), "NotQualified"), certified(), Level.NONE),
    (qualifies(criteria(key_usage(digitalSignature=False)), "NotQualified"), certified(usage=("digital_signature",)), Level.QUALIFIED),
    (qualifies(criteria(key_usage(encipherOnly=True)), "NotQualified"), certified(), Level.QUALIFIED),
    (qualifies(criteria(key_usage(encipherOnly=False)), "NotQualified"), certified(), Level.NONE),
    (qualifies(criteria(key_usage(nonRepudiation=False)), "NotQualified"), certified(usage=()), Level.QUALIFIED),
    (qualifies(criteria(key_purposes("1.3.6.1.5.5.7.3.2")), "NotQualified"), certified(extras=[WITH_PURPOSES]), Level.NONE),
    (qualifies(criteria(key_purposes("1.3.6.1.5.5.7.3.2")), "NotQualified"), certified(), Level.QUALIFIED),
    (qualifies(criteria(subject_attributes("2.5.4.97")), "NotQualified"), certified(), Level.QUALIFIED),
    (qualifies(criteria(subject_attributes("2.5.4.97")), "NotQualified"), certified(vat="5250000009"), Level.NONE),
    (qualifies(criteria(policies(POLICY), policies("1.2.3"), combine="atLeastOne"), "NotQualified"), certified(extras=[WITH_POLICY]), Level.NONE),
    (qualifies(criteria(policies(POLICY), combine="none"), "NotQualified"), certified(extras=[WITH_POLICY]), Level.QUALIFIED),
    (qualifies(criteria(criteria(policies(POLICY), combine="atLeastOne"), combine="none"), "NotQualified"), certified(), Level.NONE),
]  # fmt: skip


@pytest.mark.parametrize(("qualification", "signer", "worth"), CASES)
def test_the_list_corrects_what_a_certificate_says(qualification, signer, worth):
    assert level(signer, replace(ENTRY, extensions=(*ENTRY.extensions, qualification))) == worth


@pytest.mark.parametrize("order", [1, -1])
def test_every_qualification_counts_wherever_it_stands(order):
    held = (qualifies(ALWAYS, "NotQualified"), qualifies(ALWAYS, "QCWithQSCD"))[::order]
    assert level(PKI.person, replace(ENTRY, extensions=(*ENTRY.extensions, *held))) is Level.NONE


def test_services_that_contradict_each_other_say_no():
    other = replace(ENTRY, name="again", extensions=(*ENTRY.extensions, qualifies(ALWAYS, "NotQualified")))
    assert level(PKI.person, ENTRY, replace(ENTRY, name="again")) is Level.QUALIFIED
    assert level(PKI.person, ENTRY, other) is level(PKI.person, other, ENTRY) is Level.NONE


def test_a_service_for_seals_has_no_say_in_signatures():
    seals = replace(ENTRY, extensions=(*issues("ForeSeals"), qualifies(ALWAYS, "NotQualified")))
    signatures = replace(ENTRY, extensions=issues("ForeSignatures"))
    assert level(PKI.person, seals, signatures) is Level.QUALIFIED
    assert level(PKI.organisation, seals, signatures) is Level.NONE


DEEP = policies(POLICY)
for _ in range(10):
    DEEP = criteria(DEEP)


@pytest.mark.parametrize(
    "extension",
    [
        ("<sie:Unknown/>", True),
        qualifies(criteria(), "QCWithQSCD"),
        qualifies(criteria("<sie:Weather/>"), "QCWithQSCD"),
        qualifies(criteria("<sie:otherCriteriaList><tslx:Weather/></sie:otherCriteriaList>"), "QCWithQSCD"),
        qualifies(criteria("<sie:otherCriteriaList/>"), "QCWithQSCD"),
        qualifies(criteria(policies("not an OID")), "QCWithQSCD"),
        qualifies(criteria(policies()), "QCWithQSCD"),
        qualifies(criteria('<sie:KeyUsage><sie:KeyUsageBit name="fly">true</sie:KeyUsageBit></sie:KeyUsage>'), "QCWithQSCD"),
        qualifies(criteria('<sie:KeyUsage><sie:KeyUsageBit name="crlSign">maybe</sie:KeyUsageBit></sie:KeyUsage>'), "QCWithQSCD"),
        qualifies(criteria(policies(POLICY), combine="most"), "QCWithQSCD"),
        qualifies(DEEP, "QCWithQSCD"),
        qualifies(ALWAYS + ALWAYS, "QCWithQSCD"),
        qualifies("", "QCWithQSCD"),
        qualifies(ALWAYS),
        qualifies(ALWAYS + "<sie:Weather/>", "QCWithQSCD"),
    ],
)  # fmt: skip
def test_a_service_that_is_not_understood_whole_is_left_out_and_named(extension):
    found = listed(
        replace(ENTRY, name="Strange CA", extensions=(*ENTRY.extensions, extension)), replace(ENTRY, name="Plain CA")
    )
    assert [it.name for it in found.services] == ["Plain CA"]
    (left_out,) = found.left_out
    assert left_out.startswith("Strange CA: ")


@pytest.mark.parametrize(
    "extension",
    [
        ("<sie:Unknown/>", False),
        ("<ExpiredCertsRevocationInfo>2016-01-01T00:00:00Z</ExpiredCertsRevocationInfo>", True),
        ("<tslx:TakenOverBy/>", True),
        ("<sie:Qualifications/>", True),
    ],
)
def test_an_extension_that_changes_nothing_changes_nothing(extension):
    assert level(PKI.person, replace(ENTRY, extensions=(*ENTRY.extensions, extension))) is Level.QUALIFIED


def test_a_certificate_that_cannot_be_read_stops_no_other():
    def broken(text):
        return text.replace(
            "<DigitalId>\n<X509Certificate>",
            "<DigitalId><X509Certificate>MAMCAQA=</X509Certificate></DigitalId><DigitalId>\n<X509Certificate>",
            2,
        )

    found = listed(ENTRY, rewrite=broken)
    assert [it.certificates for it in found.services] == [(CERTIFICATE,)]


def test_a_certificate_listed_twice_is_one_anchor():
    assert len(anchors([listed(ENTRY, replace(ENTRY, name="again"))], Kind.CERTIFICATES)) == 1


# ── a second reading ──


@pytest.mark.parametrize("version", [5, 6])
def test_pyhanko_reads_the_same_services_and_pointers(version):
    entries = (
        ENTRY,
        replace(ENTRY, name="Seals", certificates=(PKI.local_ca.credential.certificate,), extensions=issues("ForeSeals")),
        replace(ENTRY, name="Gone", status="withdrawn", since=NOW - DAY, history=(Past(status="granted", since=NOW - YEAR),)),
        replace(ENTRY, name="Never", status="withdrawn"),
        Entry(certificates=(PKI.platform_ca.credential.certificate,), kind=QTST, name="Clock", extensions=()),
    )  # fmt: skip
    data = LISTS.national(entries, version=version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = list(read_qualified_service_definitions(data.decode()))
        lotl = parse_lotl_unsafe(LISTS.lotl(version=version).decode())
    ours = read(data, POLISH, NOW)
    assert {
        (it.base_info.service_type, it.base_info.service_name, it.base_info.valid_from, tuple(c.dump() for c in it.base_info.provider_certs))
        for it in theirs
        if it.base_info.valid_until is None
    } == {
        (it.kind.value, it.name, time.since, tuple(c.public_bytes(Encoding.DER) for c in it.certificates))
        for it in ours.services
        for time in it.times
        if time.until == ours.end
    }  # fmt: skip
    assert {(it.base_info.service_name, it.base_info.valid_from, it.base_info.valid_until) for it in theirs if it.base_info.valid_until} == {
        (it.name, time.since, time.until) for it in ours.services for time in it.times if time.until != ours.end
    }  # fmt: skip
    (reference,) = lotl.references
    pointer = read(LISTS.lotl(), Expected(territory="EU", signers=(LISTS.lotl_signer.certificate,)), NOW).pointers["PL"]
    assert (reference.territory, (reference.location_uri,)) == (pointer.territory, pointer.locations)
    assert [it.dump() for it in reference.tlso_certs] == [it.public_bytes(Encoding.DER) for it in pointer.signers]
