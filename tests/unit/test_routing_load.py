"""Loading the routing table from CSV: what it means, and that every problem is told with its file and row."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from broker.errors import ConfigError
from broker.evidence import Level
from broker.model import Answer, BoxPolicy, FormKey
from routing.load import load
from routing.table import ALWAYS, FOREVER, By, unknown_forms

BOXES = b"""\
# the project's own comment; with "quotes
box;office;name;forms;senders;level;unsigned;signatures;answer;remark
/town/SEKAP;town;Town Hall;;;;;;;

/town/permits;town;Town Hall;pismo-ogolne/1410|permit;dms|portal;qualified;no;2;status;only permits
"""
ROWS = b"""\
by;key;form;from;until;box
regon;000515709;;;;/town/SEKAP
teryt;2403*;permit;2026-01-01;2027-01-01T00:00:00+01:00;/town/permits
"""


def problems(boxes: bytes, rows: bytes) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as wrong:
        load(boxes, rows)
    return wrong.value.problems


def test_each_column_means_what_the_documentation_says() -> None:
    table = load(BOXES, ROWS)
    plain, permits = table.boxes.values()
    assert plain.policy == BoxPolicy()
    assert (permits.office, permits.office_name, permits.line) == ("town", "Town Hall", 5)
    assert permits.policy == BoxPolicy(
        forms=frozenset({"pismo-ogolne/1410", "permit"}),
        senders=frozenset({"dms", "portal"}),
        level=Level.QUALIFIED,
        unsigned=False,
        signatures=2,
        answer=Answer.STATUS,
    )
    by_regon, by_teryt = table.rows
    assert (by_regon.by, by_regon.key, by_regon.since, by_regon.until) == (By.REGON, "000515709", ALWAYS, FOREVER)
    assert (by_teryt.since, by_teryt.until) == (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 12, 31, 23, tzinfo=UTC),
    )
    assert table.offices == {"town": "Town Hall"}
    assert table.warnings == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b";", b","),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
    ],
)
def test_commas_byte_order_marks_and_windows_lines_change_nothing(change) -> None:
    assert load(change(BOXES), change(ROWS)) == load(BOXES, ROWS)


def test_all_problems_of_both_files_come_at_once_with_their_rows() -> None:
    boxes = b"""\
box;office;name;level;unsigned;signatures
/a/b;a;A;strong;maybe;0
/a/b;a;A;;;
no-slash;;;;;
/c/d;a;Other;;;21
"""
    rows = b"""\
by;key;form;from;until;box
nip;5480018505;;;;/a/b
phone;1;;;;/a/b
;1;;;;/a/b
teryt;2403*;a/b/c;2026-13-01;2026-01-01T00:00:00;/a/b
regon;000515709;;2026-02-01;2026-02-01;/nowhere/box
too;short
"""
    assert problems(boxes, rows) == (
        "boxes.csv:2: level is 'strong', not none, local, trusted-profile, qualified",
        "boxes.csv:2: signatures is '0', not a number from 1 to 20",
        "boxes.csv:2: unsigned is 'maybe', not yes or no",
        "boxes.csv:3: the box /a/b stands in row 2 already",
        "boxes.csv:4: box 'no-slash': a box address looks like /office/box",
        "boxes.csv:4: name is empty",
        "boxes.csv:4: office is empty",
        "boxes.csv:5: signatures is '21', not a number from 1 to 20",
        "boxes.csv:5: the office a has two names: A and Other",
        "routing.csv:2: nip '5480018505': the check digit of the NIP is wrong",
        "routing.csv:3: by is 'phone', not ade, regon, nip, teryt",
        "routing.csv:4: by is empty",
        "routing.csv:5: form is 'a/b/c', not name/version or name",
        "routing.csv:5: from is '2026-13-01', not a date, or a date and time with an offset",
        "routing.csv:5: until is '2026-01-01T00:00:00', not a date, or a date and time with an offset",
        "routing.csv:6: regon:000515709 from 2026-02-01T00:00:00Z: ends before it begins",
        "routing.csv:6: regon:000515709 from 2026-02-01T00:00:00Z: no such box: /nowhere/box",
        "routing.csv:7: 2 cells, the header has 6",
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (b"", "routing.csv:1: has no header line"),
        (b"# only words\n", "routing.csv:1: has no header line"),
        (b"by;key\n", "routing.csv:1: no column box"),
        (b"by;key;box;colour;box\n", "routing.csv:1: unknown column 'colour'"),
        (b"by;key;box;box\n", "routing.csv:1: column box stands there twice"),
        (b"by;key;box\nregon;\xff;/town/SEKAP\n", "routing.csv:2: is not UTF-8"),
        (b'by;key;box\n"regon;000515709;/town/SEKAP\n', "routing.csv:2: is not CSV: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_table_is_told_as_such(rows: bytes, said: str) -> None:
    assert said in problems(BOXES, rows)


def test_rows_that_hold_at_the_same_time_are_ambiguous_and_say_with_which() -> None:
    rows = b"""\
by;key;form;from;until;box
teryt;2403*;permit;;2026-06-01;/town/permits
teryt;2403*;permit;2026-05-31;;/town/permits
teryt;2403*;permit;2026-01-01;2026-02-01;/town/permits
teryt;2403*;;;;/town/SEKAP
"""
    clash = "ambiguous, teryt:2403* permit (row 2) holds at the same time"
    assert problems(BOXES, rows) == (
        f"routing.csv:3: teryt:2403* permit from 2026-05-31T00:00:00Z: {clash}",
        f"routing.csv:4: teryt:2403* permit from 2026-01-01T00:00:00Z: {clash}",
    )


def test_rows_that_clash_only_with_one_another_are_found_behind_others() -> None:
    rows = b"""\
by;key;from;until;box
nip;5480018504;2026-01-01;2026-02-01;/town/SEKAP
nip;5480018504;2026-03-01;2026-09-01;/town/SEKAP
nip;5480018504;2026-04-01;2026-05-01;/town/SEKAP
nip;5480018504;2026-06-01;2026-07-01;/town/SEKAP
"""
    clash = "ambiguous, nip:5480018504 from 2026-03-01T00:00:00Z (row 3) holds at the same time"
    assert problems(BOXES, rows) == (
        f"routing.csv:4: nip:5480018504 from 2026-04-01T00:00:00Z: {clash}",
        f"routing.csv:5: nip:5480018504 from 2026-06-01T00:00:00Z: {clash}",
    )


def test_a_date_is_a_midnight_in_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "UTC-5")
        time.tzset()
        assert load(BOXES, ROWS).rows[1].since == datetime(2026, 1, 1, tzinfo=UTC)
    time.tzset()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"teryt;2409024;;;;/town/SEKAP", "never reached, documents for a part of a mixed commune go to 2409023"),
        (b"teryt;2403011*;;;;/town/SEKAP", "a pattern is *, or a voivodeship's or county's code followed by *"),
        (b"nip;5480018504;tax;;;/town/permits", "the box /town/permits does not take the form tax"),
        (b"nip;5480018504;pismo-ogolne/4566;;;/town/permits", "does not take the form pismo-ogolne/4566"),
    ],
)
def test_a_row_that_can_never_decide_is_a_problem(row: bytes, said: str) -> None:
    assert any(said in problem for problem in problems(BOXES, b"by;key;form;from;until;box\n" + row))


@pytest.mark.parametrize("form", [b"permit", b"permit/1", b"pismo-ogolne", b"pismo-ogolne/1410"])
def test_a_row_may_lead_a_form_to_a_box_that_takes_a_version_of_it(form: bytes) -> None:
    table = load(BOXES, b"by;key;form;box\nnip;5480018504;" + form + b";/town/permits\n")
    assert len(table.rows) == 1


def test_doubtful_keys_are_warnings_with_their_rows() -> None:
    rows = b"by;key;box\nade;AE:PL-55754-97181-CHDVR-20;/town/SEKAP\nteryt;2403010;/town/SEKAP\n"
    assert load(BOXES, rows).warnings == (
        "routing.csv:2: ade 'AE:PL-55754-97181-CHDVR-20': the last two digits of the e-delivery address do not check",
        "routing.csv:3: teryt '2403010': the 7th digit of a commune's TERYT code is 1, 2 or 3",
    )


def test_forms_that_the_catalogue_does_not_have_are_told() -> None:
    assert unknown_forms(load(BOXES, ROWS), [FormKey(name="pismo-ogolne", version="1410")]) == [
        "teryt:2403* permit from 2026-01-01T00:00:00Z: no such form: permit",
        "box:/town/permits: no such form: permit",
    ]
