"""README.txt of an evidence container: for somebody who has it before him and has never heard of Goniec.

First in Polish, then in English: what each file is, how to check it with tools that anybody can have, and what is not
in it, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from broker.ports import Record

# By how a file's name begins: what it is, in both languages.
_FILES: Final = {
    "document.xml": (
        "dokument, bajt po bajcie tak, jak wpłynął; jego podpisy są w nim",
        "the document, byte for byte as it came in; its signatures are in it",
    ),
    "receipt.xml": (
        "urzędowe poświadczenie przedłożenia (UPP) z pieczęcią elektroniczną",
        "the official proof of submission (UPP) under an electronic seal",
    ),
    "receipt-stamped.xml": ("to samo ze znacznikiem czasu (XAdES-T)", "the same with a time-stamp (XAdES-T)"),
    "late-": (
        "opieczętowany dowód, że coś nie stało się w terminie",
        "sealed evidence that something did not happen in time",
    ),
    "verification-report.": (
        "co w chwili wpływu ustalono o podpisach dokumentu (nazwy wyników wg ETSI EN 319 102-1)",
        "what was found about the document's signatures when it came in (verdicts as in ETSI EN 319 102-1)",
    ),
    "verification-report-later.": ("wynik ponownej oceny, jeśli była", "what judging again found, if it was"),
    "certificates/": (
        "seal.pem: pieczęci z poświadczenia; signature-N.pem: N-tego podpisu dokumentu; anchors.pem: komu ufano",
        "seal.pem: of the receipt's seal; signature-N.pem: of the document's Nth signature; anchors.pem: whom we trust",
    ),
    "revocation/": (
        "listy CRL i odpowiedzi OCSP; nazwa pliku to jego SHA-256, raport podaje ją jako digest",
        "revocation lists (CRL) and OCSP answers; a file's name is its SHA-256, which the report gives as digest",
    ),
    "submission.json": ("metadane przedłożenia", "what is known about the submission"),
    "deliveries.json": (
        "doręczenia do urzędu: stan, próby, znak nadany przez urząd, zdarzenia",
        "deliveries to the office: state, attempts, the office's reference, events",
    ),
    "journal-proof.json": (
        "dowód, że zdarzenia są w dzienniku, którego nie da się zmienić niezauważenie",
        "proof that the events are in a journal that cannot be changed unnoticed",
    ),
}

_HEAD: Final = (
    """KONTENER DOWODOWY (ASiC-E, ETSI EN 319 162-1)

Zawiera wszystko, co zachowano o jednym dokumencie elektronicznym przyjętym przez system Goniec.
Pieczęć w META-INF/signatures001.xml (XAdES) obejmuje każdy plik poza plikiem mimetype i katalogiem META-INF.
""",
    """EVIDENCE CONTAINER (ASiC-E, ETSI EN 319 162-1)

It holds all that is kept about one electronic document that the system Goniec took in.
The seal in META-INF/signatures001.xml (XAdES) covers every file but mimetype and those of META-INF.
""",
)

_UNPACKED: Final = "xmlsec1 --verify --trusted-pem CA.pem --id-attr:Id SignedProperties META-INF/signatures001.xml"
_XMLSEC: Final = (
    "xmlsec1 --verify --trusted-pem CA.pem --id-attr:Id SignedProperties --id-attr:Id KeyInfo receipt.xml\n"
    "   openssl dgst -sha256 -binary document.xml | base64"
)
_REVOCATION: Final = (
    "openssl crl -inform DER -text -in revocation/….crl\n   openssl ocsp -respin revocation/….ocsp -text -noverify"
)
_CHECKS: Final = (
    """Jak sprawdzić:
1. Cały kontener: dowolnym narzędziem do podpisów ASiC-E/XAdES, np. biblioteką DSS Komisji Europejskiej.
   Albo po rozpakowaniu (to zwykły plik ZIP), w katalogu z plikami:
   {unpacked}
   Certyfikat wystawcy pieczęci (CA.pem) należy uzyskać niezależnie od tego kontenera.
2. Poświadczenie i dokument (w poświadczeniu jest skrót SHA-256 dokumentu, zapisany w Base64):
   {xmlsec}
3. Odwołania certyfikatów:
   {revocation}
4. Mając program Goniec: goniec export check PLIK --ca CA.pem
""",
    """How to check it:
1. The whole container: with any tool for ASiC-E/XAdES signatures, for one the European Commission's library DSS.
   Or unpacked (it is a plain ZIP), in the folder of the files:
   {unpacked}
   Get the certificate of who issued the seal's (CA.pem) from elsewhere than from this container.
2. Receipt and document (the receipt has the document's SHA-256, written in Base64):
   {xmlsec}
3. Whether certificates were revoked:
   {revocation}
4. Who has the program Goniec: goniec export check FILE --ca CA.pem
""",
)

_NOT_HERE: Final = {
    "document.xml": (
        "dokumentu: usunięto go po upływie okresu przechowywania; poświadczenie zachowuje jego skrót",
        "the document: it was removed when its time was over; the receipt keeps its digest",
    ),
    "verification-report.json": ("raportu z weryfikacji: usunięto go z dokumentem", "the report: removed with it"),
    "journal-proof.json": ("dowodu z dziennika: nie ma go w tym systemie", "a proof from the journal: there is none"),
}
_GONE: Final = (
    "dowodu nieodwołania o skrócie {}: nie jest już przechowywany; raport mówi, co z niego wynikało",
    "the evidence on revocation with the digest {}: it is not kept any more; the report says what it showed",
)
_LATER: Final = (
    "{}: to dowód późniejszy niż ten, na którym oparto raport",
    "{}: this is later evidence than what the report was made from",
)


def readme(
    record: Record,
    *,
    present: Sequence[str],
    missing: Sequence[str],
    gone: Sequence[str],
    later: Sequence[str],
    maker: str,
    at: str,
) -> str:
    """Return the text.

    `present` are the files beside it, `missing` those that could not be made, `gone` the digests of evidence that is
    not kept, `later` the files of evidence that came after the report; `at` is the moment of the export.
    """
    it = record.submission
    about = (
        f"Przedłożenie {it.id}, poświadczenie {record.receipt.id}. Wydano {at}, {maker}.",
        f"Submission {it.id}, receipt {record.receipt.id}. Exported {at} by {maker}.",
    )
    parts = []
    for language, (files, absent) in enumerate((("Pliki:", "Czego tu nie ma:"), ("Files:", "What is not here:"))):
        notes = [_NOT_HERE[name][language] for name in missing]
        notes += [_GONE[language].format(digest) for digest in gone]
        notes += [_LATER[language].format(name) for name in later]
        lines = [_HEAD[language], about[language], "", files]
        for beginning, words in _FILES.items():
            found = [name for name in present if name.startswith(beginning)]
            if found:
                lines += [*(f"  {name}" for name in found), f"      {words[language]}"]
        lines += ["", _CHECKS[language].format(unpacked=_UNPACKED, xmlsec=_XMLSEC, revocation=_REVOCATION)]
        if notes:
            lines += [absent, *(f"- {note}" for note in notes), ""]
        parts.append("\n".join(lines))
    return ("-" * 78 + "\n\n").join(parts)
