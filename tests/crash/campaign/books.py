"""What clients and offices hold, as digests: a hundred thousand documents must fit into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from adapters.testkit.dms_records import Handover, Records


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client was told about a document: a receipt, or a code of refusal."""

    document: str  # SHA-256
    submission: str = ""
    receipt: str = ""  # SHA-256
    code: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What an office got."""

    office: str
    delivery: str
    submission: str
    document: str  # SHA-256
    receipt: str  # SHA-256


class Clients:
    """Every answer that any client got.  May be written by many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.answers: dict[str, set[Answer]] = {}
        self.told = 0
        self.later = self.dropped = 0  # times that a client was told to come again, or heard nothing

    def hear(self, answer: Answer) -> None:
        with self._lock:
            self.answers.setdefault(answer.document, set()).add(answer)
            self.told += 1

    def again(self, *, told: bool) -> None:
        """Count a document that is sent once more: because it was told so, or because nobody has answered."""
        with self._lock:
            if told:
                self.later += 1
            else:
                self.dropped += 1


class Shelves(Records):
    """An office's records that keep digests only."""

    def __init__(self) -> None:
        super().__init__()
        self._digests: dict[tuple[str, str], str] = {}
        self.came: list[Arrival] = []
        self.wrong: list[str] = []

    @property
    def arrivals(self) -> Sequence[Arrival]:  # type: ignore[override] - what is kept here is less
        return self.came

    def keep(self, handover: Handover) -> Handover:
        """Register a delivery id once."""
        it, document = handover, digest(handover.document)
        with self._lock:
            self.came.append(Arrival(it.office, it.delivery, it.facts["submission"], document, digest(it.receipt)))
            known = self._digests.setdefault((it.office, it.delivery), document)
            if known != document:
                self.wrong.append(f"{it.delivery} stands for another document")
                raise ValueError(self.wrong[-1])
            return replace(it, number=f"RPW/{len(self._digests)}")
