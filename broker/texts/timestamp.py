"""What is said about a time-stamp that does not hold (numbers 1130–1139); the codes are stage verify's."""

from __future__ import annotations

from broker.texts.text import Text

_AUTHORITY_PL = "Proszę pobrać znacznik czasu na nowo albo od innego urzędu znacznika czasu."
_AUTHORITY_EN = "Get the time-stamp anew, or from another time-stamping authority."

TEXTS: dict[str, Text] = {
    "verify.timestamp-unreadable": Text(
        number=1130,
        pl="Znacznik czasu nie jest poprawnym tokenem RFC 3161.",
        en="The time-stamp is no well-formed token of RFC 3161.",
        hint_pl=_AUTHORITY_PL,
        hint_en=_AUTHORITY_EN,
    ),
    "verify.timestamp-imprint": Text(
        number=1131,
        pl="Znacznik czasu dotyczy innych danych: skrót się nie zgadza.",
        en="The time-stamp is for other data: the digest differs.",
        hint_pl=_AUTHORITY_PL,
        hint_en=_AUTHORITY_EN,
    ),
    "verify.timestamp-signature": Text(
        number=1132,
        pl="Podpis urzędu pod znacznikiem czasu się nie zgadza.",
        en="The authority's signature under the time-stamp does not hold.",
        hint_pl=_AUTHORITY_PL,
        hint_en=_AUTHORITY_EN,
    ),
    "verify.timestamp-usage": Text(
        number=1133,
        pl="Certyfikat pod znacznikiem czasu nie służy (wyłącznie) do znakowania czasem.",
        en="The certificate under the time-stamp is not one for time-stamping, and for that alone.",
        hint_pl=_AUTHORITY_PL,
        hint_en=_AUTHORITY_EN,
    ),
    "verify.timestamp-untrusted": Text(
        number=1134,
        pl="Certyfikat pod znacznikiem czasu nie prowadzi do zaufanego urzędu albo nie był wtedy ważny.",
        en="The certificate under the time-stamp leads to no trusted authority, or was not valid at that moment.",
        hint_pl="Proszę sprawdzić, czy podano certyfikat urzędu znacznika czasu jako zaufany.",
        hint_en="Make sure that the time-stamping authority's certificate was named as trusted.",
    ),
    "verify.timestamp-algorithm": Text(
        number=1135,
        pl="Znacznik czasu używa algorytmu, który nie jest przyjmowany.",
        en="The time-stamp uses an algorithm that is not taken.",
        hint_pl="Przyjmowane są RSA i ECDSA ze skrótem SHA-256, SHA-384 lub SHA-512.",
        hint_en="RSA and ECDSA with SHA-256, SHA-384 or SHA-512 are taken.",
    ),
    "verify.timestamp-future": Text(
        number=1136,
        pl="Znacznik czasu nosi chwilę, która jeszcze nie nadeszła.",
        en="The time-stamp bears a moment that is still to come.",
        hint_pl="Proszę sprawdzić zegary: systemu albo urzędu znacznika czasu.",
        hint_en="Check the clocks: the system's, or the time-stamping authority's.",
    ),
    "verify.timestamp-too-many": Text(
        number=1139,
        pl="Podpis ma więcej znaczników czasu, niż się sprawdza; kolejne pominięto.",
        en="The signature has more time-stamps than are judged; the others were passed over.",
        hint_pl=_AUTHORITY_PL,
        hint_en=_AUTHORITY_EN,
    ),
}
