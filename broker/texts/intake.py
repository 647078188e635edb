"""What intake itself says, before any stage."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "intake.reused-id": Text(
        number=600,
        pl="Ten identyfikator komunikatu został już użyty dla innego dokumentu.",
        en="This message id was used before, for another document.",
        hint_pl="Powtórzenie musi zawierać te same bajty i tę samą skrytkę; nowy dokument wymaga nowego identyfikatora.",
        hint_en="A repeat must carry the same bytes to the same box; a new document needs a new id.",
    ),
    "intake.replayed": Text(
        number=601,
        pl="Ten właśnie komunikat, o tym samym podpisie i czasie, już przyszedł: ktoś go powtórzył.",
        en="This very message, with the same signature and time, came before: somebody has repeated it.",
        hint_pl="Ponowienie wysyłki wymaga nowego znacznika czasu i podpisu komunikatu; dokument zostanie rozpoznany i dostanie to samo poświadczenie.",
        hint_en="To send again, give the message a new timestamp and signature; the document will be recognised and get the same receipt.",
    ),
}
