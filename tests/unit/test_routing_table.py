"""Which row decides, row by row; the properties are in tests/property/test_routing.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from broker.errors import ConfigError, Unroutable
from broker.model import Address, Form, FormKey, OfficeId
from broker.ports import Question
from broker.texts import TEXTS
from broker.texts import explain as told
from routing.explain import explain
from routing.table import Box, By, Row, Table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LETTER = Form(
    key=FormKey(name="letter", version="2"),
    namespace="urn:letter",
    root="Dokument",
    title_pl="Pismo",
    title_en="Letter",
)


def a_box(address: str) -> Box:
    office = address.split("/")[1]
    return Box(address=address, office=OfficeId(office), office_name=office.title())


def a_table(*rows: Row, boxes: str = "/town/main /town/other /county/main /marshal/main") -> Table:
    return Table(boxes={address: a_box(address) for address in boxes.split()}, rows=rows)


def asked(at: datetime = NOON, regons: str = "", nips: str = "", **to: str) -> Question:
    return Question(to=Address(**to), form=LETTER, at=at, regons=tuple(regons.split()), nips=tuple(nips.split()))


def refusal(table: Table, question: Question) -> Unroutable:
    with pytest.raises(Unroutable) as no:
        table.target(question)
    assert "?" not in told(no.value, "pl") + told(no.value, "en")
    return no.value


TOWN = Row(by=By.REGON, key="000515709", box="/town/main")
COUNTY = Row(by=By.NIP, key="5480018504", box="/county/main")
BY_ADE = Row(by=By.ADE, key="AE:PL-55754-97181-CHDVR-19", box="/town/main")
ANYWHERE = Row(by=By.TERYT, key="*", box="/marshal/main")


def test_the_box_in_the_envelope_decides_alone() -> None:
    target = a_table(TOWN, ANYWHERE).target(asked(box="/county/main", teryt="2403"))
    assert (target.row, target.office, target.office_name, target.box) == (
        "box:/county/main",
        "county",
        "County",
        "/county/main",
    )


def test_an_unknown_box_is_refused_though_the_form_names_an_office() -> None:
    no = refusal(a_table(TOWN, ANYWHERE), asked(box="/town/Main", regons="000515709"))
    assert (no.code, no.place) == ("route.unknown-box", "envelope/box")


def test_an_unknown_ade_is_refused_though_the_form_names_an_office() -> None:
    assert refusal(a_table(TOWN, BY_ADE), asked(ade="AE:PL-1", regons="000515709")).code == "route.unknown-ade"


def test_the_ade_comes_before_what_the_form_says() -> None:
    table = a_table(BY_ADE, COUNTY)
    target = table.target(asked(ade=BY_ADE.key, nips=COUNTY.key))
    assert (target.box, target.notes) == ("/town/main", ("route.addressee-differs",))


def test_envelope_and_form_that_agree_leave_no_note() -> None:
    assert a_table(TOWN).target(asked(box="/town/other", regons="000515709")).notes == ()


def test_a_form_to_another_office_is_noted_and_the_envelope_followed() -> None:
    target = a_table(TOWN, COUNTY).target(asked(box="/county/main", regons="000515709"))
    assert (target.office, target.notes) == ("county", ("route.addressee-differs",))


def test_an_office_that_is_one_of_several_addressees_is_no_disagreement() -> None:
    target = a_table(TOWN, COUNTY).target(asked(box="/county/main", regons="000515709", nips="5480018504"))
    assert target.notes == ()


def test_an_addressee_that_no_row_knows_is_noted() -> None:
    assert a_table(TOWN).target(asked(box="/town/main", nips="1")).notes == ("route.addressee-unknown",)
    assert a_table(ANYWHERE).target(asked(nips="1")).notes == ("route.addressee-unknown",)


def test_an_ade_that_leads_elsewhere_than_the_box_is_noted() -> None:
    table = a_table(BY_ADE)
    assert table.target(asked(box="/county/main", ade=BY_ADE.key)).notes == ("route.ade-differs",)
    assert table.target(asked(box="/town/other", ade=BY_ADE.key)).notes == ()


def test_addressees_in_different_offices_are_no_answer_without_an_envelope() -> None:
    no = refusal(a_table(TOWN, COUNTY, ANYWHERE), asked(regons="000515709", nips="5480018504"))
    assert (no.code, no.facts["offices"]) == ("route.several-offices", "county, town")


def test_the_regon_comes_before_the_nip_of_the_same_office() -> None:
    by_nip = Row(by=By.NIP, key="5480018504", box="/town/other")
    assert a_table(TOWN, by_nip).target(asked(regons="000515709", nips="5480018504")).box == "/town/main"


def test_a_unit_is_found_by_its_long_regon_and_else_by_its_entity() -> None:
    unit = Row(by=By.REGON, key="00051570900024", box="/town/other")
    assert a_table(TOWN, unit).target(asked(regons="00051570900024")).box == "/town/other"
    assert a_table(TOWN, unit).target(asked(regons="00051570900031")).box == "/town/main"


@pytest.mark.parametrize(
    ("teryt", "row"),
    [
        ("2403011", "teryt:2403011"),
        ("2403", "teryt:2403"),
        ("2403022", "teryt:2403*"),
        ("2403014", "teryt:2403*"),
        ("2404", "teryt:24*"),
        ("24", "teryt:24*"),
        ("1201011", "teryt:*"),
        ("", "teryt:*"),
    ],
)
def test_the_narrower_territory_wins(teryt: str, row: str) -> None:
    rows = [Row(by=By.TERYT, key=key, box="/town/main") for key in ("2403011", "2403", "2403*", "24*", "*")]
    assert a_table(*rows).target(asked(teryt=teryt)).row == row


def test_a_code_without_a_star_does_not_cover_what_is_within() -> None:
    assert refusal(a_table(Row(by=By.TERYT, key="2403", box="/county/main")), asked(teryt="2403011")).code == (
        "route.no-row"
    )


def test_a_part_of_a_mixed_commune_is_served_by_its_office() -> None:
    table = a_table(Row(by=By.TERYT, key="2409023", box="/town/main"))
    assert {table.target(asked(teryt=f"240902{kind}")).box for kind in "345"} == {"/town/main"}


def test_the_form_counts_before_the_territory() -> None:
    table = a_table(
        Row(by=By.TERYT, key="2403011", box="/town/main"),
        Row(by=By.TERYT, key="24*", form="letter", box="/marshal/main"),
        Row(by=By.TERYT, key="*", form="letter/2", box="/county/main"),
        Row(by=By.TERYT, key="2403011", form="letter/1", box="/town/other"),
    )
    assert table.target(asked(teryt="2403011")).row == "teryt:* letter/2"


def test_a_row_holds_from_its_first_moment_until_just_before_its_last() -> None:
    table = a_table(
        Row(by=By.NIP, key="1", box="/town/main", until=NOON),
        Row(by=By.NIP, key="1", box="/county/main", since=NOON, until=NOON + timedelta(days=1)),
    )
    tick = timedelta(microseconds=1)
    assert table.target(asked(NOON - tick, nips="1")).box == "/town/main"
    assert table.target(asked(NOON, nips="1")).box == "/county/main"
    assert table.target(asked(NOON + timedelta(days=1) - tick, nips="1")).box == "/county/main"
    assert refusal(table, asked(NOON + timedelta(days=1), nips="1")).code == "route.no-row"


def test_a_specific_row_that_is_not_in_force_leaves_the_general_one() -> None:
    table = a_table(
        Row(by=By.TERYT, key="2403", form="letter", box="/town/main", until=NOON),
        Row(by=By.TERYT, key="2403", box="/county/main"),
    )
    assert table.target(asked(NOON, teryt="2403")).box == "/county/main"


def test_a_table_that_is_ambiguous_cannot_be_made() -> None:
    with pytest.raises(ConfigError, match="ambiguous"):
        a_table(TOWN, TOWN)


def test_a_table_does_not_change_with_what_it_was_made_from() -> None:
    boxes = {"/town/main": a_box("/town/main")}
    table = Table(boxes=boxes)
    boxes.clear()
    assert table.target(asked(box="/town/main")).office == "town"


def test_an_explanation_says_of_each_row_why_it_was_not_taken() -> None:
    table = a_table(
        Row(by=By.ADE, key="AE:PL-1", box="/town/main"),
        Row(by=By.NIP, key="1", form="tax", box="/town/main"),
        Row(by=By.NIP, key="1", box="/town/main", until=NOON),
        Row(by=By.NIP, key="1", box="/town/other", since=NOON),
        Row(by=By.NIP, key="1", form="letter", box="/town/main", since=NOON + timedelta(days=1)),
        Row(by=By.NIP, key="2", box="/town/main"),
        ANYWHERE,
        boxes="/town/main /town/other /marshal/main",
    )
    explanation = explain(table, asked(nips="1"))
    assert (explanation.row, explanation.office, explanation.refusal) == ("nip:1 from 2026-01-01T12:00:00Z", "town", "")
    assert [finding.reason.removeprefix("route.row-") for finding in explanation.findings] == [
        *["not-asked"] * 3,
        "not-asked",
        "other-form",
        "no-longer",
        "matched",
        "not-yet",
        "other-key",
        "outranked",
    ]
    assert [finding.row for finding in explanation.near] == [
        "nip:1 tax",
        "nip:1",
        "nip:1 from 2026-01-01T12:00:00Z",
        "nip:1 letter from 2026-01-02T12:00:00Z",
        "teryt:*",
    ]
    assert {finding.reason for finding in explanation.findings} <= TEXTS.keys()


def test_an_explanation_of_a_refusal_shows_the_rows_that_are_at_odds() -> None:
    explanation = explain(a_table(TOWN, COUNTY, ANYWHERE), asked(regons="000515709", nips="5480018504"))
    assert (explanation.refusal, explanation.row) == ("route.several-offices", "")
    assert [finding.reason for finding in explanation.findings[-3:]] == [
        "route.row-conflicts",
        "route.row-conflicts",
        "route.row-outranked",
    ]


def test_an_explanation_by_box_looks_at_no_row() -> None:
    explanation = explain(a_table(TOWN), asked(box="/county/main", regons="000515709"))
    assert explanation.notes == ("route.addressee-differs",)
    assert [finding.reason.removeprefix("route.row-") for finding in explanation.findings] == [
        "other-key",
        "other-key",
        "matched",
        "other-key",
        "not-reached",
    ]
