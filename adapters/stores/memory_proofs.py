"""What the store in memory keeps beside custody: tokens, seals, time-stamped copies, second judgements.

A part of `MemoryStore`, apart because it is another matter; it is under the same lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from broker.model import Acceptance, Receipt, SubmissionId
from broker.ports import OVERTURNED, EventRecord, Filter, Record


class Proofs:
    """The part; `MemoryStore` has the rest."""

    if TYPE_CHECKING:
        events: list[EventRecord]
        _kept: dict[SubmissionId, Acceptance]

        def _open(self) -> AbstractContextManager[datetime]: ...
        def show(self, submission: SubmissionId) -> Record | None: ...

    def __init__(self) -> None:
        self._uses: dict[str, datetime] = {}
        self._seals: dict[str, tuple[datetime, str, bytes]] = {}
        self._stamps: dict[SubmissionId, bytes] = {}
        self._awaiting: set[SubmissionId] = set()
        self._later_reports: dict[SubmissionId, bytes] = {}

    def first_use(self, token: str, until: datetime) -> bool:
        with self._open() as now:
            self._uses = {one: end for one, end in self._uses.items() if end > now}
            if token in self._uses:
                return False
            self._uses[token] = until
            return True

    def forget_use(self, token: str) -> None:
        with self._open():
            self._uses.pop(token, None)

    def keep_seal(self, sha256: str, pem: bytes, at: datetime) -> None:
        with self._open() as now:
            if sha256 not in self._seals:
                self._seals[sha256] = (at, sha256, pem)
                self.events.append(EventRecord(at=now, name="seal.kept", detail=sha256))

    def seals(self) -> Sequence[bytes]:
        with self._open():
            return [pem for _, _, pem in sorted(self._seals.values())]

    def unstamped(self, most: int = 100) -> Sequence[Receipt]:
        with self._open():
            given = (it.receipt for key, it in self._kept.items() if key not in self._stamps)
            return sorted(given, key=lambda receipt: receipt.id)[:most]

    def stamp(self, receipt: str, xml: bytes, at: datetime) -> None:  # noqa: ARG002 - nobody asks for it back
        with self._open() as now:
            of = next((key for key, it in self._kept.items() if it.receipt.id == receipt), None)
            if of is not None and of not in self._stamps:
                self._stamps[of] = xml
                self.events.append(EventRecord(at=now, name="stamp.kept", submission=of))

    def awaiting(self, most: int = 100, after: str = "") -> Sequence[Record]:
        with self._open():
            found = (self.show(one) for one in sorted(one for one in self._awaiting if one > after)[:most])
            return [
                replace(record, events=(), report=b"", stamped=None, later_report=None)
                for record in found
                if record is not None
            ]

    def _judged_as(self, wanted: Filter, one: Record) -> bool:
        it = one.submission.id
        told = (event for event in self.events if event.submission == it and event.name == OVERTURNED)
        return not wanted.overturned or (it in self._later_reports and any(told))

    def settle(self, submission: SubmissionId, event: str, detail: str, report: bytes) -> None:
        with self._open() as now:
            if submission in self._awaiting:
                self._awaiting.remove(submission)
                self._later_reports[submission] = report
                self.events.append(EventRecord(at=now, name=event, submission=submission, detail=detail))
