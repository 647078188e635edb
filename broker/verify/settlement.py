"""What fetched evidence proves: CRLs and OCSP answers are judged, and become statuses and lists.

Run in the background only: it checks signatures and reads lists of megabytes.  Whatever the octets, nothing is
raised: evidence that proves nothing gives no status.

Plain lists are read by `revocation_list.py`; everything else (delegated OCSP responders, indirect, partitioned and
delta lists) is judged by pyhanko-certvalidator, with revocation required for whoever signed the evidence.  Two
things it leaves open are closed here: how evidence is signed (it asks that of certificates alone), and how old it is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import RevokedError
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo, ValidationTimingParams
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy, FreshnessReqType
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

from broker.verify import revocation_list
from broker.verify.certificate import HOSTILE, Certificate, issuer_key, load, long_enough
from broker.verify.fault import Fault
from broker.verify.path import step
from broker.verify.revocation import CRL, HOLD, OCSP, RevocationList, Settled, Status
from broker.verify.revocation_list import HASHES
from broker.verify.trust import PublicKey

# Where nobody has set up a log, as on the command line, its warnings would go to the terminal, with names.
logging.getLogger("pyhanko_certvalidator").addHandler(logging.NullHandler())

LARGEST_OCSP: Final = 64_000  # octets
LARGEST_CRL: Final = 20_000_000
_LARGEST_ODD: Final = 2_000_000  # of a list that is not plain: asn1crypto takes 25 times its size
_PIECES: Final = 16  # of evidence of a kind
_ANSWERS: Final = 16  # single responses in one OCSP answer
_SKEW: Final = timedelta(minutes=5)  # by which others' clocks may be ahead of ours
_POLICY: Final = CertRevTrustPolicy(
    REQUIRE_REVINFO,
    freshness=timedelta(days=36_500),  # how old evidence is, is judged here
    freshness_req_type=FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION,
)
_REASONS: Final = MappingProxyType(
    {
        "key_compromise": "keyCompromise",
        "ca_compromise": "cACompromise",
        "affiliation_changed": "affiliationChanged",
        "superseded": "superseded",
        "cessation_of_operation": "cessationOfOperation",
        "certificate_hold": HOLD,
        "privilege_withdrawn": "privilegeWithdrawn",
        "aa_compromise": "aACompromise",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Octets as they were fetched, and where from; DER, a CRL may be PEM."""

    octets: bytes
    url: str = ""

    @property
    def digest(self) -> str:
        """SHA-256, hex."""
        return hashlib.sha256(self.octets).hexdigest()


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
    found = [*_in_force(crls[:_PIECES], largest, window)]
    lists = _plain(certificates[1:], found)
    answers = [piece for piece in ocsps[:_PIECES] if len(piece.octets) <= LARGEST_OCSP and window.fits(piece)]
    odd = [(piece, parsed) for piece, parsed in found if len(piece.octets) <= _LARGEST_ODD]
    try:
        case = _Case(certificates, beside, odd, answers, window)
        statuses = [*_statuses(case, certificates, lists)]
    except Exception:  # noqa: BLE001 - a library reads hostile octets: whatever it raises means that nothing is proven
        statuses = []
    return Settled(statuses=tuple(statuses), lists=tuple(lists.values()))


def _statuses(
    case: _Case, certificates: Sequence[Certificate], lists: Mapping[str, RevocationList]
) -> Iterator[Status]:
    """Yield what is told of single certificates; where there is a plain list of the issuer, it tells of all."""
    for number, (certificate, issuer) in enumerate(pairwise(certificates)):
        status = case.by_ocsp(number, certificate)
        if status is not None:
            yield status
        if issuer_key(issuer.x509) in lists:
            continue
        status = case.by_crl(number, certificate)
        if status is not None:
            yield status


def _in_force(
    crls: Iterable[Raw], largest: int, window: _Window
) -> Iterator[tuple[Raw, x509.CertificateRevocationList]]:
    for raw in map(_der, crls):
        parsed = revocation_list.load(raw.octets) if len(raw.octets) <= largest else None
        if parsed is not None and window.of(parsed):  # not simply "if parsed": a list without entries is false
            yield raw, parsed


def _der(raw: Raw) -> Raw:
    if not raw.octets.lstrip().startswith(b"-----BEGIN"):
        return raw
    try:
        octets = x509.load_pem_x509_crl(raw.octets).public_bytes(Encoding.DER)
    except HOSTILE:
        return raw
    return Raw(octets=octets, url=raw.url)


def _plain(
    issuers: Iterable[Certificate], found: Sequence[tuple[Raw, x509.CertificateRevocationList]]
) -> dict[str, RevocationList]:
    """Return the newest plain list of each issuer, by its key."""
    lists: dict[str, RevocationList] = {}
    for issuer in issuers:
        own = [(piece, parsed) for piece, parsed in found if revocation_list.is_signed(parsed, issuer)]
        changes = any(revocation_list.is_delta(parsed) for _, parsed in own)
        for piece, parsed in own:
            if changes and revocation_list.names_delta(parsed):
                continue  # the two must be read together
            plain = revocation_list.plain(parsed, issuer, url=piece.url, octets=piece.octets)
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


class _Strong(DefaultSignatureValidator):
    """Takes signatures as documents may have them, and no weaker."""

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: Any,
        signature_algorithm: Any,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Raise InvalidSignature unless it holds."""
        key = load_der_public_key(public_key_info.dump())
        if not isinstance(key, PublicKey) or not long_enough(key) or signature_algorithm.hash_algo not in HASHES:
            raise InvalidSignature
        super().validate_signature(signature, signed_data, public_key_info, signature_algorithm, context)


class _Case:
    """One path and the evidence about it that is in force.  asn1crypto reads lazily: one thread to a case."""

    def __init__(
        self,
        chain: Sequence[Certificate],
        beside: Sequence[bytes],
        crls: Sequence[tuple[Raw, x509.CertificateRevocationList]],
        ocsps: Sequence[Raw],
        window: _Window,
    ) -> None:
        self._chain = [asn1.Certificate.load(certificate.der) for certificate in chain]
        self._beside = [asn1.Certificate.load(der) for der in beside]
        self._crls = crls
        self._lists = [asn1_crl.CertificateList.load(raw.octets) for raw, _ in crls]
        self._ocsps = ocsps
        self._window = window

    def by_ocsp(self, number: int, certificate: Certificate) -> Status | None:
        """Return what the first answer that proves anything says of a certificate: one at a time, to know which."""
        for raw in self._ocsps:
            answer = asn1_ocsp.OCSPResponse.load(raw.octets)
            told = self._told(number, verify_ocsp_response, [answer])
            if told is None:
                continue
            data = answer.basic_ocsp_response["tbs_response_data"]
            serial = certificate.x509.serial_number
            singles = [it for it in data["responses"] if it["cert_id"]["serial_number"].native == serial]
            next_updates = [it["next_update"].native for it in singles if it["next_update"].native is not None]
            return Status(
                certificate=certificate.report.sha256,
                good=told.revoked_at is None,
                source=OCSP,
                produced_at=data["produced_at"].native,
                this_update=min(it["this_update"].native for it in singles),
                next_update=min(next_updates, default=None),
                revoked_at=told.revoked_at,
                reason=told.reason,
                url=raw.url,
                digest=raw.digest,
            )
        return None

    def by_crl(self, number: int, certificate: Certificate) -> Status | None:
        """Return what all lists together say of a certificate: it may take several (partitions, reasons, deltas)."""
        told = self._told(number, verify_crl, []) if self._crls else None
        if told is None:
            return None
        about = self._about(number)
        changes = [found.last_update_utc for _, found in about if revocation_list.is_delta(found)]
        this_update = max(changes) if changes else min(found.last_update_utc for _, found in about)
        next_updates = [found.next_update_utc for _, found in about if found.next_update_utc is not None]
        return Status(
            certificate=certificate.report.sha256,
            good=told.revoked_at is None,
            source=CRL,
            produced_at=this_update,
            this_update=this_update,
            next_update=min(next_updates, default=None),
            revoked_at=told.revoked_at,
            reason=told.reason,
            url=" ".join(raw.url for raw, _ in about if raw.url),
            digest=hashlib.sha256(b"".join(raw.octets for raw, _ in about)).hexdigest(),
        )

    def _about(self, number: int) -> list[tuple[Raw, x509.CertificateRevocationList]]:
        """Return the lists that may speak of a certificate: of its issuer's name, or made for others."""
        name = self._chain[number].issuer
        about = [
            piece
            for piece, listed in zip(self._crls, self._lists, strict=True)
            if listed.issuer == name or _is_indirect(listed)
        ]
        return about or list(self._crls)

    def _told(self, number: int, ask: Callable[..., Any], answers: Sequence[asn1_ocsp.OCSPResponse]) -> _Told | None:
        """Return what evidence says about a certificate, None if it proves nothing."""
        anchor = CertTrustAnchor(self._chain[-1], derive_default_quals_from_cert=True)
        try:
            context = ValidationContext(
                trust_roots=[anchor],
                other_certs=[*self._chain[1:-1], *self._beside],
                crls=self._lists,
                ocsps=answers,
                moment=self._window.at,
                allow_fetching=False,
                revinfo_policy=_POLICY,
                signature_validator=_Strong(),
                time_tolerance=timedelta(0),
            )
            # Whether a revocation counts depends on the moment of a document's entry and is judged there.
            context.timing_params = ValidationTimingParams(
                ValidationTimingInfo(
                    validation_time=self._window.at,
                    best_signature_time=self._window.at,
                    point_in_time_validation=False,
                ),
                time_tolerance=timedelta(0),
            )
            path = ValidationPath(anchor, list(reversed(self._chain[number + 1 : -1])), self._chain[number])
            step(ask(self._chain[number], path, context))
        except RevokedError as told:
            return _Told(told.revocation_dt, _REASONS.get(told.reason.native, ""))
        except Exception:  # noqa: BLE001 - a library reads hostile octets: whatever it raises means that nothing is proven
            return None
        return _Told()


@dataclass(frozen=True, slots=True)
class _Told:
    """A revocation, or that there is none."""

    revoked_at: datetime | None = None
    reason: str = ""


def _is_indirect(listed: asn1_crl.CertificateList) -> bool:
    scope = listed.issuing_distribution_point_value
    return bool(scope and scope["indirect_crl"].native)
