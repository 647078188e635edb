"""What fetched evidence proves: CRLs and OCSP answers are judged, and become statuses and lists.

Run in the background only: it checks signatures and reads lists of megabytes.  Whatever the octets, nothing is
raised: evidence that proves nothing gives no status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from broker.verify.revocation import Settled

LARGEST_OCSP: Final = 64_000  # octets
LARGEST_CRL: Final = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Octets as they were fetched, DER (a CRL may be PEM), and where from."""

    octets: bytes
    url: str = ""


def settle(
    chain: Sequence[bytes],
    *,
    crls: Sequence[Raw] = (),
    ocsps: Sequence[Raw] = (),
    at: datetime,
    freshness: timedelta,
    largest: int = LARGEST_CRL,
) -> Settled:
    """Return what the evidence proves, at a moment, about the certificates of a chain (DER, signer up to anchor).

    `freshness` is how old evidence may be that names no next update; `largest` caps a CRL, in octets.
    """
    raise NotImplementedError
