"""The public bundle: the certificate of every seal that ever sealed a receipt, for who checks receipts.

Each stands alone, without those above it: whoever takes the bundle for a list of what to trust must not come to trust
everybody else to whom the same authority issues.  Who has it from us has only our word for it:
docs/reference/receipts.md says what to compare.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from broker.ports import Ledger
from broker.upo import moment


def bundle(seals: Iterable[bytes]) -> bytes:
    """Return PEM, oldest seal first, with comments that say whose and for when each certificate is.

    `seals` are PEM texts as the store keeps them: a seal's own certificate comes first in each.
    """
    return b"\n".join(_entry(x509.load_pem_x509_certificates(pem)[0]) for pem in seals)


def _entry(own: x509.Certificate) -> bytes:
    subject = own.subject.rfc4514_string().replace("\r", " ").replace("\n", " ")
    comments = (
        f"# {subject}",
        f"# valid from {moment(own.not_valid_before_utc)} until {moment(own.not_valid_after_utc)}",
        f"# SHA-256 {own.fingerprint(hashes.SHA256()).hex(':').upper()}",
    )
    return "\n".join(comments).encode() + b"\n" + own.public_bytes(Encoding.PEM)


class Bundle:
    """The bundle as it was when the store was last asked: anybody may read it, as often as he likes."""

    def __init__(self) -> None:
        self._text = b""
        self.ledger: Ledger | None = None

    def __call__(self) -> bytes:
        """Return the bundle, PEM."""
        return self._text

    def refresh(self) -> None:
        """Ask the store: other nodes have seals too.  Raises Unavailable."""
        if self.ledger is not None:
            self._text = bundle(self.ledger.seals())
