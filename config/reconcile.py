"""Answers questions that come in through a channel: of the same partners, at the same pace, as documents come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import structlog

from adapters.wire.kind import Custody
from broker import reconcile
from broker.errors import Malformed, Rejection, Unauthorised, Unavailable
from broker.model import Receipt
from broker.partner import Partners
from broker.ports import Pace
from broker.reconcile import MOST, Asker, Found, Page
from config.pace import Turnstile

log = structlog.get_logger(__name__)


class Desk:
    """The `Inquiries` of a broker.  Made before its store is open: until `custody` is set everybody is put off."""

    def __init__(self, partners: Callable[[], Partners]) -> None:
        self.partners = partners
        self.custody: Custody | None = None
        self.pace: Pace = Turnstile()  # intake's too: a question counts as a message

    def page(self, asker: Asker, since: datetime, cursor: str = "", most: int = MOST) -> Page:
        with self._entered(asker, "page") as custody:
            found = reconcile.page(custody.reconcile, asker.sender, since, cursor, most)
            return replace(found, head=custody.journal.last(sealed=True))

    def look_up(self, asker: Asker, digests: Sequence[str]) -> Sequence[Found]:
        with self._entered(asker, "look-up") as custody:
            return reconcile.look_up(custody.reconcile, asker.sender, digests)

    def receipt(self, asker: Asker, id: str) -> Receipt:  # noqa: A002 - the field's name
        with self._entered(asker, "receipt") as custody:
            found = custody.reconcile.receipt(asker.sender, id)
        if found is None:
            raise Malformed("reconcile.receipt")
        return found

    @contextmanager
    def _entered(self, asker: Asker, question: str) -> Iterator[Custody]:
        """Let an asker in; what came to nothing for want of something of ours may be asked again as it is."""
        custody = self.custody
        if custody is None:
            raise Unavailable("the store is not open yet")
        partner = self.partners().sender(asker.sender, asker.proof)
        if partner is not None:
            self.pace(partner)
        once = asker.once
        if once is not None and not custody.first_use(once.token, once.until):
            raise Unauthorised("intake.replayed")
        try:
            yield custody
        except Rejection:
            raise
        except Exception:
            if once is not None:
                custody.forget_use(once.token)
            raise
        name = self.partners().known_name(asker.sender, asker.proof)
        log.info("reconcile.answered", sender=name, question=question)
