"""Evidence kept in a folder, so that a restart while a CA is away does not lose what was known.

A file holds what was said about one certificate, or one issuer's list, with the path it was said about.  Nothing in
it is believed: it is judged again when it is loaded, as of the moment at which it was fetched.  Its loss costs a
fetch, so nothing is flushed.  Files are named by digest: no name of a certificate's holder stands in the folder.
What bears no such name is not ours, and is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from adapters.trust.question import Source
from broker.errors import ConfigError
from broker.verify.certificate import Certificate, load
from broker.verify.fault import Fault

log = structlog.get_logger(__name__)

ENDING: Final = ".evidence"
_OWN: Final = re.compile(rf"[0-9a-f]{{64}}{re.escape(ENDING)}(\.[0-9a-f]{{8}})?")  # a file, or a part of one
_LARGEST: Final = 64_000_000  # octets of a file: one list and what came before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was said about the first certificate of `chain`, or about the issuer of it, and when it was fetched."""

    key: str
    chain: tuple[Certificate, ...]
    said: tuple[tuple[Source, bytes], ...]
    at: datetime
    signer: bool


class Cache:
    """The folder.  Many threads may write: a file is whole or not there."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is not there; raise ConfigError if that cannot be done."""
        self._folder = folder
        self._writable = True
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError([f"trust.cache: {folder}: {error.strerror}"]) from error

    def keep(self, kept: Kept) -> None:
        """Write it in the place of what was kept under its key; a folder that cannot be written is logged."""
        file = self._file(kept.key)
        part = file.with_name(f"{file.name}.{os.urandom(4).hex()}")
        try:
            part.write_bytes(_packed(kept))
            part.replace(file)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            if self._writable:
                log.warning("trust.cache-unwritable", reason=error.strerror)
            self._writable = False
        else:
            self._writable = True

    def forget(self, key: str) -> None:
        """Remove what is kept under a key."""
        with contextlib.suppress(OSError):  # what stays is judged again, or forgotten, at the next start
            self._file(key).unlink(missing_ok=True)

    def load(self) -> Iterator[Kept]:
        """Yield what is kept, newest first; what is ours and cannot be read is removed."""
        for file in sorted(filter(is_own, self._folder.iterdir()), key=_age):
            kept = read(file) if file.name.endswith(ENDING) else None
            if kept is not None and self._file(kept.key) == file:
                yield kept
            else:
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return file_of(self._folder, key)


def is_own(file: Path) -> bool:
    """Whether a file bears such a name as the cache gives."""
    return _OWN.fullmatch(file.name) is not None


def file_of(folder: Path, key: str) -> Path:
    """Return where a folder keeps what there is under a key."""
    return folder / (hashlib.sha256(key.encode()).hexdigest() + ENDING)


def _age(file: Path) -> float:
    try:
        return -file.stat().st_mtime
    except OSError:
        return 0


def _packed(kept: Kept) -> bytes:
    ders = [certificate.der for certificate in kept.chain]
    head = {
        "key": kept.key,
        "at": kept.at.astimezone(UTC).isoformat(),
        "signer": kept.signer,
        "chain": [len(der) for der in ders],
        "said": [[source.kind, source.url, len(octets)] for source, octets in kept.said],
    }
    return b"".join([json.dumps(head).encode(), b"\n", *ders, *(octets for _, octets in kept.said)])


def read(file: Path) -> Kept | None:
    """Return what a file of the folder keeps, None if it cannot be read as such."""
    try:
        if file.stat().st_size > _LARGEST:
            return None
        head, _, rest = file.read_bytes().partition(b"\n")
        return _unpacked(json.loads(head), rest)
    except (OSError, ValueError, TypeError, KeyError, Fault, RecursionError):
        return None


def _unpacked(head: Any, rest: bytes) -> Kept:
    kinds, urls, lengths = zip(*head["said"], strict=True)
    pieces = _cut(rest, [*head["chain"], *lengths])
    ders, octets = pieces[: len(head["chain"])], pieces[len(head["chain"]) :]
    sources = [Source(str(kind), str(url)) for kind, url in zip(kinds, urls, strict=True)]
    at = datetime.fromisoformat(head["at"])
    if at.tzinfo is None:
        raise ValueError
    return Kept(
        key=str(head["key"]),
        chain=tuple(load(der) for der in ders),
        said=tuple(zip(sources, octets, strict=True)),
        at=at,
        signer=bool(head["signer"]),
    )


def _cut(rest: bytes, lengths: Sequence[int]) -> list[bytes]:
    if sum(lengths) != len(rest) or min(lengths) < 0:
        raise ValueError
    pieces, at = [], 0
    for length in lengths:
        pieces.append(rest[at : at + length])
        at += length
    return pieces
