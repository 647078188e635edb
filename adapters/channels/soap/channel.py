"""The channel: a listening socket, a pool of threads, and the services between them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any

import structlog

from adapters.channels.soap import skrytka, uzgodnienie
from adapters.channels.soap.description import Description
from adapters.channels.soap.endpoint import Endpoint, Service, largest
from adapters.channels.soap.face import Face
from adapters.channels.soap.files import Keys
from adapters.channels.soap.handshake import Handshake
from adapters.channels.soap.replies import ReplySigner
from adapters.channels.soap.sender import Gate
from adapters.channels.soap.server import Server, Terms, Watchful, make_room
from adapters.channels.soap.settings import SoapSettings, problems
from adapters.channels.soap.shares import Lines, Memory, Turns
from adapters.channels.soap.tls import Tls
from adapters.wire.kind import Surroundings
from adapters.wire.listening import BACKLOG
from adapters.wire.notes import Notes
from broker.errors import ConfigError
from broker.ports import Accept

log = structlog.get_logger(__name__)

SERVICES: tuple[Callable[[Surroundings], Service], ...] = (lambda _around: skrytka.SERVICE, uzgodnienie.service)


class SoapChannel:
    """A way in over SOAP.

    `bind` may be called before `serve`, and before a fork: then several processes share one listening socket.
    `ready` is set while connections are taken; `base` is the public address then.
    """

    def __init__(self, settings: SoapSettings, around: Surroundings) -> None:
        """Make the channel; raise ConfigError if a certificate or key cannot be used."""
        self._settings = settings
        self._around = around
        self._services = tuple(service(around) for service in SERVICES)
        folder, clock, channel = around.folder, around.clock, around.name
        keys = Keys(around.exposed, around.environment)
        self._tls = (
            Tls(settings, folder=folder, partners=around.partners, clock=clock, channel=channel, keys=keys)
            if settings.certificate
            else None
        )
        self._signer = (
            ReplySigner(settings, folder=folder, clock=clock, channel=channel, keys=keys)
            if settings.signing_certificate
            else None
        )
        self._socket: socket.socket | None = None
        self.ready = Event()

    def bind(self) -> tuple[str, int]:
        """Open the listening socket if it is not open, and return its address and port; raise Unavailable."""
        if self._socket is None:
            self._socket = self._around.listen(*self._settings.endpoint)
        name = self._socket.getsockname()
        return name[0], name[1]

    @property
    def base(self) -> str:
        """The address under which senders find the services, as configured; on loopback, as bound."""
        if self._settings.public_url:
            return self._settings.public_url.rstrip("/")
        host, port = self.bind()
        scheme = "https" if self._tls else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def close(self) -> None:
        """Close the listening socket, if it was opened and never served."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def serve(self, accept: Accept, stop: Event) -> None:
        """Answer messages until `stop` is set; what has begun to arrive then is still taken in."""
        host, port = self.bind()
        settings, around = self._settings, self._around
        make_room(settings.connections, around.name)
        gate, turns = Gate(proofs=settings.proofs, partners=around.partners), Turns()
        notes = Notes(around.name, time.monotonic)
        endpoints = {
            service.name: Endpoint(
                service=service,
                channel=around.name,
                limits=around.limits if service.documents else replace(around.limits, payload=0),
                accept=accept,
                gate=gate,
                turns=turns,
                notes=notes,
                sign=self._signer.sign if self._signer else None,
            )
            for service in self._services
        }
        base = self.base
        descriptions = {service.name: Description(service, around.text, base) for service in self._services}
        believed = not settings.proof
        terms = Terms(
            lines=Lines(settings.connections, settings.connections_per_address, believed),
            notes=notes,
            partners=around.partners,
            patience=settings.patience,
            head=settings.head,
            most=largest(around.limits),
            stop=stop,
        )
        listening, self._socket = self._socket, None  # the server closes it
        with ThreadPoolExecutor(settings.threads, thread_name_prefix=f"soap-{around.name}") as pool:
            face = Face(
                endpoints=endpoints,
                descriptions=descriptions,
                settings=settings,
                pool=pool,
                clock=around.clock,
                channel=around.name,
                gate=gate,
                notes=notes,
                lines=terms.lines,
                memory=Memory(settings.buffered, largest(around.limits), believed),
                seals=around.seals,
            )
            server = Server(
                face.application(),
                stop,
                connection=partial(self._connection, terms),
                lines=terms.lines,
                each_second=partial(self._each_second, terms),
                keep_alive=settings.keep_alive,
                drain=settings.drain,
                backlog=BACKLOG,
            )
            log.info(
                "soap.listening",
                channel=around.name,
                host=host,
                port=port,
                services=sorted(endpoints),
                tls=self._tls is not None,
                proof=settings.proof,
            )
            self.ready.set()
            try:
                asyncio.run(server.serve(sockets=[listening] if listening else None))
            finally:
                self.ready.clear()
        log.info("soap.stopped", channel=around.name)

    def _connection(self, terms: Terms, **own: Any) -> asyncio.BaseProtocol:
        """Return what reads a new connection: HTTP, or TLS and HTTP above it."""
        above = Watchful(terms=terms, **own)
        if self._tls is None:
            return above
        return Handshake(asyncio.get_running_loop(), self._tls.context, above, terms)

    def _each_second(self, terms: Terms) -> None:
        for what, more in terms.notes.left_out().items():
            log.warning("soap.many", channel=self._around.name, what=what, more=more)
        if self._tls is not None:
            self._tls.refresh()
        if self._signer is not None:
            self._signer.refresh()


def make(settings: SoapSettings, around: Surroundings) -> SoapChannel:
    """Make the channel; raise ConfigError if its settings do not go together."""
    wrong = problems(settings)
    if wrong:
        raise ConfigError(wrong)
    if settings.proof and settings.signing_certificate is None:
        asking = sorted(partner.id for partner in around.partners().all.values() if partner.sign_replies)
        if asking:
            whom = ", ".join(asking)
            raise ConfigError([f"signing_certificate: must be given, for sign_replies is set for {whom}"])
    return SoapChannel(settings, around)
