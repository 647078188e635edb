"""Evidence that something did not happen in time, on SQLite and PostgreSQL: owed, sealed, handed over.

Each step is guarded by how far it was, so that of two nodes that take the same step only one writes it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from adapters.stores.sql import rows
from adapters.stores.sql.tables import events, evidences
from adapters.stores.sql.writer import Work
from broker.deadlines import Evidence, Progress, Stage
from broker.model import DeliveryId, SubmissionId
from broker.ports import EventRecord
from broker.states import DeliveryState

_SAME: Final = ("submission", "delivery", "office", "cause", "deadline", "at", "id", "tries")
_NEXT: Final = frozenset({Progress.OWED, Progress.SEALED})  # there is a next step


def _evidence(row: Row[Any]) -> Evidence:
    return Evidence(
        **{name: getattr(row, name) for name in _SAME},
        stage=Stage(row.stage),
        state=DeliveryState(row.state),
        progress=Progress(row.progress),
        xml=bytes(row.xml),
    )


def _evidence_values(it: Evidence) -> rows.Values:
    return {name: getattr(it, name) for name in _SAME} | {
        "stage": it.stage.value,
        "state": it.state.value,
        "progress": it.progress.value,
        "xml": it.xml,
    }


def owe(connection: Connection, it: Evidence, now: datetime) -> None:
    """Owe some evidence from now on, once for a submission and stage."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(evidences).on_conflict_do_nothing(), _evidence_values(it) | {"due_at": now})


def of(connection: Connection, submission: SubmissionId) -> Sequence[Evidence]:
    """Return all evidence for a submission, in the order of its stages."""
    found = connection.execute(select(evidences).where(evidences.c.submission == submission))
    return sorted(map(_evidence, found), key=lambda it: list(Stage).index(it.stage))


def owed(connection: Connection, now: datetime, members: Sequence[int]) -> Sequence[list[Evidence]]:
    """Return evidence whose next step is due; a work, for the store's clock says what is due."""
    due = select(evidences).where(evidences.c.due_at <= now).order_by(evidences.c.due_at, evidences.c.submission)
    return [list(map(_evidence, connection.execute(due.limit(most)))) for most in members]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Some evidence as it was, and as it is to be."""

    before: Evidence
    after: Evidence
    wait: timedelta
    detail: str


def proceed(connection: Connection, now: datetime, members: Sequence[Step]) -> Sequence[bool]:
    """Write the next steps of what is still as it was."""
    return [_proceed(connection, now, it) for it in members]


def _proceed(connection: Connection, now: datetime, it: Step) -> bool:
    changed = connection.execute(
        update(evidences)
        .where(
            evidences.c.submission == it.before.submission,
            evidences.c.stage == it.before.stage.value,
            evidences.c.progress == it.before.progress.value,
            evidences.c.tries == it.before.tries,
        )
        .values(
            id=it.after.id,
            xml=it.after.xml,
            progress=it.after.progress.value,
            tries=it.after.tries,
            due_at=now + it.wait if it.after.progress in _NEXT else None,
        )
        .returning(evidences.c.submission, evidences.c.delivery)
    ).one_or_none()
    if changed is None:
        return False
    if it.after.progress is not it.before.progress:
        event = EventRecord(
            at=now,
            name=f"evidence.{it.after.progress}",
            submission=SubmissionId(changed.submission),
            delivery=DeliveryId(changed.delivery),
            detail=it.detail,
        )
        connection.execute(insert(events), [rows.event_values(event)])
    return True


OWED: Final = Work(rank=64, do=owed)
PROCEED: Final = Work(rank=65, do=proceed)
