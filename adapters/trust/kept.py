"""Looking at the cache of evidence about revocation beside a broker that runs: what it still holds, nothing changed.

A report names its evidence by digest.  The cache keeps what was said last about each certificate, so what a report was
made from may be gone; then what was said later is the next best.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adapters.trust.cache import ENDING, file_of, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something that an authority said: `kind` is ocsp or crl, `octets` as they were fetched (DER, perhaps PEM)."""

    kind: str
    url: str
    octets: bytes

    @property
    def sha256(self) -> str:
        """Its digest, as reports name it."""
        return hashlib.sha256(self.octets).hexdigest()


class KeptEvidence:
    """What the folder holds; one that is not there holds nothing.  Nothing is read before it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def exactly(self, digest: str, certificate: str) -> Sequence[Said]:
        """Return the evidence of this digest about a certificate (its SHA-256), in one piece or several.

        Nothing if it is not kept any more.  What was said about it is looked at first; a list may be another's too.
        """
        return _matching(digest, self.lately(certificate)) or _matching(digest, _said(self._by_digest.get(digest)))

    def lately(self, certificate: str) -> Sequence[Said]:
        """Return what was last said about a certificate."""
        return _said(file_of(self._folder, certificate))

    @cached_property
    def _by_digest(self) -> Mapping[str, Path]:
        """Which file holds what, as it was when this was first asked."""
        found: dict[str, Path] = {}
        for file in sorted(self._folder.glob(f"*{ENDING}")):
            octets = [one.octets for one in _said(file)]
            for each in (*octets, b"".join(octets)):  # a report may name several by the digest of all, joined
                found.setdefault(hashlib.sha256(each).hexdigest(), file)
        return found


def _said(file: Path | None) -> Sequence[Said]:
    kept = read(file) if file else None  # a broker that runs may have replaced it
    return [Said(kind=source.kind, url=source.url, octets=octets) for source, octets in kept.said] if kept else []


def _matching(digest: str, said: Sequence[Said]) -> Sequence[Said]:
    alone = [one for one in said if one.sha256 == digest]
    joined = hashlib.sha256(b"".join(one.octets for one in said)).hexdigest()
    return alone[:1] or (said if joined == digest else [])
