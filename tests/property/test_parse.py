"""Whatever the bytes, `read` returns a tree within its limits or says no in its own words."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from broker.errors import Malformed, Rejection, TooLarge
from broker.parse import Limits, read
from broker.texts import TEXTS

ROOT = Path(__file__).parents[2]
SEEDS = [path.read_bytes() for path in sorted((ROOT / "tests" / "corpus" / "parse").glob("*.xml"))]
SEEDS += [path.read_bytes() for path in sorted((ROOT / "schemas" / "forms").rglob("examples/*.xml"))]
TIGHT = Limits(payload=20_000, depth=12, elements=200, attributes=8, namespaces=8, scope=30_000, markup=2_000)
MARKUP = st.sampled_from(
    [
        b"<", b">", b"/>", b"</", b"&", b"&amp;", b"&#0;", b"&x;", b'"', b"'", b"=", b"<!--", b"-->", b"<![CDATA[",
        b"]]>", b"<?", b"?>", b"<?xml ", b"<!DOCTYPE a>", b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"xmlns:p='u'", b"p:",
        b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xfe\xff", b"\xc0\x80", b"\x81", b'encoding="UTF-16"', b"<a>", b"</a>",
        b" " * 50, b"<a>" * 20, b"x" * 5_000, b'xml:id="a"', b'xml:space="x"',
    ]
)  # fmt: skip


@st.composite
def mutated(draw):
    """Return a document of the corpus with pieces cut out, copied and put in."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 200)))
        piece = draw(st.one_of(MARKUP, st.binary(max_size=6), st.just(b""), st.just(data[start:end] * 2)))
        data = data[:start] + piece + data[end:]
    return data


def outcome(data, limits):
    try:
        return read(data, limits)
    except (Malformed, TooLarge) as no:
        return no


def check(data, limits):
    root = outcome(data, limits)
    if isinstance(root, Rejection):
        assert root.code in TEXTS
        assert isinstance(root, TooLarge) == root.code.startswith("parse.too-")
        return
    assert len(data) <= limits.payload
    elements = list(root.iter(etree.Element))
    assert len(elements) <= limits.elements
    assert root.getroottree().docinfo.internalDTD is None
    assert not list(root.iter(etree.Entity))
    for element in elements:
        assert len(element.attrib) <= limits.attributes
        assert sum(1 for _ in element.iterancestors()) < limits.depth
        assert len(element.nsmap) <= limits.namespaces


@settings(max_examples=400)
@given(mutated())
def test_a_mutated_document_is_read_within_the_limits_or_refused_with_a_code(data):
    check(data, TIGHT)
    check(data, Limits())


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_code(data):
    check(data, TIGHT)


@settings(max_examples=300)
@given(st.lists(MARKUP, max_size=30).map(b"".join))
def test_any_markup_is_read_or_refused_with_a_code(data):
    check(b"<a>" + data + b"</a>", TIGHT)
    check(data, TIGHT)


@settings(max_examples=100)
@given(st.text(st.characters(codec="iso-8859-2", exclude_categories=["Cc", "Cs"]), max_size=60))
def test_a_text_is_the_same_in_every_encoding_that_is_allowed(text):
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for name, codec, mark in (
        ("UTF-8", "utf-8", b""),
        ("utf-8", "utf-8", b"\xef\xbb\xbf"),
        ("UTF-16", "utf-16-le", b"\xff\xfe"),
        ("UTF-16", "utf-16-be", b"\xfe\xff"),
        ("ISO-8859-2", "iso-8859-2", b""),
    ):
        data = mark + f'<?xml version="1.0" encoding="{name}"?><a>{escaped}</a>'.encode(codec)
        assert (read(data, Limits()).text or "") == text
