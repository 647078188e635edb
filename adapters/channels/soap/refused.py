"""Who was sent away, in the log: of partners every time, a few times a minute where nobody has proven to be one."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from adapters.wire.notes import Notes
from broker.errors import Rejection, Unavailable
from broker.partner import Credential, Partners

log = structlog.get_logger(__name__)


def tell(no: Rejection, shown: Sequence[Credential], partners: Partners, notes: Notes, *, service: str = "") -> None:
    """Log a refusal.

    `shown` is what its sender has proven, the strongest last: whose certificate it is stands in the event, for what
    the sender calls itself is only a claim.
    """
    known = _known(shown, partners)
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


def put_off(away: Unavailable, shown: Sequence[Credential], partners: Partners, notes: Notes) -> None:
    """Log that a sender was asked to come back; `shown` as above."""
    known = _known(shown, partners)
    log.warning(
        "soap.unavailable",
        channel=notes.channel,
        reason=away.reason,
        partner=", ".join(known),
        counted=not (known or notes.may_say("senders put off")),
    )


def _known(shown: Sequence[Credential], partners: Partners) -> Sequence[str]:
    return sorted({partner.id for one in shown for partner in partners.of(one)})
