"""Who tells of a certificate: an authority of its path is judged by evidence of its own, anybody else must bring it."""

from __future__ import annotations

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.testkit.certificates import Authority, key
from adapters.testkit.pki import JAN
from broker.verify.path import Path
from broker.verify.revocation import Evidence, judge
from broker.verify.settlement import Raw, settle
from tests.corpus.verify.scene import AT, PKI
from tests.revocation import CA, DAY, HOUR, PERSON, REQUIRE, ROOT, a_list, a_responder, an_answer, path_of, serial

BETWEEN = CA.subordinate("Goniec Test Authority Below", AT)
BELOW = PKI.personal(BETWEEN, JAN)
SINCE = AT - DAY, "key_compromise"
ABOVE = an_answer(CA.credential, ROOT.credential)
USERS = {"extn_id": "issuing_distribution_point", "critical": True, "extn_value": {"only_contains_user_certs": True}}
IDENTIFIER = {
    "extn_id": "authority_key_identifier",
    "critical": False,
    "extn_value": {"key_identifier": asn1.Certificate.load(CA.credential.der).key_identifier_value.native},
}
_NAMES = [asn1.GeneralName(name="uniform_resource_identifier", value="http://example.test/d.crl")]
FRESHEST = {
    "extn_id": "freshest_crl",
    "critical": False,
    "extn_value": [{"distribution_point": asn1.DistributionPointName(name="full_name", value=_NAMES)}],
}
INDICATOR = {"extn_id": "delta_crl_indicator", "critical": True, "extn_value": 1}


def says(*crls: bytes, ocsps: tuple[bytes, ...] = (), path: Path | None = None, beside: tuple[bytes, ...] = ()) -> str:
    """What the evidence makes of the certificates, the signer's first."""
    path = path or path_of(PERSON)
    raws = [[Raw(octets=it) for it in pieces] for pieces in (crls, ocsps)]
    found = settle(path.chain, crls=raws[0], ocsps=raws[1], beside=beside, at=AT, freshness=DAY)
    return " ".join(it.status for it in judge(path, Evidence().adding(found), REQUIRE, AT))


@pytest.mark.parametrize(("revoked", "word"), [({}, "good"), ({serial(PERSON): SINCE}, "revoked")])
def test_a_part_of_a_list_tells_whatever_is_known_of_its_authority(revoked, word) -> None:
    part = a_list(CA.credential, revoked, extensions=[USERS])
    assert says(part) == f"{word} unknown"
    assert says(part, ocsps=(ABOVE,)) == f"{word} good"
    gone = an_answer(CA.credential, ROOT.credential, status="revoked", why="ca_compromise")
    assert says(part, ocsps=(gone,)) == f"{word} revoked"


@pytest.mark.parametrize(("revoked", "word"), [({}, "good"), ({serial(PERSON): SINCE}, "revoked")])
def test_a_list_and_its_changes_tell_whatever_is_known_of_their_authority(revoked, word) -> None:
    whole = a_list(CA.credential, begin=AT - 2 * HOUR, extensions=[FRESHEST, IDENTIFIER])
    changes = a_list(CA.credential, revoked, extensions=[INDICATOR, IDENTIFIER], number=2)
    assert says(whole, changes) == f"{word} unknown"
    assert says(whole, changes, ocsps=(ABOVE,)) == f"{word} good"


def test_so_it_is_however_many_authorities_stand_above() -> None:
    path = path_of(BELOW)
    assert len(path.chain) == 4
    parts = (a_list(BETWEEN.credential, {serial(BELOW): SINCE}, extensions=[USERS]), a_list(CA.credential))
    assert says(*parts, path=path) == "revoked good unknown"
    responder = a_responder(BETWEEN, "Goniec Test OCSP Below", extras=[_ocsp_signing()])
    answer = an_answer(BELOW, BETWEEN.credential, by=responder, beside=[responder])
    assert says(a_list(BETWEEN.credential, extensions=[USERS]), ocsps=(answer,), path=path) == "good unknown unknown"


def _ocsp_signing() -> tuple[x509.ExtensionType, bool]:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False


def test_a_responder_to_whom_an_authority_has_delegated_must_be_proven_and_the_authority_not_by_the_same() -> None:
    responder = a_responder(CA, "Goniec Test Checked OCSP", extras=[_ocsp_signing()])
    answer = an_answer(PERSON, CA.credential, by=responder, beside=[responder])
    parts = [a_list(CA.credential, it, extensions=[USERS]) for it in ({}, {serial(responder): SINCE})]
    path = path_of(PERSON)
    told = [
        [it.source for it in settle(path.chain, ocsps=[Raw(octets=answer)], crls=crls, at=AT, freshness=DAY).statuses]
        for crls in ([], [Raw(octets=parts[0])], [Raw(octets=parts[1])])
    ]
    assert told == [[], ["ocsp", "crl"], ["crl"]]


def test_who_signs_lists_for_an_authority_and_stands_in_no_path_must_be_proven() -> None:
    helper = Authority(credential=ROOT.issue(
        CA.credential.certificate.subject, key("helper above"), not_before=AT - DAY, not_after=AT + DAY,
        usage=("crl_sign",), ca=True,
    ))  # fmt: skip
    part = a_list(CA.credential, {serial(PERSON): SINCE}, by=helper.credential, extensions=[USERS])
    beside = (helper.credential.der,)
    assert says(part, beside=beside) == "unknown unknown"
    assert says(part, a_list(ROOT.credential), beside=beside) == "revoked good"
    gone = a_list(ROOT.credential, {serial(helper.credential): SINCE})
    assert says(part, gone, beside=beside) == "unknown good"
