"""What a partner sent, told by the store that keeps everything in memory."""

# ruff: noqa: SLF001 - it is a part of the store that it reaches into

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from broker.model import Receipt, Refusal, Submission, SubmissionId
from broker.reconcile import MOST, Sent, standing
from broker.retention import pruned_at

if TYPE_CHECKING:
    from adapters.stores.memory import MemoryStore


class MemoryReconciliation:
    """The `Reconciliation` of a MemoryStore; a part of it, under its lock."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def _sent(self, sender: str | None, wanted: Callable[[Submission], bool]) -> list[Sent]:
        with self._store._open():
            kept = (it for _, it in sorted(self._store._kept.items()))
            return [
                self._told(it.submission, it.receipt)
                for it in kept
                if sender in {None, it.submission.sender} and wanted(it.submission)
            ]

    def _told(self, it: Submission, receipt: Receipt) -> Sent:
        word, reference = standing(one for one in self._store._deliveries.values() if one.submission == it.id)
        return Sent(
            submission=it.id,
            sender=it.sender,
            receipt=receipt.id,
            message_id=it.message_id,
            digest=it.digest,
            box=it.box,
            form=it.form,
            received_at=it.received_at,
            accepted_at=it.accepted_at,
            standing=word,
            reference=reference,
            removed_at=pruned_at([event for event in self._store.events if event.submission == it.id]),
        )

    def sent(self, sender: str | None, since: datetime, after: str = "", most: int = MOST) -> Sequence[Sent]:
        return self._sent(sender, lambda it: it.id > after and it.accepted_at >= since)[:most]

    def _refusals(self, sender: str | None) -> list[Refusal]:
        with self._store._open():
            mine = [one for one in self._store._refusals if sender in {None, one.sender}]
        return [replace(one, negative_receipt=None) for one in mine]

    def turned_away(self, sender: str | None, since: datetime, skip: int = 0, most: int = MOST) -> Sequence[Refusal]:
        found = sorted((one for one in self._refusals(sender) if one.at >= since), key=lambda one: one.at)
        return found[skip : skip + most]

    def known(self, sender: str | None, digests: Sequence[str]) -> Sequence[Sent]:
        return self._sent(sender, lambda it: it.digest in digests)

    def refused(self, sender: str | None, digests: Sequence[str]) -> Sequence[Refusal]:
        found = self._refusals(sender)
        last = {one.digest: number for number, one in enumerate(found) if one.digest in digests}
        return [found[number] for number in sorted(last.values())]

    def messages(self, sender: str, message_ids: Sequence[str]) -> Mapping[str, SubmissionId]:
        with self._store._open():
            used = self._store._by_message
            return {one: self._store._by_key[used[sender, one]] for one in message_ids if (sender, one) in used}

    def receipt(self, sender: str | None, id: str) -> Receipt | None:  # noqa: A002 - the field's name
        with self._store._open():
            kept = self._store._kept.values()
            mine = (it.receipt for it in kept if it.receipt.id == id and sender in {None, it.submission.sender})
            return next(mine, None)
