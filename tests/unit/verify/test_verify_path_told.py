"""Of a path that does not hold it is told which rule it breaks, which certificate breaks it, and what was tried."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ObjectIdentifier
from pyhanko_certvalidator.errors import DisallowedAlgorithmError

from adapters.testkit.certificates import Credential, key
from adapters.testkit.signer import sign
from broker.errors import Rejection
from broker.evidence import SubIndication, explanation
from broker.texts import TEXTS, explain
from broker.verify import flaw, path
from broker.verify.certificate import load
from broker.verify.fault import Fault
from broker.verify.rules import OTHER, REASONS, broken
from tests.corpus.verify.scene import AT, FORM, judged
from tests.unit.verify.test_verify_path_attacks import ROOT, SECOND, USAGE, Extensions, made, person, trusting

CRITICAL: Extensions = [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
REQUIRED: Extensions = [(x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)]
POLICY: Extensions = [(x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3.5"), None)]), False)]
OTHER_POLICY: Extensions = [
    (x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3.6"), None)]), False)
]
OF_NONE = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "DE")]))
OF_ALL = x509.DirectoryName(x509.Name([]))


def fault(*chain: Credential, trusted: Credential = ROOT) -> Fault:
    """What is found of a chain, the signer's certificate first."""
    with pytest.raises(Fault) as caught:
        path.find(load(chain[0].der), [load(it.der) for it in chain[1:]], trusting(trusted), AT)
    return caught.value


def below(**about: Any) -> Sequence[Credential]:
    """A signer below an authority that is not as it should be."""
    between = made("Told Between", ROOT, **about)
    return person(between), between


def under_too_short_a_path() -> Sequence[Credential]:
    first = made("Told Between", ROOT, length=0)
    second = made("Told Below", first)
    return person(second), second, first


def by_a_signer() -> Sequence[Credential]:
    between = made("Told Between", ROOT)
    honest = person(between)
    return made("ZOFIA PRÓBNA", honest, ca=False), honest, between


def of_another_key() -> Sequence[Credential]:
    true, false = (made("Told Between", ROOT, own=key(f"told {it}", "ec-256")) for it in ("true", "false"))
    return person(true), false


BETWEEN, BELOW = "CN=Told Between", "CN=Told Below"


@pytest.mark.parametrize(
    ("chain", "reason", "certificate"),
    [
        (of_another_key(), "signature", "signer"),
        (
            (person(made("Told Root", None)), made("Told Root", ROOT, own=key("told false root", "ec-256"))),
            "signature",
            "signer",
        ),
        (below(extras=[(x509.NameConstraints([OF_NONE], None), True)]), "names", "signer"),
        (below(extras=[(x509.NameConstraints(None, [OF_ALL]), True)]), "names", "signer"),
        (below(extras=REQUIRED), "policy", "signer"),
        (below(extras=[*REQUIRED, *POLICY]), "policy", "signer"),
        (below(ca=False), "no-authority", "2"),
        (below(constraints=False), "no-authority", "2"),
        (by_a_signer(), "no-authority", "2"),
        (under_too_short_a_path(), "too-long", BELOW),
        (below(usage=USAGE), "may-not-issue", BETWEEN),
        (below(extras=CRITICAL), "critical-extension", BETWEEN),
        ((person(ROOT, extras=CRITICAL),), "critical-extension", "signer"),
    ],
)
def test_which_rule_is_broken_and_by_which_certificate(
    chain: Sequence[Credential], reason: str, certificate: str
) -> None:
    found = fault(*chain)
    assert (found.code, found.facts["reason"]) == ("verify.chain-invalid", reason)
    assert found.facts["certificate"].split(",")[0] == certificate
    assert found.tried == tuple(it.certificate.subject.rfc4514_string() for it in (*chain, ROOT))


def test_what_the_library_says_otherwise_is_another_rule() -> None:
    assert broken("The signature parameters for it do not match the constraints on the public key.") == "signature"
    assert broken("policy processing for it exceeds the size limit on the policy graph") == "policy"
    assert broken("its issuer name could not be matched") == OTHER


def test_a_policy_that_runs_out_at_the_signer_is_the_signers() -> None:
    between = made("Told Between", ROOT, extras=[*REQUIRED, *POLICY])
    assert fault(person(between, extras=OTHER_POLICY), between).facts == {"reason": "policy", "certificate": "signer"}


WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)


@pytest.mark.parametrize(
    ("chain", "code", "facts"),
    [
        (below(end=AT - SECOND), "verify.chain-expired", {"certificate": BETWEEN, "date": "2026-01-01T11:59:59Z"}),
        (
            below(begin=AT + SECOND),
            "verify.chain-not-yet-valid",
            {"certificate": BETWEEN, "date": "2026-01-01T12:00:01Z"},
        ),
        (below(own=WEAK), "verify.chain-weak", {"certificate": BETWEEN}),
        ((person(ROOT, end=AT - SECOND),), "verify.certificate-expired", {"date": "2026-01-01T11:59:59Z"}),
        ((person(ROOT, begin=AT + SECOND),), "verify.certificate-not-yet-valid", {"date": "2026-01-01T12:00:01Z"}),
    ],
)
def test_of_a_certificate_out_of_its_time_it_is_told_when_it_is_and_of_a_weak_one_whose_it_is(
    chain: Sequence[Credential], code: str, facts: dict[str, str]
) -> None:
    found = fault(*chain)
    told = {name: fact.split(",")[0] for name, fact in found.facts.items()}
    assert (found.code, told) == (code, facts)
    assert bool(found.tried) == code.startswith("verify.chain-")


def test_an_anchor_that_is_too_weak_is_named_too() -> None:
    weak = made("Told Weak Root", None, own=WEAK)
    found = fault(person(weak), trusted=weak)
    assert (found.code, found.facts["certificate"].split(",")[0]) == ("verify.chain-weak", "CN=Told Weak Root")


def test_an_authority_without_a_name_is_called_by_its_number() -> None:
    own = key("told nameless", "ec-256")
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), own.public_key(), 1, AT, AT + timedelta(days=1))
    nameless = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    signed = Credential(key=own, certificate=nameless.sign(own, hashes.SHA256()))
    of = [load(it.der) for it in (person(ROOT), signed, ROOT)]
    assert [flaw._fault("verify.chain-weak", of, place).facts["certificate"].split(",")[0] for place in range(3)] == [
        "signer",
        "2",
        "CN=Attack Root",
    ]


def test_whose_algorithm_is_not_allowed_is_told_by_its_place() -> None:
    of = [load(it.der) for it in (person(ROOT), made("Told CA", ROOT), ROOT)]
    for place, named in enumerate(("signer", "CN=Told CA", "CN=Attack Root")):
        found = flaw._broken(DisallowedAlgorithmError.__new__(DisallowedAlgorithmError), of, place)
        assert (found.code, found.facts["certificate"].split(",")[0]) == ("verify.chain-weak", named)


# ── in words, and in the report ──


def test_every_reason_and_every_certificate_without_a_name_has_words_in_both_languages() -> None:
    words = TEXTS["verify.chain-invalid"].words
    assert set(words["reason"]) == REASONS
    assert set(words["certificate"]) == {"signer", *map(str, range(2, path._DEPTH + 2))}
    for said in (*words["reason"].values(), *words["certificate"].values()):
        assert all(said)
        assert said[0] != said[1]


def test_the_report_tells_what_was_tried_and_the_words_say_why() -> None:
    signer, between = below(usage=USAGE)
    document = sign(
        FORM,
        Credential(key=signer.key, certificate=signer.certificate, chain=(between.certificate,)),
        AT,
        certificates="chain",
    )
    report = judged(document, trusting(ROOT))
    (signature,) = report.signatures
    assert (signature.path, len(signature.tried)) == ((), 3)
    assert signature.tried[0] == signature.certificate.subject  # type: ignore[union-attr]
    assert report.facts == signature.facts
    rejection = Rejection(report.code, facts=explanation(report))
    assert "an issuer's key may not sign certificates (keyUsage)" in explain(rejection)
    assert "kluczem wystawcy nie wolno podpisywać certyfikatów (keyUsage)" in explain(rejection, "pl")
    assert BETWEEN in explain(rejection)


def test_the_signers_own_name_is_not_told_where_its_certificate_breaks_a_rule() -> None:
    signer = person(ROOT, extras=CRITICAL)
    report = judged(sign(FORM, signer, AT), trusting(ROOT))
    rejection = Rejection(report.code, facts=explanation(report))
    assert "the signer's certificate" in explain(rejection)
    assert "certyfikat podpisującego" in explain(rejection, "pl")
    assert "JAN TESTOWY" not in explain(rejection) + explain(rejection, "pl")


def test_an_authority_whose_time_has_not_come_is_no_broken_rule_and_may_come_yet() -> None:
    assert fault(*below(begin=AT + SECOND)).sub_indication == SubIndication.OUT_OF_BOUNDS_NO_POE
    assert fault(*below(end=AT - SECOND)).sub_indication == SubIndication.OUT_OF_BOUNDS_NO_POE
    assert fault(*below(ca=False)).sub_indication == SubIndication.CHAIN_CONSTRAINTS_FAILURE
