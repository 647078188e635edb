"""What stands behind a signer's certificate at a moment: its path, the level, who signed, what is known of revocations.

Of a moment that only a stamp could prove whose unit nobody can speak of yet, no verdict is passed; but whether it would
cure what is wrong, or make the signature worth more, is not guessed either: all is judged for that moment too.  What a
document is worth must not hang on whether evidence about a stamp has come already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from broker.evidence import AWAITED, Identity, Level, RevocationReport
from broker.verify import path
from broker.verify.certificate import Certificate
from broker.verify.choice import choose
from broker.verify.fault import Fault
from broker.verify.moment import Timing
from broker.verify.path import Path
from broker.verify.revocation import Known
from broker.verify.trust import TrustSnapshot

CLAIM_NOT_BELIEVED = "verify.hint-claimed-role"


@dataclass(slots=True, kw_only=True)
class Standing:
    """What was found for the moment `at`, as far as it could be asked, and what is wrong.

    `path` is the one that counts; `tried` are the subjects of one that does not hold.
    """

    at: datetime
    path: Path | None = None
    tried: tuple[str, ...] = ()
    revocation: tuple[RevocationReport, ...] = ()
    level: Level = Level.NONE
    identity: Identity | None = None
    hint: str = ""
    fault: Fault | None = None

    @property
    def stands(self) -> bool:
        """Whether nothing is wrong, or nothing but that evidence is missing which can still come."""
        return self.fault is None or self.fault.code in AWAITED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inquiry:
    """Whose certificate is asked about: `beside` came with it, `claimed` is whom a platform's seal would speak for."""

    own: Certificate
    beside: Sequence[Certificate]
    claimed: Identity | None
    trust: TrustSnapshot
    known: Known
    entry: datetime

    def answer(self, timing: Timing) -> Standing:
        """Return what stands at the moment; what would stand by a stamp, or better, waits for evidence of its unit."""
        now = self._as_of(timing.at)
        hoped = [self._awaiting(at, missing) for at, missing in timing.awaited]
        return max([now, *hoped], key=lambda it: (it.stands, it.stands and it.level.rank))

    def _awaiting(self, at: datetime, missing: str) -> Standing:
        """Return what would stand at a moment, with `missing` as its fault, the code of what is wanting to prove it."""
        then = self._as_of(at)
        return replace(then, fault=Fault(missing)) if then.stands else then

    def _as_of(self, at: datetime) -> Standing:
        found = Standing(at=at, identity=self.own.identity)
        try:
            self._fill(found)
        except Fault as fault:
            found.tried = fault.tried
            found.fault = fault
        return found

    def _fill(self, found: Standing) -> None:
        """Find the path, the level and what is known of revocations; raise Fault."""
        paths = path.find_all(self.own, self.beside, self.trust, found.at)
        way = choose(paths, self.known, self.trust, found.at, entry=self.entry)
        found.path = way.path
        found.revocation = way.revocation
        self._rank(way.path, found)
        if way.fault is not None:  # last: when only its evidence is missing, all else is established
            raise way.fault

    def _rank(self, way: Path, found: Standing) -> None:
        """Say at which level, and who signed where a platform's seal says it."""
        if self.claimed is not None and way.anchor.platform_seal:
            found.identity, found.level = self.claimed, Level.TRUSTED_PROFILE
            return
        if self.claimed is not None:
            found.hint = CLAIM_NOT_BELIEVED
        # The platform's seal without a person is no podpis zaufany: it says which machine signed, not who.
        level = way.anchor.level_of(self.own.x509, found.at)
        found.level = Level.LOCAL if level is Level.TRUSTED_PROFILE else level
