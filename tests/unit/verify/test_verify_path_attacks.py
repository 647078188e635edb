"""Chains that a forger, a careless authority or a maze-maker would send: refused each for its own reason, and at once.

What RFC 5280 asks of a path is held by NIST's suite (`tests/corpus/pkits`); here are the attacks that the suite, of one
authority's making, does not have.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from adapters.testkit.certificates import Authority, Credential, PrivateKey, distinguished, key
from broker.verify import Anchor, TrustSnapshot, path
from broker.verify.certificate import issuer_key, load
from broker.verify.fault import Fault
from tests.corpus.verify.scene import AT

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
SERIALS = count(1)
USAGE = x509.KeyUsage(False, True, False, False, False, False, False, False, False)
CA_USAGE = x509.KeyUsage(False, False, False, False, False, True, True, False, False)

Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def made(
    name: str,
    above: Credential | None,
    *,
    own: PrivateKey | None = None,
    ca: bool = True,
    length: int | None = None,
    extras: Extensions = (),
    begin: datetime = AT - DAY,
    end: datetime = AT + DAY,
    constraints: bool = True,
    usage: x509.KeyUsage | None = None,
    issuer: str = "",
) -> Credential:
    """Return a certificate of `name` by `above`, or by itself; every rule that it keeps can be broken."""
    own = own or key(f"attack {name}", "ec-256")
    by = above.key if above else own
    subject = distinguished(common_name=name)
    issued_by = above.certificate.subject if above and not issuer else distinguished(common_name=issuer or name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issued_by)
        .public_key(own.public_key())
        .serial_number(next(SERIALS))
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(usage or (CA_USAGE if ca else USAGE), critical=True)
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=length), critical=True)
    for extension, critical in extras:
        builder = builder.add_extension(extension, critical)
    return Credential(key=own, certificate=builder.sign(by, hashes.SHA256()))


ROOT = made("Attack Root", None)
OTHER_ROOT = made("Attack Other Root", None)


def person(above: Credential, **about: Any) -> Credential:
    return made("JAN TESTOWY", above, ca=False, **about)


def trusting(*anchors: Credential) -> TrustSnapshot:
    return TrustSnapshot(
        anchors=tuple(Anchor(certificate=it.certificate, name=str(it.certificate.subject)) for it in anchors)
    )


def verdict(signer: Credential, *beside: Credential, trust: TrustSnapshot | None = None, at: datetime = AT) -> str:
    try:
        path.find(load(signer.der), [load(it.der) for it in beside], trust or trusting(ROOT), at)
    except Fault as fault:
        return fault.code
    return "good"


# ── who issued whom ──


def test_a_certificate_of_the_same_key_and_name_that_the_issuer_did_not_sign_is_not_taken_for_it() -> None:
    """Swapped: the forger has the signer's certificate and makes another for the very same key."""
    true = made("Attack CA", ROOT)
    swapped = made("Attack CA", OTHER_ROOT, own=true.key, issuer="Attack Root")
    signer = person(true)
    assert verdict(signer, true) == "good"
    assert verdict(signer, swapped) == "verify.chain-invalid"
    assert verdict(signer, swapped, true) == verdict(signer, true, swapped) == "good"


def test_two_authorities_of_one_name_are_told_apart_by_their_keys() -> None:
    one, two = (made("Attack Twin", ROOT, own=key(f"attack twin {number}", "ec-256")) for number in (1, 2))
    for own, other in ((one, two), (two, one)):
        signer = person(own)
        assert verdict(signer, own) == verdict(signer, other, own) == verdict(signer, own, other) == "good"
        assert verdict(signer, other) == "verify.chain-invalid"
        found = path.find(load(signer.der), [load(it.der) for it in (other, own)], trusting(ROOT), AT)
        assert found.issuers[0] == issuer_key(own.certificate) != issuer_key(other.certificate)


def test_two_anchors_of_one_name_are_both_tried() -> None:
    double = made("Attack Root", None, own=key("attack double root", "ec-256"))
    for trust in (trusting(ROOT, double), trusting(double, ROOT)):
        assert verdict(person(ROOT), trust=trust) == verdict(person(double), trust=trust) == "good"
    assert verdict(person(ROOT), trust=trusting(double)) == "verify.chain-invalid"


def test_a_cross_certificate_leads_to_the_anchor_that_is_trusted() -> None:
    crossed = made("Attack Other Root", ROOT, own=OTHER_ROOT.key)
    signer = person(OTHER_ROOT)
    assert verdict(signer, OTHER_ROOT) == "verify.chain-untrusted"
    assert verdict(signer, crossed) == verdict(signer, OTHER_ROOT, crossed) == "good"


def test_a_cross_certificate_that_ended_leads_nowhere_and_one_that_lives_does() -> None:
    old = made("Attack Other Root", ROOT, own=OTHER_ROOT.key, end=AT - SECOND)
    new = made("Attack Other Root", ROOT, own=OTHER_ROOT.key)
    signer = person(OTHER_ROOT)
    assert verdict(signer, old) == "verify.chain-expired"
    assert verdict(signer, old, new) == verdict(signer, new, old) == "good"


def test_authorities_that_issue_each_other_are_no_path_and_no_endless_one() -> None:
    keys = [key(f"attack ring {number}", "ec-256") for number in range(3)]
    ring = [
        made(f"Attack Ring {number}", Credential(key=keys[number - 1], certificate=ROOT.certificate), own=keys[number], issuer=f"Attack Ring {(number - 1) % 3}")
        for number in range(3)
    ]  # fmt: skip
    assert verdict(person(ring[0]), *ring) == "verify.chain-untrusted"
    way_out = made("Attack Ring 1", ROOT, own=keys[1])
    assert verdict(person(ring[0]), *ring, way_out) == "good"


def test_a_self_signed_certificate_beside_the_signature_is_no_anchor() -> None:
    fake = made("Attack Root", None, own=key("attack fake root", "ec-256"))
    assert verdict(person(fake), fake) == "verify.chain-invalid"
    alone = made("JAN TESTOWY", None, ca=False)
    assert verdict(alone, alone) == "verify.chain-untrusted"


# ── what an authority may do ──


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({}, "good"),
        ({"ca": False}, "verify.chain-invalid"),
        ({"constraints": False}, "verify.chain-invalid"),
        ({"usage": USAGE}, "verify.chain-invalid"),
        ({"extras": [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]}, "verify.chain-invalid"),
        ({"extras": [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)]}, "good"),
        ({"end": AT - SECOND}, "verify.chain-expired"),
        ({"begin": AT + SECOND}, "verify.chain-not-yet-valid"),
        ({"own": rsa.generate_private_key(public_exponent=65537, key_size=1024)}, "verify.chain-weak"),
        ({"own": key("Attack Between", "rsa-2048-33")}, "verify.chain-weak"),
    ],
    ids=["sound", "ca-false", "no-basic-constraints", "no-cert-sign", "critical", "not-critical", "ended", "not-begun", "short", "exponent"],
)  # fmt: skip
def test_an_authority_between_must_be_one(about: dict[str, Any], code: str) -> None:
    between = made("Attack Between", ROOT, **about)
    assert verdict(person(between), between) == code


def test_a_signer_that_plays_authority_is_not_believed() -> None:
    """The oldest attack of all: an honest certificate for signing, used to issue another."""
    between = made("Attack Between", ROOT)
    honest = person(between)
    forged = made("ZOFIA PRÓBNA", honest, ca=False)
    assert verdict(forged, honest, between) == "verify.chain-invalid"


@pytest.mark.parametrize(
    ("lengths", "code"),
    [
        ((2, 1, 0), "good"),
        ((1, 1, 0), "verify.chain-invalid"),
        ((2, 0, 0), "verify.chain-invalid"),
        ((None, None, 0), "good"),
    ],
)
def test_a_path_is_no_longer_than_its_authorities_allow(lengths: tuple[int | None, ...], code: str) -> None:
    above, chain = ROOT, []
    for number, length in enumerate(lengths):
        above = made(f"Attack Level {number}", above, length=length)
        chain.append(above)
    assert verdict(person(above), *chain) == code


def test_an_anchors_own_path_length_counts() -> None:
    """RFC 5280 leaves it open; DESIGN does not."""
    short = made("Attack Short Root", None, length=0)
    between = made("Attack Below Short", short)
    assert verdict(person(short), trust=trusting(short)) == "good"
    assert verdict(person(between), between, trust=trusting(short)) == "verify.chain-invalid"


def _names(*, permitted: str = "", excluded: str = "") -> Extensions:
    def of(name: str) -> list[x509.GeneralName] | None:
        return [x509.DirectoryName(distinguished(common_name=name))] if name else None

    return [(x509.NameConstraints(of(permitted), of(excluded)), True)]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ({"permitted": "JAN TESTOWY"}, "good"),
        ({"permitted": "ZOFIA PRÓBNA"}, "verify.chain-invalid"),
        ({"excluded": "JAN TESTOWY"}, "verify.chain-invalid"),
        ({"excluded": "ZOFIA PRÓBNA"}, "good"),
    ],
)
def test_an_authority_issues_within_its_names_alone(names: dict[str, str], code: str) -> None:
    between = made("Attack Named", ROOT, extras=_names(**names))
    assert verdict(person(between), between) == code


def test_an_anchors_own_names_count() -> None:
    bound = made("Attack Bound Root", None, extras=_names(permitted="ZOFIA PRÓBNA"))
    assert verdict(person(bound), trust=trusting(bound)) == "verify.chain-invalid"


def test_where_a_policy_is_required_a_path_without_one_is_refused() -> None:
    required = [(x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)]
    policy = [(x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3.5"), None)]), False)]
    other = [(x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3.6"), None)]), False)]
    between = made("Attack Policy", ROOT, extras=[*required, *policy])
    assert verdict(person(between, extras=policy), between) == "good"
    assert verdict(person(between, extras=other), between) == "verify.chain-invalid"
    assert verdict(person(between), between) == "verify.chain-invalid"


def test_an_extension_that_stands_twice_is_read_by_nobody() -> None:
    signer = asn1.Certificate.load(person(ROOT).der)
    extensions = signer["tbs_certificate"]["extensions"]
    extensions.append(extensions[0])
    twice = signer.dump(force=True)
    with pytest.raises(Fault, match="certificate-unreadable"):
        path.find(load(twice), (), trusting(ROOT), AT)


def test_a_serial_number_below_zero_is_a_fault_where_warnings_are_errors() -> None:
    signer = asn1.Certificate.load(person(ROOT).der)
    signer["tbs_certificate"]["serial_number"] = -5
    with pytest.raises(Fault, match="certificate-unreadable"):
        load(signer.dump(force=True))


# ── what a signer's own certificate must be ──


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({"extras": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]}, "verify.key-usage"),
        ({"extras": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), True)]}, "verify.key-usage"),
        ({"extras": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)]}, "good"),
        ({"usage": CA_USAGE}, "verify.key-usage"),
        ({"extras": [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]}, "verify.chain-invalid"),
        ({"begin": AT, "end": AT}, "good"),
        ({"begin": AT + SECOND}, "verify.certificate-not-yet-valid"),
        ({"end": AT - SECOND}, "verify.certificate-expired"),
    ],
    ids=["server", "ocsp", "mail", "ca-usage", "critical", "one-second", "a-second-early", "a-second-late"],
)  # fmt: skip
def test_a_signers_certificate_is_for_signing_and_of_its_time(about: dict[str, Any], code: str) -> None:
    assert verdict(person(ROOT, **about)) == code


def test_the_first_and_the_last_second_of_every_certificate_of_a_path_count() -> None:
    between = made("Attack Brief", ROOT, begin=AT, end=AT + DAY)
    signer = person(between, begin=AT - DAY, end=AT + 2 * DAY)
    moments = [AT - SECOND, AT, AT + DAY, AT + DAY + SECOND]
    assert [verdict(signer, between, at=at) for at in moments] == [
        "verify.chain-not-yet-valid", "good", "good", "verify.chain-expired",
    ]  # fmt: skip


# ── how it is signed, and of which version ──


def _signed_with(algorithm: hashes.HashAlgorithm, name: str, *, ca: bool, weak: rsa.RSAPrivateKey) -> Credential:
    """Return a certificate by the weak root whose signature is made with an algorithm that builders refuse."""
    above = Credential(key=weak, certificate=WEAK_ROOT.certificate)
    made_so = made(name, above, ca=ca)
    certificate = asn1.Certificate.load(made_so.der)
    certificate["signature_algorithm"] = {"algorithm": f"{algorithm.name}_rsa"}
    certificate["tbs_certificate"]["signature"] = {"algorithm": f"{algorithm.name}_rsa"}
    certificate["signature_value"] = weak.sign(
        certificate["tbs_certificate"].dump(force=True), padding.PKCS1v15(), algorithm
    )
    return Credential(key=made_so.key, certificate=x509.load_der_x509_certificate(certificate.dump(force=True)))


WEAK_ROOT = Authority.root("Attack RSA Root", AT).credential


@pytest.mark.parametrize("algorithm", [hashes.MD5(), hashes.SHA1(), hashes.SHA256()], ids=lambda it: it.name)
@pytest.mark.parametrize("ca", [True, False], ids=["an-authority", "the-signer"])
def test_a_certificate_signed_with_a_broken_digest_proves_nothing(algorithm: hashes.HashAlgorithm, ca: bool) -> None:
    weak = WEAK_ROOT.key
    assert isinstance(weak, rsa.RSAPrivateKey)
    one = _signed_with(algorithm, "Attack Weak" if ca else "JAN TESTOWY", ca=ca, weak=weak)
    signer, beside = (person(one), [one]) if ca else (one, [])
    expected = "good" if algorithm.name == "sha256" else "verify.chain-weak"
    assert verdict(signer, *beside, trust=trusting(WEAK_ROOT)) == expected


def _version_1(name: str, above: Credential) -> Credential:
    """Return a certificate without extensions: before version 3 nothing said whether it is an authority's."""
    base = made(name, above, ca=True)
    certificate = asn1.Certificate.load(base.der)
    body = certificate["tbs_certificate"]
    body["version"] = "v1"
    del body["extensions"]
    assert isinstance(above.key, ec.EllipticCurvePrivateKey)
    value = above.key.sign(body.dump(force=True), ec.ECDSA(hashes.SHA256()))
    certificate["signature_value"] = value
    return Credential(key=base.key, certificate=x509.load_der_x509_certificate(certificate.dump(force=True)))


def test_a_certificate_of_version_1_is_no_authority_between() -> None:
    between = _version_1("Attack Version 1", ROOT)
    assert verdict(person(between), between) == "verify.chain-invalid"


def test_a_signers_certificate_of_version_1_is_judged_as_one_without_usages() -> None:
    assert verdict(_version_1("JAN TESTOWY", ROOT)) == "good"


# ── bags that are made to cost ──


def _one_name(keys: int, size: int) -> tuple[Credential, list[Credential]]:
    """Return authorities of one name and few keys, each of which seems to have issued every other."""
    own = [key(f"attack bag {number}", "ec-256") for number in range(keys)]
    bag = [
        made("Attack Bag", Credential(key=own[(number + 1) % keys], certificate=ROOT.certificate), own=own[number % keys], issuer="Attack Bag")
        for number in range(size)
    ]  # fmt: skip
    return person(bag[0]), bag


def _ladder() -> tuple[Credential, list[Credential]]:
    """Return three steps of three doubles each: 27 ways, of which none begins at the anchor's key."""
    bag, above = [], [Credential(key=key("attack nobody", "ec-256"), certificate=ROOT.certificate)]
    for step in range(3):
        name = f"Attack Step {step}"
        issuer = "Attack Root" if step == 0 else f"Attack Step {step - 1}"
        above = [made(name, above[0], own=key(f"{name} {number}", "ec-256"), issuer=issuer) for number in range(3)]
        bag += above
    return person(above[0]), bag


def _below_the_anchors_name() -> tuple[Credential, list[Credential]]:
    """Return ten authorities of one name that all seem to be the anchor's."""
    nobody = Credential(key=key("attack nobody", "ec-256"), certificate=ROOT.certificate)
    bag = [made("Attack Many", nobody, own=key(f"attack many {number}", "ec-256")) for number in range(10)]
    return person(bag[0]), bag


BAGS = {
    "ten-of-one-name-and-ten-keys": lambda: _one_name(10, 10),
    "ten-of-one-name-and-two-keys": lambda: _one_name(2, 10),
    "ten-of-one-name-and-one-key": lambda: _one_name(1, 10),
    "a-ladder": _ladder,
    "ten-below-the-anchors-name": _below_the_anchors_name,
}


def cost(signer: Credential, beside: Sequence[Credential]) -> tuple[float, str]:
    """Return the least of three costs, in seconds; nothing is remembered from one snapshot to the next."""
    spent = []
    for _ in range(3):
        trust = trusting(ROOT)
        begun = time.perf_counter()
        code = verdict(signer, *beside, trust=trust)
        spent.append(time.perf_counter() - begun)
    return min(spent), code


@pytest.mark.parametrize("bag", BAGS)
def test_a_bag_of_ten_crafted_certificates_costs_no_more_than_some_honest_paths(bag: str) -> None:
    """Fifty of them: one costs some 2 ms, and a bag may cost 200 ms.  A ratio, for machines differ."""
    between = made("Attack Honest", ROOT)
    honest, good = cost(person(between), [between])
    spent, code = cost(*BAGS[bag]())
    assert good == "good"
    assert code in {"verify.chain-too-complex", "verify.chain-untrusted", "verify.chain-invalid"}
    assert spent < 50 * honest


def test_a_true_path_is_found_among_nine_that_are_not() -> None:
    _, bag = _below_the_anchors_name()
    true = made("Attack Many", ROOT, own=key("attack many true", "ec-256"))
    assert verdict(person(true), *bag[:9], true) == verdict(person(true), true, *bag[:9]) == "good"
