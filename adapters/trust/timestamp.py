"""Asking a time-stamping authority for a token (RFC 3161 §3.4, by HTTP).

What it answers is believed by `broker/verify/timestamp.py`'s judgement alone; here it is held against what was asked:
the same nonce, the policy, a moment that is now.  Whatever is wrong with the answer is Unavailable: the authority may
do better next time.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from asn1crypto import cms, core, tsp

from adapters.trust.fetch import Fetcher
from broker.errors import Unavailable
from broker.ports import Clock
from broker.verify import TrustSnapshot
from broker.verify.asn1_classes import make_ready
from broker.verify.fault import Fault
from broker.verify.timestamp import TimeStamp, verify

_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"
_GRANTED: Final = ("granted", "granted_with_mods")
_SKEW: Final = timedelta(minutes=5)  # by which an authority's clock and ours may disagree


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A time-stamping authority, by its URL.  `policy` is asked for, and required, if it is not empty (dotted)."""

    fetcher: Fetcher
    url: str
    trust: TrustSnapshot  # whom to believe about time-stamps
    clock: Clock
    policy: str = ""

    def stamp(self, octets: bytes) -> tuple[bytes, TimeStamp]:
        """Return a token (DER) over the octets, and what it says; raise Unavailable."""
        nonce = secrets.randbits(63) | 1 << 62
        asked = self.clock()
        answer = self.fetcher.post(self.url, self._query(octets, nonce), _QUERY, types=(_REPLY,))
        token = _token(answer)
        try:
            found = verify(token, octets, self.trust, self.clock())
        except Fault as fault:
            raise Unavailable(f"the time-stamp does not hold: {fault.code} {fault.hint}".rstrip()) from fault
        if found.nonce != nonce:
            raise Unavailable("the time-stamp answers another question (nonce)")
        if self.policy and found.policy != self.policy:
            raise Unavailable("the time-stamp is under another policy")
        if found.at < asked - _SKEW:
            raise Unavailable("the time-stamp is old")
        return token, found

    def _query(self, octets: bytes, nonce: int) -> bytes:
        query = {
            "version": "v1",
            "message_imprint": {
                "hash_algorithm": {"algorithm": "sha256"},
                "hashed_message": hashlib.sha256(octets).digest(),
            },
            "nonce": nonce,
            "cert_req": True,
        }
        return bytes(tsp.TimeStampReq({**query, **({"req_policy": self.policy} if self.policy else {})}).dump())


class _Response(core.Sequence):  # type: ignore[misc]
    """A TimeStampResp, whose token may be missing (RFC 3161 §2.4.2); asn1crypto's own type insists on one."""

    _fields: ClassVar[list[Any]] = [("status", tsp.PKIStatusInfo), ("token", cms.ContentInfo, {"optional": True})]


make_ready()


def _token(answer: bytes) -> bytes:
    """Return the token of a TimeStampResp; raise Unavailable if there is none."""
    try:
        response = _Response.load(answer, strict=True)
        status = str(response["status"]["status"].native)
        token = bytes(response["token"].dump())
    except Exception as error:  # a library reads foreign octets: whatever it raises
        raise Unavailable("the authority's answer cannot be read") from error
    if status not in _GRANTED or not token:
        raise Unavailable(f"the authority refuses: {status}")
    return token
