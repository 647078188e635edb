"""What the check of an evidence container says (numbers 850-879)."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "container.zip": Text(
        number=850,
        pl="To nie jest kontener ASiC-E: pliku nie da się odczytać jako archiwum ZIP, które może nim być.",
        en="This is no ASiC-E container: the file cannot be read as a ZIP that could be one.",
        hint_pl="Proszę pobrać kontener ponownie; częsta przyczyna to przerwany transfer.",
        hint_en="Get the container again; a transfer that broke off is a common cause.",
    ),
    "container.form": Text(
        number=851,
        pl="Pieczęć kontenera nie ma postaci, w jakiej nadaje ją Goniec.",
        en="The seal of the container does not have the form in which Goniec makes it.",
        hint_pl="Kontener innego wystawcy można sprawdzić dowolnym narzędziem do ASiC-E.",
        hint_en="A container of another maker can be checked with any tool for ASiC-E.",
    ),
    "container.seal": Text(
        number=852,
        pl="Pieczęć kontenera nie jest ważna albo nie da się tego stwierdzić.",
        en="The seal of the container does not hold, or it cannot be told whether it does.",
        hint_pl="Powód podaje kod obok; proszę sprawdzić, czy podano właściwe certyfikaty zaufania.",
        hint_en="The code beside it names the reason; make sure that the right trust anchors were given.",
    ),
    "container.stamp": Text(
        number=853,
        pl="Znacznik czasu kontenera nie jest ważny albo nie da się tego stwierdzić.",
        en="The time-stamp of the container does not hold, or it cannot be told whether it does.",
        hint_pl="Powód podaje kod obok.",
        hint_en="The code beside it names the reason.",
    ),
    "container.stamp-order": Text(
        number=854,
        pl="Znacznik czasu jest wcześniejszy niż pieczęć kontenera: któryś z zegarów chodził źle.",
        en="The time-stamp is older than the seal of the container: one of the clocks was wrong.",
    ),
    "container.missing": Text(
        number=855,
        pl="W kontenerze brakuje pliku, który obejmuje pieczęć.",
        en="A file that the seal covers is missing from the container.",
    ),
    "container.unsigned": Text(
        number=856,
        pl="W kontenerze jest plik, którego pieczęć nie obejmuje.",
        en="There is a file in the container that the seal does not cover.",
    ),
    "container.changed": Text(
        number=857,
        pl="Plik w kontenerze zmieniono po nadaniu pieczęci: skrót SHA-256 się nie zgadza.",
        en="A file in the container was changed after it was sealed: its SHA-256 digest differs.",
    ),
    "container.manifest": Text(
        number=858,
        pl="Spis plików kontenera albo jego typ nie zgadza się z tym, co obejmuje pieczęć.",
        en="The container's list of files, or its type, does not agree with what the seal covers.",
    ),
    "container.receipt": Text(
        number=859,
        pl="Poświadczenie w kontenerze nie dowodzi tego, co stwierdza, albo nie da się tego stwierdzić.",
        en="The receipt in the container does not prove what it says, or it cannot be told whether it does.",
        hint_pl="Powód podaje kod obok; samo poświadczenie sprawdza goniec receipt verify.",
        hint_en="The code beside it names the reason; goniec receipt verify checks the receipt alone.",
    ),
    "container.journal": Text(
        number=860,
        pl="Dowód z dziennika zdarzeń w kontenerze nie jest poprawny.",
        en="The proof from the journal in the container does not hold.",
    ),
    "container.rewritten": Text(
        number=870,
        pl="Pliki kontenera są nienaruszone, ale archiwum ZIP zapisano na nowo albo coś do niego dodano poza plikami.",
        en="The container's files are intact, but its ZIP was written anew, or something was added beside the files.",
    ),
    "container.stamp-not-judged": Text(
        number=871,
        pl="Kontener nosi znacznik czasu, którego nie oceniono: nie podano zaufanego urzędu znacznika czasu.",
        en="The container bears a time-stamp that was not judged: no time-stamping authority was named as trusted.",
    ),
    "container.no-document": Text(
        number=872,
        pl="Dokumentu nie ma w kontenerze: gdy go wydano, treść była już usunięta po upływie okresu przechowywania.",
        en="The document is not in the container: when it was made, content had been removed as its time was over.",
    ),
    "container.no-journal": Text(
        number=873,
        pl="W kontenerze nie ma dowodu z dziennika zdarzeń.",
        en="There is no proof from the journal in the container.",
    ),
    "container.journal-open": Text(
        number=874,
        pl="Dowód z dziennika jest niepełny: nie wszystkie zdarzenia były już w dzienniku albo nikt zaufany za nie nie ręczy.",
        en="The proof from the journal is not whole: not all events were chained yet, or nobody who is believed vouches.",
    ),
}
