"""One question to one service of a CA: the request is made, sent, and the answer judged.  For a worker thread.

OCSP requests name the certificate by SHA-1, as every responder understands (RFC 5019 §2.1.1), and carry no nonce:
answers are made beforehand by most, and how old one may be is judged by its own dates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from adapters.trust.fetch import Fetcher
from broker.errors import Unavailable
from broker.verify.certificate import Certificate
from broker.verify.revocation import CRL, OCSP, Settled
from broker.verify.settlement import LARGEST_CRL, LARGEST_OCSP, Raw, settle

# What a captive portal or a broken server says is told from an answer by this; lists are served as anything binary.
_OCSP_TYPES: Final = frozenset({"application/ocsp-response"})
_CRL_TYPES: Final = frozenset(
    {"application/pkix-crl", "application/x-pkcs7-crl", "application/octet-stream", "application/x-x509-crl", ""}
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where evidence is to be had: `OCSP` or `CRL`, and the URL."""

    kind: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: about the first certificate of `chain` (the last is the anchor's), of one source.

    `before` is what other sources have said about it: a list may be what proves an OCSP responder's own certificate.
    """

    key: str  # whose answer it is, for the keeper
    chain: tuple[Certificate, ...]
    source: Source
    signer: bool = False  # and of no authority
    before: tuple[tuple[Source, bytes], ...] = ()

    def request(self) -> bytes:
        """Return the OCSP request, DER."""
        certificate, issuer = self.chain[0].x509, self.chain[1].x509
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303 - a name
        return builder.build().public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of a question: octets and what they prove, or why there are none."""

    question: Question
    octets: bytes = b""
    settled: Settled = field(default_factory=Settled)
    problem: str = ""


def ask(question: Question, fetcher: Fetcher, at: datetime, freshness: timedelta) -> Answered:
    """Ask, and judge what is answered.  Raises nothing but bugs."""
    source = question.source
    try:
        octets = _ocsp(question, fetcher) if source.kind == OCSP else _crl(source, fetcher)
    except Unavailable as away:
        return Answered(question=question, problem=away.reason)
    said = (*question.before, (source, octets))
    return Answered(question=question, octets=octets, settled=prove(question.chain, said, at, freshness))


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
