"""A stamp of whose unit nothing is known yet also keeps those waiting whom a list has let go since, and whose signature
would be worth more: what a document is worth must not hang on whether evidence about its stamp has come already."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from adapters.testkit.certificates import Authority, Credential, key
from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from broker.evidence import Indication, Level, Report
from broker.verify.fault import Fault
from broker.verify.qualified import Purpose, Service
from broker.verify.standing import Standing
from broker.verify.trust import Anchor, TrustSnapshot
from tests.corpus.verify.scene import AT, FORM, PKI, anchor
from tests.unit.verify.test_verify_stamps_awaited import (
    DAY,
    HOUR,
    REQUIRE,
    STAMPER,
    TSA,
    UNIT,
    WEEK,
    admitted,
    judged,
    known,
    word,
)

UNKNOWN = "verify.revocation-unknown"
GONE = "verify.chain-untrusted"
ROOT = PKI.qualified_ca.credential.certificate
HERS = PKI.personal(PKI.qualified_ca, JAN, not_before=AT - 90 * DAY, not_after=AT + 900 * DAY)
STAMPED = stamp(sign(FORM, HERS, AT, QUALIFIED), TSA.token)
GOOD = word(HERS.certificate)


def granted(begin: datetime, end: datetime, *, level: Level = Level.NONE, purposes: bool = True) -> Anchor:
    """The signer's CA in a list, for qualified signatures, and what a signature below it is worth that is not."""
    service = Service(
        name="S",
        territory="PL",
        since=begin,
        until=end,
        purposes=frozenset({Purpose.SIGNATURES}) if purposes else frozenset(),
    )
    return Anchor(certificate=ROOT, name="listed", level=level, services=(service,))


def trusting(*anchors: Anchor) -> TrustSnapshot:
    return replace(REQUIRE, anchors=anchors)


UNTIL_AFTER_THE_STAMP = granted(AT - 900 * DAY, AT + DAY)
LOCAL = anchor(PKI.qualified_ca, Level.LOCAL)


def told(report: Report) -> tuple[str, Level, datetime | None]:
    return report.code, report.level, report.signatures[0].judged_at


def test_a_sender_whose_ca_was_withdrawn_after_the_stamp_waits_for_news_of_its_unit_and_has_the_grace_of_the_box() -> (
    None
):
    trust = trusting(UNTIL_AFTER_THE_STAMP)
    waits = judged(STAMPED, WEEK, known(GOOD), trust)
    assert (told(waits), waits.silent_since) == ((UNKNOWN, Level.QUALIFIED, AT), None)
    silent = judged(STAMPED, WEEK, known(GOOD, silent={UNIT: WEEK - HOUR}), trust)
    assert told(silent) == told(waits)
    assert admitted(silent, WEEK)
    assert not admitted(silent, WEEK, grace=HOUR / 2)
    assert told(judged(STAMPED, WEEK, known(GOOD, word(UNIT)), trust)) == ("", Level.QUALIFIED, AT)
    # What is proven of the unit decides, and of the signer.
    assert told(judged(STAMPED, WEEK, known(GOOD, word(UNIT, AT - DAY)), trust)) == (GONE, Level.NONE, WEEK)
    revoked = known(word(HERS.certificate, AT - DAY))
    assert told(judged(STAMPED, WEEK, revoked, trust)) == (GONE, Level.NONE, WEEK)


@pytest.mark.parametrize(
    ("begin", "end"), [(AT - 900 * DAY, AT), (AT - 900 * DAY, AT - DAY), (AT + HOUR, AT + DAY), (WEEK + DAY, WEEK + 2 * DAY)]
)  # fmt: skip
def test_whom_no_list_had_granted_at_the_moment_of_the_stamp_waits_for_nothing(begin: datetime, end: datetime) -> None:
    report = judged(STAMPED, WEEK, known(GOOD, silent={UNIT: WEEK - HOUR}), trusting(granted(begin, end)))
    assert (told(report), report.awaits, report.silent_since) == ((GONE, Level.NONE, WEEK), False, None)


def _stranger() -> Credential:
    own = Authority(credential=PKI.untrusted_ca.credential)
    return PKI.personal(own, JAN, not_before=AT - 90 * DAY, not_after=AT + 900 * DAY)


def _pretender() -> Credential:
    """Below an authority of the listed one's name, and of another key."""
    own = key("pretender", "ec-256")
    forged = Authority(credential=Credential(key=own, certificate=ROOT))
    return forged.issue(HERS.certificate.subject, key("pretended"), not_before=AT - DAY, not_after=AT + 900 * DAY)


@pytest.mark.parametrize(
    ("signer", "codes"), [(_stranger(), {GONE}), (_pretender(), {GONE, "verify.chain-invalid"})], ids=["stranger", "pretender"]
)  # fmt: skip
def test_a_stranger_gains_no_wait_and_no_grace_by_any_number_of_stamps(signer: Credential, codes: set[str]) -> None:
    document = sign(FORM, signer, AT, QUALIFIED, certificates="chain")
    silent = known(word(signer.certificate), silent={UNIT: WEEK - HOUR})
    for trust in (trusting(UNTIL_AFTER_THE_STAMP), trusting(LOCAL), trusting(UNTIL_AFTER_THE_STAMP, LOCAL), trusting()):
        report = judged(stamp(document, TSA.token), WEEK, silent, trust)
        assert report.code in codes
        assert (report.level, report.awaits, report.silent_since) == (Level.NONE, False, None)
        (it,) = report.signatures[0].time_stamps
        assert it.code == UNKNOWN


def test_what_else_is_told_first_of_a_path_that_is_gone_hides_nothing() -> None:
    """The first path that is tried now is of another CA of the name, and breaks a rule: by the list's it held."""
    twin = Authority(credential=Credential(key=key("twin", "rsa-2048"), certificate=ROOT))
    double = twin.issue(
        ROOT.subject, twin.credential.key, not_before=AT - DAY, not_after=AT + 900 * DAY, ca=True
    ).certificate
    trust = trusting(Anchor(certificate=double, name="twin", level=Level.LOCAL), UNTIL_AFTER_THE_STAMP)
    bare = sign(FORM, HERS, AT, QUALIFIED)
    assert judged(bare, WEEK, known(GOOD), trust).code == "verify.chain-invalid"
    assert told(judged(STAMPED, WEEK, known(GOOD), trust)) == (UNKNOWN, Level.QUALIFIED, AT)
    assert told(judged(STAMPED, WEEK, known(GOOD, word(UNIT)), trust)) == ("", Level.QUALIFIED, AT)


@pytest.mark.parametrize(
    "anchors",
    [
        (UNTIL_AFTER_THE_STAMP, LOCAL),
        (replace(UNTIL_AFTER_THE_STAMP, services=(*UNTIL_AFTER_THE_STAMP.services, *granted(AT + DAY, WEEK + DAY, purposes=False).services)),),
    ],
    ids=["the-operator's-anchor-is-left", "granted-for-less-since"],
)  # fmt: skip
def test_a_signature_that_would_be_worth_more_by_its_stamp_waits_for_it(anchors: tuple[Anchor, ...]) -> None:
    trust = trusting(*anchors)
    bare = judged(sign(FORM, HERS, AT, QUALIFIED), WEEK, known(GOOD), trust)
    assert (bare.indication, bare.level.rank < Level.QUALIFIED.rank) == (Indication.PASSED, True)
    assert told(judged(STAMPED, WEEK, known(GOOD), trust)) == (UNKNOWN, Level.QUALIFIED, AT)
    silent = judged(STAMPED, WEEK, known(GOOD, silent={UNIT: WEEK - HOUR}), trust)
    assert (silent.code, silent.silent_since, admitted(silent, WEEK)) == (UNKNOWN, WEEK - HOUR, True)
    assert told(judged(STAMPED, WEEK, known(GOOD, word(UNIT)), trust)) == ("", Level.QUALIFIED, AT)
    # So does one of whose signer nothing is known yet either: once it waits, it waits for the higher.
    assert told(judged(STAMPED, WEEK, known(), trust)) == (UNKNOWN, Level.QUALIFIED, AT)


def test_a_signature_that_would_be_worth_as_much_or_less_by_its_stamp_does_not_wait() -> None:
    services = (*granted(AT - 900 * DAY, AT - DAY).services, *granted(AT + DAY, WEEK + DAY).services)
    since = replace(UNTIL_AFTER_THE_STAMP, services=services)
    for trust, level in (
        (trusting(LOCAL), Level.LOCAL),
        (trusting(granted(AT - 900 * DAY, WEEK + DAY)), Level.QUALIFIED),
        (trusting(since, LOCAL), Level.QUALIFIED),
    ):
        assert told(judged(STAMPED, WEEK, known(GOOD), trust)) == ("", level, WEEK)


def test_of_several_stamps_that_are_awaited_the_one_counts_by_which_it_would_be_worth_most() -> None:
    signed, end = sign(FORM, HERS, AT, QUALIFIED), b"</xades:SignatureTimeStamp>"
    issued = granted(AT - 900 * DAY, AT - DAY)
    before = granted(AT - DAY, AT + HOUR, purposes=False, level=Level.LOCAL)
    between = granted(AT + HOUR, AT + DAY)
    after = granted(AT + 3 * DAY, AT + 4 * DAY, purposes=False)
    times = (AT + 3 * DAY, AT + 2 * HOUR, AT)
    stamped = [stamp(signed, Tsa.of(STAMPER, at).token) for at in times]
    elements = [it[it.index(b"<xades:SignatureTimeStamp>") : it.index(end)] + end for it in stamped]
    document = stamped[0].replace(end, end + elements[1] + elements[2])
    services = (*issued.services, *before.services, *between.services, *after.services)
    trust = trusting(replace(before, services=services))
    report = judged(document, WEEK, known(GOOD), trust)
    assert [it.at for it in report.signatures[0].time_stamps] == list(times)
    assert told(report) == (UNKNOWN, Level.QUALIFIED, AT + 2 * HOUR)
    # Of those by which it would be worth as much, the first that stands in the document.
    alike = trusting(replace(before, services=(*before.services, *after.services)))
    assert told(judged(document, WEEK, known(GOOD), alike)) == (UNKNOWN, Level.LOCAL, AT + 3 * DAY)


@pytest.mark.parametrize(
    ("fault", "stands"),
    [(None, True), (Fault(UNKNOWN), True), (Fault("verify.revocation-stale"), True), (Fault("verify.on-hold"), False)],
)
def test_what_stands_lacks_nothing_but_evidence_that_can_still_come(fault: Fault | None, stands: bool) -> None:
    assert Standing(at=AT, fault=fault).stands is stands
