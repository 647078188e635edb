"""What is said when a signer claims to have signed at a moment that cannot be."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "verify.signing-time-future": Text(
        number=1140,
        pl="Podpis podaje, że złożono go po tym, jak dokument wpłynął.",
        en="The signature says that it was made after the document came in.",
        hint_pl="Proszę sprawdzić zegar i strefę czasową programu do podpisu i podpisać ponownie.",
        hint_en="Check clock and time zone of the signing software, and sign again.",
    ),
    "verify.signing-time-old": Text(
        number=1141,
        pl="Podpis podaje, że złożono go dawniej, niż jest to dopuszczalne.",
        en="The signature says that it was made longer ago than is taken.",
        hint_pl="Proszę podpisać dokument ponownie.",
        hint_en="Sign the document again.",
    ),
}
