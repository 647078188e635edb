"""From the signer's certificate up to an anchor: which ways there are, and which of them hold.

Nothing is fetched: what is not in the snapshot or beside the signature does not exist.  Paths are proposed here
and not by the library, whose search is exponential on crafted bags of certificates: ours is capped in steps and
in judgements.  What was found is remembered for as long as nothing begins or ends that a search could meet: whether
a document passes must not depend on those before it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import Final, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding

from broker.verify.certificate import Certificate, issuer_key, load, spki
from broker.verify.fault import Fault
from broker.verify.flaw import Link, Root, flaw, link_of, root_of, zulu
from broker.verify.trust import Anchor, TrustSnapshot

_DEPTH: Final = 8  # certificates below the anchor
_STEPS: Final = 200  # of the search
_TRIES: Final = 16  # paths judged
_REMEMBERED: Final = 4096
_REMEMBERED_LINKS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A way from a signer up to an anchor.

    `certificates` begin with the signer's and end with the anchor's; `issuers` tell, for all below the anchor, whose
    revocation lists speak of them (`issuer_key`).
    """

    certificates: tuple[Certificate, ...]
    issuers: tuple[str, ...]
    anchor: Anchor

    @property
    def subjects(self) -> tuple[str, ...]:
        """Their subjects, RFC 4514."""
        return tuple(certificate.report.subject for certificate in self.certificates)

    @property
    def digests(self) -> tuple[str, ...]:
        """Their SHA-256, hex."""
        return tuple(certificate.report.sha256 for certificate in self.certificates)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Their DER."""
        return tuple(certificate.der for certificate in self.certificates)


def find(
    signer: Certificate, beside: Sequence[Certificate], trust: TrustSnapshot, at: datetime, *, stamps: bool = False
) -> Path:
    """Return the first of the paths that hold (`find_all`); raise Fault."""
    return next(find_all(signer, beside, trust, at, stamps=stamps))


def find_all(
    signer: Certificate, beside: Sequence[Certificate], trust: TrustSnapshot, at: datetime, *, stamps: bool = False
) -> Iterator[Path]:
    """Yield the paths of a signer's certificate that hold at a moment, there is at least one; raise Fault.

    `beside` are certificates that came with the signature: they help to build a path and are not trusted; in which
    order they came does not matter.  `stamps`: it is a time-stamping unit, whose usage the caller has judged.  All
    but the first are sought only when they are asked for (EN 319 102-1 §5.2.6.4: when the first does not stand).
    """
    if signer.authority:
        raise Fault("verify.certificate-is-ca")
    if not stamps and not signer.signs:
        raise Fault("verify.key-usage")
    yield from _build(signer, beside, trust, at)


def build(end: Certificate, beside: Sequence[Certificate], trust: TrustSnapshot, at: datetime) -> Path:
    """Return the first path of any certificate, whatever it may be used for; raise Fault."""
    return next(_build(end, beside, trust, at))


def _build(end: Certificate, beside: Sequence[Certificate], trust: TrustSnapshot, at: datetime) -> Iterator[Path]:
    judge = _judge_of(trust)
    own = end.report
    if not own.not_before <= at <= own.not_after:
        judge.require_some(end, beside)  # of a stranger's certificate it does not matter when it was valid
        if at < own.not_before:
            raise Fault("verify.certificate-not-yet-valid", date=zulu(own.not_before))
        raise Fault("verify.certificate-expired", date=zulu(own.not_after))
    yield judge.first(end, beside, at)
    yield from judge.others(end, beside, at)


@lru_cache(maxsize=8)
def _judge_of(trust: TrustSnapshot) -> _Judge:
    return _Judge(trust)


Above = TypeVar("Above", Root, Link)

Proposal = tuple[Root, tuple[Link, ...]]
"""An anchor and the certificates below it, the signer's first."""


Question = tuple[str, frozenset[tuple[str, bool]], int, int]
"""Whose paths are sought, what came beside and whether it is in force, and what has begun and ended by then."""

Remembered = TypeVar("Remembered")


class _Judge:
    """Judges paths against one snapshot.  asn1crypto reads lazily and is not thread-safe: one path at a time."""

    def __init__(self, trust: TrustSnapshot) -> None:
        self._roots = [root_of(anchor) for anchor in trust.anchors]
        self._anchored: dict[str, list[Root]] = {}
        self._keyed: dict[bytes, list[Anchor]] = {}
        self._pinned: dict[bytes, list[Root]] = {}
        for root in self._roots:
            self._keyed.setdefault(spki(root.certificate.x509), []).append(root.anchor)
            self._anchored.setdefault(issuer_key(root.certificate.x509), []).append(root)
            self._pinned.setdefault(root.certificate.der, []).append(root)
        # Those above a signer come beside every document of its provider; under our lock one reading serves all.
        self._link = lru_cache(maxsize=_REMEMBERED_LINKS)(link_of)
        self._links = [link_of(load(it.public_bytes(Encoding.DER))) for it in trust.intermediates]
        held = [it.certificate.report for it in self._roots] + [it.certificate.report for it in self._links]
        services = [it for anchor in trust.anchors for it in anchor.services]
        # A service counts until just before its end, a certificate until its end.
        self._turns = sorted([*(it.not_before for it in held), *(at for it in services for at in (it.since, it.until))])
        self._ends = sorted(it.not_after for it in held)
        self._first: dict[Question, Path] = {}
        self._others: dict[Question, tuple[Path, ...]] = {}
        self._lock = Lock()

    def first(self, signer: Certificate, beside: Sequence[Certificate], at: datetime) -> Path:
        """Return the first path that holds; raise Fault."""
        return self._once(self._first, signer, beside, at, next)

    def others(self, signer: Certificate, beside: Sequence[Certificate], at: datetime) -> tuple[Path, ...]:
        """Return the paths that hold behind the first."""
        return self._once(self._others, signer, beside, at, _behind_first)

    def require_some(self, signer: Certificate, beside: Sequence[Certificate]) -> None:
        """Raise Fault unless something seems to lead to an anchor, at whatever moment that counts."""
        if signer.der in self._pinned:
            return
        with self._lock, _hostile():
            if next(self._proposals(link_of(signer), self._pool(beside), lambda _anchor: True), None) is None:
                raise Fault("verify.chain-untrusted")

    def _once(
        self,
        known: dict[Question, Remembered],
        signer: Certificate,
        beside: Sequence[Certificate],
        at: datetime,
        take: Callable[[Iterator[Path]], Remembered],
    ) -> Remembered:
        asked = self._question(signer, beside, at)
        found = known.get(asked)
        if found is None:
            with self._lock:
                found = take(self._paths(signer, beside, at))
                if len(known) >= _REMEMBERED:
                    known.clear()
                known[asked] = found
        return found

    def _question(self, signer: Certificate, beside: Sequence[Certificate], at: datetime) -> Question:
        """Return all that an answer hangs on: with the same, a search would find the same."""
        came = frozenset((it.sha256, it.not_before <= at <= it.not_after) for it in (one.report for one in beside))
        return (signer.report.sha256, came, bisect_right(self._turns, at), bisect_left(self._ends, at))

    def _paths(self, signer: Certificate, beside: Sequence[Certificate], at: datetime) -> Iterator[Path]:
        """Yield the paths that hold; raise Fault."""
        pinned = [root for root in self._pinned.get(signer.der, ()) if root.anchor.counts(at)]
        if pinned:
            yield _path([signer], pinned[0].anchor)
            return
        with _hostile():
            proposals = self._proposals(link_of(signer), self._pool(beside), lambda anchor: anchor.counts(at))
            yield from self._holding(proposals, at)

    def _pool(self, beside: Sequence[Certificate]) -> list[Link]:
        """Return what may stand between, what came beside newest first: its order is no part of what is signed."""
        came = sorted(beside, key=lambda it: (it.report.not_before, it.report.sha256), reverse=True)
        return self._links + [self._link(certificate) for certificate in came]

    @staticmethod
    def _holding(proposals: Iterator[Proposal], at: datetime) -> Iterator[Path]:
        """Yield the paths that hold; if none does, raise Fault as the first that does not."""
        first: Fault | None = None
        held = False
        for root, chain in islice(proposals, _TRIES):
            fault = flaw(root, chain, at)
            if fault is None:
                held = True
                yield _path([*(link.certificate for link in chain), root.certificate], root.anchor)
            first = first or fault
        if not held:
            raise first or Fault("verify.chain-untrusted")

    def _let_go(self, link: Link, counts: Callable[[Anchor], bool]) -> bool:
        """Whether the key is an anchor's, and no anchor of the key counts: a list tells services apart by their keys.

        By the key alone (ETSI TS 119 612 §5.5.3): the name in another certificate may be written in another way.
        """
        return link.key in self._keyed and not any(map(counts, self._keyed[link.key]))

    def _proposals(self, signer: Link, pool: Sequence[Link], counts: Callable[[Anchor], bool]) -> Iterator[Proposal]:
        """Yield chains, signer first, that end below an anchor that counts, shortest first; raise Fault in a maze."""
        # A certificate of the very name and key of an anchor that counts adds nothing to the anchor.
        issuers = [link for link in pool if not any(counts(it.anchor) for it in self._anchored.get(link.name, ()))]
        above: dict[str, tuple[list[Root], list[Link]]] = {}  # asked once of each: comparing names costs most
        open_chains: deque[tuple[Link, ...]] = deque([(signer,)])
        for _ in range(_STEPS):
            if not open_chains:
                return
            chain = open_chains.popleft()
            top = chain[-1]
            if top.certificate.report.sha256 not in above:
                roots = [it for it in _issuers(top, self._roots) if counts(it.anchor)]
                above[top.certificate.report.sha256] = (roots, _issuers(top, issuers))
            roots, links = above[top.certificate.report.sha256]
            for root in roots:
                # Whom a list has let go leads to none of a list's anchors above; what an operator trusts is his to say.
                if not root.anchor.services or not any(self._let_go(link, counts) for link in chain):
                    yield root, chain
            if len(chain) < _DEPTH:
                taken = {link.name for link in chain}
                open_chains.extend((*chain, link) for link in links if link.name not in taken)
        raise Fault("verify.chain-too-complex")


@contextmanager
def _hostile() -> Iterator[None]:
    """Make a Fault of whatever a library raises over hostile octets: it means no path."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        raise Fault("verify.chain-unreadable") from error


def _behind_first(paths: Iterator[Path]) -> tuple[Path, ...]:
    found = []
    with suppress(Fault):  # in a maze the search ends early: those that it has found hold none the less
        for path in islice(paths, 1, None):
            found.append(path)  # noqa: PERF402 - list() would lose them
    return tuple(found)


def _issuers(link: Link, among: Sequence[Above]) -> list[Above]:
    return [it for it in among if it.authority.is_potential_issuer_of(link.asn1)]


def _path(certificates: Sequence[Certificate], anchor: Anchor) -> Path:
    return Path(
        certificates=tuple(certificates),
        issuers=tuple(issuer_key(certificate.x509) for certificate in certificates[1:]),
        anchor=anchor,
    )
