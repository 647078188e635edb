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
    "intake.readmitted": Text(
        number=602,
        pl="Dokument przyjęto powtórnie, po utracie zapisów, pod poświadczeniem wydanym wtedy.",
        en="The document was taken back into custody, after records had been lost, under the receipt given then.",
    ),
    "intake.readmitted-unchecked": Text(
        number=603,
        pl="Dokument przyjęto powtórnie mimo odmowy jednego ze sprawdzeń: tak zdecydował operator.",
        en="The document was taken back although one of the stages refused it: an operator so decided.",
    ),
    "intake.readmit-copy": Text(
        number=604,
        pl="To jest kopia poświadczenia opatrzona znacznikiem czasu, nie samo poświadczenie.",
        en="This is the time-stamped copy of a receipt, not the receipt.",
        hint_pl="Potrzebne są bajty, które nadawca otrzymał przy przyjęciu dokumentu.",
        hint_en="What is needed are the bytes that the sender got when the document was taken in.",
    ),
    "intake.readmit-kind": Text(
        number=605,
        pl="To nie jest urzędowe poświadczenie przedłożenia, lecz {kind}.",
        en="This is no proof of submission (UPP), but {kind}.",
    ),
    "intake.readmit-environment": Text(
        number=606,
        pl="To poświadczenie wydano w innym środowisku (testowym albo produkcyjnym).",
        en="This receipt was given in another environment (test or production).",
    ),
    "intake.readmit-sender": Text(
        number=607,
        pl="Poświadczenie wydano komu innemu: {sender}.",
        en="The receipt was given to somebody else: {sender}.",
    ),
    "intake.readmit-addressee": Text(
        number=608,
        pl="Według poświadczenia adresatem jest {receipt}, a ta skrytka prowadzi do {routed}.",
        en="The receipt names {receipt} as the addressee, and this box leads to {routed}.",
        hint_pl="Skrytka musi być ta, którą podał nadawca: od niej zależy, czy adresat rozpozna powtórzenie.",
        hint_en="The box must be the one that the sender named: by it the addressee knows a repeat.",
    ),
    "intake.readmit-differs": Text(
        number=609,
        pl="Przesyłka {submission} już jest, ale od innego nadawcy, do innej skrytki ({box}) albo pod innym poświadczeniem.",
        en="Submission {submission} is there already, but from another sender, for another box ({box}) or under another receipt.",
    ),
    "intake.readmit-later": Text(
        number=610,
        pl="Ten sam dokument przyszedł ponownie jako {submission} i ma nowe poświadczenie {receipt}.",
        en="The same document has come again meanwhile, as {submission}, and has a new receipt {receipt}.",
        hint_pl="Nadawca ma dwa poświadczenia tego samego dokumentu; nowe jest w zapisach, oba są ważne, doręczenie jest jedno.",
        hint_en="The sender holds two receipts for one document; the new one is on record, both are good, the delivery is one.",
    ),
}
