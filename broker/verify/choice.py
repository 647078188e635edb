"""Which of several paths counts: the first that stands (EN 319 102-1 §5.2.6.4: else the next chain is asked about).

An authority has several certificates for one key, an old one and its renewal, or one of each of two roots.  One of
them may be revoked, as superseded, and the signature is none the worse for it.  If it is revoked because the key is in
other hands, another stands only if it is known to be good: nothing is hoped for a key that somebody has disowned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from broker.evidence import AWAITED, RevocationReport
from broker.verify import revocation
from broker.verify.fault import Fault
from broker.verify.path import Path
from broker.verify.revocation import CA_REVOKED, ON_HOLD, Known
from broker.verify.trust import REVOCATION_OFF, TrustSnapshot

_OF_THE_KEY: Final = frozenset({"keyCompromise", "cACompromise"})
"""Reasons of a revocation that are reasons against every certificate of the key (RFC 5280 §5.3.1)."""


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
    compromised = {key for way in looked_at for key in _compromised(way)}
    return min(looked_at, key=lambda way: _despair(way, compromised))


def _compromised(way: Way) -> Iterator[str]:
    """Yield the authorities' keys that are said to be in other hands, as `certificate.issuer_key` names them."""
    for number, report in enumerate(way.revocation[1:]):
        if report.code == CA_REVOKED and report.reason in _OF_THE_KEY:
            yield way.path.issuers[number]


def _despair(way: Way, compromised: set[str]) -> int:
    """Return how little can be hoped for: evidence that is missing may come, a hold may be lifted, no more.

    Least of all for what hangs on a compromised key: there is a path that says so, and it counts.
    """
    code = way.fault.code if way.fault else ""
    if code not in AWAITED and code != ON_HOLD:
        return 2
    if not compromised.isdisjoint(way.path.issuers):
        return 3
    return 0 if code in AWAITED else 1


def _fault(reports: tuple[RevocationReport, ...]) -> Fault | None:
    try:
        revocation.require(reports)
    except Fault as fault:
        return fault
    return None
