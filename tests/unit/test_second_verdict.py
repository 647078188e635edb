"""What a second verdict says of the first where stamps are in play: what they fell for, and what that proves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from broker.evidence import Indication, Report, SignatureReport, TimeStampReport, to_json
from broker.partner import fingerprint
from broker.verify.revocation import HOLD, Known, Status
from config.second_verdict import Comparison, Outcome, compare
from tests.corpus.verify.scene import AT, FORM, PKI
from tests.unit.verify.test_verify_stamps_awaited import (
    DAY,
    ENDED,
    HOUR,
    ISSUER,
    PERSON,
    REQUIRE,
    SIGNED,
    SIGNER,
    STAMPED,
    STAMPER,
    TSA,
    UNIT,
    admitted,
    judged,
    known,
    word,
)

OVERTURNED, UNKNOWN, CONFIRMED = Outcome.OVERTURNED, Outcome.UNKNOWN, Outcome.CONFIRMED
ENTRY = AT + 3 * DAY
OWN = ENDED.certificate  # ended a day after the stamp
BARE = sign(FORM, ENDED, AT, QUALIFIED, certificates="chain")
LATE = stamp(BARE, TSA.token)
GOOD_SIGNER = word(OWN, made=AT + 12 * HOUR)
NOBODY_FOR_STAMPS = replace(REQUIRE, timestamp_anchors=())
ANOTHER = Tsa.of(STAMPER, AT + HOUR)
OTHER = PKI.personal(PKI.qualified_ca, JAN)


def compared(first: Report, second: Report) -> Comparison:
    return compare(lambda: json.loads(to_json(first)), second)


def let_in(document: bytes, entry: datetime, by: Known) -> Report:
    first = judged(document, entry, by)
    assert admitted(first, entry)
    return first


# ── a certificate that has ended: let in because of its stamp alone ──


def again(*words: Status, trust=REQUIRE, document: bytes = LATE, unit=UNIT, unasked: bool = False) -> Comparison:
    first = let_in(document, ENTRY, known(GOOD_SIGNER, silent={unit: ENTRY - HOUR}))
    evidence = known(GOOD_SIGNER, *words).evidence()
    if unasked:
        evidence = replace(evidence, unasked=frozenset([fingerprint(unit)]))
    return compared(first, judged(document, ENTRY, Known(evidence=lambda: evidence, ask=lambda _path: None), trust))


@pytest.mark.parametrize("why", ["keyCompromise", "superseded"])
def test_a_stamp_whose_unit_proves_revoked_was_all_that_carried_a_certificate_that_has_ended(why):
    revoked = word(UNIT, AT - DAY, made=ENTRY + HOUR)
    assert again(replace(revoked, reason=why)) == Comparison(outcome=OVERTURNED, reason="time-stamp revoked")


def test_a_stamp_that_held_and_is_revoked_now_proves_the_same():
    """The stamp was good at first; nobody spoke of the signer."""
    first = let_in(LATE, ENTRY, known(word(UNIT), silent={OWN: ENTRY - HOUR}))
    second = judged(LATE, ENTRY, known(GOOD_SIGNER, word(UNIT, AT - DAY, made=ENTRY + HOUR)))
    assert second.code == "verify.certificate-expired"
    assert compared(first, second).outcome is OVERTURNED


def test_a_unit_that_stands_or_was_revoked_later_confirms_what_its_stamp_carried():
    assert again(word(UNIT)).outcome is CONFIRMED
    assert again(word(UNIT, ENTRY + HOUR, made=ENTRY + 2 * HOUR)).outcome is CONFIRMED


def test_a_stamp_that_fell_for_want_of_evidence_proves_nothing():
    assert again().outcome is UNKNOWN
    assert again(unasked=True).outcome is UNKNOWN
    assert again(trust=NOBODY_FOR_STAMPS).outcome is UNKNOWN
    held = replace(word(UNIT, ENTRY - HOUR, made=ENTRY + HOUR), reason=HOLD)
    assert again(held).outcome is UNKNOWN


def test_a_second_stamp_that_is_wanting_may_still_carry_what_the_first_does_not():
    unit = ANOTHER.credential.certificate
    end = b"</xades:UnsignedSignatureProperties>"
    other = stamp(BARE, ANOTHER.token)
    both = LATE.replace(end, other[other.index(b"<xades:SignatureTimeStamp>") : other.index(end)] + end)
    revoked = word(UNIT, AT - DAY, made=ENTRY + HOUR)
    about = {"silent": {UNIT: ENTRY - HOUR, unit: ENTRY - HOUR}}
    first = let_in(both, ENTRY, known(GOOD_SIGNER, **about))

    def second(*words: Status) -> Comparison:
        return compared(first, judged(both, ENTRY, known(GOOD_SIGNER, revoked, *words)))

    assert second().outcome is UNKNOWN
    assert second(replace(word(unit, ENTRY - HOUR, made=ENTRY + HOUR), reason=HOLD)).outcome is UNKNOWN
    assert second(word(unit)).outcome is CONFIRMED
    assert second(word(unit, AT - DAY, made=ENTRY + HOUR)).outcome is OVERTURNED


def test_an_end_for_which_no_stamp_had_carried_the_first_verdict_is_no_news():
    """The way on which it held is not at hand, and another has ended."""
    stamps = (TimeStampReport(at=AT),)
    was = SignatureReport(
        id="#1", indication=Indication.INDETERMINATE, code="verify.revocation-unknown", judged_at=ENTRY
    )
    now = replace(was, code="verify.chain-expired", time_stamps=(TimeStampReport(code="verify.revoked"),))

    def second(judged_at: datetime) -> Outcome:
        first = Report(
            indication=Indication.INDETERMINATE, signatures=(replace(was, judged_at=judged_at, time_stamps=stamps),)
        )
        return compared(first, Report(indication=now.indication, code=now.code, signatures=(now,))).outcome

    assert second(ENTRY) is UNKNOWN
    assert second(AT) is OVERTURNED


# ── a signer that was revoked ──


@pytest.mark.parametrize(
    ("revoked_at", "outcome"),
    [(AT - DAY, OVERTURNED), (AT, OVERTURNED), (AT + timedelta(seconds=1), UNKNOWN), (AT + HOUR, UNKNOWN)],
)
def test_a_stamp_that_is_not_believed_any_more_excuses_what_was_revoked_after_it_alone(revoked_at, outcome):
    entry = AT + 2 * HOUR
    first = let_in(STAMPED, entry, known(word(ISSUER), word(UNIT), silent={SIGNER: entry - HOUR}))
    words = known(word(SIGNER, revoked_at), word(ISSUER), word(UNIT))
    second = judged(STAMPED, entry, words, NOBODY_FOR_STAMPS)
    assert second.code == "verify.revoked"
    assert compared(first, second) == Comparison(outcome=outcome)


def test_a_stamp_whose_unit_is_on_hold_or_can_be_asked_about_no_more_excuses_it_too():
    entry = AT + 2 * HOUR
    first = let_in(STAMPED, entry, known(word(ISSUER), word(UNIT), silent={SIGNER: entry - HOUR}))
    after = (word(SIGNER, AT + HOUR), word(ISSUER))
    held = replace(word(UNIT, AT + HOUR), reason=HOLD)
    assert compared(first, judged(STAMPED, entry, known(*after, held))) == Comparison(outcome=UNKNOWN)
    evidence = replace(known(*after).evidence(), unasked=frozenset([fingerprint(UNIT)]))
    second = judged(STAMPED, entry, Known(evidence=lambda: evidence, ask=lambda _path: None))
    assert (second.code, compared(first, second).outcome) == ("verify.revoked", UNKNOWN)


def test_a_stamp_that_proved_nothing_at_first_excuses_nothing():
    entry = AT + 2 * HOUR
    first = judged(STAMPED, entry, known(word(ISSUER), word(UNIT, AT - DAY), silent={SIGNER: entry - HOUR}))
    assert (first.awaits, first.signatures[0].time_stamps[0].code) == (True, "verify.revoked")
    second = judged(STAMPED, entry, known(word(SIGNER, AT + HOUR), word(ISSUER)), NOBODY_FOR_STAMPS)
    assert compared(first, second).outcome is OVERTURNED


def test_a_revoked_authority_after_a_stamp_that_is_not_believed_any_more_waits_and_before_it_does_not():
    entry = AT + 2 * HOUR
    first = let_in(STAMPED, entry, known(word(SIGNER), word(UNIT), silent={ISSUER: entry - HOUR}))
    for revoked_at, outcome in ((AT + HOUR, UNKNOWN), (AT - HOUR, OVERTURNED)):
        words = known(word(SIGNER), word(ISSUER, revoked_at), word(UNIT))
        second = judged(STAMPED, entry, words, NOBODY_FOR_STAMPS)
        assert (second.code, compared(first, second).outcome) == ("verify.ca-revoked", outcome)


# ── more than one signature ──


def two(first: bytes) -> bytes:
    """A second signature beside the first, without a stamp."""
    return sign(first, OTHER, AT, QUALIFIED, certificates="chain")


def test_a_lost_stamp_of_one_signature_does_not_hide_that_the_signer_of_another_was_revoked():
    both, entry = two(STAMPED), AT + 2 * HOUR
    other = OTHER.certificate
    rest = (word(SIGNER), word(ISSUER), word(UNIT))
    first = let_in(both, entry, known(*rest, silent={other: entry - HOUR}))
    second = judged(both, entry, known(*rest, word(other, AT - DAY)), NOBODY_FOR_STAMPS)
    assert compared(first, second) == Comparison(outcome=OVERTURNED)
    excused = (word(SIGNER, AT + HOUR), word(ISSUER), word(UNIT))
    second = judged(both, entry, known(*excused, word(other, AT - DAY)), NOBODY_FOR_STAMPS)
    assert compared(first, second) == Comparison(outcome=OVERTURNED)
    second = judged(both, entry, known(*excused, word(other)), NOBODY_FOR_STAMPS)
    assert compared(first, second) == Comparison(outcome=UNKNOWN)


def test_what_is_proven_of_a_signature_that_does_not_decide_is_told_by_its_own_code():
    """A certificate that has ended stands first; behind it the authority of another signer was revoked."""
    both = sign(LATE, PERSON, AT, QUALIFIED, certificates="chain")
    first = let_in(both, ENTRY, known(GOOD_SIGNER, word(SIGNER), word(ISSUER), silent={UNIT: ENTRY - HOUR}))
    words = known(GOOD_SIGNER, word(SIGNER), word(ISSUER, AT - DAY), word(UNIT))
    second = judged(both, ENTRY, words, NOBODY_FOR_STAMPS)
    assert second.code == "verify.certificate-expired"
    assert compared(first, second) == Comparison(outcome=OVERTURNED, reason="verify.ca-revoked")


# ── what no stamp could cure, and what is not known ──


def test_what_is_wrong_but_by_time_is_excused_by_no_lost_stamp():
    entry = AT + 2 * HOUR
    first = let_in(STAMPED, entry, known(word(ISSUER), word(UNIT), silent={SIGNER: entry - HOUR}))
    changed = STAMPED.replace(b"Pr\xc3\xb3bna", b"Probna")
    second = judged(changed, entry, known(word(SIGNER), word(ISSUER), word(UNIT)), NOBODY_FOR_STAMPS)
    assert (second.code, compared(first, second)) == ("verify.digest-mismatch", Comparison(outcome=OVERTURNED))


def test_a_fault_of_the_whole_document_overturns_it_whatever_its_signatures_are_worth():
    first = let_in(SIGNED, AT, known(word(ISSUER), silent={SIGNER: AT - HOUR}))
    second = judged(SIGNED, AT, known(word(SIGNER), word(ISSUER)))
    whole = replace(second, indication=Indication.FAILED, code="verify.attribute-unsigned")
    assert compared(first, whole) == Comparison(outcome=OVERTURNED)


def test_the_first_report_is_asked_for_only_where_it_matters_and_may_be_empty():
    def never():
        raise AssertionError

    waiting = judged(SIGNED, AT, known(word(ISSUER), silent={SIGNER: AT - HOUR}))
    assert compare(never, waiting).outcome is UNKNOWN
    revoked = judged(STAMPED, AT + HOUR, known(word(SIGNER, AT - DAY), word(ISSUER)), NOBODY_FOR_STAMPS)
    for first in ({}, {"signatures": []}, {"signatures": [{}]}, {"signatures": [{"time_stamps": [{"code": ""}]}]}):
        assert compare(lambda first=first: first, revoked).outcome is OVERTURNED
