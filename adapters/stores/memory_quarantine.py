"""What waits for an operator, in the store that keeps everything in memory: what the SQL store is judged by."""
# ruff: noqa: SLF001 - a part of MemoryStore, apart because it is another matter

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from broker.errors import Refused
from broker.identity import delivery_id
from broker.model import Delivery, DeliveryId, Fingerprint, OfficeId, Submission
from broker.quarantine import AT_ONCE, Pile, Redirected, Selection, Spread, may_be_there
from broker.states import FINAL, STUCK, TRANSITIONS, DeliveryEvent, DeliveryState

if TYPE_CHECKING:
    from adapters.stores.memory import MemoryStore


class MemoryQuarantine:
    """The `Quarantine` of a MemoryStore; a part of it, under its lock."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def _selected(self, wanted: Selection) -> list[Delivery]:
        return sorted(
            (
                one
                for one in self._store._deliveries.values()
                if one.state in wanted.states
                and (not wanted.office or one.office == wanted.office)
                and (wanted.since is None or one.since >= wanted.since)
                and (wanted.until is None or one.since < wanted.until)
            ),
            key=_place,
        )

    def piles(self, wanted: Selection) -> Sequence[Pile]:
        with self._store._open():
            piles: defaultdict[tuple[OfficeId, DeliveryState, str], list[Delivery]] = defaultdict(list)
            for one in self._selected(wanted):
                piles[one.office, one.state, one.last_error].append(one)
        return [
            Pile(
                office=office,
                state=state,
                error=error,
                number=len(of),
                oldest=min(one.since for one in of),
                examples=tuple(sorted({min(one.id for one in of), max(one.id for one in of)})),
            )
            for (office, state, error), of in piles.items()
        ]

    def find(self, wanted: Selection, after: Delivery | None = None, most: int = 500) -> Sequence[Delivery]:
        with self._store._open():
            found = [one for one in self._selected(wanted) if not wanted.ids or one.id in wanted.ids]
        return [one for one in found if after is None or _place(one) > _place(after)][:most]

    def requeue(self, deliveries: Sequence[DeliveryId], reason: str, spread: Spread = AT_ONCE) -> Sequence[DeliveryId]:
        store = self._store
        with store._open() as now:
            due, sent = now + spread.first, []
            for one in (store._deliveries[wanted] for wanted in deliveries if wanted in store._deliveries):
                if one.state in STUCK:
                    anew = replace(one, attempts=0, crashes=0, since=due, due_at=due)
                    store._step(anew, DeliveryEvent.REQUEUED, now, reason)
                    sent.append(one.id)
                    due += spread.step
            return sent

    def redirect(
        self,
        deliveries: Sequence[DeliveryId],
        to: OfficeId,
        reason: str,
        *,
        even_if_sent: bool = False,
        dry_run: bool = False,
    ) -> Redirected:
        store = self._store
        with store._open() as now:
            if to not in store._offices:
                raise Refused(f"the store does not know the office {to}")
            made: dict[DeliveryId, DeliveryId] = {}
            held_back = []
            for one in [store._deliveries[it] for it in dict.fromkeys(deliveries) if it in store._deliveries]:
                if DeliveryEvent.REDIRECTED not in TRANSITIONS[one.state] or one.office == to:
                    continue
                if not even_if_sent and self._may_be_there(one):
                    held_back.append(one.id)
                    continue
                it = store._kept[one.submission].submission
                new = delivery_id(_message(it), to)
                if any((each.submission, each.office) == (it.id, to) for each in store._deliveries.values()):
                    continue
                made[one.id] = new
                if not dry_run:
                    store._step(one, DeliveryEvent.REDIRECTED, now, f"to {to} as {new}: {reason}")
                    store._deliveries[new] = Delivery(id=new, submission=it.id, office=to, since=now, due_at=now)
                    store.watch.inherit(one.id, new)
            return Redirected(made=made, held_back=tuple(sorted(held_back)))

    def _may_be_there(self, one: Delivery) -> bool:
        told = (it for it in self._store.events if it.delivery == one.id and it.name.startswith("delivery."))
        return may_be_there(
            self._store._kept[one.submission].submission.notes,
            ((DeliveryEvent(event.name.removeprefix("delivery.")), event.detail) for event in told),
        )

    def unfinished(self) -> Mapping[OfficeId, int]:
        with self._store._open():
            return Counter(one.office for one in self._store._deliveries.values() if one.state not in FINAL)


def _place(one: Delivery) -> tuple[str, str, str]:
    return one.state, one.submission, one.id


def _message(it: Submission) -> Fingerprint:
    return Fingerprint(
        sender=it.sender, message_id=it.message_id, box=it.fingerprint_box, trial=it.trial, digest=it.digest
    )
