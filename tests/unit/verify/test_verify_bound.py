"""Which of several certificates that a signer binds is its own, and who is told to have signed what inside a signature."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from lxml import etree

from adapters.testkit.signer import countersign, sign
from adapters.testkit.signing.recipe import PLAIN
from broker.evidence import Indication, Level, Report, to_json
from broker.verify import xades
from broker.verify.certificate import Certificate, load
from broker.verify.fault import Fault
from tests.corpus.verify.keys import CA, OTHER, PERSON, binding, bound
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST, judged

ETSI = "http://uri.etsi.org/01903/v1.3.2#"
MARK = "<xades:SigningCertificate></xades:SigningCertificate>"
XMLNS = f'xmlns:xades="{ETSI}" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
OWN, AUTHORITY, OTHERS = load(PKI.person.der), load(PKI.qualified_ca.credential.der), load(PKI.other_person.der)


def bindings(*certificates: object) -> list[etree._Element]:
    held = binding(*certificates)(MARK)  # type: ignore[arg-type]
    return list(etree.fromstring(f"<a {XMLNS}>{held}</a>")[0])


def chosen(
    *certificates: object, signs: str = "", beside: tuple[Certificate, ...] = (AUTHORITY, OWN, OTHERS)
) -> object:
    asked: list[str] = []

    def answer(it: Certificate) -> bool:
        asked.append(it.report.sha256)
        return it.report.sha256 == signs

    return xades.bound(bindings(*certificates), beside, answer), asked


def test_of_several_the_signers_is_the_one_whose_key_has_signed_wherever_it_stands() -> None:
    signs = OWN.report.sha256
    assert chosen(PERSON, CA, signs=signs) == (OWN, [signs])
    assert chosen(CA, PERSON, signs=signs) == (OWN, [AUTHORITY.report.sha256, signs])
    assert chosen(OTHER, CA, PERSON, signs=signs)[0] is OWN  # type: ignore[index]


def test_one_alone_is_not_asked_whether_it_has_signed() -> None:
    assert chosen(CA) == (AUTHORITY, [])


def test_if_none_has_signed_the_first_that_is_there_should_have() -> None:
    assert chosen(CA, PERSON)[0] is AUTHORITY  # type: ignore[index]
    assert chosen(OTHER, CA, PERSON, beside=(OWN, AUTHORITY))[0] is AUTHORITY  # type: ignore[index]


def test_one_that_is_not_there_is_passed_over_and_if_all_are_away_it_is_told() -> None:
    assert chosen(CA, PERSON, signs=OWN.report.sha256, beside=(OWN,))[0] is OWN  # type: ignore[index]
    for bound_ones in ((CA,), (CA, OTHER)):
        with pytest.raises(Fault, match=r"signing-certificate-mismatch") as caught:
            chosen(*bound_ones, beside=(OWN,))
        assert caught.value.place == "xades:SigningCertificate"


def test_so_many_are_looked_at_and_not_one_more() -> None:
    assert judged(bound(*[OTHER] * 9, PERSON)()).code == ""
    assert judged(bound(*[OTHER] * 10, PERSON)()).code == "verify.signing-certificate-mismatch"


@pytest.mark.parametrize("signs", [OWN.report.sha256, ""], ids=["told", "not-told"])
@pytest.mark.parametrize("of", [(PERSON,), (PERSON, CA)])
def test_issuer_and_serial_of_the_chosen_one_are_asked_and_of_no_other(signs: str, of: tuple[object, ...]) -> None:
    elements = bindings(*of)
    elements[-1].find(".//{*}X509SerialNumber").text = "1"  # type: ignore[union-attr]
    own = xades.bound(elements[::-1], [OWN], lambda it: it.report.sha256 == signs) if len(of) > 1 else None
    assert own is (OWN if len(of) > 1 else None)
    elements[0].find(".//{*}X509SerialNumber").text = "1"  # type: ignore[union-attr]
    with pytest.raises(Fault, match=r"signing-certificate-issuer"):
        xades.bound(elements, [OWN], lambda it: it.report.sha256 == signs)


def test_only_an_authoritys_certificate_bound_is_no_ones_signature_and_is_not_called_changed() -> None:
    report = judged(bound(CA)())
    assert (report.code, report.place) == (
        "verify.signing-certificate-other",
        "ds:Signature[1]/xades:SigningCertificate",
    )
    assert report.indication is Indication.INDETERMINATE
    (signature,) = report.signatures
    assert (signature.certificate, signature.identity, signature.hint) == (None, None, "")


def test_a_bound_key_of_another_kind_than_the_signers_is_told_of_likewise() -> None:
    curve = PKI.elliptic_person

    def show(text: str) -> str:
        text = binding(curve.certificate)(text)
        shown = re.search("<ds:X509Certificate>.*?</ds:X509Certificate>", sign(FORM, curve, AT).decode())
        assert shown
        return text.replace("<ds:X509Data>", f"<ds:X509Data>{shown[0]}")

    assert judged(sign(FORM, PKI.person, AT, rewrite=show)).code == "verify.signing-certificate-other"


# ── what others have signed inside a signature ──

ROLE = "<Rola xmlns=''>starosta</Rola>"


def countersigned(by: object, **how: object) -> Report:
    document = countersign(sign(FORM, PKI.person, AT), by, AT, claimed_role=ROLE)  # type: ignore[arg-type]
    return judged(document, **how)


def test_what_a_counter_signer_says_is_signed_if_the_counter_signature_holds() -> None:
    assert countersigned(PKI.other_person).code == ""


@pytest.mark.parametrize(
    ("by", "why"), [(PKI.stranger, "verify.chain-untrusted"), (PKI.expired, "verify.certificate-expired")]
)
def test_if_the_counter_signature_does_not_hold_its_words_are_nobodys_and_it_is_told_why(by: object, why: str) -> None:
    report = countersigned(by)
    assert (report.code, report.place) == (
        "verify.counter-signature-unproven",
        "ds:Signature[1]/xades:CounterSignature",
    )
    assert report.facts == {"element": "Rola", "line": "7", "reason": why}
    assert (report.indication, report.level) == (Indication.INDETERMINATE, Level.NONE)
    assert "starosta" not in to_json(report).decode()


def test_so_it_is_if_its_signature_cannot_even_be_read() -> None:
    document = countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT, claimed_role=ROLE).decode()
    head, mark, tail = document.partition("<xades:CounterSignature>")
    odd = re.sub('(<ds:CanonicalizationMethod Algorithm=")[^"]*', r"\1urn:odd", tail, count=1)
    report = judged((head + mark + odd).encode())
    assert (report.code, report.facts["reason"]) == ("verify.counter-signature-unproven", "verify.c14n-unknown")


def test_of_two_counter_signatures_the_words_of_the_one_that_holds_are_signed() -> None:
    document = countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT, claimed_role=ROLE)
    assert judged(countersign(document, PKI.stranger, AT)).code == ""
    both = countersign(document, PKI.stranger, AT, claimed_role=ROLE.replace("Rola", "Inna"))
    assert judged(both).facts["element"] == "Inna"


def test_a_counter_signature_that_only_waits_for_evidence_is_not_foreign() -> None:
    trust = replace(TRUST, revocation="require")
    report = countersigned(PKI.other_person, trust=trust)
    assert (report.code, report.awaits) == ("verify.revocation-unknown", True)
    document = countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT)
    head, mark, tail = document.rpartition(b"</ds:KeyInfo>")
    assert b"<xades:CounterSignature>" in head
    report = judged(head + b"<a xmlns=''/>" + mark + tail, trust)
    assert report.code == "verify.foreign-unsigned"


def test_in_the_basic_profile_properties_that_nothing_covers_are_not_signed() -> None:
    key = PKI.person.pem
    properties = (
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{ETSI}"><xades:SignedProperties>{ROLE}'
        "</xades:SignedProperties></xades:QualifyingProperties></ds:Object></ds:Signature>"
    )
    plain = sign(FORM, PKI.person, AT, PLAIN)
    assert judged(plain, profile="basic", keys=[key]).code == ""
    added = plain.replace(b"</ds:Signature>", properties.encode())
    assert judged(added, profile="basic", keys=[key]).code == "verify.foreign-unsigned"


def test_properties_that_a_reference_covers_without_its_type_are_not_said_to_be_uncovered() -> None:
    def without(what: str) -> Report:
        return judged(sign(FORM, PKI.person, AT, rewrite=lambda text: re.sub(what, "", text, flags=re.DOTALL)))

    place = "ds:Signature[1]/xades:SignedProperties"
    untyped = without(' Type="http://uri.etsi.org/01903#SignedProperties"')
    assert (untyped.code, untyped.place) == ("verify.signed-properties-type", place)
    uncovered = without('<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties".*?</ds:Reference>')
    assert (uncovered.code, uncovered.place) == ("verify.signed-properties-not-covered", place)
