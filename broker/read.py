"""What a form says about itself: read out of its canonical content, by namespaces, never by prefixes (DOMAIN §3).

What must live here: the few places of a form that the broker understands.  Every form built from the CRD modules
has them in the same places (`DaneDokumentu`, `OpisDokumentu` and `TrescDokumentu` in the form's own namespace,
everything inside from the modules), so no form is named here.  What a form leaves out is an empty string: forms
differ, and whether one may leave a thing out is its schema's business.

The content is that of `Verified.content`: the octets that the signatures cover.  Text is taken as XPath's `string()`
takes it, so that a comment inside a value can hide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lxml import etree

from broker.parse import Limits, head, read

STR = "http://crd.gov.pl/xml/schematy/struktura/2009/11/16/"
META = "http://crd.gov.pl/xml/schematy/meta/2009/11/16/"
OSO = "http://crd.gov.pl/xml/schematy/osoba/2009/11/16/"
INST = "http://crd.gov.pl/xml/schematy/instytucja/2009/11/16/"

# Canonical XML spells out what a document may abbreviate: `<a/>` becomes two tags, `"` in a text node stays but a
# quote in an attribute becomes six octets.  What was within the caps as it came must not be over them now.
_SPELT_OUT = 8
_SAID = 1_000_000  # octets within which a form names its addressees; real ones do within some thousand


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An addressee or a sender: a person or an institution.  Personal data, so its repr tells nothing."""

    person: bool
    name: str = field(repr=False)
    nip: str = field(default="", repr=False)
    regon: str = field(default="", repr=False)
    krs: str = field(default="", repr=False)
    pesel: str = field(default="", repr=False)
    others: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # (typIdentyfikatora, value), e.g. ePUAP-ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the broker understands of a form."""

    addressees: tuple[Party, ...] = ()
    senders: tuple[Party, ...] = ()
    title: str = field(default="", repr=False)  # written by the sender, may tell of persons
    case: str = ""  # the office's case number
    document: str = ""  # the document's own identifier
    kind: str = ""  # meta:Kategoria
    name: str = ""  # str:NazwaDokumentu: what the form calls itself


def facts(content: bytes, limits: Limits) -> Facts:
    """Return what the form says about itself; content is one canonical form element.

    Raises Malformed or TooLarge as `broker.parse.read` does, which canonical content of a parsed document never is.
    """
    root = _root(content, limits)
    own = _namespace(root)
    about, data, body = (f"{{{own}}}{part}" for part in ("OpisDokumentu", "DaneDokumentu", "TrescDokumentu"))
    return Facts(
        addressees=tuple(_parties(root, "Adresaci")),
        senders=tuple(_parties(root, "Nadawcy")),
        title=_text(root, body, f"{{{own}}}Tytul") or _text(root, body, f"{{{own}}}Temat"),
        case=_text(root, data, f"{{{STR}}}Naglowek", f"{{{META}}}Identyfikator", f"{{{META}}}Wartosc")
        or _text(root, body, f"{{{own}}}ZnakSprawy"),
        document=_text(root, about, f"{{{META}}}Identyfikator", f"{{{META}}}Wartosc"),
        kind=_text(root, about, f"{{{META}}}RodzajDokumentu", f"{{{META}}}Kategoria"),
        name=_text(root, data, f"{{{STR}}}Naglowek", f"{{{STR}}}NazwaDokumentu"),
    )


def addressees(content: bytes, limits: Limits) -> tuple[Party, ...]:
    """Return only to whom the form is addressed; content and errors as for `facts`.

    No more is read than is needed, for this is asked of every document: a form that has not said within its first
    million octets to whom it goes, says it to nobody.
    """
    root = head(content, _roomier(limits), "DaneDokumentu", _SAID)
    return () if root is None else tuple(_parties(root, "Adresaci"))


def numbers_parties(content: bytes) -> bool:
    """Tell from the octets, before any parse, whether a party in this canonical content could bear a REGON or NIP.

    Canonical XML is UTF-8 and spells every element out as two tags without a space before `>`.
    """
    return b"REGON>" in content or b"NIP>" in content


def _root(content: bytes, limits: Limits) -> etree._Element:
    return read(content, _roomier(limits))


def _roomier(limits: Limits) -> Limits:
    return replace(
        limits,
        payload=limits.payload * _SPELT_OUT,
        markup=limits.markup * _SPELT_OUT,
        declarations=limits.declarations * _SPELT_OUT,
    )


def _namespace(element: etree._Element) -> str:
    return etree.QName(element).namespace or ""


def _parties(root: etree._Element, role: str) -> Iterator[Party]:
    data = f"{{{_namespace(root)}}}DaneDokumentu"
    for party in _all(root, data, f"{{{STR}}}{role}", f"{{{META}}}Podmiot"):
        for person in _all(party, f"{{{OSO}}}Osoba"):
            yield _person(person)
        for institution in _all(party, f"{{{INST}}}Instytucja"):
            yield _institution(institution)


def _person(person: etree._Element) -> Party:
    parts = ("Imie", "ImieDrugie", "Nazwisko")  # the last two may stand there several times
    names = [_string(name) for part in parts for name in _all(person, f"{{{OSO}}}{part}")]
    ids = f"{{{OSO}}}IdOsoby"
    return Party(
        person=True,
        name=" ".join(filter(None, names)),
        nip=_text(person, ids, f"{{{OSO}}}NIP"),
        pesel=_text(person, ids, f"{{{OSO}}}PESEL"),
        others=_others(person, ids, f"{{{OSO}}}InnyIdentyfikator"),
    )


def _institution(institution: etree._Element) -> Party:
    ids = f"{{{INST}}}IdInstytucji"
    return Party(
        person=False,
        name=_text(institution, f"{{{INST}}}NazwaInstytucji"),
        nip=_text(institution, ids, f"{{{INST}}}NIP"),
        regon=_text(institution, ids, f"{{{INST}}}REGON"),
        krs=_text(institution, ids, f"{{{INST}}}KRS"),
        others=_others(institution, ids, f"{{{INST}}}InnyIdentyfikator"),
    )


def _others(party: etree._Element, *path: str) -> tuple[tuple[str, str], ...]:
    return tuple((each.get("typIdentyfikatora", ""), _string(each)) for each in _all(party, *path))


def _all(element: etree._Element, *path: str) -> Iterator[etree._Element]:
    """Yield the elements at the end of a path of children, in document order."""
    if not path:
        yield element
        return
    for child in element.iterchildren(path[0]):
        yield from _all(child, *path[1:])


def _text(element: etree._Element, *path: str) -> str:
    """Return the text of the first element at the end of a path; empty if there is none."""
    return next(map(_string, _all(element, *path)), "")


def _string(element: etree._Element) -> str:
    """Return all the text within, comments and instructions left out, white space at the ends too."""
    parts = [element.text or ""]
    for child in element:
        parts += [_string(child) if isinstance(child.tag, str) else "", child.tail or ""]
    return "".join(parts).strip()
