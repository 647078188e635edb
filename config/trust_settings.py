"""The settings of trust: whose signatures are believed, by anchors of the operator's own or by trusted lists."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from adapters.wire.kind import KindSettings
from broker.evidence import Level
from broker.verify import Window
from broker.verify.trust import FRESHNESS

Length = Annotated[timedelta, Field(gt=timedelta(0))]


class Anchor(KindSettings):
    """A certificate in which paths may end, and what a signature below it is worth."""

    name: str
    file: Path  # PEM, one or more certificates
    level: Level
    platform_seal: bool = False  # it is itself the seal of podpis zaufany, whose ClaimedRole names the person


class TrustedLists(KindSettings):
    """The EU's list of the lists and the national ones that it vouches for; without `signers` there are none."""

    signers: tuple[Path, ...] = ()  # PEM: who may sign the list of the lists
    territories: tuple[str, ...] = ("PL",)
    lotl: str = "https://ec.europa.eu/tools/lotl/eu-lotl.xml"
    hosts: tuple[str, ...] = ("ec.europa.eu", "www.nccert.pl")  # that may be called for lists
    cache: Path = Path("trusted-lists")  # the folder where what was fetched is kept
    files: tuple[Path, ...] = ()  # all lists as files: then nothing is fetched
    every: timedelta = timedelta(hours=6)
    warn: timedelta = timedelta(days=7)  # before a list's next update is due
    tolerance: timedelta = timedelta(days=3)  # for which a list counts whose next update is overdue
    otherwise: Literal["none", "local"] = "none"  # what a signature below a listed CA is worth that is not qualified

    @model_validator(mode="after")
    def _pinned(self) -> TrustedLists:
        if self.files and not self.signers:
            raise ValueError("files without signers: nobody could be believed")
        return self


class Trust(KindSettings):
    """Whose signatures are believed."""

    revocation: Literal["off", "require"] = "off"  # the policy's name: it stands in every report and receipt
    anchors: tuple[Anchor, ...] = ()
    intermediates: tuple[Path, ...] = ()
    timestamp_authorities: tuple[Path, ...] = ()  # whose time-stamps on signatures are believed
    signing_time_ahead: timedelta = timedelta(minutes=5)  # how far a claimed SigningTime may lie after entry
    signing_time_age: timedelta | None = None  # and how far before it
    lists: TrustedLists = TrustedLists()
    hosts: tuple[str, ...] = ()  # who may be called at all because a certificate or a list names it
    freshness: Length = FRESHNESS  # how old proof may be that a signer's certificate is not revoked
    cache: Path = Path("trust-cache")  # a folder: what was fetched, kept over a restart
    certificates: PositiveInt = 10_000  # for how many evidence is kept
    fetch_threads: PositiveInt = 8
    fetch_deadline: Length = timedelta(seconds=10)  # of one call, from look-up to the last byte
    fetch_ca: Path | None = None  # PEM: whom to believe about https servers; the system's authorities by default
    recheck: Length = timedelta(minutes=1)  # how often what was let in under a grace is judged again
    unresolved: Length = timedelta(days=7)  # and after which time it is told that this has led to nothing
    second_opinion: bool = False  # what our own verifier finds to hold, signxml must not contradict

    @property
    def window(self) -> Window:
        """Where a claimed SigningTime may lie."""
        return Window(ahead=self.signing_time_ahead, age=self.signing_time_age)
