"""Two CSV files become the routing table, or a ConfigError that lists every problem with its file and row.

Both files: UTF-8 (a BOM is skipped), separated by `;` or `,` (what the header line uses), the first line names the
columns in any order, empty lines and lines that begin with `#` are skipped, `remark` is for people and ignored.

boxes.csv, a line for each box and its rules (`broker.model.BoxPolicy`):
  box         address, /office/box                                                      required
  office      id of the office as in the configuration                                  required
  name        the office's name, as receipts give it                                    required
  forms       forms the box takes, `name` or `name/version`, by `|`                     empty: every form
  senders     partners that may send to it, by `|`                                      empty: everybody
  level       none, local, trusted-profile, qualified: the weakest signature it takes   empty: what the form asks
  unsigned    yes, no: whether forms that need no signature may come without one        empty: yes
  signatures  how many different signers a form that needs signatures must have         empty: 1
  answer      upp, status: what the sender gets on the spot                             empty: upp
  grace       how long an authority may be silent about revocations while documents
              are let in all the same: hours, or ISO 8601 without months (PT12H, P2D)   empty: not at all

routing.csv, a line for each key that leads to a box:
  by          ade, regon, nip, teryt                                                    required
  key         the key; for teryt a code, or a pattern such as 2403* or *                required
  form        `name/version` or `name`                                                  empty: any form
  from        the moment from which the row holds, that moment included                 empty: always
  until       the moment from which it holds no more                                    empty: for ever
  box         where it leads: an address of boxes.csv                                   required
A moment is a date (its midnight in UTC) or a date and time with an offset.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from broker.errors import ConfigError
from broker.evidence import Level
from broker.model import Answer, BoxPolicy, OfficeId
from routing import keys
from routing.table import ALWAYS, FOREVER, Box, By, Row, Table, faults

_BOXES = "boxes.csv"
_ROUTING = "routing.csv"
_BOX_COLUMNS = {"box": True, "office": True, "name": True} | dict.fromkeys(
    ("forms", "senders", "level", "unsigned", "signatures", "answer", "grace", "remark"), False
)
_ROW_COLUMNS = {"by": True, "key": True, "box": True} | dict.fromkeys(("form", "from", "until", "remark"), False)
_YES_NO = {"yes": True, "no": False}
_FORM = re.compile(r"[^/\s]+(/[^/\s]+)?")
_SPAN = re.compile(r"P(?:([0-9]{1,4})D)?(?:T(?:([0-9]{1,4})H)?(?:([0-9]{1,4})M)?)?")
_MOST_SIGNATURES = 20  # verification reads no document with more references

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)


def load(boxes: bytes, routing: bytes) -> Table:
    """Return the table that the two files describe; raise ConfigError with all problems of both."""
    found = _Findings()
    known_boxes: dict[str, Box] = {}
    for line in _lines(boxes, _BOXES, _BOX_COLUMNS, found):
        box = _box(line)
        if (first := known_boxes.setdefault(box.address, box)) is not box:
            line.problem(f"the box {box.address} stands in row {first.line} already")
    rows = [row for line in _lines(routing, _ROUTING, _ROW_COLUMNS, found) if (row := _row(line)) is not None]
    for fault, text in faults(known_boxes, rows):
        found.problems.append((_BOXES if isinstance(fault, Box) else _ROUTING, fault.line, text))
    if found.problems:
        raise ConfigError(_told(found.problems))
    return Table(boxes=known_boxes, rows=tuple(rows), warnings=_told(found.warnings))


_Finding = tuple[str, int, str]  # file, row, words


@dataclass(slots=True)
class _Findings:
    """What is wrong or doubtful so far."""

    problems: list[_Finding] = field(default_factory=list)
    warnings: list[_Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file: its cells by column, and where to say what is wrong with them."""

    file: str
    number: int
    cells: Mapping[str, str]
    found: _Findings

    def problem(self, text: str) -> None:
        self.found.problems.append((self.file, self.number, text))

    def check(self, key: str, check: keys.Check) -> None:
        """Take over what a key's check found."""
        if check.problem:
            self.problem(f"{key}: {check.problem}")
        if check.warning:
            self.found.warnings.append((self.file, self.number, f"{key}: {check.warning}"))

    def value(self, column: str, default: Value, read: Callable[[str], Value], meant: str) -> Value:
        """Return a cell's value, the default for an empty or missing one; report one that cannot be read."""
        text = self.cells.get(column, "")
        if not text:
            return default
        try:
            return read(text)
        except (ValueError, KeyError):
            self.problem(f"{column} is {text!r}, not {meant}")
            return default


def _told(findings: list[_Finding]) -> tuple[str, ...]:
    return tuple(f"{file}:{number}: {text}" for file, number, text in sorted(findings))


def _lines(data: bytes, file: str, columns: Mapping[str, bool], found: _Findings) -> Iterator[_Line]:
    """Yield the lines below the header; `columns` says which there may be, and which there must."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found.problems.append((file, data.count(b"\n", 0, error.start) + 1, "is not UTF-8"))
        return
    lines = text.splitlines(keepends=True)
    head = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    reader = csv.reader(lines, delimiter=";" if ";" in head else ",", strict=True)
    header: list[str] | None = None
    try:
        for raw in reader:
            cells = [cell.strip() for cell in raw]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if header is None:
                header = cells
                wrong = _misfits(header, columns)
                found.problems += [(file, reader.line_num, text) for text in wrong]
                if wrong:
                    return
            elif len(cells) != len(header):
                found.problems.append((file, reader.line_num, f"{len(cells)} cells, the header has {len(header)}"))
            else:
                yield _Line(file, reader.line_num, dict(zip(header, cells, strict=True)), found)
    except csv.Error as error:
        found.problems.append((file, reader.line_num, f"is not CSV: {error}"))
    if header is None:
        found.problems.append((file, 1, "has no header line"))


def _misfits(header: list[str], columns: Mapping[str, bool]) -> list[str]:
    """Return what a header lacks, and what it has that nobody reads."""
    missing = [f"no column {name}" for name, required in columns.items() if required and name not in header]
    unknown = [f"unknown column {name!r}" for name in header if name not in columns]
    return missing + unknown + [f"column {name} stands there twice" for name in columns if header.count(name) > 1]


def _box(line: _Line) -> Box:
    """Return the box of a line; what cannot be read is a problem, and its default is taken."""
    cells = line.cells
    line.check(f"box {cells['box']!r}", keys.box(cells["box"]))
    for column in ("office", "name"):
        if not cells[column]:
            line.problem(f"{column} is empty")
    nothing: frozenset[str] = frozenset()
    policy = BoxPolicy(
        forms=line.value("forms", nothing, _forms, "name/version or name, by |"),
        senders=line.value("senders", nothing, _set, "partners by |"),
        level=line.value("level", Level.NONE, Level, _choices(Level)),
        unsigned=line.value("unsigned", True, _YES_NO.__getitem__, "yes or no"),
        signatures=line.value("signatures", 1, _count, f"a number from 1 to {_MOST_SIGNATURES}"),
        answer=line.value("answer", Answer.UPP, Answer, _choices(Answer)),
        grace=line.value("grace", timedelta(0), _span, "hours, or a time such as PT12H or P2D"),
    )
    office = OfficeId(cells["office"])
    return Box(address=cells["box"], office=office, office_name=cells["name"], policy=policy, line=line.number)


def _row(line: _Line) -> Row | None:
    """Return the row of a line, or None if it cannot be told what it goes by."""
    key = line.cells["key"]
    by = line.value("by", None, By, _choices(By))
    if by is None:
        if not line.cells["by"]:
            line.problem("by is empty")
        return None
    if by is not By.TERYT:
        line.check(f"{by} {key!r}", keys.CHECKS[by](key))
    elif key != "*":  # the pattern for anywhere names no territory that could be checked
        line.check(f"{by} {key!r}", keys.teryt(key.removesuffix("*")))
    return Row(
        by=by,
        key=key,
        form=line.value("form", "", _form, "name/version or name"),
        since=line.value("from", ALWAYS, _moment, "a date, or a date and time with an offset"),
        until=line.value("until", FOREVER, _moment, "a date, or a date and time with an offset"),
        box=line.cells["box"],
        line=line.number,
    )


def _moment(text: str) -> datetime:
    """Read a date as its midnight in UTC, or a time with its offset; a time without one is a ValueError."""
    moment = datetime.fromisoformat(text)
    if "T" not in text and " " not in text:
        return moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


def _span(text: str) -> timedelta:
    """Read hours, or a duration of ISO 8601 whose parts have one length: days, hours, minutes."""
    if text.isascii() and text.isdigit():
        return timedelta(hours=int(text))
    found = _SPAN.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        raise ValueError(text)
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_SIGNATURES:
        raise ValueError(text)
    return number


def _form(text: str) -> str:
    if _FORM.fullmatch(text) is None:
        raise ValueError(text)
    return text


def _forms(text: str) -> frozenset[str]:
    return frozenset(map(_form, _set(text)))


def _set(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split("|") if part.strip())


def _choices(kind: type[StrEnum]) -> str:
    return ", ".join(kind)
