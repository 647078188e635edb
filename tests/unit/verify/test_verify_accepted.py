"""Every shape on the closed list is accepted, with the right person, level and content."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta, timezone
from itertools import product

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from adapters.testkit.certificates import Person
from adapters.testkit.pki import JAN, ORGANISATION_NIP, ZOFIA, Pki
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import (
    BASELINE,
    C14N,
    C14N11,
    C14N11_COMMENTS,
    C14N_COMMENTS,
    ENVELOPED,
    ENVELOPING,
    EXCLUSIVE,
    EXCLUSIVE_COMMENTS,
    PLAIN,
    PODPIS_ZAUFANY,
    QUALIFIED,
    XPATH,
    Recipe,
)
from adapters.testkit.signing.roles import ep_signature
from adapters.testkit.signing.template import reference
from broker.evidence import Indication, Level, Report
from broker.model import Form, FormKey, Valid, Verified
from broker.parse import Limits, Parse, read
from broker.verify import Anchor, TrustSnapshot, Verify, examine
from tests.builders import an_envelope
from tests.corpus.verify.refused import below
from tests.corpus.verify.scene import AT, FORM, FORM_WITH_ID, PKI, TRUST, anchor, judged

A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")


def verified(document: bytes, trust: TrustSnapshot = TRUST) -> Verified:
    parsed = Parse(limits=Limits())(an_envelope(document, received_at=AT))
    return Verify(trust=lambda: trust)(Valid(document=parsed, form=A_FORM))


def in_a_thread(work: Callable[[], Report]) -> Report:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def passes(report: Report) -> bool:
    return report.indication is Indication.PASSED and report.code == "" and report.sub_indication is None


SHAPES = {
    "enveloped": (BASELINE, "enveloped"),
    "qualified": (QUALIFIED, "enveloped-xpath"),
    "trusted profile's shape": (PODPIS_ZAUFANY, "enveloped-xpath"),
    "both ways of leaving it out": (replace(BASELINE, transforms=(ENVELOPED, XPATH)), "enveloped-xpath"),
    "white space in the XPath": (
        replace(QUALIFIED, transforms=(ENVELOPED, XPATH), xpath="\n not ( ancestor-or-self :: ds:Signature )\t"),
        "enveloped-xpath",
    ),
    "enveloping": (ENVELOPING, "enveloping"),
    "enveloping, inclusive": (replace(ENVELOPING, transforms=(), signed_info=C14N, properties=C14N), "enveloping"),
    "no prefix": (replace(BASELINE, prefix=""), "enveloped"),
    "no prefix, XPath": (replace(QUALIFIED, prefix="", signed_info=C14N, properties=C14N), "enveloped-xpath"),
    "no prefix, no transform of the properties": (replace(QUALIFIED, prefix="", properties=""), "enveloped-xpath"),
    "version 1 binding": (replace(BASELINE, binding="v1"), "enveloped"),
    "signed KeyInfo": (replace(BASELINE, binding="key-info"), "enveloped"),
    "signed KeyInfo with the chain": (replace(BASELINE, binding="key-info", certificates="chain"), "enveloped"),
    "later properties": (
        replace(
            BASELINE,
            unsigned="<xades:SignatureTimeStamp><xades:EncapsulatedTimeStamp>AAAA</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>",
        ),
        "enveloped",
    ),
    "archive properties": (
        replace(BASELINE, unsigned='<a:ArchiveTimeStamp xmlns:a="http://uri.etsi.org/01903/v1.4.1#"/>'),
        "enveloped",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_the_closed_list_passes(name: str) -> None:
    recipe, shape = SHAPES[name]
    report = judged(sign(FORM, PKI.person, AT, recipe))
    assert passes(report), (report.code, report.place)
    assert [it.shape for it in report.signatures] == [shape]
    assert report.level is Level.QUALIFIED
    assert all(it.holds for it in report.signatures[0].references)
    assert report.revocation == "off"
    assert report.judged_at == AT


METHODS = (C14N, C14N_COMMENTS, C14N11, C14N11_COMMENTS, EXCLUSIVE, EXCLUSIVE_COMMENTS)


@pytest.mark.parametrize(("of_form", "of_signature"), list(product(METHODS, METHODS)))
@pytest.mark.parametrize(
    "base", [BASELINE, replace(QUALIFIED, prefix=""), ENVELOPING], ids=["ds", "default", "enveloping"]
)
def test_every_canonicalisation_is_taken_for_every_part(base: Recipe, of_form: str, of_signature: str) -> None:
    out = tuple(it for it in base.transforms if it in (ENVELOPED, XPATH))
    recipe = replace(base, transforms=(*out, of_form), signed_info=of_signature, properties=of_signature)
    assert passes(judged(sign(FORM, PKI.person, AT, recipe)))


@pytest.mark.parametrize("method", ["rsa-sha256", "rsa-sha384", "rsa-sha512", "pss-sha256", "pss-sha384", "pss-sha512"])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_every_rsa_algorithm_is_taken(method: str, digest: str) -> None:
    assert passes(judged(sign(FORM, PKI.person, AT, method=method, digest=digest)))


@pytest.mark.parametrize("kind", ["ec-256", "ec-384", "ec-521"])
@pytest.mark.parametrize("method", ["ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"])
def test_every_elliptic_curve_is_taken(kind: str, method: str) -> None:
    assert passes(judged(sign(FORM, PKI.personal(PKI.qualified_ca, JAN, kind=kind), AT, method=method)))


@pytest.mark.parametrize(
    ("prefixes", "declared"),
    [
        ("unused", b'xmlns:unused="urn:unused" xmlns:w="urn:w"'),
        ("unused w nowhere", b'xmlns:unused="urn:unused" xmlns:w="urn:w"'),
        ("#default", b'xmlns="urn:default" xmlns:w="urn:w"'),
        ("#default unused", b'xmlns="urn:default" xmlns:unused="urn:unused" xmlns:w="urn:w"'),
        ("", b'xmlns:w="urn:w"'),
    ],
)
def test_an_inclusive_prefix_list_is_obeyed(prefixes: str, declared: bytes) -> None:
    """The maker knows no prefix lists, so its digest is that of the plain method; ours is told in the report."""
    form = b'<w:r xmlns:w="urn:w" xmlns="urn:default" xmlns:unused="urn:unused"><w:p Id="part"><w:q/></w:p></w:r>'
    held = f'<c:InclusiveNamespaces xmlns:c="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="{prefixes}"/>'
    plain = reference("#part", (EXCLUSIVE,), "sha256")
    part = plain.replace("/></ds:Transforms>", f">{held}</ds:Transform></ds:Transforms>")
    signed = sign(form, PKI.person, AT, extra_references=(part,))
    octets = b"<w:p " + declared + b' Id="part"><w:q></w:q></w:p>'
    for said in judged(signed), in_a_thread(lambda: judged(signed)):
        actual = base64.b64decode(said.signatures[0].references[-1].actual)
        assert actual == hashlib.sha256(octets).digest()


# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("old", [False, True], ids=["EPSignature", "PodpisZP"])
@pytest.mark.parametrize("person", [JAN, ZOFIA], ids=["jan", "zofia"])
def test_podpis_zaufany_names_the_person_and_not_the_platform(old: bool, person: Person) -> None:
    report = judged(sign_on_platform(FORM, PKI.platform, person, AT, old=old))
    assert passes(report)
    assert report.level is Level.TRUSTED_PROFILE
    who = report.identity
    assert who is not None
    assert (who.source, who.given_names, who.family_name, who.pesel) == (
        "claimed-role",
        person.given,
        person.family,
        person.pesel,
    )


def test_a_claimed_role_is_not_believed_without_a_platform_seal() -> None:
    report = judged(sign(FORM, PKI.person, AT, QUALIFIED, claimed_role=ep_signature(ZOFIA, AT)))
    assert passes(report)
    assert report.identity is not None
    assert (report.identity.source, report.identity.pesel) == ("certificate", JAN.pesel)
    assert report.hint == "verify.hint-claimed-role"
    assert report.level is Level.QUALIFIED


def test_no_anchor_gives_the_level_of_podpis_zaufany_without_a_person() -> None:
    assert judged(sign(FORM, PKI.platform, AT, PODPIS_ZAUFANY)).level is Level.LOCAL
    unmarked = TrustSnapshot(anchors=(anchor(PKI.platform_ca, Level.TRUSTED_PROFILE),))
    report = judged(sign_on_platform(FORM, PKI.platform, JAN, AT), trust=unmarked)
    assert (report.level, report.hint) == (Level.LOCAL, "verify.hint-claimed-role")


def test_two_people_in_the_claimed_roles_are_nobody() -> None:
    both = ep_signature(JAN, AT) + ep_signature(ZOFIA, AT)
    report = judged(sign(FORM, PKI.platform, AT, PODPIS_ZAUFANY, claimed_role=both))
    assert passes(report)
    assert report.identity is not None
    assert report.identity.source == "certificate"
    assert report.level is Level.LOCAL


def test_a_person_is_read_from_a_qualified_certificate() -> None:
    who = judged(sign(FORM, PKI.other_person, AT)).identity
    assert who is not None
    assert (who.source, who.given_names, who.family_name, who.pesel, who.country) == (
        "certificate",
        ZOFIA.given,
        ZOFIA.family,
        ZOFIA.pesel,
        "PL",
    )


def test_an_organisation_is_read_from_its_seal() -> None:
    who = judged(sign(FORM, PKI.organisation, AT)).identity
    assert who is not None
    assert (who.organisation, who.nip, who.family_name, who.pesel) == ("Zakład Próbny", ORGANISATION_NIP, "", "")


def test_the_level_is_the_anchors() -> None:
    assert judged(sign(FORM, PKI.local_person, AT)).level is Level.LOCAL


def test_the_signing_time_is_reported_as_utc() -> None:
    warsaw = AT.astimezone(timezone(timedelta(hours=1)))
    report = judged(sign_on_platform(FORM, PKI.platform, JAN, warsaw))
    assert report.signatures[0].signing_time == AT


def test_the_path_is_reported_from_signer_to_anchor() -> None:
    (signature,) = judged(sign(FORM, PKI.person, AT)).signatures
    assert [subject.split("CN=")[1].split(",")[0] for subject in signature.path] == [
        "JAN TESTOWY",
        "Goniec Test Qualified CA",
    ]
    assert signature.certificate is not None
    assert signature.certificate.subject == signature.path[0]


# ── several ──────────────────────────────────────────────────────────────────────────────────────────────


def test_siblings_must_all_hold_and_the_weakest_gives_the_level() -> None:
    both = sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.local_person, AT, QUALIFIED)
    report = judged(both)
    assert passes(report)
    assert [it.level for it in report.signatures] == [Level.QUALIFIED, Level.LOCAL]
    assert report.level is Level.LOCAL
    assert report.identity is not None
    assert report.identity.pesel == JAN.pesel


def test_one_bad_sibling_spoils_the_whole_and_is_named() -> None:
    report = judged(sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.expired, AT, QUALIFIED))
    assert [it.indication for it in report.signatures] == [Indication.PASSED, Indication.INDETERMINATE]
    assert (report.code, report.level) == ("verify.certificate-expired", Level.NONE)
    assert report.place == "ds:Signature[2]/ds:X509Certificate"


def test_a_later_signature_may_cover_an_earlier_one_and_the_content_is_still_the_form_alone() -> None:
    first = sign(FORM, PKI.person, AT, QUALIFIED)
    both = verified(sign(first, PKI.other_person, AT, transforms=(ENVELOPED,)))
    assert passes(both.report)
    assert both.content == verified(first).content
    assert b"Signature" not in both.content


def test_the_content_is_the_form_alone_whichever_signature_stands_first() -> None:
    first = sign(FORM, PKI.person, AT, QUALIFIED)
    both = sign(first, PKI.other_person, AT, transforms=(ENVELOPED,)).decode()
    one, two = re.findall("<ds:Signature .*?</ds:Signature>", both, re.DOTALL)
    swapped = verified(both.replace(one + two, two + one).encode())
    assert passes(swapped.report)
    assert [it.shape for it in swapped.report.signatures] == ["enveloped", "enveloped-xpath"]
    assert swapped.content == verified(first).content


def test_an_element_that_was_validated_must_be_the_one_that_was_signed() -> None:
    parsed = Parse(limits=Limits())(an_envelope(sign(FORM, PKI.person, AT, ENVELOPING), received_at=AT))
    verify = Verify(trust=lambda: TRUST)
    assert passes(verify(Valid(document=parsed, form=A_FORM)).report)
    for other in (parsed.root, parsed.form[0]):
        elsewhere = Valid(document=replace(parsed, form=other), form=A_FORM)
        assert verify(elsewhere).report.code == "verify.enveloping-form"


def test_a_counter_signature_is_verified_and_reported_and_never_the_signer() -> None:
    (signature,) = judged(countersign(sign(FORM, PKI.person, AT), PKI.organisation, AT)).signatures
    (counter,) = signature.counter_signatures
    assert (counter.indication, counter.shape) == (Indication.PASSED, "counter-signature")
    assert counter.identity is not None
    assert counter.identity.nip == ORGANISATION_NIP
    assert signature.identity is not None
    assert signature.identity.pesel == JAN.pesel


def test_a_bad_counter_signature_is_told_and_does_no_harm() -> None:
    signed = countersign(sign(FORM, PKI.person, AT), PKI.stranger, AT)
    report = judged(signed)
    assert passes(report)
    assert report.signatures[0].counter_signatures[0].code == "verify.chain-untrusted"


def test_a_counter_signature_of_something_else_is_told() -> None:
    def elsewhere(text: str) -> str:
        return re.sub('(CountersignedSignature" URI="#)[^"]*', r"\1part", text)

    form = FORM.replace(b"<wnio:Kwota>", b'<wnio:Kwota Id="part">')
    signed = countersign(sign(form, PKI.person, AT), PKI.other_person, AT, rewrite=elsewhere)
    report = judged(signed)
    assert passes(report)
    assert report.signatures[0].counter_signatures[0].code == "verify.counter-signature-elsewhere"


# ── content ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_content_is_exactly_the_octets_that_the_signature_covers() -> None:
    for recipe in (BASELINE, QUALIFIED):
        done = verified(sign(FORM, PKI.person, AT, recipe))
        covering = next(it for it in done.report.signatures[0].references if it.covers_form)
        assert base64.b64encode(hashlib.sha256(done.content).digest()).decode() == covering.expected
        assert b"<!--" not in done.content
        assert b"Signature" not in done.content


@pytest.mark.parametrize("transforms", [(EXCLUSIVE,), (C14N,), ()])
def test_the_content_of_an_enveloping_signature_is_the_form(transforms: tuple[str, ...]) -> None:
    done = verified(sign(FORM, PKI.person, AT, ENVELOPING, transforms=transforms))
    assert passes(done.report)
    assert done.content.startswith(b"<wnio:Dokument ")
    content = read(done.content, Limits())
    assert content.findtext("{http://example.test/wzor/}Kwota") == "100"
    original = etree.tostring(read(FORM, Limits()), method="c14n", exclusive=True, with_comments=False)
    assert etree.tostring(content, method="c14n", exclusive=True) == original.split(b"?>\n", 1)[-1]


def test_a_document_without_a_signature_is_a_fact_and_no_failure() -> None:
    done = verified(FORM)
    assert passes(done.report)
    assert (done.report.level, done.report.signatures, done.report.revocation) == (Level.NONE, (), "off")
    assert done.content.startswith(b"<wnio:Dokument ")
    assert b"<!--" not in done.content


def test_the_content_of_a_failed_document_still_holds_no_signature() -> None:
    done = verified(sign(FORM, PKI.person, AT).replace(b">100<", b">900<"))
    assert done.report.indication is Indication.FAILED
    assert b"Signature" not in done.content
    assert b">900<" in done.content


def test_a_reference_to_the_root_by_its_id_leaves_out_what_stands_outside_the_root() -> None:
    """So an instruction there would be signed by nobody, and is refused."""
    signed = sign(FORM_WITH_ID, PKI.person, AT, uri="#doc")
    for outside in (b"", b"<!-- a comment -->"):
        assert passes(judged(outside + signed))
    assert judged(b"<?xml-stylesheet href='x'?>" + signed).code == "verify.instruction-unsigned"
    assert judged(signed + b"<?xml-stylesheet href='x'?>").code == "verify.instruction-unsigned"


def test_one_signature_over_the_whole_document_is_enough_to_cover_what_stands_outside_the_root() -> None:
    by_id = sign(FORM_WITH_ID, PKI.other_person, AT, QUALIFIED, uri="#doc", transforms=(XPATH, EXCLUSIVE))
    assert judged(b"<?xml-stylesheet href='x'?>" + by_id).code == "verify.instruction-unsigned"
    assert passes(judged(sign(b"<?xml-stylesheet href='x'?>" + by_id, PKI.person, AT, QUALIFIED)))


def test_the_whole_document_includes_the_instructions_outside_the_root_but_no_comment() -> None:
    signed = sign(FORM_WITH_ID, PKI.person, AT)
    assert passes(judged(b"<!-- a comment -->" + signed))
    assert judged(b"<?xml-stylesheet href='x'?>" + signed).code == "verify.digest-mismatch"


def test_verification_leaves_the_tree_as_it_was() -> None:
    root = read(sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.other_person, AT, QUALIFIED), Limits())
    before = etree.tostring(root.getroottree())
    first, again = examine(root, TRUST, AT), examine(root, TRUST, AT)
    assert etree.tostring(root.getroottree()) == before
    assert first == again


# ── policy ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_moment_of_entry_decides_about_certificates() -> None:
    signed = sign(FORM, PKI.person, AT)
    assert judged(signed, at=AT + timedelta(days=3650)).code == "verify.certificate-expired"
    assert judged(signed, at=AT - timedelta(days=3650)).code == "verify.certificate-not-yet-valid"
    assert passes(judged(signed))


def test_without_the_path_a_stranger_passes_and_has_no_level() -> None:
    report = judged(sign(FORM, PKI.stranger, AT), path=False)
    assert passes(report)
    assert (report.level, report.signatures[0].path) == (Level.NONE, ())
    honest = judged(sign(FORM, PKI.person, AT))
    assert report.signatures[0].identity == honest.signatures[0].identity  # for it says so itself


def test_the_basic_profile_takes_a_plain_signature_with_an_embedded_certificate() -> None:
    plain = sign(FORM, PKI.person, AT, PLAIN)
    report = judged(plain, profile="basic")
    assert passes(report)
    assert report.level is Level.QUALIFIED
    assert judged(sign(FORM, PKI.stranger, AT, PLAIN), profile="basic").code == "verify.chain-untrusted"


def test_the_basic_profile_takes_a_key_that_the_operator_gives() -> None:
    plain = sign(FORM, PKI.stranger, AT, PLAIN, certificates="none")
    public = PKI.stranger.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert passes(judged(plain, profile="basic", keys=[public]))
    assert passes(judged(plain, profile="basic", keys=[PKI.person.pem, PKI.stranger.pem]))
    assert judged(plain, profile="basic", keys=[PKI.person.pem]).code == "verify.signature-value-mismatch"
    assert judged(plain, profile="basic").code == "verify.certificate-missing"
    assert judged(plain, keys=[public]).code == "verify.xades-missing"


@pytest.mark.parametrize("kind", ["rsa-2048", "ec-256", "ec-521"])
def test_a_bare_key_is_enough_for_mathematics_alone(kind: str) -> None:
    by = PKI.personal(PKI.qualified_ca, JAN, kind=kind)
    plain = sign(FORM, by, AT, PLAIN, certificates="none", key_value=True)
    assert passes(judged(plain, profile="basic", path=False))
    assert judged(plain, profile="basic").code == "verify.certificate-missing"
    assert judged(plain.replace(b">100<", b">900<"), profile="basic", path=False).code == "verify.digest-mismatch"


def test_the_basic_profile_still_holds_a_xades_signature_to_its_own_rules() -> None:
    assert judged(sign(FORM, PKI.person, AT, target="#x"), profile="basic").code == "verify.xades-target"


def test_another_cast_of_keys_is_taken_too() -> None:
    pki = Pki(at=AT, keys="ec-256", cas="ec-384")
    trust = TrustSnapshot(anchors=(anchor(pki.qualified_ca, Level.QUALIFIED),))
    assert passes(judged(sign(FORM, pki.person, AT, QUALIFIED), trust=trust))


def test_a_pinned_certificate_is_trusted_without_its_issuer() -> None:
    signed = sign(FORM, PKI.stranger, AT)
    pinned = TrustSnapshot(anchors=(Anchor(certificate=PKI.stranger.certificate, name="partner"),))
    report = judged(signed, trust=pinned)
    assert passes(report)
    assert report.level is Level.LOCAL
    assert len(report.signatures[0].path) == 1


def test_a_signer_may_be_below_an_intermediate_that_the_snapshot_or_the_signature_supplies() -> None:
    middle = below("Middle")
    person = PKI.personal(middle, JAN)
    alone = sign(FORM, person, AT, QUALIFIED, certificates="own")
    assert judged(alone).code == "verify.chain-untrusted"
    assert passes(judged(sign(FORM, person, AT, QUALIFIED)))
    knowing = TrustSnapshot(anchors=TRUST.anchors, intermediates=(middle.credential.certificate,))
    assert passes(judged(alone, trust=knowing))
    # what one document brought along helps no other
    assert judged(alone).code == "verify.chain-untrusted"


def test_an_intermediate_may_itself_be_the_anchor() -> None:
    middle = below("Anchored")
    trust = TrustSnapshot(anchors=(anchor(middle, Level.QUALIFIED),))
    report = judged(sign(FORM, PKI.personal(middle, JAN), AT, QUALIFIED), trust=trust)
    assert passes(report)
    assert len(report.signatures[0].path) == 2
