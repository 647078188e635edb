"""The offices of the demo, and the routing tables that cover them.

The offices stand in `offices.csv`, which says what of it is fact and what is made up.  From any of them the two
CSV files of `routing/load.py` can be written; for all of them they are `config/example/{boxes,routing}.csv`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from broker.model import OfficeId

ENTRY = "wpis-do-ewidencji"
CERTIFICATE = "zaswiadczenie"
QUESTION = "pytanie"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOffice:
    """An office: what the register TERC says of it, and its keys."""

    id: OfficeId
    name: str
    unit: str  # the territorial unit as TERC names it
    kind: str  # of the unit, as TERC calls it: gmina_miejska, powiat_grodzki, …
    teryt: str
    nip: str
    regon: str
    ade: str
    box: str
    synthetic: frozenset[str]  # which of the keys are made up

    @property
    def territory(self) -> str:
        """What a routing row says for the office's own territory: a city with county rights is its communes too."""
        return f"{self.teryt}*" if self.kind == "powiat_grodzki" else self.teryt

    @property
    def town(self) -> str:
        """A place name to date letters from."""
        return self.unit.partition(" ")[2]


@cache
def offices() -> tuple[DemoOffice, ...]:
    """Return all 54 offices; the one whose keys are real, Cieszyn, is the first."""
    text = files(__package__).joinpath("offices.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(
        DemoOffice(
            id=OfficeId(row["id"]),
            name=row["office"],
            unit=row["unit"],
            kind=row["kind"],
            teryt=row["teryt"],
            nip=row["nip"],
            regon=row["regon"],
            ade=row["ade"],
            box=row["box"],
            synthetic=frozenset(row["synthetic"].split("|")),
        )
        for row in csv.DictReader(lines, delimiter=";")
    )


def boxes_csv(chosen: Sequence[DemoOffice]) -> bytes:
    """Return boxes.csv for these offices: one box for everything each, and two with rules of their own."""
    head = ("box", "office", "name", "forms", "senders", "level", "unsigned", "signatures", "answer", "grace", "remark")
    lines = [
        (it.box, it.id, it.name, "", "", "", "", "", "", "", "synthetic address" if "box" in it.synthetic else "")
        for it in chosen
    ]
    for it in chosen:
        if it.kind == "wojewodztwo":
            takes, remark = f"{CERTIFICATE}|{ENTRY}", "synthetic address; a stronger signature than the forms ask"
            lines.append((_second(it), it.id, it.name, takes, "", "trusted-profile", "no", "", "", "", remark))
        if it.kind == "powiat_ziemski":
            lines.append(
                (_second(it), it.id, it.name, ENTRY, "", "", "", "", "", "", "synthetic address; one form only")
            )
    return _written("The boxes of the demo's offices and their rules (columns: routing/load.py).", head, lines)


def routing_csv(chosen: Sequence[DemoOffice]) -> bytes:
    """Return routing.csv for these offices: every key of each, then the services that are shared out by territory."""
    head = ("by", "key", "form", "from", "until", "box", "remark")
    lines = []
    for it in chosen:
        keys = (("ade", it.ade), ("regon", it.regon), ("nip", it.nip))
        lines += [(by, key, "", "", "", it.box, "synthetic" if by in it.synthetic else "") for by, key in keys]
        lines.append(("teryt", it.territory, "", "", "", it.box, it.unit))
    for it in chosen:
        if it.kind == "wojewodztwo":
            lines.append(("teryt", f"{it.teryt}*", QUESTION, "", "", it.box, "one help desk for the voivodeship"))
        if it.kind == "powiat_ziemski":
            moves = "2027-01-01"
            within = ("teryt", f"{it.teryt}*", ENTRY)
            lines.append((*within, "", moves, it.box, "the county serves its communes"))
            lines.append((*within, moves, "", _second(it), "and from then on in a box for this service"))
    return _written("What leads to the boxes of the demo's offices (columns: routing/load.py).", head, lines)


def _second(office: DemoOffice) -> str:
    return f"/demo-{office.id}/wnioski"


def _written(about: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    text.write(f"# {about}\n")
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return text.getvalue().encode()
