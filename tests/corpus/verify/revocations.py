"""Refused for what is known, or not known, of revocations: judged where proof is required, by the lists that are kept.

What must live here: who is revoked since when and why (`lists` says it to the world), and who signs all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.testkit.certificates import Authority
from adapters.testkit.pki import JAN
from tests.corpus.verify.chains import below
from tests.corpus.verify.recipes import signed
from tests.corpus.verify.scene import AT, PKI

REVOKED: dict[str, tuple[str, Callable[[], bytes]]] = {}
"""By the name of the document: the code it must give where revocation is required, and its maker."""

ACCEPTED: dict[str, Callable[[], bytes]] = {}

_WITHDRAWN: dict[int, tuple[timedelta, x509.ReasonFlags]] = {}  # by serial number, of the qualified CA's certificates


def _person(before: timedelta | None, reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise) -> bytes:
    own = PKI.personal(PKI.qualified_ca, JAN)
    if before is not None:
        _WITHDRAWN[own.certificate.serial_number] = (before, reason)
    return signed(by=own)


def _below(title: str, before: timedelta | None) -> bytes:
    between: Authority = below(title)
    if before is not None:
        _WITHDRAWN[between.credential.certificate.serial_number] = (before, x509.ReasonFlags.ca_compromise)
    return signed(by=PKI.personal(between, JAN))


_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
for _reason in (x509.ReasonFlags.key_compromise, x509.ReasonFlags.superseded, x509.ReasonFlags.cessation_of_operation):
    REVOKED[f"revoked--for-{_reason.value}"] = (
        "verify.revoked",
        lambda reason=_reason: _person(_DAY, reason),  # type: ignore[misc]
    )
REVOKED["revoked--a-minute-ago"] = ("verify.revoked", lambda: _person(_MINUTE))
REVOKED["on-hold--a-signer"] = ("verify.on-hold", lambda: _person(_DAY, x509.ReasonFlags.certificate_hold))
REVOKED["ca-revoked--an-intermediate"] = ("verify.ca-revoked", lambda: _below("Withdrawn", _DAY))
REVOKED["revocation-unknown--an-intermediate-without-a-list"] = (
    "verify.revocation-unknown",
    lambda: _below("Silent", None),
)
REVOKED["revocation-unknown--an-authority-without-a-list"] = (
    "verify.revocation-unknown",
    lambda: signed(by=PKI.local_person),
)
ACCEPTED["not-revoked"] = lambda: _person(None)


def lists() -> Mapping[str, bytes]:
    """Return the revocation lists, DER, by the names of their issuers' files: after all documents were made."""
    issuer = PKI.qualified_ca.credential
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(AT - timedelta(seconds=30))
        .next_update(AT + _DAY)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    for serial, (before, reason) in sorted(_WITHDRAWN.items()):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(AT - before)
            .add_extension(x509.CRLReason(reason), critical=False)
            .build()
        )
    return {"qualified-ca": builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)}
