"""Exports: the evidence of submissions as containers, one a submission, and the word of it in the journal.

A copy gets its name only after the store has written that it was made: no copy without a record of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EEXIST
from functools import partial
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.archive.writing import Part, Stamp, Written, write
from adapters.trust.kept import KeptEvidence
from adapters.wire.durable import Kind
from adapters.wire.kind import Custody, SealInHand
from broker.model import SubmissionId
from broker.ports import Clock
from config import clock, stamping
from config.around import surroundings
from config.bootstrap import open_store
from config.case import Around, files
from config.ids import TimeOrderedIds
from config.journal import proof_of
from config.rotation import Configured
from config.settings import Settings
from config.sources import limits_of, load_trust

SUFFIX = ".asice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """Makes containers under the broker's seal, time-stamped if receipts are."""

    store: Custody
    seal: SealInHand
    stamp: Stamp | None  # None: nobody time-stamps
    around: Around
    clock: Clock
    who: Callable[[], int] = os.getuid  # which user of the machine takes the copy out

    def export(
        self,
        submission: SubmissionId,
        target: Path,
        *,
        reason: str = "",
        over: Kind | None = None,
        lasting: bool = True,
    ) -> Written | None:
        """Write a submission's container; return None if the submission is unknown.

        Raises Unavailable, OSError, and FileExistsError unless a file of that name is one `over` which it may be
        written.  A `lasting` one stays also where the document is gone from the store: it may be the last that has it.
        """
        record = self.store.show(submission)
        if record is None:
            return None
        at = self.clock()
        parts = files(record, self.around, at)
        return write(
            target,
            _with_document(parts, target) if lasting else parts,
            seal=self.seal,
            at=at,
            stamp=self.stamp,
            over=over,
            first=partial(self._tell, record.submission.id, reason),
        )

    def _tell(self, submission: SubmissionId, reason: str, sha256: str) -> None:
        self.store.copies.made(submission, " ".join(filter(None, (f"uid {self.who()}", f"sha256 {sha256}", reason))))


def _with_document(parts: Iterable[Part], target: Path) -> Iterator[Part]:
    """Yield a container's files; raise FileExistsError if the document is not among them and something is there."""
    for number, part in enumerate(parts):
        if number == 0 and part.name != "document.xml" and os.path.lexists(target):
            raise FileExistsError(
                EEXIST, "File exists, and the document is in the store no more: it stays", str(target)
            )
        yield part


@contextmanager
def exporter(settings: Settings) -> Iterator[Exporter]:
    """Open what an export needs, and close it; raise ConfigError or Unavailable.

    The seal's certificate is kept with those of receipts: who checks a container later must find it.
    """
    seal = Configured(settings, surroundings(settings, "seal", TimeOrderedIds(clock.now))).make()
    authority = stamping.authority(settings)
    trust = load_trust(settings)
    store = open_store(settings)
    try:
        own = seal.chain[0].fingerprint(hashes.SHA256()).hex()
        store.keep_seal(own, b"".join(one.public_bytes(Encoding.PEM) for one in seal.chain), clock.now())
        around = Around(
            document=store.document,
            proof=partial(proof_of, store),
            late=store.watch.evidence,
            evidence=KeptEvidence(settings.path(settings.trust.cache)),
            trust=trust,
            limits=limits_of(settings),
            environment=settings.environment,
            maker=f"Goniec {version('goniec')}",
        )
        stamp: Stamp | None = None if authority is None else lambda octets: authority.stamp(octets)[0]
        yield Exporter(store=store, seal=seal, stamp=stamp, around=around, clock=clock.now)
    finally:
        store.close()
