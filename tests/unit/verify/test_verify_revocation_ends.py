"""Certificates that have ended, or live too shortly to be revoked; and answers that are not understood or not of one mind."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from asn1crypto import core
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from adapters.testkit.certificates import Authority, Credential
from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from broker.evidence import Level, RevocationReport
from broker.parse import Limits, read
from broker.verify import examine, revocation_list
from broker.verify.certificate import load
from broker.verify.revocation import Evidence, Settled, Status, due, judge
from broker.verify.revocation_case import _of_all
from broker.verify.settlement import Brought, Raw, settle
from broker.verify.short_term import is_short
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST, anchor
from tests.revocation import CA, DAY, HOUR, PERSON, REQUIRE, ROOT, a_list, an_answer, path_of, serial

SECOND = timedelta(seconds=1)
ENDED = PKI.personal(CA, JAN, not_before=AT - 90 * DAY, not_after=AT - DAY)
PATH = path_of(ENDED, at=AT - 10 * DAY)
END = PATH.certificates[0].report.not_after
UNKNOWN = {"extn_id": "1.2.3.4.5", "critical": True, "extn_value": core.ParsableOctetString(b"\x05\x00")}


def keeps(since: datetime, *, critical: bool = False) -> dict[str, object]:
    """expiredCertsOnCRL."""
    value = core.ParsableOctetString(core.GeneralizedTime(since).dump())
    return {"extn_id": "2.5.29.60", "critical": critical, "extn_value": value}


def cut_off(at: datetime, *, critical: bool = False) -> dict[str, object]:
    value = core.ParsableOctetString(core.GeneralizedTime(at).dump())
    return {"extn_id": "archive_cutoff", "critical": critical, "extn_value": value}


def told(*, crls: tuple[bytes, ...] = (), ocsps: tuple[bytes, ...] = (), path=PATH) -> str:
    found = settle(
        path.chain,
        crls=[*(Raw(octets=it) for it in crls), Raw(octets=a_list(ROOT.credential))],
        ocsps=[Raw(octets=it) for it in ocsps],
        at=AT,
        freshness=DAY,
    )
    signer, _ = judge(path, Evidence().adding(found), REQUIRE, AT - 10 * DAY, entry=AT)
    return signer.code or signer.status


# ── evidence from after a certificate's end ──


@pytest.mark.parametrize(
    ("extensions", "says"),
    [
        ([], "verify.revocation-unobtainable"),
        ([keeps(AT - 3000 * DAY)], "good"),
        ([keeps(END)], "good"),
        ([keeps(END + SECOND)], "verify.revocation-unobtainable"),
    ],
)
def test_a_list_that_keeps_those_who_have_ended_tells_of_them(extensions, says):
    """ISO/IEC 9594-8: of those that ended at the moment that it names, or later."""
    assert told(crls=(a_list(CA.credential, extensions=extensions),)) == says
    gone = {serial(ENDED): (AT - 20 * DAY, "key_compromise")}
    assert told(crls=(a_list(CA.credential, gone, extensions=extensions),)) == "verify.revoked"


@pytest.mark.parametrize(
    ("extensions", "says"),
    [
        ([], "verify.revocation-unobtainable"),
        ([cut_off(AT - 3000 * DAY)], "good"),
        ([cut_off(AT - 3000 * DAY, critical=True)], "good"),
        ([cut_off(END)], "good"),
        ([cut_off(END + SECOND)], "verify.revocation-unobtainable"),
    ],
)
def test_an_answer_that_reaches_back_before_the_end_tells_of_who_has_ended(extensions, says):
    """RFC 6960 §4.4.4."""
    assert told(ocsps=(an_answer(ENDED, CA.credential, extensions=extensions),)) == says


def test_of_a_part_of_all_that_is_issued_the_same_holds_and_of_its_changes_too():
    url = "http://example.test/1.crl"
    names = [asn1.GeneralName(name="uniform_resource_identifier", value=url)]
    point = asn1.DistributionPointName(name="full_name", value=names)
    scope = {"extn_id": "issuing_distribution_point", "critical": True, "extn_value": {"distribution_point": point}}
    freshest = {"extn_id": "freshest_crl", "critical": False, "extn_value": [{"distribution_point": point}]}
    since = {"extn_id": "delta_crl_indicator", "critical": True, "extn_value": 1}
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)]
    )
    ended = PKI.personal(CA, JAN, not_before=AT - 90 * DAY, not_after=AT - DAY, extras=[(points, False)])
    path = path_of(ended, at=AT - 10 * DAY)
    for more, says in (([], "verify.revocation-unobtainable"), ([keeps(END)], "good")):
        assert told(crls=(a_list(CA.credential, extensions=[scope, *more]),), path=path) == says
    for one, other, says in (
        ([keeps(END - DAY)], [keeps(END)], "good"),
        ([keeps(END)], [keeps(END + SECOND)], "verify.revocation-unobtainable"),
        ([keeps(END + SECOND)], [keeps(END)], "verify.revocation-unobtainable"),
        ([keeps(END)], [], "verify.revocation-unobtainable"),
    ):
        whole = a_list(CA.credential, begin=AT - 2 * HOUR, extensions=[scope, freshest, *one])
        changes = a_list(CA.credential, number=2, extensions=[scope, since, *other])
        assert told(crls=(whole, changes), path=path) == says


def test_of_all_that_tells_of_a_certificate_the_latest_moment_counts():
    assert _of_all([AT, AT - DAY]) == AT
    assert _of_all([AT, None]) is None


def _list_with(value: bytes) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.credential.certificate.subject)
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.60"), value)
    builder = builder.last_update(AT - HOUR).next_update(AT + DAY).add_extension(extension, critical=False)
    return builder.sign(CA.credential.key, hashes.SHA256())


@pytest.mark.parametrize(
    ("value", "since"),
    [
        (core.GeneralizedTime(AT).dump(), AT),
        (b"\x18\x0e20260101120000", None),  # of which zone?
        (core.GeneralizedTime(AT).dump() + b"\x00", None),
        (core.UTCTime(AT).dump(), None),
        (core.Null().dump(), None),
        (b"\x18\x0f2026x101120000Z", None),
        (b"", None),
    ],
)
def test_a_moment_that_cannot_be_read_keeps_nobody(value, since):
    assert revocation_list.remembers(_list_with(value)) == since


def test_a_list_that_cannot_be_read_keeps_nobody():
    twice = revocation_list.load(a_list(CA.credential, extensions=[keeps(END), keeps(END)]))
    assert twice is not None
    assert revocation_list.remembers(twice) is None
    plain = revocation_list.load(a_list(CA.credential))
    assert plain is not None
    assert revocation_list.remembers(plain) is None


def test_a_stamped_document_passes_by_evidence_from_after_the_end_of_its_signers_certificate():
    stamper = Authority.root("Goniec Test TSA", AT)
    trust = replace(TRUST, timestamp_anchors=(anchor(stamper, Level.NONE),), revocation="require")
    document = stamp(sign(FORM, PKI.expired, AT - 10 * DAY, QUALIFIED), Tsa.of(stamper, AT - 10 * DAY).token)
    for extensions, code in (([keeps(AT - 3000 * DAY)], ""), ([], "verify.revocation-unobtainable")):
        crls = [Raw(octets=a_list(ROOT.credential, extensions=extensions)), Raw(octets=a_list(stamper.credential))]
        brought = Brought(crls=crls, ocsps=(), moments=(AT,), freshness=trust.freshness)
        for _ in range(3):
            report = examine(read(document, Limits()), trust, AT, known=brought.known)
        assert report.code == code


# ── certificates that live too shortly to be revoked ──

NO_REVOCATION = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.56"), b"\x05\x00"), False)
SHORT_TERM = (x509.UnrecognizedExtension(x509.ObjectIdentifier("0.4.0.194121.2.1"), b"\x05\x00"), False)
_URL = x509.UniformResourceIdentifier("http://example.test/x")


def _access(method: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.AuthorityInformationAccess([x509.AccessDescription(method, _URL)]), False


def _lists(kind) -> tuple[x509.ExtensionType, bool]:
    return kind([x509.DistributionPoint([_URL], None, None, None)]), False


def short(*extras, begin: datetime = AT - HOUR, life: timedelta = 36 * HOUR) -> Credential:
    return PKI.personal(CA, JAN, not_before=begin, not_after=begin + life, extras=list(extras))


@pytest.mark.parametrize(
    ("credential", "is_one"),
    [
        (lambda: short(NO_REVOCATION), True),
        (lambda: short(SHORT_TERM), True),
        (lambda: short(SHORT_TERM, NO_REVOCATION), True),
        (lambda: short(NO_REVOCATION, _access(AuthorityInformationAccessOID.CA_ISSUERS)), True),
        (short, False),
        (lambda: short(NO_REVOCATION, life=36 * HOUR + SECOND), False),
        (lambda: short(NO_REVOCATION, _access(AuthorityInformationAccessOID.OCSP)), False),
        (lambda: short(NO_REVOCATION, _lists(x509.CRLDistributionPoints)), False),
        (lambda: short(NO_REVOCATION, _lists(x509.FreshestCRL)), False),
    ],
)
def test_a_certificate_that_says_that_it_will_not_be_revoked_needs_no_evidence_if_it_lives_as_shortly(
    credential, is_one
):
    """RFC 9608; ETSI EN 319 412-1.  No longer than evidence may be old, and only if it names nobody to be asked."""
    own = credential()
    assert is_short(load(own.der), REQUIRE.freshness) is is_one
    path = path_of(own)
    signer, issuer = judge(path, Evidence(), REQUIRE, AT)
    assert issuer.code == "verify.revocation-unknown"
    if is_one:
        assert signer == RevocationReport(
            subject=own.certificate.subject.rfc4514_string(),
            certificate=path.certificates[0].report.sha256,
            status="good",
            source="certificate",
            this_update=AT - HOUR,
            until=own.certificate.not_valid_after_utc,
        )
        assert due([signer], AT + 35 * HOUR) is False
        # A stamp from within its life shows what it shows, however late the document comes.
        assert judge(path, Evidence(), REQUIRE, AT, entry=AT + 90 * DAY)[0] == signer
    else:
        assert signer.code == "verify.revocation-unknown"
        assert due([signer], AT) is True


def test_an_authority_must_prove_itself_whatever_it_says_and_so_must_what_cannot_be_read():
    usage, life = ("key_cert_sign", "crl_sign"), {"not_before": AT - HOUR, "not_after": AT + HOUR}
    subject, own = CA.credential.certificate.subject, CA.credential.key
    authority = ROOT.issue(subject, own, ca=True, usage=usage, extras=[NO_REVOCATION], **life)
    assert not is_short(load(authority.der), DAY)
    # Above the signer it is not even asked whether it says so.
    below = Authority(credential=ROOT.issue(subject, own, ca=True, usage=usage, extras=[NO_REVOCATION], **life))
    person = below.issue(PERSON.certificate.subject, PERSON.key, usage=("content_commitment",), **life)
    _, issuer = judge(path_of(replace(person, chain=(below.credential.certificate,))), Evidence(), REQUIRE, AT)
    assert issuer.code == "verify.revocation-unknown"
    odd = asn1.Certificate.load(short(NO_REVOCATION).der)
    odd["tbs_certificate"]["extensions"].append(odd["tbs_certificate"]["extensions"][0])
    certificate = replace(load(short(NO_REVOCATION).der), x509=x509.load_der_x509_certificate(odd.dump(force=True)))
    assert not is_short(certificate, DAY * 2)


def test_who_says_that_a_short_lived_certificate_was_revoked_is_believed():
    own = short(NO_REVOCATION)
    path = path_of(own)
    number = path.certificates[0].report.sha256
    gone = Status(
        certificate=number,
        good=False,
        source="ocsp",
        produced_at=AT,
        this_update=AT,
        revoked_at=AT,
        reason="keyCompromise",
    )
    for status, code in (
        (gone, "verify.revoked"),
        (replace(gone, reason="certificateHold"), "verify.on-hold"),
        (replace(gone, good=True, revoked_at=None, reason="", this_update=AT - 9 * DAY), ""),
    ):
        assert judge(path, Evidence().adding(Settled(statuses=(status,))), REQUIRE, AT)[0].code == code


# ── answers that are not of one mind, or not understood ──


def status_of(kind: str, since: datetime = AT - DAY) -> dict[str, object]:
    value = {"revocation_time": since} if kind == "revoked" else core.Null()
    return {"cert_status": asn1_ocsp.CertStatus(name=kind, value=value)}


SIGNER = path_of(PERSON).certificates[0].report.sha256


def answered(**about) -> Settled:
    octets = an_answer(PERSON, CA.credential, **about)
    return settle(path_of(PERSON).chain, ocsps=[Raw(octets=octets)], at=AT, freshness=DAY)


@pytest.mark.parametrize(
    ("first", "second"),
    [("good", "revoked"), ("revoked", "good"), ("good", "unknown"), ("unknown", "good"), ("revoked", "unknown")],
)
def test_an_answer_that_contradicts_itself_is_none(first, second):
    assert answered(status=first, also=[status_of(second)]) == Settled()
    assert answered(status=second, also=[status_of(first)]) == Settled()


def test_an_answer_may_say_the_same_twice_and_the_older_date_counts():
    twice = {"this_update": AT - 2 * HOUR, "next_update": AT + HOUR}
    for kind in ("good", "revoked"):
        (told_,) = answered(status=kind, also=[twice]).statuses
        assert (told_.good, told_.this_update, told_.next_update) == (kind == "good", AT - 2 * HOUR, AT + HOUR)
    assert answered(status="unknown", also=[twice]).unknown == {SIGNER}
    one, other = {"single_extensions": [cut_off(END)]}, {"single_extensions": [cut_off(END + DAY)]}
    (told_,) = answered(also=[other], extensions=one["single_extensions"]).statuses
    assert told_.remembers == END + DAY
    (told_,) = answered(also=[{}], extensions=one["single_extensions"]).statuses
    assert told_.remembers == END
    (told_,) = answered(also=[one]).statuses
    assert told_.remembers is None


def test_what_an_answer_says_of_another_certificate_is_no_contradiction():
    cert_id = asn1_ocsp.OCSPResponse.load(an_answer(PKI.personal(CA, JAN), CA.credential)).basic_ocsp_response[
        "tbs_response_data"
    ]["responses"][0]["cert_id"]
    (told_,) = answered(also=[{"cert_id": cert_id, **status_of("revoked"), "single_extensions": [UNKNOWN]}]).statuses
    assert (told_.certificate, told_.good) == (SIGNER, True)
    assert answered(status="unknown", also=[{"cert_id": cert_id, **status_of("revoked")}]).unknown == {SIGNER}


def test_what_an_answer_says_of_the_same_number_of_another_issuer_is_no_contradiction():
    def named(issuer: Credential, **about) -> dict[str, object]:
        octets = an_answer(PERSON, issuer, **about)
        (single,) = asn1_ocsp.OCSPResponse.load(octets).basic_ocsp_response["tbs_response_data"]["responses"]
        return {"cert_id": single["cert_id"]}

    foreign = named(ROOT.credential)
    (told_,) = answered(also=[{**foreign, **status_of("revoked"), "this_update": AT - 2 * HOUR}]).statuses
    assert (told_.good, told_.this_update) == (True, AT - HOUR)
    # Nothing in it is about the certificate, whoever has signed it: that is no "unknown" either.
    for by in (CA.credential, PKI.untrusted_ca.credential):
        octets = an_answer(PERSON, ROOT.credential, status="unknown", by=by, also=[named(CA.credential, about=7)])
        assert settle(path_of(PERSON).chain, ocsps=[Raw(octets=octets)], at=AT, freshness=DAY) == Settled()


def test_what_must_be_understood_and_is_not_makes_an_answer_none():
    """RFC 6960 §4.4."""
    plain = {**UNKNOWN, "critical": False}
    for kind in ("good", "revoked"):
        assert answered(status=kind, extensions=[UNKNOWN]) == Settled()
        assert answered(status=kind, of_all=[UNKNOWN]) == Settled()
        assert len(answered(status=kind, extensions=[plain], of_all=[plain]).statuses) == 1
    odd = {"extn_id": "archive_cutoff", "critical": False, "extn_value": core.ParsableOctetString(b"\x18\x03abc")}
    assert answered(extensions=[odd]) == Settled()
    # One that is none takes nothing from those beside it.
    good = an_answer(PERSON, CA.credential)
    raws = [Raw(octets=an_answer(PERSON, CA.credential, extensions=[odd])), Raw(octets=good, url="second")]
    assert [it.url for it in settle(path_of(PERSON).chain, ocsps=raws, at=AT, freshness=DAY).statuses] == ["second"]


def test_that_nobody_knows_a_certificate_is_told_by_who_may_speak_of_it_and_only_if_nobody_else_tells():
    assert answered(status="unknown") == Settled(unknown=frozenset({SIGNER}))
    assert answered(status="unknown", by=PKI.untrusted_ca.credential) == Settled()
    assert answered(status="unknown", begin=AT - 3 * DAY, end=AT - 2 * DAY) == Settled()
    assert answered(status="unknown", about=serial(PERSON) + 1) == Settled()
    unknown, good = (Raw(octets=an_answer(PERSON, CA.credential, status=it)) for it in ("unknown", "good"))
    chain = path_of(PERSON).chain
    for ocsps in ((unknown, good), (good, unknown)):
        found = settle(chain, ocsps=ocsps, at=AT, freshness=DAY)
        assert ([it.good for it in found.statuses], found.unknown) == ([True], frozenset())
    above = Raw(octets=an_answer(CA.credential, ROOT.credential, status="unknown"))
    found = settle(chain, ocsps=[above, good], at=AT, freshness=DAY)
    assert found.unknown == {path_of(PERSON).certificates[1].report.sha256}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([], "good"),
        ([{**UNKNOWN, "critical": False}], "good"),
        ([UNKNOWN], "verify.revocation-unknown"),
        ([{"extn_id": "hold_instruction_code", "critical": True, "extn_value": "1.2.840.10040.2.2"}], "good"),
        ([{"extn_id": "invalidity_date", "critical": True, "extn_value": AT - DAY}], "good"),
    ],
)
def test_a_part_of_a_list_with_an_entry_that_is_not_understood_tells_of_nobody(entries, says):
    """RFC 5280 §5.3: of nobody at all, though the entry is another's."""
    url = "http://example.test/1.crl"
    point = asn1.DistributionPointName(
        name="full_name", value=[asn1.GeneralName(name="uniform_resource_identifier", value=url)]
    )
    scope = {"extn_id": "issuing_distribution_point", "critical": True, "extn_value": {"distribution_point": point}}
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)]
    )
    person = PKI.personal(CA, JAN, extras=[(points, False)])
    octets = a_list(CA.credential, {serial(PERSON): (AT - DAY, "superseded")}, entries=entries, extensions=[scope])
    found = settle(
        path_of(person).chain, crls=[Raw(octets=octets), Raw(octets=a_list(ROOT.credential))], at=AT, freshness=DAY
    )
    signer, _ = judge(path_of(person), Evidence().adding(found), REQUIRE, AT)
    assert (signer.code or signer.status) == says


def test_a_list_whose_entries_cannot_be_read_is_not_understood():
    reason = {"extn_id": "crl_reason", "critical": False, "extn_value": "superseded"}
    odd = revocation_list.load(a_list(CA.credential, {7: (AT - DAY, "superseded")}, entries=[reason]))
    assert odd is not None
    assert not revocation_list.understood(odd)
    assert ExtensionOID.CRL_NUMBER in [it.oid for it in odd.extensions]
