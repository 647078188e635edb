"""Evidence that is not plain, by pyhanko-certvalidator: OCSP answers; lists that are partitioned, indirect or deltas.

Revocation is required for whoever signed the evidence too, but for the authorities of the path: each has evidence of
its own.  One thing that the library leaves open is closed here: how evidence is signed (it asks that of certificates
alone).  How old it is, `settlement.py` has judged before.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import OCSPValidationIndeterminateError, RevokedError
from pyhanko_certvalidator.ltv.poe import POEManager
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo, ValidationTimingParams
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    REQUIRE_REVINFO,
    CertRevTrustPolicy,
    FreshnessReqType,
    NonRevokedStatusAssertion,
)
from pyhanko_certvalidator.registry import CertificateRegistry
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer
from pyhanko_certvalidator.revinfo.manager import RevinfoManager
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

from broker.verify import revocation_list
from broker.verify.certificate import Certificate, usable
from broker.verify.fetched import Listed, Raw
from broker.verify.flaw import step, trust_anchor
from broker.verify.revocation import CRL, HOLD, OCSP, Status
from broker.verify.revocation_list import HASHES
from broker.verify.trust import PublicKey

# Where nobody has set up a log, as on the command line, its warnings would go to the terminal, with names.
logging.getLogger("pyhanko_certvalidator").addHandler(logging.NullHandler())

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
        if not isinstance(key, PublicKey) or not usable(key) or signature_algorithm.hash_algo not in HASHES:
            raise InvalidSignature
        super().validate_signature(signature, signed_data, public_key_info, signature_algorithm, context)


class Case:
    """One path and the evidence about it that is in force.  asn1crypto reads lazily: one thread to a case."""

    def __init__(
        self,
        chain: Sequence[Certificate],
        beside: Sequence[bytes],
        crls: Sequence[Listed],
        ocsps: Sequence[Raw],
        at: datetime,
        *,
        newest: Sequence[Listed],
    ) -> None:
        """`newest` are those of `crls` that no other of its kind follows."""
        self._chain = [asn1.Certificate.load(certificate.der) for certificate in chain]
        self._beside = [asn1.Certificate.load(der) for der in beside]
        self._parsed = {part: asn1_crl.CertificateList.load(part.raw.octets) for it in crls for part in it.parts}
        self._newest, self._all = tuple(newest), tuple(crls)
        self._ocsps = ocsps
        self._at = at
        self.unknown: set[str] = set()  # certificates (SHA-256) of which an answer says that nobody there knows them

    def by_ocsp(self, number: int, certificate: Certificate) -> Iterator[Status]:
        """Yield what each answer that proves anything says of a certificate: one at a time, to know which."""
        for raw in self._ocsps:
            answer = asn1_ocsp.OCSPResponse.load(raw.octets)
            said = _said(answer, self._chain[number], self._chain[number + 1])
            told = self._told(number, verify_ocsp_response, self._newest, [answer], said.places) if said else None
            if told is not None and told.unknown:
                self.unknown.add(certificate.report.sha256)
            elif told is not None and said is not None:
                yield Status(
                    certificate=certificate.report.sha256,
                    good=told.revoked_at is None,
                    source=OCSP,
                    produced_at=said.produced_at,
                    this_update=said.this_update,
                    next_update=said.next_update,
                    revoked_at=told.revoked_at,
                    reason=told.reason,
                    remembers=said.remembers,
                    url=raw.url,
                    digest=raw.digest,
                )

    def by_crl(self, number: int, certificate: Certificate) -> Iterator[Status]:
        """Yield what lists say of a certificate together, for it may take several (partitions, reasons, deltas).

        First the newest, then all: what an older one says of a final revocation, the newer may have forgotten.
        """
        for lists in dict.fromkeys((self._newest, self._all)):
            told = self._told(number, verify_crl, lists)
            if told is None:
                continue
            about = self._speaking_of(number, lists)
            parts = [part for it in about for part in it.parts]
            this_update = min(it.as_of for it in about)
            next_updates = [it.parsed.next_update_utc for it in parts if it.parsed.next_update_utc is not None]
            yield Status(
                certificate=certificate.report.sha256,
                good=told.revoked_at is None,
                source=CRL,
                produced_at=this_update,
                this_update=this_update,
                next_update=min(next_updates, default=None),
                revoked_at=told.revoked_at,
                reason=told.reason,
                remembers=_of_all(revocation_list.remembers(it.parsed) for it in parts),
                url=" ".join(it.raw.url for it in parts if it.raw.url),
                digest=hashlib.sha256(b"".join(it.raw.octets for it in parts)).hexdigest(),
            )

    def _speaking_of(self, number: int, lists: Sequence[Listed]) -> Sequence[Listed]:
        """Return the lists that may speak of a certificate: of its issuer's name, or made for others."""
        name = self._chain[number].issuer
        about = [it for it in lists if self._parsed[it].issuer == name or _is_indirect(self._parsed[it])]
        return about or lists

    def _told(
        self,
        number: int,
        ask: Callable[..., Any],
        lists: Sequence[Listed],
        answers: Sequence[asn1_ocsp.OCSPResponse] = (),
        places: Container[int] = (),
    ) -> _Told | None:
        """Return what evidence says about a certificate, None if it proves nothing; `places` as `_Said` has them."""
        try:
            anchor, above = trust_anchor(self._chain[-1]), self._chain[number + 1 : -1]
            registry = CertificateRegistry.build([*self._chain[1:-1], *self._beside])
            context = ValidationContext(
                trust_roots=[anchor],
                certificate_registry=registry,
                revinfo_manager=RevinfoManager(
                    registry,
                    POEManager(),
                    crls=[CRLContainer(self._parsed[part]) for it in lists for part in it.parts],
                    ocsps=[it for answer in answers for it in OCSPContainer.load_multi(answer)],
                    # `revocation.judge` asks about each of them, by evidence that need not be at hand here.
                    assertions=[NonRevokedStatusAssertion(it.sha256, self._at) for it in above],
                ),
                moment=self._at,
                allow_fetching=False,
                revinfo_policy=_POLICY,
                signature_validator=_Strong(),
            )
            # Whether a revocation counts depends on the moment of a document's entry and is judged there.
            context.timing_params = ValidationTimingParams(
                ValidationTimingInfo(
                    validation_time=self._at,
                    best_signature_time=self._at,
                    point_in_time_validation=False,
                ),
                time_tolerance=timedelta(0),
            )
            path = ValidationPath(anchor, list(reversed(above)), self._chain[number])
            step(ask(self._chain[number], path, context))
        except RevokedError as told:
            return _Told(told.revocation_dt, _REASONS.get(told.reason.native, ""))
        except OCSPValidationIndeterminateError as told:
            # If with who said it, and when, there is nothing wrong, what was said of the certificate is "unknown".
            failures: Any = told.failures
            return None if any(about.index in places for _, about in failures) else _Told(unknown=True)
        except Exception:  # noqa: BLE001 - a library reads hostile octets: whatever it raises means that nothing is proven
            return None
        return _Told()


@dataclass(frozen=True, slots=True)
class _Told:
    """A revocation, or that there is none, or that whoever may speak of it does not know the certificate."""

    revoked_at: datetime | None = None
    reason: str = ""
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """The dates of what an OCSP answer says of a certificate, and the places of its single responses that do."""

    places: frozenset[int]
    produced_at: datetime
    this_update: datetime
    next_update: datetime | None
    remembers: datetime | None


def _said(answer: asn1_ocsp.OCSPResponse, certificate: asn1.Certificate, issuer: asn1.Certificate) -> _Said | None:
    """Return what an answer says of a certificate; None if it says nothing, contradicts itself, or is not understood.

    It may name a certificate twice, by several digests.  What is critical must be understood (RFC 6960 §4.4).
    """
    try:
        data = answer.basic_ocsp_response["tbs_response_data"]
        own = {place: it for place, it in enumerate(data["responses"]) if _is_about(it["cert_id"], certificate, issuer)}
        singles = list(own.values())
        extensions = [*data["response_extensions"], *(each for it in singles for each in it["single_extensions"])]
        if any(it["critical"].native and it["extn_id"].native != "archive_cutoff" for it in extensions):
            return None
        if len({it["cert_status"].dump() for it in singles}) != 1:
            return None
        ends = [it["next_update"].native for it in singles]
        return _Said(
            places=frozenset(own),
            produced_at=data["produced_at"].native,
            this_update=min(it["this_update"].native for it in singles),
            next_update=min((it for it in ends if it is not None), default=None),
            remembers=_of_all(it.archive_cutoff_value and it.archive_cutoff_value.native for it in singles),
        )
    except Exception:  # noqa: BLE001 - a library reads hostile octets: whatever it raises means that it is no answer
        return None


def _is_about(named: asn1_ocsp.CertId, certificate: asn1.Certificate, issuer: asn1.Certificate) -> bool:
    algorithm = named["hash_algorithm"]["algorithm"].native
    return bool(
        named["serial_number"].native == certificate.serial_number
        and named["issuer_name_hash"].native == getattr(certificate.issuer, algorithm)
        and named["issuer_key_hash"].native == getattr(issuer.public_key, algorithm)
    )


def _of_all(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the latest; None if one says none."""
    said = list(moments)
    known = [it for it in said if it is not None]
    return max(known) if len(known) == len(said) else None


def _is_indirect(listed: asn1_crl.CertificateList) -> bool:
    scope = listed.issuing_distribution_point_value
    return bool(scope and scope["indirect_crl"].native)
