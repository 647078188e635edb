"""From the signer's certificate up to an anchor: RFC 5280 §6 by pyhanko-certvalidator.

Nothing is fetched: what is not in the snapshot or beside the signature does not exist.  Paths are proposed here
and not by the library, whose search is exponential on crafted bags of certificates: ours is capped in steps and
in judgements.  Results are remembered as long as every certificate of the path is valid.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import Any, Final, TypeVar

from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator.authority import AuthorityWithCert, CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import DisallowedAlgorithmError, ExpiredError, RevokedError, ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy
from pyhanko_certvalidator.validate import async_validate_path

from broker.verify.certificate import Certificate, issuer_key, load, long_enough
from broker.verify.fault import Fault
from broker.verify.trust import Anchor, TrustSnapshot

_DEPTH: Final = 8  # certificates below the anchor
_STEPS: Final = 200  # of the search
_TRIES: Final = 16  # paths judged
_REMEMBERED: Final = 4096
_REMEMBERED_LINKS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A way from a signer up to an anchor that holds from `since` to `until`.

    `certificates` begin with the signer's and end with the anchor's; `issuers` tell, for all below the anchor, whose
    revocation lists speak of them (`issuer_key`).
    """

    certificates: tuple[Certificate, ...]
    issuers: tuple[str, ...]
    anchor: Anchor
    since: datetime
    until: datetime

    @property
    def subjects(self) -> tuple[str, ...]:
        """Their subjects, RFC 4514."""
        return tuple(certificate.report.subject for certificate in self.certificates)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Their DER."""
        return tuple(certificate.der for certificate in self.certificates)


def find(
    signer: Certificate, beside: Sequence[Certificate], trust: TrustSnapshot, at: datetime, *, stamps: bool = False
) -> Path:
    """Return the path of a signer's certificate at a moment; raise Fault.

    `beside` are certificates that came with the signature: they help to build a path and are not trusted.  `stamps`:
    it is a time-stamping unit, whose usage the caller has judged.
    """
    if signer.authority:
        raise Fault("verify.certificate-is-ca")
    if not stamps and not signer.signs:
        raise Fault("verify.key-usage")
    return build(signer, beside, trust, at)


def build(end: Certificate, beside: Sequence[Certificate], trust: TrustSnapshot, at: datetime) -> Path:
    """Return the path of any certificate, whatever it may be used for; raise Fault."""
    if at < end.report.not_before:
        raise Fault("verify.certificate-not-yet-valid")
    if at > end.report.not_after:
        raise Fault("verify.certificate-expired")
    found = _judge_of(trust).path(end, beside, at)
    if not found.anchor.counts(at):  # it did when this path was found
        raise Fault("verify.chain-untrusted")
    return found


@lru_cache(maxsize=8)
def _judge_of(trust: TrustSnapshot) -> _Judge:
    return _Judge(trust)


@dataclass(frozen=True, slots=True)
class _Root:
    anchor: Anchor
    certificate: Certificate
    trusted: CertTrustAnchor
    authority: AuthorityWithCert


@dataclass(frozen=True, slots=True)
class _Link:
    certificate: Certificate
    asn1: asn1.Certificate
    authority: AuthorityWithCert
    name: str  # of whom it is, as `issuer_key` tells issuers apart


Above = TypeVar("Above", _Root, _Link)

Proposal = tuple[_Root, tuple[_Link, ...]]
"""An anchor and the certificates below it, the signer's first."""


class _Judge:
    """Judges paths against one snapshot.  asn1crypto reads lazily and is not thread-safe: one path at a time."""

    def __init__(self, trust: TrustSnapshot) -> None:
        self._trust = trust
        self._roots = [_root(anchor) for anchor in trust.anchors]
        self._anchored = {issuer_key(root.certificate.x509) for root in self._roots}
        self._pinned = {root.certificate.der: root for root in reversed(self._roots)}
        # Those above a signer come beside every document of its provider; under our lock one reading serves all.
        self._link = lru_cache(maxsize=_REMEMBERED_LINKS)(_link)
        self._links = [_link(load(it.public_bytes(Encoding.DER))) for it in trust.intermediates]
        self._known: dict[tuple[str, frozenset[str]], Path] = {}
        self._lock = Lock()

    def path(self, signer: Certificate, beside: Sequence[Certificate], at: datetime) -> Path:
        # What came beside is part of the key: whether a document passes must not depend on those before it.
        key = (signer.report.sha256, frozenset(certificate.report.sha256 for certificate in beside))
        known = self._known.get(key)
        if known is not None and known.since <= at <= known.until:
            return known
        with self._lock:
            path = self._pin(signer) or self._search(signer, beside, at)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = path
        return path

    def _pin(self, signer: Certificate) -> Path | None:
        root = self._pinned.get(signer.der)
        return _path([signer], root.anchor) if root else None

    def _search(self, signer: Certificate, beside: Sequence[Certificate], at: datetime) -> Path:
        try:
            pool = self._links + [self._link(certificate) for certificate in beside]
            return self._best(self._proposals(_link(signer), pool), at)
        except Fault:
            raise
        except Exception as error:  # a library reads hostile octets: whatever it raises means no path
            raise Fault("verify.chain-unreadable") from error

    @staticmethod
    def _best(proposals: Iterator[Proposal], at: datetime) -> Path:
        """Return the first path that holds; raise Fault as the first that does not."""
        first: Fault | None = None
        for root, chain in islice(proposals, _TRIES):
            fault = _flaw(root, chain, at)
            if fault is None:
                return _path([*(link.certificate for link in chain), root.certificate], root.anchor)
            first = first or fault
        raise first or Fault("verify.chain-untrusted")

    def _proposals(self, signer: _Link, pool: Sequence[_Link]) -> Iterator[Proposal]:
        """Yield chains, signer first, that end below an anchor; shortest first; raise Fault if it is a maze."""
        # A certificate of an anchor's very name and key adds nothing to the anchor.
        issuers = [link for link in pool if link.name not in self._anchored]
        above: dict[str, tuple[list[_Root], list[_Link]]] = {}  # asked once of each: comparing names costs most
        open_chains: deque[tuple[_Link, ...]] = deque([(signer,)])
        for _ in range(_STEPS):
            if not open_chains:
                return
            chain = open_chains.popleft()
            top = chain[-1]
            if top.certificate.report.sha256 not in above:
                above[top.certificate.report.sha256] = (_issuers(top, self._roots), _issuers(top, issuers))
            roots, links = above[top.certificate.report.sha256]
            for root in roots:
                yield root, chain
            if len(chain) < _DEPTH:
                taken = {link.name for link in chain}
                open_chains.extend((*chain, link) for link in links if link.name not in taken)
        raise Fault("verify.chain-too-complex")


def _issuers(link: _Link, among: Sequence[Above]) -> list[Above]:
    return [it for it in among if it.authority.is_potential_issuer_of(link.asn1)]


def _flaw(root: _Root, chain: Sequence[_Link], at: datetime) -> Fault | None:
    """Judge one path; return what is wrong with it."""
    if not root.anchor.counts(at):
        return Fault("verify.chain-untrusted")
    for certificate in [root.certificate, *(link.certificate for link in chain[1:])]:
        if certificate.key is not None and not long_enough(certificate.key):
            return Fault("verify.chain-weak")
    context = ValidationContext(
        trust_roots=[root.trusted],
        moment=at,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        time_tolerance=timedelta(0),
    )
    path = ValidationPath(root.trusted, [link.asn1 for link in reversed(chain[1:])], chain[0].asn1)
    try:
        step(async_validate_path(context, path))
    except DisallowedAlgorithmError:
        return Fault("verify.chain-weak")
    except ExpiredError:
        return Fault("verify.chain-expired")
    except (RevokedError, ValidationError):
        return Fault("verify.chain-invalid")
    return None


def step(judgement: Any) -> None:
    """Run a coroutine that waits for nothing: an event loop would open sockets."""
    try:
        judgement.send(None)
    except StopIteration:
        return
    judgement.close()
    raise Fault("verify.chain-unreadable")  # it waits for something: without fetching there is nothing to wait for


def _path(certificates: Sequence[Certificate], anchor: Anchor) -> Path:
    return Path(
        certificates=tuple(certificates),
        issuers=tuple(issuer_key(certificate.x509) for certificate in certificates[1:]),
        anchor=anchor,
        since=max(certificate.report.not_before for certificate in certificates),
        until=min(certificate.report.not_after for certificate in certificates),
    )


def _root(anchor: Anchor) -> _Root:
    certificate = load(anchor.der)
    parsed = asn1.Certificate.load(certificate.der)
    return _Root(
        anchor,
        certificate,
        CertTrustAnchor(parsed, derive_default_quals_from_cert=True),
        AuthorityWithCert(parsed),
    )


def _link(certificate: Certificate) -> _Link:
    parsed = asn1.Certificate.load(certificate.der)
    return _Link(certificate, parsed, AuthorityWithCert(parsed), issuer_key(certificate.x509))
