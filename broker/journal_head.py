"""Heads of the journal outside of the store: sealed, time-stamped, published; and what each of them proves.

A sealed head has one form, octet for octet: that of `unsealed` with the seal's signature as its last child
(`schemas/receipts/journal-head.xsd`).  A time-stamp is for `broker.journal.head_octets`, so the digest that it holds is
the head itself.  A published head is what somebody noted when it was new: it is believed because of where it was kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from asn1crypto import cms, tsp

from broker.errors import Rejection
from broker.evidence import Indication
from broker.journal import Batch, head_octets, head_of
from broker.parse import Limits, read
from broker.verify import TrustSnapshot, examine, timestamp
from broker.verify.fault import Fault

NAMESPACE: Final = "urn:goniec:dziennik"
_LIMITS: Final = Limits(payload=200_000, elements=1_000, depth=30)
_SIGNING_TIME: Final = "{http://uri.etsi.org/01903/v1.3.2#}SigningTime"
_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_END: Final = b"</JournalHead>"
_FORM: Final = re.compile(
    re.escape(_DECLARATION + b'<JournalHead xmlns="urn:goniec:dziennik">')
    + rb"<Number>(?P<number>[1-9][0-9]{0,17})</Number><Size>(?P<size>[1-9][0-9]{0,17})</Size>"
    rb"<At>(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)</At>"
    rb"<Root>(?P<root>[0-9a-f]{64})</Root><Previous>(?P<previous>[0-9a-f]{64})</Previous>"
    rb"<Head>(?P<head>[0-9a-f]{64})</Head>"
    rb"<ds:Signature [^<]*<.*</ds:Signature></JournalHead>",
    re.DOTALL,
)
_LINE: Final = re.compile(rb"(?P<number>[1-9][0-9]{0,17}) (?P<head>[0-9a-f]{64})")


def written(at: datetime) -> str:
    """Write a moment as the journal's files have it: UTC, to the microsecond, with Z."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def unsealed(it: Batch) -> bytes:
    """Return what the broker's seal is set upon: a batch's head with all that it is made of."""
    facts = {
        "Number": str(it.number),
        "Size": str(it.size),
        "At": written(it.at),
        "Root": it.root.hex(),
        "Previous": it.previous.hex(),
        "Head": it.head.hex(),
    }
    told = "".join(f"<{name}>{value}</{name}>" for name, value in facts.items())
    return _DECLARATION + f'<JournalHead xmlns="{NAMESPACE}">{told}'.encode() + _END


def is_sealed_of(sealed: bytes, it: Batch) -> bool:
    """Whether these octets have the form of this batch's sealed head; whose seal it is was not asked."""
    return _FORM.fullmatch(sealed) is not None and sealed.startswith(unsealed(it)[: -len(_END)])


def said(sealed: bytes) -> Batch | None:
    """Return the batch of which a sealed head speaks, None if it has not the form or contradicts itself."""
    found = _FORM.fullmatch(sealed)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(found["at"].decode())
    except ValueError:
        return None
    root, previous, head = (bytes.fromhex(found[name].decode()) for name in ("root", "previous", "head"))
    batch = Batch(
        number=int(found["number"]),
        at=at,
        size=int(found["size"]),
        root=root,
        previous=previous,
        head=head,
        sealed=sealed,
    )
    return batch if head_of(batch) == head else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealVerdict:
    """What a seal on a head is worth."""

    code: str = ""  # why it proves nothing, a code of `broker.texts`; empty if it holds
    by: str = ""  # the seal's certificate: its subject, RFC 4514
    sha256: str = ""  # and its fingerprint
    at: datetime | None = None  # when the seal says that it was made


def judge_seal(sealed: bytes, trust: TrustSnapshot) -> SealVerdict:
    """Judge a seal; its certificate as of the moment at which the seal says that it was made."""
    try:
        root = read(sealed, _LIMITS)
    except Rejection as no:
        return SealVerdict(code=no.code)
    try:
        at = datetime.fromisoformat(root.findtext(f".//{_SIGNING_TIME}") or "")
    except ValueError:
        return SealVerdict(code="verify.xades-malformed")
    if at.tzinfo is None:
        return SealVerdict(code="verify.xades-malformed")
    report = examine(root, trust, at)
    if not report.signatures:
        return SealVerdict(code="receipt.unsealed")
    own = report.signatures[0].certificate
    code = "" if report.indication is Indication.PASSED else report.code
    return SealVerdict(code=code, by=own.subject if own else "", sha256=own.sha256 if own else "", at=at)


def imprint(token: bytes) -> bytes:
    """Return the SHA-256 that a time-stamp is for; raise ValueError if it cannot be read or is for another digest."""
    return _stamped(token)[0]


def stamped_at(token: bytes) -> datetime:
    """Return the moment that a time-stamp tells (genTime), unjudged; raise ValueError as `imprint` does."""
    return _stamped(token)[1]


def _stamped(token: bytes) -> tuple[bytes, datetime]:
    try:
        content = cms.ContentInfo.load(token, strict=True)["content"]["encap_content_info"]["content"]
        info = tsp.TSTInfo.load(bytes(content), strict=True)
        of, at = info["message_imprint"], info["gen_time"].native
        name, digest = of["hash_algorithm"]["algorithm"].native, of["hashed_message"].native
    except Exception as error:  # a library reads foreign octets: whatever it raises
        raise ValueError("no time-stamp") from error
    if name != "sha256":
        raise ValueError("not over SHA-256")
    return bytes(digest), at


def judge_stamp(token: bytes, it: Batch, trust: TrustSnapshot | None) -> str:
    """Return why a time-stamp does not show when a batch was there; empty if it does, or is for it and nobody judges.

    The answer is a code of `broker.texts`.
    """
    if trust is None:
        try:
            return "" if imprint(token) == it.head else "verify.timestamp-imprint"
        except ValueError:
            return "verify.timestamp-unreadable"
    try:
        timestamp.verify(token, head_octets(it), trust)
    except Fault as fault:
        return fault.code
    return ""


# ── published heads ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Heads that were noted outside of the store."""

    heads: dict[int, bytes] = field(default_factory=dict)
    twice: frozenset[int] = frozenset()  # noted more than once, and not alike
    nameless: tuple[bytes, ...] = ()  # heads without a number, from time-stamps
    sealed: tuple[bytes, ...] = ()  # those of the heads that came sealed
    stamps: tuple[bytes, ...] = ()  # tokens of those without a number
    unread: int = 0  # lines that are none

    @property
    def missing(self) -> int:
        """How many batches before the last published one have no published head; 0 if there are sealed heads only."""
        return max(self.heads) - len(self.heads) if len(self.heads) > len(self.sealed) else 0

    def __add__(self, other: Published) -> Published:
        clash = {number for number, head in other.heads.items() if self.heads.get(number, head) != head}
        return Published(
            heads=other.heads | self.heads,
            twice=self.twice | other.twice | clash,
            nameless=self.nameless + other.nameless,
            sealed=self.sealed + other.sealed,
            stamps=self.stamps + other.stamps,
            unread=self.unread + other.unread,
        )


def line(it: Batch) -> bytes:
    """Return a batch's line in a file of heads."""
    return f"{it.number} {it.head.hex()}\n".encode()


def published(octets: bytes) -> Published:
    """Read a file of heads: lines, a sealed head, or a time-stamp (DER).  Raises ValueError if it is none of them."""
    if octets.startswith(b"<"):
        batch = said(octets.rstrip(b"\r\n"))
        if batch is None or batch.sealed is None:
            raise ValueError("no sealed head")
        return Published(heads={batch.number: batch.head}, sealed=(batch.sealed,))
    if octets.startswith(b"\x30"):
        # A line of a file of heads may begin with "0" (0x30) only where it is broken: numbers begin with 1.
        return Published(nameless=(imprint(octets),), stamps=(octets,))
    return noted(octets.splitlines())


def noted(lines: Iterable[bytes]) -> Published:
    """Read lines of a number and a head; others are counted.  Raises ValueError if there is not one."""
    heads: dict[int, bytes] = {}
    twice: set[int] = set()
    unread = 0
    for one in lines:
        found = _LINE.fullmatch(one.strip())
        if found is None:
            unread += bool(one.strip())
            continue
        number, head = int(found["number"]), bytes.fromhex(found["head"].decode())
        if heads.setdefault(number, head) != head:
            twice.add(number)
    if not heads:
        raise ValueError("no head in it")
    return Published(heads=heads, twice=frozenset(twice), unread=unread)
