"""How a container's ZIP is written, to the octet: what stands before, between and behind the files' own octets.

Without extra fields, comments or gaps, every file under one moment: a container is a function of its files, and whoever
opens one can tell whether anything else is in it (APPNOTE 6.3.10 §4.3.7, §4.3.12, §4.3.16).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

from broker.asic import MIMETYPE

_UNIX: Final = 3
_VERSION: Final = 20  # 2.0: deflate
_MODE: Final = 0o100644 << 16
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)  # of a ZIP


Moment = tuple[int, int, int, int, int, int]
"""From the year to the second."""


def moment(at: datetime) -> Moment:
    """Return a moment, UTC, as a ZIP can say it: in steps of two seconds, from 1980 on."""
    it = at.astimezone(UTC)
    return max((it.year, it.month, it.day, it.hour, it.minute, it.second // 2 * 2), _EARLIEST)


def entry(name: str, size: int, at: Moment, *, plain: bool = False) -> ZipInfo:
    """Return the entry of a file: deflated unless it is to stand there plainly.

    The type of the container always does (EN 319 162-1 annex A.1).
    """
    info = ZipInfo(name, at)
    info.create_system = _UNIX
    info.create_version = info.extract_version = _VERSION
    info.external_attr = _MODE
    info.file_size = size
    info.compress_type = ZIP_STORED if plain or name == MIMETYPE else ZIP_DEFLATED
    return info


def before(info: ZipInfo) -> bytes:
    """Return what stands before a file's octets; its entry knows by now how many they are, and their CRC."""
    return info.FileHeader(zip64=False)


def behind(entries: Sequence[ZipInfo]) -> bytes:
    """Return the directory of a container and what ends it; each entry's offset is that of what stands before it."""
    directory = b"".join(map(_listed, entries))
    start = entries[-1].header_offset + len(before(entries[-1])) + entries[-1].compress_size if entries else 0
    number = len(entries)
    return directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(directory), start, 0)


def _listed(info: ZipInfo) -> bytes:
    local = before(info)
    # Version, flags, method, time, CRC, sizes and the length of the name stand alike in both; no extra field, no
    # comment, disk 0, no internal attributes.
    shared = local[4:28]
    about = struct.pack("<HHHHLL", 0, 0, 0, 0, info.external_attr, info.header_offset)
    return b"PK\1\2" + struct.pack("<BB", _VERSION, _UNIX) + shared + about + local[30:]
