"""Ways from the authorities that configuration names up to its anchors: what is worth keeping fresh beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from broker.verify.certificate import Certificate, issuer_key, load
from broker.verify.fault import Fault
from broker.verify.trust import TrustSnapshot

_DEPTH: Final = 8  # certificates below the anchor

Chain = tuple[tuple[Certificate, ...], tuple[str, ...]]
"""Certificates, the lowest first and the anchor's last, and the keys of those that issued them."""


def authorities(trust: TrustSnapshot) -> Iterator[Chain]:
    """Yield the way of every configured intermediate up to an anchor, where there is one."""
    anchors = _readable(anchor.der for anchor in trust.anchors)
    between = _readable(certificate.public_bytes(Encoding.DER) for certificate in trust.intermediates)
    for certificate in between:
        chain = _up((certificate,), anchors, between)
        if chain is not None and len(chain) > 1:
            yield chain, issuers(chain)


def issuers(chain: Sequence[Certificate]) -> tuple[str, ...]:
    """Return the keys of those that issued the certificates of a chain below its anchor."""
    return tuple(issuer_key(certificate.x509) for certificate in chain[1:])


def _up(
    chain: tuple[Certificate, ...], anchors: Sequence[Certificate], between: Sequence[Certificate]
) -> tuple[Certificate, ...] | None:
    top = chain[-1]
    if any(top.der == anchor.der for anchor in anchors):
        return chain
    if len(chain) > _DEPTH:
        return None
    for above in (*anchors, *between):
        if above not in chain and _issued(above, top):
            whole = _up((*chain, above), anchors, between)
            if whole is not None:
                return whole
    return None


def _issued(above: Certificate, certificate: Certificate) -> bool:
    if above.x509.subject != certificate.x509.issuer:
        return False
    try:
        certificate.x509.verify_directly_issued_by(above.x509)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _readable(ders: Iterator[bytes]) -> list[Certificate]:
    found = []
    for der in ders:
        try:
            found.append(load(der))
        except Fault:  # no path can be built with it either
            continue
    return found
