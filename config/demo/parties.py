"""How the parties to a form stand in it: `meta:Podmiot` of the CRD modules (namespaces: broker/read.py)."""

from __future__ import annotations

from broker.read import INST, META, OSO
from config.demo.markup import Element
from config.demo.offices import DemoOffice
from config.demo.people import Person

ADR = "http://crd.gov.pl/xml/schematy/adres/2009/11/09/"


def institution(office: DemoOffice) -> Element:
    """Return an office as a party, with the keys that name it."""
    keys = [Element(INST, "NIP", office.nip), Element(INST, "REGON", office.regon)]
    about = [
        Element(INST, "NazwaInstytucji", office.name),
        address(office.town, 1),
        Element(INST, "IdInstytucji", keys),
    ]
    return Element(META, "Podmiot", [Element(INST, "Instytucja", about)], {"typPodmiotu": "Instytucja"})


def resident(who: Person, office: DemoOffice) -> Element:
    """Return a resident as a party, living in the town of an office."""
    second = [Element(OSO, "ImieDrugie", who.second_name)] if who.second_name else []
    about = [
        Element(OSO, "IdOsoby", [Element(OSO, "PESEL", who.pesel)]),
        Element(OSO, "Imie", who.given_name),
        *second,
        Element(OSO, "Nazwisko", who.family_name),
        address(office.town, 1 + int(who.pesel[6:9])),
        Element(ADR, "Kontakt", [Element(ADR, "Email", who.email)]),
    ]
    return Element(META, "Podmiot", [Element(OSO, "Osoba", about)], {"typPodmiotu": "Osoba"})


def address(town: str, building: int) -> Element:
    """Return an address in a street that no town has."""
    parts = {
        "KodPocztowy": "00-000",
        "Poczta": town,
        "Miejscowosc": town,
        "Ulica": "Przykładowa",
        "Budynek": str(building),
        "Kraj": "PL",
    }
    return Element(ADR, "Adres", [Element(ADR, name, value) for name, value in parts.items()])
