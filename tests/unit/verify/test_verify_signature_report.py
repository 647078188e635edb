"""The line of one signature in the report: what each question puts into it, and what a fault leaves there."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import BASELINE, C14N_COMMENTS, ENVELOPING, EXCLUSIVE, PLAIN, QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from broker.evidence import Indication, Level
from broker.parse import Limits, read
from broker.verify.judgement import judge_document
from broker.verify.moment import Window
from broker.verify.revocation import NOTHING_KNOWN, Evidence, Known
from broker.verify.signer import Policy
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST, anchor, judged

DAY = timedelta(days=1)
SIGNED = sign(FORM, PKI.person, AT)


def one(document: bytes, **how: object):
    (signature,) = judged(document, **how).signatures
    return signature


def test_a_signature_without_an_id_is_called_by_its_number() -> None:
    plain = re.sub(rb'(<ds:Signature [^>]*?) Id="[^"]*"', rb"\1", sign(FORM, PKI.person, AT, PLAIN))
    assert one(plain, profile="basic").id == "#1"
    assert one(SIGNED).id.startswith("id-")
    twice = judged(sign(sign(FORM, PKI.person, AT), PKI.other_person, AT).replace(b">100<", b">900<"))
    assert [it.id[:3] for it in twice.signatures] == ["id-", "id-"]


def test_counter_signatures_are_numbered_within_the_one_that_they_countersign() -> None:
    document = countersign(countersign(SIGNED, PKI.other_person, AT), PKI.organisation, AT)
    counters = one(document).counter_signatures
    assert [(it.shape, it.code) for it in counters] == [("counter-signature", "")] * 2
    bare = re.sub(rb'(<xades:CounterSignature><ds:Signature [^>]*?) Id="[^"]*"', rb"\1", document)
    assert [it.id for it in one(bare).counter_signatures] == ["#1", "#2"]


def test_a_counter_signature_of_something_else_says_so() -> None:
    properties = re.findall(r'<xades:SignedProperties Id="([^"]+)"', SIGNED.decode())[0]

    def elsewhere(text: str) -> str:
        return re.sub(r'URI="#value-[^"]+"', f'URI="#{properties}"', text)

    signature = one(countersign(SIGNED, PKI.other_person, AT, rewrite=elsewhere))
    (counter,) = signature.counter_signatures
    assert (counter.code, counter.place) == ("verify.counter-signature-elsewhere", "ds:SignedInfo")
    assert signature.indication is Indication.PASSED  # a counter-signature decides nothing


def test_the_shape_is_told_by_where_the_form_is_and_what_leaves_the_signature_out() -> None:
    shapes = {one(sign(FORM, PKI.person, AT, recipe)).shape for recipe in (BASELINE, QUALIFIED, ENVELOPING)}
    assert shapes == {"enveloped", "enveloped-xpath", "enveloping"}


def test_faults_add_up_and_the_gravest_decides() -> None:
    """The text was changed, nothing covers the root any more, and the certificate has ended."""
    signed = sign(FORM, PKI.expired, AT).replace(b">100<", b">900<")
    signature = one(signed)
    assert (signature.code, signature.place) == ("verify.digest-mismatch", "ds:Reference[1]")
    assert signature.identity is None
    assert signature.level is Level.NONE
    partial = one(sign(FORM.replace(b"<Adres ", b'<Adres Id="part" '), PKI.person, AT, uri="#part"))
    assert (partial.code, partial.place) == ("verify.root-not-covered", "ds:SignedInfo")


def test_a_comment_in_the_signed_info_is_signed_where_the_method_keeps_comments() -> None:
    signed = sign(FORM, PKI.person, AT, signed_info=C14N_COMMENTS)
    assert one(signed).code == ""
    assert one(signed.replace(b"<ds:SignedInfo>", b"<ds:SignedInfo><!-- later -->")).code == (
        "verify.signature-value-mismatch"
    )
    without = sign(FORM, PKI.person, AT, signed_info=EXCLUSIVE)
    assert one(without.replace(b"<ds:SignedInfo>", b"<ds:SignedInfo><!-- later -->")).code == ""


def test_the_hint_of_a_value_is_sought_with_the_octets_that_were_signed() -> None:
    signed = sign(FORM, PKI.person, AT, signed_info=C14N_COMMENTS)
    broken = re.sub(rb"(<ds:SignatureValue[^>]*>)[^<]{8}", rb"\1AAAAAAAA", signed)
    signature = one(broken)
    assert (signature.code, signature.place, signature.hint) == (
        "verify.signature-value-mismatch",
        "ds:SignatureValue",
        "verify.hint-changed",
    )


@pytest.mark.parametrize("inside", ["<x/>", "<!-- x --><x/>"])
def test_a_signature_method_has_no_parameters(inside: str) -> None:
    def put(text: str) -> str:
        return re.sub(r"(<ds:SignatureMethod [^>]*)/>", rf"\1>{inside}</ds:SignatureMethod>", text)

    signature = one(sign(FORM, PKI.person, AT, rewrite=put))
    assert (signature.code, signature.place) == ("verify.transform-parameters", "ds:SignatureMethod")


def judged_by(document: bytes, *, at=AT, trust=TRUST, known=NOTHING_KNOWN, **policy: object):
    root = read(document, Limits())
    report = judge_document(
        root, root, trust=trust, known=known, at=at, policy=Policy(**policy), size=len(document)
    ).report
    (signature,) = report.signatures
    return signature


def test_a_claimed_moment_is_held_to_the_window_of_the_policy() -> None:
    old = sign(FORM, PKI.person, AT - 3 * DAY)
    assert judged_by(old, window=Window(age=3 * DAY)).code == ""
    signature = judged_by(old, window=Window(age=2 * DAY))
    assert (signature.code, signature.place) == ("verify.signing-time-old", "xades:SigningTime")
    assert signature.signing_time == AT - 3 * DAY


def test_a_level_is_that_of_the_moment_for_which_the_signature_is_judged() -> None:
    stamper = PKI.seal_ca
    trust = replace(TRUST, timestamp_anchors=(anchor(stamper, Level.NONE),))
    later = PKI.person.certificate.not_valid_after_utc + DAY
    stamped = stamp(SIGNED, Tsa.of(stamper, AT).token)
    signature = judged_by(stamped, at=later, trust=trust)
    assert (signature.code, signature.level, signature.judged_at) == ("", Level.QUALIFIED, AT)
    late = judged_by(SIGNED, at=later, trust=trust)
    assert (late.code, late.place, late.judged_at) == ("verify.certificate-expired", "ds:X509Certificate", later)


def test_while_a_stamps_own_evidence_is_missing_an_ended_certificate_waits() -> None:
    asked: list[object] = []
    known = Known(evidence=Evidence, ask=asked.append)
    trust = replace(TRUST, timestamp_anchors=(anchor(PKI.seal_ca, Level.NONE),), revocation="require")
    later = PKI.person.certificate.not_valid_after_utc + DAY
    stamped = stamp(SIGNED, Tsa.of(PKI.seal_ca, AT).token)
    signature = judged_by(stamped, at=later, trust=trust, known=known)
    assert (signature.code, signature.place) == ("verify.revocation-unknown", "ds:X509Certificate")
    assert asked


def test_a_person_whom_nobody_vouches_for_is_hinted_at_and_not_believed() -> None:
    vouched = one(sign_on_platform(FORM, PKI.platform, PKI.person.person, AT))
    assert (vouched.level, vouched.hint) == (Level.TRUSTED_PROFILE, "")
    assert vouched.identity is not None
    assert vouched.identity.source == "claimed-role"
    stranger = one(sign_on_platform(FORM, PKI.local_person, PKI.person.person, AT))
    assert (stranger.level, stranger.hint) == (Level.LOCAL, "verify.hint-claimed-role")
    assert stranger.identity is not None
    assert stranger.identity.source == "certificate"
    nobody = one(sign(FORM, PKI.platform, AT))
    assert (nobody.level, nobody.hint) == (Level.LOCAL, "")
