"""Every example under `schemas/forms` gives the result in its name, for libxml2 and for xmlschema alike."""

import tomllib
from pathlib import Path

import pytest

from schemas.catalogue import load
from schemas.examine import examine, result
from schemas.form import read_form
from schemas.pins import PINS, pins_for
from schemas.xsd11 import Xsd11

SCHEMAS = Path(__file__).parents[2] / "schemas"
FILES = {
    path.relative_to(SCHEMAS).as_posix(): path.read_bytes() for path in sorted(SCHEMAS.rglob("*")) if path.is_file()
}
EXAMPLES = sorted(path for path in FILES if path.startswith("forms/") and "/examples/" in path)
FORMS = sorted(path for path in FILES if path.endswith("/form.toml"))


@pytest.fixture(scope="module")
def catalogue():
    return load(FILES)


@pytest.mark.parametrize("path", EXAMPLES)
def test_each_example_gives_the_result_in_its_name(catalogue, path):
    name = path.rpartition("/")[2]
    assert name.startswith(f"{result(catalogue, FILES[path])}-")


def test_the_folder_has_no_problem_and_both_validators_agree_on_every_example():
    assert examine(FILES) == []


@pytest.mark.parametrize("path", FORMS)
def test_each_form_has_an_example_that_is_ok_and_one_that_is_invalid(path):
    folder = path.removesuffix("form.toml") + "examples/"
    assert any(example.startswith(f"{folder}ok-") for example in EXAMPLES)
    assert any(example.startswith(f"{folder}invalid-") for example in EXAMPLES)


def test_the_pins_are_those_of_the_files():
    assert FILES[PINS] == pins_for(FILES)


def test_only_the_question_to_the_help_desk_needs_no_signature(catalogue):
    assert [form.key.name for form in catalogue.forms if not form.signed] == ["pytanie"]


def test_the_general_letter_is_there_in_both_editions(catalogue):
    for namespace in ("http://crd.gov.pl/wzor/2013/12/12/1410/", "http://crd.gov.pl/wzor/2017/10/24/4566/"):
        form = catalogue.find(namespace, "Dokument")
        assert form is not None
        assert str(form.key) == f"pismo-ogolne/{namespace.split('/')[-2]}"


@pytest.mark.parametrize("path", FORMS)
def test_form_descriptions_say_what_they_are_for(path):
    assert FILES[path].startswith(b"# ")
    entry = read_form(path, FILES[path])
    assert entry.form.title_pl == tomllib.loads(FILES[path].decode())["title_pl"]


def test_the_second_opinion_sees_what_is_wrong(catalogue):
    path = "forms/pytanie/1/examples/invalid-no-topic.xml"
    from broker.parse import Limits, read  # noqa: PLC0415 - only here

    flaws = Xsd11(FILES, "forms/pytanie/1/pytanie.xsd").flaws(read(FILES[path], Limits()))
    assert "Temat" in flaws[0].message
