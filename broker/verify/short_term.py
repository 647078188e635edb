"""Certificates that say of themselves that they will not be revoked: they live shorter than a revocation would take.

RFC 9608 (noRevAvail) and ETSI EN 319 412-1 §5.2 (validity assured, short term) tell whoever relies on such a
certificate to ask nobody.  It is followed for a certificate whose whole life is no longer than evidence may be old:
then its issue is as fresh a word of its issuer as any evidence that would be taken.  Of all others evidence is asked
for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from broker.verify.certificate import HOSTILE, Certificate

_SAYS_SO: Final = frozenset(x509.ObjectIdentifier(it) for it in ("2.5.29.56", "0.4.0.194121.2.1"))


def is_short(certificate: Certificate, longest: timedelta) -> bool:
    """Whether no evidence about a signer's certificate is needed, because it lives for `longest` at most and says so.

    One that names a place where evidence is to be had does not mean it (RFC 9608 §2), nor does an authority's.
    """
    own = certificate.report
    if certificate.authority or own.not_after - own.not_before > longest:
        return False
    try:
        extensions = list(certificate.x509.extensions)
    except HOSTILE:
        return False
    return any(it.oid in _SAYS_SO for it in extensions) and not any(_names_evidence(it.value) for it in extensions)


def _names_evidence(value: x509.ExtensionType) -> bool:
    if isinstance(value, x509.AuthorityInformationAccess):
        return any(it.access_method == AuthorityInformationAccessOID.OCSP for it in value)
    return isinstance(value, x509.CRLDistributionPoints | x509.FreshestCRL)
