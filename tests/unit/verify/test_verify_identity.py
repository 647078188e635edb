"""Whom a subject and a claim name: which number, which words, and when nobody at all."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree

from broker.evidence import Identity
from broker.verify.identity import claimed, from_subject

NEW = "http://crd.gov.pl/xml/schematy/podpis_zaufany/"
OLD = "http://crd.gov.pl/xml/schematy/ppzp/"
PERSON = "http://crd.gov.pl/xml/schematy/osoba/2009/03/06/"


def subject(*parts):
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def test_every_part_of_a_subject_has_its_place():
    name = subject(
        (NameOID.COUNTRY_NAME, "PL"),
        (NameOID.COMMON_NAME, "Jan Testowy"),
        (NameOID.GIVEN_NAME, "Jan"),
        (NameOID.SURNAME, "Testowy"),
        (NameOID.ORGANIZATION_NAME, "Urząd"),
        (NameOID.ORGANIZATION_IDENTIFIER, "VATPL-5250000009"),
        (NameOID.SERIAL_NUMBER, "PNOPL-90010100016"),
    )
    assert from_subject(name) == Identity(
        source="certificate",
        common_name="Jan Testowy",
        given_names="Jan",
        family_name="Testowy",
        pesel="90010100016",
        nip="5250000009",
        organisation="Urząd",
        country="PL",
    )


def test_values_of_one_kind_are_told_together():
    name = subject(*((NameOID.COMMON_NAME, it) for it in ("A", "B", "C")))
    assert from_subject(name).common_name == "A B C"


@pytest.mark.parametrize(
    ("serial", "pesel", "nip"),
    [
        ("90010100016 PNOPL-85022800027", "85022800027", ""),
        ("85022800027 PESEL", "", ""),
        ("PESEL 90010100016 85022800027", "90010100016", ""),
        ("TINPL-5250000009", "", "5250000009"),
        ("NIP: 5250000009", "", "5250000009"),
        ("5250000009 NIP", "", ""),
        ("PESEL 90010100016, NIP 5250000009", "90010100016", "5250000009"),
    ],
)
def test_a_number_stands_behind_its_name(serial, pesel, nip):
    found = from_subject(subject((NameOID.SERIAL_NUMBER, serial)))
    assert (found.pesel, found.nip) == (pesel, nip)


def test_a_serial_number_says_more_than_the_organisation():
    name = subject((NameOID.SERIAL_NUMBER, "TINPL-5250000009"), (NameOID.ORGANIZATION_IDENTIFIER, "VATPL-1111111111"))
    assert from_subject(name).nip == "5250000009"


def roles(*claims):
    return [etree.fromstring(f"<role>{claim}</role>") for claim in claims]


def new(**parts):
    inside = "".join(f"<p:{name}>{text}</p:{name}>" for name, text in parts.items())
    return f'<p:EPSignature xmlns:p="{NEW}"><p:NaturalPerson>{inside}</p:NaturalPerson></p:EPSignature>'


def old(**parts):
    inside = "".join(f"<o:{name}>{text}</o:{name}>" for name, text in parts.items())
    return (
        f'<z:PodpisZP xmlns:z="{OLD}" xmlns:o="{PERSON}"><z:DaneZP>'
        f"<z:DaneZPOsobyFizycznej>{inside}</z:DaneZPOsobyFizycznej></z:DaneZP></z:PodpisZP>"
    )


JAN = Identity(
    source="claimed-role",
    common_name="JAN ADAM TESTOWY",
    given_names="JAN ADAM",
    family_name="TESTOWY",
    pesel="90010100016",
    date_of_birth="1990-01-01",
)


def test_a_claim_of_either_form_names_the_same_person():
    assert (
        claimed(
            roles(
                new(
                    FirstName="JAN",
                    SecondName="ADAM",
                    CurrentFamilyName="TESTOWY",
                    PersonalIdentifier="90010100016",
                    DateOfBirth="1990-01-01",
                )
            )
        )
        == claimed(
            roles(
                old(
                    Imie=" JAN\n",
                    ImieDrugie="ADAM",
                    Nazwisko="TESTOWY",
                    PESEL="90010100016",
                    DataUrodzenia="1990-01-01",
                )
            )
        )
        == JAN
    )


def test_a_number_or_a_family_name_is_enough_and_a_first_name_is_not():
    assert claimed(roles(new(PersonalIdentifier="90010100016"))) == Identity(source="claimed-role", pesel="90010100016")
    assert claimed(roles(new(CurrentFamilyName="TESTOWY"))).common_name == "TESTOWY"
    assert claimed(roles(new(FirstName="JAN"))) is None


@pytest.mark.parametrize(
    "claims",
    [
        (),
        ("words",),
        (new(PersonalIdentifier="90010100016"), new(PersonalIdentifier="90010100016")),
        (new(PersonalIdentifier="90010100016") + old(PESEL="90010100016"),),
        (f"<other>{new(PersonalIdentifier='90010100016')}</other>",),
        ("<!-- a comment -->",),
    ],
)
def test_nobody_or_two_are_nobody(claims):
    assert claimed(roles(*claims)) is None


def test_names_of_several_parts_are_told_together_and_empty_ones_left_out():
    several = new(FirstName="", CurrentFamilyName="TESTOWA").replace(
        "</p:NaturalPerson>",
        "<p:SecondName>ANNA</p:SecondName><p:SecondName>EWA</p:SecondName>"
        "<p:CurrentFamilyName>PRÓBNA</p:CurrentFamilyName></p:NaturalPerson>",
    )
    one = claimed(roles(several))
    assert (one.given_names, one.family_name) == ("ANNA EWA", "TESTOWA PRÓBNA")
    assert one.common_name == "ANNA EWA TESTOWA PRÓBNA"


def test_a_second_person_is_one_too_many_and_a_third_is_not_even_read():
    def endless():
        yield from roles(new(PersonalIdentifier="90010100016"), new(PersonalIdentifier="85022800027"))
        raise AssertionError("read on")

    assert claimed(endless()) is None


def test_a_part_that_is_said_twice_or_holds_more_than_text_says_nothing():
    twice = new(PersonalIdentifier="90010100016", CurrentFamilyName="T").replace(
        "</p:NaturalPerson>",
        "<p:PersonalIdentifier>85022800027</p:PersonalIdentifier><p:DateOfBirth>1</p:DateOfBirth>"
        "<p:DateOfBirth>2</p:DateOfBirth></p:NaturalPerson>",
    )
    one = claimed(roles(twice))
    assert (one.pesel, one.date_of_birth, one.family_name) == ("", "", "T")
    inside = new(PersonalIdentifier="90010100016<x/>", CurrentFamilyName="T", FirstName=" ")
    assert claimed(roles(inside)) == Identity(source="claimed-role", common_name="T", family_name="T")
    commented = new(PersonalIdentifier="9001<!-- -->0100016", CurrentFamilyName="T")
    assert claimed(roles(commented)).pesel == ""
