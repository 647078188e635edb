"""Evidence as it was fetched: octets and where from, and lists that can be read.  Nothing of it is proven yet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Octets as they were fetched, and where from; DER, a CRL may be PEM."""

    octets: bytes
    url: str = ""

    @property
    def digest(self) -> str:
        """SHA-256, hex."""
        return hashlib.sha256(self.octets).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listed:
    """A revocation list; `changes` is the list of changes that must be read together with it (a delta CRL)."""

    raw: Raw
    parsed: x509.CertificateRevocationList
    changes: Listed | None = None

    @property
    def parts(self) -> tuple[Listed, ...]:
        """Itself, and its changes."""
        return (self,) if self.changes is None else (self, self.changes)

    @property
    def as_of(self) -> datetime:
        """For which moment it tells, its changes included."""
        return self.parts[-1].parsed.last_update_utc
