"""What a mock document system got: kept in memory, and in a folder when it has one.

A delivery id is an office's key against repeats: a repeat is counted and registers nothing.  The folder holds, for
each delivery, `<office>/<delivery>.xml` (the document), `.upp.xml` (its receipt) and `.json` (all the rest); what
an earlier run left there is remembered.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from adapters.wire.durable import file_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One document as an office got it."""

    office: str
    delivery: str
    document: bytes
    receipt: bytes  # the UPP
    report: bytes  # verification report, UTF-8 JSON
    facts: Mapping[str, str] = field(default_factory=dict)  # with the keys of `Parcel.summary`
    envelope: Mapping[str, str] = field(default_factory=dict)  # what the protocol's own headers said
    number: str = ""  # what the office registered it under


class Records:
    """Everything that one or more mock offices got.  May be called by many threads."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = Lock()
        self._kept: dict[tuple[str, str], Handover] = {}
        self._registered: Counter[str] = Counter()
        self._times: Counter[tuple[str, str]] = Counter()
        self._arrivals: list[Handover] = []
        self._conflicts: list[Handover] = []
        self.answered: set[tuple[str, str]] = set()  # office and delivery of what a good answer was given for
        if folder is not None:
            for file in sorted(folder.glob("*/*.json"), key=lambda file: file.stat().st_mtime_ns):
                self._remember(file)

    @property
    def received(self) -> tuple[Handover, ...]:
        """Every delivery once, in the order of their arrival."""
        with self._lock:
            return tuple(self._kept.values())

    @property
    def arrivals(self) -> tuple[Handover, ...]:
        """Everything that came, repeats and all, in order, since this server began."""
        with self._lock:
            return tuple(self._arrivals)

    @property
    def conflicts(self) -> tuple[Handover, ...]:
        """What came under a delivery id that stood for another document: must stay empty."""
        with self._lock:
            return tuple(self._conflicts)

    @property
    def repeats(self) -> int:
        """How many times something was handed over again."""
        with self._lock:
            return sum(self._times.values()) - len(self._times)

    def times(self, delivery: str, office: str = "") -> int:
        """Return how many times a delivery was handed over, to one office or to all of them."""
        with self._lock:
            return sum(n for (where, what), n in self._times.items() if what == delivery and office in {"", where})

    def keep(self, handover: Handover) -> Handover:
        """Register what was handed over, or find it registered; return it with its number.

        Raises ValueError if the delivery id stands for another document already.
        """
        key = handover.office, handover.delivery
        with self._lock:
            self._times[key] += 1
            self._arrivals.append(handover)
            known = self._kept.get(key)
            if known is None:
                known = replace(handover, number=f"RPW/{self._registered[handover.office] + 1}")
                self._write(known)
                self._kept[key] = known
                self._registered[known.office] += 1
            elif known.document != handover.document:
                self._conflicts.append(handover)
                raise ValueError(f"{handover.delivery} stands for another document")
            return known

    def answer(self, handover: Handover) -> None:
        """Note that the office says now that it has this."""
        with self._lock:
            self.answered.add((handover.office, handover.delivery))

    def _write(self, it: Handover) -> None:
        if self._folder is None:
            return
        folder = self._folder / file_name(it.office)
        folder.mkdir(parents=True, exist_ok=True)
        about = {
            "office": it.office,
            "delivery": it.delivery,
            "number": it.number,
            "facts": dict(it.facts),
            "envelope": dict(it.envelope),
            "report": _json(it.report),
        }
        name = file_name(it.delivery)
        for suffix, content in (
            (".xml", it.document),
            (".upp.xml", it.receipt),
            (".json", json.dumps(about, ensure_ascii=False, indent=2).encode() + b"\n"),  # last: it is complete now
        ):
            unfinished = folder / f".{name}{suffix}"
            unfinished.write_bytes(content)
            os.replace(unfinished, folder / f"{name}{suffix}")  # noqa: PTH105 - said as it is meant

    def _remember(self, file: Path) -> None:
        about = json.loads(file.read_bytes())
        it = Handover(
            office=about["office"],
            delivery=about["delivery"],
            number=about["number"],
            facts=about["facts"],
            envelope=about["envelope"],
            report=json.dumps(about["report"], ensure_ascii=False, separators=(",", ":")).encode(),
            document=file.with_suffix(".xml").read_bytes(),
            receipt=file.with_suffix(".upp.xml").read_bytes(),
        )
        self._kept[it.office, it.delivery] = it
        self._registered[it.office] += 1
        self._times[it.office, it.delivery] = 1


def _json(report: bytes) -> Any:
    try:
        return json.loads(report)
    except ValueError:
        return report.decode(errors="replace")
