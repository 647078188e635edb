"""Every document of `tests/corpus/parse` gives the code in its name: `<reason>--<what it shows>.xml`."""

from pathlib import Path

import pytest

from broker.errors import Rejection
from broker.parse import Limits, read
from broker.texts import TEXTS, explain

CORPUS = Path(__file__).parent.parent / "corpus" / "parse"
SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "podpis-samples"


def refusal(data):
    try:
        read(data, Limits())
    except Rejection as no:
        return no
    return None


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.xml")), ids=lambda path: path.stem)
def test_each_document_gives_the_code_in_its_name(path):
    no = refusal(path.read_bytes())
    assert (no.code if no else "parse.ok") == f"parse.{path.stem.partition('--')[0]}"
    if no:
        assert "?" not in explain(no, "pl"), "a gap of the text was left open"
        assert "?" not in explain(no, "en")


def test_every_code_has_a_document_or_a_cap_of_its_own():
    shown = {f"parse.{path.stem.partition('--')[0]}" for path in CORPUS.glob("*.xml")} - {"parse.ok"}
    too_big_for_a_file = {
        "parse.too-large",
        "parse.too-many-elements",
        "parse.too-much-namespacing",
        "parse.too-much-markup",
        "parse.too-much-outside",
        "parse.too-many-remarks",
    }
    assert shown | too_big_for_a_file == {code for code in TEXTS if code.startswith("parse.")}


if SAMPLES.is_dir():

    @pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.xml")), ids=lambda path: path.stem)
    def test_what_the_public_signing_service_makes_is_read(path):
        assert read(path.read_bytes(), Limits()).tag == "TestDocument"
