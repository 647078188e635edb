"""Why a document goes where it goes: what every row of the table said to a question.

The answer is the table's own (`Table.target`); the reasons come from looking at each row by itself, and a property
holds the two together.  Costs a pass over the table: for operators, never on the way in.
Every value can be written as JSON by `dataclasses.asdict`; a reason is a code of `broker.texts`.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker import texts
from broker.errors import Unroutable
from broker.ports import Question
from routing.table import Box, By, Row, Table, forms, regons, territories


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one row of the table, or one box, had to say."""

    row: str
    line: int  # in its file, 0 if it was not read from one
    box: str
    office: str
    reason: str  # e.g. `route.row-matched`


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An answer and its reasons.  Either `refusal` and its `reason` are set, or row, box and office are."""

    form: str
    at: str
    box_asked: str
    ade_asked: str
    teryt_asked: str
    regons: tuple[str, ...]
    nips: tuple[str, ...]
    row: str = ""
    box: str = ""
    office: str = ""
    office_name: str = ""
    notes: tuple[str, ...] = ()
    refusal: str = ""
    reason: str = ""  # of the refusal, in English
    findings: tuple[Finding, ...] = ()

    @property
    def near(self) -> tuple[Finding, ...]:
        """The findings worth showing to a person: without the rows that are about something else altogether."""
        far = ("route.row-other-key", "route.row-not-asked", "route.row-not-reached")
        return tuple(finding for finding in self.findings if finding.reason not in far)


def explain(table: Table, question: Question) -> Explanation:
    """Return the table's answer to the question, a refusal included, and what each row said."""
    row = box = office = name = refusal = reason = ""
    notes: tuple[str, ...] = ()
    try:
        target = table.target(question)
    except Unroutable as no:
        refusal, reason = no.code, texts.explain(no)
    else:
        row, box, office, name, notes = target.row, target.box, target.office, target.office_name, target.notes

    def finding(each: Box | Row, says: str) -> Finding:
        to = each if isinstance(each, Box) else table.boxes[each.box]
        if says == "matched" and each.name != row:
            says = "conflicts" if refusal == "route.several-offices" and _named(each) else "outranked"
        return Finding(row=each.name, line=each.line, box=to.address, office=to.office, reason=f"route.row-{says}")

    boxes = [finding(each, _box_says(each, question)) for each in table.boxes.values()]
    rows = [finding(each, _row_says(each, question)) for each in table.rows]
    return Explanation(
        form=str(question.form.key),
        at=question.at.isoformat().replace("+00:00", "Z"),
        box_asked=question.to.box,
        ade_asked=question.to.ade,
        teryt_asked=question.to.teryt,
        regons=question.regons,
        nips=question.nips,
        row=row,
        box=box,
        office=office,
        office_name=name,
        notes=notes,
        refusal=refusal,
        reason=reason,
        findings=(*boxes, *rows),
    )


def _named(each: Box | Row) -> bool:
    """Whether it goes by what the form says of its addressee."""
    return isinstance(each, Row) and each.by in (By.REGON, By.NIP)


def _box_says(box: Box, question: Question) -> str:
    if not question.to.box:
        return "not-asked"
    return "matched" if question.to.box == box.address else "other-key"


def _row_says(row: Row, question: Question) -> str:
    """Return what keeps this row from matching, or `matched`; the dates last, they are what people forget."""
    if question.to.box or (question.to.ade and row.by is not By.ADE):
        return "not-reached"
    keys = _asked(row.by, question)
    if not keys:
        return "not-asked"
    if row.key not in keys:
        return "other-key"
    if row.form not in forms(question.form.key):
        return "other-form"
    if question.at < row.since:
        return "not-yet"
    return "no-longer" if row.until <= question.at else "matched"


def _asked(by: By, question: Question) -> list[str]:
    """Return every key under which a row of this kind matches."""
    match by:
        case By.ADE:
            return [question.to.ade] if question.to.ade else []
        case By.REGON:
            return [accepted for key in question.regons for accepted in regons(key)]
        case By.NIP:
            return list(question.nips)
        case By.TERYT:
            return list(territories(question.to.teryt))
