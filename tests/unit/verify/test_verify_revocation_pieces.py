"""The pieces that evidence is judged by: what is told of odd lists, which lists are plain, what somebody brings along."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from asn1crypto import core
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.testkit.certificates import Authority, key
from adapters.testkit.pki import JAN
from broker.verify import revocation_list
from broker.verify.certificate import load
from broker.verify.revocation import Evidence, Status
from broker.verify.revocation_case import _is_indirect
from broker.verify.revocation_list import _content
from broker.verify.settlement import Brought, Raw, settle
from tests.corpus.verify.scene import AT, PKI
from tests.revocation import CA, DAY, HOUR, PERSON, ROOT, a_list, an_answer, path_of, serial

PATH = path_of(PERSON)
IDP = "issuing_distribution_point"
URL = "http://example.test/1.crl"


def scoped(url: str = URL, **more: object) -> dict[str, object]:
    names = [asn1.GeneralName(name="uniform_resource_identifier", value=url)]
    point = asn1.DistributionPointName(name="full_name", value=names)
    return {"extn_id": IDP, "critical": True, "extn_value": {"distribution_point": point, **more}}


def partitioned(end=AT + DAY, url: str = URL):
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)]
    )
    person = PKI.personal(CA, JAN, extras=[(points, False)])
    octets = a_list(
        CA.credential,
        {serial(person): (AT - DAY, "superseded")},
        end=end,
        extensions=[scoped(url)],
    )
    return person, octets


# ── what is told by lists that are not plain ──


def test_a_partitioned_list_is_told_of_with_all_that_proves_it() -> None:
    person, octets = partitioned()
    raws = [Raw(octets=octets, url=URL), Raw(octets=a_list(ROOT.credential), url="http://example.test/root")]
    found = settle(path_of(person).chain, crls=raws, at=AT, freshness=DAY)
    assert found.statuses == (
        Status(
            certificate=hashlib.sha256(person.der).hexdigest(),
            good=False,
            source="crl",
            produced_at=AT - HOUR,
            this_update=AT - HOUR,
            next_update=AT + DAY,
            revoked_at=AT - DAY,
            reason="superseded",
            url=URL,
            digest=hashlib.sha256(octets).hexdigest(),
        ),
    )


def test_a_partitioned_list_without_an_end_tells_of_none() -> None:
    person, octets = partitioned(end=None)
    raws = [Raw(octets=octets), Raw(octets=a_list(ROOT.credential))]
    (status,) = settle(path_of(person).chain, crls=raws, at=AT, freshness=DAY).statuses
    assert (status.next_update, status.url) == (None, "")


def test_of_several_lists_the_first_end_counts_and_the_digest_is_of_all() -> None:
    key_identifier = asn1.Certificate.load(CA.credential.der).key_identifier_value.native
    identifier = {
        "extn_id": "authority_key_identifier",
        "critical": False,
        "extn_value": {"key_identifier": key_identifier},
    }
    names = [asn1.GeneralName(name="uniform_resource_identifier", value="http://example.test/d.crl")]
    freshest = {
        "extn_id": "freshest_crl",
        "critical": False,
        "extn_value": [{"distribution_point": asn1.DistributionPointName(name="full_name", value=names)}],
    }
    base = a_list(CA.credential, begin=AT - 2 * HOUR, end=AT + 2 * DAY, extensions=[freshest, identifier])
    indicator = {"extn_id": "delta_crl_indicator", "critical": True, "extn_value": 1}
    delta = a_list(
        CA.credential, {serial(PERSON): (AT - DAY, "superseded")}, end=AT + DAY, extensions=[indicator, identifier]
    )
    raws = [Raw(octets=it) for it in (base, delta, a_list(ROOT.credential))]
    (status,) = settle(PATH.chain, crls=raws, at=AT, freshness=DAY).statuses
    assert (status.next_update, status.this_update, status.produced_at) == (AT + DAY, AT - HOUR, AT - HOUR)
    assert status.digest == hashlib.sha256(base + delta).hexdigest()


@pytest.mark.parametrize("indirect", [True, False])
def test_a_list_made_for_other_issuers_too_says_so(indirect: bool) -> None:
    listed = asn1_crl.CertificateList.load(a_list(CA.credential, extensions=[scoped(indirect_crl=indirect)]))
    assert _is_indirect(listed) is indirect
    assert _is_indirect(asn1_crl.CertificateList.load(a_list(CA.credential))) is False


def test_where_a_list_tells_of_the_signer_an_answer_may_tell_of_the_authority() -> None:
    found = settle(
        PATH.chain,
        crls=[Raw(octets=a_list(CA.credential))],
        ocsps=[Raw(octets=an_answer(CA.credential, ROOT.credential))],
        at=AT,
        freshness=DAY,
    )
    assert [it.issuer for it in found.lists] == [PATH.issuers[0]]
    assert [(it.certificate, it.source) for it in found.statuses] == [(PATH.certificates[1].report.sha256, "ocsp")]


def test_rubbish_beside_the_evidence_costs_what_needs_the_library_and_no_plain_list() -> None:
    how = {"ocsps": [Raw(octets=an_answer(PERSON, CA.credential))], "at": AT, "freshness": DAY}
    found = settle(PATH.chain, crls=[Raw(octets=a_list(CA.credential))], beside=[b"\x04\x00"], **how)
    assert (found.statuses, len(found.lists)) == ((), 1)


@pytest.mark.parametrize("around", [b"", b"\n \r\n"])
def test_a_list_in_pem_keeps_its_address(around: bytes) -> None:
    octets = a_list(CA.credential)
    pem = around + x509.load_der_x509_crl(octets).public_bytes(Encoding.PEM) + around
    (listed,) = settle(PATH.chain, crls=[Raw(octets=pem, url=URL)], at=AT, freshness=DAY).lists
    assert (listed.url, listed.digest) == (URL, hashlib.sha256(octets).hexdigest())
    broken = Raw(octets=b"-----BEGIN X509 CRL-----\nAAAA", url=URL)
    assert settle(PATH.chain, crls=[broken], at=AT, freshness=DAY).lists == ()


def only(*crls: bytes, **how: object):
    found = settle(PATH.chain, **{"crls": [Raw(octets=it) for it in crls], "at": AT, "freshness": DAY, **how})
    return next(iter(found.lists), None)


def test_a_list_lives_to_its_next_update_however_old_it_is() -> None:
    octets = a_list(CA.credential, begin=AT - 9 * DAY, end=AT + DAY)
    assert only(octets) is not None
    assert only(octets, at=AT + DAY) is not None
    assert only(octets, at=AT + DAY + timedelta(seconds=1)) is None


def test_clocks_may_be_five_minutes_apart() -> None:
    ahead = AT + timedelta(minutes=5)
    assert only(a_list(CA.credential, begin=ahead)) is not None
    assert only(a_list(CA.credential, begin=ahead + timedelta(seconds=1))) is None
    for produced, counts in ((ahead, True), (ahead + timedelta(seconds=1), False)):
        answer = Raw(octets=an_answer(PERSON, CA.credential, produced=produced))
        assert bool(settle(PATH.chain, ocsps=[answer], at=AT, freshness=DAY).statuses) is counts


def test_a_freshness_beyond_all_time_is_none() -> None:
    assert only(a_list(CA.credential, end=None), freshness=timedelta.max) is None


def test_of_two_lists_of_one_moment_the_first_counts() -> None:
    first = a_list(CA.credential)
    found = only(first, a_list(CA.credential, {serial(PERSON): (AT - DAY, "")}))
    assert found is not None
    assert found.digest == hashlib.sha256(first).hexdigest()


def test_a_base_that_names_changes_does_not_hide_a_complete_list_behind_it() -> None:
    names = [asn1.GeneralName(name="uniform_resource_identifier", value="http://example.test/d.crl")]
    point = asn1.DistributionPointName(name="full_name", value=names)
    freshest = {"extn_id": "freshest_crl", "critical": False, "extn_value": [{"distribution_point": point}]}
    base = a_list(CA.credential, begin=AT - 2 * HOUR, extensions=[freshest])
    indicator = {"extn_id": "delta_crl_indicator", "critical": True, "extn_value": 1}
    complete = a_list(CA.credential, {serial(PERSON): (AT - DAY, "")})
    found = only(base, a_list(CA.credential, extensions=[indicator]), complete)
    assert found is not None
    assert found.digest == hashlib.sha256(complete).hexdigest()


# ── which lists are plain ──


def _entry(*extensions: x509.ExtensionType, critical: bool = False) -> x509.CertificateRevocationList:
    entry = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(AT - DAY)
    for extension in extensions:
        entry = entry.add_extension(extension, critical)
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.credential.certificate.subject)
    builder = builder.last_update(AT - HOUR).next_update(AT + DAY).add_revoked_certificate(entry.build())
    return builder.sign(CA.credential.key, hashes.SHA256())


def plain(found: x509.CertificateRevocationList) -> dict[int, tuple[object, str]] | None:
    listed = revocation_list.plain(found, load(CA.credential.der), url="", octets=b"")
    return None if listed is None else dict(listed.revoked)


def test_an_entry_tells_since_when_and_why_and_one_of_another_issuer_makes_the_list_odd() -> None:
    assert plain(_entry()) == {7: (AT - DAY, "")}
    assert plain(_entry(x509.CRLReason(x509.ReasonFlags.key_compromise))) == {7: (AT - DAY, "keyCompromise")}
    assert plain(_entry(x509.InvalidityDate(AT - 2 * DAY), critical=True)) == {7: (AT - DAY, "")}
    assert plain(_entry(x509.CRLReason(x509.ReasonFlags.remove_from_crl))) is None
    other = x509.CertificateIssuer([x509.DirectoryName(ROOT.credential.certificate.subject)])
    assert plain(_entry(other)) is None
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert plain(_entry(unknown)) == {7: (AT - DAY, "")}
    assert plain(_entry(unknown, critical=True)) is None


def test_a_list_whose_extensions_cannot_be_read_is_taken_for_an_odd_one() -> None:
    twice = {"extn_id": "crl_number", "critical": False, "extn_value": 2}
    found = revocation_list.load(a_list(CA.credential, extensions=[twice]))
    assert found is not None
    assert revocation_list.is_delta(found)
    assert revocation_list.names_delta(found)
    assert plain(found) is None


def _authority(usage: tuple[str, ...], own=None) -> Authority:
    issued = ROOT.issue(
        CA.credential.certificate.subject,
        own or key("pieces"),
        not_before=AT - DAY,
        not_after=AT + DAY,
        ca=True,
        usage=usage,
    )
    return Authority(credential=issued)


@pytest.mark.parametrize(
    ("usage", "signs"),
    [((), True), (("crl_sign",), True), (("key_cert_sign",), False), (("key_cert_sign", "crl_sign"), True)],
)
def test_an_issuer_whose_usage_is_not_said_may_sign_lists(usage: tuple[str, ...], signs: bool) -> None:
    authority = _authority(usage)
    octets = a_list(authority.credential)
    found = revocation_list.load(octets)
    assert found is not None
    assert revocation_list.is_signed(found, octets, load(authority.credential.der)) is signs


def test_an_issuer_with_a_key_of_another_kind_signs_nothing() -> None:
    builder = x509.CertificateBuilder().subject_name(CA.credential.certificate.subject).serial_number(9)
    builder = builder.issuer_name(ROOT.credential.certificate.subject).public_key(
        ed25519.Ed25519PrivateKey.generate().public_key()
    )
    odd = builder.not_valid_before(AT - DAY).not_valid_after(AT + DAY).sign(ROOT.credential.key, hashes.SHA256())
    issuer = load(odd.public_bytes(Encoding.DER))
    octets = a_list(CA.credential)
    found = revocation_list.load(octets)
    assert issuer.key is None
    assert found is not None
    assert revocation_list.is_signed(found, octets, issuer) is False


@pytest.mark.parametrize(
    ("length", "head"), [(0, 2), (1, 2), (127, 2), (128, 3), (255, 3), (256, 4), (65_535, 4), (65_536, 5)]
)
@pytest.mark.parametrize("before", [0, 5])
def test_where_an_element_begins_and_ends_is_read_as_der_has_it(length: int, head: int, before: int) -> None:
    octets = core.OctetString(bytes(length)).dump()
    assert _content(b"\xff" * before + octets + b"\xff\xff", before) == (before + head, before + head + length)


# ── what somebody brings along ──


def brought(*moments, crls=(), ocsps=(), freshness: timedelta = DAY) -> Brought:
    return Brought(
        crls=[Raw(octets=it) for it in crls],
        ocsps=[Raw(octets=it) for it in ocsps],
        moments=moments or (AT,),
        freshness=freshness,
    )


def test_what_is_brought_along_is_settled_for_the_paths_that_are_asked_about() -> None:
    given = brought(crls=[a_list(CA.credential)], ocsps=[an_answer(CA.credential, ROOT.credential)])
    assert (given.proves, given.known.evidence()) == (False, given.evidence)
    given.known.ask(PATH)
    assert given.proves
    known = given.known.evidence()
    assert set(known.lists) == {PATH.issuers[0]}
    assert set(known.statuses) == {PATH.certificates[1].report.sha256}
    given.known.ask(PATH)
    assert given.known.evidence() is known  # once is enough
    other = path_of(PKI.personal(CA, JAN))
    given.known.ask(other)
    assert given.known.evidence() is not known
    assert set(given.evidence.lists) == {PATH.issuers[0]}


def test_a_list_or_an_answer_alone_proves_something_and_nothing_proves_nothing() -> None:
    for given, proves in (
        (brought(crls=[a_list(CA.credential)]), True),
        (brought(ocsps=[an_answer(PERSON, CA.credential)]), True),
        (brought(), False),
        (brought(crls=[b"rubbish"], ocsps=[b"rubbish"]), False),
    ):
        given.known.ask(PATH)
        assert given.proves is proves
        assert isinstance(given.evidence, Evidence)


def test_evidence_counts_that_is_in_force_at_one_of_the_moments_and_fresh_by_the_operators_measure() -> None:
    old = [an_answer(PERSON, CA.credential, begin=AT - 3 * HOUR, end=None)]
    for given, proves in (
        (brought(AT, ocsps=old, freshness=HOUR), False),
        (brought(AT, ocsps=old, freshness=4 * HOUR), True),
        (brought(AT, AT - 2 * HOUR, ocsps=old, freshness=HOUR), True),
    ):
        given.known.ask(PATH)
        assert given.proves is proves
