"""Who gets in: the box's rules and the form's, judged over what verification found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from broker.admit import GRACE, Admit
from broker.errors import Rejection, Unauthorised, Unavailable, Untrusted
from broker.evidence import (
    AWAITED,
    UNSIGNED,
    CertificateReport,
    Identity,
    Indication,
    Level,
    ReferenceReport,
    Report,
    RevocationReport,
    SignatureReport,
    SubIndication,
)
from broker.model import BoxPolicy, Document, Form, FormKey, OfficeId, Routed, Target, Valid, Verified
from broker.partner import Partner, Partners
from broker.texts import TEXTS, explain
from tests.builders import NOON, an_envelope

admit = Admit()
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def a_certificate(name: str) -> CertificateReport:
    return CertificateReport(
        subject=f"CN={name}", issuer="CN=CA", serial="1", not_before=DAY, not_after=DAY, sha256=f"{name:0>64}"
    )


def a_signature(name: str = "anna", person: str = "", **about) -> SignatureReport:
    known = {"certificate": a_certificate(name), "identity": Identity(source="certificate", pesel=person)}
    return SignatureReport(**{"id": f"sig-{name}", "indication": Indication.PASSED, **known, **about})


def a_report(*signatures: SignatureReport, level: Level = Level.QUALIFIED, **about) -> Report:
    return Report(indication=Indication.PASSED, level=level, signatures=signatures or (a_signature(),), **about)


def routed(
    report: Report, policy: BoxPolicy | None = None, *, signed: bool = True, level: Level = Level.LOCAL
) -> Routed:
    root = etree.Element("letter")
    form = Form(
        key=FormKey(name="letter", version="2"),
        namespace="",
        root="letter",
        title_pl="",
        title_en="",
        signed=signed,
        level=level,
    )
    valid = Valid(document=Document(envelope=an_envelope(sender="dms"), root=root, form=root), form=form)
    target = Target(
        row="box:/town/SEKAP",
        office=OfficeId("town"),
        office_name="Town",
        box="/town/SEKAP",
        policy=policy or BoxPolicy(),
    )
    return Routed(verified=Verified(valid=valid, report=report, content=b""), target=target)


def refusal(value: Routed) -> Rejection:
    with pytest.raises((Unauthorised, Untrusted)) as no:
        admit(value)
    for language in ("pl", "en"):
        if no.value.code in TEXTS:
            assert "?" not in explain(no.value, language)
    return no.value


def test_a_signed_form_goes_in() -> None:
    value = routed(a_report())
    assert admit(value).routed is value


@pytest.mark.parametrize("policy", [BoxPolicy(senders=frozenset({"portal"})), BoxPolicy(senders=frozenset({"DMS"}))])
def test_a_sender_that_the_box_does_not_know_is_not_let_in(policy: BoxPolicy) -> None:
    no = refusal(routed(a_report(), policy))
    assert (type(no), no.code) == (Unauthorised, "admit.sender-not-accepted")
    assert "dms" not in str(no.facts)


def test_a_sender_that_the_box_knows_is_let_in() -> None:
    assert admit(routed(a_report(), BoxPolicy(senders=frozenset({"portal", "dms"}))))


@pytest.mark.parametrize("forms", [{"letter"}, {"letter/2"}, {"tax", "letter/2"}])
def test_a_box_takes_a_form_by_its_name_or_its_version(forms: set[str]) -> None:
    assert admit(routed(a_report(), BoxPolicy(forms=frozenset(forms))))


@pytest.mark.parametrize("forms", [{"tax"}, {"letter/1"}, {"lette"}])
def test_a_form_that_the_box_does_not_take_is_refused(forms: set[str]) -> None:
    no = refusal(routed(a_report(), BoxPolicy(forms=frozenset(forms))))
    assert (type(no), no.code) == (Unauthorised, "admit.form-not-accepted")
    assert no.facts["accepted"] == next(iter(forms))


@pytest.mark.parametrize("indication", [Indication.FAILED, Indication.INDETERMINATE])
@pytest.mark.parametrize("signed", [True, False])
def test_a_verdict_that_is_not_passed_is_refused_by_its_own_code(indication: Indication, signed: bool) -> None:
    reference = ReferenceReport(
        uri="#a",
        type="",
        transforms=(),
        digest_method="",
        expected="AA==",
        actual="BB==",
        holds=False,
        covers_form=True,
    )
    broken = a_signature("ewa", indication=indication, code="verify.digest-mismatch", references=(reference,))
    expired = a_signature("jan", indication=Indication.INDETERMINATE, code="verify.certificate-expired")
    report = Report(
        indication=indication,
        sub_indication=SubIndication.HASH_FAILURE,
        code="verify.digest-mismatch",
        place="sig-ewa/Reference[1]",
        hint="verify.hint-white-space",
        level=Level.QUALIFIED,
        signatures=(a_signature(), expired, broken),
    )
    no = refusal(routed(report, signed=signed))
    assert (type(no), no.code, no.place) == (Untrusted, "verify.digest-mismatch", "sig-ewa/Reference[1]")
    assert no.stage == "verify"
    assert no.facts["indication"] == indication
    assert no.facts["sub_indication"] == "HASH_FAILURE"
    assert no.facts["hint"] == "verify.hint-white-space"
    assert no.facts["signature"] == "sig-ewa"
    assert (no.facts["reference"], no.facts["expected"], no.facts["actual"]) == ("#a", "AA==", "BB==")
    assert no.facts["subject"] == "CN=ewa"


def test_what_a_document_calls_its_signature_is_told_without_what_moves_a_terminal() -> None:
    broken = a_signature(id="a\u202eb\x9b" + "c" * 100, indication=Indication.FAILED, code="verify.detached")
    report = replace(a_report(broken), indication=Indication.FAILED, code="verify.detached")
    assert refusal(routed(report)).facts["signature"] == "a\ufffdb\ufffd" + "c" * 75 + "…"


def test_a_form_that_needs_a_signature_is_refused_without_one() -> None:
    assert refusal(routed(UNSIGNED)).code == "admit.signature-missing"
    assert refusal(routed(UNSIGNED, level=Level.NONE)).code == "admit.signature-missing"


def test_a_form_that_needs_none_goes_in_without_unless_the_box_wants_one() -> None:
    strict = BoxPolicy(level=Level.QUALIFIED)
    assert admit(routed(UNSIGNED, signed=False, level=Level.NONE))
    assert admit(routed(UNSIGNED, strict, signed=False))
    assert admit(routed(a_report(level=Level.LOCAL), strict, signed=False))
    assert refusal(routed(UNSIGNED, replace(strict, unsigned=False), signed=False)).code == "admit.signature-missing"
    weak = routed(a_report(level=Level.LOCAL), replace(strict, unsigned=False), signed=False)
    assert refusal(weak).code == "admit.level-too-low"


@given(st.sampled_from(Level), st.sampled_from(Level), st.sampled_from(Level))
def test_a_signature_goes_in_exactly_if_neither_form_nor_box_asks_for_more(has: Level, form: Level, box: Level) -> None:
    value = routed(a_report(level=has), BoxPolicy(level=box), level=form)
    if has.rank >= form.rank and has.rank >= box.rank:
        assert admit(value)
    else:
        no = refusal(value)
        assert (no.code, no.facts["level"]) == ("admit.level-too-low", has)
        assert no.facts["needed"] == (form if form.rank > box.rank else box)


def test_two_signers_are_needed_where_the_box_says_so() -> None:
    two = BoxPolicy(signatures=2)
    anna, ewa = a_signature("anna"), a_signature("ewa")
    assert admit(routed(a_report(anna, ewa), two))
    assert refusal(routed(a_report(anna), two)).code == "admit.too-few-signatures"
    no = refusal(routed(a_report(anna, replace(anna, id="again")), two))
    assert (no.code, no.facts) == ("admit.too-few-signatures", {"signatures": "1", "needed": "2"})


def test_two_persons_under_the_seal_of_one_platform_are_two_signers() -> None:
    seal = [a_signature("platform", person="1"), a_signature("platform", person="2")]
    assert admit(routed(a_report(*seal), BoxPolicy(signatures=2)))
    assert refusal(routed(a_report(seal[0], seal[0]), BoxPolicy(signatures=2))).code == "admit.too-few-signatures"


def test_one_person_with_two_certificates_is_one_signer() -> None:
    both = a_report(a_signature("old-card", person="1"), a_signature("new-card", person="1"))
    assert refusal(routed(both, BoxPolicy(signatures=2))).code == "admit.too-few-signatures"


def of(subject: str, issuer: str = "CN=CA", **who: str) -> SignatureReport:
    """A signature under a certificate of its own."""
    certificate = replace(a_certificate(subject), subject=subject, issuer=issuer, sha256=f"{issuer} {subject} {who}")
    return SignatureReport(
        id=subject,
        indication=Indication.PASSED,
        certificate=certificate,
        identity=Identity(**{"source": "certificate", **who}),
    )


ANNA = {"given_names": "Anna", "family_name": "Test", "common_name": "Anna Test"}
EWA = {"given_names": "Ewa", "family_name": "Test", "common_name": "Ewa Test"}
SEAL = {"common_name": "Firma", "organisation": "Firma"}
ONE_SIGNER = {
    "a private certificate and one for business": (
        of("CN=Anna", **ANNA, pesel="1"),
        of("CN=Anna,O=Firma", **ANNA, pesel="1", nip="2", organisation="Firma"),
    ),
    "a certificate for business and podpis zaufany": (
        of("CN=Anna,O=Firma", **ANNA, pesel="1", nip="2"),
        of("CN=platform", **{**ANNA, "source": "claimed-role"}, pesel="1"),
    ),
    "two seals of a firm": (of("CN=Firma", **SEAL, nip="2"), of("CN=Firma 2", "CN=other", **SEAL, nip="2")),
    "two certificates of one passport": (
        of("2.5.4.5=PASUA-AB1,CN=Anna", **ANNA),
        of("CN=Anna,O=Firma+2.5.4.5=PASUA-AB1", "CN=other", **ANNA, nip="2"),
    ),
    "a certificate and its renewal by the same authority": (
        of("CN=Anna,2.5.4.5=7", **ANNA, nip="2"),
        replace(
            of("CN=Anna,2.5.4.5=7", **ANNA, nip="2"),
            certificate=replace(a_certificate("b"), subject="CN=Anna,2.5.4.5=7"),
        ),
    ),
    "podpis zaufany twice without a number": (
        of("CN=platform", **{**ANNA, "source": "claimed-role"}),
        of("CN=platform", **{**ANNA, "source": "claimed-role", "given_names": "ANNA"}),
    ),
    "a number with letters that are escaped": (
        of("CN=Anna,2.5.4.5=PASUA-A\\,1", **ANNA),
        of("2.5.4.5=PASUA-A\\,1,CN=A. Test\\\\", **ANNA),
    ),
}
TWO_SIGNERS = {
    "employees of one firm, each with a passport": (
        of("CN=Anna,2.5.4.5=PASUA-AB123456,O=Firma", **ANNA, nip="2", organisation="Firma"),
        of("CN=Ewa,2.5.4.5=PASUA-CD999999,O=Firma", **EWA, nip="2", organisation="Firma"),
    ),
    "employees of one firm with nothing but a name": (
        of("CN=Anna,O=Firma", given_names="Anna", nip="2"),
        of("CN=Ewa,O=Firma", family_name="Ewa", nip="2"),
    ),
    "a firm and who works there": (of("CN=Firma", **SEAL, nip="2"), of("CN=Anna,O=Firma", **ANNA, nip="2")),
    "persons of one name with a PESEL each": (of("CN=Anna", **ANNA, pesel="1"), of("CN=Anna", **ANNA, pesel="2")),
    "seals of two firms": (of("CN=Firma", **SEAL, nip="2"), of("CN=Firma", **SEAL, nip="3")),
    "one number of two authorities that means nothing elsewhere": (
        of("CN=Anna,2.5.4.5=1", **ANNA),
        of("CN=Anna,2.5.4.5=1", "CN=other", **ANNA),
    ),
    "somebody whose name is written like another's number": (
        of("CN=Anna,2.5.4.5=PASUA-AB1", **ANNA),
        of("CN=Ewa\\,2.5.4.5=PASUA-AB1", **EWA),
    ),
    "persons on one platform without numbers": (
        of("CN=platform,2.5.4.5=PASUA-AB1", **{**ANNA, "source": "claimed-role"}),
        of("CN=platform,2.5.4.5=PASUA-AB1", **{**EWA, "source": "claimed-role"}),
    ),
    "signatures of which no certificate is known": (
        replace(of("a"), certificate=None, identity=None),
        replace(of("b"), certificate=None, identity=None),
    ),
}


@pytest.mark.parametrize("both", ONE_SIGNER.values(), ids=ONE_SIGNER)
def test_one_signer_is_one_however_many_certificates_there_are(both: tuple[SignatureReport, SignatureReport]) -> None:
    no = refusal(routed(a_report(*both), BoxPolicy(signatures=2)))
    assert (no.code, no.facts["signatures"]) == ("admit.too-few-signatures", "1")


@pytest.mark.parametrize("both", TWO_SIGNERS.values(), ids=TWO_SIGNERS)
def test_two_signers_are_two_whatever_they_have_in_common(both: tuple[SignatureReport, SignatureReport]) -> None:
    assert admit(routed(a_report(*both), BoxPolicy(signatures=2)))


def test_a_counter_signature_is_no_signer() -> None:
    countered = a_signature(counter_signatures=(a_signature("ewa"),))
    assert refusal(routed(a_report(countered), BoxPolicy(signatures=2))).code == "admit.too-few-signatures"


# ── evidence that is missing ─────────────────────────────────────────────────────────────────────────────


def awaiting(code: str = "verify.revocation-unknown", silent_for: timedelta | None = None) -> Report:
    """A report in which nothing is wrong but that nobody has told whether the certificate was revoked."""
    since = None if silent_for is None else NOON - silent_for
    missing = RevocationReport(subject="CN=anna", certificate="0", status="unknown", code=code, silent_since=since)
    verdict = {"indication": Indication.INDETERMINATE, "sub_indication": SubIndication.TRY_LATER, "code": code}
    return replace(a_report(a_signature(**verdict, revocation=(missing,))), **verdict)


@pytest.mark.parametrize("silent_for", [None, timedelta(hours=1)])
def test_while_evidence_is_missing_the_sender_is_told_to_try_later(silent_for):
    with pytest.raises(Unavailable) as away:
        admit(routed(awaiting(silent_for=silent_for)))
    assert away.value.retry_after


@pytest.mark.parametrize("code", sorted(AWAITED))
def test_a_box_with_a_grace_lets_it_in_while_the_authority_has_not_been_silent_for_longer(code):
    box = BoxPolicy(grace=timedelta(hours=2))
    assert admit(routed(awaiting(code, timedelta(hours=2)), box)).notes == (GRACE,)
    with pytest.raises(Unavailable):
        admit(routed(awaiting(code, timedelta(hours=2, seconds=1)), box))


def test_a_grace_does_not_count_while_somebody_may_yet_answer():
    with pytest.raises(Unavailable):
        admit(routed(awaiting(), BoxPolicy(grace=timedelta(days=9))))


def test_a_grace_lets_in_no_signature_that_is_too_weak():
    report = replace(awaiting(silent_for=timedelta(0)), level=Level.LOCAL)
    no = refusal(routed(report, BoxPolicy(grace=timedelta(hours=1), level=Level.QUALIFIED)))
    assert no.code == "admit.level-too-low"


@pytest.mark.parametrize("code", ["verify.on-hold", "verify.revoked"])
def test_a_grace_covers_nothing_but_missing_evidence(code):
    report = replace(awaiting(silent_for=timedelta(0)), code=code)
    assert refusal(routed(report, BoxPolicy(grace=timedelta(hours=1)))).code == code


# ── what the partner may ─────────────────────────────────────────────────────────────────────────────────


def known(**about) -> Admit:
    return Admit(partners=lambda: Partners([Partner(id="dms", **about)]))


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({"to": frozenset({"/village/SEKAP"})}, "partner.box-not-allowed"),
        ({"forms": frozenset({"question"})}, "partner.form-not-allowed"),
    ],
)
def test_a_partner_that_may_not_is_refused_whatever_its_signature_is_worth(about, code):
    with pytest.raises(Unauthorised) as no:
        known(**about)(routed(awaiting()))
    assert no.value.code == code
    assert all(explain(no.value, language) for language in ("pl", "en"))


def test_a_partner_that_may_gets_in():
    about = {"to": frozenset({"/town/"}), "forms": frozenset({"letter"})}
    assert known(**about)(routed(a_report()))
