"""An honest sender whose signature fails is told what probably happened."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

import pytest
from lxml import etree

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import BASELINE, C14N, ENVELOPED, EXCLUSIVE, QUALIFIED, XPATH, Recipe
from broker.evidence import Indication
from broker.verify import explain
from broker.verify.c14n import Canon
from tests.corpus.verify.scene import AT, FORM, PKI, judged

TWO_LINES = b'<w:r xmlns:w="urn:w"><w:a>1</w:a><w:b><w:c>2\n3</w:c></w:b></w:r>'


def _hint(document: bytes) -> str:
    report = judged(document)
    assert report.indication is Indication.FAILED
    assert report.hint == report.signatures[0].hint
    return report.hint


@pytest.mark.parametrize("recipe", [BASELINE, QUALIFIED], ids=["enveloped", "xpath"])
def test_a_document_that_was_indented_after_signing_is_recognised(recipe: Recipe) -> None:
    signed = sign(TWO_LINES, PKI.person, AT, recipe)
    assert _hint(signed.replace(b"<w:b>", b"\n  <w:b>\n    ").replace(b"</w:b>", b"\n  </w:b>\n")) == (
        "verify.hint-white-space"
    )
    assert _hint(signed.replace(b"</w:r>", b"\n</w:r>")) == "verify.hint-white-space"


def test_line_ends_that_were_changed_after_signing_are_recognised() -> None:
    kept = TWO_LINES.replace(b"\n", b"&#13;\n")
    assert _hint(sign(kept, PKI.person, AT).replace(b"&#13;\n", b"\n")) == "verify.hint-line-ends"
    assert _hint(sign(TWO_LINES, PKI.person, AT).replace(b"2\n3", b"2&#13;\n3")) == "verify.hint-line-ends"


def test_an_instruction_that_was_added_after_signing_is_recognised() -> None:
    signed = sign(TWO_LINES, PKI.person, AT)
    assert _hint(b'<?xml-stylesheet href="x"?>' + signed) == "verify.hint-processing-instruction"


def test_what_one_guess_costs_is_paid_before_it_is_made() -> None:
    octets = b"<r>\r\n</r>"
    asked = {
        "octets": octets,
        "algorithm": "sha256",
        "expected": hashlib.sha256(octets.replace(b"\r\n", b"\n")).digest(),
        "out": (),
        "every": (),
    }
    root = etree.fromstring("<r>\n</r>")
    hints = [explain.digest_mismatch(canon=Canon(root, budget=8 * len(octets) + more), **asked) for more in (-1, 0)]
    assert hints[0] == explain.CHANGED != hints[1]


def test_a_long_document_is_guessed_about_as_long_as_it_is_not_too_long() -> None:
    long = b'<w:r xmlns:w="urn:w"><w:a>' + b"text " * 60_000 + b"</w:a></w:r>"
    assert _hint(sign(long, PKI.person, AT).replace(b"</w:r>", b"\n</w:r>")) == "verify.hint-white-space"
    longer = long.replace(b"text", b"a longer text")
    assert _hint(sign(longer, PKI.person, AT).replace(b"</w:r>", b"\n</w:r>")) == "verify.hint-changed"


@pytest.mark.parametrize("method", [C14N, EXCLUSIVE])
@pytest.mark.parametrize("recipe", [BASELINE, QUALIFIED], ids=["enveloped", "xpath"])
def test_an_instruction_is_recognised_by_whichever_canonicalisation_was_named(method: str, recipe: Recipe) -> None:
    form = TWO_LINES.replace(b"<w:r ", b'<w:r xmlns:unused="urn:u" ')
    out = tuple(it for it in recipe.transforms if it in (ENVELOPED, XPATH))
    signed = sign(form, PKI.person, AT, recipe, transforms=(*out, method))
    assert _hint(b"<?print yes?>" + signed) == "verify.hint-processing-instruction"


def test_a_last_line_that_was_added_is_recognised_beside_white_space_that_was_signed() -> None:
    form = b'<w:r xmlns:w="urn:w">\n <w:a>1</w:a>\n <w:b/></w:r>'
    assert _hint(sign(form, PKI.person, AT).replace(b"</w:r>", b" \n\t</w:r>")) == "verify.hint-white-space"


def _digest_of(form: bytes, transforms: tuple[str, ...]) -> str:
    found = re.search(b"<ds:DigestValue>([^<]*)", sign(form, PKI.person, AT, transforms=transforms))
    assert found
    return found[1].decode()


def test_a_digest_by_another_canonicalisation_than_the_one_named_is_recognised() -> None:
    form = TWO_LINES.replace(b"<w:r ", b'<w:r xmlns:unused="urn:u" ')
    other = _digest_of(form, (ENVELOPED, EXCLUSIVE))

    def wrong(text: str) -> str:
        return text.replace("@digest@", other, 1)

    assert _hint(sign(form, PKI.person, AT, transforms=(ENVELOPED, C14N), rewrite=wrong)) == (
        "verify.hint-canonicalisation"
    )


def test_an_inclusive_digest_that_was_named_exclusive_is_recognised() -> None:
    form = TWO_LINES.replace(b"<w:r ", b'<w:r xmlns:unused="urn:u" ')
    other = _digest_of(form, (ENVELOPED, C14N))

    def wrong(text: str) -> str:
        return text.replace("@digest@", other, 1)

    assert _hint(sign(form, PKI.person, AT, transforms=(ENVELOPED, EXCLUSIVE), rewrite=wrong)) == (
        "verify.hint-canonicalisation"
    )


@pytest.mark.parametrize("method", [C14N, EXCLUSIVE])
def test_what_was_left_out_beyond_the_transforms_is_recognised_in_either_canonicalisation(method: str) -> None:
    form = TWO_LINES.replace(b"<w:r ", b'<w:r xmlns:unused="urn:u" ')
    bare = _digest_of(form, (ENVELOPED, method))

    def wrong(text: str) -> str:
        return text.replace("@digest@", bare, 1)

    assert _hint(sign(form, PKI.person, AT, transforms=(C14N,), rewrite=wrong)) == "verify.hint-not-left-out"


def test_a_digest_that_leaves_out_more_than_the_transforms_say_is_recognised() -> None:
    bare = _digest_of(TWO_LINES, (ENVELOPED, C14N))

    def wrong(text: str) -> str:
        return text.replace("@digest@", bare, 1)

    assert _hint(sign(TWO_LINES, PKI.person, AT, transforms=(C14N,), rewrite=wrong)) == "verify.hint-not-left-out"


def test_a_value_made_by_another_canonicalisation_than_the_one_named_is_recognised() -> None:
    form = TWO_LINES.replace(b"<w:r ", b'<w:r xmlns:unused="urn:u" ')

    def misname(text: str) -> str:
        return text.replace(
            f'CanonicalizationMethod Algorithm="{C14N}"', f'CanonicalizationMethod Algorithm="{EXCLUSIVE}"'
        )

    report = judged(sign(form, PKI.person, AT, signed_info=C14N, rewrite=misname))
    assert (report.code, report.hint) == ("verify.signature-value-mismatch", "verify.hint-canonicalisation")


def test_a_value_made_with_another_of_the_certificates_is_recognised() -> None:
    """The properties bind one person's certificate, the value is made with another's key; both are beside."""
    other = sign(TWO_LINES, PKI.other_person, AT, QUALIFIED).decode()
    binding = re.search("<xades:SigningCertificate>.*</xades:SigningCertificate>", other)
    assert binding
    both = "".join(
        f"<ds:X509Certificate>{base64.b64encode(it.der).decode()}</ds:X509Certificate>"
        for it in (PKI.other_person, PKI.person)
    )

    def bind(text: str) -> str:
        text = re.sub("<xades:SigningCertificate>.*</xades:SigningCertificate>", binding[0], text)
        return re.sub("<ds:X509Data>.*</ds:X509Data>", f"<ds:X509Data>{both}</ds:X509Data>", text)

    report = judged(sign(TWO_LINES, PKI.person, AT, QUALIFIED, rewrite=bind))
    assert (report.code, report.place) == (
        "verify.signing-certificate-other",
        "ds:Signature[1]/xades:SigningCertificate",
    )
    assert (report.indication, report.hint) == (Indication.INDETERMINATE, "")
    (signature,) = report.signatures
    assert (signature.certificate, signature.identity, signature.path) == (None, None, ())


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.replace(b">100<", b">900<"),
        lambda it: it.replace(b'xmlns:unused="urn:unused" ', b""),
        lambda it: it.replace("gęśli".encode(), b"gesli"),
    ],
)
def test_a_change_of_substance_is_called_nothing_else(change: Callable[[bytes], bytes]) -> None:
    assert _hint(change(sign(FORM, PKI.person, AT, QUALIFIED))) == "verify.hint-changed"


def test_a_reference_that_fails_hides_no_other_and_shows_both_digests() -> None:
    signed = sign(FORM, PKI.person, AT).replace(b">100<", b">900<").replace(b"SigningTime>2026", b"SigningTime>2025")
    (signature,) = judged(signed).signatures
    assert [it.holds for it in signature.references] == [False, False]
    assert all(it.expected and it.actual and it.expected != it.actual for it in signature.references)
    assert signature.place == "ds:Reference[1]"
    assert signature.certificate is not None  # and the rest is told all the same
    assert signature.path
    assert signature.identity is None  # but a failed signature names nobody
