"""xmlsec1 is asked about what we accept and about what we refuse.

It shares neither our code nor our reading of the recommendations.  It knows no profile: it says yes to wrapped
documents when it is pointed at the true signature, which is why the profile exists.  So: what we accept it must
accept; where it says no for the mathematics, we must say no.
"""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest

from adapters.testkit.certificates import Credential
from adapters.testkit.pki import JAN
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import (
    BASELINE,
    C14N,
    C14N11,
    C14N_COMMENTS,
    ENVELOPED,
    ENVELOPING,
    EXCLUSIVE,
    EXCLUSIVE_COMMENTS,
    QUALIFIED,
    XPATH,
    Recipe,
)
from adapters.testkit.signing.template import reference
from broker.evidence import Indication
from tests.corpus.verify.refused import REFUSED
from tests.corpus.verify.scene import AT, FORM, FORM_WITH_ID, PKI, judged

pytestmark = pytest.mark.interop

DEFAULTED = b'<r xmlns="urn:d" xmlns:u="urn:u" xml:lang="pl"><a><b><c xmlns=""/>1</b></a> tail</r>'
FORMS = {"prefixed": FORM, "defaulted": DEFAULTED}


def xmlsec1_accepts(document: bytes, by: Credential, folder: Path) -> bool:
    if shutil.which("xmlsec1") is None:
        pytest.fail("xmlsec1 is missing: set the peers up with `make interop`")
    file, certificate = folder / "document.xml", folder / "signer.pem"
    file.write_bytes(document)
    certificate.write_bytes(by.pem)
    ids = [
        word
        for name in ("Object", "SignedProperties", "KeyInfo", "SignatureValue", "Dokument", "Kwota", "p")
        for word in ("--id-attr:Id", name)
    ]
    command = ["xmlsec1", "--verify", "--pubkey-cert-pem", str(certificate), *ids, str(file)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def we_accept(document: bytes) -> bool:
    return judged(document).indication is Indication.PASSED


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("of_form", "of_signature"), list(product((C14N, C14N_COMMENTS, EXCLUSIVE, EXCLUSIVE_COMMENTS, C14N11), repeat=2))
)
@pytest.mark.parametrize("base", [BASELINE, QUALIFIED, ENVELOPING], ids=["enveloped", "xpath", "enveloping"])
def test_both_accept_every_shape_by_every_canonicalisation(
    form: str, of_form: str, of_signature: str, base: Recipe, tmp_path: Path
) -> None:
    out = tuple(it for it in base.transforms if it in (ENVELOPED, XPATH))
    changes = {"transforms": (*out, of_form), "signed_info": of_signature, "properties": of_signature, "prefix": ""}
    document = sign(FORMS[form], PKI.person, AT, base, **changes)
    assert we_accept(document)
    assert xmlsec1_accepts(document, PKI.person, tmp_path)


def test_both_accept_a_reference_to_the_root_by_its_id_whatever_stands_outside(tmp_path: Path) -> None:
    document = b"<!-- c -->" + sign(FORM_WITH_ID, PKI.person, AT, uri="#doc")
    assert we_accept(document)
    assert xmlsec1_accepts(document, PKI.person, tmp_path)


@pytest.mark.parametrize("prefixes", ["", "unused", "#default", "#default unused w"])
def test_both_compute_the_same_digest_with_a_prefix_list(prefixes: str, tmp_path: Path) -> None:
    """The maker knows no prefix lists: its digest is replaced by ours, and xmlsec1 must find it right."""
    form = b'<w:r xmlns:w="urn:w" xmlns="urn:default" xmlns:unused="urn:unused"><w:p Id="part"><w:q/></w:p></w:r>'
    held = f'<c:InclusiveNamespaces xmlns:c="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="{prefixes}"/>'
    plain = reference("#part", (EXCLUSIVE,), "sha256")
    listed = plain.replace("/></ds:Transforms>", f">{held}</ds:Transform></ds:Transforms>")
    ours = judged(sign(form, PKI.person, AT, extra_references=(listed,))).signatures[0].references[-1].actual
    document = sign(form, PKI.person, AT, extra_references=(listed.replace("@digest@", ours),))
    assert we_accept(document)
    assert xmlsec1_accepts(document, PKI.person, tmp_path)


def test_both_accept_podpis_zaufany_siblings_and_counter_signatures(tmp_path: Path) -> None:
    for document, by in (
        (sign_on_platform(FORM, PKI.platform, JAN, AT), PKI.platform),
        (sign_on_platform(FORM, PKI.platform, JAN, AT, old=True), PKI.platform),
        (sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.other_person, AT, QUALIFIED), PKI.person),
        (countersign(sign(FORM, PKI.person, AT), PKI.organisation, AT), PKI.person),
        (sign(FORM, PKI.elliptic_person, AT), PKI.elliptic_person),
    ):
        assert we_accept(document)
        assert xmlsec1_accepts(document, by, tmp_path)


# Those that fail for the mathematics, whoever looks, stand in `test_verify_others.py`; these are no values at all.
MALFORMED = sorted(name for name in REFUSED if name.startswith(("signature-value-encoding", "digest-malformed")))


@pytest.mark.parametrize("name", MALFORMED)
def test_both_refuse_values_that_are_none(name: str, tmp_path: Path) -> None:
    document = REFUSED[name][1]()
    by = PKI.elliptic_person if "encoding" in name else PKI.person
    assert not we_accept(document)
    assert not xmlsec1_accepts(document, by, tmp_path)


def test_xmlsec1_accepts_text_hidden_in_a_signature_of_the_form_and_we_do_not(tmp_path: Path) -> None:
    """Why the profile is stricter than the mathematics (DOMAIN §5)."""
    hidden = b'<s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#">999999</s:Signature>'
    document = sign(FORM, PKI.person, AT, QUALIFIED).replace(b"<wnio:Kwota>100", b"<wnio:Kwota>100" + hidden)
    assert judged(document).code == "verify.signature-misplaced"
    pointed = tmp_path / "document.xml"
    pointed.write_bytes(document)
    (tmp_path / "signer.pem").write_bytes(PKI.person.pem)
    command = [
        "xmlsec1",
        "--verify",
        "--pubkey-cert-pem",
        str(tmp_path / "signer.pem"),
        "--id-attr:Id",
        "SignedProperties",
    ]
    command += ["--node-xpath", "/*/*[local-name()='Signature']", str(pointed)]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
