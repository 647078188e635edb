"""What stage validate says when it says no."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "validate.unknown-form": Text(
        number=200,
        pl="W katalogu nie ma formularza o elemencie głównym „{root}” z przestrzeni nazw {namespace}.",
        en='The catalogue has no form with the root element "{root}" of namespace {namespace}.',
        hint_pl="Proszę sprawdzić wersję wzoru; przestrzeń nazw musi się zgadzać co do znaku, łącznie z końcowym ukośnikiem.",
        hint_en="Check the form's version; the namespace must agree to the letter, the trailing slash included.",
    ),
    "validate.invalid": Text(
        number=201,
        pl="Dokument nie jest zgodny ze schematem formularza {form} (błędów: {count}). Pierwszy: {first}",
        en="The document does not obey the schema of form {form} (faults: {count}). The first: {first}",
        hint_pl="Proszę poprawić wskazane miejsca; podpisany dokument trzeba podpisać na nowo.",
        hint_en="Correct the places given; a signed document must be signed anew.",
    ),
    "validate.enveloped-base64": Text(
        number=202,
        pl="Podpis otacza formularz zakodowany w Base64, a nie formularz XML.",
        en="The signature envelopes a form encoded in Base64 rather than a form in XML.",
        hint_pl="Proszę podpisać formularz podpisem otoczonym (enveloped) albo otaczającym z formularzem jako XML, bez kodowania treści w Base64 w programie podpisującym.",
        hint_en="Sign the form by an enveloped signature, or by an enveloping one with the form in it as XML: have the signing program put the content in without Base64.",
    ),
    "validate.no-form-in-signature": Text(
        number=203,
        pl="Elementem głównym jest podpis, który nie zawiera żadnego formularza.",
        en="The root element is a signature that holds no form.",
        hint_pl="Podpis zewnętrzny (detached) nie jest obsługiwany; formularz i podpis muszą być jednym dokumentem.",
        hint_en="A detached signature is not supported; form and signature must be one document.",
    ),
    "validate.comment-in-value": Text(
        number=204,
        pl="Wewnątrz wartości stoi komentarz XML: część programów odczytałaby tylko to, co jest przed nim.",
        en="An XML comment stands inside a value: some programs would read only what is before it.",
        hint_pl="Proszę usunąć komentarz; podpis go nie obejmuje, więc dokumentu nie trzeba podpisywać na nowo.",
        hint_en="Remove the comment; no signature covers it, so the document need not be signed anew.",
    ),
    "validate.several-contents": Text(
        number=205,
        pl="Podpis, który jest elementem głównym, otacza więcej niż jeden formularz: {contents}.",
        en="The signature that is the root element envelopes more than one form: {contents}.",
        hint_pl="Podpis otaczający musi zawierać w jednym elemencie ds:Object sam formularz, bez tekstu i innych elementów obok; załączniki należą do formularza, a każdy formularz wysyła się osobno.",
        hint_en="An enveloping signature must hold, in one ds:Object, the form alone, without text or other elements beside it; attachments belong into the form, and each form is sent on its own.",
    ),
    "validate.cdata-in-value": Text(
        number=206,
        pl="Sekcja CDATA jest tylko częścią wartości: część programów odczytałaby tylko to, co stoi przed nią, albo tylko ją.",
        en="A CDATA section is only a part of a value: some programs would read only what is before it, or only the section.",
        hint_pl="Proszę zapisać całą wartość w jednej sekcji albo wcale bez sekcji, ze znakami „<” i „&” zapisanymi jako odwołania (lt, amp); podpis obejmuje treść, a nie jej zapis, więc dokumentu nie trzeba podpisywać na nowo.",
        hint_en='Write the whole value in one section, or without any, with "<" and "&" as references (lt, amp); a signature covers the text and not its spelling, so the document need not be signed anew.',
    ),
    "validate.signature-in-signature": Text(
        number=207,
        pl="Podpis, który jest elementem głównym, zawiera w ds:Object inny podpis zamiast formularza.",
        en="The signature that is the root element holds another signature in its ds:Object, and not a form.",
        hint_pl="Podpis otaczający nie może otaczać drugiego podpisu otaczającego; kolejne osoby podpisują formularz podpisem otoczonym (enveloped) albo kontrasygnatą.",
        hint_en="An enveloping signature cannot envelope another one; let others sign the form by enveloped signatures, or countersign.",
    ),
}
