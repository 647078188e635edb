"""The trusted lists at hand: in files that an operator puts there, or in the cache that `lists_refresh.py` fills.

Nothing that lies there is believed: each look judges every list anew, from the pinned signers of the list of the lists
down, as of the moment of the look.  The cache is one file, so that the list of the lists and those that it vouches for
are always seen together, however many processes read and write.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from broker.errors import ConfigError, Unavailable
from broker.verify.trust import certificates
from broker.verify.trusted_list import (
    LIMITS,
    LOTL_TERRITORY,
    Claimed,
    Expected,
    ListRefused,
    TrustedList,
    claimed,
    read,
)

_NAME: Final = "trusted-lists.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One list that should be there: what it is, or why it is not believed."""

    territory: str
    found: TrustedList | None = None
    reason: str = ""  # one word
    problem: str = ""


class Shelf:
    """Where the lists lie.  Many threads may look.

    `files` are the operator's; without any, the lists are in the cache in `folder`.  `signers` are PEM files with the
    certificates that may sign the list of the lists: they are read at each look, so that they can be exchanged.
    """

    def __init__(
        self,
        *,
        signers: Sequence[Path],
        territories: Sequence[str],
        files: Sequence[Path] = (),
        folder: Path = Path(),
        tolerance: timedelta = timedelta(0),
    ) -> None:
        """Nothing is read before the first look."""
        self.territories = tuple(territories)
        self.watched = (*signers, *(files or (folder / _NAME,)))
        self._signers = tuple(signers)
        self._files = tuple(files)
        self._folder = folder
        self._tolerance = tolerance
        self._before: dict[str, tuple[x509.Certificate, Claimed]] = {}  # the newest ever believed here, and its signer

    def look(self, at: datetime) -> tuple[Held, ...]:
        """Return the list of the lists, and each territory's, as of a moment.

        Raises ConfigError if the signers or an operator's file cannot be read.
        """
        lists = self.contents()
        lotl = self._judge(LOTL_TERRITORY, lists, self.expected(None, LOTL_TERRITORY), at)
        return lotl, *(self._below(lotl, territory, lists, at) for territory in self.territories)

    def _below(self, lotl: Held, territory: str, lists: Mapping[str, bytes], at: datetime) -> Held:
        if lotl.found is None:
            return Held(territory=territory, reason="no-lotl", problem="the list of the lists is not believed")
        try:
            return self._judge(territory, lists, self.expected(lotl.found, territory), at)
        except ListRefused as refused:
            return Held(territory=territory, reason=refused.reason, problem=str(refused))

    def _judge(self, territory: str, lists: Mapping[str, bytes], expected: Expected, at: datetime) -> Held:
        if territory not in lists:
            return Held(territory=territory, reason="missing", problem="the list is not here")
        try:
            found = read(lists[territory], expected, at)
        except ListRefused as refused:
            return Held(territory=territory, reason=refused.reason, problem=str(refused))
        said = Claimed(territory=territory, sequence=found.sequence, issued=found.issued)
        self._before[territory] = (found.signer, said)
        return Held(territory=territory, found=found)

    def expected(self, lotl: TrustedList | None, territory: str, before: Claimed | None = None) -> Expected:
        """Return what a territory's list must be, by the list of the lists; raise ListRefused if that names none."""
        signers: tuple[x509.Certificate, ...] = ()
        if lotl is None:
            signers = tuple(it for file in self._signers for it in _pinned(file))
        elif territory in lotl.pointers:
            signers = lotl.pointers[territory].signers
        if not signers:
            raise ListRefused("not-pointed-at", f"the list of the lists names no signer of a list of {territory}")
        signer, known = self._before.get(territory, (None, None))
        # Who may sign no more, somebody of a trial or one let go, does not say what the next has to be newer than.
        newest = max(
            (it for it in (before, known if signer in signers else None) if it),
            key=lambda it: (it.sequence, it.issued),
            default=None,
        )
        return Expected(territory=territory, signers=signers, tolerance=self._tolerance, before=newest)

    # ── where they lie ──

    @staticmethod
    def is_own(file: Path) -> bool:
        """Whether a file bears such a name as the cache gives."""
        return file.name == _NAME or file.name.startswith(f"{_NAME}.")

    def contents(self) -> dict[str, bytes]:
        """Return the lists as they lie there, by territory; raise ConfigError at an operator's file."""
        if not self._files:
            return self._cached()
        lists: dict[str, bytes] = {}
        for file in self._files:
            data = _content(file, LIMITS.payload)
            try:
                territory = claimed(data).territory
            except ListRefused as refused:
                raise ConfigError([f"{file}: {refused}"]) from refused
            if territory in lists:
                raise ConfigError([f"{file}: there is a list of {territory} already"])
            lists[territory] = data
        return lists

    def _cached(self) -> dict[str, bytes]:
        try:
            with zipfile.ZipFile(self._folder / _NAME) as held:
                return {
                    it.filename.removesuffix(".xml"): held.read(it)
                    for it in held.infolist()
                    if it.file_size <= LIMITS.payload
                }
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError):
            return {}  # as on the first start: what is not here is fetched

    def keep(self, lists: Mapping[str, bytes]) -> None:
        """Put lists into the cache in place of all that is there; raise Unavailable."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as held:
            for territory, data in sorted(lists.items()):
                held.writestr(f"{territory}.xml", data)
        part = self._folder / f"{_NAME}.{os.urandom(4).hex()}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(packed.getvalue())
            part.replace(self._folder / _NAME)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise Unavailable(f"{self._folder}: {error.strerror}") from error


def _pinned(file: Path) -> tuple[x509.Certificate, ...]:
    try:
        return certificates(_content(file, LIMITS.payload))
    except ConfigError as error:
        raise ConfigError([it if str(file) in it else f"{file}: {it}" for it in error.problems]) from error


def _content(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(most + 1)
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from error
    if len(data) > most:
        raise ConfigError([f"{file}: more than {most} bytes"])
    return data
