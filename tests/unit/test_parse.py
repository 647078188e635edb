"""Stage parse: caps, big documents, many names, and which element claims to be the form."""

import base64
import threading
from pathlib import Path

import pytest
from lxml import etree

from broker.errors import Malformed, Rejection, TooLarge
from broker.parse import Limits, Parse, _tree, read
from broker.texts import TEXTS
from broker.vocabulary import VOCABULARY
from tests.builders import an_envelope

CORPUS = Path(__file__).parent.parent / "corpus" / "parse"
DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"


def code_of(data, **limits):
    with pytest.raises(Rejection) as caught:
        read(data, Limits(**limits))
    return caught.value.code


def test_an_attachment_over_libxml2s_own_limit_is_read_whole():
    content = base64.b64encode(bytes(12_000_000))
    root = read(b"<a><b>" + content + b"</b></a>", Limits())
    assert root[0].text == content.decode()


def test_a_document_of_exactly_the_cap_is_read_and_one_byte_more_is_not():
    data = b"<a>" + b"x" * 93 + b"</a>"
    assert read(data, Limits(payload=100)).tag == "a"
    assert code_of(data + b" ", payload=100) == "parse.too-large"


def test_elements_are_counted_exactly():
    data = b"<a>" + b"<b/>" * 99 + b"</a>"
    assert len(read(data, Limits(elements=100))) == 99
    assert code_of(data, elements=99) == "parse.too-many-elements"


def test_a_large_document_with_too_many_elements_is_given_up_before_its_end():
    data = b"<a>" + b"<b/>" * 300_000 + b"not even closed" * 100_000
    assert code_of(data) == "parse.too-many-elements"


def test_a_tag_with_a_hundred_thousand_attributes_is_refused_before_it_is_parsed():
    for attribute in (b'a%d=""', b"a%d=''", b'xmlns:a%d="u"'):
        tag = b"<a " + b" ".join(attribute % number for number in range(100_000)) + b"/>"
        assert code_of(tag) == "parse.too-many-attributes"


def test_many_equals_signs_in_text_are_no_attributes():
    data = b'<a b="1">' + b'"=" ' * 20_000 + b"</a>"
    assert read(data, Limits()).get("b") == "1"


def test_markup_is_capped_wherever_it_stands():
    for piece in (b"<?a?>", b"<!---->", b"<![CDATA[]]>"):
        assert code_of(b"<a>" + piece * 1_001 + b"</a>", markup=1_000) == "parse.too-much-markup"


@pytest.mark.parametrize("piece", [b"<!---->", b"<?a?>", b"<!--a-->\n"])
@pytest.mark.parametrize("document", [b"%s<a/>", b"<a/>%s"])
def test_there_are_only_so_many_comments_and_instructions_outside_the_root(piece, document):
    assert read(document % (piece * 200), Limits()).tag == "a"
    assert code_of(document % (piece * 201)) == "parse.too-much-outside"
    assert code_of(piece * 101 + b"<a/>" + piece * 100) == "parse.too-much-outside"


def test_what_inclusive_canonicalisation_would_cost_is_capped():
    declarations = b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(10))
    data = b"<a " + declarations + b">" + b"<b/>" * 99 + b"</a>"
    assert read(data, Limits(scope=10_000)) is not None  # 10 prefixes x 10 declarations x 100 elements
    assert code_of(data, scope=9_999) == "parse.too-much-namespacing"


def test_what_exclusive_canonicalisation_would_spell_out_is_capped():
    """It repeats a declaration on every element that uses it anew: 100 kB of document became 400 MB."""
    data = b'<a xmlns:n="urn:%s">' % (b"x" * 96) + b"<n:b c='1'/>" * 9 + b"</a>"
    assert read(data, Limits(naming=1_900)) is not None  # 100 characters x (10 elements + 9 attributes)
    assert code_of(data, naming=1_899) == "parse.too-much-namespacing"
    assert code_of(b'<a xmlns:n="urn:%s">' % (b"x" * 40_000) + b"<n:b/>" * 10_000 + b"</a>") == (
        "parse.too-much-namespacing"
    )


@pytest.mark.parametrize("encoding", ["UTF-7", "ISO-8859-1", "EUC-JP", "UTF-8"])
def test_no_declaration_is_so_long_that_its_encoding_is_not_looked_at(encoding):
    """libxml2 would obey it: under UTF-7 what the text shows and what the tree holds are two things."""
    data = b'<?xml version="1.0"' + b" " * 300 + b'encoding="%s"?><a>+ADw-b/+AD4-</a>' % encoding.encode()
    assert code_of(data) == "parse.malformed"


def test_declarations_of_one_branch_do_not_count_in_the_next():
    branches = b'<b xmlns:n="urn:n"/>' * 10
    assert read(b"<a>" + branches + b"</a>", Limits(scope=10)) is not None


def test_were_a_dtd_to_slip_past_the_first_look_it_would_still_be_refused_and_unexpanded():
    for name, code in (("internal-entity", "parse.dtd"), ("billion-laughs", "parse.malformed")):
        with pytest.raises(Malformed) as caught:
            _tree((CORPUS / f"dtd--{name}.xml").read_bytes(), Limits())
        assert caught.value.code == code


def test_namespaces_go_out_of_scope_with_their_element():
    inner = b"".join(b'<b xmlns:n%d="urn:%d"/>' % (number, number) for number in range(10))
    assert read(b'<a xmlns:m="urn:m">' + inner + b"</a>", Limits(namespaces=2)) is not None
    assert code_of(b'<a xmlns:m="urn:m">' + inner + b"</a>", namespaces=1) == "parse.too-many-namespaces"


def test_a_cap_is_told_even_if_the_document_is_broken_further_on():
    assert code_of(b"<a><a><a><b></c>", depth=2) == "parse.too-deep"


def test_comments_instructions_and_white_space_stay_and_character_data_is_text():
    root = read(b"<?x y?><a> <!--c--><![CDATA[<d>]]> </a>", Limits())
    assert etree.tostring(root.getroottree()) == b"<?x y?><a> <!--c-->&lt;d&gt; </a>"


def test_a_fault_names_its_place_and_not_the_documents_values():
    with pytest.raises(Malformed) as caught:
        read(b"<a>\n<b>44051401359</c></a>", Limits())
    assert caught.value.place.startswith("line 2, column")
    assert "44051401359" not in str(caught.value)


def test_no_thread_wears_out_however_many_names_it_meets(monkeypatch):
    """libxml2 keeps every name for ever: past the room for them, documents are parsed in threads of their own."""
    started = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (started.append(thread.name), start(thread))[1])
    names = iter(range(10**9))

    def stranger():
        return b"<a>" + b"".join(b"<n%d/>" % next(names) for _ in range(2_000)) + b"</a>"

    def work():
        for _ in range(50):
            assert len(read(stranger(), Limits())) == 2_000

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    apart = started.count("parse-apart")
    assert 0 < apart < 50
    known = b"<a><b c='1'/></a>"
    read(known, Limits())
    before = len(started)
    for _ in range(20):
        read(known, Limits())
    assert len(started) == before, "a document of known names needs no thread"


def test_base64_in_lines_takes_up_no_room_for_names():
    def certificate(seed):
        return b"<a>\n%s\n%s=\n</a>" % (b"%064d" % seed, b"%063d" % seed)

    read(certificate(0), Limits())
    before = VOCABULARY.room
    for seed in range(1, 20):
        read(certificate(seed), Limits())
    assert before == VOCABULARY.room


def test_a_name_counts_even_where_the_tag_before_it_only_seems_to_have_ended():
    for hidden in ('<a b="x>%s" hidden="1"<', "<a b='x>%s' hidden='1'<", '<a b="x>%s" hidden="1"', "<a>%s<hidden"):
        vocabulary = type(VOCABULARY)()
        assert vocabulary.has_room_for(hidden % ("y" * 99))
        assert any("hidden" in name for name in vocabulary.names)


def test_a_tree_made_apart_outlives_its_thread(monkeypatch):
    started = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (started.append(thread.name), start(thread))[1])
    long = b"<a xmlns:p='urn:p'>" + b"<p:b c='d'>x</p:b>" * 29_000 + b"</a>"
    root = read(long, Limits())
    assert started == ["parse-apart"]
    assert root[-1].tag == "{urn:p}b"
    etree.SubElement(root, "{urn:q}new").text = "y"
    assert etree.tostring(root).endswith(b'<ns0:new xmlns:ns0="urn:q">y</ns0:new></a>')


def test_a_fault_found_apart_reaches_the_caller():
    with pytest.raises(TooLarge) as caught:
        read(b"<a>" * 101 + b"x" * 300_000, Limits())
    assert caught.value.code == "parse.too-deep"


def form_of(payload):
    document = Parse(limits=Limits())(an_envelope(payload))
    return document.root, document.form


def test_the_form_is_the_root():
    root, form = form_of(b"<letter/>")
    assert form is root


def test_the_form_is_what_a_root_signature_envelopes():
    properties = f"<ds:Object><x:QualifyingProperties xmlns:x='{XADES}'/></ds:Object>"
    root, form = form_of(
        f"<ds:Signature xmlns:ds='{DS}'><ds:SignedInfo/>{properties}"
        f"<ds:Object Id='o'> <!-- --><letter/> </ds:Object></ds:Signature>".encode()
    )
    assert root.tag == f"{{{DS}}}Signature"
    assert form.tag == "letter"


@pytest.mark.parametrize(
    "objects",
    [
        "",
        "<ds:Object>PGxldHRlci8+</ds:Object>",
        "<ds:Object Encoding='http://www.w3.org/2000/09/xmldsig#base64'><letter/></ds:Object>",
        "<ds:Object><letter/><letter/></ds:Object>",
        "<ds:Object><letter/>and a word</ds:Object>",
        "<ds:Object><letter/></ds:Object><ds:Object><letter/></ds:Object>",
        "<ds:Object><ds:Manifest/></ds:Object>",
        "<other><ds:Object><letter/></ds:Object></other>",
    ],
)
def test_a_signature_that_envelopes_no_single_element_is_itself_the_form(objects):
    root, form = form_of(f"<ds:Signature xmlns:ds='{DS}'>{objects}</ds:Signature>".encode())
    assert form is root


def test_every_text_is_in_two_languages_and_every_number_is_used_once():
    mine = {code: text for code, text in TEXTS.items() if code.startswith(("parse.", "validate."))}
    assert len({text.number for text in mine.values()}) == len(mine)
    for code, text in mine.items():
        assert text.number // 100 == (1 if code.startswith("parse.") else 2)
        assert all((text.pl, text.en, text.hint_pl, text.hint_en)), code
