"""`goniec check`: everything that is wrong with a configuration, in one look."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.testkit.pki import Pki
from config import settings
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"
PKI = Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256")


@pytest.fixture
def place(tmp_path):
    """The example configuration with keys of its own."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    PKI.write(tmp_path / "pki")
    return tmp_path


def edited(place, *changes):
    file = place / "goniec.toml"
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_configuration_is_a_yes_with_what_there_is(place):
    told = answer("check", "-c", place / "goniec.toml")
    assert (told["ok"], told["problems"], told["forms"], told["offices"]) == (True, [], 7, 54)
    assert run("check", "-c", place / "goniec.toml").stdout.startswith("ok  ")


def test_the_examples_of_every_form_are_held_against_its_schema(place):
    assert answer("check", "-c", place / "goniec.toml", "--examples")["ok"]
    broken = place / "own" / "forms" / "x" / "1"
    broken.mkdir(parents=True)
    (broken / "form.toml").write_bytes(b"name = 1")
    told = answer("check", "-c", edited(place, ("# forms = []", 'forms = ["own"]')), "--examples", status=1)
    assert any("form.toml" in problem for problem in told["problems"])


def test_five_mistakes_in_five_places_are_told_at_once(place):
    (place / "pki" / "local-ca.pem").write_bytes(b"nonsense")
    boxes = (place / "boxes.csv").read_text(encoding="utf-8")
    (place / "boxes.csv").write_text(boxes + "no-box;nobody;Nobody;;;;;;;;\n", encoding="utf-8")
    file = edited(
        place,
        ('# environment = "test"', 'environment = "hunter2"'),
        ("[delivery]", "[delivery]\ntreads = 1"),
        ('kind = "soap"', 'kind = "soup"'),
        ('file = "pki/seal.bundle.pem"', 'file = "pki/lost.pem"'),
    )
    told = answer("check", "-c", file, status=1)
    assert told["ok"] is False
    problems = "\n".join(told["problems"])
    for place_of_it in ("environment:", "delivery.treads:", "channels.", "lost.pem", "local-ca.pem", "no-box"):
        assert place_of_it in problems
    assert "hunter2" not in problems
    said = run("check", "-c", file, status=1).stdout
    assert said.count("problem  ") == len(told["problems"]) >= 6


def test_what_follows_from_a_mistake_is_not_told_as_another(place):
    told = answer("check", "-c", edited(place, ('kind = "soap"', 'kid = "soap"')), status=1)
    assert len(told["problems"]) == 1
    assert ".kind: " in told["problems"][0]


@pytest.mark.parametrize("text", ["", 'seal = 3\nchannels = "x"', '[seal]\nkind = "pem"\n[trust]\nanchors = [1, {}]'])
def test_no_configuration_makes_check_stumble(tmp_path, text):
    (tmp_path / "goniec.toml").write_text(text)
    assert answer("check", "-c", tmp_path / "goniec.toml", status=1)["problems"]


def test_a_mistake_in_the_environment_is_told_too(place, monkeypatch):
    monkeypatch.setenv("GONIEC_DELIVERY__THREADS", "none")
    assert "delivery.threads: " in run("check", "-c", place / "goniec.toml", status=1).stdout


def test_a_configuration_that_is_not_there_cannot_be_judged(tmp_path):
    done = run("check", "-c", tmp_path / "goniec.toml", "--json", status=2)
    assert (done.stdout, "No such file" in done.stderr) == ("", True)


def test_what_is_no_toml_is_a_problem(tmp_path):
    (tmp_path / "goniec.toml").write_text("[seal")
    assert "goniec.toml" in answer("check", "-c", tmp_path / "goniec.toml", status=1)["problems"][0]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('kind = "sql"', 'kind = "sqlite"', "store.kind: 'sqlite' is none of memory, sql"),
        ("# refusals_per_hour = 1000", "refusals = 1000", "store.refusals: there is no such setting"),
        ('# url = "sqlite:///goniec.sqlite"', 'url = "goniec.sqlite"', "store: the store's url cannot be read"),
    ],
)
def test_a_mistake_about_the_store_is_told_and_no_store_is_opened(place, old, new, problem):
    file = edited(place, (old, new))
    assert answer("check", "-c", file, status=1)["problems"] == [problem]
    assert problem in run("migrate", "-c", file, status=2).stderr
    assert not list(place.glob("*.sqlite*"))


def test_an_office_that_no_box_leads_to_is_told_and_is_no_fault(place):
    lonely = '[offices]\nlonely = { kind = "directory", folder = "out" }\n'
    (place / "out").mkdir()
    told = answer("check", "-c", edited(place, ("[offices]\n", lonely)))
    assert told["ok"]
    assert "offices.lonely: no box leads to it" in told["warnings"]
