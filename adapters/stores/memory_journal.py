"""The journal of the store in memory: the plainest one that keeps the contract; the SQL store's is judged by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from broker.journal import Batch, Entry, Lag, chained, leaf_of
from broker.model import SubmissionId
from broker.ports import EventRecord


class Kept(Protocol):
    """What the journal sees of its store."""

    events: list[EventRecord]

    def _open(self) -> AbstractContextManager[datetime]: ...


class MemoryJournal:
    """The journal (`broker.journal.Journal`), under its store's lock."""

    def __init__(self, store: Kept) -> None:
        self._store = store
        self._batches: list[Batch] = []
        self._entries: dict[int, Entry] = {}  # those that are chained

    def _all(self) -> list[Entry]:
        return [
            self._entries.get(number) or Entry(id=number, event=event)
            for number, event in enumerate(self._store.events, start=1)
        ]

    def _some(self, wanted: Callable[[Entry], bool]) -> list[Entry]:
        with self._store._open():  # noqa: SLF001 - a part of the store
            return [entry for entry in self._all() if wanted(entry)]

    def chain(self, most: int) -> Batch | None:
        with self._store._open() as now:  # noqa: SLF001
            taken = [entry for entry in self._all() if entry.batch is None][:most]
            if not taken:
                return None
            leaves = [leaf_of(entry) for entry in taken]
            batch = chained(self._batches[-1] if self._batches else None, leaves, now)
            self._batches.append(batch)
            for position, (entry, leaf) in enumerate(zip(taken, leaves, strict=True)):
                self._entries[entry.id] = replace(entry, batch=batch.number, position=position, leaf=leaf)
            return batch

    def unsealed(self, most: int = 100) -> Sequence[Batch]:
        with self._store._open():  # noqa: SLF001
            return [it for it in self._batches if it.sealed is None][:most]

    def keep_sealed(self, number: int, sealed: bytes) -> None:
        with self._store._open():  # noqa: SLF001
            self._batches = [
                replace(it, sealed=sealed) if it.number == number and it.sealed is None else it for it in self._batches
            ]

    def unstamped(self, most: int = 100, *, after: int = 0) -> Sequence[Batch]:
        with self._store._open():  # noqa: SLF001
            return [it for it in self._batches if it.stamp is None and it.number > after][:most]

    def keep_stamp(self, number: int, stamp: bytes) -> None:
        with self._store._open():  # noqa: SLF001
            self._batches = [
                replace(it, stamp=stamp) if it.number == number and it.stamp is None else it for it in self._batches
            ]

    def last(self, *, sealed: bool = False, stamped: bool = False) -> Batch | None:
        with self._store._open():  # noqa: SLF001
            fit = (
                it
                for it in reversed(self._batches)
                if not (sealed and it.sealed is None) and not (stamped and it.stamp is None)
            )
            return next(fit, None)

    def batches(self, after: int = 0, most: int = 100) -> Sequence[Batch]:
        with self._store._open():  # noqa: SLF001
            return [it for it in self._batches if it.number > after][:most]

    def entries(self, batch: int) -> Sequence[Entry]:
        return self._some(lambda entry: entry.batch == batch)

    def strays(self, most: int = 100) -> Sequence[Entry]:
        return self._some(lambda entry: entry.batch is not None and entry.batch > len(self._batches))[:most]

    def about(self, submission: SubmissionId) -> Sequence[Entry]:
        return self._some(lambda entry: entry.event.submission == submission)

    def lag(self) -> Lag:
        with self._store._open():  # noqa: SLF001
            unchained = [entry for entry in self._all() if entry.batch is None]
            unsealed = [it for it in self._batches if it.sealed is None]
            return Lag(
                unchained=len(unchained),
                unchained_since=unchained[0].event.at if unchained else None,
                unsealed=len(unsealed),
                unsealed_since=unsealed[0].at if unsealed else None,
            )
