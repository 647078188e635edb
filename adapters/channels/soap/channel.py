"""The channel: a listening socket, a pool of threads, and the services between them."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import structlog

from adapters.channels.soap import skrytka
from adapters.channels.soap.description import Description
from adapters.channels.soap.endpoint import Endpoint, Service
from adapters.channels.soap.face import Face
from adapters.channels.soap.server import Server
from adapters.channels.soap.settings import SoapSettings, problems
from adapters.wire.kind import Surroundings
from broker.errors import ConfigError, Unavailable
from broker.ports import Accept

log = structlog.get_logger(__name__)

BACKLOG = 1_024
"""Connections that wait while all that may be open are."""

SERVICES: tuple[Service, ...] = (skrytka.SERVICE,)


class SoapChannel:
    """A way in over SOAP.

    `bind` may be called before `serve`, and before a fork: then several processes share one listening socket.
    `ready` is set while connections are taken; `base` is the public address then.
    """

    def __init__(self, settings: SoapSettings, around: Surroundings, services: tuple[Service, ...] = SERVICES) -> None:
        self._settings = settings
        self._around = around
        self._services = services
        self._socket: socket.socket | None = None
        self.ready = Event()

    def bind(self) -> tuple[str, int]:
        """Open the listening socket if it is not open, and return its address and port; raise Unavailable."""
        if self._socket is None:
            host, port = self._settings.endpoint
            try:
                family, kind, protocol, _, address = socket.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                opened = socket.socket(family, kind, protocol)  # asyncio turns Nagle off where it sees TCP
                try:
                    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    opened.bind(address)
                    opened.listen(BACKLOG)
                except OSError:
                    opened.close()
                    raise
            except OSError as error:
                raise Unavailable(f"cannot listen on {self._settings.listen}: {error.strerror}") from error
            self._socket = opened
        name = self._socket.getsockname()
        return name[0], name[1]

    @property
    def base(self) -> str:
        """The address under which senders find the services, as configured; on loopback, as bound."""
        if self._settings.public_url:
            return self._settings.public_url.rstrip("/")
        host, port = self.bind()
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Close the listening socket, if it was opened and never served."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def serve(self, accept: Accept, stop: Event) -> None:
        """Answer messages until `stop` is set; what has begun to arrive then is still taken in."""
        host, port = self.bind()
        settings, around = self._settings, self._around
        endpoints = {
            service.name: Endpoint(service=service, channel=around.name, limits=around.limits, accept=accept)
            for service in self._services
        }
        base = self.base
        descriptions = {service.name: Description(service, around.text, base) for service in self._services}
        listening, self._socket = self._socket, None  # the server closes it
        with ThreadPoolExecutor(settings.threads, thread_name_prefix=f"soap-{around.name}") as pool:
            face = Face(
                endpoints=endpoints,
                descriptions=descriptions,
                settings=settings,
                pool=pool,
                clock=around.clock,
                channel=around.name,
            )
            server = Server(
                face.application(),
                stop,
                patience=settings.patience,
                connections=settings.connections,
                keep_alive=settings.keep_alive,
                drain=settings.drain,
                backlog=BACKLOG,
            )
            log.info("soap.listening", channel=around.name, host=host, port=port, services=sorted(endpoints))
            self.ready.set()
            try:
                asyncio.run(server.serve(sockets=[listening] if listening else None))
            finally:
                self.ready.clear()
        log.info("soap.stopped", channel=around.name)


def make(settings: SoapSettings, around: Surroundings) -> SoapChannel:
    """Make the channel; raise ConfigError if its settings do not go together."""
    wrong = problems(settings)
    if wrong:
        raise ConfigError(wrong)
    return SoapChannel(settings, around)
