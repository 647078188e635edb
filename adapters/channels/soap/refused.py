"""Refusals in the log: every one of a partner, and a few a minute of those in which nobody has proven to be one."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from adapters.wire.notes import Notes
from broker.errors import Rejection
from broker.partner import Credential, Partners

log = structlog.get_logger(__name__)


def tell(no: Rejection, shown: Sequence[Credential], partners: Partners, notes: Notes, *, service: str = "") -> None:
    """Log a refusal.

    `shown` is what its sender has proven, the strongest last: whose certificate it is stands in the event, for what
    the sender calls itself is only a claim.
    """
    known = sorted({partner.id for one in shown for partner in partners.of(one)})
    log.info(
        "soap.refused",
        channel=notes.channel,
        service=service,
        code=no.code,
        place=no.place,
        partner=", ".join(known),
        certificate=shown[-1].key if shown else "",
        counted=not (known or notes.may_say("refusals")),
    )
