"""`goniec validate` and `goniec route`: what becomes of a document offline, before anybody signs or sends it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.testkit.pki import Pki
from broker.parse import Limits
from config import settings
from config.demo.forms import Kind, form
from config.demo.markup import Style
from config.demo.offices import offices
from schemas.pins import PINS, pins_for
from tests.commands import answer, lines, run

EXAMPLE = Path(settings.__file__).parent / "example"
EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "forms" / "pismo-ogolne" / "1410" / "examples"
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
OFFICE = offices()[0]
GOOD = form(Kind.LETTER_1410, OFFICE, 1, at=AT, style=Style.PREFIXED)
CODES = {
    "ok": GOOD,
    "malformed": b"<a>\n<b></a>",
    "too-large": b"<a>" + b" " * Limits().payload + b"</a>",
    "unknown-form": b"<a/>",
    "invalid": GOOD.replace(b"Tytul>", b"Tutyl>"),
}


@pytest.mark.parametrize("code", CODES)
def test_each_code_comes_with_where_and_why(tmp_path, code):
    file = tmp_path / "a.xml"
    file.write_bytes(CODES[code])
    status = 0 if code == "ok" else 1
    (told,) = answer("validate", file, status=status)
    assert (set(told), told["file"], told["code"]) == ({"file", "code", "errors"}, str(file), code)
    assert bool(told["errors"]) == (code != "ok")
    for flaw in told["errors"]:
        assert set(flaw) == {"path", "line", "message"}
        assert flaw["message"]
        assert isinstance(flaw["line"], int)
    assert lines("validate", file, status=status) == [told]
    assert code in run("validate", file, status=status).stdout


def test_a_tag_that_is_not_closed_is_told_with_its_line(tmp_path):
    file = tmp_path / "a.xml"
    file.write_bytes(CODES["malformed"])
    assert answer("validate", file, status=1)[0]["errors"][0]["line"] == 2


def test_a_folder_of_examples_gives_the_codes_in_their_names():
    told = lines("validate", EXAMPLES, status=1)
    assert len(told) > 20
    for one in told:
        assert Path(one["file"]).name.startswith(one["code"])


def test_a_folder_without_files_or_a_lost_file_is_cannot_tell(tmp_path):
    assert "no files" in run("validate", tmp_path, status=2).stderr
    (tmp_path / "gone.xml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "good.xml").write_bytes(GOOD)
    done = run("validate", tmp_path, status=2)
    assert "gone.xml" in done.stderr
    assert "good.xml" in done.stdout


def test_a_form_of_ones_own_is_known_by_its_folder(tmp_path):
    theirs, ours = Kind.QUESTION.namespace.encode(), b"urn:my-own-form/"
    files = {
        f"forms/moje/1/{file.name}": file.read_bytes().replace(theirs, ours).replace(b'"pytanie"', b'"moje"')
        for file in (EXAMPLES.parents[2] / "pytanie" / "1").iterdir()
        if file.is_file()
    }
    for name, content in {**files, PINS: pins_for(files)}.items():
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_bytes(content)
    letter = tmp_path / "letter.xml"
    letter.write_bytes(form(Kind.QUESTION, OFFICE, 1, at=AT).replace(theirs, ours))
    assert answer("validate", letter, status=1)[0]["code"] == "unknown-form"
    assert answer("validate", "--forms", tmp_path / "own", letter)[0]["code"] == "ok"
    (tmp_path / "own" / PINS).write_bytes(b"")
    assert "not pinned" in run("validate", "--forms", tmp_path / "own", letter, status=2).stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The example configuration with keys of its own."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    Pki(at=AT, keys="ec-256", cas="ec-256").write(folder / "pki")
    (folder / "letter.xml").write_bytes(GOOD)
    return folder


def test_a_route_is_told_with_its_row_and_its_office(place):
    told = answer("route", place / "letter.xml", "-c", place / "goniec.toml", "--box", OFFICE.box)
    assert (told["office"], told["box"], told["refusal"]) == (OFFICE.id, OFFICE.box, "")
    assert told["row"]
    assert "findings" not in told
    assert OFFICE.box in run("route", place / "letter.xml", "-c", place / "goniec.toml", "--box", OFFICE.box).stdout


def test_an_explained_route_says_why_the_other_rows_did_not_match(place):
    words = ["route", place / "letter.xml", "-c", place / "goniec.toml", "--explain"]
    told = answer(*words)
    reasons = {one["reason"] for one in told["findings"]}
    assert {"route.row-matched", "route.row-other-key"} <= reasons
    assert [one["row"] for one in told["findings"] if one["reason"] == "route.row-matched"] == [told["row"]]
    assert told["row"] in run(*words).stdout


def test_a_document_that_leads_nowhere_is_a_no_with_its_reason(place):
    words = ["route", place / "letter.xml", "-c", place / "goniec.toml", "--box", "/nobody/SEKAP"]
    told = answer(*words, status=1)
    assert (told["refusal"], told["reason"]) == ("route.unknown-box", "There is no box /nobody/SEKAP.")
    assert run(*words, status=1).stderr == "goniec: route.unknown-box: There is no box /nobody/SEKAP.\n"


@pytest.mark.parametrize("code", ["malformed", "unknown-form", "invalid"])
def test_a_document_that_is_no_form_goes_nowhere(place, code):
    file = place / f"{code}.xml"
    file.write_bytes(CODES[code])
    words = ["route", file, "-c", place / "goniec.toml"]
    told = answer(*words, status=1)
    assert told["refusal"].startswith(("parse.", "validate."))
    assert told["reason"] in run(*words, status=1).stderr


def test_without_a_table_nothing_can_be_told(place, tmp_path):
    (tmp_path / "goniec.toml").write_text('[seal]\nkind = "pem"\n')
    told = run("route", place / "letter.xml", "-c", tmp_path / "goniec.toml", status=2).stderr
    assert "boxes.csv" in told
    assert "routing.csv" in told
    assert "no.toml" in run("route", place / "letter.xml", "-c", tmp_path / "no.toml", status=2).stderr


def test_a_place_is_said_once_and_only_if_it_is_known(tmp_path):
    file = tmp_path / "a.xml"
    file.write_bytes(b"not a document")
    assert run("validate", file, status=1).stdout.count("line 1") == 1
    file.write_bytes(b"")
    assert "line" not in run("validate", file, status=1).stdout


def test_what_is_further_down_than_lines_are_known_is_told_so(tmp_path):
    file = tmp_path / "a.xml"
    file.write_bytes(b"\n" * 70_000 + b"<no-form/>")
    assert answer("validate", file, status=1)[0]["errors"][0]["line"] == 65_535
    assert "line 65535+" in run("validate", file, status=1).stdout
    example = (EXAMPLES / "ok-attachments.xml").read_bytes()
    head, _, letter = example.partition(b"?>")
    file.write_bytes(head + b"?>" + b"\n" * 70_000 + letter.replace(b"<str:Zalaczniki>", b"<str:Zalaczniki><x/>"))
    assert "line 65535+  /" in run("validate", file, status=1).stdout
