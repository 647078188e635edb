"""Copies of the evidence, in the store that keeps everything in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from broker.copies import MADE, MOST
from broker.model import Acceptance, SubmissionId
from broker.ports import EventRecord


class MemoryCopies:
    """The `Copies` of a MemoryStore: what is kept and told there, read and written under the store's lock."""

    def __init__(
        self,
        open_: Callable[[], AbstractContextManager[datetime]],
        kept: Mapping[SubmissionId, Acceptance],
        events: list[EventRecord],
    ) -> None:
        self._open = open_
        self._kept = kept
        self._events = events

    def named(self, word: str) -> Sequence[SubmissionId]:
        with self._open():
            found = {
                key
                for key, it in self._kept.items()
                if word in {key, it.receipt.id, *(one.id for one in it.deliveries)}
                or word.lower() == it.submission.digest
            }
            return sorted(found, reverse=True)[:MOST]

    def made(self, submission: SubmissionId, detail: str) -> bool:
        with self._open() as now:
            known = submission in self._kept
            if known:
                self._events.append(EventRecord(at=now, name=MADE, submission=submission, detail=detail))
            return known
