"""Deliveries for offices that the configuration no longer has: nobody would ever hand them over."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import structlog

from broker.model import OfficeId
from broker.quarantine import Quarantine

log = structlog.get_logger(__name__)


def missing(configured: Collection[str], unfinished: Mapping[OfficeId, int]) -> Mapping[OfficeId, int]:
    """Return how many deliveries are not final for each office that is not configured."""
    return {office: number for office, number in sorted(unfinished.items()) if office not in configured}


def warn_of_missing(configured: Collection[str], quarantine: Quarantine) -> None:
    """Say so in the log.  `goniec check` refuses; a node that starts does not, for all other offices' sake."""
    for office, number in missing(configured, quarantine.unfinished()).items():
        log.warning("serve.office-missing", office=office, deliveries=number)
