"""A container as it comes from anywhere: read by one who trusts nobody, and held against what its seal covers.

Files that the seal does not cover, that it covers and are not there, or that are not what it covers, are told by name.
A ZIP that somebody packed anew is taken, and told: its files are what is sealed, not what stands between them.
"""

from __future__ import annotations

import errno
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from adapters.archive import form
from broker import asic
from broker.evidence import Indication
from broker.sealed_files import SealCheck, judge
from broker.verify import TrustSnapshot

_PIECE: Final = 1 << 20
_LARGEST: Final = 4_000_000  # octets of a file of META-INF
_ALL: Final = 2_000_000_000  # octets of all files
_DIRECTORY: Final = 2_000_000  # octets: a thousand entries have 300,000
_UNREADABLE: Final = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A container's files, and what was found about them."""

    check: SealCheck
    archive: ZipFile | None = None  # None: it is none

    def content(self, name: str, most: int) -> bytes | None:
        """Return a file that the seal covers, None if there is none of that name.

        Raises ValueError if it has more than `most` octets; nothing that a check did not find sealed is handed out.
        """
        if self.archive is None or name not in {file.name for file in self.check.files}:
            return None
        if self.archive.getinfo(name).file_size > most:
            raise ValueError(f"{name} is too large")
        return self.archive.read(name)


class _Broken(Exception):
    """What is wrong with a container: a code, and where."""

    def __init__(self, code: str, place: str = "") -> None:
        super().__init__(code, place)
        self.code = code
        self.place = place


@contextmanager
def opened(file: Path, trust: TrustSnapshot, stamps: TrustSnapshot | None = None) -> Iterator[Opened]:
    """Open a container and judge it (see `broker.sealed_files.judge`); raise OSError if the file cannot be read."""
    with file.open("rb") as stream:
        try:
            archive = _archive(stream)
        except _Broken as broken:
            yield Opened(check=_failed(broken))
            return
        with archive:
            yield Opened(check=_judged(archive, stream, trust, stamps), archive=archive)


def _failed(broken: _Broken) -> SealCheck:
    return SealCheck(verdict=Indication.FAILED, code=broken.code, place=broken.place)


def _archive(stream: BinaryIO) -> ZipFile:
    """Return the ZIP; raise _Broken unless it can be read in one way only, and at a bearable cost."""
    with _understood("container.zip"):
        archive = ZipFile(stream)
    entries = [one for one in archive.infolist() if not one.is_dir()]
    names = Counter(one.filename for one in entries)
    if len(archive.infolist()) > asic.MOST + len(asic.META) or sum(one.file_size for one in entries) > _ALL:
        raise _Broken("container.zip", "too much is in it")
    for one in entries:
        if (
            names[one.filename] > 1
            or one.orig_filename != one.filename
            or one.flag_bits & _ENCRYPTED
            or one.compress_type not in {ZIP_STORED, ZIP_DEFLATED}
        ):
            raise _Broken("container.zip", one.filename)
    return archive


def _judged(archive: ZipFile, stream: BinaryIO, trust: TrustSnapshot, stamps: TrustSnapshot | None) -> SealCheck:
    try:
        check = judge(_meta(archive, asic.SIGNATURES), trust, stamps)
        if check.files:
            _require_files(archive, check.files)
            _require(_meta(archive, asic.MIMETYPE) == asic.CONTAINER.encode(), "container.manifest", asic.MIMETYPE)
            manifest = asic.manifest(check.files)
            _require(_meta(archive, asic.MANIFEST) == manifest, "container.manifest", asic.MANIFEST)
    except _Broken as broken:
        return _failed(broken)
    if check.files and not _as_written(archive, stream, check.files):
        return replace(check, notes=(*check.notes, "container.rewritten"))
    return check


def _require(holds: bool, code: str, place: str) -> None:
    if not holds:
        raise _Broken(code, place)


def _meta(archive: ZipFile, name: str) -> bytes:
    return b"".join(_pieces(archive, name, _LARGEST))


def _require_files(archive: ZipFile, files: Sequence[asic.ContainedFile]) -> None:
    """Raise _Broken unless these are the files of the container, and nothing else is."""
    covered = {file.name for file in files}
    for info in archive.infolist():
        _require(info.is_dir() or info.filename in {*asic.META, *covered}, "container.unsigned", info.filename)
    for file in files:
        digest = hashlib.sha256()
        for piece in _pieces(archive, file.name):
            digest.update(piece)
        _require(digest.digest() == file.sha256, "container.changed", file.name)


def _pieces(archive: ZipFile, name: str, most: int = _ALL) -> Iterator[bytes]:
    """Yield a file's octets; raise _Broken if it is not there, does not end where it says, or is too long."""
    _require(name in archive.NameToInfo, "container.missing", name)
    _require(archive.getinfo(name).file_size <= most, "container.zip", name)
    with _understood("container.changed", name), archive.open(name) as entry:
        while piece := entry.read(_PIECE):
            yield piece


@contextmanager
def _understood(code: str, place: str = "") -> Iterator[None]:
    """Raise _Broken for whatever the library says of octets that make no sense to it."""
    try:
        yield
    except _UNREADABLE as error:
        raise _Broken(code, place) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # else they name a place before the file's beginning
            raise
        raise _Broken(code, place) from error


def _as_written(archive: ZipFile, stream: BinaryIO, files: Sequence[asic.ContainedFile]) -> bool:
    """Whether every octet that is no file's stands as Goniec writes it: nothing hides between the files."""
    found = archive.infolist()
    order = [asic.MIMETYPE, *(file.name for file in files), asic.MANIFEST, asic.SIGNATURES]
    if [one.filename for one in found] != order:
        return False
    offset, expected = 0, []
    for info in found:
        plain = info.compress_type == ZIP_STORED
        entry = form.entry(info.filename, info.file_size, found[0].date_time, plain=plain)
        entry.CRC, entry.compress_size, entry.header_offset = info.CRC, info.compress_size, offset
        head = form.before(entry)
        stream.seek(offset)
        if stream.read(len(head)) != head:
            return False
        offset += len(head) + entry.compress_size
        expected.append(entry)
    stream.seek(offset)
    return stream.read(_DIRECTORY) == form.behind(expected)
