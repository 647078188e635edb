"""Deadlines in the store that keeps everything in memory: what the SQL store is judged by."""
# ruff: noqa: SLF001 - a part of MemoryStore, apart because it is another matter

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from broker.custody import READMITTED
from broker.deadlines import (
    Evidence,
    Level,
    Progress,
    Stage,
    Timetable,
    Told,
    Watched,
    begun,
    begun_before,
    overdue,
    owes,
    shortfall,
    telling,
    to_be_told,
    waived,
    waiver,
)
from broker.model import Delivery, DeliveryId, Submission, SubmissionId
from broker.ports import EventRecord
from broker.states import FINAL, DeliveryState

if TYPE_CHECKING:
    from adapters.stores.memory import MemoryStore

_Key = tuple[Stage, Level]


@dataclass(slots=True)
class _Owed:
    evidence: Evidence
    due_at: datetime | None


class MemoryWatch:
    """The `Watch` of a MemoryStore; a part of it, under its lock."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._told: dict[DeliveryId, dict[_Key, bool]] = {}  # and whether it has come about since
        self._awaited: dict[SubmissionId, bool] = {}  # and whether it was told that the answer is late
        self._evidence: dict[tuple[SubmissionId, Stage], _Owed] = {}

    # ── what the store tells ──

    def accepted(self, it: Submission, now: datetime, *, awaits: bool) -> None:
        """Note what has just been accepted: it may await an answer, or be one."""
        if awaits:
            self._awaited[it.id] = False
            if READMITTED in it.notes:
                self._answered_before(it, now)
        asked = self._store._kept.get(SubmissionId(it.in_reply_to))
        if asked is not None and not it.trial and asked.submission.reply_to == it.box:
            self._answered(asked.submission.id, it.id, now)

    def _answered_before(self, it: Submission, now: datetime) -> None:
        came = [one.submission for id_, one in sorted(self._store._kept.items()) if id_ > it.id]
        for one in came:
            if one.in_reply_to == it.id and one.box == it.reply_to and not one.trial:
                self._answered(it.id, one.id, now)

    def inherit(self, old: DeliveryId, new: DeliveryId) -> None:
        """Let a delivery that takes a document over have been told, and have met, what the one before was and had."""
        self._told[new] = dict(self._told.get(old, {}))

    def needs(self, submission: SubmissionId) -> bool:
        """Tell whether an answer is still waited for, or evidence is on its way: both need the reply address."""
        owed = (it for (of, _), it in self._evidence.items() if of == submission)
        return self._awaited.get(submission) is False or any(it.due_at is not None for it in owed)

    # ── Watch ──

    def candidates(self, timetable: Timetable, at: datetime) -> Iterator[Sequence[DeliveryId]]:
        with self._store._open():
            seen = [self._watched(one) for one in self._store._deliveries.values()]
        found = [it.delivery.id for it in seen if to_be_told(it, timetable, at)]
        if found:
            yield found

    def _watched(self, one: Delivery) -> Watched:
        return Watched(
            delivery=one,
            accepted_at=self._store._kept[one.submission].submission.accepted_at,
            begun_before=self._begun_before(one),
            awaited=self._awaited.get(one.submission) is False,
            told=frozenset(self._told.get(one.id, {})),
        )

    def _begun_before(self, one: Delivery) -> bool:
        return begun_before(it for it in self._store._deliveries.values() if it.submission == one.submission)

    def tell(
        self, deliveries: Sequence[DeliveryId], timetable: Timetable, wants: Callable[[str], bool]
    ) -> Sequence[Told]:
        with self._store._open() as now:
            found = (self._store._deliveries.get(one) for one in sorted(set(deliveries)))
            return [told for one in found if one is not None for told in self._one(one, timetable, wants, now)]

    def _one(self, one: Delivery, timetable: Timetable, wants: Callable[[str], bool], now: datetime) -> Iterator[Told]:
        told, watched = self._told.setdefault(one.id, {}), self._watched(one)
        terms = timetable.of(one.office)
        if waived(watched, terms):
            watched = replace(watched, awaited=False)
            del self._awaited[one.submission]
            self._met(one.submission, Stage.RETRIEVAL)
            self._store.events.append(waiver(one, now))
        for stage, level in overdue(watched, terms, now):
            told[stage, level] = False
            self._store.events.append(telling(one, stage, level, now))
            about = self._store._kept[one.submission].submission
            owed = owes(level, about.sender, about.notes, wants)
            if owed:
                evidence = shortfall(watched, stage, terms, now)
                self._evidence.setdefault((one.submission, stage), _Owed(evidence, now))
            if (stage, level) == (Stage.RETRIEVAL, Level.EXPIRED):
                self._awaited[one.submission] = True
            yield Told(delivery=one, stage=stage, level=level, owed=owed)

    def _event(
        self, name: str, at: datetime, submission: SubmissionId, delivery: DeliveryId | None, detail: str
    ) -> None:
        self._store.events.append(
            EventRecord(at=at, name=name, submission=submission, delivery=delivery, detail=detail)
        )

    def settle(self) -> int:
        late = 0
        with self._store._open() as now:
            for id_, told in self._told.items():
                one = self._store._deliveries[id_]
                for stage, level in [key for key, met in told.items() if not met]:
                    relayed = begun(one) or self._begun_before(one)
                    about = one.state in FINAL or (stage is Stage.RELAY and relayed)
                    if stage is Stage.RETRIEVAL or not about:
                        continue
                    told[stage, level] = True
                    if level is Level.EXPIRED and one.state is not DeliveryState.REDIRECTED:
                        self._event("deadline.met-late", now, one.submission, one.id, stage)
                        late += 1
        return late

    def owed(self, most: int = 100) -> Sequence[Evidence]:
        with self._store._open() as now:
            due = [(it.due_at, it.evidence) for it in self._evidence.values() if it.due_at and it.due_at <= now]
            return [it for _, it in sorted(due, key=lambda one: (one[0], one[1].submission))][:most]

    def proceed(self, before: Evidence, after: Evidence, wait: timedelta = timedelta(0), detail: str = "") -> bool:
        with self._store._open() as now:
            kept = self._evidence.get((before.submission, before.stage))
            if kept is None or (kept.evidence.progress, kept.evidence.tries) != (before.progress, before.tries):
                return False
            kept.evidence = after
            kept.due_at = now + wait if after.progress in {Progress.OWED, Progress.SEALED} else None
            if after.progress is not before.progress:
                self._event(f"evidence.{after.progress}", now, after.submission, after.delivery, detail)
            return True

    def evidence(self, submission: SubmissionId) -> Sequence[Evidence]:
        with self._store._open():
            kept = (self._evidence.get((submission, stage)) for stage in Stage)
            return [it.evidence for it in kept if it is not None]

    def awaits_answer(self, submission: SubmissionId) -> bool:
        with self._store._open():
            return submission in self._awaited

    def answered(self, submission: SubmissionId, reason: str) -> bool:
        with self._store._open() as now:
            return self._answered(submission, reason, now)

    def _answered(self, submission: SubmissionId, by: str, now: datetime) -> bool:
        expired = self._awaited.pop(submission, None)
        if expired is None:
            return False
        self._met(submission, Stage.RETRIEVAL)
        self._event("deadline.answered", now, submission, None, by)
        if expired:
            self._event("deadline.met-late", now, submission, None, Stage.RETRIEVAL)
        return True

    def _met(self, submission: SubmissionId, stage: Stage) -> None:
        for id_, told in self._told.items():
            if self._store._deliveries[id_].submission == submission:
                told.update({key: True for key in told if key[0] is stage})

    def late(self) -> Mapping[tuple[Stage, Level], int]:
        with self._store._open():
            return Counter(key for told in self._told.values() for key, met in told.items() if not met)
