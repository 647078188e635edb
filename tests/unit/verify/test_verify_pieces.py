"""What stands in odd places of a signature, and how much of it is looked at."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from asn1crypto import core

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import BASELINE, ENVELOPING, EXCLUSIVE, QUALIFIED, Recipe
from broker.errors import ConfigError
from broker.parse import Limits, read
from broker.verify import signature, xades
from broker.verify.certificate import load
from broker.verify.fault import Fault
from broker.verify.names import KEY_INFO, OBJECT, SIGNATURE
from broker.verify.shape import take_apart
from broker.verify.trust import certificates
from tests.corpus.verify.scene import AT, FORM, PKI, judged
from tests.unit.verify.test_verify_binding import _issuer_serial

PLAIN = FORM[FORM.index(b"<wnio:Dokument ") :].rstrip()
WITH_COMMENTS = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"


def _signed(change: Callable[[str], str], recipe: Recipe = ENVELOPING) -> bytes:
    """Sign a text after it was changed."""
    changed = []

    def rewrite(text: str) -> str:
        changed.append(change(text) != text)
        return change(text)

    document = sign(PLAIN, PKI.person, AT, recipe, rewrite=rewrite)
    assert any(changed)
    return document


def _code(change: Callable[[str], str], recipe: Recipe = ENVELOPING) -> str:
    return judged(_signed(change, recipe)).code


# ── comments ──


@pytest.mark.parametrize("recipe", [BASELINE, ENVELOPING], ids=["enveloped", "enveloping"])
def test_a_comment_between_the_parts_of_a_signature_is_nobodys_part(recipe: Recipe) -> None:
    assert _code(lambda text: text.replace("<ds:KeyInfo", "<!--c--><ds:KeyInfo", 1), recipe) == ""


def test_a_comment_beside_the_enveloped_form_is_no_form() -> None:
    def commented(text: str) -> str:
        return re.sub(r"(<ds:Object\b[^>]*>)(\s*<wnio:)", r"\1<!--c-->\2", text, count=1)

    assert _code(commented) == ""


@pytest.mark.parametrize("recipe", [BASELINE, ENVELOPING], ids=["enveloped", "enveloping"])
def test_base64_in_an_object_is_no_form_though_a_comment_stands_before_it(recipe: Recipe) -> None:
    def hidden(text: str) -> str:
        return text.replace("</ds:Signature>", "<ds:Object><!--c-->PGEvPg==</ds:Object></ds:Signature>", 1)

    assert _code(hidden, recipe) == "verify.enveloping-base64"


# ── objects ──


def test_an_object_with_a_manifest_beside_the_enveloped_form_is_told_by_its_manifest() -> None:
    def listed(text: str) -> str:
        manifest = "<ds:Object><ds:Manifest/></ds:Object>"
        return text.replace("</ds:Signature>", f"{manifest}</ds:Signature>", 1)

    assert _code(listed) == "verify.manifest"


def test_all_that_stands_behind_a_form_in_its_object_is_looked_at() -> None:
    root = read(sign(PLAIN, PKI.person, AT, ENVELOPING), Limits())
    held = next(it for it in root.iterchildren(OBJECT) if it[0].tag.endswith("Dokument"))
    held.append(held.makeelement(SIGNATURE.replace("Signature", "Manifest")))
    with pytest.raises(Fault, match=r"verify\.manifest"):
        take_apart(root, held[0])


def test_the_parts_of_a_signature_are_all_there() -> None:
    root = read(sign(PLAIN, PKI.person, AT, ENVELOPING), Limits())
    form = next(it[0] for it in root.iterchildren(OBJECT) if it[0].tag.endswith("Dokument"))
    assert take_apart(root, form).objects == tuple(root.iterchildren(OBJECT))


def test_a_certificate_counts_only_where_certificates_belong() -> None:
    root = read(sign(PLAIN, PKI.person, AT), Limits())
    element = root.find(SIGNATURE)
    assert element is not None
    info = element.find(KEY_INFO)
    assert info is not None
    elsewhere = info.makeelement(SIGNATURE.replace("Signature", "PGPData"))
    elsewhere.extend(list(info[0]))
    info.replace(info[0], elsewhere)
    assert take_apart(element, root).certificates == ()


# ── how much ──


def test_signed_info_may_have_so_many_octets_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    document = sign(PLAIN, PKI.person, AT)
    seen: list[int] = []
    plain = signature.reread
    monkeypatch.setattr(signature, "reread", lambda octets: (seen.append(len(octets)), plain(octets))[1])
    assert judged(document).code == ""
    monkeypatch.setattr(signature, "_LARGEST", seen[0])
    assert judged(document).code == ""
    monkeypatch.setattr(signature, "_LARGEST", seen[0] - 1)
    report = judged(document)
    assert (report.code, report.signatures[0].place) == ("verify.too-costly", "ds:SignedInfo")


def _written(certificate: bytes) -> str:
    return f"<ds:X509Certificate>{base64.b64encode(certificate).decode()}</ds:X509Certificate>"


@pytest.mark.parametrize(("between", "told"), [(0, True), (2, True), (3, False)])
@pytest.mark.parametrize("method", [EXCLUSIVE, WITH_COMMENTS])
def test_a_few_of_the_other_certificates_are_tried_for_the_one_that_has_signed(
    between: int, told: object, method: str
) -> None:
    """The properties bind the first, the last has signed, and others stand between."""
    others = [PKI.local_ca, PKI.platform_ca, PKI.qualified_ca][:between]
    bag = "".join(map(_written, [PKI.other_person.der, *(it.credential.der for it in others), PKI.person.der]))
    bound = re.search("<xades:SigningCertificate>.*</xades:SigningCertificate>", _by_another())

    def bind(text: str) -> str:
        assert bound
        text = re.sub("<xades:SigningCertificate>.*</xades:SigningCertificate>", bound[0], text)
        text = text.replace("<ds:SignatureMethod", "<!--c--><ds:SignatureMethod", 1)
        return re.sub("<ds:X509Data>.*</ds:X509Data>", f"<ds:X509Data>{bag}</ds:X509Data>", text)

    report = judged(sign(PLAIN, PKI.person, AT, QUALIFIED, signed_info=method, rewrite=bind))
    assert report.code == ("verify.signing-certificate-other" if told else "verify.signature-value-mismatch")


def _by_another() -> str:
    return sign(PLAIN, PKI.other_person, AT, QUALIFIED).decode()


# ── words ──


@pytest.mark.parametrize("pem", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_why_a_pem_cannot_be_read_is_said_without_a_link_to_elsewhere(pem: bytes) -> None:
    with pytest.raises(ConfigError) as wrong:
        certificates(pem)
    (problem,) = wrong.value.problems
    assert problem.startswith("no certificates in PEM: ")
    assert "http" not in problem
    assert problem not in {"no certificates in PEM: None", "no certificates in PEM: "}


def test_issuer_and_serial_end_where_their_der_ends() -> None:
    honest, certificate = base64.b64decode(_issuer_serial(PKI.person)), load(PKI.person.der)
    assert xades._same_issuer(honest, certificate)
    assert not xades._same_issuer(honest + core.Null().dump(), certificate)


# ── prefixes ──

_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def _code_of(inner: str, around: str = "", above: str = "") -> str:
    """Sign a form in an Object that, or whose signature, may declare something, exclusively; return its code."""
    form = f'<w:form xmlns:w="urn:w" {_XSI}>{inner}</w:form>'.encode()

    def declared(text: str) -> str:
        text = re.sub(r"<ds:Object\b(?=[^>]*>\s*<w:form)", f"<ds:Object {around}", text, count=1)
        return re.sub(r"<ds:Signature\b", f"<ds:Signature {above}", text, count=1)

    return judged(sign(form, PKI.person, AT, ENVELOPING, rewrite=declared)).code


def test_a_type_of_a_default_namespace_that_is_declared_above_the_form_is_not_signed() -> None:
    assert _code_of('<w:a xsi:type="T"/>') == ""
    assert _code_of('<w:a xsi:type="T"/>', 'xmlns="urn:above"') == "verify.prefix-unsigned"
    assert _code_of('<w:a xsi:type="T"/>', above='xmlns="urn:above"') == "verify.prefix-unsigned"


def test_a_prefix_that_is_bound_elsewhere_only_is_bound_nowhere() -> None:
    assert _code_of('<w:b xmlns:q="urn:q"/><w:a xsi:type="q:T"/>') == ""
    assert _code_of('<w:b/><w:a xmlns:q="urn:q" xsi:type="q:T"/>') == "verify.prefix-unsigned"
