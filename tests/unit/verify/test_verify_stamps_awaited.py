"""Stamps of whose unit nobody knows yet whether it stands: what they would cure waits, and nothing else does.

And how fresh evidence must be where a stamp proves an earlier moment.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.testkit.certificates import Authority, distinguished, key
from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import STAMPS, Tsa
from broker.admit import GRACE, _holds
from broker.errors import NotYet
from broker.evidence import (
    AnchorReport,
    Indication,
    Level,
    Report,
    RevocationReport,
    ServiceReport,
    SignatureReport,
    TimeStampReport,
    silence,
)
from broker.model import BoxPolicy
from broker.parse import Limits, read
from broker.partner import fingerprint
from broker.verify.judgement import judge_document
from broker.verify.moment import Timing
from broker.verify.qualified import Service
from broker.verify.revocation import Evidence, Known, Settled, Status
from broker.verify.signer import Policy
from broker.verify.trust import Anchor
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST, anchor
from tests.revocation import CA, PERSON

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
STAMPER = Authority.root("Goniec Test TSA", AT)
TSA = Tsa.of(STAMPER, AT)
OFF = replace(TRUST, timestamp_anchors=(anchor(STAMPER, Level.NONE),))
REQUIRE = replace(OFF, revocation="require", freshness=36 * HOUR)
WEEK = AT + 7 * DAY
UNIT, SIGNER, ISSUER = TSA.credential.certificate, PERSON.certificate, CA.credential.certificate
SIGNED = sign(FORM, PERSON, AT, QUALIFIED, certificates="chain")
STAMPED = stamp(SIGNED, TSA.token)
ENDED = PKI.personal(PKI.qualified_ca, JAN, not_before=AT - 90 * DAY, not_after=AT + DAY)


def word(certificate, revoked_at: datetime | None = None, made: datetime = WEEK, **about) -> Status:
    told = {"source": "ocsp", "produced_at": made, "this_update": made, "next_update": made + 20 * DAY, **about}
    why = "keyCompromise" if revoked_at else ""
    return Status(
        certificate=fingerprint(certificate), good=not revoked_at, revoked_at=revoked_at, **{"reason": why, **told}
    )


def known(*words: Status, silent: dict | None = None, asked: list | None = None) -> Known:
    evidence = Evidence(silent={fingerprint(it): since for it, since in (silent or {}).items()}).adding(
        Settled(statuses=words)
    )
    return Known(evidence=lambda: evidence, ask=(asked if asked is not None else []).append)


def judged(document: bytes, at: datetime, by: Known, trust=REQUIRE) -> Report:
    root = read(document, Limits())
    return judge_document(root, root, trust=trust, known=by, at=at, policy=Policy(), size=len(document)).report


def admitted(report: Report, at: datetime, grace: timedelta = 12 * HOUR) -> bool:
    """Whether a box with a grace lets it in; otherwise its sender is told to try later."""
    try:
        return GRACE in _holds(report, BoxPolicy(grace=grace), at)
    except NotYet:
        return False


# ── how fresh evidence is, where a stamp proves an earlier moment ──


@pytest.mark.parametrize(
    ("made", "entry", "code"),
    [
        (AT - HOUR, AT + 35 * HOUR, ""),
        (AT - HOUR, AT + 35 * HOUR + SECOND, "verify.revocation-stale"),
        (AT, AT + 36 * HOUR, ""),
        (AT, AT + 36 * HOUR + SECOND, "verify.revocation-stale"),
        (AT + SECOND, AT + 6 * DAY, ""),  # said after the stamp: it proves for ever that it was good by then
        (AT - 2 * DAY, AT, "verify.revocation-stale"),
    ],
)
def test_good_news_from_before_a_stamp_must_be_fresh_when_the_document_comes(made, entry, code):
    """A thief has it stamped at once, and sends it when the CA has long said that the key is stolen."""
    asked: list = []
    about = known(word(SIGNER, made=made), word(ISSUER), word(UNIT, made=entry), asked=asked)
    report = judged(STAMPED, entry, about)
    assert (report.code, report.signatures[0].judged_at) == (code, AT)
    if code:
        assert [it.subjects[0] for it in asked] == [SIGNER.subject.rfc4514_string()]


def test_whether_to_ask_anew_hangs_on_the_moment_of_entry():
    asked: list = []
    fresh = known(word(SIGNER, made=AT - HOUR), word(ISSUER), word(UNIT, made=AT + 30 * HOUR), asked=asked)
    judged(STAMPED, AT + 20 * HOUR, fresh)
    assert asked == []
    judged(STAMPED, AT + 30 * HOUR, fresh)
    assert len(asked) == 1


def test_a_revocation_before_the_stamp_counts_however_late_the_document_comes():
    about = known(word(SIGNER, AT - SECOND, made=WEEK), word(ISSUER), word(UNIT))
    assert judged(STAMPED, WEEK, about).code == "verify.revoked"
    after = known(word(SIGNER, AT + SECOND, made=WEEK), word(ISSUER), word(UNIT))
    assert judged(STAMPED, WEEK, after).indication is Indication.PASSED


# ── what waits for a stamp's evidence ──


def test_an_honest_sender_whose_stamps_authority_is_silent_has_the_grace_of_the_box():
    """Revoked, or ended, after the stamp: with the unit's evidence both would pass."""
    words = word(ISSUER), word(PKI.qualified_ca.credential.certificate)
    for document, signer in (
        (STAMPED, word(SIGNER, AT + DAY)),
        (STAMPED, word(SIGNER, AT + DAY, reason="certificateHold")),
        (stamp(sign(FORM, ENDED, AT, QUALIFIED), TSA.token), word(ENDED.certificate, made=AT + HOUR)),
    ):
        report = judged(document, WEEK, known(signer, *words, silent={UNIT: WEEK - HOUR}))
        assert (report.code, report.level) == ("verify.revocation-unknown", Level.QUALIFIED)
        (signature,) = report.signatures
        assert (signature.judged_at, signature.place) == (AT, "ds:X509Certificate")
        assert {it.status for it in signature.revocation} <= {"good"}
        (it,) = signature.time_stamps
        assert (it.at, it.code, it.silent_since) == (AT, "verify.revocation-unknown", WEEK - HOUR)
        assert it.by == UNIT.subject.rfc4514_string()
        assert report.silent_since == WEEK - HOUR
        assert admitted(report, WEEK)
        assert not admitted(report, WEEK, grace=HOUR - SECOND)
        # Nobody is silent as long as nobody has been asked in vain.
        waits = judged(document, WEEK, known(signer, *words))
        assert (waits.code, waits.silent_since) == ("verify.revocation-unknown", None)
        assert not admitted(waits, WEEK)
        # And with the evidence it passes.
        assert judged(document, WEEK, known(signer, *words, word(UNIT))).indication is Indication.PASSED


def test_stale_evidence_about_the_unit_is_awaited_too():
    old = known(word(SIGNER, AT + DAY), word(ISSUER), word(UNIT, made=AT))
    report = judged(STAMPED, WEEK, old)
    assert (report.code, report.signatures[0].time_stamps[0].at) == ("verify.revocation-stale", AT)


def test_a_signer_revoked_before_the_stamp_waits_for_nothing_whoever_else_is_silent():
    revoked = word(SIGNER, AT - DAY)
    for about in (
        known(revoked, silent={ISSUER: WEEK - HOUR, UNIT: WEEK - HOUR}),
        known(revoked, word(ISSUER), silent={UNIT: WEEK - HOUR}),
        known(revoked, word(ISSUER)),
    ):
        report = judged(STAMPED, WEEK, about)
        assert (report.indication, report.code) == (Indication.FAILED, "verify.revoked")
        assert report.signatures[0].judged_at == WEEK
    # Not even under a second signature of somebody of whom nobody can speak.
    both = sign(stamp(SIGNED, TSA.token, how=""), PKI.other_person, WEEK, QUALIFIED)
    other = PKI.other_person.certificate
    report = judged(both, WEEK, known(revoked, word(ISSUER), silent={UNIT: WEEK - HOUR, other: WEEK - HOUR}))
    assert (report.indication, report.code) == (Indication.FAILED, "verify.revoked")


def test_a_signer_whose_certificate_had_ended_before_the_stamp_waits_for_nothing():
    late = Tsa.of(STAMPER, WEEK - HOUR)
    document = stamp(sign(FORM, ENDED, AT, QUALIFIED), late.token)
    report = judged(document, WEEK, known(word(ENDED.certificate), silent={late.credential.certificate: WEEK - HOUR}))
    assert (report.code, report.silent_since) == ("verify.certificate-expired", None)


def test_a_signer_below_a_ca_that_nobody_trusts_waits_for_nothing():
    stranger = PKI.personal(PKI.untrusted_ca, JAN, not_before=AT - 90 * DAY, not_after=AT + DAY)
    document = stamp(sign(FORM, stranger, AT, QUALIFIED), TSA.token, how="")
    helper = PKI.other_person
    both = sign(document, helper, WEEK, QUALIFIED)
    silent = known(silent={helper.certificate: WEEK - HOUR, UNIT: WEEK - HOUR})
    for it in (document, both):
        report = judged(it, WEEK, silent)
        assert (report.code, report.awaits) == ("verify.chain-untrusted", False)


def test_of_several_stamps_that_are_awaited_one_that_would_cure_is_enough():
    signed, end = sign(FORM, ENDED, AT, QUALIFIED), b"</xades:SignatureTimeStamp>"
    late, early = (stamp(signed, Tsa.of(STAMPER, at).token) for at in (AT + 3 * DAY, AT))
    begin = early.index(b"<xades:SignatureTimeStamp>")
    document = late.replace(end, end + early[begin : early.index(end)] + end)
    report = judged(document, WEEK, known(word(ENDED.certificate, made=AT + HOUR)))
    assert [it.at for it in report.signatures[0].time_stamps] == [AT + 3 * DAY, AT]
    assert (report.code, report.signatures[0].judged_at) == ("verify.revocation-unknown", AT)


def test_what_is_awaited_of_the_signer_too_is_asked_for_and_counts_for_the_silence():
    document = stamp(sign(FORM, ENDED, AT, QUALIFIED), TSA.token)
    asked: list = []
    report = judged(document, WEEK, known(silent={UNIT: WEEK - HOUR}, asked=asked))
    assert (report.code, report.silent_since) == ("verify.revocation-unknown", None)
    assert {it.subjects[0] for it in asked} == {
        UNIT.subject.rfc4514_string(),
        ENDED.certificate.subject.rfc4514_string(),
    }
    both = judged(document, WEEK, known(silent={UNIT: WEEK - HOUR, ENDED.certificate: WEEK - 2 * HOUR}))
    assert both.silent_since == WEEK - 2 * HOUR


def test_a_stamp_that_is_not_needed_keeps_nobody_waiting():
    good = known(word(SIGNER), word(ISSUER))
    report = judged(STAMPED, WEEK, good)
    assert (report.indication, report.signatures[0].judged_at) == (Indication.PASSED, WEEK)
    silent = known(word(ISSUER), silent={SIGNER: WEEK - HOUR})
    assert judged(STAMPED, WEEK, silent).silent_since == WEEK - HOUR


def test_only_earlier_moments_are_awaited():
    missing = TimeStampReport(at=AT, code="verify.revocation-unknown")
    stamps = (
        missing,
        replace(missing, at=AT - HOUR, code="verify.revocation-stale"),
        replace(missing, at=AT + HOUR),
        replace(missing, at=WEEK),
        replace(missing, at=AT, code=""),
        replace(missing, at=None),
        replace(missing, code="verify.revoked"),
    )
    assert Timing(at=AT + HOUR, stamps=stamps).awaited == (
        (AT, "verify.revocation-unknown"),
        (AT - HOUR, "verify.revocation-stale"),
    )


@pytest.mark.parametrize(
    ("code", "since", "told"),
    [
        ("verify.revocation-unknown", [AT, AT - HOUR], AT - HOUR),
        ("verify.revocation-stale", [AT], AT),
        ("verify.revocation-unknown", [AT, None], None),
        ("verify.revocation-unknown", [], None),
        ("verify.revoked", [AT], None),
        ("", [AT], None),
    ],
)
def test_silence_is_since_the_first_if_nobody_of_those_that_are_missing_may_yet_answer(code, since, told):
    reports = [RevocationReport(subject="", certificate="", status="", code=code, silent_since=it) for it in since]
    assert silence(reports) == told
    stamps = [TimeStampReport(at=AT, code=code, silent_since=it) for it in since]
    assert silence(stamps) == told
    for judged_at, counted in ((AT, told), (AT + SECOND, None)):
        signature = SignatureReport(
            id="", indication=Indication.INDETERMINATE, judged_at=judged_at, time_stamps=tuple(stamps)
        )
        assert Report(indication=Indication.INDETERMINATE, signatures=(signature,)).silent_since == counted


# ── a unit that has ended ──


def test_a_unit_whose_certificate_has_ended_moves_nothing_whatever_it_says():
    """Whoever has its key today can write any moment (EN 319 102-1 §5.4)."""
    credential = STAMPER.issue(
        distinguished(common_name="Old unit"),
        key("old unit", "rsa-2048"),
        not_before=AT - 200 * DAY,
        not_after=AT - 20 * DAY,
        usage=("digital_signature",),
        extras=(STAMPS,),
    )
    tsa = Tsa(credential=credential, clock=lambda: AT)
    document = stamp(sign(FORM, PKI.expired, AT - 30 * DAY), lambda octets: tsa.token(octets, at=AT - 30 * DAY))
    for trust in (OFF, REQUIRE):
        report = judged(document, AT, known(), trust)
        assert report.code == "verify.certificate-expired"
        (it,) = report.signatures[0].time_stamps
        assert (it.at, it.code, it.hint) == (None, "verify.timestamp-untrusted", "verify.chain-expired")
    # On its last day it still stamps.
    report = judged(document, AT - 20 * DAY, known(), OFF)
    assert (report.code, report.signatures[0].judged_at) == ("", AT - 30 * DAY)
    late = judged(document, AT - 20 * DAY + SECOND, known(), OFF)
    assert late.signatures[0].time_stamps[0].code == "verify.timestamp-untrusted"


def test_a_pinned_unit_that_has_ended_moves_nothing_either():
    trust = replace(OFF, timestamp_anchors=(Anchor(certificate=UNIT, name="unit"),))
    end = UNIT.not_valid_after_utc
    for at, code in ((end, ""), (end + SECOND, "verify.timestamp-untrusted")):
        assert judged(STAMPED, at, known(), trust).signatures[0].time_stamps[0].code == code


def test_a_stamp_from_before_its_service_was_withdrawn_holds_and_names_the_service_as_of_then():
    granted = Service(name="Stamps", territory="PL", since=AT - DAY, until=AT + DAY, purposes=frozenset())
    by_list = Anchor(certificate=STAMPER.credential.certificate, name="listed", services=(granted,))
    trust = replace(OFF, timestamp_anchors=(by_list,))
    (it,) = judged(stamp(sign(FORM, ENDED, AT, QUALIFIED), TSA.token), WEEK, known(), trust).signatures[0].time_stamps
    services = (ServiceReport(territory="PL", name="Stamps"),)
    assert (it.code, it.at, it.anchor) == ("", AT, AnchorReport(name="listed", services=services))


def test_whatever_is_wrong_and_whatever_is_asked_the_report_says_for_which_moment():
    early = judged(sign(FORM, PERSON, AT, QUALIFIED, method="rsa-sha1"), WEEK, known())
    assert (early.code, early.signatures[0].judged_at) == ("verify.signature-sha1", WEEK)
    root = read(STAMPED, Limits())
    how = {"trust": OFF, "known": known(), "at": WEEK, "policy": Policy(path=False), "size": len(STAMPED)}
    assert judge_document(root, root, **how).report.signatures[0].judged_at == AT
