"""What the seal of an evidence container proves: judged from META-INF/signatures001.xml and whom to trust.

Which files the seal covers, by whom, and as of when; whether the files in a container are these is for who opens it
(`adapters/archive/opened.py`).  The seal's certificate is judged as of the time-stamp, if there is one that can be
judged, else as of the moment that the seal claims: that is the sealer's word alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from broker import asic
from broker.evidence import CertificateReport, Indication
from broker.verify import TrustSnapshot, algorithms, certificate, path, signature_value, timestamp
from broker.verify.certificate import Certificate
from broker.verify.fault import Fault

_MOST: Final = 10  # certificates beside a seal
_SKEW: Final = timedelta(minutes=5)  # by which the sealer's clock and an authority's may disagree


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCheck:
    """What was found.  The rest means nothing unless `verdict` is PASSED."""

    verdict: Indication
    code: str = ""  # why not PASSED: a code of `broker.texts`
    place: str = ""  # the code of the reason, or which part
    files: tuple[asic.ContainedFile, ...] = ()  # that the seal covers
    sealed_at: datetime | None = None  # as the sealer says
    sealed_by: CertificateReport | None = None
    stamped_at: datetime | None = None  # the moment by which a time-stamping authority had seen the seal
    stamped_by: str = ""
    notes: tuple[str, ...] = ()


def judge(signatures: bytes, trust: TrustSnapshot, stamps: TrustSnapshot | None = None) -> SealCheck:
    """Judge a container's seal; raises nothing of its own.

    `trust` holds the anchors of the broker's seals, `stamps` those of time-stamping authorities.
    """
    try:
        signed = asic.read(signatures)
    except ValueError:
        return SealCheck(verdict=Indication.FAILED, code="container.form", place=asic.SIGNATURES)
    it = signed.unsigned
    found = SealCheck(verdict=Indication.PASSED, files=it.files, sealed_at=it.at)
    try:
        own, *beside = _chain(it.chain)
        _require_value(signed, own)
    except Fault as fault:
        return replace(found, verdict=Indication.FAILED, code="container.seal", place=fault.code)
    found = replace(_stamped(found, signed, stamps), sealed_by=own.report)
    if found.verdict is not Indication.PASSED:
        return found
    try:
        path.find(own, beside, trust, found.stamped_at or it.at)
    except Fault as fault:
        return replace(found, verdict=fault.indication, code="container.seal", place=fault.code)
    return found


def _chain(ders: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    if not 0 < len(ders) <= _MOST:
        raise Fault("verify.certificate-unreadable")
    return certificate.distinct(ders)


def _require_value(signed: asic.Signed, own: Certificate) -> None:
    """Raise Fault unless the seal's key made the value, and it is the one of its twins that a seal writes."""
    if own.key is None:
        raise Fault("verify.key-mismatch")
    scheme = algorithms.scheme(signed.unsigned.method)
    signature_value.check(own.key, scheme, signed.value, signed.unsigned.to_sign)
    if signature_value.lesser(own.key, signed.value) != signed.value:
        raise Fault("verify.signature-value-mismatch")


def _stamped(found: SealCheck, signed: asic.Signed, stamps: TrustSnapshot | None) -> SealCheck:
    """Judge the time-stamp; one that nobody can judge takes nothing from the seal."""
    if not signed.token:
        return found
    if stamps is None:
        return replace(found, notes=(*found.notes, "container.stamp-not-judged"))
    try:
        said = timestamp.verify(signed.token, signed.to_stamp, stamps)
    except Fault as fault:
        return replace(found, verdict=fault.indication, code="container.stamp", place=fault.code)
    if said.at < signed.unsigned.at - _SKEW:
        return replace(found, verdict=Indication.INDETERMINATE, code="container.stamp-order")
    return replace(found, stamped_at=said.at, stamped_by=said.by)
