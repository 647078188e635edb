"""What stage parse says when it says no."""

from __future__ import annotations

from broker.texts.text import Text

_SMALLER_PL = "Proszę przesłać mniejszy dokument, a duże załączniki podać jako odnośniki (kodowanie „URI”)."
_SMALLER_EN = 'Send a smaller document, and give large attachments as links (kodowanie "URI").'
_PLAIN_PL = "Formularz tej budowy nie wymaga takiej konstrukcji; proszę sprawdzić program, który go utworzył."
_PLAIN_EN = "No form needs a construction like this; check the program that made it."

TEXTS: dict[str, Text] = {
    "parse.malformed": Text(
        number=100,
        pl="Dokument nie jest poprawnym dokumentem XML: {reason}.",
        en="The document is not well-formed XML: {reason}.",
        hint_pl="Proszę otworzyć dokument w edytorze XML we wskazanym miejscu; podpisany dokument trzeba podpisać na nowo.",
        hint_en="Open the document in an XML editor at the place given; a signed document must be signed anew.",
    ),
    "parse.empty": Text(
        number=101,
        pl="Dokument jest pusty.",
        en="The document is empty.",
        hint_pl="Proszę sprawdzić, czy plik został w całości odczytany przed wysłaniem.",
        hint_en="Check that the file was read completely before it was sent.",
    ),
    "parse.dtd": Text(
        number=102,
        pl="Dokument zawiera deklarację typu (DOCTYPE), która jest niedozwolona.",
        en="The document has a document type declaration (DOCTYPE), which is not allowed.",
        hint_pl="Proszę usunąć deklarację DOCTYPE i podpisać dokument na nowo.",
        hint_en="Remove the DOCTYPE declaration and sign the document anew.",
    ),
    "parse.encoding": Text(
        number=103,
        pl="Kodowanie znaków dokumentu ({encoding}) nie jest obsługiwane.",
        en="The document's character encoding ({encoding}) is not supported.",
        hint_pl="Dozwolone są: UTF-8, UTF-16 ze znacznikiem kolejności bajtów, ISO-8859-2, windows-1250.",
        hint_en="Allowed are UTF-8, UTF-16 with a byte order mark, ISO-8859-2 and windows-1250.",
    ),
    "parse.encoding-contradiction": Text(
        number=104,
        pl="Znacznik kolejności bajtów ({mark}) i deklaracja XML ({encoding}) podają różne kodowania.",
        en="The byte order mark ({mark}) and the XML declaration ({encoding}) name different encodings.",
        hint_pl="Proszę zapisać dokument w kodowaniu UTF-8 i podpisać go na nowo.",
        hint_en="Save the document as UTF-8 and sign it anew.",
    ),
    "parse.not-in-encoding": Text(
        number=105,
        pl="Dokument zawiera bajty, które nie są znakami w jego kodowaniu ({encoding}).",
        en="The document has bytes that are no characters in its encoding ({encoding}).",
        hint_pl="Zapewne dokument zapisano w innym kodowaniu, niż podaje jego deklaracja XML.",
        hint_en="The document was probably saved in another encoding than its XML declaration says.",
    ),
    "parse.version": Text(
        number=106,
        pl="Wersja XML {version} nie jest obsługiwana.",
        en="XML version {version} is not supported.",
        hint_pl="Dozwolona jest wersja 1.0.",
        hint_en="Version 1.0 is allowed.",
    ),
    "parse.too-large": Text(
        number=110,
        pl="Dokument ma {size} bajtów; dozwolone jest {limit}.",
        en="The document has {size} bytes; {limit} are allowed.",
        hint_pl=_SMALLER_PL,
        hint_en=_SMALLER_EN,
    ),
    "parse.too-deep": Text(
        number=111,
        pl="Elementy dokumentu są zagnieżdżone głębiej niż {limit} poziomów.",
        en="The document's elements are nested deeper than {limit} levels.",
        hint_pl=_PLAIN_PL,
        hint_en=_PLAIN_EN,
    ),
    "parse.too-many-elements": Text(
        number=112,
        pl="Dokument ma więcej niż {limit} elementów.",
        en="The document has more than {limit} elements.",
        hint_pl=_SMALLER_PL,
        hint_en=_SMALLER_EN,
    ),
    "parse.too-many-attributes": Text(
        number=113,
        pl="Element dokumentu ma więcej niż {limit} atrybutów.",
        en="An element of the document has more than {limit} attributes.",
        hint_pl=_PLAIN_PL,
        hint_en=_PLAIN_EN,
    ),
    "parse.too-many-namespaces": Text(
        number=114,
        pl="W jednym miejscu dokumentu obowiązuje więcej niż {limit} przestrzeni nazw.",
        en="More than {limit} namespaces are in scope at one place of the document.",
        hint_pl="Proszę zadeklarować przestrzenie nazw raz, w elemencie głównym, i tylko te, które są używane.",
        hint_en="Declare namespaces once, on the root element, and only those that are used.",
    ),
    "parse.too-much-namespacing": Text(
        number=115,
        pl="Deklaracje przestrzeni nazw są w dokumencie powtarzane zbyt często.",
        en="The document repeats namespace declarations too often.",
        hint_pl="Proszę zadeklarować przestrzenie nazw raz, w elemencie głównym, i tylko te, które są używane.",
        hint_en="Declare namespaces once, on the root element, and only those that are used.",
    ),
    "parse.too-much-markup": Text(
        number=116,
        pl="Dokument zawiera zbyt wiele znaczników (ponad {limit} znaków „<” i „=”).",
        en='The document has too much markup (over {limit} signs "<" and "=").',
        hint_pl=_SMALLER_PL,
        hint_en=_SMALLER_EN,
    ),
    "parse.too-much-outside": Text(
        number=117,
        pl="Poza elementem głównym dokumentu stoi ponad {limit} komentarzy lub instrukcji przetwarzania.",
        en="There are over {limit} comments or processing instructions outside the root element of the document.",
        hint_pl="Proszę usunąć komentarze i instrukcje sprzed elementu głównego i zza niego, a potem podpisać dokument.",
        hint_en="Remove the comments and instructions before and after the root element, then sign the document.",
    ),
    "parse.too-many-remarks": Text(
        number=118,
        pl="Dokument ma ponad {limit} komentarzy, instrukcji przetwarzania i sekcji CDATA.",
        en="The document has over {limit} comments, processing instructions and CDATA sections.",
        hint_pl="Proszę usunąć komentarze i instrukcje, a tekst wpisać bez sekcji CDATA, i dopiero wtedy podpisać.",
        hint_en="Remove comments and instructions, write text without CDATA sections, and only then sign.",
    ),
}
