"""The routing table: who gets what.

What must live here: the rows, the order in which they count, and how a question finds its row.  Reading CSV is
in `load.py`, telling why a row was not taken in `explain.py`, the stage of intake in `route.py`.

Which row decides (DOMAIN §3), the first that says anything:
 1. the box that the envelope names: that box or nothing, an unknown one is never replaced by a guess;
 2. the e-delivery address (ADE) that the envelope names, likewise;
 3. the REGON, then the NIP, of the addressees that the form names; different offices are no answer;
 4. the territory (TERYT) that the envelope names, for services that have no box of their own.
Among rows of one kind the more specific wins: first by form (a version, then any version of it, then any form),
then by key (a unit's 14-digit REGON before its entity's 9 digits, a code before a longer pattern before a shorter
one).  This is a total order, so two rows can only compete if they are about the same key and form at the same
time, and such a table cannot be made.

A TERYT key is a code (`2403011`: exactly this territory) or a pattern (`2403*`: it and all within; `*`: anywhere,
even where the envelope names no territory).  Dates are half-open: a row holds from `since` until just before `until`.
Every lookup is by dictionary, so a question costs the same however long the table is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from broker.errors import ConfigError, Unroutable
from broker.model import BoxPolicy, FormKey, OfficeId, Target
from broker.ports import Question
from routing.keys import seat

ALWAYS = datetime.min.replace(tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)
_REGON_OF_ENTITY = 9  # the first digits of a unit's 14-digit REGON
_AROUND = (4, 2)  # digits of the codes that have others within: counties, voivodeships


class By(StrEnum):
    """What a row goes by, in the order in which they count after the box."""

    ADE = "ade"
    REGON = "regon"
    NIP = "nip"
    TERYT = "teryt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box of an office, and its rules."""

    address: str
    office: OfficeId
    office_name: str
    policy: BoxPolicy = field(default_factory=BoxPolicy)
    line: int = 0  # where it was read from

    @property
    def name(self) -> str:
        """What it is called in records and explanations."""
        return f"box:{self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A key, perhaps for one form only, perhaps for some time only, that leads to a box."""

    by: By
    key: str
    box: str
    form: str = ""  # "name/version", "name", or empty for any form
    since: datetime = ALWAYS
    until: datetime = FOREVER
    line: int = 0  # where it was read from

    @property
    def name(self) -> str:
        """What it is called in records and explanations; unlike a line number it survives an edit elsewhere."""
        form = f" {self.form}" if self.form else ""
        since = f" from {self.since.isoformat().replace('+00:00', 'Z')}" if self.since != ALWAYS else ""
        return f"{self.by}:{self.key}{form}{since}"

    def holds(self, at: datetime) -> bool:
        """Whether the row is in force at this moment."""
        return self.since <= at < self.until


_Slot = tuple[By, str, str]  # by, key, form


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An immutable snapshot of the routing table, and the Router of the broker.

    Raises ConfigError, listing every problem, for a table that is ambiguous or has a row that can never decide.
    """

    boxes: Mapping[str, Box]
    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()  # what was doubtful when it was read
    _slots: Mapping[_Slot, tuple[tuple[datetime, ...], tuple[Row, ...]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        problems = list(faults(self.boxes, self.rows))
        if problems:
            raise ConfigError([text for _, text in problems])
        object.__setattr__(self, "boxes", MappingProxyType(dict(self.boxes)))
        slots = {slot: (tuple(row.since for row in rows), tuple(rows)) for slot, rows in _by_slot(self.rows).items()}
        object.__setattr__(self, "_slots", MappingProxyType(slots))

    @property
    def offices(self) -> Mapping[OfficeId, str]:
        """Every office that has a box, with its name."""
        return {box.office: box.office_name for box in self.boxes.values()}

    def target(self, question: Question) -> Target:
        """Return where the document goes; raise Unroutable.

        `notes` of the answer tell where envelope and form disagree: the envelope is followed, never the form.
        """
        to, named = question.to, self._named(question)
        if to.box:
            box = self.boxes.get(to.box)
            if box is None:
                raise Unroutable("route.unknown-box", place="envelope/box", facts={"box": to.box})
            return self._to(box, box.name, (*self._ade_differs(question, box), *self._differs(question, named, box)))
        if to.ade:
            row = self._find(By.ADE, (to.ade,), question)
            if row is None:
                raise Unroutable("route.unknown-ade", place="envelope/ade", facts={"ade": to.ade})
            box = self.boxes[row.box]
            return self._to(box, row.name, self._differs(question, named, box))
        if named:
            offices = sorted({self.boxes[row.box].office for row in named})
            if len(offices) > 1:
                raise Unroutable("route.several-offices", place="form", facts={"offices": ", ".join(offices)})
            return self._to(self.boxes[named[0].box], named[0].name)
        row = self._find(By.TERYT, territories(to.teryt), question)
        if row is None:
            raise Unroutable("route.no-row", place="form", facts={"form": str(question.form.key)})
        box = self.boxes[row.box]
        return self._to(box, row.name, self._differs(question, named, box))

    def _to(self, box: Box, row: str, notes: tuple[str, ...] = ()) -> Target:
        return Target(
            row=row, office=box.office, office_name=box.office_name, box=box.address, policy=box.policy, notes=notes
        )

    def _find(self, by: By, keys: Sequence[str], question: Question) -> Row | None:
        """Return the most specific row in force for any of the keys, which come the most specific first."""
        for form in forms(question.form.key):
            for key in keys:
                since, rows = self._slots.get((by, key, form), _NONE)
                latest = bisect_right(since, question.at) - 1
                if latest >= 0 and rows[latest].holds(question.at):
                    return rows[latest]
        return None

    def _named(self, question: Question) -> list[Row]:
        """Return the rows of the addressees, in the order in which they count."""
        found = [self._find(By.REGON, regons(key), question) for key in question.regons]
        found += [self._find(By.NIP, (key,), question) for key in question.nips]
        return [row for row in found if row is not None]

    def _differs(self, question: Question, named: list[Row], box: Box) -> tuple[str, ...]:
        """Note that the form names addressees and this office is not among them."""
        if any(self.boxes[row.box].office == box.office for row in named):
            return ()
        if named:
            return ("route.addressee-differs",)
        return ("route.addressee-unknown",) if question.regons or question.nips else ()

    def _ade_differs(self, question: Question, box: Box) -> tuple[str, ...]:
        """Note that the envelope's own e-delivery address leads to another office than its box."""
        row = self._find(By.ADE, (question.to.ade,), question)
        return ("route.ade-differs",) if row is not None and self.boxes[row.box].office != box.office else ()


_NONE: tuple[tuple[datetime, ...], tuple[Row, ...]] = ((), ())


def forms(key: FormKey) -> tuple[str, str, str]:
    """Return what a row may say about this form, the most specific first."""
    return str(key), key.name, ""


def regons(key: str) -> tuple[str, ...]:
    """Return the REGON, and for a unit's also that of the entity it belongs to."""
    return (key,) if len(key) <= _REGON_OF_ENTITY else (key, key[:_REGON_OF_ENTITY])


def territories(code: str) -> tuple[str, ...]:
    """Return what a row may say to cover this territory, the most specific first."""
    code = seat(code)
    around = tuple(f"{code[:digits]}*" for digits in _AROUND if len(code) >= digits)
    return (code, *around, "*") if code else ("*",)


def unknown_forms(table: Table, known: Collection[FormKey]) -> list[str]:
    """Return a problem for each row or box that is about a form which the catalogue does not have."""
    names = {name for key in known for name in forms(key)}
    problems = [f"{row.name}: no such form: {row.form}" for row in table.rows if row.form not in names]
    for box in table.boxes.values():
        problems += [f"{box.name}: no such form: {form}" for form in sorted(box.policy.forms - names)]
    return problems


def faults(boxes: Mapping[str, Box], rows: Iterable[Row]) -> Iterator[tuple[Row | Box, str]]:
    """Yield what keeps these from being a table, each with the row or box at fault."""
    rows = tuple(rows)
    offices: dict[OfficeId, str] = {}
    for box in boxes.values():
        if offices.setdefault(box.office, box.office_name) != box.office_name:
            yield box, f"the office {box.office} has two names: {offices[box.office]} and {box.office_name}"
    for row in rows:
        yield from ((row, text) for text in _dead(row, boxes))
    for same in _by_slot(rows).values():
        holder = same[0]
        for row in same[1:]:
            if row.since < holder.until:
                yield row, f"{row.name}: ambiguous, {holder.name} (row {holder.line}) holds at the same time"
            holder = max(holder, row, key=lambda each: each.until)


def _dead(row: Row, boxes: Mapping[str, Box]) -> Iterator[str]:
    """Yield why the row can never decide, or decides in vain."""
    if row.since >= row.until:
        yield f"{row.name}: ends before it begins"
    if row.by is By.TERYT and row.key.endswith("*") and len(row.key) - 1 not in (0, *_AROUND):
        yield f"{row.name}: a pattern is *, or a voivodeship's or county's code followed by *"
    if row.by is By.TERYT and row.key != seat(row.key):
        yield f"{row.name}: never reached, documents for a part of a mixed commune go to {seat(row.key)}"
    if row.box not in boxes:
        yield f"{row.name}: no such box: {row.box}"
    elif row.form and not _takes(boxes[row.box].policy, row.form):
        yield f"{row.name}: the box {row.box} does not take the form {row.form}"


def _takes(policy: BoxPolicy, form: str) -> bool:
    """Whether a box takes a form, or, where the row is about all versions of it, any of them."""
    name = form.partition("/")[0]
    if "/" in form:
        return not policy.forms or form in policy.forms or name in policy.forms
    return not policy.forms or any(taken.partition("/")[0] == name for taken in policy.forms)


def _by_slot(rows: Iterable[Row]) -> dict[_Slot, list[Row]]:
    """Put rows about the same key and form together, by date."""
    slots: defaultdict[_Slot, list[Row]] = defaultdict(list)
    for row in rows:
        slots[row.by, row.key, row.form].append(row)
    for same in slots.values():
        same.sort(key=lambda row: row.since)
    return slots
