"""Who signed: from the certificate's subject, or from what the platform of podpis zaufany claims (DOMAIN §5).

Nothing here decides whether a claim is believed: that is for `signature.py`, where the anchor is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree

from broker.evidence import Identity

# What a number is called, and the number, which stands somewhere behind: two searches, for one would try every name
# with every number that does not follow.
_PESEL: Final = re.compile("PNOPL|PESEL"), re.compile(r"(?<![0-9])[0-9]{11}(?![0-9])")
_NIP: Final = re.compile("TINPL|NIP"), re.compile(r"(?<![0-9])[0-9]{10}(?![0-9])")
_ORGANISATION_NIP: Final = re.compile("VATPL"), _NIP[1]

_NEW: Final = "{http://crd.gov.pl/xml/schematy/podpis_zaufany/}"
_OLD: Final = "{http://crd.gov.pl/xml/schematy/ppzp/}"
_PERSON: Final = "{http://crd.gov.pl/xml/schematy/osoba/2009/03/06/}"


def from_subject(subject: x509.Name) -> Identity:
    """Return whom a certificate was issued to."""

    def values(oid: x509.ObjectIdentifier) -> Iterable[str]:
        for attribute in subject.get_attributes_for_oid(oid):
            yield attribute.value if isinstance(attribute.value, str) else attribute.value.decode("latin-1")

    def text(oid: x509.ObjectIdentifier) -> str:
        return " ".join(values(oid))

    serial = text(NameOID.SERIAL_NUMBER)
    return Identity(
        source="certificate",
        common_name=text(NameOID.COMMON_NAME),
        given_names=text(NameOID.GIVEN_NAME),
        family_name=text(NameOID.SURNAME),
        pesel=_found(_PESEL, serial),
        nip=_found(_NIP, serial) or _found(_ORGANISATION_NIP, text(NameOID.ORGANIZATION_IDENTIFIER)),
        organisation=text(NameOID.ORGANIZATION_NAME),
        country=text(NameOID.COUNTRY_NAME),
    )


def _found(pattern: tuple[re.Pattern[str], re.Pattern[str]], text: str) -> str:
    name, number = pattern
    called = name.search(text)
    match = number.search(text, called.end()) if called else None
    return match[0] if match else ""


def claimed(roles: Iterable[etree._Element]) -> Identity | None:
    """Return the one natural person whom the `ClaimedRole` elements name, in the new form or the old.

    None if they name nobody, or more than one: then it cannot be told who signed.
    """
    found = (person for role in roles for child in role.iterchildren(etree.Element) for person in _people(child))
    people = list(islice(found, 2))  # a second is one too many, and each that is read costs as much as it holds
    one = people[0] if len(people) == 1 else None
    return one if one and (one.pesel or one.family_name) else None


def _people(claim: etree._Element) -> Iterable[Identity]:
    if claim.tag == f"{_NEW}EPSignature":
        for person in claim.iterchildren(f"{_NEW}NaturalPerson"):
            yield _identity(
                given=_texts(person, f"{_NEW}FirstName") + _texts(person, f"{_NEW}SecondName"),
                family=_texts(person, f"{_NEW}CurrentFamilyName"),
                pesel=_texts(person, f"{_NEW}PersonalIdentifier"),
                born=_texts(person, f"{_NEW}DateOfBirth"),
            )
    elif claim.tag == f"{_OLD}PodpisZP":
        for person in claim.iter(f"{_OLD}DaneZPOsobyFizycznej"):
            yield _identity(
                given=_texts(person, f"{_PERSON}Imie") + _texts(person, f"{_PERSON}ImieDrugie"),
                family=_texts(person, f"{_PERSON}Nazwisko"),
                pesel=_texts(person, f"{_PERSON}PESEL"),
                born=_texts(person, f"{_PERSON}DataUrodzenia"),
            )


def _identity(*, given: list[str], family: list[str], pesel: list[str], born: list[str]) -> Identity:
    names = " ".join(given), " ".join(family)
    return Identity(
        source="claimed-role",
        common_name=" ".join(name for name in names if name),
        given_names=names[0],
        family_name=names[1],
        pesel=pesel[0] if len(pesel) == 1 else "",
        date_of_birth=born[0] if len(born) == 1 else "",
    )


def _texts(above: etree._Element, tag: str) -> list[str]:
    """Return the text of each such element below; an element that holds more than text says nothing."""
    texts = ((element.text or "").strip() for element in above.iter(tag) if len(element) == 0)
    return [text for text in texts if text]
