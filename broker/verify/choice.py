"""Which of several paths counts: the first that stands (EN 319 102-1 §5.2.6.4: else the next chain is asked about).

An authority has several certificates for one key, an old one and its renewal, or one of each of two roots.  One of
them may be revoked, as superseded, and the signature is none the worse for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from broker.evidence import AWAITED, RevocationReport
from broker.verify import revocation
from broker.verify.fault import Fault
from broker.verify.path import Path
from broker.verify.revocation import ON_HOLD, Known
from broker.verify.trust import REVOCATION_OFF, TrustSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A path, what is known of revocations on it, and what is wrong with it, if anything is."""

    path: Path
    revocation: tuple[RevocationReport, ...]
    fault: Fault | None


def choose(
    paths: Iterable[Path], known: Known, trust: TrustSnapshot, at: datetime, *, entry: datetime | None = None
) -> Way:
    """Return the first path of which nothing is wrong; else one that may still come to stand; else the first.

    `at` and `entry` are as for `revocation.judge`; where nobody asks about revocation, the first is taken.  Tells
    `known` what is missing of those that it has looked at.  There is at least one path; raises Fault as `paths` does.
    """
    if trust.revocation == REVOCATION_OFF:
        return Way(path=next(iter(paths)), revocation=(), fault=None)
    evidence = known.evidence()
    looked_at: list[Way] = []
    for path in paths:
        reports = revocation.judge(path, evidence, trust, at, entry=entry)
        if revocation.due(reports, entry or at):
            known.ask(path)
        way = Way(path=path, revocation=reports, fault=_fault(reports))
        if way.fault is None:
            return way
        looked_at.append(way)
    return min(looked_at, key=_despair)


def _despair(way: Way) -> int:
    """Return how little can be hoped for: evidence that is missing may come, a hold may be lifted, no more."""
    code = way.fault.code if way.fault else ""
    return 0 if code in AWAITED else 1 if code == ON_HOLD else 2


def _fault(reports: tuple[RevocationReport, ...]) -> Fault | None:
    try:
        revocation.require(reports)
    except Fault as fault:
        return fault
    return None
