"""Whether certificates were revoked is judged by what is known, for the moment of entry; nothing known is no "good"."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from broker.errors import ConfigError
from broker.evidence import Indication, Level, Report, RevocationReport, SubIndication
from broker.model import Form, FormKey, Valid
from broker.parse import Limits, Parse, read
from broker.verify import Anchor, TrustSnapshot, Verify, examine
from broker.verify.certificate import issuer_key, load
from broker.verify.fault import Fault
from broker.verify.path import Path
from broker.verify.revocation import (
    Evidence,
    Known,
    RevocationList,
    Settled,
    Status,
    due,
    judge,
    require,
)
from broker.verify.settlement import Raw, settle
from broker.verify.sources import Sources, _is_http, sources
from tests.builders import an_envelope
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST
from tests.revocation import CA, DAY, HOUR, PERSON, REQUIRE, ROOT, a_list, path_of, serial

SECOND = timedelta(seconds=1)
PATH = path_of(PERSON)
SIGNER, ISSUER, ANCHOR = PATH.certificates


A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")


def signed(form: bytes) -> bytes:
    return sign(form, PERSON, AT, certificates="chain")


def status(certificate: int = 0, **about: object) -> Status:
    told = {"good": "revoked_at" not in about, "source": "ocsp", "produced_at": AT - HOUR, "this_update": AT - HOUR}
    told |= {"certificate": PATH.certificates[certificate].report.sha256, "next_update": AT + DAY, **about}
    return Status(**told)  # type: ignore[arg-type]


def evidence(*statuses: Status) -> Evidence:
    return Evidence().adding(Settled(statuses=statuses))


def code(known: Evidence, at: datetime = AT, trust: TrustSnapshot = REQUIRE) -> str:
    try:
        require(judge(PATH, known, trust, at))
    except Fault as fault:
        return fault.code
    return "good"


# ── what the verdict is ──


def test_a_path_is_good_when_something_good_is_known_of_every_certificate_below_the_anchor() -> None:
    assert code(evidence(status(0), status(1))) == "good"
    assert code(evidence(status(0))) == code(evidence(status(1))) == code(Evidence()) == "verify.revocation-unknown"


@pytest.mark.parametrize(
    ("since", "verdict"),
    [(AT - DAY, "verify.revoked"), (AT, "verify.revoked"), (AT + SECOND, "good"), (AT + DAY, "good")],
)
def test_a_revocation_counts_from_its_second_on_and_not_before(since: datetime, verdict: str) -> None:
    assert code(evidence(status(0, revoked_at=since, reason="keyCompromise"), status(1))) == verdict


@pytest.mark.parametrize("reason", ["", "unspecified", "keyCompromise", "superseded", "cessationOfOperation"])
def test_a_revocation_is_final_whatever_its_reason_and_however_old_the_news(reason: str) -> None:
    old = status(0, revoked_at=AT - 90 * DAY, reason=reason, this_update=AT - 80 * DAY, next_update=AT - 79 * DAY)
    assert code(evidence(old, status(1))) == "verify.revoked"
    assert code(evidence(old, status(1)).adding(Settled(statuses=(status(0),)))) == "verify.revoked"


def test_a_hold_is_no_final_answer_and_the_newer_word_counts() -> None:
    held = status(0, revoked_at=AT - DAY, reason="certificateHold")
    assert code(evidence(held, status(1))) == "verify.on-hold"
    lifted = status(0, this_update=AT)
    for first, second in ((held, lifted), (lifted, held)):
        assert code(evidence(status(1), first).adding(Settled(statuses=(second,)))) == "good"


def test_an_authority_that_is_revoked_makes_the_verdict_indeterminate() -> None:
    known = evidence(status(0), status(1, revoked_at=AT - DAY, reason="cACompromise"))
    assert code(known) == "verify.ca-revoked"


def test_the_gravest_reason_decides_wherever_on_the_path_it_is() -> None:
    revoked, held = {"revoked_at": AT - DAY}, {"revoked_at": AT - DAY, "reason": "certificateHold"}
    assert code(evidence(status(0, **revoked), status(1, **revoked))) == "verify.revoked"
    assert code(evidence(status(1, **revoked))) == "verify.ca-revoked"
    assert code(evidence(status(0, **held), status(1, **revoked))) == "verify.ca-revoked"
    assert code(evidence(status(1, **held))) == "verify.on-hold"
    assert code(evidence(status(0, next_update=AT - SECOND))) == "verify.revocation-stale"


# ── how old it may be ──


@pytest.mark.parametrize(
    ("about", "verdict"),
    [
        ({"next_update": AT}, "good"),
        ({"next_update": AT - SECOND}, "verify.revocation-stale"),
        ({"this_update": AT - 36 * HOUR}, "good"),
        ({"this_update": AT - 36 * HOUR - SECOND}, "verify.revocation-stale"),
        ({"this_update": AT - 36 * HOUR, "next_update": None}, "good"),
        ({"this_update": AT - 36 * HOUR - SECOND, "next_update": None}, "verify.revocation-stale"),
        ({"this_update": AT + HOUR}, "good"),
    ],
)
def test_evidence_about_a_signer_lives_to_its_next_update_and_no_longer_than_the_freshness(
    about: dict[str, object], verdict: str
) -> None:
    assert code(evidence(status(0, **about), status(1))) == verdict


@pytest.mark.parametrize(
    ("about", "verdict"),
    [
        ({"this_update": AT - 90 * DAY, "next_update": AT + 90 * DAY}, "good"),
        ({"this_update": AT - 90 * DAY, "next_update": AT - SECOND}, "verify.revocation-stale"),
        ({"this_update": AT - 90 * DAY, "next_update": None}, "verify.revocation-stale"),
    ],
)
def test_evidence_about_an_authority_lives_to_its_next_update(about: dict[str, object], verdict: str) -> None:
    assert code(evidence(status(0), status(1, **about))) == verdict


def test_freshness_is_a_setting() -> None:
    known = evidence(status(0, this_update=AT - 2 * HOUR), status(1))
    for hours, verdict in ((2, "good"), (1, "verify.revocation-stale")):
        assert code(known, trust=replace(REQUIRE, freshness=hours * HOUR)) == verdict
    with pytest.raises(ConfigError):
        TrustSnapshot(freshness=timedelta(0))


def test_evidence_made_after_a_certificate_ended_proves_nothing_of_it() -> None:
    """Its issuer may have dropped it from the list by then (RFC 5280 §3.3)."""
    ended = SIGNER.report.not_after
    known = evidence(status(0, this_update=ended + SECOND, next_update=ended + DAY), status(1, next_update=ended + DAY))
    assert code(known, ended) == "verify.revocation-unobtainable"  # no newer evidence could help
    assert (
        code(evidence(status(0, this_update=ended, next_update=None), status(1, next_update=ended + DAY)), ended)
        == "good"
    )


def test_where_nobody_may_be_asked_waiting_does_not_help_until_somebody_tells_unasked() -> None:
    known = replace(evidence(status(1)), unasked=frozenset({SIGNER.report.sha256}))
    assert code(known) == "verify.revocation-unobtainable"
    assert code(known.adding(Settled(statuses=(status(0),)))) == "good"
    assert known.adding(Settled()).unasked == known.unasked


# ── evidence ──


def test_a_list_tells_of_a_certificate_that_nobody_has_seen_before() -> None:
    settled = settle(
        PATH.chain, crls=[Raw(octets=a_list(CA.credential)), Raw(octets=a_list(ROOT.credential))], at=AT, freshness=DAY
    )
    known = Evidence().adding(settled)
    other = path_of(PKI.personal(CA, JAN))
    assert not known.statuses
    assert [it.code for it in judge(other, known, REQUIRE, AT)] == ["", ""]


def test_what_a_list_says_of_one_certificate_is_said_with_everything_that_proves_it() -> None:
    listed = RevocationList(
        issuer="x",
        revoked={7: (AT - DAY, "superseded")},
        this_update=AT - HOUR,
        next_update=AT + DAY,
        url="http://crl.example.test/ca.crl",
        digest="d" * 64,
    )
    good = Status(
        certificate="c",
        good=True,
        source="crl",
        produced_at=AT - HOUR,
        this_update=AT - HOUR,
        next_update=AT + DAY,
        url="http://crl.example.test/ca.crl",
        digest="d" * 64,
    )
    assert listed.status("c", 8) == good
    assert listed.status("c", 7) == replace(good, good=False, revoked_at=AT - DAY, reason="superseded")
    assert (good.final, listed.status("c", 7).final) == (False, True)


def test_a_report_by_a_list_names_the_certificate_and_the_list() -> None:
    listed = RevocationList(
        issuer=PATH.issuers[0], revoked={}, this_update=AT - HOUR, next_update=AT + DAY, url="http://l/", digest="d"
    )
    known = Evidence(silent={SIGNER.report.sha256: AT - DAY}).adding(Settled(lists=(listed,)))
    found = known.status(SIGNER, PATH.issuers[0])
    assert found == listed.status(SIGNER.report.sha256, serial(PERSON))
    one, other = judge(PATH, known, REQUIRE, AT)
    assert one == RevocationReport(
        subject=SIGNER.report.subject,
        certificate=SIGNER.report.sha256,
        status="good",
        source="crl",
        url="http://l/",
        produced_at=AT - HOUR,
        this_update=AT - HOUR,
        next_update=AT + DAY,
        until=AT + DAY,
        digest="d",
        silent_since=AT - DAY,
    )
    assert other == RevocationReport(
        subject=ISSUER.report.subject,
        certificate=ISSUER.report.sha256,
        status="unknown",
        code="verify.revocation-unknown",
    )


def test_an_answer_from_before_it_was_produced_tells_both_moments() -> None:
    told = status(0, produced_at=AT - 2 * HOUR, revoked_at=AT - DAY, reason="superseded")
    (one, _) = judge(PATH, evidence(told, status(1)), REQUIRE, AT)
    assert (one.produced_at, one.this_update, one.next_update) == (AT - 2 * HOUR, AT - HOUR, AT + DAY)
    assert (one.status, one.revoked_at, one.reason) == ("revoked", AT - DAY, "superseded")


@pytest.mark.parametrize(
    ("about", "word"),
    [
        ({"revoked_at": AT - DAY, "reason": "certificateHold"}, "on-hold"),
        ({"next_update": AT - SECOND}, "stale"),
        ({"this_update": SIGNER.report.not_after + SECOND}, "unknown"),
        ({}, "good"),
    ],
)
def test_the_report_says_each_verdict_by_its_word(about: dict[str, object], word: str) -> None:
    assert judge(PATH, evidence(status(0, **about), status(1)), REQUIRE, AT)[0].status == word


def test_of_two_that_are_as_new_the_one_at_hand_counts_and_among_final_ones_the_newer() -> None:
    first = status(0, digest="first")
    same = evidence(first).adding(Settled(statuses=(replace(first, digest="second"),)))
    assert same.statuses[first.certificate].digest == "second"
    late = status(0, revoked_at=AT - DAY, digest="late", this_update=AT - 2 * HOUR)  # older news, but final
    assert evidence(first).adding(Settled(statuses=(late,))).statuses[first.certificate].digest == "late"
    assert evidence(late).adding(Settled(statuses=(first,))).statuses[first.certificate].digest == "late"
    gone = status(0, revoked_at=AT - DAY, digest="old", this_update=AT - 2 * HOUR)
    again = replace(gone, digest="new", this_update=AT - HOUR)
    for one, other in ((gone, again), (again, gone)):
        assert evidence(one).adding(Settled(statuses=(other,))).statuses[gone.certificate].digest == "new"
    listed = RevocationList(issuer="x", revoked={}, this_update=AT, next_update=None, digest="first")
    known = Evidence().adding(Settled(lists=(listed,))).adding(Settled(lists=(replace(listed, digest="second"),)))
    assert known.lists["x"].digest == "second"


def test_two_issuers_of_one_name_have_nothing_to_do_with_each_other() -> None:
    """The other one's list is empty; only a key tells them apart."""
    double = ROOT.issue(
        CA.credential.certificate.subject,
        PKI.local_ca.credential.key,
        not_before=AT - DAY,
        not_after=AT + DAY,
        ca=True,
        usage=("key_cert_sign", "crl_sign"),
    )
    keys = [issuer_key(it.certificate) for it in (CA.credential, double)]
    assert len(set(keys)) == 2
    foreign = RevocationList(issuer=keys[1], revoked={}, this_update=AT - HOUR, next_update=AT + DAY)
    assert code(evidence(status(1)).adding(Settled(lists=(foreign,)))) == "verify.revocation-unknown"
    own = replace(foreign, issuer=keys[0])
    assert code(evidence(status(1)).adding(Settled(lists=(own,)))) == "good"


def test_the_newer_of_a_status_and_a_list_counts_but_a_final_revocation_always() -> None:
    number = serial(PERSON)

    def listed(revoked: dict[int, tuple[datetime, str]], begin: datetime) -> RevocationList:
        return RevocationList(issuer=PATH.issuers[0], revoked=revoked, this_update=begin, next_update=AT + DAY)

    since, held = {number: (AT - DAY, "")}, {number: (AT - DAY, "certificateHold")}
    for lists, verdict in (
        (listed(since, AT - 2 * HOUR), "verify.revoked"),
        (listed(held, AT - 2 * HOUR), "good"),
        (listed(held, AT - HOUR / 2), "verify.on-hold"),
        (listed({}, AT - HOUR / 2), "good"),
    ):
        assert code(evidence(status(0), status(1)).adding(Settled(lists=(lists,)))) == verdict


def test_an_older_list_or_answer_never_takes_the_place_of_a_newer_one() -> None:
    new = RevocationList(issuer="x", revoked={1: (AT, "")}, this_update=AT, next_update=None)
    old = replace(new, revoked={}, this_update=AT - DAY)
    assert Evidence().adding(Settled(lists=(new,))).adding(Settled(lists=(old,))).lists["x"] is new
    assert Evidence().adding(Settled(lists=(old,))).adding(Settled(lists=(new,))).lists["x"] is new
    answer = status(0)
    assert evidence(answer).adding(Settled(statuses=(replace(answer, this_update=AT - DAY),))).statuses == {
        answer.certificate: answer
    }


def test_adding_changes_no_evidence_that_is_in_use() -> None:
    known = evidence(status(0))
    known.adding(Settled(statuses=(status(1),)))
    assert len(known.statuses) == 1
    with pytest.raises(TypeError):
        known.statuses["x"] = status(0)  # type: ignore[index]


def test_whoever_answers_is_silent_no_more() -> None:
    silent = {it.report.sha256: AT - DAY for it in (SIGNER, ISSUER)}
    known = Evidence(silent=silent)
    assert [it.silent_since for it in judge(PATH, known, REQUIRE, AT)] == [AT - DAY, AT - DAY]
    assert known.adding(Settled(statuses=(status(0),))).silent == {ISSUER.report.sha256: AT - DAY}


# ── when to ask ──


@pytest.mark.parametrize(
    ("statuses", "asks"),
    [
        ((), True),
        ((status(0), status(1)), False),
        ((status(0),), True),
        ((status(0, next_update=AT - SECOND), status(1)), True),
        ((status(0, this_update=AT - 9 * HOUR, next_update=AT + 3 * HOUR), status(1)), False),
        ((status(0, this_update=AT - 10 * HOUR, next_update=AT + 3 * HOUR), status(1)), True),
        ((status(0, revoked_at=AT - DAY, reason="certificateHold"), status(1)), True),
        ((status(0, revoked_at=AT - DAY, next_update=AT - SECOND), status(1)), False),
    ],
)
def test_somebody_is_asked_while_an_answer_can_change_anything(statuses: tuple[Status, ...], asks: bool) -> None:
    assert due(judge(PATH, evidence(*statuses), REQUIRE, AT), AT) is asks


# ── in a document's report ──


def known_for(statuses: tuple[Status, ...], asked: list[Path]) -> Known:
    known = evidence(*statuses)
    return Known(evidence=lambda: known, ask=asked.append)


def report(
    statuses: tuple[Status, ...], trust: TrustSnapshot = REQUIRE, document: bytes = b""
) -> tuple[Report, list[Path]]:
    asked: list[Path] = []
    tree = read(document or signed(FORM), Limits())
    return examine(tree, trust, AT, known=known_for(statuses, asked)), asked


@pytest.mark.parametrize(
    ("statuses", "indication", "sub_indication", "asked"),
    [
        ((status(0), status(1)), Indication.PASSED, None, 0),
        ((status(0, revoked_at=AT - DAY), status(1)), Indication.FAILED, SubIndication.REVOKED, 0),
        ((status(0), status(1, revoked_at=AT - DAY)), Indication.INDETERMINATE, SubIndication.REVOKED_CA_NO_POE, 0),
        (
            (status(0, revoked_at=AT - DAY, reason="certificateHold"), status(1)),
            Indication.INDETERMINATE,
            SubIndication.TRY_LATER,
            1,
        ),
        ((status(0, next_update=AT - SECOND), status(1)), Indication.INDETERMINATE, SubIndication.TRY_LATER, 1),
        ((), Indication.INDETERMINATE, SubIndication.TRY_LATER, 1),
    ],
)
def test_the_report_has_the_verdict_that_en_319_102_names(
    statuses: tuple[Status, ...], indication: Indication, sub_indication: SubIndication | None, asked: int
) -> None:
    told, paths = report(statuses)
    assert (told.indication, told.sub_indication, told.revocation) == (indication, sub_indication, "require")
    assert [it.chain for it in paths] == [PATH.chain] * asked
    (signature,) = told.signatures
    assert [it.certificate for it in signature.revocation] == [SIGNER.report.sha256, ISSUER.report.sha256]
    assert len(signature.path) == 3


def test_the_report_tells_where_the_evidence_came_from_and_how_old_it_is() -> None:
    since = {"revoked_at": AT - DAY, "reason": "keyCompromise"}
    told, _ = report((status(0, **since, url="http://ocsp.example.test/", digest="d" * 64), status(1)))
    one, other = told.signatures[0].revocation
    assert (one.status, one.code, one.source, one.url, one.digest) == (
        "revoked",
        "verify.revoked",
        "ocsp",
        "http://ocsp.example.test/",
        "d" * 64,
    )
    assert (one.subject, one.revoked_at, one.reason) == (SIGNER.report.subject, AT - DAY, "keyCompromise")
    assert (other.status, other.code, other.until) == ("good", "", AT + DAY)
    assert told.judged_at - other.this_update == HOUR


def test_a_document_that_was_changed_stays_failed_whatever_is_known() -> None:
    changed = signed(FORM).replace(b">100<", b">900<")
    told, _ = report((), document=changed)
    assert (told.indication, told.code) == (Indication.FAILED, "verify.digest-mismatch")


def test_under_off_nobody_is_asked_and_nothing_is_looked_up() -> None:
    def fail() -> Evidence:
        raise AssertionError("asked")

    known = Known(evidence=fail, ask=lambda _path: fail())
    told = examine(read(signed(FORM), Limits()), TRUST, AT, known=known)
    assert (told.indication, told.revocation, told.signatures[0].revocation) == (Indication.PASSED, "off", ())


def test_a_pinned_signer_needs_no_proof_and_asks_for_none() -> None:
    pinned = TrustSnapshot(anchors=(Anchor(certificate=PERSON.certificate, name="pinned"),), revocation="require")
    told, asked = report((), pinned)
    assert (told.indication, told.level, asked) == (Indication.PASSED, Level.LOCAL, [])


def test_the_stage_judges_by_the_evidence_of_the_moment() -> None:
    now = [Evidence()]
    asked: list[Path] = []
    stage = Verify(trust=lambda: REQUIRE, evidence=lambda: now[0], ask=asked.append)
    valid = Valid(document=Parse(limits=Limits())(an_envelope(signed(FORM), received_at=AT)), form=A_FORM)
    assert stage(valid).report.code == "verify.revocation-unknown"
    now[0] = evidence(status(0), status(1))
    assert stage(valid).report.indication is Indication.PASSED
    now[0] = evidence(status(0, revoked_at=AT), status(1))
    assert stage(valid).report.code == "verify.revoked"
    assert len(asked) == 1


# ── where to ask ──


def _naming(*urls: str, lists: tuple[str, ...] = ()) -> bytes:
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)) for url in urls
    ]
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in lists]
    extras: list[tuple[x509.ExtensionType, bool]] = []
    if access:
        extras.append((x509.AuthorityInformationAccess(access), False))
    if points:
        extras.append((x509.CRLDistributionPoints(points), False))
    return PKI.personal(CA, JAN, extras=extras).der


def test_sources_are_the_addresses_that_the_certificate_names() -> None:
    found = sources(
        _naming(
            "http://ocsp.example.test/a", "HTTPS://ocsp.example.test:8443/", lists=("http://crl.example.test/ca.crl",)
        )
    )
    assert found.ocsp == ("http://ocsp.example.test/a", "HTTPS://ocsp.example.test:8443/")
    assert found.crl == ("http://crl.example.test/ca.crl",)


@pytest.mark.parametrize(
    "url",
    [
        "ldap://ldap.example.test/cn=CA", "file:///etc/passwd", "ftp://example.test/ca.crl", "gopher://example.test/",
        "javascript:alert(1)", "//example.test/ca.crl", "ca.crl", "", "http:", "http://", "http:///ca.crl",
        "http://user:secret@example.test/", "http://example.test@127.0.0.1/", "http://example.test/a b",
        "http://example.test/\r\nHost: other", "http://example.test:99999/", "http://example.test:x/", "http://[::1/",
        "http://example.test\\@127.0.0.1/", "http://example.test/\\x", "http://example.test/" + "a" * 1_000,
    ],
)  # fmt: skip
def test_nothing_but_a_plain_http_address_is_ever_a_source(url: str) -> None:
    found = sources(_naming(url, lists=(url,)))
    assert (found.ocsp, found.crl) == ((), ())


def test_a_certificate_names_four_sources_of_a_kind_at_most_each_once() -> None:
    many = [f"http://example.test/{number}" for number in range(100)]
    found = sources(_naming(many[0], *many, lists=tuple(many)))
    assert found.ocsp == found.crl == tuple(many[:4])


@pytest.mark.parametrize("length", [999, 1_000, 1_001])
def test_an_address_has_a_thousand_characters_at_most(length: int) -> None:
    url = "http://example.test/".ljust(length, "a")
    assert sources(_naming(url)).ocsp == ((url,) if length <= 1_000 else ())


@pytest.mark.parametrize("url", ["http://example.test/!~", "http://example.test/%7f", "http://[::1]:80/"])
def test_any_visible_character_may_stand_in_an_address(url: str) -> None:
    assert sources(_naming(url)).ocsp == (url,)


@pytest.mark.parametrize("odd", ["\x7f", "\x1f", " ", "\t", "ż"])
def test_no_invisible_or_foreign_character_may(odd: str) -> None:
    assert not _is_http(f"http://example.test/{odd}")
    assert not _is_http(f"{odd}http://example.test/")


def test_other_ways_of_access_and_other_names_are_no_sources() -> None:
    url = x509.UniformResourceIdentifier("http://example.test/")
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url),
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.DNSName("ocsp.example.test")),
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url),
        ]
    )
    relative = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "list")])
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint(None, relative, None, None), x509.DistributionPoint([url], None, None, None)]
    )
    der = PKI.personal(CA, JAN, extras=[(access, False), (points, False)]).der
    assert sources(der) == Sources(ocsp=(url.value,), crl=(url.value,))


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"x" * 1_000, PERSON.der[:-1], PERSON.der])
def test_what_is_no_certificate_or_names_no_source_has_none(der: bytes) -> None:
    assert sources(der) == Sources()


def test_a_path_carries_what_is_needed_to_ask() -> None:
    assert PATH.chain == (PERSON.der, CA.credential.der, ROOT.credential.der)
    assert PATH.issuers == tuple(issuer_key(it.certificate) for it in (CA.credential, ROOT.credential))
    assert load(PATH.chain[0]) is SIGNER
