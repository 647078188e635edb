"""Routing over any table and any question, held against the rules as one would read them aloud."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import ConfigError, Unroutable
from broker.model import Address, BoxPolicy, Form, FormKey, OfficeId
from broker.ports import Question
from broker.texts import TEXTS
from routing.explain import explain
from routing.load import load
from routing.table import ALWAYS, FOREVER, Box, By, Row, Table

START = datetime(2026, 1, 1, tzinfo=UTC)
BOXES = {
    address: Box(address=address, office=OfficeId(address[1]), office_name=address[1].upper(), policy=BoxPolicy())
    for address in ("/a/1", "/a/2", "/b/1", "/c/1")
}
KEYS = {
    By.ADE: ["AE:PL-55754-97181-CHDVR-19", "AE:PL-00000-00001-AAAAA-10"],
    By.REGON: ["000515709", "00051570900024", "123456785"],
    By.NIP: ["5480018504", "1234563218"],
    By.TERYT: ["*", "24*", "24", "2403*", "2403", "2403011", "2409023"],
}
days = st.integers(0, 6).map(lambda day: START + timedelta(days=day))
forms = st.sampled_from(["", "letter", "letter/1", "letter/2", "tax/1"])


@st.composite
def any_rows(draw: st.DrawFn) -> list[Row]:
    rows = []
    for _ in range(draw(st.integers(0, 14))):
        by = draw(st.sampled_from(By))
        rows.append(
            Row(
                by=by,
                key=draw(st.sampled_from(KEYS[by])),
                form=draw(forms),
                since=draw(st.one_of(st.just(ALWAYS), days)),
                until=draw(st.one_of(st.just(FOREVER), days)),
                box=draw(st.sampled_from(sorted(BOXES))),
                line=len(rows),
            )
        )
    return rows


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Any table that can be made: rows that cannot stand beside the earlier ones are left out."""
    kept: list[Row] = []
    for row in draw(any_rows()):
        try:
            Table(boxes=BOXES, rows=(*kept, row))
        except ConfigError:
            continue
        kept.append(row)
    return Table(boxes=BOXES, rows=tuple(kept))


questions = st.builds(
    Question,
    to=st.one_of(
        st.builds(Address, teryt=st.sampled_from(["", "24", "2403", "2403011", "2409024", "12"])),
        st.builds(
            Address,
            box=st.sampled_from(["", "/x/y", *BOXES]),
            ade=st.sampled_from(["", "AE:PL-", *KEYS[By.ADE]]),
            teryt=st.sampled_from(["", "2403"]),
        ),
    ),
    form=st.sampled_from(["letter/1", "letter/2", "tax/1", "other/1"]).map(
        lambda key: Form(
            key=FormKey(name=key[:-2], version=key[-1]), namespace="urn:f", root="Dokument", title_pl="", title_en=""
        )
    ),
    at=st.one_of(days, days.map(lambda day: day - timedelta(microseconds=1))),
    regons=st.lists(st.sampled_from([*KEYS[By.REGON], "00051570900031", "x"]), max_size=2).map(tuple),
    nips=st.lists(st.sampled_from([*KEYS[By.NIP], "x"]), max_size=2).map(tuple),
)


def answer(table: Table, question: Question) -> str:
    try:
        return table.target(question).row
    except Unroutable as no:
        return no.code


def made(make: Callable[[], Table]) -> Table | ConfigError:
    try:
        return make()
    except ConfigError as wrong:
        return wrong


def read_aloud(table: Table, question: Question) -> str:
    """The rules of `routing/table.py`, by scanning and sorting: slow, plain, and written without its code."""

    def best(by: By, width) -> Row | None:
        """The narrowest row in force; `width` tells how far a key is from what is asked, None if it is another."""
        form = question.form.key
        near = {f"{form.name}/{form.version}": 0, form.name: 1, "": 2}
        fitting = [
            (near[row.form], width(row.key), number)
            for number, row in enumerate(table.rows)
            if row.by is by
            and row.form in near
            and width(row.key) is not None
            and row.since <= question.at
            and not row.until <= question.at
        ]
        return table.rows[min(fitting)[2]] if fitting else None

    def office(row: Row) -> str:
        return table.boxes[row.box].office

    def same(asked: str):
        return lambda key: 0 if key == asked else None

    def same_regon(asked: str):
        return lambda key: 0 if key == asked else 1 if len(asked) == 14 and key == asked[:9] else None

    def within(asked: str):
        asked = asked[:-1] + "3" if len(asked) == 7 and asked[-1] in "45" else asked

        def width(key: str) -> int | None:
            if key.endswith("*"):
                return 10 - len(key) if asked.startswith(key[:-1]) else None
            return 0 if asked and key == asked else None

        return width

    if question.to.box:
        return f"box:{question.to.box}" if question.to.box in table.boxes else "route.unknown-box"
    if question.to.ade:
        row = best(By.ADE, same(question.to.ade))
        return row.name if row else "route.unknown-ade"
    named = [row for key in question.regons if (row := best(By.REGON, same_regon(key)))]
    named += [row for key in question.nips if (row := best(By.NIP, same(key)))]
    if len({office(row) for row in named}) > 1:
        return "route.several-offices"
    if named:
        return named[0].name
    row = best(By.TERYT, within(question.to.teryt))
    return row.name if row else "route.no-row"


@settings(max_examples=400)
@given(tables(), questions)
def test_the_table_answers_as_its_rules_read(table: Table, question: Question) -> None:
    assert answer(table, question) == read_aloud(table, question)


@given(tables(), questions, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_means_nothing(table: Table, question: Question, dice: random.Random) -> None:
    rows = list(table.rows)
    dice.shuffle(rows)
    boxes = list(BOXES.items())
    dice.shuffle(boxes)
    other = Table(boxes=dict(boxes), rows=tuple(rows))
    assert answer(other, question) == answer(table, question) == answer(table, question)


@given(tables(), questions)
def test_an_explanation_agrees_with_the_answer(table: Table, question: Question) -> None:
    told = explain(table, question)
    answered = answer(table, question)
    assert (told.row or told.refusal) == answered
    assert bool(told.reason) == bool(told.refusal)
    assert not set("{}?") & set(told.reason)  # of every fact there is a value
    reasons = [finding.reason for finding in told.findings]
    matched = [finding.row for finding in told.findings if finding.reason == "route.row-matched"]
    assert matched == ([answered] if told.row else [])
    assert ("route.row-conflicts" in reasons) == (told.refusal == "route.several-offices")
    if told.refusal == "route.no-row":
        assert "route.row-outranked" not in reasons
    assert len(told.findings) == len(table.boxes) + len(table.rows)
    assert set(reasons) | set(told.notes) <= TEXTS.keys()
    json.dumps(asdict(told))


@given(tables())
def test_every_row_of_a_table_is_reached_by_some_question(table: Table) -> None:
    for row in table.rows:
        key = row.key.removesuffix("*")
        name, _, version = row.form.partition("/")
        question = Question(
            to=Address(ade=key if row.by is By.ADE else "", teryt=key if row.by is By.TERYT else ""),
            # a version that no row is about, and a territory just inside the pattern
            form=Form(
                key=FormKey(name=name or "other", version=version or "9"),
                namespace="urn:f",
                root="Dokument",
                title_pl="",
                title_en="",
            ),
            at=START if row.since == ALWAYS else row.since,
            regons=(key,) if row.by is By.REGON else (),
            nips=(key,) if row.by is By.NIP else (),
        )
        if row.key.endswith("*"):
            inside = {"": "", "24": "2499", "2403": "2403992"}[key]
            question = Question(to=Address(teryt=inside), form=question.form, at=question.at)
        if row.until <= question.at:
            question = Question(
                to=question.to,
                form=question.form,
                at=row.until - timedelta(microseconds=1),
                regons=question.regons,
                nips=question.nips,
            )
        assert answer(table, question) == row.name


@given(any_rows(), questions)
def test_rows_make_a_table_or_are_all_reported(rows: list[Row], question: Question) -> None:
    table = made(lambda: Table(boxes=BOXES, rows=tuple(rows)))
    if isinstance(table, ConfigError):
        assert table.problems
        assert all(any(row.name in problem for row in rows) for problem in table.problems)
    else:
        in_force = [row for row in rows if row.since <= question.at < row.until]
        assert len({(row.by, row.key, row.form) for row in in_force}) == len(in_force)
        assert answer(table, question)


def written(table: Table) -> tuple[bytes, bytes]:
    def moment(at: datetime) -> str:
        return "" if at in (ALWAYS, FOREVER) else at.isoformat()

    boxes = [f"{box.address};{box.office};{box.office_name}" for box in table.boxes.values()]
    rows = [f"{row.by};{row.key};{row.form};{moment(row.since)};{moment(row.until)};{row.box}" for row in table.rows]
    return (
        "\n".join(["box;office;name", *boxes]).encode(),
        "\n".join(["by;key;form;from;until;box", *rows]).encode(),
    )


@given(tables(), questions)
def test_a_table_written_as_csv_answers_the_same_when_loaded(table: Table, question: Question) -> None:
    assert answer(load(*written(table)), question) == answer(table, question)


@given(st.binary(max_size=200), st.binary(max_size=200), st.booleans())
def test_no_file_whatever_makes_loading_fall_over(boxes: bytes, rows: bytes, headed: bool) -> None:
    head = (b"box;office;name;level;signatures\n", b"by;key;form;from;until;box\n") if headed else (b"", b"")
    table = made(lambda: load(head[0] + boxes, head[1] + rows))
    assert isinstance(table, Table) or table.problems


def work(table: Table, question: Question) -> int:
    """Count the lines of routing/ that an answer runs: a measure that no busy machine disturbs."""
    lines = 0

    def trace(frame, event, _arg):
        nonlocal lines
        if "/routing/" not in frame.f_code.co_filename:
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        answer(table, question)
    finally:
        sys.settrace(before)
    return lines


def test_ten_thousand_rows_cost_a_question_what_ten_cost() -> None:
    def table(size: int) -> Table:
        rows = [Row(by=By.NIP, key=f"{number:010}", box="/a/1") for number in range(size)]
        rows += [
            Row(by=By.TERYT, key=f"{number:07}", form="letter", box="/b/1")
            for number in range(size)
            if number % 10 not in (4, 5)
        ]
        rows += [
            Row(by=By.TERYT, key="*", box="/c/1", since=START + timedelta(days=n), until=START + timedelta(days=n + 1))
            for n in range(size)
        ]
        return Table(boxes=BOXES, rows=tuple(rows))

    form = Form(key=FormKey(name="letter", version="1"), namespace="u", root="D", title_pl="", title_en="")
    small, large = table(10), table(10_000)
    for to, nips in (
        (Address(), ("0000000007",)),
        (Address(teryt="0000007"), ()),
        (Address(), ()),
        (Address(box="/a/1"), ("x",)),
    ):
        question = Question(to=to, form=form, at=START + timedelta(days=5), nips=nips)
        assert answer(large, question) == answer(small, question)
        assert work(large, question) == work(small, question)
