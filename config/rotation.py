"""The seal in use, and the one that follows it while the broker runs.

Watched are the configuration, whose [seal] table is read anew, and every file that the table names.  When one
changes, the seal is made from what is there now.  Only one that has just sealed something which our own verifier
takes, and in production one whose files nobody else can read, follows, and only after its certificate is kept: who
checks a receipt later must find it.  Until then the old one goes on.  A key that is out of reach, at the start too, is
tried again; meanwhile senders are asked to come back.  So are they after a start with a seal whose file is gone or
whose certificate has ended: what was accepted goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from adapters import seals
from adapters.wire.kind import SealInHand, SealLost, Surroundings
from adapters.wire.secret import insist_on_secrecy
from broker.errors import ConfigError, Unavailable
from broker.evidence import Indication
from broker.parse import Limits, read
from broker.ports import Clock, Store
from broker.verify import Anchor, TrustSnapshot, examine
from config import kinds
from config.exposure import open_seal
from config.settings import OfKind, Settings, load
from config.snapshot import stamp

log = structlog.get_logger(__name__)

ENDS_SOON: Final = timedelta(days=30)
_Stamps = tuple[tuple[int, int, int] | str | None, ...]
_PROBE: Final = b'<probe xmlns="urn:goniec:seal-probe">Goniec</probe>'


class Source(Protocol):
    """Where a seal comes from.  To make one raises ConfigError or Unavailable."""

    def files(self) -> Sequence[Path]:
        """Return what to watch."""
        ...

    def make(self) -> SealInHand:
        """Make the seal from what is there now."""
        ...

    def before(self) -> Callable[[], SealInHand] | None:
        """Return what makes the seal that was described before that, if it was another."""
        ...

    def exposed(self) -> Sequence[str]:
        """Return how others can read or replace its files."""
        ...

    def insist_on_secrecy(self) -> None:
        """Raise ConfigError in production if they can, elsewhere say so in the log."""
        ...


class Configured:
    """The [seal] table of the configuration, as it is now.

    `settings` name the file, and may be long out of date: a worker that is born again has its supervisor's.
    """

    def __init__(self, settings: Settings, around: Surroundings) -> None:
        self._settings = self._before = settings
        self._around = around
        self._tried: OfKind | None = None  # the table that was gone by last

    def files(self) -> Sequence[Path]:
        """Return the configuration and every file that the table names."""
        settings = self._settings
        watched = [settings.file] if settings.file else []
        try:
            _, own = kinds.read(seals.KINDS, settings.seal, "seal")
        except ConfigError:  # then the table must change, and with it the file
            return watched
        named = (getattr(own, name) for name in type(own).model_fields)
        return [*watched, *(settings.path(value) for value in named if isinstance(value, Path))]

    def make(self) -> SealInHand:
        """Read the table again, and make what it describes."""
        if self._settings.file is not None:
            self._settings = load(self._settings.file)  # what it names is watched from now on, good or bad
        return self._of(self._settings.seal)

    def before(self) -> Callable[[], SealInHand] | None:
        """Return what makes the seal of the settings that were given, unless it is known that it cannot be made."""
        table = self._before.seal
        return None if table == self._tried else partial(self._of, table)  # a PIN that was wrong is not tried twice

    def exposed(self) -> Sequence[str]:
        """Return a line for each secret file of the table that lies open."""
        return open_seal(self._settings)

    def insist_on_secrecy(self) -> None:
        """As when the broker starts."""
        insist_on_secrecy(self.exposed(), self._around.environment)

    def _of(self, table: OfKind) -> SealInHand:
        self._tried = table
        return kinds.make(seals.KINDS, table, "seal", self._around)


@dataclass(frozen=True, slots=True)
class _InUse:
    seal: SealInHand

    @property
    def own(self) -> x509.Certificate:
        return self.seal.chain[0]

    @property
    def sha256(self) -> str:
        return self.own.fingerprint(hashes.SHA256()).hex()


class Rotation:
    """The broker's seal.  `seal` may be called by many threads, the rest by one at a time."""

    def __init__(self, source: Source, clock: Clock) -> None:
        """Make the first seal, which seals nothing before `begin`; raise ConfigError if it never could."""
        self._source = source
        self._clock = clock
        self._store: Store | None = None
        self._kept: Callable[[], None] = lambda: None
        self._now: _InUse | None = None
        self._next: _InUse | None = None  # sound, but its certificate is not kept yet
        self._owed = True  # what the files say now has not been settled
        self.away = ""  # why no seal could be made from what the files say now, if that is out of reach
        self.lost: Sequence[str] = ()  # why there was none at the start, if it is for whoever runs the broker to mend
        self._seen: _Stamps | None = self._stamps()
        try:
            self._next = self._first()
        except SealLost as lost:
            self.lost, self.away = lost.problems, "; ".join(lost.problems)
        except Unavailable as away:
            self.away = away.reason

    @property
    def chain(self) -> Sequence[x509.Certificate]:
        """The certificates of the seal that seals, or is to: its own first.  None while it is out of reach."""
        known = self._now or self._next
        return () if known is None else known.seal.chain

    def doubts(self) -> list[str]:
        """Return what is probably not meant so, or will soon be wrong."""
        known = self._now or self._next
        if known is None:
            return []
        until = known.own.not_valid_after_utc
        ends = f"the certificate ends on {until:%Y-%m-%dT%H:%M:%SZ}: exchange it (docs/how-to/rotate-the-seal.md)"
        return [f"seal: {one}" for one in (*known.seal.doubts, *([ends] if self._soon(until) else []))]

    def begin(self, store: Store, kept: Callable[[], None]) -> None:
        """Keep the first seal's certificate in `store`, and let it seal.  Raises Unavailable.

        `kept` is called whenever another certificate is kept.
        """
        self._store, self._kept = store, kept
        if self._next is not None:
            self._take_over(store, self._next)
        else:
            self._say_away()

    def seal(self, unsigned: bytes) -> bytes:
        """Seal as `Seal` says."""
        now = self._now
        if now is None:
            raise Unavailable("the seal is out of reach")
        return now.seal.seal(unsigned)

    def probe(self) -> None:
        """Seal something that is no document; raise Unavailable if that cannot be done now."""
        self.seal(_PROBE)

    def refresh(self) -> None:
        """Let another seal take over if there is one; called by housekeeping."""
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen, self._owed, self._next = stamps, True, None
        if not self._owed or self._store is None:
            return
        try:
            self._next = self._next or self._following()
            self._take_over(self._store, self._next)
        except ConfigError as wrong:
            if self._now is None and isinstance(wrong, SealLost):
                self._stays_away("; ".join(wrong.problems))
                return
            self._owed = False
            log.error("seal.kept-old", problems=wrong.problems)  # noqa: TRY400 - the problems say it all
        except Unavailable as away:
            self._stays_away(away.reason)

    def watch(self) -> None:
        """Say that the certificate ends soon; called once a day."""
        if self._now is None:
            return
        until = self._now.own.not_valid_after_utc
        if self._soon(until):
            log.warning("seal.ends-soon", until=until, days=(until - self._clock()).days, sha256=self._now.sha256)

    def _soon(self, until: datetime) -> bool:
        return until - self._clock() < ENDS_SOON

    def _first(self) -> _InUse:
        """Make what is described now, or while that is wrong, as others go on by theirs, what was before."""
        try:
            made = self._made(self._source.make)
            if self._source.before() is not None:  # at the one of before whoever started the broker has looked
                self._source.insist_on_secrecy()
        except SealLost:
            raise
        except ConfigError:
            before = self._source.before()
            if before is None:
                raise
            made = self._made(before)
            self._seen = None  # what is wrong is told when it is tried again
        return made

    def _following(self) -> _InUse:
        made = self._made(self._source.make)
        self._source.insist_on_secrecy()
        return made

    def _made(self, make: Callable[[], SealInHand]) -> _InUse:
        made = _InUse(make())
        _require_sound(made, self._clock)
        return made

    def _take_over(self, store: Store, candidate: _InUse) -> None:
        pem = b"".join(one.public_bytes(Encoding.PEM) for one in candidate.seal.chain)
        store.keep_seal(candidate.sha256, pem, self._clock())
        self._kept()
        another = self._now is None or self._now.sha256 != candidate.sha256
        self._now, self._next, self._owed, self.away = candidate, None, False, ""
        if another:
            log.info("seal.taken-over", sha256=candidate.sha256, until=candidate.own.not_valid_after_utc)
            self.watch()

    def _stays_away(self, reason: str) -> None:
        said, self.away = self.away, reason
        if self.away != said:  # once: it is tried again every few seconds
            self._say_away()

    def _say_away(self) -> None:
        log.warning("seal.unavailable", reason=self.away, sealing=self._now is not None)

    def _stamps(self) -> _Stamps:
        return *(stamp(file) for file in self._source.files()), *self._source.exposed()


def _require_sound(made: _InUse, clock: Clock) -> None:
    """Raise ConfigError unless the seal seals what our own verifier takes; Unavailable while it cannot seal."""
    sealed = made.seal.seal(_PROBE)
    trust = TrustSnapshot(anchors=(Anchor(certificate=made.own, name="seal"),))
    report = examine(read(sealed, Limits()), trust, clock())
    if report.indication is not Indication.PASSED:
        raise ConfigError([f"seal: what it seals does not hold ({report.code})"])
