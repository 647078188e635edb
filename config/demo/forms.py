"""Forms that residents and offices send in the demo, unsigned: every kind, in every style, with attachments.

Everything follows from the seed, so a form can be made again, octet for octet.  The persons are those of `people.py`.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from broker.read import INST, META, OSO, STR
from config.demo.markup import Element, Style, write
from config.demo.offices import DemoOffice
from config.demo.parties import ADR, address, institution, resident
from config.demo.people import Person, person

_OWN = "http://epuap.gov.pl/fe-model-web/wzor_lokalny/goniec"
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_DAYS_TO_SUPPLEMENT = 7


class Kind(StrEnum):
    """The forms of the catalogue, by key."""

    LETTER_1410 = "pismo-ogolne/1410"
    LETTER_4566 = "pismo-ogolne/4566"
    ENTRY = "wpis-do-ewidencji/1"
    CERTIFICATE = "zaswiadczenie/1"
    QUESTION = "pytanie/1"
    CALL = "wezwanie/1"
    DECISION = "decyzja/1"

    @property
    def namespace(self) -> str:
        """The namespace of the form's root."""
        crd = {Kind.LETTER_1410: "2013/12/12/1410", Kind.LETTER_4566: "2017/10/24/4566"}
        return f"http://crd.gov.pl/wzor/{crd[self]}/" if self in crd else f"{_OWN}/{self}/"

    @property
    def reply(self) -> bool:
        """Whether an office sends it to a resident, and not the other way round."""
        return self in (Kind.CALL, Kind.DECISION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file inside a form."""

    name: str
    content: bytes
    mime: str = "text/plain"
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Who writes to whom, about what, when."""

    kind: Kind
    office: DemoOffice
    resident: Person
    seed: int
    at: datetime = _NOON
    attachments: tuple[Attachment, ...] = ()
    case: str = ""  # the office's case number
    answers: str = ""  # the submission that a reply is about


def form(
    kind: Kind,
    office: DemoOffice,
    seed: int,
    *,
    style: Style | None = None,
    attachments: Sequence[Attachment] | None = None,
    case: str = "",
    answers: str = "",
    at: datetime = _NOON,
    mark: bool = False,
) -> bytes:
    """Return a form between the office and the resident `person(seed)`, in UTF-8, unsigned.

    Style and attachments follow from the seed unless given; `mark` puts a byte order mark first.
    """
    chosen = some_attachments(seed) if attachments is None else tuple(attachments)
    occasion = Occasion(
        kind=kind,
        office=office,
        resident=person(seed),
        seed=seed,
        at=at,
        attachments=chosen,
        case=case,
        answers=answers,
    )
    prefixes = {STR: "str", META: "meta", OSO: "oso", INST: "inst", ADR: "adr", kind.namespace: "wnio"}
    styles = tuple(Style)
    return write(_document(occasion), style or styles[seed % len(styles)], prefixes, mark=mark)


def some_attachments(seed: int) -> tuple[Attachment, ...]:
    """Return none to two files; the trailing newlines of the text are there to be lost by whoever trims."""
    dice = random.Random(f"attachments {seed}")  # noqa: S311 - to be made again, not to be secret
    text = Attachment(
        name="załącznik & opis.txt",
        content=f"Załącznik próbny nr {seed}.\r\nKoniec.\n\n\n".encode(),
        about='Opis <prób> & "cudzysłowów"',
    )
    scan = Attachment(name="skan.bin", content=dice.randbytes(600) + b"\n\n", mime="application/octet-stream")
    return (text, scan)[: seed % 3]


def _document(it: Occasion) -> Element:
    own = it.kind.namespace
    return Element(
        own,
        "Dokument",
        [
            Element(own, "OpisDokumentu", _about(it)),
            Element(own, "DaneDokumentu", _parties(it)),
            Element(
                own,
                "TrescDokumentu",
                [*_BODIES[it.kind](it), *_attached(it.attachments)],
                {"format": "text/xml", "kodowanie": "XML"},
            ),
        ],
    )


def _about(it: Occasion) -> list[Element]:
    return [
        _moment("stworzony", it.at),
        _identifier("Identyfikator dokumentu", f"TEST-{it.seed:06}"),
        Element(META, "RodzajDokumentu", [Element(META, "Kategoria", "Pismo")]),
        Element(META, "Jezyk", "polski", {"kodJezyka": "pol"}),
    ]


def _parties(it: Occasion) -> list[Element]:
    names = {
        Kind.ENTRY: "Wniosek o wpis",
        Kind.CERTIFICATE: "Wniosek o zaświadczenie",
        Kind.QUESTION: "Pytanie",
        Kind.CALL: "Wezwanie",
        Kind.DECISION: "Decyzja",
    }
    case = [_identifier("Znak sprawy", it.case)] if it.case else []
    one, other = institution(it.office), resident(it.resident, it.office)
    to, by = (other, one) if it.kind.reply else (one, other)
    return [
        Element(STR, "Naglowek", [Element(STR, "NazwaDokumentu", names.get(it.kind, "Pismo ogólne")), *case]),
        _moment("opublikowany", it.at),
        Element(STR, "Adresaci", [to]),
        Element(STR, "Nadawcy", [by]),
    ]


def _letter(it: Occasion) -> list[Element]:
    return [
        _own(it, "MiejscowoscDokumentu", it.office.town),
        _own(it, "Tytul", f"Pismo próbne nr {it.seed}: naprawa oświetlenia przy ul. Przykładowej"),
        _own(it, "RodzajWnioskuRozszerzony", "Wniosek", {"rodzaj": "inne_pismo", "jakiInny": "pismo próbne"}),
        _own(
            it,
            "Informacje",
            [
                _own(
                    it, "Informacja", "Od tygodnia nie świecą latarnie nr 5 & 7; było < 3 zgłoszeń.\nProszę o naprawę."
                ),
                _own(it, "Informacja", "Zażółć gęślą jaźń – to zdanie sprawdza polskie litery. "),
            ],
        ),
        _own(it, "Oswiadczenia", [_own(it, "Oswiadczenie", "Oświadczam, że jest to dokument próbny.")]),
        _own(it, "Podpis", it.resident.name),
    ]


def _entry(it: Occasion) -> list[Element]:
    starts = date(2026, 2, 1) + timedelta(days=it.seed % 300)
    return [
        _own(it, "RodzajWpisu", ("wpis", "zmiana", "zawieszenie", "wznowienie", "wykreslenie")[it.seed % 5]),
        _own(it, "Firma", f"Zakład Próbny „Test {it.seed}” {it.resident.name}"),
        _own(it, "DataRozpoczecia", starts.isoformat()),
        _own(
            it, "KodyPKD", [_own(it, "KodPKD", code) for code in ("62.01.Z", "63.11.Z", "95.11.Z")[: 1 + it.seed % 3]]
        ),
        _own(it, "MiejsceWykonywania", [address(it.office.town, 100 + it.seed % 100)]),
        _own(it, "Oswiadczenie", "Oświadczam, że dane są próbne."),
    ]


def _certificate(it: Occasion) -> list[Element]:
    paid = [
        _own(it, "Kwota", f"{17 + it.seed % 3}.00"),
        _own(it, "DataWplaty", it.at.date().isoformat()),
        _own(it, "NumerRachunku", f"{it.seed:026}"),
        _own(it, "NumerTransakcji", f"TEST/{it.seed}"),
    ]
    freed = _own(it, "ZwolnienieZOplaty", "zwolnienie próbne")
    return [
        _own(it, "RodzajZaswiadczenia", "o niezaleganiu w podatkach"),
        _own(it, "Cel", "do celów próbnych"),
        _own(it, "LiczbaEgzemplarzy", str(1 + it.seed % 4)),
        freed if it.seed % 4 == 0 else _own(it, "Oplata", paid),
    ]


def _question(it: Occasion) -> list[Element]:
    return [
        _own(it, "Temat", f"Pytanie próbne nr {it.seed}"),
        _own(it, "Pytanie", "Czy formularz można wysłać bez podpisu, jeśli to tylko pytanie?"),
    ]


def _call(it: Occasion) -> list[Element]:
    return [
        *_about_case(it),
        _own(it, "Braki", [_own(it, "Brak", "dowód wpłaty"), _own(it, "Brak", "adres do korespondencji")]),
        _own(it, "TerminDni", str(_DAYS_TO_SUPPLEMENT)),
        _own(it, "Pouczenie", "Wniosek nieuzupełniony w terminie zostanie pozostawiony bez rozpoznania (próba)."),
    ]


def _decision(it: Occasion) -> list[Element]:
    return [
        *_about_case(it),
        _own(it, "DataWydania", it.at.date().isoformat()),
        _own(it, "PodstawaPrawna", "art. 104 Kodeksu postępowania administracyjnego"),
        _own(it, "Wynik", ("uwzgledniono", "uwzgledniono-w-czesci", "odmowiono", "umorzono")[it.seed % 4]),
        _own(it, "Rozstrzygniecie", "Rozstrzygnięcie próbne."),
        _own(it, "Uzasadnienie", "Uzasadnienie próbne."),
        _own(it, "Pouczenie", "Od dokumentu próbnego odwołania się nie wnosi."),
    ]


_BODIES: dict[Kind, Callable[[Occasion], list[Element]]] = {
    Kind.LETTER_1410: _letter,
    Kind.LETTER_4566: _letter,
    Kind.ENTRY: _entry,
    Kind.CERTIFICATE: _certificate,
    Kind.QUESTION: _question,
    Kind.CALL: _call,
    Kind.DECISION: _decision,
}


def _about_case(it: Occasion) -> list[Element]:
    about = [_own(it, "DotyczyDokumentu", it.answers)] if it.answers else []
    return [_own(it, "ZnakSprawy", it.case or f"TEST.{it.seed}.2026"), *about]


def _own(
    it: Occasion, name: str, content: str | Sequence[Element], attributes: dict[str, str] | None = None
) -> Element:
    """Return an element in the form's own namespace."""
    return Element(it.kind.namespace, name, content, attributes or {})


def _moment(kind: str, at: datetime) -> Element:
    return Element(META, "Data", [Element(META, "Czas", at.isoformat().replace("+00:00", "Z"))], {"typDaty": kind})


def _identifier(kind: str, value: str) -> Element:
    return Element(META, "Identyfikator", [Element(META, "Wartosc", value)], {"typIdentyfikatora": kind})


def _attached(attachments: Sequence[Attachment]) -> list[Element]:
    if not attachments:
        return []
    return [Element(STR, "Zalaczniki", [_attachment(each) for each in attachments])]


def _attachment(file: Attachment) -> Element:
    about = [Element(STR, "OpisZalacznika", file.about)] if file.about else []
    # In lines of 76 characters with a newline at the end, as MIME encoders write it.
    data = Element(STR, "DaneZalacznika", base64.encodebytes(file.content).decode())
    return Element(
        STR, "Zalacznik", [data, *about], {"format": file.mime, "kodowanie": "base64", "nazwaPliku": file.name}
    )
