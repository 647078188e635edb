"""Stage 1, parse: bytes become safe, well-formed XML, or are refused (DESIGN §4.8).

Here lives the only parse of XML that came from outside.  Nothing in this file knows what a form is.

The order is the defence.  What can be told from the text is told first (size, encoding, DTD, amount of markup);
the rest is counted while libxml2 builds the tree, piece by piece, so that a document over a cap is given up
within one piece of it.  No step costs more than a constant times the length of the document.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from lxml import etree

from broker.caps import Counts, Limits
from broker.errors import Malformed, TooLarge, Unavailable
from broker.model import Document, Envelope
from broker.vocabulary import VOCABULARY, apart

__all__ = ["BASE64", "DS", "XADES", "Limits", "Parse", "again", "enveloped", "head", "read"]

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
BASE64: Final = DS + "base64"
XADES: Final = "http://uri.etsi.org/01903/"  # every version of XAdES begins so

# Of one piece, fed to the parser between two looks at the counts.
_PIECE: Final = 65_536
_HEAD_PIECE: Final = 8_192
# Of one piece of text that is searched for the ends of elements.
_LOOK: Final = 1_000_000
# libxml2's own caps (text of 10 million characters, names of 50,000, depth of 256) stay on below this size.
_HUGE: Final = 3_000_000
# Above so many "=" the text is searched for a single tag that holds more than any may.
_CROWD: Final = 10_000

_DECLARATION: Final = re.compile(
    r"""<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?P<q>["'])(?P<version>[^"'<>]{1,20})(?P=q)"""
    r"""(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?P<e>["'])(?P<encoding>[A-Za-z][A-Za-z0-9._-]{0,39})(?P=e))?"""
    r"""(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>"""
)
_DECLARED: Final = re.compile(r"<\?xml[ \t\r\n]")
_LONGEST_DECLARATION: Final = 200  # octets
_PROLOG: Final = re.compile(r"(?:[ \t\r\n]++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_BYTE_ORDER_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_CODECS: Final = {"utf-8": "utf-8", "iso-8859-2": "iso-8859-2", "windows-1250": "cp1250"}


def read(data: bytes, limits: Limits) -> etree._Element:
    """Return the root of a hardened parse; raise Malformed or TooLarge.

    No DTD, no entity but the five of XML, no network, no XInclude.  UTF-8, UTF-16 (with its byte order mark),
    ISO-8859-2 or windows-1250, as the mark and the declaration agree.  The tree is that of exactly these bytes:
    comments, instructions and white space are kept, CDATA is text.
    """
    if len(data) > limits.payload:
        raise TooLarge("parse.too-large", facts={"limit": str(limits.payload), "size": str(len(data))})
    text = _text(data)
    _refuse_dtd(text)
    _cap_markup(text, limits)
    if VOCABULARY.has_room_for(text):
        return _tree(data, limits)
    del text
    return apart(lambda: _tree(data, limits))


def again(octets: bytes) -> etree._Element:
    """Return the root of octets that were written here from a tree that `read` gave; raise Malformed.

    What was within the caps is not counted once more, and its names are known to the thread that has the tree.
    """
    parser = _parser(counted=False, huge=len(octets) > _HUGE)
    try:
        parser.feed(octets)
        root: etree._Element = parser.close()
    except etree.XMLSyntaxError as error:
        raise _broken(parser, error) from None
    return root


def head(octets: bytes, limits: Limits, last: str, most: int) -> etree._Element | None:
    """Return the root of canonical octets as far as its first child `last`, or whole if it has none.

    That child has the root's own namespace.  None if it has not ended within `most` octets: no more are read.
    """
    part = octets[:most]
    if VOCABULARY.has_room_for(part.decode("utf-8", "ignore")):
        return _head(part, limits, last, whole=part == octets)
    return apart(lambda: _head(part, limits, last, whole=part == octets))


def _head(part: bytes, limits: Limits, last: str, *, whole: bool) -> etree._Element | None:
    parser = _parser(huge=len(part) > _HUGE)
    counts = Counts(limits, last)
    for start in range(0, len(part), _HEAD_PIECE):
        parser.feed(part[start : start + _HEAD_PIECE])
        counts.take(parser)
        if counts.reached is not None:
            return counts.reached.getparent()
    return parser.close() if whole else None


def _text(data: bytes) -> str:
    """Return the document's text, its encoding settled; raise Malformed if that is not allowed or not true.

    Of a long text only what is ASCII is right, which is all that its markup is made of: see `_decoded`.
    """
    if not data.strip():
        raise Malformed("parse.empty")
    marked = next(((mark, codec) for mark, codec in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    if marked is None:
        head = data[:_LONGEST_DECLARATION].decode("latin-1")
        match = _DECLARATION.match(head)
        if match is None and _DECLARED.match(head):
            # The parser would read on: it must not obey an encoding that nobody looked at here.
            raise _no_declaration()
        declared = ((match and match["encoding"]) or "utf-8").lower()
        mark, codec = b"", _CODECS.get(declared, "")
        if b"\x00" in data[:2]:  # UTF-16 or UTF-32 without a mark
            raise Malformed("parse.encoding", facts={"encoding": "UTF-16/UTF-32"})
        if not codec:
            raise Malformed("parse.encoding", facts={"encoding": declared})
    else:
        mark, codec = marked
    try:
        text = _decoded(data[len(mark) :], codec)
    except UnicodeDecodeError as error:
        raise Malformed(
            "parse.not-in-encoding", place=f"byte {len(mark) + error.start}", facts={"encoding": codec}
        ) from None
    if text.startswith("\x00"):  # the mark of little-endian UTF-32 begins with that of UTF-16
        raise Malformed("parse.encoding", facts={"encoding": "UTF-32"})
    if _DECLARED.match(text):
        _check_declaration(text, codec if mark else "")
    return text


def _decoded(data: bytes, codec: str) -> str:
    """Return the text; raise UnicodeDecodeError.

    A long one that is not ASCII would take several times its own size, and time with it.  Its encoding is proven
    piece by piece; then each octet is taken for a letter, for in these encodings ASCII is never a part of another.
    """
    if len(data) <= _HUGE or codec.startswith("utf-16"):
        return data.decode(codec)
    if not data.isascii():
        decoder = getincrementaldecoder(codec)()
        try:
            for start in range(0, len(data), _PIECE):
                decoder.decode(data[start : start + _PIECE])
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return data.decode(codec)  # it fails again, and tells the place in the whole
    return data.decode("latin-1")


def _no_declaration() -> Malformed:
    return Malformed("parse.malformed", place="line 1", facts={"reason": "the XML declaration is not well formed"})


def _check_declaration(text: str, marked: str) -> None:
    """Raise Malformed if the XML declaration is not one, or contradicts the byte order mark."""
    match = _DECLARATION.match(text)
    if match is None:
        raise _no_declaration()
    if match["version"] != "1.0":
        raise Malformed("parse.version", place="line 1", facts={"version": match["version"]})
    declared = (match["encoding"] or "").lower()
    if marked and declared and declared != marked.removesuffix("-le").removesuffix("-be"):
        raise Malformed("parse.encoding-contradiction", place="line 1", facts={"encoding": declared, "mark": marked})


def _refuse_dtd(text: str) -> None:
    """Raise Malformed if a DOCTYPE follows the prolog: before the parser could obey it."""
    prolog = _PROLOG.match(text)
    if prolog is not None and text.startswith("<!DOCTYPE", prolog.end()):
        raise Malformed("parse.dtd", place=f"line {text.count(chr(10), 0, prolog.end()) + 1}")


def _cap_markup(text: str, limits: Limits) -> None:
    """Raise TooLarge if the tree would take more memory than a form ever needs, told without building it."""
    opened, equals = text.count("<"), text.count("=")
    if opened + equals > limits.markup:
        raise TooLarge("parse.too-much-markup", facts={"limit": str(limits.markup)})
    # Two letters are sought three times as slowly as one, and most of what is long is text.
    if opened > limits.remarks and text.count("<!") + text.count("<?") > limits.remarks:
        raise TooLarge("parse.too-many-remarks", facts={"limit": str(limits.remarks)})
    if opened > limits.elements and len(text) > _HUGE:  # a short one is soon counted, and then its line is told
        _cap_elements(text, limits)
    if equals > _CROWD:
        # A single tag is parsed in one go, so nothing can be counted inside it: look for quoted values that
        # follow one another in a tag.  Possessive and never past a "<": one pass over the text.
        most = limits.attributes + limits.namespaces
        crowded = re.compile(rf"""<[^<>"'!?/]++[^<>"']*+(?:(?:"[^"<]*+"|'[^'<]*+')[^<>"']*+){{{most + 1}}}""")
        if crowded.search(text):
            raise TooLarge("parse.too-many-attributes", facts={"limit": str(limits.attributes)})
    if equals > limits.declarations and text.count("xmlns") > limits.declarations:
        raise TooLarge("parse.too-much-namespacing", facts={"limit": str(limits.declarations)})


def _cap_elements(text: str, limits: Limits) -> None:
    """Raise TooLarge if there are too many elements, as far as their ends can be told from the text alone.

    Which is as far as nothing stands in it that could hold a "</" that ends nothing: behind a comment, an instruction
    or CDATA, elements are counted when they are there.
    """
    ended, start = 0, text.find("?>") if _DECLARED.match(text) else 0
    while start < len(text):
        piece = text[start : start + _LOOK]
        if "<!" in piece or "<?" in piece:
            return
        ended += piece.count("</")
        if ended > limits.elements:
            raise TooLarge("parse.too-many-elements", facts={"limit": str(limits.elements)})
        start += _LOOK - 1 if piece.endswith("<") else _LOOK
    # What ends in its own tag ("/>") is not told: in a value, it ends nothing.


def _parser(*, counted: bool = True, huge: bool) -> etree.XMLPullParser:
    return etree.XMLPullParser(
        events=("start-ns", "start", "end") if counted else (),
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        collect_ids=False,
        recover=False,
        huge_tree=huge,
    )


def _tree(data: bytes, limits: Limits) -> etree._Element:
    """Parse piece by piece, counting; raise Malformed or TooLarge."""
    # Only behind our own caps, and never where a DTD could hide: with it libxml2 stops counting entities.
    parser = _parser(huge=len(data) > _HUGE and b"<!DOCTYPE" not in data)
    counts = Counts(limits)
    try:
        for start in range(0, len(data), _PIECE):
            parser.feed(data[start : start + _PIECE])
            counts.take(parser)
        root: etree._Element = parser.close()
        counts.take(parser)
    except etree.XMLSyntaxError as error:
        counts.take(parser)  # over a cap *and* broken: the cap is what the sender should hear of
        raise _broken(parser, error) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Malformed("parse.dtd")
    outside = chain(root.itersiblings(preceding=True), root.itersiblings())
    if next(islice(outside, limits.outside, None), None) is not None:
        raise TooLarge("parse.too-much-outside", facts={"limit": str(limits.outside)})
    return root


def _broken(parser: etree.XMLPullParser, error: etree.XMLSyntaxError) -> Malformed | Unavailable:
    """Say what the parser found first; if it found nothing, the fault is not the document's."""
    for entry in parser.feed_error_log:
        if entry.type != etree.ErrorTypes.ERR_NO_MEMORY:
            place = f"line {entry.line}, column {entry.column}"
            return Malformed("parse.malformed", place=place, facts={"reason": entry.message.strip()})
    return Unavailable(f"the parser gave up: {error.code}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parse:
    """The stage."""

    limits: Limits

    def __call__(self, envelope: Envelope) -> Document:
        """Read the payload and find the element that claims to be a form.

        It is the root; or, if the root is a `ds:Signature`, the element that it envelopes.  A signature that
        envelopes no element (Base64, a detached one, several) is itself given as the form: no catalogue has such
        a form, so validate refuses it, and verify says in its own words what is wrong with the shape.
        """
        root = read(envelope.payload, self.limits)
        return Document(envelope=envelope, root=root, form=_form(root))


def _form(root: etree._Element) -> etree._Element:
    """Return the root, or the one element that a root signature holds in its one `ds:Object` for content.

    What an Object says of its encoding is for people (XMLDSig 1.1 §4.5), and "UTF-8" is common; but one that says to be
    Base64 would be decoded by whoever believes it.
    """
    if root.tag != f"{{{DS}}}Signature":
        return root
    contents = enveloped(root)
    if len(contents) != 1 or contents[0].get("Encoding") == BASE64:
        return root
    held = contents[0]
    elements = list(held.iterchildren(etree.Element))
    stray = (held.text or "") + "".join(child.tail or "" for child in held)
    return elements[0] if len(elements) == 1 and not stray.strip() else root


def enveloped(signature: etree._Element) -> list[etree._Element]:
    """Return the `ds:Object`s of a signature that are there for content, not to tell about the signature."""
    return [held for held in signature.iterchildren(f"{{{DS}}}Object") if not _is_about_the_signature(held)]


def _is_about_the_signature(held: etree._Element) -> bool:
    """Whether a `ds:Object` holds XAdES properties, a manifest or signature properties, and nothing else."""
    namespaces = [etree.QName(child).namespace or "" for child in held.iterchildren(etree.Element)]
    return bool(namespaces) and all(name == DS or name.startswith(XADES) for name in namespaces)
