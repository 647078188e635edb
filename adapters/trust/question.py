"""One question to one service of a CA: the request is made, sent, and the answer judged.  For a worker thread.

OCSP requests name the certificate by SHA-1, as every responder understands (RFC 5019 §2.1.1), and carry no nonce:
answers are made beforehand by most, and how old one may be is judged by its own dates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from adapters.trust.fetch import Fetcher
from broker.errors import Unavailable
from broker.verify.certificate import Certificate, issuer_key
from broker.verify.revocation import CRL, OCSP, Evidence, Settled
from broker.verify.settlement import LARGEST_CRL, LARGEST_OCSP, Raw, settle

# What a captive portal or a broken server says is told from an answer by this; lists are served as anything binary.
_OCSP_TYPES: Final = frozenset({"application/ocsp-response"})
_CRL_TYPES: Final = frozenset(
    {"application/pkix-crl", "application/x-pkcs7-crl", "application/octet-stream", "application/x-x509-crl", ""}
)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Source:
    """Where evidence is to be had: `OCSP` or `CRL`, and the URL."""

    kind: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: about the first certificate of each of `chains`, which is the same, of one source.

    `before` is what other sources have said about it: a list may be what proves an OCSP responder's own certificate.
    """

    key: str  # whose answer it is, for the keeper
    chains: tuple[tuple[Certificate, ...], ...]
    source: Source
    signer: bool = False  # and of no authority
    before: tuple[tuple[Source, bytes], ...] = ()

    def request(self) -> bytes:
        """Return the OCSP request, DER."""
        certificate, issuer = self.chains[0][0].x509, self.chains[0][1].x509
        # The issuer's name as the certificate writes it (RFC 6960 §4.1.1): above may stand another that writes it anew.
        name = hashlib.sha1(certificate.issuer.public_bytes(), usedforsecurity=False).digest()
        key = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest  # SHA-1 of the key's bits too
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            name,
            key,
            certificate.serial_number,
            hashes.SHA1(),  # noqa: S303 - a name
        )
        return builder.build().public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of a question: octets and what they prove, on which way, or why there are none."""

    question: Question
    chain: tuple[Certificate, ...]
    octets: bytes = b""
    settled: Settled = field(default_factory=Settled)
    problem: str = ""


def ask(question: Question, fetcher: Fetcher, at: datetime, freshness: timedelta) -> Answered:
    """Ask, and judge what is answered.  Raises nothing but bugs."""
    source = question.source
    try:
        octets = _ocsp(question, fetcher) if source.kind == OCSP else _crl(source, fetcher)
    except Unavailable as away:
        return Answered(question=question, chain=question.chains[0], problem=away.reason)
    return judged(question, octets, at, freshness)


def judged(question: Question, octets: bytes, at: datetime, freshness: timedelta) -> Answered:
    """Return what octets prove, with what was said before, on the way on which they tell most of who is asked about."""
    said = (*question.before, (question.source, octets))
    ways = [
        Answered(question=question, chain=chain, octets=octets, settled=prove(chain, said, at, freshness))
        for chain in question.chains
    ]
    return max(ways, key=_telling)


def _telling(answered: Answered) -> tuple[bool, bool, bool, datetime]:
    """Return a measure of what is told: something, a final revocation, or that nobody there knows it; how new it is."""
    own, issuer = answered.chain[0], issuer_key(answered.chain[1].x509)
    status = Evidence().adding(answered.settled).status(own, issuer)
    if status is None:
        return (False, False, own.report.sha256 in answered.settled.unknown, _NEVER)
    return (True, status.final, False, status.this_update)


def prove(
    chain: Sequence[Certificate], said: Sequence[tuple[Source, bytes]], at: datetime, freshness: timedelta
) -> Settled:
    """Return what all that was said proves."""
    return settle(
        [certificate.der for certificate in chain],
        ocsps=[Raw(octets=octets, url=source.url) for source, octets in said if source.kind == OCSP],
        crls=[Raw(octets=octets, url=source.url) for source, octets in said if source.kind == CRL],
        at=at,
        freshness=freshness,
    )


def _ocsp(question: Question, fetcher: Fetcher) -> bytes:
    small = replace(fetcher, most=LARGEST_OCSP)
    return small.post(question.source.url, question.request(), "application/ocsp-request", _OCSP_TYPES)


def _crl(source: Source, fetcher: Fetcher) -> bytes:
    return replace(fetcher, most=LARGEST_CRL).get(source.url, _CRL_TYPES)
