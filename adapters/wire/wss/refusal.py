"""How each no of WS-Security is called, and what the verifier's own faults are called here.

Malformed is what cannot be read as a signed message; Unauthorised is what can, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from broker.errors import Malformed, Rejection, Unauthorised
from broker.verify.fault import Fault

_UNREADABLE: Final = frozenset(
    {
        "wss.two-headers",
        "wss.two-signatures",
        "wss.signature-shape",
        "wss.duplicate-id",
        "wss.too-many",
        "wss.encrypted",
        "wss.token",
        "wss.key-info",
        "wss.transform",
        "wss.c14n",
        "wss.too-costly",
        "wss.comment",
        "wss.two-timestamps",
        "wss.timestamp-malformed",
    }
)

# What is not named here is a shape that no signature on a message has.
_FAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "verify.duplicate-id": "wss.duplicate-id",
        "verify.too-many-references": "wss.too-many",
        "verify.too-many-certificates": "wss.too-many",
        "verify.too-costly": "wss.too-costly",
        "verify.c14n-unknown": "wss.c14n",
        "verify.c14n-failed": "wss.c14n",
        "verify.transform-parameters": "wss.transform",
        "verify.transform-order": "wss.transform",
        "verify.digest-sha1": "wss.digest-algorithm",
        "verify.digest-md5": "wss.digest-algorithm",
        "verify.digest-unknown": "wss.digest-algorithm",
        "verify.digest-mismatch": "wss.digest-mismatch",
        "verify.prefix-unsigned": "wss.prefix-unsigned",
        "verify.signature-sha1": "wss.signature-algorithm",
        "verify.signature-md5": "wss.signature-algorithm",
        "verify.signature-hmac": "wss.signature-algorithm",
        "verify.signature-dsa": "wss.signature-algorithm",
        "verify.signature-algorithm-unknown": "wss.signature-algorithm",
        "verify.signature-value-mismatch": "wss.signature-mismatch",
        "verify.signature-value-encoding": "wss.signature-mismatch",
        "verify.key-mismatch": "wss.signature-mismatch",
        "verify.key-short": "wss.key-short",
        "verify.certificate-unreadable": "wss.token",
    }
)


def no(code: str, place: str = "", **facts: str) -> Rejection:
    """Return the refusal of a code; `place` names a part of the header, never a value."""
    kind = Malformed if code in _UNREADABLE else Unauthorised
    return kind(code, place=place, facts=facts)


def translated(fault: Fault) -> Rejection:
    """Return what a fault found by the verifier's own parts is called here."""
    return no(_FAULTS.get(fault.code, "wss.signature-shape"), fault.place or "wsse:Security")
