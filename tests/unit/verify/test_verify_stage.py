"""The stage itself: what it hands on, what is judged again later, and what an operator's settings may say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import ENVELOPING, PLAIN, QUALIFIED
from broker.errors import ConfigError
from broker.evidence import UNSIGNED, Indication, Level
from broker.model import Form, FormKey, Valid
from broker.parse import Limits, Parse, read
from broker.verify import TrustSnapshot, Verify, Window, examine
from broker.verify.c14n import reread
from broker.verify.fault import VERDICTS, Fault
from broker.verify.judgement import judge_document
from broker.verify.revocation import NOTHING_KNOWN
from broker.verify.signer import Policy
from broker.verify.trust import anchors, certificates, public_keys
from tests.builders import an_envelope
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST, judged

A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")
UNSIGNED_FORM = b"<?x?><w:r xmlns:w='urn:w'  a='1'><!--c--><w:b/>text</w:r>"
REQUIRE = replace(TRUST, revocation="require")


def parsed(data: bytes):
    return Parse(limits=Limits())(an_envelope(data, received_at=AT))


def test_a_document_is_judged_again_as_it_was_the_first_time() -> None:
    stage, document = Verify(trust=lambda: TRUST), parsed(sign(FORM, PKI.person, AT))
    report = stage.again(document)
    assert report == stage(Valid(document=document, form=A_FORM)).report
    assert report.indication is Indication.PASSED


def test_whoever_examines_may_say_where_a_signing_time_may_lie() -> None:
    document = parsed(sign(FORM, PKI.person, AT - timedelta(hours=2)))
    assert examine(document, TRUST, AT).code == ""
    assert examine(document, TRUST, AT, window=Window(age=timedelta(hours=1))).code == "verify.signing-time-old"


def test_a_document_that_parse_has_seen_is_examined_like_its_root() -> None:
    for signed in (sign(FORM, PKI.person, AT), sign(FORM, PKI.person, AT, ENVELOPING)):
        document = parsed(signed)
        report = examine(document, TRUST, AT)
        assert report == examine(document.root, TRUST, AT) == judged(signed)
        assert (report.indication, report.level) == (Indication.PASSED, Level.QUALIFIED)


def test_an_element_inside_a_document_is_examined_as_its_document() -> None:
    root = read(sign(FORM, PKI.person, AT), Limits())
    assert examine(root[0], TRUST, AT) == examine(root, TRUST, AT)


def test_without_a_word_a_signature_must_be_xades() -> None:
    assert judged(sign(FORM, PKI.person, AT, PLAIN)).code == "verify.xades-missing"


def test_a_document_without_a_signature_passes_for_nothing_under_the_policy_that_stands() -> None:
    for trust in (TRUST, REQUIRE):
        stage = Verify(trust=lambda trust=trust: trust)
        verified = stage(Valid(document=parsed(UNSIGNED_FORM), form=A_FORM))
        assert verified.report == replace(UNSIGNED, revocation=trust.revocation, judged_at=AT)
        assert verified.content == b'<w:r xmlns:w="urn:w" a="1"><w:b></w:b>text</w:r>'


def test_what_fails_is_told_under_the_policy_that_stands_and_with_what_it_holds() -> None:
    signed = sign(FORM, PKI.person, AT)
    report = examine(read(signed.replace(b">100<", b">900<"), Limits()), REQUIRE, AT)
    assert (report.revocation, report.judged_at, report.level) == ("require", AT, Level.NONE)
    assert [it.code for it in report.signatures] == ["verify.digest-mismatch"]
    wrapped = b"<r>" + signed[signed.index(b"<wnio") :] + b"</r>"
    told = examine(read(wrapped, Limits()), REQUIRE, AT)
    assert (told.code, told.revocation, told.judged_at) == ("verify.signature-misplaced", "require", AT)


def test_what_proves_nothing_has_for_content_the_form_without_its_signatures() -> None:
    signed = sign(FORM, PKI.person, AT).replace(b">100<", b">900<")
    verified = Verify(trust=lambda: TRUST)(Valid(document=parsed(signed), form=A_FORM))
    expected = etree.tostring(read(FORM.replace(b">100<", b">900<"), Limits()), method="c14n", with_comments=False)
    assert verified.content == expected
    enveloping = parsed(sign(FORM, PKI.person, AT, ENVELOPING).replace(b">100<", b">900<"))
    assert enveloping.form is not enveloping.root
    content = Verify(trust=lambda: TRUST)(Valid(document=enveloping, form=A_FORM)).content
    assert b">900<" in content
    assert b"Signature" not in content


def test_a_signature_counts_only_for_the_form_that_was_validated() -> None:
    """What was validated and what is signed must be one element: else one could be shown and another taken."""
    root = read(sign(FORM, PKI.person, AT), Limits())
    judgement = judge_document(root, root[0], trust=REQUIRE, at=AT, policy=Policy(), size=3_000)
    report = judgement.report
    assert (report.code, report.place, report.hint) == ("verify.enveloping-form", "ds:Object", "")
    assert (report.indication, report.revocation, report.judged_at) == (Indication.FAILED, "require", AT)
    assert (report.sub_indication, report.signatures) == (VERDICTS["verify.enveloping-form"], ())


@pytest.mark.parametrize("order", [1, -1])
def test_what_can_still_become_known_comes_last_and_a_failure_first(order: int) -> None:
    def both(*signers) -> bytes:
        document = FORM
        for signer in signers[::order]:
            document = sign(document, signer, AT, QUALIFIED)
        return document

    def told(document: bytes) -> tuple[str, Level]:
        report = examine(read(document, Limits()), REQUIRE, AT)
        return report.code, report.level

    # Nothing is known of revocations: the signature waits, and its level stands for when it will be known.
    assert told(sign(FORM, PKI.person, AT)) == ("verify.revocation-unknown", Level.QUALIFIED)
    assert told(both(PKI.person, PKI.local_person)) == ("verify.revocation-unknown", Level.LOCAL)
    assert told(both(PKI.person, PKI.stranger)) == ("verify.chain-untrusted", Level.NONE)
    broken = re.sub(rb"(<xades:SigningTime>)2026", rb"\g<1>2025", both(PKI.stranger, PKI.person), count=1)
    assert told(broken) == ("verify.digest-mismatch", Level.NONE)


def test_a_form_without_canonical_octets_is_kept_as_it_is() -> None:
    verified = Verify(trust=lambda: TRUST)(Valid(document=parsed(b"<r xmlns='relative'>\xc5\xbc</r>"), form=A_FORM))
    assert verified.content == '<r xmlns="relative">ż</r>'.encode()
    inside = read(b"<r xmlns='relative'><a>1</a>tail</r>", Limits())
    kept = judge_document(inside, inside[0], trust=TRUST, known=NOTHING_KNOWN, at=AT, policy=Policy(), size=40)
    assert b"tail" not in kept.content


def test_octets_that_cannot_be_read_again_have_no_canonical_form() -> None:
    with pytest.raises(Fault) as caught:
        reread(b"<a>")
    assert (caught.value.code, caught.value.place) == ("verify.c14n-failed", "")


def test_a_fault_keeps_the_first_place_that_was_said_and_shows_it() -> None:
    fault = Fault("verify.too-costly")
    assert fault.at("ds:Reference[1]").at("ds:SignedInfo").place == "ds:Reference[1]"
    assert str(Fault("verify.too-costly", "ds:SignedInfo", "hint")) == "('verify.too-costly', 'ds:SignedInfo')"
    assert (fault.code, fault.hint, fault.args) == ("verify.too-costly", "", ("verify.too-costly", ""))


# ── what an operator gives ──


def problems(work) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        work()
    return list(caught.value.problems)


def test_a_policy_that_is_not_known_is_named_with_those_that_are() -> None:
    assert problems(lambda: TrustSnapshot(revocation="maybe")) == [
        "revocation policy 'maybe' is not known; known are off and require"
    ]


def test_freshness_is_more_than_nothing() -> None:
    (problem,) = problems(lambda: TrustSnapshot(freshness=AT - AT))
    assert problem == "freshness of revocation evidence must be more than nothing"
    assert TrustSnapshot(freshness=AT.resolution).freshness == AT.resolution


def test_a_text_without_certificates_is_told_of() -> None:
    for text in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (problem,) = problems(lambda text=text: certificates(text))
        assert problem.startswith("no certificates in PEM: ")
        assert len(problem) > len("no certificates in PEM: ")


def test_every_certificate_of_a_text_is_an_anchor_named_as_given_or_for_its_subject() -> None:
    one, other = PKI.local_ca.credential, PKI.platform_ca.credential
    found = anchors(one.pem + other.pem)
    assert [it.certificate for it in found] == [one.certificate, other.certificate]
    assert [it.name for it in found] == [it.certificate.subject.rfc4514_string() for it in (one, other)]
    assert {(it.level, it.platform_seal, it.services) for it in found} == {(Level.LOCAL, False, ())}
    (named,) = anchors(other.pem, name="the platform", level=Level.TRUSTED_PROFILE, platform_seal=True)
    assert (named.name, named.level, named.platform_seal) == ("the platform", Level.TRUSTED_PROFILE, True)
    assert (named.der, named.counts(AT)) == (other.der, True)


def test_keys_are_read_from_keys_and_certificates_and_every_bad_one_is_told_of_by_its_number() -> None:
    key = PKI.person.key.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    elliptic = PKI.elliptic_person.pem
    assert [it.public_numbers() for it in public_keys([pem, PKI.person.pem])] == [key.public_numbers()] * 2
    assert public_keys([elliptic])[0].public_numbers() == PKI.elliptic_person.key.public_key().public_numbers()
    odd = (
        ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    first, second, third = problems(lambda: public_keys([b"rubbish", pem, odd, b"-----BEGIN CERTIFICATE-----"]))
    assert first.startswith("key 1: ")
    assert first != "key 1: "
    assert second == "key 3: neither RSA nor an elliptic curve"
    assert third.startswith("key 4: ")
    assert public_keys([]) == ()
