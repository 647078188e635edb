"""What we accept, signxml accepts too, for every shape that it can read."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signxml import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import BASELINE, C14N, ENVELOPED, EXCLUSIVE
from broker.errors import Rejection
from broker.evidence import Indication
from tests.corpus.verify.scene import AT, PKI, judged

# No instruction before the root (signxml forgets that it is digested) and no default namespace (it falls for
# lxml's wrong inclusive C14N): on these xmlsec1 has the word, in tests/interop.
FORM = b'<w:r xmlns:w="urn:w" xmlns:u="urn:u"><w:a k="1">x &amp; y</w:a><!-- aside -->\n <w:b/>tail</w:r>'
READABLE = {
    "exclusive": BASELINE.transforms,
    "inclusive": (ENVELOPED, C14N),
    "bare": (ENVELOPED,),
}


def _signxml_accepts(document: bytes) -> bool:
    config = SignatureConfiguration(
        expect_references=2,
        signature_methods=frozenset(SignatureMethod),
        digest_algorithms=frozenset(DigestAlgorithm),
    )
    try:
        XMLVerifier().verify(
            document, x509_cert=PKI.organisation.certificate, expect_config=config, validate_schema=False
        )
    except Exception:  # noqa: BLE001 - it lets foreign exceptions through
        return False
    return True


@cache
def _signed(shape: str) -> bytes:
    return sign(FORM, PKI.organisation, AT, transforms=READABLE[shape])


def _we_accept(document: bytes) -> bool:
    try:
        report = judged(document)
    except Rejection:
        return False
    return report.indication is Indication.PASSED and bool(report.signatures)


@pytest.mark.parametrize("shape", READABLE)
@pytest.mark.parametrize("method", [C14N, EXCLUSIVE])
def test_both_accept_the_shapes_that_both_read(shape: str, method: str) -> None:
    document = sign(FORM, PKI.organisation, AT, transforms=READABLE[shape], signed_info=method)
    assert _we_accept(document)
    assert _signxml_accepts(document)


@settings(max_examples=200)
@given(shape=st.sampled_from(sorted(READABLE)), data=st.data())
def test_a_mutation_that_we_accept_signxml_accepts(shape: str, data: st.DataObject) -> None:
    document = _signed(shape)
    at = data.draw(st.integers(0, len(document) - 1))
    new = data.draw(st.sampled_from([b"", b" ", b"\n", b"A", b"<!-- -->", b"&#32;", b"x='1' ", b"&#65;"]))
    document = document[:at] + new + document[at + data.draw(st.integers(0, 3)) :]
    if _we_accept(document):
        assert _signxml_accepts(document)
