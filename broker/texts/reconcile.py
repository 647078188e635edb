"""What a partner is told whose question about its own documents cannot be answered."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "reconcile.cursor": Text(
        number=880,
        pl="To nie jest kursor podany przez tę usługę.",
        en="This is no cursor that this service has given.",
        hint_pl="Proszę podać kursor z poprzedniej odpowiedzi bez zmian albo zacząć wykaz od nowa, bez kursora.",
        hint_en="Give the cursor of the answer before as it was, or begin the list anew without one.",
    ),
    "reconcile.digest": Text(
        number=881,
        pl="Skrót SHA-256 zapisuje się jako 64 cyfry szesnastkowe.",
        en="A SHA-256 digest is written as 64 hexadecimal digits.",
    ),
    "reconcile.many": Text(
        number=882,
        pl="Naraz można zapytać najwyżej o {limit} skrótów.",
        en="At most {limit} digests can be asked for at once.",
        hint_pl="Proszę podzielić pytanie na kilka.",
        hint_en="Ask several times.",
    ),
    "reconcile.receipt": Text(
        number=883,
        pl="Nadawca nie ma poświadczenia o tym identyfikatorze.",
        en="The sender has no receipt of this id.",
        hint_pl="Proszę wysłać dokument ponownie: jeżeli był przyjęty, odpowiedzią będzie wydane wtedy poświadczenie.",
        hint_en="Send the document again: if it was accepted, the answer is the receipt given then.",
    ),
    "reconcile.since": Text(
        number=884,
        pl="Chwila musi mieć postać xs:dateTime ze strefą, na przykład 2026-01-31T12:00:00Z.",
        en="The moment must be an xs:dateTime with its zone, like 2026-01-31T12:00:00Z.",
    ),
}
