"""Writing a container: file after file, then the seal over all of them, and only then its name.

One file's octets are held at a time.  A container is there whole or not at all, also after a power cut.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final
from zipfile import ZipFile

from adapters.archive import form
from adapters.wire.durable import Kind, flush, made
from broker import asic
from broker.asic import ContainedFile, ContainerSeal

Stamp = Callable[[bytes], bytes]
"""Return a time-stamp (RFC 3161, DER) over octets; raise Unavailable."""

_ZIP: Final = b"PK\3\4"
_PIECE: Final = 1 << 20
_SMALL: Final = 100_000  # octets: nobody takes less for a bomb
_LEAST: Final = 40  # times: what shrinks further is not deflated


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that is to go into a container."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A container that is there now."""

    sha256: str
    size: int
    files: tuple[ContainedFile, ...]


def write(
    target: Path,
    parts: Iterable[Part],
    *,
    seal: ContainerSeal,
    at: datetime,
    stamp: Stamp | None = None,
    over: Kind | None = None,
    first: Callable[[str], None] = lambda sha256: None,  # noqa: ARG005 - nothing to do
) -> Written:
    """Write a container; `first` is called with its SHA-256 when it is on the disk, before it gets its name.

    A file of that name stays, and FileExistsError is raised, unless it is one `over` which this may be written.  Raises
    ValueError if the parts cannot stand in one container, OSError, Unavailable, and whatever `parts` and `first` raise:
    then nothing is left behind, but by a process that is killed (`.….part`).
    """
    with made(target, over) as hidden:
        with hidden.open("r+b") as file:
            files = _fill(file, parts, seal, at, stamp)
        flush(hidden)
        with hidden.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        written = Written(sha256=sha256, size=hidden.stat().st_size, files=files)
        first(sha256)
    return written


def is_container(head: bytes) -> bool:
    """Whether a file that begins like this is a container, in whatever condition (EN 319 162-1 annex A.1)."""
    return head.startswith(_ZIP) and asic.CONTAINER.encode() in head


def _fill(
    file: BinaryIO, parts: Iterable[Part], seal: ContainerSeal, at: datetime, stamp: Stamp | None
) -> tuple[ContainedFile, ...]:
    moment = form.moment(at)
    with ZipFile(file, "w") as archive:
        _add(archive, asic.MIMETYPE, asic.CONTAINER.encode(), moment)
        files = tuple(_added(archive, part, moment) for part in parts)
        asic.require_names([one.name for one in files])
        _add(archive, asic.MANIFEST, asic.manifest(files), moment)
        signatures = seal.seal_files(files)
        if stamp is not None:
            signed = asic.read(signatures)
            signatures = signed.unsigned.signed(signed.value, stamp(signed.to_stamp))
        _add(archive, asic.SIGNATURES, signatures, moment)
    return files


def _added(archive: ZipFile, part: Part, at: form.Moment) -> ContainedFile:
    asic.require_names([part.name])
    if part.name in archive.NameToInfo:
        raise ValueError(f"two files of a container have one name: {part.name}")
    _add(archive, part.name, part.content, at)
    return ContainedFile(name=part.name, media_type=part.media_type, sha256=hashlib.sha256(part.content).digest())


def _add(archive: ZipFile, name: str, content: bytes, at: form.Moment) -> None:
    with archive.open(form.entry(name, len(content), at, plain=_is_all_air(content)), "w") as entry:
        for piece in _pieces(content):  # deflated in pieces: what is made is never held whole
            entry.write(piece)


def _is_all_air(content: bytes) -> bool:
    """Whether a file would shrink so far that validators would take it for a bomb: EU DSS does from a hundredth on."""
    if len(content) < _SMALL:
        return False
    shrinking = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    shrunk = sum(len(shrinking.compress(piece)) for piece in _pieces(content)) + len(shrinking.flush())
    return shrunk * _LEAST < len(content)


def _pieces(content: bytes) -> Iterator[memoryview]:
    view = memoryview(content)
    return (view[start : start + _PIECE] for start in range(0, len(view), _PIECE))
