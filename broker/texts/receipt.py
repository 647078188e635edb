"""What the check of a receipt says (numbers 800-849)."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "receipt.schema": Text(
        number=800,
        pl="To nie jest poświadczenie UPO: dokument nie jest zgodny z jego schematem.",
        en="This is no official receipt (UPO): the document breaks its schema.",
    ),
    "receipt.unsealed": Text(
        number=801,
        pl="Poświadczenie nie jest opatrzone pieczęcią.",
        en="The receipt bears no seal.",
        hint_pl="Proszę pobrać poświadczenie ponownie; wydruk ani przepisana treść nie są dowodem.",
        hint_en="Get the receipt again; neither a print-out nor its copied text is evidence.",
    ),
    "receipt.seal": Text(
        number=802,
        pl="Pieczęć poświadczenia nie jest ważna albo nie da się tego stwierdzić.",
        en="The seal of the receipt does not hold, or it cannot be told whether it does.",
        hint_pl="Powód podaje raport z weryfikacji pieczęci; proszę sprawdzić, czy podano właściwe certyfikaty zaufania.",
        hint_en="The verification report names the reason; make sure that the right trust anchors were given.",
    ),
    "receipt.form": Text(
        number=803,
        pl="Pieczęć ma inną postać niż nadana przy wystawieniu: poświadczenie zostało zmienione.",
        en="The seal does not have the form in which it was issued: the receipt was changed.",
        hint_pl="Proszę pobrać poświadczenie ponownie i zachować je bez zmian.",
        hint_en="Get the receipt again and keep it untouched.",
    ),
    "receipt.other-document": Text(
        number=804,
        pl="Poświadczenie dotyczy innego dokumentu: skrót SHA-256 się nie zgadza.",
        en="The receipt is for another document: the SHA-256 digest differs.",
        hint_pl="Do porównania potrzebny jest plik dokładnie taki, jak wysłany, bajt po bajcie.",
        hint_en="The comparison needs the file exactly as it was sent, byte for byte.",
    ),
    "receipt.stamp": Text(
        number=805,
        pl="Znacznik czasu poświadczenia nie jest ważny albo nie da się tego stwierdzić.",
        en="The time-stamp of the receipt does not hold, or it cannot be told whether it does.",
        hint_pl="Powód podaje kod obok; samo poświadczenie, bez znacznika, można sprawdzić osobno.",
        hint_en="The code beside it names the reason; the receipt itself, without its time-stamp, can be checked alone.",
    ),
    "receipt.stamp-order": Text(
        number=806,
        pl="Znacznik czasu jest wcześniejszy niż poświadczenie: któryś z zegarów chodził źle.",
        en="The time-stamp is older than the receipt: one of the clocks was wrong.",
    ),
    "receipt.rewritten": Text(
        number=820,
        pl="Treść poświadczenia jest nienaruszona, ale plik zapisano na nowo: nie są to bajty wydane przez system.",
        en="The content of the receipt is intact, but the file was written anew: these are not the bytes that were issued.",
    ),
    "receipt.trial": Text(
        number=821,
        pl="To poświadczenie wysyłki próbnej: dokumentu nie doręczono.",
        en="This is the receipt of a trial: the document was delivered to nobody.",
    ),
    "receipt.test": Text(
        number=822,
        pl="Poświadczenie wystawiło środowisko testowe.",
        en="The receipt was issued by a test environment.",
    ),
    "receipt.stamp-not-judged": Text(
        number=823,
        pl="Poświadczenie nosi znacznik czasu, którego nie oceniono: nie podano zaufanego urzędu znacznika czasu.",
        en="The receipt bears a time-stamp that was not judged: no time-stamping authority was named as trusted.",
    ),
}
