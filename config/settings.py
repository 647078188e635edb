"""What can be configured, and where each setting comes from: one TOML file, and GONIEC_… in the environment.

`GONIEC_STORE__URL` overrides `[store] url`.  Relative paths are taken from the folder of the file.  Secrets never
stand in the file: settings name a file or an environment variable that holds them.  Every problem is reported at
once, with its path (`channels.soap.listen`), as a ConfigError.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from adapters.ops.settings import LAST_PORT, OpsSettings
from broker.errors import ConfigError
from broker.partner import Coverage
from config.deadlines import DeadlineSettings, OfficeDeadlines
from config.pressure import PressureSettings
from config.retention import RetentionSettings
from config.trust_settings import Trust

Fraction = Annotated[float, Field(ge=0, le=1)]
Length = Annotated[timedelta, Field(gt=timedelta(0))]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class OfKind(BaseModel):
    """Something whose other keys belong to its kind, which checks them itself.

    Until it has, a value may be anything, an address with a password in it too: it is shown by its key alone.
    """

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    kind: str

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what `repr` shows."""
        yield from self._shown().items()

    @model_serializer(mode="plain")
    def _shown(self) -> dict[str, Any]:
        own = dict.fromkeys(self.own(), "**********")
        return {name: getattr(self, name) for name in type(self).model_fields} | own

    def own(self) -> dict[str, Any]:
        """Return the keys that belong to the kind."""
        return dict(self.model_extra or {})


class OfficeEntry(OfKind):
    """An office: how it is reached is its kind's matter, how hard it may be pressed is ours."""

    name: str = ""  # as it stands in receipts; the routing table's name by default
    in_flight: PositiveInt = 2
    threshold: PositiveInt = 5
    cooling: timedelta = timedelta(seconds=30)
    deadlines: OfficeDeadlines | None = None  # instead of those for all offices


class Stamping(_Section):
    """Who time-stamps receipts, after they went out; without `url` nobody does."""

    url: str = ""  # of an authority that speaks RFC 3161 over HTTP
    ca: tuple[Path, ...] = ()  # PEM: below whom its certificate must stand, or that certificate itself
    hosts: tuple[str, ...] = ()  # that may be called beside the URL's own: its address, if it is not a public one
    policy: str = ""  # dotted; asked for and required
    every: Length = timedelta(minutes=1)
    most: PositiveInt = 500  # in one run
    parallel: PositiveInt = 4
    deadline: Length = timedelta(seconds=10)  # for each call


class Journal(_Section):
    """How events are chained so that nobody can change them unseen, and who says when (docs/reference/journal.md)."""

    every: Length = timedelta(minutes=1)
    most: Annotated[int, Field(ge=1, le=10_000)] = 500  # events in a batch
    heads: Path | None = None  # a file to which the head of each batch is appended
    stamp: bool = False  # the authority of [stamping] time-stamps each head
    ca: tuple[Path, ...] = ()  # PEM: whose seals `goniec journal verify` believes


class Caps(_Section):
    """The caps on what may come in (`broker.caps.Limits`); the defaults are that file's."""

    payload: PositiveInt | None = None
    depth: PositiveInt | None = None
    elements: PositiveInt | None = None
    attributes: PositiveInt | None = None
    namespaces: PositiveInt | None = None


class Routing(_Section):
    """The two tables (`routing/load.py` says what their columns mean)."""

    boxes: Path = Path("boxes.csv")
    rows: Path = Path("routing.csv")


class Delivery(_Section):
    """How documents are pushed to offices."""

    threads: PositiveInt = 16
    lease: timedelta = timedelta(seconds=60)
    poll: timedelta = timedelta(seconds=1)
    first_wait: timedelta = timedelta(seconds=5)
    longest_wait: timedelta = timedelta(minutes=30)
    patience: timedelta = timedelta(days=7)
    crashes: PositiveInt = 3
    large: PositiveInt = 100_000_000  # bytes of documents of 1 MB and more that are being handed over at once
    drain: Length = timedelta(minutes=1)  # how long a stop waits for attempts under way


class NodesSection(_Section):
    """How the processes that serve one store know of each other."""

    beat: Length = timedelta(seconds=5)  # how often each says that it is there
    lease: Length = timedelta(seconds=30)  # how long a node that says nothing counts as there, and keeps its duties
    forget: Length = timedelta(days=1)  # after which time one that said nothing is no longer listed

    @model_validator(mode="after")
    def _beats_in_time(self) -> NodesSection:
        if self.beat * 3 > self.lease:
            raise ValueError("beat: at most a third of lease, or one late beat would cost a node its duties")
        return self


class PartnerEntry(_Section):
    """Somebody who sends: how it proves who it is, and what it may do (`broker.partner.Partner`)."""

    certificates: tuple[Path, ...] = ()  # PEM; several, so that one can be renewed while the other still counts
    users: frozenset[str] = frozenset()  # of RabbitMQ
    queues: frozenset[str] = frozenset()  # of RabbitMQ, to which it may have receipts sent; "name." and all below
    boxes: frozenset[str] = frozenset()  # its own: to which it may have answers sent
    to: frozenset[str] = frozenset()  # that it may send to, or "/office/" for all of one; all by default
    forms: frozenset[str] = frozenset()
    rate: NonNegativeFloat = 0  # messages a minute
    burst: NonNegativeInt = 0
    size: NonNegativeInt = 0  # bytes of a document
    connections: NonNegativeInt = 0
    covers: Coverage = Coverage.HEADERS
    sign_replies: bool = False
    negative_receipts: bool = False  # also wants a sealed receipt (NPP) of what was refused
    negative_evidence: bool = False  # also wants sealed evidence of what did not happen in time


class Issuer(_Section):
    """Who runs the broker: named in negative receipts."""

    name: str
    id: str
    id_kind: str = "ePUAP-ID"  # @TypIdentyfikatora: ePUAP-ID, REGON, NIP, …


class Log(_Section):
    """Where the log goes, and how much of it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None  # standard error by default


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix="GONIEC_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    environment: Literal["test", "production"] = "test"  # written into every receipt
    workers: PositiveInt = 1  # serving processes on this machine
    issuer: Issuer | None = None
    store: OfKind = OfKind(kind="sql")
    seal: OfKind
    stamping: Stamping = Stamping()
    journal: Journal = Journal()
    retention: RetentionSettings = RetentionSettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    trust: Trust = Trust()
    limits: Caps = Caps()
    forms: tuple[Path, ...] = ()  # folders with forms beside the packaged ones
    routing: Routing = Routing()
    channels: Mapping[str, OfKind] = {}
    offices: Mapping[str, OfficeEntry] = {}
    partners: Mapping[str, PartnerEntry] = {}
    delivery: Delivery = Delivery()
    nodes: NodesSection = NodesSection()
    pressure: PressureSettings = PressureSettings()
    ops: OpsSettings = OpsSettings()
    log: Log = Log()
    folder: Path = Path()  # set by `load`: where relative paths begin
    file: Path | None = None  # likewise: what was read, and is read again for what can change while running

    @field_validator("ops")
    @classmethod
    def _a_port_for_each(cls, ops: OpsSettings, others: ValidationInfo) -> OpsSettings:
        workers = others.data.get("workers", 1)  # not there if it is wrong itself
        if ops.listen and ops.port_of(workers - 1) > LAST_PORT:
            taken = f"{workers} workers take the ports from {ops.port_of(0)} to {ops.port_of(workers - 1)}"
            raise ValueError(f"listen: {taken}, but there is none above {LAST_PORT}")
        return ops

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which comes in by the constructor."""
        return env_settings, init_settings

    def path(self, relative: Path) -> Path:
        """Return a path of the configuration as one that can be opened."""
        return self.folder / relative.expanduser()


def load(file: Path) -> Settings:
    """Read a TOML file and the environment; raise ConfigError with every problem and its path."""
    try:
        return Settings(**raw(file))
    except ValidationError as error:
        raise ConfigError(problems(error)) from error


def load_sound(file: Path) -> tuple[Settings | None, list[str]]:
    """Read as `load` does, but leave out what is wrong, so that the rest can be checked as well.

    Returns what is left, if it can stand alone, and the problems.  Raises ConfigError if there is no TOML to read.
    """
    values = raw(file)
    found: list[str] | None = None
    while True:
        try:
            return Settings(**values), found or []
        except ValidationError as error:
            found = problems(error) if found is None else found
            if not _without(values, error.errors(include_url=False, include_input=False)[0]):
                return None, found


def _without(values: dict[str, Any], error: ErrorDetails) -> bool:
    """Take what an error is about out of the values; return False if it is not in them (the environment's, say)."""
    *parents, last = error["loc"]
    missing = error["type"] == "missing"
    if missing and last != "kind":  # without it, that which lacks it cannot stand
        if not parents:
            return False
        *parents, last = parents
    holder: Any = values
    try:
        for name in parents:
            holder = holder[name]
        if missing and last == "kind":
            holder[last] = ""  # of no known kind: its name stays, for the routing table to find
        else:
            del holder[last]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def raw(file: Path) -> dict[str, Any]:
    """Return what stands in a TOML file, and where it lies; raise ConfigError."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "run this in the folder of the configuration, or name it by --config or GONIEC_CONFIG"
        raise ConfigError([f"{file}: {error.strerror} ({hint})"]) from error
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: {error}"]) from error
    return {**values, "folder": file.resolve().parent, "file": file.resolve()}


def problems(error: ValidationError, prefix: str = "") -> list[str]:
    """Return one line a problem, each with the path of the setting; values are left out, they may be secrets."""
    return [
        f"{'.'.join(filter(None, [prefix, *map(str, one['loc'])]))}: {_words(one)}"
        for one in error.errors(include_url=False, include_input=False)
    ]


def _words(error: ErrorDetails) -> str:
    """Return what is wrong as somebody says it who knows the file, and not the library that reads it."""
    match error["type"]:
        case "extra_forbidden":
            return "there is no such setting"
        case "missing":
            return "must be given"
        case _:
            return error["msg"].removeprefix("Value error, ")
