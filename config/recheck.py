"""Judging again what was let in under a grace, when nobody could say whether a certificate was revoked.

The stored document is judged as of its moment of entry, with what is known today.  Three things can come of it:
confirmed; overturned, which is an alert, because an office may already have acted on the document; or still unknown,
and then it is tried again until it has waited for so long that somebody must look.

Overturned is what news prove: a revocation, another verifier, a trusted list that says less of the certificate than it
did.  Where something is merely not at hand any more, a list that has ended or an anchor, nothing is proven of the
document, and what is missing may come back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog

from broker.errors import Rejection, Unavailable
from broker.evidence import Report, to_json
from broker.model import Address, Document, Envelope, Submission
from broker.ports import OVERTURNED, Clock, Ledger, Stage, Store
from broker.verify.revocation import UNOBTAINABLE
from config.second_verdict import Outcome, compare

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 500  # documents that are judged again in one round; the next round goes on where it ended


@dataclass(slots=True, kw_only=True)
class Recheck:
    """The job.  `judge` is what stage verify thinks of a document; `patience` how long one may stay unknown.

    Called by one thread at a time.  Oldest first and once around: what stays unknown holds up nothing behind it.
    """

    store: Store
    ledger: Ledger
    parse: Stage[Envelope, Document]
    judge: Callable[[Document], Report]
    clock: Clock
    patience: timedelta
    at_once: int = _AT_ONCE
    _after: str = field(default="", init=False)

    def __call__(self) -> None:
        """Judge again what awaits it.  Raises Unavailable if the store is away, or some content cannot be read."""
        unreadable: Unavailable | None = None
        waiting = self.store.awaiting(self.at_once, self._after)
        self._after = waiting[-1].submission.id if len(waiting) == self.at_once else ""
        for record in waiting:
            try:
                content = self.ledger.document(record.submission.id)
            except Unavailable as away:  # a key is missing, or somebody changed it: the others are to be judged
                unreadable = unreadable or away
                continue
            self._again(record.submission, content)
        if unreadable is not None:
            raise unreadable

    def _again(self, it: Submission, content: bytes | None) -> None:
        bound = log.bind(submission=it.id, office=it.office, box=it.box)
        if content is None:  # somebody has removed it
            bound.error("verify.unresolved", reason="its content is not kept")
            self.store.settle(it.id, "verify.unresolved", "its content is not kept", self._first(it))
            return
        try:
            report = self.judge(self.parse(_envelope(it, content)))
        except Rejection as no:  # caps were lowered since: what it is worth cannot be told any more
            bound.error("verify.unresolved", code=no.code)
            self.store.settle(it.id, "verify.unresolved", no.code, self._first(it))
            return
        said = compare(lambda: _read(self._first(it)), report)
        reason = {"reason": said.reason} if said.reason else {}
        if said.outcome is Outcome.CONFIRMED:
            bound.info("verify.confirmed")
            self.store.settle(it.id, "verify.confirmed", "", to_json(report))
        elif said.outcome is Outcome.OVERTURNED:
            bound.error("verify.overturned", code=report.code, place=report.place, **reason)
            self.store.settle(it.id, OVERTURNED, said.reason or report.code, to_json(report))
        elif report.code == UNOBTAINABLE or self.clock() - it.received_at > self.patience:
            bound.error("verify.unresolved", code=report.code, place=report.place, **reason)
            self.store.settle(it.id, "verify.unresolved", said.reason or report.code, to_json(report))

    def _first(self, it: Submission) -> bytes:
        """Return what it was worth when it came in, for want of a second judgement."""
        record = self.ledger.show(it.id)
        return record.report if record else b""


def _read(report: bytes) -> dict[str, Any]:
    return dict(json.loads(report)) if report else {}


def _envelope(it: Submission, content: bytes) -> Envelope:
    return Envelope(
        channel=it.channel,
        sender=it.sender,
        received_at=it.received_at,
        payload=content,
        to=Address(box=it.box),
        message_id=it.message_id,
        file_name=it.file_name,
        trial=it.trial,
    )
