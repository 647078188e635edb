"""Documents as the public signing service makes them.

The samples are redacted, so they cannot hold; their shape is real.  Collected where they lie beside the project.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.recipe import QUALIFIED
from broker.evidence import Indication, Level
from broker.parse import Limits, read
from broker.verify.names import DS
from tests.corpus.verify.scene import AT, PKI, judged

FOLDER = Path(__file__).parents[3].parent / "shared" / "data" / "podpis-samples"
SAMPLES = sorted(FOLDER.glob("*.xml"))

TEST_DOCUMENT = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    b'<TestDocument xmlns:xsd="http://www.w3.org/2001/XMLSchema"\n'
    b'              xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n\t</TestDocument>'
)


def _skeleton(document: bytes) -> list[str]:
    """Element names and algorithms, in order: the shape of a document without its values."""
    root = read(document, Limits())
    return [f"{it.tag} {it.get('Algorithm') or it.get('Type') or ''}".strip() for it in root.iter("*")]


def _made(sample: Path) -> bytes:
    if "Zaufany" in sample.name:
        return sign_on_platform(TEST_DOCUMENT, PKI.platform, JAN, AT)
    return sign(TEST_DOCUMENT, PKI.person, AT, QUALIFIED)


if SAMPLES:

    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda it: it.stem)
    def test_a_redacted_sample_is_refused_for_its_redacted_values(sample: Path) -> None:
        report = judged(sample.read_bytes())
        assert (report.indication, report.code) == (Indication.FAILED, "verify.digest-malformed")
        (signature,) = report.signatures
        assert signature.place == "ds:Reference[1]"
        assert signature.shape == "enveloped-xpath"
        assert signature.references[0].uri == ""

    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda it: it.stem)
    def test_what_the_test_signer_makes_has_the_shape_of_the_sample(sample: Path) -> None:
        def comparable(names: list[str]) -> list[str]:
            return [it for it in names if it != f"{DS}X509Certificate"]  # chains differ in length

        assert comparable(_skeleton(_made(sample))) == comparable(_skeleton(sample.read_bytes()))


def test_a_document_in_the_shape_of_podpis_zaufany_is_accepted_with_the_person() -> None:
    report = judged(sign_on_platform(TEST_DOCUMENT, PKI.platform, JAN, AT))
    assert report.indication is Indication.PASSED
    assert report.level is Level.TRUSTED_PROFILE
    assert report.identity is not None
    assert (report.identity.given_names, report.identity.family_name, report.identity.pesel) == (
        JAN.given,
        JAN.family,
        JAN.pesel,
    )
    assert report.identity.date_of_birth == JAN.born.isoformat()


def test_a_document_in_the_shape_of_a_qualified_signature_is_accepted_with_the_person() -> None:
    indented = re.sub(rb"></ds:SignedInfo>", b">\n\t\t</ds:SignedInfo>", sign(TEST_DOCUMENT, PKI.person, AT, QUALIFIED))
    assert judged(indented).code == "verify.signature-value-mismatch"  # what is signed may not be indented either
    report = judged(sign(TEST_DOCUMENT, PKI.person, AT, QUALIFIED))
    assert (report.indication, report.level) == (Indication.PASSED, Level.QUALIFIED)
    assert report.identity is not None
    assert report.identity.pesel == JAN.pesel
