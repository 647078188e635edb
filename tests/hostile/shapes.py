"""Documents near the caps, each to cost as much as its size allows: forms as far as that helps them to get on.

What is about the content lives here (`SHAPES`), what is about signatures in `signed_shapes.py` and
`crafted_shapes.py`; `every.py` has all.
A shape is made for a `weight`: 1.0 stands for as large as the caps let in, less for the same in small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_EXAMPLE = Path(__file__).parents[2] / "schemas/forms/pismo-ogolne/1410/examples/ok-attachments.xml"
MB = 1_000_000
FULL = 31 * MB  # octets of content: below the cap on the payload, with room for the form around it
ELEMENTS = 29_000  # that a shape adds to the form's own
REMARKS = 19_500  # comments, instructions or CDATA, likewise

Maker = Callable[[float], bytes]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A document, and the code by which it is refused; empty if it is taken."""

    name: str
    make: Maker
    code: str


SHAPES: dict[str, Shape] = {}
UNSIGNED = "admit.signature-missing"  # all is read, validated, judged and routed before anybody asks for a signature


def shape(name: str, code: str, table: dict[str, Shape] = SHAPES) -> Callable[[Maker], Maker]:
    """Enter a maker into a table."""

    def enter(make: Maker) -> Maker:
        table[name] = Shape(name=name, make=make, code=code)
        return make

    return enter


@cache
def _example() -> bytes:
    return _EXAMPLE.read_bytes()


def letter(inside: bytes = b"", *, information: bytes = b"", on_root: bytes = b"", attachment: bytes = b"") -> bytes:
    """A general letter; `inside` stands where anything may stand, `information` where any number of texts may."""
    text = _example().replace(b"</wnio:Informacje>", information + b"</wnio:Informacje>", 1)
    any_ = b"<wnio:InformacjeDodatkowe>%s</wnio:InformacjeDodatkowe><str:Zalaczniki>" % inside
    text = text.replace(b"<str:Zalaczniki>", any_, 1)
    text = text.replace(b"<wnio:Dokument ", b"<wnio:Dokument %s " % on_root if on_root else b"<wnio:Dokument ", 1)
    return text.replace(b"xYEgxYwgxb4K", attachment or b"xYEgxYwgxb4K", 1)


def encoded(document: bytes, encoding: str) -> bytes:
    """The document in another encoding, as its declaration then says."""
    text = document.decode().replace("UTF-8", encoding.upper(), 1)
    return text.encode(encoding)


def many(what: bytes, weight: float, number: int) -> bytes:
    """`what` as often as the weight allows; `%d` in it is counted up."""
    times = int(number * weight)
    return b"".join(what % each for each in range(times)) if b"%d" in what else what * times


# ── much text ──


@shape("31 MB of letters", UNSIGNED)
def letters(weight: float) -> bytes:
    return letter(b"x" * int(FULL * weight))


@shape("31 MB of Base64 in an attachment", UNSIGNED)
def base64(weight: float) -> bytes:
    return letter(attachment=b"QUJD" * int(FULL * weight / 4))


@shape("31 MB of >", UNSIGNED)
def greater(weight: float) -> bytes:
    return letter(b">" * int(FULL * weight))


@shape("31 MB of & in CDATA", UNSIGNED)
def ampersands(weight: float) -> bytes:
    return letter(b"<![CDATA[" + b"&" * int(FULL * weight) + b"]]>")


@shape("31 MB of quotes in an attribute", UNSIGNED)
def quotes(weight: float) -> bytes:
    return letter(b"<a b='" + b'"' * int(FULL * weight) + b"'/>")


@shape("31 MB of character references", UNSIGNED)
def references(weight: float) -> bytes:
    return letter(b"&#13;" * int(FULL * weight / 5))


@shape("31 MB of Polish letters in ISO-8859-2", UNSIGNED)
def polish(weight: float) -> bytes:
    return encoded(letter("ż".encode() * int(FULL * weight)), "iso-8859-2")


@shape("31 MB of UTF-16", UNSIGNED)
def utf16(weight: float) -> bytes:
    return encoded(letter("→".encode() * int(FULL * weight / 2)), "utf-16")


@shape("31 MB of line ends", UNSIGNED)
def line_ends(weight: float) -> bytes:
    return letter(b"\r\n" * int(FULL * weight / 2))


@shape("a title of 31 MB of spaces", "validate.invalid")
def spaces(weight: float) -> bytes:
    return letter().replace("Skarga na hałas w nocy".encode(), b" " * int(FULL * weight))


@shape("a number of 31 million digits", "validate.invalid")
def digits(weight: float) -> bytes:
    return letter().replace(b"44051401359", b"1" * int(FULL * weight))


@shape("a date of 31 million digits", "validate.invalid")
def date(weight: float) -> bytes:
    return letter().replace(b"2026-01-15<", b"1" * int(FULL * weight) + b"-01-15<", 1)


@shape("an Id of 31 MB", UNSIGNED)
def id_(weight: float) -> bytes:
    return letter(on_root=b'Id="%s"' % (b"x" * int(FULL * weight)))


@shape("a value of 31 MB that is not among those listed", "validate.invalid")
def unlisted(weight: float) -> bytes:
    return letter().replace(b'kodowanie="base64"', b'kodowanie="%s"' % (b"x" * int(FULL * weight)), 1)


# ── much markup ──


@shape("29,000 elements where the form repeats", UNSIGNED)
def repeated(weight: float) -> bytes:
    return letter(information=many(b"<wnio:Informacja>x</wnio:Informacja>", weight, ELEMENTS))


@shape("29,000 elements of 300 letters", UNSIGNED)
def filled(weight: float) -> bytes:
    return letter(information=many(b"<wnio:Informacja>%s</wnio:Informacja>" % (b"x" * 280), weight, ELEMENTS))


@shape("29,000 new names", UNSIGNED)
def new_names(weight: float) -> bytes:
    return letter(many(b"<n%d/>", weight, ELEMENTS))


@shape("namespaces declared on each of 7,500 elements", UNSIGNED)
def redeclared(weight: float) -> bytes:
    own = b"".join(b' xmlns:n%d="urn:n%d"' % (each, each) for each in range(5))
    return letter(many(b"<a%s/>" % own, weight, 7_500))


@shape("31 prefixes in scope of 29,000 elements", UNSIGNED)
def in_scope(weight: float) -> bytes:
    own = b"".join(b' xmlns:n%d="urn:n%d"' % (each, each) for each in range(25))
    return letter(b"<a%s>%s</a>" % (own, many(b"<n3:b/>", weight, ELEMENTS)))


@shape("60 attributes of each of 2,700 elements", UNSIGNED)
def attributes(weight: float) -> bytes:
    own = b"".join(b' an-attribute-of-%02d=""' % each for each in range(60))
    return letter(many(b"<a%s/>" % own, weight, 2_700))


@shape("60 attributes of each of 2,700 elements, in namespaces", UNSIGNED)
def attributes_in_namespaces(weight: float) -> bytes:
    names = b"".join(b' xmlns:n%02d="urn:n%02d"' % (each, each) for each in range(20))
    own = b"".join(b' n%02d:a%02d=""' % (each % 20, each) for each in range(60))
    return letter(b"<a%s>%s</a>" % (names, many(b"<a%s/>" % own, weight, 2_700)))


@shape("19,500 comments", UNSIGNED)
def comments(weight: float) -> bytes:
    return letter(many(b"<!---->", weight, REMARKS))


@shape("19,500 instructions", UNSIGNED)
def instructions(weight: float) -> bytes:
    return letter(many(b"<?a?>", weight, REMARKS))


@shape("19,500 comments among the letters of a text", "validate.comment-in-value")
def comments_in_value(weight: float) -> bytes:
    return letter(many(b"x<!---->", weight, REMARKS))


@shape("19,500 pieces of CDATA", "validate.cdata-in-value")
def cdata(weight: float) -> bytes:
    return letter(many(b"<![CDATA[x]]>", weight, REMARKS))


@shape("19,500 whole texts of CDATA", UNSIGNED)
def whole_cdata(weight: float) -> bytes:
    return letter(many(b"<a b='>'><![CDATA[x]]></a>", weight, REMARKS))


@shape("29,000 elements 90 deep", UNSIGNED)
def deep(weight: float) -> bytes:
    return letter(many(b"<a>" * 90 + b"</a>" * 90, weight, ELEMENTS // 90))


@shape("more comments than may be, 900,000", "parse.too-many-remarks")
def too_many_comments(weight: float) -> bytes:
    return letter(many(b"<!---->", max(weight, 0.1), 900_000))


@shape("more declarations than may be, 450,000", "parse.too-much-namespacing")
def too_many_declarations(weight: float) -> bytes:
    own = b"".join(b' xmlns:n%d="urn:n%d"' % (each, each) for each in range(5))
    return letter(many(b"<a%s/>" % own, max(weight, 0.1), 90_000))


@shape("more attributes than may be, 900,000", "parse.too-many-attributes")
def too_many_attributes(weight: float) -> bytes:
    own = b"".join(b' a%02d=""' % each for each in range(60))
    return letter(many(b"<a%s/>" % own, max(weight, 0.2), 15_000))


@shape("300,000 elements in 32 MB", "parse.too-many-elements")
def elements(weight: float) -> bytes:
    return letter(information=many(b"<wnio:Informacja>%s</wnio:Informacja>" % (b"x" * 65), max(weight, 0.12), 300_000))


@shape("66 kB of namespace declarations", "parse.too-many-namespaces")
def declarations(weight: float) -> bytes:
    own = b"".join(b' xmlns:n%d="urn:n%d"' % (each, each) for each in range(int(2_700 * weight)))
    return letter(b"<a%s><b/></a>" % own)


@shape("a namespace name of 31 MB", "parse.too-much-namespacing")
def long_namespace(weight: float) -> bytes:
    return b'<a xmlns="urn:%s"/>' % (b"x" * int(FULL * weight))


@shape("a root's name of 31 MB", "parse.malformed")
def long_name(weight: float) -> bytes:
    return b"<%s/>" % (b"x" * int(FULL * weight))


@shape("a flaw in each of 29,000 elements", "validate.invalid")
def flaws(weight: float) -> bytes:
    return letter(information=many(b'<wnio:Informacja zla="">x</wnio:Informacja>', weight, ELEMENTS))


@shape("a flaw in each of the last 5,000 of 29,000 elements", "validate.invalid")
def late_flaws(weight: float) -> bytes:
    good = many(b"<wnio:Informacja/>", weight, ELEMENTS - 5_000)
    return letter(information=good + many(b'<wnio:Informacja z=""/>', weight, 5_000))


@shape("one flaw at the end of 31 MB", "validate.invalid")
def last_flaw(weight: float) -> bytes:
    return letter(b"x" * int(FULL * weight)).replace(b"mapa.pdf</", b"<x/></", 1)


@shape("a tag not closed at the end of 31 MB", "parse.malformed")
def not_closed(weight: float) -> bytes:
    return letter(b"x" * int(FULL * weight)).replace(b"</wnio:Dokument>", b"")


@shape("a DOCTYPE behind a comment of 31 MB", "parse.dtd")
def doctype(weight: float) -> bytes:
    return b"<!--%s--><!DOCTYPE a><a/>" % (b"x" * int(FULL * weight))


@shape("a prolog of 15 million line ends", UNSIGNED)
def prolog(weight: float) -> bytes:
    return letter().replace(b"?>", b"?>" + b"\n" * int(FULL * weight), 1)


@shape("2,500 addressees with a number each", UNSIGNED)
def addressees(weight: float) -> bytes:
    text = letter()
    start, end = text.index(b"<meta:Podmiot>"), text.index(b"</str:Adresaci>")
    return text[:start] + text[start:end] * int(2_500 * weight) + text[end:]
