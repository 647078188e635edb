"""Whether certificates of a path were revoked: evidence as values, and its judgement by lookup alone.

Nothing is fetched here and no signature is checked: evidence comes in already proven (`settlement.py`, in the
background), is replaced whole, and is asked on the way of every document, which must cost microseconds.

Rules: RFC 5280 §6.3, RFC 6960, and EN 319 102-1 §5.2.5 and §5.2.6.  A revocation counts from its date on, and the
moment for which a document is judged is its entry: that is the proof that the signature existed then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from broker.evidence import RevocationReport
from broker.verify import short_term
from broker.verify.certificate import Certificate
from broker.verify.fault import Fault
from broker.verify.path import Path
from broker.verify.trust import REVOCATION_OFF, TrustSnapshot

OCSP: Final = "ocsp"
CRL: Final = "crl"
ITSELF: Final = "certificate"
"""The source of what a certificate says about itself: that nobody will ever revoke it (`short_term.py`)."""
HOLD: Final = "certificateHold"

REVOKED: Final = "verify.revoked"
CA_REVOKED: Final = "verify.ca-revoked"
ON_HOLD: Final = "verify.on-hold"
STALE: Final = "verify.revocation-stale"
UNKNOWN: Final = "verify.revocation-unknown"
UNOBTAINABLE: Final = "verify.revocation-unobtainable"
"""Waiting does not help: nobody may be asked, or nobody can tell any more."""
_GRAVEST_FIRST: Final = (REVOKED, CA_REVOKED, ON_HOLD, UNOBTAINABLE, STALE, UNKNOWN)

_PORTION: Final = 4  # evidence is due again in the last fourth of its life


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What one piece of evidence says about one certificate, its signature and authority proven.

    `good` or revoked; `reason` as RFC 5280 §5.3.1 names it, empty if none is given; `produced_at` of an OCSP
    answer, else as `this_update`; `remembers`: certificates that ended then or later are not forgotten yet (RFC 6960
    §4.4.4, ISO/IEC 9594-8 §9.5.2.9); `digest` is the SHA-256 of the raw evidence (of all of it, joined, if a verdict
    took several lists).
    """

    certificate: str  # SHA-256 of its DER, hex
    good: bool
    source: str  # OCSP or CRL
    produced_at: datetime
    this_update: datetime
    next_update: datetime | None = None
    revoked_at: datetime | None = None
    reason: str = ""
    remembers: datetime | None = None
    url: str = ""
    digest: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing can change it: a revocation that is no hold (RFC 5280 §5.3.1)."""
        return not self.good and self.reason != HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A complete list of one issuer, signed with the issuer's own key: it tells of every certificate it issued.

    `issuer` is what `certificate.issuer_key` returns; `revoked` is by serial number: since when, and why.
    """

    issuer: str
    revoked: Mapping[int, tuple[datetime, str]]
    this_update: datetime
    next_update: datetime | None
    remembers: datetime | None = None
    url: str = ""
    digest: str = ""

    def status(self, certificate: str, serial: int) -> Status:
        """Return what the list says about a certificate of its issuer."""
        revoked_at, reason = self.revoked.get(serial, (None, ""))
        return Status(
            certificate=certificate,
            good=revoked_at is None,
            source=CRL,
            produced_at=self.this_update,
            this_update=self.this_update,
            next_update=self.next_update,
            revoked_at=revoked_at,
            reason=reason,
            remembers=self.remembers,
            url=self.url,
            digest=self.digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What evidence proves: the outcome of `settlement.settle`.

    Of a certificate there may be several statuses, in any order: which of them counts, `Evidence.adding` says.
    `unknown` are certificates (by SHA-256) of which somebody who may speak of them says that he does not know them:
    that is neither good nor bad, and no silence either.
    """

    statuses: tuple[Status, ...] = ()
    lists: tuple[RevocationList, ...] = ()
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """All that is known at a moment: statuses by SHA-256 of the certificate, lists by `certificate.issuer_key`.

    `silent` says since when nobody answers for a certificate (by SHA-256), for those for which somebody was asked;
    `unasked` are those for which there is nobody who could be: they name no place, or none that may be called.
    """

    statuses: Mapping[str, Status] = field(default_factory=lambda: MappingProxyType({}))
    lists: Mapping[str, RevocationList] = field(default_factory=lambda: MappingProxyType({}))
    silent: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    unasked: frozenset[str] = frozenset()

    def status(self, certificate: Certificate, issuer: str) -> Status | None:
        """Return the newest that is known of a certificate; a final revocation, whichever tells of it."""
        return next(iter(self.words(certificate, issuer)), None)

    def words(self, certificate: Certificate, issuer: str) -> Sequence[Status]:
        """Return all that is known of a certificate, what prevails first."""
        own, listed = self.statuses.get(certificate.report.sha256), self.lists.get(issuer)
        if listed is None:
            return () if own is None else (own,)
        other = listed.status(certificate.report.sha256, certificate.x509.serial_number)
        return (other,) if own is None else sorted((own, other), key=_weight, reverse=True)

    def adding(self, settled: Settled) -> Evidence:
        """Return the evidence with what was settled: an older answer replaces no newer one."""
        statuses, lists = dict(self.statuses), dict(self.lists)
        for status in settled.statuses:
            known = statuses.get(status.certificate)
            statuses[status.certificate] = status if known is None else _prevailing(status, known)
        for listed in settled.lists:
            before = lists.get(listed.issuer)
            if before is None or before.this_update <= listed.this_update:
                lists[listed.issuer] = listed
        told = {status.certificate for status in settled.statuses}
        silent = {certificate: since for certificate, since in self.silent.items() if certificate not in told}
        return Evidence(
            statuses=MappingProxyType(statuses),
            lists=MappingProxyType(lists),
            silent=MappingProxyType(silent),
            unasked=self.unasked,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """Where evidence is had from: what is known now, and whom to tell for which path more is needed."""

    evidence: Callable[[], Evidence]
    ask: Callable[[Path], None]


_NOTHING: Final = Evidence()
NOTHING_KNOWN: Final = Known(evidence=lambda: _NOTHING, ask=lambda _path: None)
"""Nothing is known, and nobody can be asked."""


def _prevailing(one: Status, other: Status) -> Status:
    """Return which of two counts: a final revocation, else the newer."""
    return max(one, other, key=_weight)


def _weight(status: Status) -> tuple[bool, datetime, bool, timedelta, datetime]:
    """Return what counts most first: of two that are as new the graver, then the one that lives longer."""
    return (
        status.final,
        status.this_update,
        not status.good,
        status.this_update - (status.revoked_at or status.this_update),
        status.next_update or status.this_update,
    )


def judge(
    path: Path, evidence: Evidence, trust: TrustSnapshot, at: datetime, *, entry: datetime | None = None
) -> tuple[RevocationReport, ...]:
    """Return what is known of every certificate below the anchor, the signer's first; nothing if nobody asks.

    `at` is the moment by which a revocation must not have begun; `entry` is that of the document's entry, if a stamp
    proves an earlier `at`: what was known before the stamp must still be fresh by then.  An anchor is trusted as it
    is: a signer that is itself one needs no proof.  Raises nothing: whether it is enough is asked by `require`.
    """
    if trust.revocation == REVOCATION_OFF:
        return ()
    return tuple(
        _report(certificate, evidence, issuer, trust.freshness, _When(at, entry or at), signer=number == 0)
        for number, (certificate, issuer) in enumerate(zip(path.certificates, path.issuers, strict=False))
    )


def require(reports: Sequence[RevocationReport]) -> None:
    """Raise Fault unless every certificate is known not to be revoked; the gravest reason decides."""
    codes = {report.code for report in reports}
    for code in _GRAVEST_FIRST:
        if code in codes:
            raise Fault(code)


def due(reports: Iterable[RevocationReport], entry: datetime) -> bool:
    """Whether somebody should be asked: for evidence that is missing, too old or soon will be, or may be withdrawn."""
    return any(
        report.until is None
        or report.this_update is None
        or report.code == ON_HOLD  # it may be lifted at any moment
        or (report.until - entry) * _PORTION < report.until - report.this_update
        for report in reports
        if report.code not in (REVOKED, CA_REVOKED) and report.source != ITSELF
    )


@dataclass(frozen=True, slots=True)
class _When:
    at: datetime
    entry: datetime


def _report(
    certificate: Certificate, evidence: Evidence, issuer: str, freshness: timedelta, when: _When, *, signer: bool
) -> RevocationReport:
    own = certificate.report
    words = evidence.words(certificate, issuer)
    status = words[0] if words else None
    if signer and (status is None or status.good) and short_term.is_short(certificate, freshness):
        return RevocationReport(
            subject=own.subject,
            certificate=own.sha256,
            status="good",
            source=ITSELF,
            this_update=own.not_before,
            until=own.not_after,
        )
    silent = evidence.silent.get(own.sha256)
    if status is None:
        code = UNOBTAINABLE if own.sha256 in evidence.unasked else UNKNOWN
        return RevocationReport(
            subject=own.subject, certificate=own.sha256, status="unknown", code=code, silent_since=silent
        )
    judged = [(it, *_verdict(it, certificate, freshness, when, signer=signer)) for it in words]
    status, said, code = judged[0]
    if code == UNOBTAINABLE:  # whoever can tell no more takes nothing from what another has proven
        status, said, code = next((it for it in judged if not it[2]), judged[0])
    return RevocationReport(
        subject=own.subject,
        certificate=own.sha256,
        status=said,
        code=code,
        source=status.source,
        url=status.url,
        produced_at=status.produced_at,
        this_update=status.this_update,
        next_update=status.next_update,
        until=good_until(status, freshness, signer=signer),
        revoked_at=status.revoked_at,
        reason=status.reason,
        digest=status.digest,
        silent_since=silent,
    )


def _verdict(
    status: Status, certificate: Certificate, freshness: timedelta, when: _When, *, signer: bool
) -> tuple[str, str]:
    """Return the word and the code, which is empty if all is well."""
    if status.revoked_at is not None and status.revoked_at <= when.at:
        if status.final:
            return "revoked", REVOKED if signer else CA_REVOKED
        return "on-hold", ON_HOLD
    ended = certificate.report.not_after
    forgets = status.remembers is None or status.remembers > ended
    if status.revoked_at is None and status.this_update > ended and forgets:
        # Made after the certificate ended: by then its issuer may have forgotten the revocation (RFC 5280 §3.3).
        return "unknown", UNOBTAINABLE
    # What was said later than `at` proves for ever that nothing had been revoked by then.
    if status.this_update <= when.at and when.entry > good_until(status, freshness, signer=signer):
        return "stale", STALE
    return "good", ""


def good_until(status: Status, freshness: timedelta, *, signer: bool) -> datetime:
    """Return until when it is fresh: its next update; for a signer, `freshness` at most.

    For authorities lists are made rarely, once in months: no newer one exists.
    """
    own = status.this_update + freshness
    if status.next_update is None:
        return own
    return min(own, status.next_update) if signer else status.next_update
