"""What a sealed receipt proves, and every reason why it does not."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree
from signxml.xades.xades import XAdESVerifier

from adapters.testkit.pki import Pki
from adapters.testkit.signer import sign
from adapters.testkit.signing.canonical import tree
from adapters.testkit.signing.recipe import EXCLUSIVE
from adapters.testkit.signing.template import reference
from broker.errors import Malformed
from broker.evidence import Indication
from broker.model import ReceiptKind
from broker.proof import check
from broker.texts import TEXTS
from broker.verify import TrustSnapshot, anchors
from tests.builders import an_envelope
from tests.receipts import ISSUED, PKI, SCHEMA, TRUST, Plain, a_registrar, a_seal, a_upp

LETTER = b"\xef\xbb\xbf<letter>\r\n</letter>\n"
UPP = a_upp(LETTER)
DS = "{http://www.w3.org/2000/09/xmldsig#}"


def judge(receipt, document=None, **about):
    return check(receipt, **{"schema": SCHEMA, "trust": TRUST, "document": document, **about})


def refused(receipt, code, **about):
    found = judge(receipt, **about)
    assert not found.holds
    assert found.code == code, found
    assert found.code in TEXTS
    return found


def test_a_receipt_as_issued_proves_its_document():
    found = judge(UPP, LETTER)
    assert found.holds
    assert (found.kind, found.document, found.code) == (ReceiptKind.UPP, True, "")
    assert found.notes == ("receipt.test",)
    assert found.facts["made"] == "2026-01-01T12:00:01.250Z"
    assert found.facts["entered"] == "2026-01-01T12:00:00.005Z"
    assert found.report.revocation == "off"
    assert found.report.signatures[0].certificate.subject.startswith("CN=Goniec Test Seal")


def test_signxml_agrees_and_the_seals_own_schema_holds():
    verdict = XAdESVerifier().verify(UPP, ca_pem_file=None, x509_cert=PKI.seal.certificate)
    assert etree.QName(verdict[0].signed_xml).localname == "Dokument"


def test_without_a_document_nothing_is_said_about_it():
    assert judge(UPP).document is None


def test_a_receipt_for_another_document_is_refused():
    found = refused(UPP, "receipt.other-document", document=LETTER.strip())
    assert found.document is False


def test_a_trial_and_a_production_receipt_are_told():
    assert "receipt.trial" in judge(a_upp(trial=True)).notes
    admitted_in_production = a_upp(seal=a_seal())
    assert "receipt.test" in judge(admitted_in_production).notes


def test_a_negative_receipt_is_checked_the_same_way():
    no = Malformed("parse.malformed", place="line 1")
    found = judge(a_registrar(a_seal()).npp(an_envelope(LETTER), no, ISSUED), LETTER)
    assert found.holds
    assert found.kind is ReceiptKind.NPP
    assert found.facts["Przyczyna/@Kod"] == "parse.malformed"


@pytest.mark.parametrize("rubbish", [b"", b"no xml", b"<!DOCTYPE d><d/>", b"\x00" * 100, UPP[:-5]])
def test_what_is_no_xml_is_refused_by_the_parsers_code(rubbish):
    assert judge(rubbish).code.startswith("parse.")


def test_what_is_no_receipt_is_refused():
    refused(b"<d/>", "receipt.schema")
    refused(UPP.replace(b"pos:UPP", b"pos:UPX"), "receipt.schema")


def test_a_receipt_without_a_seal_is_refused():
    refused(a_upp(LETTER, seal=Plain()), "receipt.unsealed", document=LETTER)


def test_a_moment_that_no_clock_shows_is_refused_and_raises_nothing():
    for moment in (b"2026-01-01T24:00:00Z", b"-0044-03-15T12:00:00Z", b"99999-01-01T00:00:00Z"):
        changed = UPP.replace(b"2026-01-01T12:00:01.250Z", moment)
        assert not judge(changed).holds
        assert not judge(changed, at=ISSUED).holds


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b">s0", b">s1"),
        (b"T12:00:00.005Z", b"T11:00:00.005Z"),
        ("Urząd".encode(), "Urzęd".encode()),
        (b'"Srodowisko">test', b'"Srodowisko">production'),
        (b"</pos:UPP>", b"</pos:UPP> "),
        (b"</ds:Signature>", b"</ds:Signature> "),
        (b"<pos:UPP>", b"<pos:UPP><?instruction?>"),
    ],
    ids=lambda it: it.decode(),
)
def test_a_changed_receipt_is_refused(old, new):
    assert old in UPP
    changed = UPP.replace(old, new, 1)
    assert not judge(changed).holds


def test_instructions_outside_the_root_are_refused():
    assert not judge(UPP + b"<?after?>").holds
    assert not judge(UPP.replace(b"?>\n", b"?>\n<?before?>", 1)).holds


@pytest.mark.parametrize(
    "free",
    [
        (b"</ds:KeyInfo><ds:Object>", b"</ds:KeyInfo><ds:Object Encoding='x'>"),
        (b"<ds:Object>", b'<ds:Object MimeType="x">'),
        (b"</xades:SignedProperties>", b"</xades:SignedProperties> "),
        (
            b"</xades:SignedProperties>",
            b"</xades:SignedProperties><xades:UnsignedProperties><xades:UnsignedSignatureProperties/></xades:UnsignedProperties>",
        ),
        (b"</ds:SignatureValue>", b"\n</ds:SignatureValue>"),
        (b"<ds:SignatureValue>", b'<ds:SignatureValue Id="v">'),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue><?i?>"),
        (b"</ds:SignedInfo>", b"</ds:SignedInfo> "),
        (b"<xades:QualifyingProperties ", b'<xades:QualifyingProperties Id="q" '),
        (b"</ds:Object></ds:Signature>", b"</ds:Object><ds:Object>more</ds:Object></ds:Signature>"),
        (b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:KeyInfo></ds:KeyInfo>"),
    ],
    ids=lambda it: it[1].decode()[-40:],
)
def test_what_no_seal_covers_has_just_one_form(free):
    """Everything here leaves each digest and the signature's mathematics as they were."""
    changed = UPP.replace(*free, 1)
    assert changed != UPP
    assert not judge(changed).holds


def test_the_signatures_own_name_cannot_be_swapped():
    identity = tree(UPP).find(f"{DS}Signature").get("Id").encode()
    for new in (b"SignXMLOther", identity[:-1]):
        changed = UPP.replace(b'Id="' + identity + b'"', b'Id="' + new + b'"').replace(
            b'Target="#' + identity + b'"', b'Target="#' + new + b'"'
        )
        assert changed != UPP
        assert not judge(changed).holds


def test_other_prefixes_in_what_no_seal_covers_are_refused():
    changed = UPP.replace(b"<ds:SignatureValue>", b'<q:SignatureValue xmlns:q="http://www.w3.org/2000/09/xmldsig#">')
    refused(changed.replace(b"</ds:SignatureValue>", b"</q:SignatureValue>"), "receipt.form")


@pytest.mark.parametrize("covered", [True, False])
def test_a_seal_that_leaves_its_key_info_uncovered_is_refused(covered):
    """Made by the seal's own key in the very form of ours, so that only this one thing differs."""

    def in_our_form(text):
        own = re.search(r' Id="(id-[0-9a-f]+)"', text)[1]
        for old, new in (
            (f' Id="value-{own}"', ""),
            (f"xades-{own}", "Seal1-Properties1"),
            (f"key-{own}", "Key1"),
            (own, "Seal1"),
        ):
            text = text.replace(old, new)
        return text

    extra = (reference("#Key1", (EXCLUSIVE,), "sha256"),) if covered else ()
    unsealed = a_upp(LETTER, seal=Plain())
    assert judge(sign(unsealed, PKI.seal, ISSUED, rewrite=in_our_form, extra_references=extra), LETTER).holds is covered


def test_the_unread_bits_of_the_value_cannot_be_changed():
    """RSA-2048 gives 256 octets: the last sign before the padding carries four bits that no decoder reads."""
    start = UPP.index(b"<ds:SignatureValue>") + len(b"<ds:SignatureValue>")
    end = UPP.index(b"==</ds:SignatureValue>")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    sign_ = UPP[end - 1 : end]
    assert end - start == 342
    for other in (bytes([c]) for c in alphabet):
        if other != sign_:
            assert not judge(UPP[: end - 1] + other + UPP[end:]).holds


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda xml: xml.replace(b'<?xml version="1.0" encoding="UTF-8"?>\n', b""),
        lambda xml: xml + b"\n",
        lambda xml: b"\xef\xbb\xbf" + xml,
        lambda xml: xml.replace(b"></ds:Transform>", b"/>"),
        lambda xml: xml.replace(b'TypInformacjiUzupelniajacej="SHA-256"', b"TypInformacjiUzupelniajacej='SHA-256'"),
        lambda xml: xml.replace("Urząd".encode(), b"Urz&#x105;d"),
        lambda xml: xml.replace("Urząd".encode(), "Urz<!-- aside -->ąd".encode()),
        lambda xml: xml.replace(b"<pos:UPP>", b'<pos:UPP xmlns:unused="urn:unused">'),
        lambda xml: etree.tostring(tree(xml), encoding="UTF-16"),
        lambda xml: etree.tostring(tree(xml), encoding="iso-8859-2"),
    ],
    ids=[
        "no-declaration",
        "line-end",
        "bom",
        "short-tags",
        "quotes",
        "entity",
        "comment",
        "declared",
        "utf-16",
        "latin-2",
    ],
)
def test_a_neutral_rewriting_is_accepted_and_told(rewrite):
    found = judge(rewrite(UPP), LETTER)
    assert found.holds, found
    assert "receipt.rewritten" in found.notes
    assert found.facts == judge(UPP).facts


def test_a_seal_that_nobody_configured_is_no_proof():
    foreign = a_upp(LETTER, seal=a_seal(PKI.organisation))
    found = refused(foreign, "receipt.seal", document=LETTER)
    assert found.verdict is Indication.INDETERMINATE
    assert found.report.code == "verify.chain-untrusted"


def test_a_person_cannot_issue_receipts_by_signing_one():
    forged = sign(a_upp(LETTER, seal=Plain()), PKI.person, ISSUED)
    refused(forged, "receipt.seal", document=LETTER)


def test_a_signature_by_a_trusted_seal_in_another_form_is_no_receipt_of_ours():
    other = sign(a_upp(LETTER, seal=Plain()), PKI.seal, ISSUED)
    refused(other, "receipt.form")


def test_the_seal_is_judged_when_the_receipt_says_that_it_was_made_or_as_asked():
    late = datetime(2030, 1, 1, tzinfo=UTC)
    assert judge(UPP).report.judged_at == ISSUED
    expired = refused(UPP, "receipt.seal", at=late)
    assert expired.report.code == "verify.certificate-expired"
    assert expired.verdict is Indication.INDETERMINATE


def test_a_receipt_sealed_by_an_earlier_key_still_holds():
    pinned = TrustSnapshot(anchors=anchors(PKI.seal.pem) + anchors(PKI.next_seal.pem))
    for credential in (PKI.seal, PKI.next_seal):
        assert judge(a_upp(LETTER, seal=a_seal(credential)), LETTER, trust=pinned).holds
    only_new = TrustSnapshot(anchors=anchors(PKI.next_seal.pem))
    refused(UPP, "receipt.seal", trust=only_new)


def test_what_has_no_canonical_form_is_refused_and_raises_nothing():
    refused(UPP.replace(b'xmlns:xades="http:', b'xmlns:xades="'), "receipt.form")


ORDERS = {
    "ec-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ec-384": (1 << 384) - 1388124618062372383947042015309946732620727252194336364173,
    "ec-521": (1 << 521) - 657877501894328237357444332315020117536923257219387276263472201219398408051703,
}


@pytest.mark.parametrize("kind", ORDERS)
def test_the_twin_of_an_elliptic_value_is_refused(kind):
    """R‖(n-S) holds where R‖S does: a receipt with it is not the one that was issued."""
    pki = Pki(at=ISSUED, keys=kind)
    trust = TrustSnapshot(anchors=anchors(pki.seal_ca.credential.pem))
    for _ in range(4):  # whether the library first made the greater or the lesser is chance
        receipt = a_upp(seal=a_seal(pki.seal))
        assert check(receipt, schema=SCHEMA, trust=trust).holds
        written = re.search(rb"<ds:SignatureValue>([^<]*)", receipt)[1]
        value = base64.b64decode(written)
        half = len(value) // 2
        twin = value[:half] + (ORDERS[kind] - int.from_bytes(value[half:], "big")).to_bytes(half, "big")
        found = check(receipt.replace(written, base64.b64encode(twin)), schema=SCHEMA, trust=trust)
        assert found.report.indication is Indication.PASSED
        assert found.code == "receipt.form"


def test_an_instruction_before_the_first_element_is_no_proof_and_raises_nothing():
    changed = re.sub(rb"(<pos:Dokument[^>]*>)", rb"\1<?x y?>", a_upp(), count=1)
    assert not check(changed, schema=SCHEMA, trust=TRUST).holds


def test_the_digest_is_compared_as_a_whole():
    assert judge(UPP, b"").document is False
    assert judge(UPP, LETTER + b" ").document is False


def test_a_receipt_made_before_its_seal_was_valid_is_refused():
    before = PKI.seal.certificate.not_valid_before_utc - timedelta(days=1)
    refused(UPP, "receipt.seal", at=before)
