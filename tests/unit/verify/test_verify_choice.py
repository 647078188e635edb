"""When the first path does not stand, the next one is asked about, whichever came first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from cryptography import x509

from adapters.testkit.certificates import Authority, Credential
from adapters.testkit.signer import sign
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa, unit
from broker.evidence import Level, Report
from broker.parse import Limits, read
from broker.partner import fingerprint
from broker.verify import Anchor, TrustSnapshot, choice, examine, path
from broker.verify.certificate import load
from broker.verify.path import Path
from broker.verify.revocation import HOLD, Evidence, Known, Status
from tests.corpus.verify.scene import AT, FORM, TRUST, anchor
from tests.revocation import CA, DAY, HOUR, PERSON, REQUIRE, ROOT
from tests.unit.verify.test_verify_path_order import above

UNKNOWN = "verify.revocation-unknown"
SIGNS = ("key_cert_sign", "crl_sign")
OLD, NEW, NEWEST = above(1), above(2), above(3)
"""Three certificates of the issuing CA for one key, signed by one root."""


def status(certificate: x509.Certificate, why: str = "") -> Status:
    """What is known: it is good, or was revoked five days ago, or was known to be good long ago."""
    revoked = why if why not in ("", "stale") else ""
    made = AT - (90 * DAY if why == "stale" else HOUR)
    return Status(
        certificate=fingerprint(certificate),
        good=not revoked,
        source="ocsp",
        produced_at=made,
        this_update=made,
        next_update=made + 20 * DAY,
        revoked_at=AT - 5 * DAY if revoked else None,
        reason=revoked,
    )


class Office:
    """Who knows this and that, and is asked."""

    def __init__(self, *said: Status, unasked: Sequence[x509.Certificate] = ()) -> None:
        self.asked: list[Path] = []
        self._evidence = Evidence(
            statuses={it.certificate: it for it in said}, unasked=frozenset(fingerprint(it) for it in unasked)
        )
        self.known = Known(evidence=lambda: self._evidence, ask=self.asked.append)

    def judges(self, document: bytes, trust: TrustSnapshot = REQUIRE, at: datetime = AT) -> Report:
        return examine(read(document, Limits()), trust, at, known=self.known)


def letter(*between: x509.Certificate) -> bytes:
    return sign(FORM, replace(PERSON, chain=between), AT, certificates="chain")


@pytest.mark.parametrize("why", ["superseded", HOLD, "stale", "unknown", "unobtainable"])
def test_a_renewed_certificate_stands_for_its_key_whatever_became_of_the_old_one(why: str) -> None:
    # The newest is looked at first, so it is the one that is wrong here, and in the second round the older.
    for wrong, right in ((OLD, NEW), (NEW, OLD)):
        said = [] if why.startswith("un") else [status(wrong, why)]
        for came in ((OLD, NEW), (NEW, OLD)):
            office = Office(
                *said, status(right), status(PERSON.certificate), unasked=[wrong] if why == "unobtainable" else []
            )
            report = office.judges(letter(*came))
            (signature,) = report.signatures
            assert (report.code, report.level) == ("", Level.QUALIFIED)
            assert [it.certificate for it in signature.revocation] == [
                fingerprint(PERSON.certificate),
                fingerprint(right),
            ]


HOW = ["unknown", HOLD, "superseded"]


@pytest.mark.parametrize("order", list(permutations(HOW)))
def test_of_paths_that_do_not_stand_the_one_that_may_yet_counts(order: Sequence[str]) -> None:
    codes = {"unknown": "verify.revocation-unknown", HOLD: "verify.on-hold", "superseded": "verify.ca-revoked"}
    office = Office(
        status(PERSON.certificate),
        *(status(it, why) for it, why in zip((OLD, NEW, NEWEST), order, strict=True) if why != "unknown"),
    )
    assert office.judges(letter(OLD, NEW, NEWEST)).code == codes["unknown"]
    two = [it for it, why in zip((OLD, NEW, NEWEST), order, strict=True) if why != "unknown"]
    assert office.judges(letter(*two)).code == codes[HOLD]


def test_stale_evidence_may_be_renewed_and_comes_before_a_hold() -> None:
    office = Office(status(PERSON.certificate), status(OLD, "stale"), status(NEW, HOLD))
    assert office.judges(letter(OLD, NEW)).code == "verify.revocation-stale"


def test_of_paths_that_are_equally_hopeless_the_first_counts() -> None:
    office = Office(status(PERSON.certificate), status(NEW, "superseded"), unasked=[OLD])
    assert office.judges(letter(OLD, NEW)).code == "verify.ca-revoked"
    office = Office(status(PERSON.certificate), status(OLD, "superseded"), unasked=[NEW])
    assert office.judges(letter(OLD, NEW)).code == "verify.revocation-unobtainable"


@pytest.mark.parametrize("why", ["keyCompromise", "cACompromise"])
@pytest.mark.parametrize("other", ["unknown", "stale", HOLD])
def test_nothing_is_hoped_for_another_certificate_of_a_compromised_key(why: str, other: str) -> None:
    """A thief has the key of both: no grace, and no waiting, for the one of which nobody has heard yet."""
    for gone, left in ((OLD, NEW), (NEW, OLD)):
        said = [status(PERSON.certificate), status(gone, why), *([] if other == "unknown" else [status(left, other)])]
        office = Office(*said)
        report = office.judges(letter(OLD, NEW))
        assert report.code == "verify.ca-revoked"
        assert report.signatures[0].revocation[1].certificate == fingerprint(gone)
        # One that is known to be good stands, as EN 319 102-1 §5.2.6.4 has it: its issuer has been heard.
        assert Office(*said[:2], status(left)).judges(letter(OLD, NEW)).code == ""


@pytest.mark.parametrize(
    "why", ["superseded", "cessationOfOperation", "affiliationChanged", "unspecified", "privilegeWithdrawn"]
)
def test_for_any_other_reason_the_renewal_may_be_waited_for(why: str) -> None:
    for gone in (OLD, NEW):
        assert Office(status(PERSON.certificate), status(gone, why)).judges(letter(OLD, NEW)).code == UNKNOWN


def test_a_key_that_will_be_compromised_later_may_be_waited_for() -> None:
    later = replace(status(NEW, "keyCompromise"), revoked_at=AT + DAY, next_update=AT - HOUR)
    office = Office(status(PERSON.certificate), status(NEWEST, "superseded"), later)
    assert office.judges(letter(OLD, NEW, NEWEST)).code == "verify.revocation-stale"


def test_a_signer_whose_key_is_compromised_is_revoked_on_every_path() -> None:
    office = Office(status(PERSON.certificate, "keyCompromise"), status(OLD))
    assert office.judges(letter(OLD, NEW)).code == "verify.revoked"


def test_an_authority_above_may_be_compromised_too() -> None:
    """Two paths lead to it, and one past it: what is hoped for is the other key."""
    middle = ROOT.subordinate("Goniec Test Middle CA", AT)
    others = [middle_again(middle, number) for number in (1, 2)]
    own = middle.issue(
        OLD.subject, CA.credential.key, not_before=AT - 20 * DAY, not_after=AT + 99 * DAY, ca=True, usage=SIGNS
    ).certificate
    known = [status(PERSON.certificate), status(own), status(others[0], "keyCompromise")]
    assert Office(*known).judges(letter(own, *others)).code == "verify.ca-revoked"
    assert Office(*known[:2]).judges(letter(own, *others)).code == UNKNOWN
    for beside in ((own, *others, OLD), (OLD, own, *others)):
        report = Office(*known).judges(letter(*beside))
        assert report.code == UNKNOWN
        assert report.signatures[0].revocation[1].certificate == fingerprint(OLD)


def middle_again(middle: Authority, number: int) -> x509.Certificate:
    own = middle.credential
    begin = AT - 10 * DAY + timedelta(seconds=number)
    return ROOT.issue(
        own.certificate.subject, own.key, not_before=begin, not_after=AT + 99 * DAY, ca=True, usage=SIGNS
    ).certificate


def test_the_key_of_an_anchor_is_trusted_whoever_disowns_another_certificate_of_it() -> None:
    local = Anchor(certificate=above(7), name="the operator's", level=Level.LOCAL)
    trust = replace(REQUIRE, anchors=(local, *TRUST.anchors))
    gone = status(OLD, "keyCompromise")
    assert Office(gone).judges(letter(OLD), trust).code == UNKNOWN
    assert Office(gone, status(PERSON.certificate)).judges(letter(OLD), trust).code == ""


def test_a_signer_who_is_revoked_is_so_on_every_path() -> None:
    office = Office(status(PERSON.certificate, "superseded"), status(OLD))
    assert office.judges(letter(OLD, NEW)).code == "verify.revoked"


def test_whatever_was_looked_at_and_lacks_something_is_asked_for_and_nothing_else() -> None:
    office = Office(status(PERSON.certificate))
    office.judges(letter(OLD, NEW))
    assert [it.certificates[1].x509 for it in office.asked] == [NEW, OLD]
    office = Office(status(PERSON.certificate), status(NEW))
    office.judges(letter(OLD, NEW))
    assert office.asked == []


def test_the_level_is_that_of_the_path_that_counts() -> None:
    local = Anchor(certificate=above(7), name="the operator's", level=Level.LOCAL)
    trust = replace(REQUIRE, anchors=(local, *TRUST.anchors))
    (first, *_) = path.find_all(load(PERSON.der), [load(OLD.public_bytes(path.Encoding.DER))], trust, AT)
    assert first.anchor is local
    assert Office(status(PERSON.certificate)).judges(letter(OLD), trust).level is Level.LOCAL


def test_where_nobody_asks_the_first_path_is_taken_and_no_other_sought(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("another path was sought")

    monkeypatch.setattr(path._Judge, "others", never)
    office = Office()
    assert office.judges(letter(OLD, NEW), TRUST).code == ""
    assert office.asked == []


def test_without_a_moment_of_entry_evidence_is_due_as_of_the_moment() -> None:
    known = Office(status(PERSON.certificate), status(OLD))
    paths = list(path.find_all(load(PERSON.der), [load(OLD.public_bytes(path.Encoding.DER))], REQUIRE, AT))
    assert choice.choose(paths, known.known, REQUIRE, AT).fault is None
    assert known.asked == []
    late = choice.choose(paths, known.known, REQUIRE, AT + 19 * DAY)
    assert known.asked == paths
    assert late.fault is not None
    assert late.path is paths[0]


# ── time-stamping units have several paths too ──

STAMPERS = ROOT.subordinate("Goniec Test TSA", AT)
UNIT = unit(STAMPERS, AT)


def tsa_above(number: int, end: timedelta) -> x509.Certificate:
    own = STAMPERS.credential
    return ROOT.issue(
        own.certificate.subject,
        own.key,
        not_before=AT - DAY + timedelta(seconds=number),
        not_after=AT + end,
        usage=("key_cert_sign", "crl_sign"),
        ca=True,
    ).certificate


def stamped(*between: x509.Certificate) -> bytes:
    chain: Credential = replace(UNIT, chain=between)
    return stamp(letter(OLD), Tsa(credential=chain, clock=lambda: AT).token)


STAMPED = replace(REQUIRE, timestamp_anchors=(anchor(ROOT, Level.NONE),))


def test_a_stamp_is_judged_by_the_path_of_its_unit_that_stands() -> None:
    one, two = tsa_above(1, 99 * DAY), tsa_above(2, 99 * DAY)
    for wrong, right in ((one, two), (two, one)):
        office = Office(
            *(status(it) for it in (PERSON.certificate, OLD, UNIT.certificate, right)), status(wrong, "superseded")
        )
        report = office.judges(stamped(one, two), STAMPED, AT + HOUR)
        assert [it.code for it in report.signatures[0].time_stamps] == [""]
        assert report.signatures[0].judged_at == AT


def test_a_stamp_needs_one_path_that_is_still_in_force() -> None:
    ended, lasts = tsa_above(2, HOUR), tsa_above(1, 99 * DAY)
    office = Office(*(status(it) for it in (PERSON.certificate, OLD, UNIT.certificate, ended, lasts)))
    for came, at, code in (
        ((ended, lasts), AT + 2 * HOUR, ""),
        ((ended,), AT + HOUR, ""),
        ((ended,), AT + 2 * HOUR, "verify.timestamp-untrusted"),
    ):
        (told,) = office.judges(stamped(*came), STAMPED, at).signatures[0].time_stamps
        assert (told.code, told.hint) == (code, "verify.chain-expired" if code else "")
