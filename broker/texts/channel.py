"""What the channels say when a message cannot be read, or when the broker itself is at a loss."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "broker.unavailable": Text(
        number=900,
        pl="System chwilowo nie może przyjąć dokumentu. Dokument nie został przyjęty.",
        en="The system cannot take the document right now. The document was not accepted.",
        hint_pl="Proszę wysłać ten sam dokument ponownie; powtórzenie jest bezpieczne.",
        hint_en="Send the same document again; a repeat is safe.",
    ),
    "broker.internal": Text(
        number=901,
        pl="Wewnętrzny błąd systemu. Dokument nie został przyjęty.",
        en="Internal error. The document was not accepted.",
        hint_pl="Proszę wysłać ten sam dokument ponownie i podać operatorowi czas zdarzenia.",
        hint_en="Send the same document again, and tell the operator the time of the event.",
    ),
}
