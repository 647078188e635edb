"""Connections: uvicorn with the deadlines and caps that it does not have, stopped by an Event.

uvicorn waits for ever for the head of a request and for a client that does not read its answer; a silent client
would hold a connection for good.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from threading import Event
from typing import ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Watchful(H11Protocol):
    """A connection that is given up when its client is too slow with a request's head or in reading an answer."""

    patience: ClassVar[float]  # seconds
    most: ClassVar[int]  # open connections
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.write(_FULL)
            transport.close()
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._arm()  # a request's head has begun and is not complete
        else:
            self._disarm()

    def on_response_complete(self) -> None:
        self._disarm()
        super().on_response_complete()

    def shutdown(self) -> None:
        super().shutdown()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._arm()  # closing waits for the client to read: not for ever

    def pause_writing(self) -> None:
        self._arm()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._disarm()
        super().resume_writing()

    def _arm(self) -> None:
        if self._watch is None:
            self._watch = self.loop.call_later(self.patience, self.transport.abort)

    def _disarm(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


class Server(uvicorn.Server):
    """Serves until `stop` is set; then takes no new connection, lets what has begun end, and returns."""

    def __init__(
        self,
        application: ASGIApp,
        stop: Event,
        *,
        patience: float,
        connections: int,
        keep_alive: float,
        drain: float,
        backlog: int,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=type("Connection", (Watchful,), {"patience": patience, "most": connections}),
                ws="none",
                lifespan="off",
                loop="asyncio",
                # What uvicorn would log quotes requests and addresses: the channel has events of its own.
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=backlog,
                timeout_keep_alive=max(1, round(keep_alive)),
                timeout_graceful_shutdown=max(1, round(drain)),
            )
        )
        self._stop = stop

    async def on_tick(self, counter: int) -> bool:
        return self._stop.is_set() or await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: they belong to the process, and this runs in a thread of it."""
        yield
