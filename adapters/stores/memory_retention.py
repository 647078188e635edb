"""Pruning in the store that keeps everything in memory: what the SQL store is judged by."""

# ruff: noqa: SLF001 - it is a part of the store that it reaches into

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from broker.model import Acceptance, SubmissionId
from broker.ports import EventRecord
from broker.retention import HELD, LIFTED, PRUNED, REFUSALS, Due, Look, Terms
from broker.states import FINAL

if TYPE_CHECKING:
    from adapters.stores.memory import MemoryStore


class MemoryRetention:
    """The `Retention` of a MemoryStore; a part of it, under its lock."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._held: set[SubmissionId] = set()
        self.pruned: set[SubmissionId] = set()

    def _due(self, terms: Terms, it: Acceptance) -> bool:
        store, of = self._store, it.submission
        sent = (one for one in store._deliveries.values() if one.submission == of.id)
        return (
            terms.over(of.form, of.office, of.accepted_at)
            and all(one.state in FINAL for one in sent)
            and of.id not in store._awaiting
            and of.id not in self._held
            and not store.watch.needs(of.id)
            and (not terms.stamped or of.id in store._stamps)
        )

    def look(self, terms: Terms, after: str = "", most: int = 1000) -> Look:
        with self._store._open():
            seen = [
                it
                for key, it in sorted(self._store._kept.items())
                if key > after and key not in self.pruned and it.submission.accepted_at < terms.latest
            ][:most]
            due = tuple(
                Due(
                    submission=it.submission.id,
                    form=it.submission.form,
                    office=it.submission.office,
                    accepted_at=it.submission.accepted_at,
                    size=it.submission.size,
                )
                for it in seen
                if self._due(terms, it)
            )
            return Look(due=due, after=seen[-1].submission.id if len(seen) == most else "")

    def prune(self, terms: Terms, due: Sequence[Due]) -> Sequence[SubmissionId]:
        with self._store._open() as now:
            kept = self._store._kept
            named = sorted(one.submission for one in due if one.submission in kept)
            terms = terms.no_later_than(now)
            gone = [one for one in named if one not in self.pruned and self._due(terms, kept[one])]
            for one in gone:
                it = kept[one]
                blank = replace(it.submission, file_name="", reply_to="", case="", message_id="")
                kept[one] = replace(it, submission=blank, document=b"", report=b"")
                self._store._later_reports.pop(one, None)
                self._store.events.append(EventRecord(at=now, name=PRUNED, submission=one, detail=it.submission.digest))
            self.pruned.update(gone)
            return gone

    def forget_refusals(self, terms: Terms, keep: timedelta, most: int = 1000) -> int:
        with self._store._open() as now:
            store, before = self._store, terms.no_later_than(now).cutoff(keep)
            old = sorted((one for one in store._refusals if one.at < before), key=lambda one: one.at)[:most]
            left = {id(one) for one in old}
            store._refusals = [one for one in store._refusals if id(one) not in left]
            hour = before.replace(minute=0, second=0, microsecond=0)
            for counted in [one for one in store._refused if one[1] < hour]:
                del store._refused[counted]
            if old:
                store.events.append(EventRecord(at=now, name=REFUSALS, detail=str(len(old))))
            return len(old)

    def give_back(self, at: datetime) -> bool:  # noqa: ARG002 - memory gives back by itself
        return False

    def hold(self, submission: SubmissionId, reason: str) -> bool:
        with self._store._open() as now:
            if submission not in self._store._kept or submission in self.pruned:
                return False
            if submission not in self._held:
                self._held.add(submission)
                self._store.events.append(EventRecord(at=now, name=HELD, submission=submission, detail=reason))
            return True

    def lift(self, submission: SubmissionId, reason: str) -> bool:
        with self._store._open() as now:
            if submission not in self._held:
                return False
            self._held.remove(submission)
            self._store.events.append(EventRecord(at=now, name=LIFTED, submission=submission, detail=reason))
            return True
