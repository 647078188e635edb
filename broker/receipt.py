"""Stage 6, receipt: build, seal, check (DOMAIN §2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from broker.errors import Rejection
from broker.model import Admitted, Envelope, Receipt, Submission
from broker.ports import Ids, Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """Issues sealed receipts.  May be called by many threads."""

    seal: Seal
    ids: Ids
    environment: str  # "test" or "production": written into every receipt

    def upp(self, admitted: Admitted, submission: Submission, at: datetime) -> Receipt:
        """Return the sealed proof of submission; raise Unavailable while the seal is away."""
        raise NotImplementedError

    def npp(self, envelope: Envelope, no: Rejection, at: datetime) -> bytes:
        """Return a sealed negative receipt, for a partner that asked for one."""
        raise NotImplementedError
