"""What the demo plays with: offices with sound keys, tables that load, forms that are valid and nobody's."""

from __future__ import annotations

import base64
import csv
from collections import Counter
from pathlib import Path

import pytest

from broker.model import FormKey
from broker.parse import Limits, read
from broker.read import STR
from config.demo.forms import Attachment, Kind, form, some_attachments
from config.demo.markup import Style
from config.demo.offices import boxes_csv, offices, routing_csv
from config.demo.people import person
from config.sources import load_catalogue
from routing import keys
from routing.load import load
from routing.table import unknown_forms
from schemas.catalogue import FormCatalogue

ROOT = Path(__file__).resolve().parents[2]
REGISTER = ROOT.parent / "shared" / "data" / "teryt" / "slaskie_offices.csv"
CIESZYN = offices()[0]


@pytest.fixture(scope="module")
def forms() -> FormCatalogue:
    return load_catalogue()


def test_there_are_as_many_offices_of_each_kind_as_in_the_regional_exchange() -> None:
    count = Counter("gmina" if office.kind.startswith("gmina_") else office.kind for office in offices())
    assert count == {"wojewodztwo": 1, "powiat_grodzki": 10, "powiat_ziemski": 7, "gmina": 36}
    assert len(offices()) == 54


def test_cieszyn_is_the_one_office_whose_keys_are_real() -> None:
    assert (CIESZYN.teryt, CIESZYN.nip, CIESZYN.regon, CIESZYN.box) == (
        "2403011",
        "5480018504",
        "000515709",
        "/u390efc0tm/SEKAP",
    )
    assert CIESZYN.synthetic == {"ade"}
    assert all(office.synthetic == {"nip", "regon", "ade", "box"} for office in offices()[1:])


@pytest.mark.parametrize("key", ["nip", "regon", "ade", "box", "teryt"])
def test_every_key_is_sound_and_no_two_offices_share_one(key: str) -> None:
    values = [getattr(office, key) for office in offices()]
    assert [keys.CHECKS[key](value) for value in values] == [keys.SOUND] * 54
    assert len(set(values)) == 54


def test_made_up_keys_can_be_told_from_real_ones() -> None:
    for office in offices()[1:]:
        assert office.nip.startswith("000")
        assert office.ade.startswith("AE:PL-00000-")
        assert office.box.startswith("/demo-")


if REGISTER.exists():

    def test_codes_kinds_and_names_are_those_of_the_register() -> None:
        with REGISTER.open(encoding="utf-8") as file:
            register = {row["teryt"]: row for row in csv.DictReader(file, delimiter=";")}
        for office in offices():
            assert register[office.teryt] == {"teryt": office.teryt, "level": office.kind, "name": office.unit}


def test_the_example_tables_are_those_of_all_offices() -> None:
    example = ROOT / "config" / "example"
    assert (example / "boxes.csv").read_bytes() == boxes_csv(offices())
    assert (example / "routing.csv").read_bytes() == routing_csv(offices())


@pytest.mark.parametrize("few", [1, 2, 12, 54])
def test_the_tables_of_any_number_of_offices_load_without_a_doubt(few: int) -> None:
    table = load(boxes_csv(offices()[:few]), routing_csv(offices()[:few]))
    assert table.warnings == ()
    assert list(table.offices) == [office.id for office in offices()[:few]]


def test_the_tables_know_only_forms_of_the_catalogue(forms: FormCatalogue) -> None:
    table = load(boxes_csv(offices()), routing_csv(offices()))
    assert unknown_forms(table, [form.key for form in forms.forms]) == []


@pytest.mark.parametrize("kind", Kind)
def test_every_form_of_every_seed_and_style_is_valid(kind: Kind, forms: FormCatalogue) -> None:
    for seed in range(30):
        for style in Style:
            root = read(form(kind, offices()[seed], seed, style=style), Limits())
            known = forms.find(kind.namespace, "Dokument")
            assert known is not None
            assert str(known.key) == kind
            assert root.tag == f"{{{kind.namespace}}}Dokument"
            assert forms.flaws(known, root) == ()


def test_every_form_of_the_catalogue_is_played(forms: FormCatalogue) -> None:
    assert {form.key for form in forms.forms} == {
        FormKey(name=kind.partition("/")[0], version=kind.partition("/")[2]) for kind in Kind
    }


def test_the_same_seed_makes_the_same_octets_and_another_makes_others() -> None:
    made = {kind: form(kind, CIESZYN, 8) for kind in Kind}
    assert made == {kind: form(kind, CIESZYN, 8) for kind in Kind}
    assert len({*made.values(), *(form(kind, CIESZYN, 11) for kind in Kind)}) == 2 * len(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_the_styles_differ_in_octets_and_agree_in_meaning(kind: Kind) -> None:
    made = [form(kind, CIESZYN, 5, style=style) for style in Style]
    assert len(set(made)) == len(Style)
    meanings = {
        tuple(
            (element.tag, (element.text or "").strip(), *element.attrib.items())
            for element in read(each, Limits()).iter("*")
        )
        for each in made
    }
    assert len(meanings) == 1


def test_a_style_redeclares_the_default_namespace_on_every_element() -> None:
    made = form(Kind.LETTER_4566, CIESZYN, 5, style=Style.DEFAULTED)
    assert made.count(b" xmlns=") == sum(1 for _ in read(made, Limits()).iter("*"))
    assert b" xmlns:" not in made


def test_the_other_styles_look_like_the_programs_they_imitate() -> None:
    assert b"<?xml-stylesheet " in form(Kind.LETTER_4566, CIESZYN, 5, style=Style.PREFIXED)
    assert b"<ns2:Dokument" in form(Kind.LETTER_4566, CIESZYN, 5, style=Style.NUMBERED)
    assert form(Kind.LETTER_4566, CIESZYN, 5, mark=True).startswith(b"\xef\xbb\xbf<?xml")


@pytest.mark.parametrize("style", Style)
def test_attachments_come_out_as_they_went_in_newlines_at_the_end_too(style: Style) -> None:
    files = [*some_attachments(5), Attachment(name="empty", content=b"")]
    assert any(each.content.endswith(b"\n\n") for each in files)
    root = read(form(Kind.CERTIFICATE, CIESZYN, 5, style=style, attachments=files), Limits())
    found = list(root.iter(f"{{{STR}}}Zalacznik"))
    assert [each.get("nazwaPliku") for each in found] == [each.name for each in files]
    texts = [each.findtext(f"{{{STR}}}DaneZalacznika") or "" for each in found]
    assert [base64.b64decode(text) for text in texts] == [each.content for each in files]
    assert texts[0].endswith("\n")


def test_the_residents_of_a_demo_have_sound_numbers_of_their_own_and_can_be_nobody() -> None:
    people = [person(seed) for seed in range(10_000)]
    assert all(keys.pesel(each.pesel) == keys.SOUND for each in people)
    assert all(keys.birth(each.pesel) == each.born for each in people)
    assert min(each.born.year for each in people) > 2200
    assert len({each.pesel for each in people}) == len(people)
    assert all("Test" in each.family_name for each in people)
