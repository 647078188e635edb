"""What a kind of channel or office is: the settings it takes and the function that makes one.

Built-in kinds stand in the `KINDS` of `adapters/channels` and `adapters/offices`; an integrator's package adds
kinds by the entry-point groups `goniec.channels` and `goniec.offices`, each entry point naming a `Kind`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from cryptography import x509
from pydantic import BaseModel, ConfigDict

from adapters.wire.listening import Listen, opened
from broker.asic import ContainerSeal
from broker.copies import Copies
from broker.deadlines import Watch
from broker.errors import ConfigError
from broker.journal import Journal
from broker.nodes import Nodes
from broker.parse import Limits
from broker.partner import NOBODY, Partners
from broker.ports import Channel, Clock, Ids, Ledger, Office, Seal, Store
from broker.quarantine import Quarantine
from broker.reconcile import NO_INQUIRIES, Inquiries, Reconciliation
from broker.retention import Retention

Made_co = TypeVar("Made_co", covariant=True)


class KindSettings(BaseModel):
    """Base of every kind's settings: unknown keys are errors, values do not change, and no error quotes one."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an adapter is given beside its settings."""

    name: str  # the channel's name, or the office's id, in the configuration
    folder: Path  # relative paths in settings are taken from here
    clock: Clock
    ids: Ids
    text: Callable[[str], bytes]  # a packaged text by its path below `schemas/`, e.g. "soap/skrytka.wsdl"
    limits: Limits  # the caps on what may come in
    environment: str = "test"  # "test" or "production"
    partners: Callable[[], Partners] = lambda: NOBODY  # as they are now: never kept over a message
    listen: Listen = opened  # whoever takes connections asks for his socket here: it may be one that workers share
    seals: Callable[[], bytes] = lambda: b""  # the certificates of all seals ever used, PEM, for who checks receipts
    inquiries: Inquiries = NO_INQUIRIES  # what a partner may ask about its own
    exposed: Callable[[Path], Sequence[str]] = lambda _file: ()  # how others can read or replace a key's file


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[Made_co]):
    """A kind: its settings model and its factory.  The factory opens no connection."""

    settings: type[KindSettings]
    make: Callable[[Any, Surroundings], Made_co]


@runtime_checkable
class Listening(Protocol):
    """A channel that listens: it can open its socket before it serves, and tells when it takes connections."""

    ready: Event

    def bind(self) -> tuple[str, int]:
        """Open the listening socket if it is not open, and return its address and port; raise Unavailable."""
        ...

    def close(self) -> None:
        """Close it, if it was opened and never served."""
        ...


ChannelKind = Kind[Channel]
OfficeKind = Kind[Office]


class SealInHand(Seal, ContainerSeal, Protocol):
    """What a seal's kind makes: a seal that was found able to sign, and its certificates.

    Its factory raises ConfigError if it can never seal like this, and Unavailable if it cannot now.
    """

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The seal's own certificate, and those above it."""
        ...

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is probably not meant so, for who checks the configuration."""
        ...


SealKind = Kind[SealInHand]


class SealLost(ConfigError):
    """A seal's file is not there, or its certificate has ended and nothing else is wrong: it cannot seal any more.

    What was sealed and accepted before does not need it: so a broker starts all the same.
    """


class Custody(Store, Ledger, Protocol):
    """What a store's kind makes: one object that keeps, and shows to operators what it keeps."""

    def may_serve(self) -> None:
        """Raise ConfigError if this version may serve from the store no more: it was brought to a later layout."""
        ...

    @property
    def nodes(self) -> Nodes:
        """Who serves this store, and who does what nobody else does meanwhile."""
        ...

    @property
    def copies(self) -> Copies:
        """What it does for who takes copies of the evidence out."""
        ...

    @property
    def journal(self) -> Journal:
        """What it does for the journal."""
        ...

    @property
    def reconcile(self) -> Reconciliation:
        """What tells a partner what it sent."""
        ...

    @property
    def retention(self) -> Retention:
        """What removes content when its time is over."""
        ...

    @property
    def watch(self) -> Watch:
        """What it keeps of deadlines."""
        ...

    @property
    def quarantine(self) -> Quarantine:
        """What operators see of deliveries that are stuck, and do about them."""
        ...


StoreKind = Kind[Custody]
