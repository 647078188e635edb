"""The catalogue: pins, problems told all at once, no way out of the folder, threads that keep to themselves."""

import socket
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lxml import etree

from broker.errors import ConfigError
from broker.evidence import Level
from broker.parse import Limits, read
from schemas import catalogue as catalogue_module
from schemas import diagnosis
from schemas.catalogue import load
from schemas.diagnosis import MOST
from schemas.examine import examine
from schemas.pins import PINS, pins_for

XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
NS = "urn:test:note"
NOTE = f"""<xs:schema {XS} targetNamespace="{NS}" elementFormDefault="qualified">
  <xs:element name="Note"><xs:complexType><xs:sequence>
    <xs:element name="Day" type="xs:date" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType></xs:element></xs:schema>"""
ASSERTING = f"""<xs:schema {XS} targetNamespace="{NS}" elementFormDefault="qualified">
  <xs:element name="Note"><xs:complexType><xs:sequence>
    <xs:element name="From" type="xs:date"/><xs:element name="To" type="xs:date"/>
  </xs:sequence><xs:assert test="*[1] le *[2]"/></xs:complexType></xs:element></xs:schema>"""


def form_toml(**about):
    told = {
        "name": "note", "version": "1", "namespace": NS, "root": "Note", "title_pl": "Notatka",
        "title_en": "Note", "schema": "note.xsd", **about,
    }  # fmt: skip
    return "".join(
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
        for key, value in told.items()
        if value is not None
    ).encode()


def folder(schema=NOTE, pinned=True, extra=None, **about):
    files = {"forms/note/1/form.toml": form_toml(**about), "forms/note/1/note.xsd": schema.encode(), **(extra or {})}
    return {**files, PINS: pins_for(files)} if pinned else files


def problems_of(*folders):
    with pytest.raises(ConfigError) as caught:
        load(*folders)
    return caught.value.problems


def note(*days, root="Note"):
    days = "\n".join(f"<Day>{day}</Day>" for day in days)
    return read(f'<{root} xmlns="{NS}">\n{days}</{root}>'.encode(), Limits())


def test_a_form_is_found_by_its_roots_name_and_no_other():
    catalogue = load(folder())
    form = catalogue.find(NS, "Note")
    assert (str(form.key), form.signed, form.level) == ("note/1", True, Level.LOCAL)
    assert catalogue.find(NS, "note") is None
    assert catalogue.find(NS + "/", "Note") is None
    assert catalogue.find("", "Note") is None


def test_a_flaw_says_where_and_why():
    catalogue = load(folder())
    form = catalogue.find(NS, "Note")
    assert catalogue.flaws(form, note("2026-01-01", "2026-01-02")) == ()
    (flaw,) = catalogue.flaws(form, note("2026-01-01", "tomorrow"))
    assert (flaw.path, flaw.line) == ("/Note/Day[2]", 3)
    assert "'tomorrow' is not a valid value" in flaw.message
    assert NS not in flaw.message


def test_paths_have_names_whatever_the_prefixes():
    catalogue = load(folder())
    form = catalogue.find(NS, "Note")
    for text in (
        f'<Note xmlns="{NS}"><Day>2026-01-01</Day><Day>x</Day></Note>',
        f'<ns2:Note xmlns:ns2="{NS}"><ns2:Day>2026-01-01</ns2:Day><ns2:Day>x</ns2:Day></ns2:Note>',
        f'<a:Note xmlns:a="{NS}" xmlns:b="{NS}"><b:Day>2026-01-01</b:Day><Day xmlns="{NS}">x</Day></a:Note>',
    ):
        (flaw,) = catalogue.flaws(form, read(text.encode(), Limits()))
        assert flaw.path == "/Note/Day[2]"


def test_an_element_inside_another_document_is_judged_alone():
    catalogue = load(folder())
    form = catalogue.find(NS, "Note")
    around = read(f'<o xmlns:n="{NS}">text<n:Note><n:Day>x</n:Day></n:Note>more<n:Note/></o>'.encode(), Limits())
    before = etree.tostring(around)
    (flaw,) = catalogue.flaws(form, around[0])
    assert flaw.path == "/Note/Day"
    assert etree.tostring(around) == before


def test_not_every_flaw_of_a_hopeless_document_is_told():
    catalogue = load(folder())
    flaws = catalogue.flaws(catalogue.find(NS, "Note"), note(*["x"] * 900))
    assert len(flaws) == MOST


def test_a_long_document_gives_the_line_of_its_first_fault():
    catalogue = load(folder())
    form = catalogue.find(NS, "Note")
    days = ["2026-01-01"] * 25_000
    assert catalogue.flaws(form, note(*days)) == ()
    days[20_000] = "tomorrow"
    flaws = catalogue.flaws(form, note(*days))
    assert flaws[0].line == 20_002  # the root stands on line 1, the first day on line 2
    assert "'tomorrow'" in flaws[0].message
    assert NS not in flaws[0].message


def test_a_fault_at_the_very_end_of_a_long_document_is_found():
    catalogue = load(folder())
    days = "<Day>2026-01-01</Day>" * 2_000
    for end in ("<Day>x</Day></Note>", "<Other/></Note>", "<Day a='b'>2026-01-01</Day></Note>"):
        element = read(f'<Note xmlns="{NS}">{days}{end}'.encode(), Limits())
        assert len(catalogue.flaws(catalogue.find(NS, "Note"), element)) >= 1


def test_a_document_of_nothing_but_faults_is_given_up_soon(monkeypatch):
    """lxml looks up the path of every faulty element: 90,000 of them in a row, read to the end, take minutes."""
    catalogue = load(folder())
    asked = []
    feed = catalogue_module.Xsd10._feed
    monkeypatch.setattr(
        catalogue_module.Xsd10, "_feed", lambda self, pieces: (asked.append(len(pieces)), feed(self, pieces))[1]
    )
    days = '<Day a="" b=""/>' * 90_000
    element = read(f'<Note xmlns="{NS}">{days}</Note>'.encode(), Limits(elements=100_000))
    flaws = catalogue.flaws(catalogue.find(NS, "Note"), element)
    assert 0 < len(flaws) <= MOST
    assert len(asked) == 2


@pytest.mark.parametrize("xsd", ["1.0", "1.1"])
@pytest.mark.parametrize("depth", [0, 1])
def test_a_path_has_no_name_that_only_the_documents_writer_knows(xsd, depth):
    """Paths go into logs and records; what the flaw says goes to the sender alone."""
    catalogue = load(folder(xsd=xsd))
    made_up = '<Jan_Kowalski_44051401359 xmlns="">x</Jan_Kowalski_44051401359>'
    inside = f"<Day>{made_up}</Day>" if depth else made_up
    element = read(f'<Note xmlns="{NS}"><Day>2026-01-01</Day>{inside}</Note>'.encode(), Limits())
    flaws = catalogue.flaws(catalogue.find(NS, "Note"), element)
    assert flaws
    assert not [flaw.path for flaw in flaws if "Kowalski" in flaw.path]
    assert any("Note" in flaw.path for flaw in flaws)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/Note/Day[2]", "/Note/Day[2]"),
        ("/n:Note/n:Jan[2]/n:Day", "/n:Note/*[2]/n:Day"),
        ("/{urn:a/b}Note/{urn:x}Jan", "/{urn:a/b}Note/*"),
        ("/Note/@Jan", "/Note/@*"),
        ("/", "/"),
    ],
)
def test_a_step_keeps_its_name_if_a_schema_knows_it(path, told):
    assert diagnosis.known(path, frozenset({"Note", "Day"})) == told


def test_a_validator_that_says_no_without_a_word_is_still_a_no():
    (flaw,) = diagnosis.flaws(note(), [])
    assert (flaw.path, flaw.message) == ("/Note", "Not valid.")


def test_eight_threads_with_different_bad_documents_never_see_one_anothers_values():
    catalogue = load(folder())
    form = catalogue.find(NS, "Note")

    def work(number):
        mine = f"secret-{number}-"
        for turn in range(200):
            days = [f"{mine}{turn}-{n}" for n in range(1 + turn % 4)]
            flaws = catalogue.flaws(form, note(*days))
            assert len(flaws) == len(days)
            for day, flaw in zip(days, flaws, strict=True):
                assert f"'{day}'" in flaw.message
            assert catalogue.flaws(form, note("2026-01-01")) == ()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


@pytest.mark.parametrize("xsd", ["1.0", "1.1"])
def test_a_document_cannot_name_its_own_schema_or_cause_a_connection(xsd, monkeypatch):
    catalogue = load(folder(xsd=xsd))
    form = catalogue.find(NS, "Note")
    opened = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: opened.append(address))
    own = read(
        f'<Note xmlns="{NS}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{NS} http://127.0.0.1:9/any.xsd urn:other file:///any.xsd"><Anything/></Note>'.encode(),
        Limits(),
    )
    assert catalogue.flaws(form, own)
    assert opened == []


def test_an_xsd_1_1_form_is_held_to_its_assertions():
    catalogue = load(folder(ASSERTING, xsd="1.1"))
    form = catalogue.find(NS, "Note")
    text = f'<Note xmlns="{NS}">\n<From>2026-01-0%d</From><To>2026-01-0%d</To></Note>'
    assert catalogue.flaws(form, read((text % (1, 2)).encode(), Limits())) == ()
    (flaw,) = catalogue.flaws(form, read((text % (2, 1)).encode(), Limits()))
    assert flaw.line == 1
    assert "assertion" in flaw.message
    assert "note.xsd" in problems_of(folder(ASSERTING))[0], "libxml2 knows no assertions"


@pytest.mark.parametrize("xsd", ["1.0", "1.1"])
@pytest.mark.parametrize(
    "statement",
    [
        '<xs:include schemaLocation="{there}"/>',
        '<xs:import namespace="urn:other" schemaLocation="{there}"/>',
    ],
)
def test_a_schema_reaches_nothing_outside_its_folder(xsd, statement, tmp_path):
    outside = tmp_path / "outside.xsd"
    outside.write_text(f'<xs:schema {XS} targetNamespace="urn:other"/>')
    for there in (outside.as_uri(), str(outside), "http://127.0.0.1:9/a.xsd", "../../../../a.xsd", "missing.xsd"):
        schema = NOTE.replace("<xs:element", statement.format(there=there) + "<xs:element", 1)
        (problem,) = problems_of(folder(schema, xsd=xsd))
        assert problem.startswith("forms/note/1/note.xsd: ")


def test_an_operator_adds_a_form_by_adding_a_folder():
    more = {
        "forms/memo/2/form.toml": form_toml(name="memo", version="2", root="Memo", schema="memo.xsd"),
        "forms/memo/2/memo.xsd": NOTE.replace('"Note"', '"Memo"').encode(),
    }
    catalogue = load(folder(), {**more, PINS: pins_for(more)})
    assert [str(form.key) for form in catalogue.forms] == ["memo/2", "note/1"]
    assert catalogue.flaws(catalogue.find(NS, "Memo"), note("2026-01-01", root="Memo")) == ()


def test_an_operator_drops_the_official_file_in_the_place_of_ours():
    official = {"forms/note/1/note.xsd": NOTE.replace("xs:date", "xs:string").encode()}
    catalogue = load(folder(), {**official, PINS: pins_for(official)})
    assert catalogue.flaws(catalogue.find(NS, "Note"), note("tomorrow")) == ()


def test_what_is_not_as_pinned_is_not_used():
    good = folder()
    path = "forms/note/1/note.xsd"
    changed = {**good, path: good[path] + b" "}
    assert problems_of(changed) == (f"{path}: not what was pinned",)
    assert problems_of({name: content for name, content in good.items() if name != path})[0] == (
        f"{path}: pinned, but missing"
    )
    assert problems_of({**good, "xsd/new.xsd": b"<x/>"}) == ("xsd/new.xsd: not pinned",)
    assert "every schema must be pinned" in problems_of(folder(pinned=False))[0]
    assert problems_of({**good, PINS: good[PINS] + b"nonsense\n"}) == (f"{PINS}, line 3: not a line of sha256sum",)


def test_all_problems_are_told_at_once():
    wrong = folder(
        "<xs:schema",
        level="strong",
        signed="yes",
        colour="red",
        root=None,
        extra={
            "forms/a/1/form.toml": form_toml(name="a", schema="missing.xsd"),
            "forms/b/1/form.toml": form_toml(name="b"),
            "forms/b/1/note.xsd": b"<xs:schema",
            "forms/c/1/form.toml": b"name = ",
            "forms/d/1/form.toml": form_toml(name="e"),
        },
    )
    told = "\n".join(problems_of(wrong))
    for part in (
        "note/1/form.toml: unknown key colour",
        "note/1/form.toml: root must be a text",
        "note/1/form.toml: signed must be true or false",
        "note/1/form.toml: level must be one of none, local,",
        "forms/a/1/missing.xsd: missing",
        "forms/b/1/note.xsd: ",
        "b/1: has the same root element as a/1",
        "forms/c/1/form.toml: ",
        "forms/d/1/form.toml: must stand in forms/<name>/<version>/",
    ):
        assert part in told


@pytest.mark.parametrize("xsd", ["1.0", "1.1"])
def test_a_schema_that_does_not_declare_the_forms_root_is_a_problem(xsd):
    assert "does not declare Letter" in problems_of(folder(root="Letter", xsd=xsd))[0]


def test_a_signed_form_must_ask_for_some_level():
    assert "needs a level" in problems_of(folder(level="none"))[0]
    assert load(folder(level="none", signed=False)).find(NS, "Note").signed is False


def test_examples_that_do_not_give_their_result_are_problems():
    examples = {
        "forms/note/1/examples/ok-wrong.xml": f'<Note xmlns="{NS}"/>'.encode(),
        "forms/note/1/examples/invalid-right.xml": f'<Note xmlns="{NS}"/>'.encode(),
        "forms/note/1/examples/nice.xml": b"<a/>",
        "forms/note/1/examples/unknown-form-a.xml": b"<a/>",
        "forms/note/1/examples/malformed-a.xml": b"<a>",
    }
    assert sorted(examine({**folder(), **examples})) == [
        "forms/note/1/examples/nice.xml: its name does not say a result",
        "forms/note/1/examples/ok-wrong.xml: is invalid",
    ]
    assert examine(folder()) == ["forms/note/1/: no example that must be ok"]
    assert examine(folder("<")) != []


def test_a_disagreement_of_the_two_validators_is_a_problem(monkeypatch):
    monkeypatch.setattr(catalogue_module.Xsd10, "flaws", lambda *_: ())
    example = {"forms/note/1/examples/ok-a.xml": f'<Note xmlns="{NS}"/>'.encode()}
    (problem,) = examine({**folder(), **example})
    assert problem.endswith("libxml2 says ok, xmlschema says invalid")


def test_the_packaged_forms_load():
    schemas_folder = Path(__file__).parents[2] / "schemas"
    told = [tomllib.loads(path.read_text()) for path in schemas_folder.glob("forms/*/*/form.toml")]
    assert len(told) == 7
