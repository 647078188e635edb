"""Identifiers that are derived, never drawn: what is the same anywhere and at any time has the same one.

An identifier that is drawn lives as long as the memory of it.  A store that was restored from an old backup has
forgotten some; what was made from the message itself is made again (decision 36).
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

from broker.model import DeliveryId, Fingerprint, OfficeId, SubmissionId

# What is derived for one purpose can never equal what is derived for another.
_DELIVERY: Final = "goniec delivery id"
_EVIDENCE: Final = "goniec evidence id"


def octets(*parts: str | bool) -> bytes:
    """Return 32 octets that are equal only for equal parts.  Lengths are digested too, so parts cannot run together."""
    digest = hashlib.sha256()
    for part in parts:
        written = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(written).to_bytes(8, "big") + written)
    return digest.digest()


def delivery_id(message: Fingerprint, office: OfficeId) -> DeliveryId:
    """Return the id under which this office gets this message, whoever hands it over and however often.

    A UUID version 8 (RFC 9562 §5.8) out of SHA-256 over what makes two messages the same message (sender, box,
    trial flag, digest) and the office.  The message id is not in it: the same document that comes again under
    another message id is the same document.
    """
    return DeliveryId(_uuid(_DELIVERY, message.sender, message.box, message.trial, message.digest, office))


def evidence_id(submission: SubmissionId, stage: str) -> str:
    """Return the id of the evidence that a stage (`broker.deadlines.Stage`) did not come about in time.

    There is one for a submission and stage.  Its partner's system gets it under this id and can drop a repeat, one that
    was made again by a restored store too.
    """
    return _uuid(_EVIDENCE, submission, stage)


def _uuid(*parts: str | bool) -> str:
    number = int.from_bytes(octets(*parts)[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76  # version
    number = number & ~(0b11 << 62) | 0b10 << 62  # variant
    return str(uuid.UUID(int=number))
