"""The objects of the SOAP dialect that Polish document systems speak: namespace `ob:`, children unqualified.

Read from trees, written as text (see `adapters/wire/soap.py` for why).  Names, types and order are those of the
public ePUAP interface (DOMAIN §4); `DaneDodatkowe` carries a small XML document without a namespace.
On input the children are also taken when a client qualified them: nothing else could be meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from adapters.wire.base64_text import decode, encode
from adapters.wire.mtom import XOP_INCLUDE, Parts
from adapters.wire.soap import WHITE, elements, escape, name_of, text_of
from broker.errors import Malformed
from broker.parse import Limits
from broker.parse import read as read_xml

NS = "http://wsdl.epuap.gov.pl/obiekty/"
EXT = "http://wsdl.epuap.gov.pl/obiekty/ext/"
DOCUMENT = f"{{{NS}}}Dokument"
ANY_DOCUMENT = f"{{{EXT}}}Dokument"
SUCCESS = 1  # status/kod

EXTRAS_LIMITS = Limits(payload=65_536, depth=10, elements=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A `DokumentTyp`: a file's name, its media type (may be empty), its bytes."""

    name: str
    media_type: str = ""
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An `OdpowiedzSkrytki` or `OdpowiedzOdbiorcy` that was read; empty where nothing was said."""

    code: int
    message: str
    document: str = ""  # identyfikatorDokumentu
    receipt: str = ""  # identyfikatorUpp
    attachment: File | None = None

    @property
    def success(self) -> bool:
        """Whether the far side has taken the document."""
        return self.code == SUCCESS


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def binary(element: etree._Element, parts: Parts) -> bytes:
    """Return the bytes of a base64Binary element: its text, or the part that its `xop:Include` stands for.

    A part's bytes are taken as they are.  Raises Malformed (`soap.base64`, `soap.part`, `soap.value`).
    """
    inside = elements(element)
    if [child.tag for child in inside] != [XOP_INCLUDE]:
        return decode(text_of(element), place=name_of(element))
    if (element.text or "").strip(WHITE) or (inside[0].tail or "").strip(WHITE):
        raise Malformed("soap.part", place=name_of(element))
    return parts.take(inside[0])


def children(element: etree._Element, allowed: frozenset[str]) -> Mapping[str, etree._Element]:
    """Return an object's children by name; raise Malformed (`soap.object`) at one unknown or given twice."""
    found: dict[str, etree._Element] = {}
    for child in elements(element):
        name = etree.QName(child)
        if name.localname not in allowed or name.localname in found or name.namespace not in {None, NS}:
            known = name.localname if name.localname in allowed else "*"  # a place stands in logs, and names are theirs
            raise Malformed("soap.object", place=f"{name_of(element)}/{known}")
        found[name.localname] = child
    return found


_FILE = frozenset({"nazwaPliku", "typPliku", "zawartosc"})
_STATUS = frozenset({"kod", "komunikat"})
_ANSWER = frozenset({"status", "identyfikatorDokumentu", "identyfikatorUpp", "statusOdbiorcy", "zalacznik"})


def read_file(element: etree._Element, parts: Parts) -> File:
    """Read a `DokumentTyp`, its content byte for byte; raise Malformed if it is none."""
    found = children(element, _FILE)
    if "zawartosc" not in found:
        raise Malformed("soap.object", place=f"{name_of(element)}/zawartosc")
    return File(
        name=_text(found, "nazwaPliku"),
        media_type=_text(found, "typPliku"),
        content=binary(found["zawartosc"], parts),
    )


def read_answer(element: etree._Element, parts: Parts) -> Answer:
    """Read what a box (`OdpowiedzSkrytki`) or a receiver (`OdpowiedzOdbiorcy`) answered; raise Malformed."""
    found = children(element, _ANSWER)
    if "status" not in found:
        raise Malformed("soap.object", place=f"{name_of(element)}/status")
    code, message = _status(found["status"])
    return Answer(
        code=code,
        message=message,
        document=_text(found, "identyfikatorDokumentu"),
        receipt=_text(found, "identyfikatorUpp"),
        attachment=read_file(found["zalacznik"], parts) if "zalacznik" in found else None,
    )


def read_exception(detail: etree._Element | None) -> tuple[int, str] | None:
    """Return (kod, komunikat) of the `ob:Wyjatek` in a fault's detail, or None if there is none to read."""
    found = None if detail is None else detail.find(f"{{{NS}}}Wyjatek")
    try:
        return None if found is None else _status(found)
    except Malformed:
        return None


def read_extras(content: bytes) -> Mapping[str, str]:
    """Return what `DaneDodatkowe` says: text by element name; of several of one name the last counts.

    The interface allows additional data of any kind, so what does not look like XML says nothing.  Raises
    Malformed or TooLarge if it looks like XML and is none that may be read.
    """
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return texts(read_xml(content, EXTRAS_LIMITS)) if start == b"<" else {}


def texts(root: etree._Element) -> Mapping[str, str]:
    """Return the text of every leaf at or below `root`, by local name, white space around it removed."""
    return {name_of(leaf): text_of(leaf).strip(WHITE) for leaf in root.iter(etree.Element) if not elements(leaf)}


def _text(found: Mapping[str, etree._Element], name: str) -> str:
    return text_of(found[name]).strip(WHITE) if name in found else ""


def _status(element: etree._Element) -> tuple[int, str]:
    found = children(element, _STATUS)
    try:
        return int(_text(found, "kod")), _text(found, "komunikat")
    except ValueError:
        raise Malformed("soap.object", place=f"{name_of(element)}/kod") from None


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────


def element(name: str, content: bytes) -> bytes:
    """Return `<ob:name>` around ready XML, its prefix declared on itself."""
    tag = name.encode()
    return b'<ob:%s xmlns:ob="%s">%s</ob:%s>' % (tag, NS.encode(), content, tag)


def child(name: str, text: str) -> bytes:
    """Return an unqualified child holding text."""
    tag = name.encode()
    return b"<%s>%s</%s>" % (tag, escape(text), tag)


def write_file(file: File) -> bytes:
    """Return the children of a `DokumentTyp`, in order."""
    kind = child("typPliku", file.media_type) if file.media_type else b""
    return b"".join((child("nazwaPliku", file.name), kind, b"<zawartosc>", encode(file.content), b"</zawartosc>"))


def write_status(code: int, message: str) -> bytes:
    """Return the children of a `StatusTyp` (or `WyjatekTyp`), in order."""
    return child("kod", str(code)) + child("komunikat", message)


def write_exception(code: int, message: str) -> bytes:
    """Return the `ob:Wyjatek` for a fault's detail."""
    return element("Wyjatek", write_status(code, message))


def write_box_answer(answer: Answer) -> bytes:
    """Return an `ob:OdpowiedzSkrytki`."""
    return element(
        "OdpowiedzSkrytki",
        b"".join(
            (
                b"<status>" + write_status(answer.code, answer.message) + b"</status>",
                child("identyfikatorDokumentu", answer.document),
                child("identyfikatorUpp", answer.receipt) if answer.receipt else b"",
                _attachment(answer),
            )
        ),
    )


def write_receiver_answer(answer: Answer) -> bytes:
    """Return an `ob:OdpowiedzOdbiorcy`."""
    status = b"<status>" + write_status(answer.code, answer.message) + b"</status>"
    return element("OdpowiedzOdbiorcy", status + _attachment(answer))


def write_extras(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the XML that goes, as Base64, into `DaneDodatkowe`: one element a pair, in their order.

    The reader's rule is that the last `IdentyfikatorDokumentu` counts: put it at the end.
    """
    inside = b"".join(child(name, value) for name, value in pairs)
    return b"<DaneDodatkowe>" + inside + b"</DaneDodatkowe>"


def _attachment(answer: Answer) -> bytes:
    return b"<zalacznik>" + write_file(answer.attachment) + b"</zalacznik>" if answer.attachment else b""
