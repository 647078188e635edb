"""What fetched evidence proves: CRLs and OCSP answers are judged, and become statuses and lists.

Run in the background only: it checks signatures and reads lists of megabytes.  Whatever the octets, nothing is
raised: evidence that proves nothing gives no status.  Plain lists are read by `revocation_list.py`, all else is judged
by `revocation_case.py`; which evidence is in force is judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Final

from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from broker.verify import revocation_delta, revocation_list
from broker.verify.certificate import HOSTILE, Certificate, issuer_key, load
from broker.verify.fault import Fault
from broker.verify.fetched import Listed, Raw
from broker.verify.path import Path
from broker.verify.revocation import Evidence, Known, RevocationList, Settled, Status
from broker.verify.revocation_case import Case

__all__ = ["LARGEST_CRL", "LARGEST_OCSP", "Brought", "Raw", "settle"]

LARGEST_OCSP: Final = 64_000  # octets
LARGEST_CRL: Final = 20_000_000
_LARGEST_ODD: Final = 2_000_000  # of a list that is not plain: asn1crypto takes 25 times its size
_PIECES: Final = 16  # of evidence of a kind
_ANSWERS: Final = 16  # single responses in one OCSP answer
_SKEW: Final = timedelta(minutes=5)  # by which others' clocks may be ahead of ours


def settle(
    chain: Sequence[bytes],
    *,
    crls: Sequence[Raw] = (),
    ocsps: Sequence[Raw] = (),
    beside: Sequence[bytes] = (),
    at: datetime,
    freshness: timedelta,
    largest: int = LARGEST_CRL,
) -> Settled:
    """Return what the evidence proves about the certificates of a path (DER, from the signer up to the anchor).

    The path is one that `path.find` returned.  `at` is now; `freshness` is how old evidence may be that names no
    next update; `beside` are further certificates (DER) of those who sign lists for others; `largest` caps a CRL, in
    octets.  Never raises: what cannot be read, is not in force, or proves nothing, is passed over.
    """
    try:
        certificates = [load(der) for der in chain]
    except Fault:
        return Settled()
    window = _Window(at, freshness)
    issuers = [*certificates[1:], *_readable(beside)]
    found = revocation_delta.together([*_in_force(crls[:_PIECES], largest, window)], issuers)
    lists = _plain(certificates[1:], found)
    answers = [piece for piece in ocsps[:_PIECES] if len(piece.octets) <= LARGEST_OCSP and window.fits(piece)]
    odd = [it for it in found if all(map(_is_legible, it.parts))]
    try:
        case = Case(certificates, beside, odd, answers, at, newest=revocation_delta.newest(odd, issuers))
        statuses = tuple(_statuses(case, certificates, lists))
        unknown = frozenset(case.unknown) - {it.certificate for it in statuses}
    except Exception:  # noqa: BLE001 - a library reads hostile octets: whatever it raises means that nothing is proven
        statuses, unknown = (), frozenset()
    return Settled(statuses=statuses, lists=tuple(lists.values()), unknown=unknown)


class Brought:
    """Evidence that somebody has brought along, for judging without a running broker: settled for whoever asks.

    A document must be judged until nothing new is asked: only then is known which paths its signatures have, and that
    of a signer may hang on what is known of the unit that stamped its signature.
    """

    def __init__(
        self, *, crls: Sequence[Raw], ocsps: Sequence[Raw], moments: Sequence[datetime], freshness: timedelta
    ) -> None:
        """Evidence counts that is in force at one of the moments."""
        self._settle = [partial(settle, crls=crls, ocsps=ocsps, at=at, freshness=freshness) for at in moments]
        self._asked: set[tuple[bytes, ...]] = set()
        self.evidence = Evidence()
        self.known = Known(evidence=lambda: self.evidence, ask=self._ask)

    @property
    def proves(self) -> bool:
        """Whether it has told anything."""
        return bool(self.evidence.statuses or self.evidence.lists)

    @property
    def asked(self) -> int:
        """About how many paths somebody has asked."""
        return len(self._asked)

    def _ask(self, path: Path) -> None:
        if path.chain not in self._asked:
            self._asked.add(path.chain)
            for settled in self._settle:
                self.evidence = self.evidence.adding(settled(path.chain))


def _statuses(case: Case, certificates: Sequence[Certificate], lists: Mapping[str, RevocationList]) -> Iterator[Status]:
    """Yield what is told of single certificates; where there is a plain list of the issuer, it tells of all."""
    for number, (certificate, issuer) in enumerate(pairwise(certificates)):
        yield from case.by_ocsp(number, certificate)
        if issuer_key(issuer.x509) not in lists:
            yield from case.by_crl(number, certificate)


def _readable(ders: Iterable[bytes]) -> Iterator[Certificate]:
    for der in ders:
        with suppress(Fault):
            yield load(der)


def _is_legible(part: Listed) -> bool:
    """Whether the library may be given it: what costs too much, or is not understood, tells of nobody."""
    return len(part.raw.octets) <= _LARGEST_ODD and revocation_list.understood(part.parsed)


def _in_force(crls: Iterable[Raw], largest: int, window: _Window) -> Iterator[Listed]:
    for raw in map(_der, crls):
        parsed = revocation_list.load(raw.octets) if len(raw.octets) <= largest else None
        if parsed is not None and window.of(parsed):  # not simply "if parsed": a list without entries is false
            yield Listed(raw=raw, parsed=parsed)


def _der(raw: Raw) -> Raw:
    if not raw.octets.lstrip().startswith(b"-----BEGIN"):
        return raw
    try:
        octets = x509.load_pem_x509_crl(raw.octets).public_bytes(Encoding.DER)
    except HOSTILE:
        return raw
    return Raw(octets=octets, url=raw.url)


def _plain(issuers: Iterable[Certificate], found: Sequence[Listed]) -> dict[str, RevocationList]:
    """Return the newest plain list of each issuer, by its key."""
    lists: dict[str, RevocationList] = {}
    for issuer in issuers:
        for it in found:
            # A list with changes must be read together with them.
            if it.changes is not None or not revocation_list.is_signed(it.parsed, it.raw.octets, issuer):
                continue
            plain = revocation_list.plain(it.parsed, issuer, url=it.raw.url, octets=it.raw.octets)
            known = lists.get(plain.issuer) if plain else None
            if plain and (known is None or known.this_update < plain.this_update):
                lists[plain.issuer] = plain
    return lists


@dataclass(frozen=True, slots=True)
class _Window:
    """Whether evidence is in force now: begun, and not yet followed by newer."""

    at: datetime
    freshness: timedelta

    def _holds(self, this_update: datetime, next_update: datetime | None) -> bool:
        ends = this_update + self.freshness if next_update is None else next_update
        return this_update <= self.at + _SKEW and self.at <= ends

    def of(self, found: x509.CertificateRevocationList) -> bool:
        try:
            return self._holds(found.last_update_utc, found.next_update_utc)
        except (*HOSTILE, OverflowError):
            return False

    def fits(self, raw: Raw) -> bool:
        """Whether everything in an OCSP answer is in force."""
        try:
            answer = asn1_ocsp.OCSPResponse.load(raw.octets, strict=True).basic_ocsp_response["tbs_response_data"]
            singles = answer["responses"]
            return (
                answer["produced_at"].native <= self.at + _SKEW
                and 0 < len(singles) <= _ANSWERS
                and all(self._holds(it["this_update"].native, it["next_update"].native) for it in singles)
            )
        except Exception:  # noqa: BLE001 - a library reads hostile octets: whatever it raises means that it is no answer
            return False
