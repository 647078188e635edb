"""What stage route says: refusals (400), what it notes without refusing (420), and why a row was not taken (440)."""

from __future__ import annotations

from broker.texts.text import Text

_BOX_PL = "Adres skrytki ma postać /urząd/skrytka; wielkość liter ma znaczenie."
_BOX_EN = "A box address looks like /office/box; upper and lower case differ."
_ADDRESS_PL = "Proszę podać adres skrytki w kopercie (AdresSkrytki)."
_ADDRESS_EN = "Name the box in the envelope (AdresSkrytki)."

TEXTS: dict[str, Text] = {
    "route.unknown-box": Text(
        number=400,
        pl="Nie ma skrytki {box}.",
        en="There is no box {box}.",
        hint_pl=_BOX_PL,
        hint_en=_BOX_EN,
    ),
    "route.unknown-ade": Text(
        number=401,
        pl="Adres do doręczeń elektronicznych {ade} nie prowadzi do żadnego urzędu.",
        en="The e-delivery address {ade} leads to no office.",
        hint_pl=_ADDRESS_PL,
        hint_en=_ADDRESS_EN,
    ),
    "route.no-row": Text(
        number=402,
        pl="Ani koperta, ani adresat w formularzu {form} nie wskazuje urzędu, do którego dokument ma trafić.",
        en="Neither the envelope nor the addressee in the form {form} tells which office is meant.",
        hint_pl=_ADDRESS_PL,
        hint_en=_ADDRESS_EN,
    ),
    "route.several-offices": Text(
        number=403,
        pl="Formularz wymienia jako adresatów różne urzędy ({offices}), a koperta nie mówi, o który chodzi.",
        en="The form is addressed to several offices ({offices}), and the envelope does not say which is meant.",
        hint_pl="Proszę wysłać dokument do każdego urzędu osobno, podając jego skrytkę w kopercie.",
        hint_en="Send the document to each office by itself, with its box in the envelope.",
    ),
    "route.addressee-differs": Text(
        number=420,
        pl="REGON lub NIP adresata w formularzu wskazuje inny urząd niż koperta; dokument idzie za kopertą.",
        en="The addressee's REGON or NIP in the form names another office than the envelope; the envelope is followed.",
    ),
    "route.addressee-unknown": Text(
        number=421,
        pl="Tablica tras nie zna żadnego numeru REGON ani NIP adresata podanego w formularzu.",
        en="The routing table knows none of the addressee's REGON and NIP numbers in the form.",
    ),
    "route.ade-differs": Text(
        number=422,
        pl="Adres do doręczeń elektronicznych w kopercie wskazuje inny urząd niż skrytka; dokument idzie do skrytki.",
        en="The e-delivery address in the envelope names another office than the box; the box is followed.",
    ),
    "route.row-matched": Text(number=440, pl="ten wiersz rozstrzygnął", en="this row decided"),
    "route.row-outranked": Text(
        number=441,
        pl="pasuje, ale inny wiersz jest ważniejszy lub dokładniejszy",
        en="matches, but another row comes first or is more specific",
    ),
    "route.row-conflicts": Text(
        number=442,
        pl="pasuje, ale wiersze innych adresatów prowadzą do innych urzędów",
        en="matches, but rows of other addressees lead to other offices",
    ),
    "route.row-not-asked": Text(
        number=443,
        pl="ani koperta, ani formularz nie podaje takiego klucza",
        en="neither envelope nor form gives a key of this kind",
    ),
    "route.row-other-key": Text(number=444, pl="dotyczy innego klucza", en="is about another key"),
    "route.row-other-form": Text(number=445, pl="dotyczy innego formularza", en="is about another form"),
    "route.row-not-yet": Text(number=446, pl="jeszcze nie obowiązuje", en="is not in force yet"),
    "route.row-no-longer": Text(number=447, pl="już nie obowiązuje", en="is no longer in force"),
    "route.row-not-reached": Text(
        number=448,
        pl="koperta podaje skrytkę lub adres do doręczeń i tylko to rozstrzyga",
        en="the envelope names a box or an e-delivery address, and that alone decides",
    ),
}
