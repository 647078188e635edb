"""The moment for which a signature is judged, and whether the one that its signer claims can be.

Without a time-stamp it is the moment of entry: then, at the latest, the signature was there.  A signature time-stamp
that holds shows that it was there before, so the certificate is judged as of the stamp (EN 319 102-1 §5.5): one that
has ended or was revoked since then does no harm.  A stamp that does not hold moves nothing and harms nothing, for it
is not signed by the signer; the report tells of it.  The stamp's own unit is judged now, whatever it says (§5.4).

The claimed SigningTime proves nothing, but a claim that cannot be true is a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from lxml import etree

from broker.evidence import AWAITED, TimeStampReport, silence
from broker.verify import references, timestamp, written
from broker.verify.algorithms import INCLUSIVE
from broker.verify.c14n import Canon
from broker.verify.choice import choose
from broker.verify.fault import Fault
from broker.verify.names import DS, XADES
from broker.verify.path import Path
from broker.verify.revocation import Known
from broker.verify.shape import Signature
from broker.verify.timestamp import TimeStamp
from broker.verify.trust import TrustSnapshot
from broker.verify.written import Span

_STAMPS: Final = 4  # that are judged; each costs a signature and a path
_PLACE: Final = "xades:SigningTime"
_HOLDER: Final = f"{XADES}UnsignedProperties/{XADES}UnsignedSignatureProperties"
_SIGNATURE_STAMP: Final = XADES + "SignatureTimeStamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How far a claimed SigningTime may lie from the moment of entry."""

    ahead: timedelta = timedelta(minutes=5)  # clocks differ
    age: timedelta | None = None  # None: however long ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """For which moment the signature is judged, and the stamps that it bears."""

    at: datetime
    stamps: tuple[TimeStampReport, ...] = ()
    others: tuple[str, ...] = ()  # local names of other unsigned properties: values of LT, stamps of LTA

    @property
    def awaited(self) -> tuple[tuple[datetime, str], ...]:
        """Earlier moments, and what is missing to prove them: evidence about the units of their stamps."""
        return tuple((it.at, it.code) for it in self.stamps if it.code in AWAITED and it.at and it.at < self.at)


def require(claimed: Span | None, at: datetime, window: Window) -> None:
    """Raise Fault if a signer claims to have signed when it cannot be, by what the operator takes.

    XAdES means UTC; of a time without a zone it is asked whether it cannot be in any zone.
    """
    if claimed is None:
        return
    if claimed.earliest > at + window.ahead:
        raise Fault("verify.signing-time-future", _PLACE)
    if window.age is not None and claimed.latest < at - window.age:
        raise Fault("verify.signing-time-old", _PLACE)


def find(signature: Signature, entry: datetime, trust: TrustSnapshot, known: Known, canon: Canon) -> Timing:
    """Return the moment: that of the earliest stamp that holds, else of entry.  Raises nothing."""
    stamps = tuple(_judged(signature, entry, trust, known, canon))
    proven = [it.at for it in stamps if it.at is not None and not it.code]
    others = (etree.QName(it).localname for it in _unsigned(signature) if it.tag != _SIGNATURE_STAMP)
    return Timing(at=min([entry, *proven]), stamps=stamps, others=tuple(dict.fromkeys(others)))


def _unsigned(signature: Signature) -> list[etree._Element]:
    holder = None if signature.qualifying is None else signature.qualifying.find(_HOLDER)
    return [] if holder is None else list(holder.iterchildren(etree.Element))


def _judged(
    signature: Signature, entry: datetime, trust: TrustSnapshot, known: Known, canon: Canon
) -> Iterator[TimeStampReport]:
    found = [it for it in _unsigned(signature) if it.tag == _SIGNATURE_STAMP]
    for element in found[:_STAMPS]:
        try:
            said = timestamp.verify(_token(element), _stamped(signature, element, canon), _for_stamps(trust), entry)
        except Fault as fault:
            yield TimeStampReport(code=fault.code, hint=fault.hint)
        else:
            yield _standing(said, entry, trust, known)
    if len(found) > _STAMPS:
        yield TimeStampReport(code="verify.timestamp-too-many")


def _standing(said: TimeStamp, entry: datetime, trust: TrustSnapshot, known: Known) -> TimeStampReport:
    """Return what a stamp says, if its unit stands at entry: its path still holds, and nothing of it was revoked."""
    try:
        way = choose(_in_force(said.paths(), entry), known, trust, entry)
    except Fault as fault:
        return TimeStampReport(code=fault.code, hint=fault.hint)
    told = TimeStampReport(
        path=way.path.subjects,
        path_sha256=way.path.digests,
        anchor=way.path.anchor.report(said.at),
        revocation=way.revocation,
        code=way.fault.code if way.fault else "",
        silent_since=silence(way.revocation),
    )
    if told.code and told.code not in AWAITED:
        return told
    return replace(told, at=said.at, by=said.by, policy=said.policy)


def _in_force(paths: Iterator[Path], entry: datetime) -> Iterator[Path]:
    """Yield the paths that still hold at entry; raise Fault if none does."""
    held = False
    for path in paths:
        if entry <= min(it.report.not_after for it in path.certificates):
            held = True
            yield path
    if not held:
        raise Fault("verify.timestamp-untrusted", hint="verify.chain-expired")


def _token(element: etree._Element) -> bytes:
    held = list(element.iterchildren(XADES + "EncapsulatedTimeStamp"))
    octets = written.octets(held[0]) if len(held) == 1 else None
    if octets is None:
        raise Fault("verify.timestamp-unreadable")
    return octets


def _stamped(signature: Signature, element: etree._Element, canon: Canon) -> bytes:
    """Return what is stamped: the canonical SignatureValue (EN 319 132-1 §5.3)."""
    methods = list(element.iterchildren(DS + "CanonicalizationMethod"))
    if len(methods) > 1:
        raise Fault("verify.timestamp-unreadable")
    how = references.method(methods[0]) if methods else INCLUSIVE
    return canon.element(signature.value, how, comments=how.comments)


@lru_cache(maxsize=8)
def _for_stamps(trust: TrustSnapshot) -> TrustSnapshot:
    """Return those who are trusted for time-stamps; kept, because what is known of paths hangs on the snapshot."""
    return TrustSnapshot(anchors=trust.timestamp_anchors, intermediates=trust.intermediates)
