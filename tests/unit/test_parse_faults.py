"""Every fault of stage parse says where it is and by how much, and the caps are exact to the unit."""

import itertools
from types import SimpleNamespace

import pytest
from lxml import etree

from broker.errors import Malformed, Rejection, TooLarge, Unavailable
from broker.parse import _PIECE, Limits, Parse, _broken, _tree, read
from tests.builders import an_envelope

DS = "http://www.w3.org/2000/09/xmldsig#"
NOT_A_DECLARATION = {"reason": "the XML declaration is not well formed"}
BRACKET = {"reason": "a namespace name holds a curly bracket"}
FAULTS = {
    "size": (b"<a>xyz</a>", {"payload": 9}, TooLarge, "parse.too-large", "", {"limit": "9", "size": "10"}),
    "nothing": (b" \n", {}, Malformed, "parse.empty", "", {}),
    "NUL first": (b"\x00<\x00a\x00/\x00>", {}, Malformed, "parse.encoding", "", {"encoding": "UTF-16/UTF-32"}),
    "NUL second": (b"<\x00a\x00/\x00>\x00", {}, Malformed, "parse.encoding", "", {"encoding": "UTF-16/UTF-32"}),
    "NUL later": (b"<a\x00/>", {}, Malformed, "parse.malformed", "line 1, column 3", None),
    "UTF-32": (b"\xff\xfe\x00\x00<\x00\x00\x00", {}, Malformed, "parse.encoding", "", {"encoding": "UTF-32"}),
    "another encoding": (
        b'<?xml version="1.0" encoding="KOI8-R"?><a/>',
        {}, Malformed, "parse.encoding", "", {"encoding": "koi8-r"},
    ),
    "an octet that is none": (b"<a>\xff</a>", {}, Malformed, "parse.not-in-encoding", "byte 3", {"encoding": "utf-8"}),
    "after a mark": (
        b"\xef\xbb\xbf<a>\xff</a>",
        {}, Malformed, "parse.not-in-encoding", "byte 6", {"encoding": "utf-8"},
    ),
    "declaration": (b"<?xml encoding='x'?><a/>", {}, Malformed, "parse.malformed", "line 1", NOT_A_DECLARATION),
    "declaration after a mark": (
        b"\xef\xbb\xbf<?xml encoding='x'?><a/>",
        {}, Malformed, "parse.malformed", "line 1", NOT_A_DECLARATION,
    ),
    "version": (b"<?xml version='1.1'?><a/>", {}, Malformed, "parse.version", "line 1", {"version": "1.1"}),
    "contradiction": (
        b"\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-2'?><a/>",
        {}, Malformed, "parse.encoding-contradiction", "line 1", {"encoding": "iso-8859-2", "mark": "utf-8"},
    ),
    "DTD first": (b"\n<!DOCTYPE a>\n<a>\n</a>", {}, Malformed, "parse.dtd", "line 2", {}),
    "DTD": (b"<!-- a\n -->\n<!DOCTYPE a><a/>", {}, Malformed, "parse.dtd", "line 3", {}),
    "markup": (b"<a b='c='>=</a>", {"markup": 4}, TooLarge, "parse.too-much-markup", "", {"limit": "4"}),
    "a crowd in one tag": (
        b"<a " + b" ".join(b"a%d=''" % at for at in range(10_001)) + b"/>",
        {"attributes": 7}, TooLarge, "parse.too-many-attributes", "", {"limit": "7"},
    ),
    "attributes": (b"<a>\n<b c='1' d='2'/></a>", {"attributes": 1}, TooLarge, "parse.too-many-attributes", "line 2", {"limit": "1"}),
    "elements as far down as lines are known": (
        b"<a>" + b"\n" * 65_533 + b"<b/></a>",
        {"elements": 1}, TooLarge, "parse.too-many-elements", "line 65534", {"limit": "1"},
    ),
    "elements further down": (
        b"<a>" + b"\n" * 65_534 + b"<b/></a>",
        {"elements": 1}, TooLarge, "parse.too-many-elements", "line 65535+", {"limit": "1"},
    ),
    "elements much further down, before a text": (
        b"<a>" + b"\n" * 70_000 + b"<b/>\n</a>",
        {"elements": 1}, TooLarge, "parse.too-many-elements", "line 65535+", {"limit": "1"},
    ),
    "elements": (b"<a>\n\n<b/></a>", {"elements": 1}, TooLarge, "parse.too-many-elements", "line 3", {"limit": "1"}),
    "depth": (b"<a>\n<b/></a>", {"depth": 1}, TooLarge, "parse.too-deep", "line 2", {"limit": "1"}),
    "namespaces": (
        b"<a>\n<b xmlns='u' xmlns:c='v'/></a>",
        {"namespaces": 1}, TooLarge, "parse.too-many-namespaces", "line 2", {"limit": "1"},
    ),
    "scope": (b"<a xmlns='u'>\n<b/></a>", {"scope": 1}, TooLarge, "parse.too-much-namespacing", "line 2", {"limit": "1"}),
    "naming": (b"<a xmlns='u'>\n<b/></a>", {"naming": 1}, TooLarge, "parse.too-much-namespacing", "line 2", {"limit": "1"}),
    "sorting": (
        b"<a b='' c=''>\n<d e='' f=''/></a>",
        {"sorting": 7}, TooLarge, "parse.too-many-attributes", "line 2", {"limit": "64"},
    ),
    "a long name of a namespace": (
        b"<a xmlns='urn:1234'/>", {"name": 7}, TooLarge, "parse.too-much-namespacing", "", {"limit": "7"},
    ),
    "declarations": (
        b"<a xmlns='u'><b xmlns='u'/></a>",
        {"declarations": 1}, TooLarge, "parse.too-much-namespacing", "", {"limit": "1"},
    ),
    "remarks": (b"<?b?><a><!----></a>", {"remarks": 1}, TooLarge, "parse.too-many-remarks", "", {"limit": "1"}),
    "outside": (b"<?b?><a/><?c?>", {"outside": 1}, TooLarge, "parse.too-much-outside", "", {"limit": "1"}),
    "a bracket in a name": (b"<a xmlns='u}'/>", {}, Malformed, "parse.malformed", "", BRACKET),
    "a bracket that opens": (b"<a xmlns='{u'/>", {}, Malformed, "parse.malformed", "", BRACKET),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_its_place_and_the_cap_that_was_passed(name):
    data, caps, kind, code, place, facts = FAULTS[name]
    with pytest.raises(Rejection) as caught:
        read(data, Limits(**caps))
    no = caught.value
    assert (type(no), no.code, no.place) == (kind, code, place)
    assert facts is None or dict(no.facts) == facts


CAPS = {
    "sorting": (b"<a b='' c=''><d e='' f=''/></a>", 8),
    "name": (b"<a xmlns='abc'/>", 3),
    "declarations": (b"<a xmlns='u'><b xmlns='u'/></a>", 2),
    "remarks": (b"<?b?><a><!----><![CDATA[]]></a>", 3),
    "payload": (b"<a>xyz</a>", 10),
    "markup": (b"<a b='c='>=</a>", 5),
    "attributes": (b"<a b='1' c='2'/>", 2),
    "elements": (b"<a><b/><c/></a>", 3),
    "depth": (b"<a><b><c/></b></a>", 3),
    "namespaces": (b"<a xmlns='u'><b xmlns:n='v'/></a>", 2),
    # 1 prefix x 1 declaration at `a`; 1 x 2 at `b`, which declares the same prefix again; 1 x 1 at `c`.
    "scope": (b"<a xmlns='u'><b xmlns='v'/><c/></a>", 4),
    # 3 characters at `a` and its attribute; 5 at `b`; still 5 at `c` and its two, for the longest counts.
    "naming": (b"<a xmlns='abc' x=''><b xmlns='abcde'/><c y='' z=''/></a>", 26),
    "outside": (b"<?x?><a/><?y?><!---->", 3),
}  # fmt: skip


@pytest.mark.parametrize("cap", CAPS)
def test_a_cap_is_exact(cap):
    data, most = CAPS[cap]
    assert read(data, Limits(**{cap: most})).tag in {"a", "{u}a", "{abc}a"}
    with pytest.raises(TooLarge):
        read(data, Limits(**{cap: most - 1}))


def test_the_counts_of_closed_elements_are_given_back_one_for_one():
    """A prefix that two open elements declare is still in scope when one of them ends."""
    again = b"<a xmlns:n='u'><b xmlns:n='v'><c xmlns:n='w' xmlns:m='x'/></b><d xmlns:m='y'/></a>"
    # 1x1 at a, 1x2 at b, 2x4 at c, 2x2 at d
    assert read(again, Limits(scope=15, namespaces=2)) is not None
    for caps in ({"scope": 14}, {"namespaces": 1}):
        with pytest.raises(TooLarge):
            read(again, Limits(**caps))


def test_a_crowd_is_looked_for_only_where_it_could_be_and_only_above_what_a_tag_may_hold():
    """64 attributes and 32 namespaces may stand in one tag, whatever else there is in the document."""
    full = b"<b " + b" ".join(b"a%d='%d'" % (at, at) for at in range(64)) + b" "
    full += b" ".join(b'xmlns:n%d="urn:%d"' % (at, at) for at in range(32)) + b"/>"
    signs = b"=" * 20_000
    assert len(read(b"<a>" + full + signs + b"</a>", Limits())[0].attrib) == 64
    one_more = full.replace(b"/>", b" c=''/>")
    with pytest.raises(TooLarge) as caught:
        read(b"<a>" + signs + one_more + b"</a>", Limits())
    assert caught.value.place == ""  # told from the text, before the tree


@pytest.mark.parametrize("text", [b"=" * 40_001, b"xmlns " * 40_001])
def test_what_only_looks_like_declarations_are_none(text):
    assert read(b"<a>" + text + b"</a>", Limits()).text.encode() == text
    assert read(b"<a xmlns='u' xmlns:b='v' c=''/>", Limits(declarations=2)).get("c") == ""


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "Utf-8"])
def test_the_name_of_an_encoding_is_taken_in_any_case(mark, encoding):
    data = mark + f'<?xml version="1.0" encoding="{encoding}"?><a>ż</a>'.encode()
    assert read(data, Limits()).text == "ż"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("declared", [' encoding="utf-16"', ' encoding="UTF-16"', ""])
def test_sixteen_bits_are_read_behind_their_mark_and_declared_without_an_order(codec, declared):
    data = f'\ufeff<?xml version="1.0"{declared}?><a>ż</a>'.encode(codec)
    assert read(data, Limits()).text == "ż"
    wrong = f'\ufeff<?xml version="1.0" encoding="{codec}"?><a>ż</a>'.encode(codec)
    with pytest.raises(Malformed) as caught:
        read(wrong, Limits())
    assert (caught.value.code, dict(caught.value.facts)) == (
        "parse.encoding-contradiction",
        {"encoding": codec, "mark": codec},
    )


@pytest.mark.parametrize("octets", [197, 198, 199, 200])
def test_a_declaration_is_looked_at_up_to_its_longest(octets):
    head = b'<?xml version="1.0"'
    tail = b' encoding="ISO-8859-2"?>'
    data = head + b" " * (octets - len(head) - len(tail)) + tail + b"<a>\xbf</a>"
    assert read(data, Limits()).text == "ż"


def test_what_only_begins_like_a_declaration_is_an_instruction():
    assert read(b"<?xmlish?><a/>", Limits()).tag == "a"


def test_what_stands_beyond_a_piece_is_counted_as_what_stands_before():
    filler = b"x" * (_PIECE - 4)
    for data in (b"<a>" + filler + b"<b/></a>", b"<a>" + filler + b"x" * _PIECE + b"<b/></a>"):
        assert len(read(data, Limits(elements=2))) == 1
        with pytest.raises(TooLarge):
            read(data, Limits(elements=1))


def test_a_text_over_libxml2s_own_cap_is_read_and_a_huge_document_without_a_root_is_not():
    assert len(read(b"<a>" + b"x" * 10_000_001 + b"</a>", Limits()).text) == 10_000_001
    with pytest.raises(Malformed):
        read(b"<a>" + b"x" * 10_000_001, Limits())


def test_no_huge_document_that_names_a_dtd_anywhere_is_parsed_without_libxml2s_caps():
    """With them off it would no longer count what entities grow to."""
    with pytest.raises(Malformed):
        _tree(b"<a><![CDATA[<!DOCTYPE]]>" + b"x" * 10_000_001 + b"</a>", Limits())


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE a SYSTEM "no-such-file.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "no-such-file.xml">]><a>&e;</a>',
        b'<!DOCTYPE a [<!ENTITY % e SYSTEM "no-such-file.ent">%e;]><a/>',
        b"<!DOCTYPE b [<!ELEMENT b EMPTY>]><a/>",
    ],
)
def test_what_a_dtd_names_is_not_even_looked_for(document):
    """Whoever followed it would find nothing there, and say so in other words."""
    with pytest.raises(Malformed) as caught:
        _tree(document, Limits())
    assert caught.value.code == "parse.dtd"


def test_the_envelope_stays_with_the_document():
    envelope = an_envelope(b"<a/>")
    document = Parse(limits=Limits())(envelope)
    assert document.envelope is envelope


def test_without_namespaces_nothing_is_spelt_out():
    assert read(b"<a b=''><c/></a>", Limits(naming=0, scope=0, namespaces=0)).tag == "a"


def test_an_identifier_is_not_collected_nor_an_entity_resolved_nor_a_default_taken():
    document = b"<!DOCTYPE a [<!ATTLIST a b CDATA 'default'><!ENTITY e 'grown'>]><a>&e;</a>"
    with pytest.raises(Malformed) as caught:
        _tree(document, Limits())
    assert (caught.value.code, caught.value.place) == ("parse.dtd", "")
    assert read(b"<a xml:id='x'><b xml:id='x'/></a>", Limits()).get("{http://www.w3.org/XML/1998/namespace}id") == "x"


def test_a_parser_that_ran_out_of_memory_is_no_fault_of_the_document():
    def log(*kinds):
        entries = [SimpleNamespace(type=kind, line=at, column=7, message=" why \n") for at, kind in enumerate(kinds, 3)]
        return SimpleNamespace(feed_error_log=entries)

    memory, broken = etree.ErrorTypes.ERR_NO_MEMORY, etree.ErrorTypes.ERR_TAG_NOT_FINISHED
    error = etree.XMLSyntaxError("", memory, 0, 0)
    no = _broken(log(memory, broken), error)
    assert isinstance(no, Malformed)
    assert (no.code, no.place, dict(no.facts)) == ("parse.malformed", "line 4, column 7", {"reason": "why"})
    for kinds in ((), (memory,)):
        later = _broken(log(*kinds), error)
        assert isinstance(later, Unavailable)
        assert str(error.code) in str(later)
        assert "the parser gave up" in str(later)


ABOUT = "<ds:Object><x:P xmlns:x='http://uri.etsi.org/01903/v1.3.2#'/></ds:Object>"
HELD = "<ds:Object><letter/></ds:Object>"


def form_of(inside, outer="ds:Signature"):
    payload = f"<{outer} xmlns:ds='{DS}'>{inside}</{outer}>".encode()
    document = Parse(limits=Limits())(an_envelope(payload))
    return "the root" if document.form is document.root else document.form.tag


@pytest.mark.parametrize(
    ("inside", "form"),
    [
        *(("".join(order), "letter") for order in itertools.permutations([ABOUT, HELD, ABOUT.replace("x:P", "x:Q")])),
        (HELD.replace("<letter/>", "<!--x--><?y?> <letter/> <!--z-->"), "letter"),
        (HELD.replace("<letter/>", "x<letter/>"), "the root"),
        (HELD.replace("<letter/>", "<!--x-->y<letter/>"), "the root"),
        (HELD.replace("<letter/>", "<letter/><!--x-->y"), "the root"),
        (HELD.replace("<letter/>", "<letter><ds:Object><other/></ds:Object></letter>"), "letter"),
        (HELD.replace("Object>", f"Object Encoding='{DS}base64'>", 1), "the root"),
        (HELD.replace("Object>", "Object Encoding=''>", 1), "letter"),
        (HELD.replace("Object>", "Object MimeType='text/xml' Encoding='UTF-8'>", 1), "letter"),
        (HELD + "<ds:Object/>", "the root"),
        ("<ds:Object/>", "the root"),
        ("<ds:Object><ds:SignatureProperties/></ds:Object>" + HELD, "letter"),
        ("<ds:Object><ds:SignatureProperties/><other/></ds:Object>" + HELD, "the root"),
        ("<ds:Object><ds:Manifest/><x:P xmlns:x='http://uri.etsi.org/01903/v1.4.1#'/></ds:Object>" + HELD, "letter"),
        ("<other>" + HELD + "</other>", "the root"),
        ("<Object><letter/></Object>", "the root"),
    ],
)  # fmt: skip
def test_the_form_is_the_one_element_of_the_one_object_that_is_not_about_the_signature(inside, form):
    assert form_of(inside) == form


def test_a_root_of_another_name_is_the_form_whatever_it_holds():
    assert form_of(HELD, outer="letters") == "the root"
    assert form_of(HELD, outer="ds:Signatures") == "the root"
