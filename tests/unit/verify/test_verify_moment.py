"""The moment for which a signature is judged: entry, an earlier time-stamp's, and what a signer may claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.testkit.certificates import Authority
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import C14N, EXCLUSIVE, QUALIFIED, zulu
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import POLICY, Tsa
from broker.evidence import Indication, Level, SubIndication, to_json
from broker.parse import Limits, read
from broker.partner import fingerprint
from broker.texts import TEXTS
from broker.verify import examine
from broker.verify.judgement import judge_document
from broker.verify.moment import Window
from broker.verify.revocation import NOTHING_KNOWN, Evidence, Known, Status
from broker.verify.signer import Policy
from tests.corpus.verify.scene import AT, DS, FORM, PKI, TRUST, anchor

DAY = timedelta(days=1)
STAMPER = Authority.root("Goniec Test TSA", AT)
TSA = Tsa.of(STAMPER, AT)
STAMPED_TRUST = replace(TRUST, timestamp_anchors=(anchor(STAMPER, Level.NONE),))
SIGNED = sign(FORM, PKI.person, AT)
LATER = PKI.person.certificate.not_valid_after_utc + 10 * DAY  # the signer's certificate has ended by then


def judged(document, at=AT, trust=STAMPED_TRUST, window=None, known=NOTHING_KNOWN):
    root = read(document, Limits())
    policy = Policy(window=window or Window())
    return judge_document(root, root, trust=trust, known=known, at=at, policy=policy, size=len(document)).report


# ── what a signer claims ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claimed", "window", "code"),
    [
        (AT, Window(), ""),
        (AT + timedelta(minutes=5), Window(), ""),
        (AT + timedelta(minutes=5, seconds=1), Window(), "verify.signing-time-future"),
        (AT + timedelta(seconds=1), Window(ahead=timedelta(0)), "verify.signing-time-future"),
        (AT - 3000 * DAY, Window(), ""),
        (AT - 30 * DAY, Window(age=30 * DAY), ""),
        (AT - 30 * DAY - timedelta(seconds=1), Window(age=30 * DAY), "verify.signing-time-old"),
    ],
)
def test_a_claim_is_held_to_the_window(claimed, window, code):
    report = judged(sign(FORM, PKI.person, claimed), window=window)
    assert (report.code, report.indication is Indication.PASSED) == (code, not code)
    assert report.sub_indication == (SubIndication.SIG_CONSTRAINTS_FAILURE if code else None)
    assert report.signatures[0].signing_time == claimed
    assert report.place == ("ds:Signature[1]/xades:SigningTime" if code else "")


def test_a_signer_that_claims_no_time_claims_nothing():
    report = judged(sign(FORM, PKI.person, AT, time=lambda _at: ""), window=Window(age=DAY))
    assert (report.indication, report.signatures[0].signing_time) == (Indication.PASSED, None)


@pytest.mark.parametrize("written", [" ", "yesterday", "2099-01-01", "2026-02-30T00:00:00Z", "<!-- --><x/>"])
def test_a_claim_that_is_no_time_is_malformed(written):
    report = judged(sign(FORM, PKI.person, AT, time=lambda _at: written))
    assert (report.code, report.place) == ("verify.xades-malformed", "ds:Signature[1]/xades:SigningTime")
    assert report.facts == {"part": "xades:SigningTime"}
    assert report.indication is Indication.FAILED


FUTURE, OLD = "verify.signing-time-future", "verify.signing-time-old"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("2099-01-01T00:00:00", FUTURE),
        ("2099-01-01T24:00:00Z", FUTURE),
        ("99999-01-01T00:00:00Z", FUTURE),
        ("-0044-03-15T00:00:00Z", OLD),
        ("0000-03-15T00:00:00", OLD),
        ("2026-01-02T02:05:00", ""),  # at +14:00 it is the moment of entry, and five minutes
        ("2026-01-02T02:05:00.000001", FUTURE),
        ("2025-12-30T22:00:00", ""),  # at -14:00 it is a day before
        ("2025-12-30T21:59:59.999999", OLD),
        ("2026-01-01T11:59:00", ""),
    ],
)
def test_a_claim_is_judged_however_it_is_written_and_without_a_zone_in_every_one(written, code):
    report = judged(sign(FORM, PKI.person, AT, time=lambda _at: written), window=Window(age=DAY))
    assert report.code == code


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("2025-12-31T24:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T12:00:00", None),
        ("99999-01-01T00:00:00Z", None),
    ],
)
def test_the_report_tells_the_time_that_is_claimed_if_it_is_one_moment(written, told):
    report = judged(sign(FORM, PKI.person, AT, time=lambda _at: written))
    assert report.signatures[0].signing_time == told


# ── what a time-stamp shows ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", [EXCLUSIVE, C14N, ""])
def test_a_stamp_that_holds_is_the_moment_for_which_the_certificate_is_judged(how):
    assert judged(SIGNED, LATER).code == "verify.certificate-expired"
    (signature,) = judged(stamp(SIGNED, TSA.token, how=how), LATER).signatures
    assert (signature.indication, signature.judged_at, signature.level) == (Indication.PASSED, AT, Level.QUALIFIED)
    assert [(it.at, it.code) for it in signature.time_stamps] == [(AT, "")]
    assert "Time-Stamping Unit" in signature.time_stamps[0].by


def test_without_a_stamp_it_is_the_moment_of_entry():
    (signature,) = judged(SIGNED).signatures
    assert (signature.judged_at, signature.time_stamps) == (AT, ())


def test_a_stamp_after_entry_moves_nothing():
    late = Tsa.of(STAMPER, AT + timedelta(minutes=1))
    (signature,) = judged(stamp(SIGNED, late.token)).signatures
    assert (signature.judged_at, signature.time_stamps[0].code) == (AT, "")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (lambda: stamp(SIGNED, lambda _octets: TSA.token(b"something else")), "verify.timestamp-imprint"),
        (lambda: stamp(SIGNED, lambda _octets: b"rubbish"), "verify.timestamp-unreadable"),
        (lambda: stamp(SIGNED, Tsa.of(PKI.untrusted_ca, AT).token), "verify.timestamp-untrusted"),
        (lambda: stamp(SIGNED, Tsa.of(PKI.qualified_ca, AT).token), "verify.timestamp-untrusted"),
        (lambda: stamp(SIGNED, Tsa.of(STAMPER, LATER + DAY).token), "verify.timestamp-future"),
        (lambda: stamp(SIGNED, TSA.token, how="http://example.test/no-such-method"), "verify.c14n-unknown"),
        (
            lambda: stamp(SIGNED, TSA.token).replace(b"EncapsulatedTimeStamp", b"XMLTimeStamp"),
            "verify.timestamp-unreadable",
        ),
    ],
)
def test_a_stamp_that_does_not_hold_moves_nothing_and_harms_nothing(document, code):
    bad = document()
    assert judged(bad, LATER).code == "verify.certificate-expired"
    report = judged(bad) if code != "verify.timestamp-future" else judged(bad, AT)
    assert report.indication is Indication.PASSED
    assert [it.code for it in report.signatures[0].time_stamps] == [code]
    assert code in TEXTS


def test_a_ca_for_persons_is_none_for_stamps_and_the_other_way_round():
    nobody = replace(STAMPED_TRUST, timestamp_anchors=())
    assert judged(stamp(SIGNED, TSA.token), LATER, nobody).code == "verify.certificate-expired"
    assert judged(sign(FORM, TSA.credential, AT)).indication is not Indication.PASSED


def test_a_unit_may_stand_below_an_intermediate_that_the_operator_has():
    between = STAMPER.subordinate("Goniec Test Stamping CA", AT)
    tsa = Tsa.of(between, AT)
    tsa.credential = replace(tsa.credential, chain=())  # the token does not bring it
    stamped = stamp(SIGNED, tsa.token)
    for intermediates, code in (((between.credential.certificate,), ""), ((), "verify.timestamp-untrusted")):
        trust = replace(STAMPED_TRUST, intermediates=intermediates)
        assert [it.code for it in judged(stamped, trust=trust).signatures[0].time_stamps] == [code]


def test_stamps_beyond_those_that_are_judged_are_passed_over_and_told():
    (signature,) = judged(stamp(SIGNED, TSA.token, times=40)).signatures
    assert [it.code for it in signature.time_stamps] == ["", "", "", "", "verify.timestamp-too-many"]


def test_as_many_stamps_as_are_judged_are_not_too_many():
    (signature,) = judged(stamp(SIGNED, TSA.token, times=4)).signatures
    assert [it.code for it in signature.time_stamps] == ["", "", "", ""]


def test_of_a_stamp_it_is_told_when_by_whom_under_which_policy_or_what_is_wrong():
    (good,) = judged(stamp(SIGNED, TSA.token)).signatures[0].time_stamps
    assert (good.at, good.by, good.policy, good.code, good.hint) == (
        AT,
        TSA.credential.certificate.subject.rfc4514_string(),
        POLICY,
        "",
        "",
    )
    (bad,) = judged(stamp(SIGNED, Tsa.of(PKI.untrusted_ca, AT).token)).signatures[0].time_stamps
    assert (bad.at, bad.by, bad.policy, bad.code, bad.hint) == (
        None,
        "",
        "",
        "verify.timestamp-untrusted",
        "verify.chain-untrusted",
    )


def test_a_stamp_that_names_two_canonicalisations_is_not_read():
    method = f'<ds:CanonicalizationMethod xmlns:ds="{DS}" Algorithm="{EXCLUSIVE}"/>'.encode()
    once = stamp(SIGNED, TSA.token, how=EXCLUSIVE)
    holder = b"SignatureTimeStamp>"
    twice = once.replace(b"<xades:" + holder, b"<xades:" + holder + method, 1)
    assert twice != once
    assert [it.code for it in judged(twice).signatures[0].time_stamps] == ["verify.timestamp-unreadable"]


def test_comments_and_instructions_among_the_unsigned_properties_are_none_of_them():
    stamped = stamp(SIGNED, TSA.token)
    (signature,) = judged(
        stamped.replace(b"<xades:SignatureTimeStamp", b"<!--x--><?y?><xades:SignatureTimeStamp")
    ).signatures
    assert [it.code for it in signature.time_stamps] == [""]
    assert signature.extensions == ()


def test_other_unsigned_properties_are_named():
    unsigned = "<xades:CertificateValues/><xades:RevocationValues/><xades:RevocationValues/>"
    (signature,) = judged(sign(FORM, PKI.person, AT, QUALIFIED, unsigned=unsigned)).signatures
    assert signature.extensions == ("CertificateValues", "RevocationValues")


def test_the_report_with_stamps_can_be_kept():
    assert b'"time_stamps":[{"at":"2026-01-01T12:00:00Z"' in to_json(judged(stamp(SIGNED, TSA.token)))


@settings(max_examples=60)
@given(st.binary(max_size=200), st.integers(0, 3000), st.integers(0, 255))
def test_whatever_stands_in_a_stamp_the_verdict_is_that_without_it(rubbish, place, octet):
    def token(octets):
        true = bytearray(TSA.token(octets))
        true[place % len(true)] = octet
        return bytes(true) + rubbish

    with_stamp, without = judged(stamp(SIGNED, token)), judged(SIGNED)
    assert (with_stamp.indication, with_stamp.level) == (without.indication, without.level)


# ── a stamp and revocation ───────────────────────────────────────────────────────────────────────────────


def status(certificate, revoked_at=None, made=AT):
    return Status(
        certificate=fingerprint(certificate),
        good=revoked_at is None,
        source="ocsp",
        produced_at=made,
        this_update=made,
        next_update=made + 20 * DAY,
        revoked_at=revoked_at,
        reason="keyCompromise" if revoked_at else "",
    )


def known(*statuses):
    evidence = Evidence(statuses={it.certificate: it for it in statuses})
    return Known(evidence=lambda: evidence, ask=lambda _path: None)


REQUIRED = replace(STAMPED_TRUST, revocation="require", freshness=30 * DAY)
WEEK = AT + 7 * DAY
PERSON, UNIT = PKI.person.certificate, TSA.credential.certificate


def test_what_was_revoked_after_the_stamp_was_good_when_it_signed():
    since = known(status(PERSON, AT + DAY, WEEK), status(UNIT, made=WEEK))
    assert judged(SIGNED, WEEK, REQUIRED, known=since).code == "verify.revoked"
    assert judged(stamp(SIGNED, TSA.token), WEEK, REQUIRED, known=since).indication is Indication.PASSED


def test_what_was_revoked_before_the_stamp_is_revoked():
    before = known(status(PERSON, AT - DAY, WEEK), status(UNIT, made=WEEK))
    assert judged(stamp(SIGNED, TSA.token), WEEK, REQUIRED, known=before).code == "verify.revoked"


def test_a_unit_that_was_revoked_stamps_nothing():
    gone = known(status(PERSON, AT + DAY, WEEK), status(UNIT, AT, WEEK))
    report = judged(stamp(SIGNED, TSA.token), WEEK, REQUIRED, known=gone)
    assert (report.code, report.signatures[0].time_stamps[0].code) == ("verify.revoked", "verify.revoked")


def test_while_it_is_not_known_whether_the_unit_stands_nothing_is_final():
    asked = []
    missing = Known(evidence=known(status(PERSON, AT + DAY, WEEK)).evidence, ask=asked.append)
    report = judged(stamp(SIGNED, TSA.token), WEEK, REQUIRED, known=missing)
    assert (report.code, report.sub_indication) == ("verify.revocation-unknown", SubIndication.TRY_LATER)
    assert any("Time-Stamping Unit" in path.subjects[0] for path in asked)


def test_offline_examination_reads_stamps_too():
    report = examine(read(stamp(SIGNED, TSA.token), Limits()), STAMPED_TRUST, LATER)
    assert report.indication is Indication.PASSED
    assert zulu(report.signatures[0].judged_at) == "2026-01-01T12:00:00Z"
