"""Stage 6, receipt: the sealed proof that custody was taken, or why it was not (DOMAIN §2).

What a receipt says is written in `broker/upo.py`; what a sealed one proves is judged in `broker/proof.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from broker import upo
from broker.deadlines import Evidence
from broker.errors import Rejection
from broker.identity import evidence_id
from broker.model import Admitted, Envelope, Receipt, ReceiptKind, Submission
from broker.ports import Ids, Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """Issues sealed receipts.  May be called by many threads."""

    seal: Seal
    ids: Ids
    environment: str  # "test" or "production": written into every receipt
    issuer: upo.Party | None = None  # who runs the broker: named in negative receipts and in UPD

    def upp(self, admitted: Admitted, submission: Submission, at: datetime) -> Receipt:
        """Return the sealed proof of submission; raise Unavailable while the seal is away."""
        id_ = self.ids()
        unsigned = upo.upp(admitted, submission, id_=id_, at=at, environment=self.environment)
        return Receipt(
            id=id_,
            submission=submission.id,
            kind=ReceiptKind.UPP,
            issued_at=at,
            xml=self.seal.seal(unsigned),
            answer=admitted.target.policy.answer,
        )

    def npp(self, envelope: Envelope, no: Rejection, at: datetime) -> bytes:
        """Return a sealed negative receipt, for a partner that asked for one."""
        unsigned = upo.npp(envelope, no, id_=self.ids(), at=at, environment=self.environment, issuer=self.issuer)
        return self.seal.seal(unsigned)

    def negative_evidence(self, it: Evidence, submission: Submission, receipt: str, at: datetime) -> tuple[str, bytes]:
        """Return the id and the sealed text of evidence that something did not happen in time."""
        id_ = evidence_id(it.submission, it.stage)
        unsigned = upo.negative_evidence(
            it, submission, receipt, id_=id_, at=at, environment=self.environment, issuer=self.issuer
        )
        return id_, self.seal.seal(unsigned)
