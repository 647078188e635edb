"""Stage validate: every document of `tests/corpus/validate` gives the code in its name."""

from pathlib import Path

import pytest

from broker.errors import Invalid, Rejection, UnknownForm
from broker.model import Flaw, Form, FormKey
from broker.parse import Limits, Parse
from broker.texts import explain
from broker.validate import Validate
from config.sources import load_catalogue
from tests.builders import an_envelope

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "corpus" / "validate"


class OneForm:
    """A catalogue of one form whose flaws are given beforehand."""

    form = Form(
        key=FormKey(name="letter", version="1"), namespace="", root="letter", title_pl="List", title_en="Letter"
    )

    def __init__(self, *flaws):
        self.told = flaws

    def find(self, namespace, root):
        return self.form if (namespace, root) == ("", "letter") else None

    def flaws(self, form, element):
        assert form is self.form
        assert element.tag == "letter"
        return self.told


@pytest.fixture(scope="module")
def packaged():
    return load_catalogue()


def validate(payload, catalogue):
    return Validate(catalogue=catalogue)(Parse(limits=Limits())(an_envelope(payload)))


def code_of(payload, catalogue):
    try:
        validate(payload, catalogue)
    except Rejection as no:
        assert "?" not in explain(no, "pl") + explain(no, "en")  # noqa: PT017 - every path of it is wanted
        return no.code
    return "validate.ok"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.xml")), ids=lambda path: path.stem)
def test_each_document_gives_the_code_in_its_name(packaged, path):
    assert code_of(path.read_bytes(), packaged) == f"validate.{path.stem.partition('--')[0]}"


def test_a_valid_document_goes_on_with_its_form():
    valid = validate(b"<letter/>", OneForm())
    assert valid.form is OneForm.form
    assert valid.document.form.tag == "letter"


def test_every_flaw_reaches_the_sender_and_the_place_quotes_no_value():
    flaws = [
        Flaw(path="/letter/a", line=2, message="'44051401359' is wrong"),
        Flaw(path="/letter", line=1, message="b"),
    ]
    with pytest.raises(Invalid) as caught:
        validate(b"<letter/>", OneForm(*flaws))
    no = caught.value
    assert (no.code, no.place, no.flaws) == ("validate.invalid", "/letter/a, line 2", tuple(flaws))
    assert "44051401359" not in str(no)
    assert "44051401359" in explain(no, "pl")


def test_a_root_that_no_form_has_is_named_to_the_sender():
    with pytest.raises(UnknownForm) as caught:
        validate(b"\n<n:letter xmlns:n='urn:n'/>", OneForm())
    assert caught.value.facts == {"namespace": "urn:n", "root": "letter"}
    assert caught.value.place == "line 2"


@pytest.mark.parametrize(
    ("objects", "code", "contents"),
    [
        ("", "no-form-in-signature", None),
        ("<o/>", "no-form-in-signature", None),
        ("<o> </o><o/>", "no-form-in-signature", None),
        ("<o><KeyInfo/></o>", "no-form-in-signature", None),
        ("<o>PGEvPg==</o>", "enveloped-base64", None),
        ("<o>PGEv<!-- -->Pg==</o>", "enveloped-base64", None),
        ('<o Encoding="http://www.w3.org/2000/09/xmldsig#base64">PGEvPg==</o>', "enveloped-base64", None),
        ('<o Encoding="http://www.w3.org/2000/09/xmldsig#base64"><n:letter/></o>', "enveloped-base64", None),
        ('<o Encoding="UTF-8">PGEvPg==</o>', "enveloped-base64", None),
        ('<o Encoding="UTF-8"/>', "no-form-in-signature", None),
        ('<o Encoding="UTF-8"><n:letter/><n:other/></o>', "several-contents", "letter, other"),
        ("<o><Signature/></o>", "signature-in-signature", None),
        ("<o><KeyInfo/></o><o> <Signature/></o>", "signature-in-signature", None),
        ("<o><KeyInfo/><o><Signature/></o></o>", "no-form-in-signature", None),
        ("<o><Signature/></o><o><n:letter/></o><o/>", "several-contents", "letter, ds:Object"),
        ("<o><n:letter/><n:other/></o>", "several-contents", "letter, other"),
        ("<o><n:letter/></o><o><n:letter/></o>", "several-contents", "letter, letter"),
        ("<o><n:letter/></o><o/>", "several-contents", "letter, ds:Object"),
        ("<o><n:letter/>and text</o>", "several-contents", "letter, text()"),
        ("<o>text before<n:letter/></o>", "several-contents", "letter, text()"),
        ("<o>PGEvPg==</o><o>PGEvPg==</o>", "several-contents", "text(), text()"),
        ("<o>" + "<n:letter/>" * 50 + "</o>", "several-contents", "letter, " * 9 + "letter,…"),
    ],
)
def test_of_a_signature_that_holds_no_single_form_it_is_told_what_it_holds(objects, code, contents):
    objects = objects.replace("<o", "<Object").replace("</o>", "</Object>")
    payload = (
        f"<Signature xmlns='http://www.w3.org/2000/09/xmldsig#' xmlns:n='urn:n'><SignedInfo/>{objects}</Signature>"
    )
    with pytest.raises(UnknownForm) as caught:
        validate(payload.encode(), OneForm())
    assert (caught.value.code, caught.value.facts.get("contents")) == (f"validate.{code}", contents)
    assert (contents or "") in explain(caught.value, "pl")


LETTER = (ROOT / "schemas" / "forms" / "pismo-ogolne" / "1410" / "examples" / "ok-prefixes.xml").read_bytes()


def validated(packaged, payload):
    return Validate(catalogue=packaged)(Parse(limits=Limits())(an_envelope(payload)))


def test_a_comment_inside_a_value_is_refused_because_readers_would_disagree_about_the_value(packaged):
    split = LETTER.replace(b"<wnio:Tytul>", b"<wnio:Tytul>Zgoda<!-- -->")
    assert split != LETTER
    with pytest.raises(Invalid) as no:
        validated(packaged, split)
    assert no.value.code == "validate.comment-in-value"
    assert no.value.place.startswith("line ")


@pytest.mark.parametrize("place", [b"</wnio:Tytul>", b"<wnio:Tytul>", b"</wnio:Dokument>"])
def test_a_comment_that_splits_no_value_is_no_fault(packaged, place):
    assert validated(packaged, LETTER.replace(place, b"<!-- note -->" + place))


_SIGNED = ROOT / "tests" / "corpus" / "accepted"


@pytest.mark.parametrize("way", ["<!-- -->", "<![CDATA[]]>"])
@pytest.mark.parametrize("document", ["enveloped", "enveloping", "podpis-zaufany"])
@pytest.mark.parametrize("value", ["</xades:SigningTime>", "</ds:DigestValue>", "</ds:X509Certificate>"])
def test_what_a_signer_says_is_parted_no_more_than_a_value_of_the_form(document, value, way):
    text = (_SIGNED / f"{document}.xml").read_text(encoding="utf-8")
    at = text.index(value) - 1
    code = "comment-in-value" if "--" in way else "cdata-in-value"
    with pytest.raises(Invalid) as no:
        validate((text[:at] + way + text[at:]).encode(), _Everything())
    assert (no.value.code, no.value.place) == (f"validate.{code}", f"line {text.count(chr(10), 0, at) + 1}")
    assert validate(text.encode(), _Everything())


class _Everything:
    """A catalogue in which whatever comes is a form."""

    def find(self, namespace, root):
        return OneForm.form

    def flaws(self, form, element):
        return ()


@pytest.mark.parametrize("title", [b"Zgoda<![CDATA[ nr 1]]>", b"<![CDATA[Zgoda]]> nr 1", b"<![CDATA[]]>Zgoda"])
def test_a_section_of_cdata_that_is_a_part_of_a_value_is_refused_because_readers_would_disagree(packaged, title):
    head, _, tail = LETTER.partition(b"<wnio:Tytul>")
    with pytest.raises(Invalid) as no:
        validated(packaged, head + b"<wnio:Tytul>" + title + b"</wnio:Tytul>" + tail.partition(b"</wnio:Tytul>")[2])
    assert (no.value.code, no.value.place) == ("validate.cdata-in-value", f"line {head.count(10) + 1}")
    assert no.value.flaws == ()


def test_a_section_of_cdata_that_is_a_whole_value_is_no_fault(packaged):
    head, _, tail = LETTER.partition(b"<wnio:Tytul>")
    whole = b"<wnio:Tytul><![CDATA[A & B]]></wnio:Tytul>" + tail.partition(b"</wnio:Tytul>")[2]
    assert validated(packaged, head + whole)


@pytest.mark.parametrize(
    ("above", "document", "place"),
    [
        (65_533, "<other/>", "line 65534"),
        (65_534, "<other/>", "line 65535+"),
        (70_000, "<letter>1<!-- -->0</letter>", "line 65535+"),
        (70_000, "<letter>1<![CDATA[0]]></letter>", "line 70001"),
    ],
)
def test_a_line_is_told_as_far_as_it_is_known(above, document, place):
    with pytest.raises(Rejection) as no:
        validate(b"\n" * above + document.encode(), OneForm())
    assert no.value.place == place


@pytest.mark.parametrize(("number", "told"), [(0, "0"), (65_534, "65534"), (65_535, "65535+"), (70_000, "65535+")])
def test_the_line_of_a_flaw_is_told_as_far_as_it_is_known(number, told):
    with pytest.raises(Invalid) as no:
        validate(b"<letter/>", OneForm(Flaw(path="/letter", line=number, message="b")))
    assert no.value.place == f"/letter, line {told}"
