"""What an anchor's own certificate asks of those below it, and of whom it is told when the anchor itself is at fault."""

from __future__ import annotations

from datetime import datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from adapters.testkit.certificates import Credential, distinguished
from broker.verify import path
from broker.verify.certificate import load
from broker.verify.fault import Fault
from broker.verify.settlement import Raw, settle
from tests.corpus.verify.scene import AT
from tests.revocation import DAY, a_list, an_answer
from tests.unit.verify.test_verify_path_attacks import SECOND, Extensions, made, person, trusting, verdict

ANY = "2.5.29.32.0"
POLICY = "1.2.3.5"
JAN = x509.DirectoryName(distinguished(common_name="JAN TESTOWY"))
ZOFIA = x509.DirectoryName(distinguished(common_name="ZOFIA PRÓBNA"))
HOST = x509.DNSName("gov.example")
UNREADABLE = x509.DNSName("xn--9")  # no name of a host in any script


def policies(*oids: str) -> Extensions:
    held = [x509.PolicyInformation(ObjectIdentifier(it), None) for it in oids]
    return [(x509.CertificatePolicies(held), False)] if held else []


def names(permitted: x509.GeneralName | None = None, excluded: x509.GeneralName | None = None) -> Extensions:
    lists = ([it] if it is not None else None for it in (permitted, excluded))
    return [(x509.NameConstraints(*lists), True)]


def told(signer: Credential, *beside: Credential, trusted: Credential, at: datetime) -> tuple[str, dict[str, str]]:
    try:
        path.find(load(signer.der), [load(it.der) for it in beside], trusting(trusted), at)
    except Fault as fault:
        return fault.code, dict(fault.facts)
    return "good", {}


def bearing(extras: Extensions) -> Credential:
    return made("Anchor Root", None, extras=extras)


@pytest.mark.parametrize("own", [(), (ANY,), (POLICY,), (POLICY, ANY)])
@pytest.mark.parametrize("signers", [(), (POLICY,), ("1.2.3.6",), (ANY,)])
def test_the_policies_of_an_anchor_ask_for_none_below_it(own: tuple[str, ...], signers: tuple[str, ...]) -> None:
    """RFC 5280 §6.1.1: whether a policy is required, whoever relies on the path says, and nobody does."""
    root = bearing(policies(*own))
    assert verdict(person(root, extras=policies(*signers)), trust=trusting(root)) == "good"


def test_a_policy_that_is_required_below_an_anchor_is_any_whatever_the_anchors_are() -> None:
    root = bearing(policies(POLICY))
    required = [(x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)]
    between = made("Anchor Between", root, extras=[*required, *policies("1.2.3.6")])
    for own, code in (("1.2.3.6",), "good"), ((POLICY,), "verify.chain-invalid"), ((), "verify.chain-invalid"):
        signer = person(between, extras=policies(*own))
        assert verdict(signer, between, trust=trusting(root)) == code


@pytest.mark.parametrize(
    ("own", "code"),
    [
        (names(permitted=JAN), "good"),
        (names(permitted=ZOFIA), "verify.chain-invalid"),
        (names(permitted=HOST), "good"),
        (names(permitted=JAN, excluded=HOST), "good"),
        (names(permitted=HOST, excluded=JAN), "verify.chain-invalid"),
        (names(excluded=JAN), "verify.chain-invalid"),
        (names(excluded=ZOFIA), "good"),
        (names(excluded=HOST), "good"),
    ],
)
def test_the_names_that_an_anchor_allows_bind_those_of_their_type_as_those_of_an_authority_below_it_do(
    own: Extensions, code: str
) -> None:
    root, above = bearing(own), made("Anchor Above", None)
    between = made("Anchor Between", above, extras=own)
    assert verdict(person(root), trust=trusting(root)) == code
    assert verdict(person(between), between, trust=trusting(above)) == code


@pytest.mark.parametrize(
    ("own", "code"),
    [
        (names(permitted=HOST), "good"),
        (names(excluded=HOST), "verify.chain-invalid"),
        (names(permitted=x509.DNSName("other.example")), "verify.chain-invalid"),
        (names(excluded=x509.DNSName("other.example")), "good"),
    ],
)
def test_the_names_of_other_types_that_an_anchor_allows_bind_where_a_signer_bears_one(
    own: Extensions, code: str
) -> None:
    root = bearing(own)
    signer = person(root, extras=[(x509.SubjectAlternativeName([x509.DNSName("www.gov.example")]), False)])
    assert verdict(signer, trust=trusting(root)) == code


def test_an_anchor_whose_names_cannot_be_read_is_no_reason_to_trust_and_stops_no_other() -> None:
    root, other = bearing(names(permitted=UNREADABLE)), made("Anchor Other", None)
    trust = trusting(root, other)
    assert verdict(person(root), trust=trust) == "verify.chain-unreadable"
    assert verdict(person(other), trust=trust) == "good"


@pytest.mark.parametrize("own", [policies(), policies(ANY), policies(POLICY), names(permitted=HOST)])
def test_an_anchor_asks_for_no_more_of_those_who_tell_of_revocations_below_it(own: Extensions) -> None:
    """A responder without `ocsp-nocheck` has a path of its own below the anchor, which is judged as a signer's is."""
    root = bearing(own)
    signer = person(root)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    responder = made("Anchor Answers", root, ca=False, extras=[(purpose, False)])
    answer = Raw(octets=an_answer(signer, root, by=responder, beside=[responder]))
    lists = [Raw(octets=a_list(root))]
    found = settle([signer.der, root.der], crls=lists, ocsps=[answer], at=AT, freshness=DAY)
    assert [(it.source, it.good) for it in found.statuses] == [("ocsp", True)]


def test_an_anchor_whose_names_cannot_be_read_proves_nothing_of_revocations() -> None:
    root = bearing(names(permitted=UNREADABLE))
    signer = person(root)
    answer = Raw(octets=an_answer(signer, root))
    assert settle([signer.der, root.der], ocsps=[answer], at=AT, freshness=DAY).statuses == ()


@pytest.mark.parametrize("ca", [True, False], ids=["an-authority", "not-called-one"])
def test_an_anchor_out_of_its_time_is_told_of_itself_and_of_no_other(ca: bool) -> None:
    root = made("Anchor Brief", None, begin=AT, end=AT + DAY, ca=ca)
    between = made("Anchor Between", root, begin=AT - DAY, end=AT + 2 * DAY)
    signers = [person(it, begin=AT - DAY, end=AT + 2 * DAY) for it in (root, between)]
    named = root.certificate.subject.rfc4514_string()
    for place, signer in enumerate(signers, start=2):
        facts = {"certificate": named if ca else str(place)}
        assert told(signer, between, trusted=root, at=AT - SECOND) == (
            "verify.chain-not-yet-valid",
            {**facts, "date": "2026-01-01T12:00:00Z"},
        )
        assert [told(signer, between, trusted=root, at=at) for at in (AT, AT + DAY)] == [("good", {})] * 2
        assert told(signer, between, trusted=root, at=AT + DAY + SECOND) == (
            "verify.chain-expired",
            {**facts, "date": "2026-01-02T12:00:00Z"},
        )


def test_below_an_anchor_on_its_first_and_last_second_it_is_told_of_whoever_is_out_of_his_time() -> None:
    root = made("Anchor Brief", None, begin=AT, end=AT + DAY)
    early = made("Anchor Early", root, begin=AT - 2 * DAY, end=AT - SECOND)
    late = made("Anchor Late", root, begin=AT + DAY + SECOND, end=AT + 2 * DAY)
    for between, at, code in ((early, AT, "verify.chain-expired"), (late, AT + DAY, "verify.chain-not-yet-valid")):
        signer = person(between, begin=AT - DAY, end=AT + 2 * DAY)
        found, facts = told(signer, between, trusted=root, at=at)
        assert (found, facts["certificate"]) == (code, between.certificate.subject.rfc4514_string())
