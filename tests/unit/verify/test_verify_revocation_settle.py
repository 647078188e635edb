"""What evidence proves: true answers give a status, and a responder that lies gives none."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.testkit.certificates import Authority, key
from adapters.testkit.pki import JAN
from broker.verify import revocation_list
from broker.verify.certificate import load
from broker.verify.revocation import RevocationList, Status
from broker.verify.settlement import LARGEST_OCSP, Raw, Settled, settle
from tests.corpus.verify.scene import AT, PKI
from tests.revocation import CA, DAY, HOUR, PERSON, ROOT, a_list, a_responder, an_answer, path_of, serial

CHAIN = path_of(PERSON).chain
ISSUER = CA.credential
REVOKED = {serial(PERSON): (AT - DAY, "key_compromise")}
IDP = "issuing_distribution_point"


def settled(*, crls: tuple[bytes, ...] = (), ocsps: tuple[bytes, ...] = (), **how: object) -> Settled:
    raw = {
        "crls": [Raw(octets=octets, url=f"http://example.test/{number}.crl") for number, octets in enumerate(crls)],
        "ocsps": [Raw(octets=octets, url=f"http://example.test/{number}") for number, octets in enumerate(ocsps)],
    }
    return settle(CHAIN, **{"at": AT, "freshness": DAY, **raw, **how})  # type: ignore[arg-type]


def by_ocsp(octets: bytes, *crls: bytes) -> Status | None:
    """Return what an OCSP answer tells of the signer."""
    found = settled(ocsps=(octets,), crls=crls).statuses
    return next((it for it in found if it.source == "ocsp"), None)


def by_list(*octets: bytes, **how: object) -> RevocationList | None:
    return next(iter(settled(crls=octets, **how).lists), None)


answer = partial(an_answer, PERSON, ISSUER)
listing = partial(a_list, ISSUER)


# ── OCSP ──


def test_an_answer_by_the_issuer_itself_gives_a_status() -> None:
    octets = answer(begin=AT - HOUR, end=AT + HOUR, produced=AT - HOUR / 2)
    told = by_ocsp(octets)
    assert told is not None
    assert (told.good, told.revoked_at, told.reason, told.url) == (True, None, "", "http://example.test/0")
    assert (told.this_update, told.next_update, told.produced_at) == (AT - HOUR, AT + HOUR, AT - HOUR / 2)
    assert (told.certificate, told.digest) == (path_of(PERSON).certificates[0].report.sha256, Raw(octets=octets).digest)


@pytest.mark.parametrize(
    ("why", "reason"),
    [("", "unspecified"), ("key_compromise", "keyCompromise"), ("certificate_hold", "certificateHold")],
)
def test_an_answer_tells_of_a_revocation_whenever_it_was(why: str, reason: str) -> None:
    for since in (AT - 90 * DAY, AT + DAY):
        told = by_ocsp(answer(status="revoked", since=since, why=why))
        assert told is not None
        assert (told.good, told.revoked_at) == (False, since)
        assert told.reason in (reason, "") if not why else told.reason == reason


def test_a_responder_to_whom_the_issuer_has_delegated_is_believed() -> None:
    responder = a_responder(CA)
    assert by_ocsp(answer(by=responder, beside=[responder])) is not None


def test_a_delegated_responder_must_itself_not_be_revoked_unless_its_certificate_says_that_nobody_need_ask() -> None:
    responder = a_responder(CA, "Goniec Test Checked OCSP", extras=[_purpose(ExtendedKeyUsageOID.OCSP_SIGNING)])
    octets = answer(by=responder, beside=[responder])
    above = a_list(ROOT.credential)
    assert by_ocsp(octets) is None
    assert by_ocsp(octets, listing(), above) is not None
    assert by_ocsp(octets, listing({serial(responder): (AT - DAY, "key_compromise")}), above) is None


def _purpose(purpose: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.ExtendedKeyUsage([purpose]), False


STRANGER = Authority.root("Goniec Test Meddler", AT).credential
OTHER_CA = ROOT.subordinate("Goniec Test Other Issuing CA", AT)
OTHER_PERSON = PKI.personal(CA, JAN)
SAME_NAME = Authority.root("Goniec Test Issuing CA", AT, kind="ec-256").credential
FORGED = an_answer(PERSON, ISSUER)[:-9] + bytes(9)


def _delegated(name: str, authority: Authority = CA, **about: object) -> bytes:
    responder = a_responder(authority, name, **about)
    return answer(by=responder, beside=[responder])


LIES = {
    "unknown": lambda: answer(status="unknown"),
    "of-another-certificate": lambda: an_answer(OTHER_PERSON, ISSUER),
    "of-another-serial-number": lambda: answer(about=serial(PERSON) + 1),
    "of-another-issuer": lambda: an_answer(PERSON, OTHER_CA.credential),
    "of-an-issuer-of-the-same-name": lambda: an_answer(PERSON, SAME_NAME),
    "by-a-stranger": lambda: answer(by=STRANGER, beside=[STRANGER]),
    "by-a-stranger-who-shows-no-certificate": lambda: answer(by=STRANGER),
    "by-a-stranger-in-the-issuers-name": lambda: answer(by=SAME_NAME, beside=[SAME_NAME]),
    "by-another-issuers-responder": lambda: _delegated("Goniec Test Foreign OCSP", OTHER_CA),
    "by-the-root": lambda: answer(by=ROOT.credential, beside=[ROOT.credential]),
    "by-the-signer": lambda: answer(by=PERSON, beside=[PERSON]),
    "by-a-sibling-who-may-not": lambda: _delegated("Goniec Test Sibling", purposes=[]),
    "by-a-sibling-for-servers": lambda: _delegated("Goniec Test Server", purposes=[ExtendedKeyUsageOID.SERVER_AUTH]),
    "by-a-responder-of-yesterday": lambda: _delegated(
        "Goniec Test Old OCSP", not_before=AT - 2 * DAY, not_after=AT - DAY
    ),
    "by-a-responder-of-tomorrow": lambda: _delegated(
        "Goniec Test New OCSP", not_before=AT + DAY, not_after=AT + 2 * DAY
    ),
    "by-a-responder-with-a-short-key": lambda: _delegated("Goniec Test Short OCSP", kind="rsa-1024"),
    "with-md5": lambda: answer(algorithm="md5"),
    "with-sha1": lambda: answer(algorithm="sha1"),
    "with-a-broken-signature": lambda: FORGED,
    "of-yesterday": lambda: answer(begin=AT - 3 * DAY, end=AT - 2 * DAY),
    "a-second-too-old": lambda: answer(begin=AT - DAY, end=AT - HOUR / 3600),
    "without-an-end-and-too-old": lambda: answer(begin=AT - DAY - HOUR, end=None),
    "of-tomorrow": lambda: answer(begin=AT + DAY, end=AT + 2 * DAY),
    "produced-tomorrow": lambda: answer(produced=AT + DAY),
    "that-ends-before-it-begins": lambda: answer(begin=AT, end=AT - DAY),
    "try-later": lambda: bytes(asn1_ocsp.OCSPResponse({"response_status": "try_later"}).dump()),
    "nothing": lambda: b"",
    "html": lambda: b"<html><body>Log in</body></html>",
    "cut-short": lambda: answer()[:-40],
    "with-a-tail": lambda: answer() + b"\x00",
    "a-list": listing,
    "too-large": lambda: answer(beside=[PERSON] * (LARGEST_OCSP // len(PERSON.der) + 1)),
}


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_an_answer_that_is_no_proof_gives_no_status(lie: str) -> None:
    found = settled(ocsps=(LIES[lie](),))
    assert (found.statuses, found.lists) == ((), ())
    assert found.unknown == ({path_of(PERSON).certificates[0].report.sha256} if lie == "unknown" else set())


@pytest.mark.parametrize("lie", ["of-another-issuer", "by-a-stranger", "with-sha1", "html"])
def test_a_lie_stands_in_no_true_answers_way(lie: str) -> None:
    found = settled(ocsps=(LIES[lie](), answer(), LIES[lie]()))
    assert [(it.good, it.url) for it in found.statuses] == [(True, "http://example.test/1")]


def test_a_responders_clock_may_be_some_minutes_ahead() -> None:
    assert by_ocsp(answer(begin=AT + HOUR / 20)) is not None
    assert by_ocsp(answer(begin=AT + HOUR / 10)) is None


def test_an_answer_without_an_end_lives_as_long_as_the_freshness() -> None:
    octets = answer(begin=AT - HOUR, end=None)
    assert len(settled(ocsps=(octets,), freshness=HOUR).statuses) == 1
    assert settled(ocsps=(octets,), freshness=HOUR / 2) == Settled()


# ── lists ──


def test_a_plain_list_tells_of_all_certificates_of_its_issuer() -> None:
    octets = listing(REVOKED)
    found = by_list(octets)
    assert found is not None
    assert found.revoked == {serial(PERSON): (AT - DAY, "keyCompromise")}
    assert (found.issuer, found.url) == (path_of(PERSON).issuers[0], "http://example.test/0.crl")
    assert (found.this_update, found.next_update, found.digest) == (AT - HOUR, AT + DAY, Raw(octets=octets).digest)


def test_lists_of_both_issuers_of_a_path_are_told_apart() -> None:
    found = settled(crls=(a_list(ROOT.credential), listing(REVOKED)))
    assert {it.issuer: len(it.revoked) for it in found.lists} == dict(zip(path_of(PERSON).issuers, (1, 0), strict=True))
    assert found.statuses == ()


def test_a_list_may_be_pem() -> None:
    pem = x509.load_der_x509_crl(listing(REVOKED)).public_bytes(Encoding.PEM)
    assert by_list(pem) is not None


def test_of_two_lists_the_newer_counts() -> None:
    old, new = listing(begin=AT - 2 * HOUR), listing(REVOKED, begin=AT - HOUR)
    for both in ((old, new), (new, old)):
        found = by_list(*both)
        assert found is not None
        assert found.this_update == AT - HOUR


def _built(authority: Authority, digest: hashes.HashAlgorithm, *, pss: bool = False, entries: int = 0) -> bytes:
    """Return a list as another library builds it, with salted RSA if asked for."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.credential.certificate.subject)
        .last_update(AT - HOUR)
        .next_update(AT + DAY)
    )
    for number in range(1, entries + 1):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(number).revocation_date(AT - DAY).build()
        )
    salted = padding.PSS(padding.MGF1(digest), digest.digest_size) if pss else None
    return builder.sign(authority.credential.key, digest, rsa_padding=salted).public_bytes(Encoding.DER)


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda it: it.name)
@pytest.mark.parametrize(
    ("kind", "pss"), [("rsa-2048", False), ("rsa-2048", True), ("ec-256", False), ("ec-384", False)]
)
def test_a_list_may_be_signed_as_a_document_may(kind: str, digest: hashes.HashAlgorithm, pss: bool) -> None:
    authority = Authority.root("Goniec Test Signing Root", AT, kind=kind)
    octets, other = (_built(it, digest, pss=pss) for it in (authority, Authority.root("Other", AT, kind=kind)))
    own = load(authority.credential.der)
    for listed, holds in ((octets, True), (octets[:-1] + bytes([octets[-1] ^ 1]), False), (other, False)):
        parsed = revocation_list.load(listed)
        assert parsed is not None
        assert revocation_list.is_signed(parsed, listed, own) is holds


@pytest.mark.parametrize("entries", [0, 1, 3, 200, 5_000])
def test_a_list_of_any_length_is_read_whole(entries: int) -> None:
    found = by_list(_built(CA, hashes.SHA256(), entries=entries))
    assert found is not None
    assert found.revoked == dict.fromkeys(range(1, entries + 1), (AT - DAY, ""))


UNKNOWN_CRITICAL = {"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\x05\x00"}
NO_LISTS = {
    "by-a-stranger": lambda: listing(by=STRANGER),
    "by-a-stranger-in-its-name": lambda: listing(by=SAME_NAME),
    "of-another-issuer": lambda: a_list(OTHER_CA.credential),
    "with-sha1": lambda: listing(algorithm="sha1"),
    "with-md5": lambda: listing(algorithm="md5"),
    "with-a-broken-signature": lambda: listing()[:-1] + b"\x00",
    "of-yesterday": lambda: listing(begin=AT - 2 * DAY, end=AT - DAY),
    "of-tomorrow": lambda: listing(begin=AT + DAY, end=AT + 2 * DAY),
    "without-an-end-and-too-old": lambda: listing(begin=AT - 2 * DAY, end=None),
    "with-an-unknown-critical-extension": lambda: listing(extensions=[UNKNOWN_CRITICAL]),
    "a-delta-without-its-base": lambda: listing(extensions=[{"extn_id": "delta_crl_indicator", "critical": True, "extn_value": 1}]),
    "for-authorities-only": lambda: listing(extensions=[{"extn_id": IDP, "critical": True, "extn_value": {"only_contains_ca_certs": True}}]),
    "for-attributes-only": lambda: listing(extensions=[{"extn_id": IDP, "critical": True, "extn_value": {"only_contains_attribute_certs": True}}]),
    "for-one-reason-only": lambda: listing(extensions=[{"extn_id": IDP, "critical": True, "extn_value": {"only_some_reasons": {"key_compromise"}}}]),
    "a-delta-that-is-not-critical": lambda: listing(extensions=[{"extn_id": "delta_crl_indicator", "critical": False, "extn_value": 1}]),
    "for-authorities-only-not-critical": lambda: listing(extensions=[{"extn_id": IDP, "critical": False, "extn_value": {"only_contains_ca_certs": True}}]),
    "nothing": lambda: b"",
    "html": lambda: b"<html/>",
    "cut-short": lambda: listing()[:-40],
    "an-answer": answer,
}  # fmt: skip


@pytest.mark.parametrize("lie", NO_LISTS, ids=str)
def test_a_list_that_is_no_proof_proves_nothing(lie: str) -> None:
    assert settled(crls=(NO_LISTS[lie](), a_list(ROOT.credential))).statuses == ()
    assert [it.issuer for it in settled(crls=(NO_LISTS[lie](),)).lists] == []


def test_an_issuer_that_may_not_sign_lists_is_not_believed() -> None:
    authority = Authority(
        credential=ROOT.issue(
            ISSUER.certificate.subject, key("no lists"), not_before=AT - DAY, not_after=AT + DAY, ca=True,
            usage=("key_cert_sign",),
        )
    )  # fmt: skip
    chain = path_of(PKI.personal(authority, JAN)).chain
    octets = [Raw(octets=a_list(authority.credential)), Raw(octets=a_list(ROOT.credential))]
    found = settle(chain, crls=octets, at=AT, freshness=DAY)
    assert found.statuses == ()
    assert [it.issuer for it in found.lists] == [path_of(PERSON).issuers[1]]


def test_a_list_with_an_entry_that_is_not_understood_tells_of_nobody_in_that_entry() -> None:
    octets = listing(REVOKED, entries=[UNKNOWN_CRITICAL])
    assert settled(crls=(octets, a_list(ROOT.credential))).statuses == ()
    assert by_list(octets) is None


def test_a_partitioned_list_speaks_of_its_own_certificates_alone() -> None:
    """Its scope is an address that the certificate must name (RFC 5280 §6.3.3 b)."""
    scope = {"distribution_point": asn1.DistributionPointName(
        name="full_name", value=[asn1.GeneralName(name="uniform_resource_identifier", value="http://example.test/1.crl")]
    )}  # fmt: skip
    above = a_list(ROOT.credential)
    for url, tells in (("http://example.test/1.crl", True), ("http://example.test/2.crl", False)):
        points = x509.CRLDistributionPoints(
            [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)]
        )
        person = PKI.personal(CA, JAN, extras=[(points, False)])
        octets = listing(
            {serial(person): (AT - DAY, "superseded")},
            extensions=[{"extn_id": IDP, "critical": True, "extn_value": scope}],
        )
        found = settle(
            path_of(person).chain, crls=[Raw(octets=octets), Raw(octets=above)], at=AT, freshness=DAY
        ).statuses
        assert [(it.good, it.reason, it.source) for it in found] == [(False, "superseded", "crl")] * tells


def test_a_delta_is_read_together_with_its_base() -> None:
    """The base is good, the delta of an hour later says that the certificate was revoked (RFC 5280 §5.2.4)."""
    identifier = {
        "extn_id": "authority_key_identifier",
        "critical": False,
        "extn_value": {"key_identifier": asn1.Certificate.load(ISSUER.der).key_identifier_value.native},
    }
    freshest = {
        "extn_id": "freshest_crl",
        "critical": False,
        "extn_value": [{"distribution_point": asn1.DistributionPointName(
            name="full_name", value=[asn1.GeneralName(name="uniform_resource_identifier", value="http://example.test/d.crl")]
        )}],
    }  # fmt: skip
    base = listing(begin=AT - 2 * HOUR, extensions=[freshest, identifier])
    indicator = {"extn_id": "delta_crl_indicator", "critical": True, "extn_value": 1}
    delta = listing(REVOKED, begin=AT - HOUR, extensions=[indicator, identifier])
    found = settled(crls=(base, delta, a_list(ROOT.credential)))
    assert [(it.good, it.reason, it.this_update) for it in found.statuses] == [(False, "keyCompromise", AT - HOUR)]
    assert found.statuses[0].url == "http://example.test/0.crl http://example.test/1.crl"
    alone = by_list(base)
    assert alone is not None  # without a delta the base is a complete list
    assert alone.revoked == {}


# ── costs ──


def test_a_list_over_the_cap_is_not_read() -> None:
    octets = listing()
    assert by_list(octets, largest=len(octets)) is not None
    assert by_list(octets, largest=len(octets) - 1) is None


def test_of_many_pieces_of_evidence_only_the_first_sixteen_are_looked_at() -> None:
    lie, above = LIES["by-a-stranger"](), a_list(STRANGER)
    assert settled(ocsps=(*[lie] * 15, answer())).statuses
    assert settled(ocsps=(*[lie] * 16, answer())) == Settled()
    assert settled(crls=(*[above] * 15, listing())).lists
    assert settled(crls=(*[above] * 16, listing())) == Settled()


def test_a_chain_that_cannot_be_read_proves_nothing() -> None:
    assert settle([b"", b"x"], ocsps=[Raw(octets=answer())], at=AT, freshness=DAY) == Settled()
    assert settle([], at=AT, freshness=DAY) == Settled()
    assert settle(CHAIN, at=datetime(9999, 12, 31, tzinfo=UTC), freshness=DAY) == Settled()
