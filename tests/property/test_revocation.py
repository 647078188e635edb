"""Whatever octets come as evidence, nothing foreign is raised, and nothing is believed that its issuer did not say."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.testkit.pki import JAN
from broker.verify.fault import Fault
from broker.verify.revocation import Evidence, Settled, Status, judge, require
from broker.verify.settlement import Raw, settle
from broker.verify.sources import sources
from tests.corpus.verify.scene import AT, PKI
from tests.revocation import CA, DAY, HOUR, PERSON, REQUIRE, ROOT, a_list, a_responder, an_answer, path_of, serial

PATH = path_of(PERSON)
RESPONDER = a_responder(CA)
SINCE = {"status": "revoked", "since": AT - DAY, "why": "key_compromise"}
TRUE = (
    an_answer(PERSON, CA.credential),
    an_answer(PERSON, CA.credential, **SINCE),
    an_answer(PERSON, CA.credential, by=RESPONDER, beside=[RESPONDER], **SINCE),
    a_list(CA.credential),
    a_list(CA.credential, {serial(PERSON): (AT - DAY, "key_compromise")}),
    a_list(ROOT.credential),
)


def settled(octets: bytes) -> Settled:
    pieces = [Raw(octets=octets)]
    return settle(PATH.chain, crls=pieces, ocsps=pieces, at=AT, freshness=DAY)


def said(found: Settled) -> tuple[object, ...]:
    """What was said, whatever octets it was said with."""
    return (
        tuple(replace(it, digest="") for it in found.statuses),
        tuple(replace(it, digest="") for it in found.lists),
    )


SAID = {octets: said(settled(octets)) for octets in TRUE}
NOTHING = said(Settled())


@st.composite
def changed(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A true piece of evidence, and what became of it: octets changed, cut out, doubled, or put in."""
    true = draw(st.sampled_from(TRUE))
    octets = bytearray(true)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(octets)))
        size = draw(st.integers(0, 40))
        match draw(st.sampled_from(["change", "cut", "double", "insert"])):
            case "change" if place < len(octets):
                octets[place] = draw(st.integers(0, 255))
            case "cut":
                del octets[place : place + size]
            case "double":
                octets[place:place] = octets[place : place + size]
            case _:
                octets[place:place] = draw(st.binary(max_size=8))
    return true, bytes(octets)


def test_all_true_evidence_says_something() -> None:
    assert NOTHING not in SAID.values()


@settings(max_examples=300)
@given(changed())
def test_changed_evidence_says_what_it_said_before_or_nothing(case: tuple[bytes, bytes]) -> None:
    true, octets = case
    assert said(settled(octets)) in (SAID[true], NOTHING)


@settings(max_examples=150)
@given(st.binary(max_size=400), st.booleans())
def test_octets_that_nobody_signed_say_nothing(octets: bytes, pem: bool) -> None:
    assert settled(b"-----BEGIN X509 CRL-----\n" + octets if pem else octets) == Settled()


@settings(max_examples=150)
@given(st.integers(0, len(PERSON.der)), st.binary(max_size=60), st.integers(0, 60))
def test_a_changed_certificate_names_http_addresses_or_none(place: int, text: bytes, cut: int) -> None:
    named = PKI.personal(CA, JAN).der
    found = sources(named[:place] + text + named[place + cut :])
    assert all(url.lower().startswith(("http://", "https://")) for url in (*found.ocsp, *found.crl))


MOMENTS = st.integers(-100, 100).map(lambda hours: AT + hours * HOUR)
STATUSES = st.builds(
    lambda certificate, revoked, reason, begin, end, source: Status(
        certificate=PATH.certificates[certificate].report.sha256,
        good=revoked is None,
        revoked_at=revoked,
        reason=reason if revoked else "",
        source=source,
        produced_at=begin,
        this_update=begin,
        next_update=end,
    ),
    st.integers(0, 1),
    st.none() | MOMENTS,
    st.sampled_from(["", "keyCompromise", "certificateHold"]),
    MOMENTS,
    st.none() | MOMENTS,
    st.sampled_from(["ocsp", "crl"]),
)


@settings(max_examples=300)
@given(st.lists(STATUSES, max_size=8), st.randoms())
def test_a_path_passes_only_with_fresh_good_news_of_all_and_no_revocation_heard_of(statuses, random) -> None:  # type: ignore[no-untyped-def]
    """And a final revocation that was heard of once decides, in whatever order the news came."""
    random.shuffle(statuses)
    known = Evidence()
    for status in statuses:
        known = known.adding(Settled(statuses=(status,)))
    try:
        require(judge(PATH, known, REQUIRE, AT))
    except Fault as fault:
        passed, code = False, fault.code
    else:
        passed, code = True, ""
    signer = PATH.certificates[0].report.sha256
    final = [it for it in statuses if it.final]
    if passed:
        assert not [it for it in final if it.revoked_at and it.revoked_at <= AT and it is _latest(final, it)]
        for certificate in PATH.certificates[:-1]:
            assert any(
                it.certificate == certificate.report.sha256
                and (
                    it.next_update is None or it.next_update >= AT or it.this_update > AT
                )  # later news proves for ever
                and (it.revoked_at is None or it.revoked_at > AT)
                for it in statuses
            )
    if any(
        it.certificate == signer and it.revoked_at and it.revoked_at <= AT and it is _latest(final, it) for it in final
    ):
        assert code == "verify.revoked"


def _latest(final: list[Status], of: Status) -> Status:
    """Return the newest final word on the certificate; of two equally new ones the last to come."""
    newest = max(it.this_update for it in final if it.certificate == of.certificate)
    return next(it for it in reversed(final) if it.certificate == of.certificate and it.this_update == newest)
