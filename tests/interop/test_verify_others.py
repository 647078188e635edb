"""xmlsec1, signxml and the JDK beside ours, over the whole corpus: three readings of the recommendations that are not ours.

What we accept, each of them accepts, but for the shapes that it cannot read, which are named here.  What they refuse
for the mathematics, we refuse.  They know no profile, and accept much that we refuse: how much is counted, so that a
change shows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from lxml import etree

from broker.errors import Rejection
from broker.parse import Limits, Parse, read
from tests.builders import an_envelope
from tests.corpus.kept import Kept, kept
from tests.fuzz.verifying import judged
from tests.interop import java_signatures, verifiers

pytestmark = pytest.mark.interop

ACCEPTED = [it for it in kept() if it.code == "accepted"]
REFUSED = [it for it in kept() if it.code.startswith(("verify.", "admit."))]


@cache
def signers(path: str) -> tuple[x509.Certificate, ...]:
    """The certificates that a document's signatures name, in document order; of what is refused, the first shown."""
    it = next(one for one in kept() if one.path == path)
    try:
        root = read(it.read(), Limits())
    except Rejection:
        return ()
    outcome = judged(it.read())
    assert outcome is not None
    named = [one.certificate.sha256 if one.certificate else "" for one in outcome[0].signatures]
    found = []
    for number, signature in enumerate(verifiers.signatures(root)):
        shown = _shown(signature)
        wanted = named[number] if number < len(named) else ""
        found.append(shown.get(wanted) or next(iter(shown.values()), None))
    return tuple(one for one in found if one is not None)


def _shown(signature: etree._Element) -> dict[str, x509.Certificate]:
    found: dict[str, x509.Certificate] = {}
    for written in signature.iter("{http://www.w3.org/2000/09/xmldsig#}X509Certificate"):
        der = verifiers.decoded(written)
        try:
            found[hashlib.sha256(der or b"").hexdigest()] = x509.load_der_x509_certificate(der or b"")
        except ValueError:
            continue
    return found


def asked(documents: list[Kept]) -> list[tuple[Kept, tuple[x509.Certificate, ...]]]:
    """Those that bear signatures, each with the certificate of its signer."""
    found = []
    for it in documents:
        by = signers(it.path)
        root = Parse(limits=Limits())(an_envelope(it.read())).root
        if by and len(by) == len(verifiers.signatures(root)):
            found.append((it, by))
    return found


# ── what we accept ──


def test_xmlsec1_accepts_what_we_accept_but_for_what_it_cannot_read() -> None:
    cannot = Counter()
    for it, by in asked(ACCEPTED):
        says = verifiers.xmlsec1(it.read(), list(by))
        if says is None:
            cannot[verifiers.xmlsec1_cannot_read(read(it.read(), Limits()))] += 1
        else:
            assert says, it.path
    assert set(cannot) == {"RSA-PSS: Debian 12 has a version before it"}


def test_signxml_accepts_what_we_accept_but_for_what_it_cannot_read() -> None:
    cannot, yes = Counter(), 0
    for it, by in asked(ACCEPTED):
        says = verifiers.signxml(it.read(), list(by))
        if says is None:
            cannot[verifiers.signxml_says(it.read(), list(by)).reason] += 1
        else:
            assert says, it.path
            yes += 1
    assert set(cannot) == {"xpath", "comments", "inherited", "prefix-list"}
    assert yes > 80


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return java_signatures.compiled(tmp_path_factory.mktemp("classes"))


# What the JDK (17) cannot read of what we accept, and why.
JDK_CANNOT: dict[str, str] = {}


def test_the_jdk_accepts_what_we_accept_but_for_what_it_cannot_read(classes: Path, tmp_path: Path) -> None:
    cases = asked(ACCEPTED)
    says = java_signatures.opinions(classes, tmp_path, [(it.read(), by) for it, by in cases])
    otherwise = {it.path: word for (it, _), word in zip(cases, says, strict=True) if word != "yes"}
    assert otherwise.keys() == JDK_CANNOT.keys(), otherwise


# ── what we refuse ──

MATHEMATICS = ("verify.digest-mismatch", "verify.signature-value-mismatch")


def test_all_of_them_refuse_what_was_changed_after_signing(classes: Path, tmp_path: Path) -> None:
    cases = [(it, by) for it, by in asked(REFUSED) if it.code in MATHEMATICS]
    assert len(cases) > 60
    java = java_signatures.opinions(classes, tmp_path, [(it.read(), by) for it, by in cases])
    otherwise = [
        (it.path, xmlsec1, signxml, word)
        for (it, by), word in zip(cases, java, strict=True)
        if (xmlsec1 := bool(verifiers.xmlsec1(it.read(), list(by))))
        | (signxml := bool(verifiers.signxml(it.read(), list(by))))
        or not word.startswith("no")
    ]
    assert otherwise == []


def test_much_of_what_we_refuse_would_pass_by_mathematics_alone_which_is_why_there_is_a_profile(
    classes: Path, tmp_path: Path
) -> None:
    cases = [(it, by) for it, by in asked(REFUSED) if it.code.startswith("verify.")]
    java = java_signatures.opinions(classes, tmp_path, [(it.read(), by) for it, by in cases])
    passing = Counter(it.code for (it, _), word in zip(cases, java, strict=True) if word == "yes")
    assert {
        "verify.signature-misplaced",
        "verify.digest-sha1",
        "verify.signing-certificate-missing",
        "verify.foreign-unsigned",
        "verify.instruction-unsigned",
    } <= set(passing), passing
