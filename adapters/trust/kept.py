"""Looking at the cache of evidence about revocation beside a broker that runs: what it still holds, nothing changed.

A report names its evidence by digest.  The cache keeps what was said last about each certificate, so what a report was
made from may be gone; then what was said later is the next best.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.trust.cache import ENDING, read


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
    """What the folder holds at this moment; one that is not there holds nothing."""

    def __init__(self, folder: Path) -> None:
        self._by_digest: dict[str, Path] = {}
        self._by_key: dict[str, Path] = {}
        for file in sorted(folder.glob(f"*{ENDING}")):
            kept = read(file)
            if kept is None:
                continue
            self._by_key[kept.key] = file
            octets = [one for _, one in kept.said]
            for each in (*octets, b"".join(octets)):  # a report may name several by the digest of all, joined
                self._by_digest.setdefault(hashlib.sha256(each).hexdigest(), file)

    def exactly(self, digest: str) -> Sequence[Said]:
        """Return the evidence of this digest, in one piece or several; nothing if it is not kept any more."""
        said = tuple(self._said(self._by_digest.get(digest)))
        alone = tuple(one for one in said if one.sha256 == digest)
        joined = hashlib.sha256(b"".join(one.octets for one in said)).hexdigest()
        return alone[:1] or (said if joined == digest else ())

    def lately(self, certificate: str) -> Sequence[Said]:
        """Return what was last said about a certificate (its SHA-256)."""
        return tuple(self._said(self._by_key.get(certificate)))

    def _said(self, file: Path | None) -> Iterator[Said]:
        kept = read(file) if file else None  # a broker that runs may have replaced it
        for source, octets in kept.said if kept else ():
            yield Said(kind=source.kind, url=source.url, octets=octets)
