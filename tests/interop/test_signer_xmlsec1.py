"""xmlsec1, which shares no code with us or lxml's C14N, reads what the test signer makes in every accepted shape."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest

from adapters.testkit.pki import JAN, Pki
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import (
    BASELINE,
    C14N,
    C14N11,
    C14N_COMMENTS,
    ENVELOPED,
    ENVELOPING,
    EXCLUSIVE_COMMENTS,
    PLAIN,
    QUALIFIED,
)

pytestmark = pytest.mark.interop

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PKI = Pki(at=NOW)
FORMS = {
    "prefixed": b'<w:Dokument xmlns:w="urn:f" xmlns:u="urn:u"><!-- aside -->\n <w:Tresc b="2" a="1">x &amp; y</w:Tresc>\n</w:Dokument>',
    "default": b'<Dokument xmlns="urn:f" xml:lang="pl"><Tresc xmlns="urn:f"><Sub>x</Sub></Tresc> tail</Dokument>',
    "instructed": b'\xef\xbb\xbf<?xml version="1.0"?>\n<?xml-stylesheet href="x"?>\n<!-- c --><d><e/></d>\n<?after?>',
}
RECIPES = {
    "baseline": (BASELINE, {}),
    "no-prefix": (BASELINE, {"prefix": ""}),
    "inclusive": (BASELINE, {"signed_info": C14N, "properties": "", "transforms": (ENVELOPED,)}),
    "inclusive-no-prefix": (BASELINE, {"signed_info": C14N, "properties": C14N, "prefix": ""}),
    "c14n11": (BASELINE, {"signed_info": C14N11, "properties": C14N11, "transforms": (ENVELOPED, C14N11)}),
    "comments": (BASELINE, {"signed_info": EXCLUSIVE_COMMENTS, "transforms": (ENVELOPED, C14N_COMMENTS)}),
    "sha512": (BASELINE, {"method": "rsa-sha512", "digest": "sha512"}),
    "sha384": (BASELINE, {"method": "rsa-sha384", "digest": "sha384"}),
    "qualified": (QUALIFIED, {}),
    "qualified-no-prefix": (QUALIFIED, {"prefix": ""}),
    "enveloping": (ENVELOPING, {}),
    "enveloping-inclusive": (ENVELOPING, {"transforms": (C14N,), "signed_info": C14N}),
    "plain": (PLAIN, {}),
}


def accepts(path, signed, credential, node="//*[local-name()='Signature'][1]"):
    document, certificate = path / "signed.xml", path / "signer.pem"
    document.write_bytes(signed)
    certificate.write_bytes(credential.pem)
    command = ["xmlsec1", "--verify", "--pubkey-cert-pem", str(certificate), "--node-xpath", node]
    for name in ("Object", "SignedProperties", "KeyInfo", "SignatureValue"):
        command += ["--id-attr:Id", name]
    return subprocess.run([*command, str(document)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_xmlsec1_accepts_what_the_test_signer_makes(form, recipe, tmp_path):
    base, changes = recipe
    verdict = accepts(tmp_path, sign(form, PKI.person, NOW, base, **changes), PKI.person)
    assert verdict.returncode == 0, verdict.stderr


@pytest.mark.parametrize("kind", ["ec-256", "ec-384", "ec-521"])
def test_xmlsec1_accepts_elliptic_curves(kind, tmp_path):
    signer = PKI.personal(PKI.qualified_ca, JAN, kind=kind)
    verdict = accepts(tmp_path, sign(FORMS["default"], signer, NOW), signer)
    assert verdict.returncode == 0, verdict.stderr


@pytest.mark.parametrize("old", [False, True])
def test_xmlsec1_accepts_podpis_zaufany_siblings_and_counter_signatures(old, tmp_path):
    signed = sign_on_platform(FORMS["default"], PKI.platform, JAN, NOW, old=old)
    signed = countersign(sign(signed, PKI.person, NOW, QUALIFIED), PKI.other_person, NOW)
    for credential, node in (
        (PKI.platform, "/*/*[local-name()='Signature'][1]"),
        (PKI.person, "/*/*[local-name()='Signature'][2]"),
        (PKI.other_person, "//*[local-name()='CounterSignature']/*"),
    ):
        verdict = accepts(tmp_path, signed, credential, node)
        assert verdict.returncode == 0, verdict.stderr


def test_xmlsec1_refuses_what_was_changed_after_signing(tmp_path):
    signed = sign(FORMS["prefixed"], PKI.person, NOW, QUALIFIED)
    assert accepts(tmp_path, signed.replace(b'a="1"', b'a="7"'), PKI.person).returncode != 0
