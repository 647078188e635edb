"""TLS on one connection: from the first byte to a handshake that holds, or fails and is logged.

asyncio's own TLS with five differences: a connection is counted before it costs a handshake; why a handshake failed
is logged, and said to the client by TLS's own alert (asyncio drops both); a client that stalls is given up after the
channel's patience; and a connection holds a receive buffer of 32 KiB, not of 256, because ten thousand of them may be
open.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from typing import Final

import structlog

from adapters.channels.soap.server import Terms, Watchful
from adapters.channels.soap.shares import Line, place, sort_of

log = structlog.get_logger(__name__)

_CLOSING: Final = 2.0  # seconds that a client has to say goodbye too; we have told it all by then


class Handshake(SSLProtocol):
    """The TLS layer below one HTTP connection."""

    max_size = 32_768  # bytes taken from the socket, and out of TLS, at a time

    def __init__(self, loop: asyncio.AbstractEventLoop, context: ssl.SSLContext, above: Watchful, terms: Terms) -> None:
        held: asyncio.Future[None] = loop.create_future()
        super().__init__(
            loop,
            above,
            context,
            held,
            server_side=True,
            ssl_handshake_timeout=terms.patience,  # type: ignore[arg-type]  # a float will do: it becomes a call_later
            ssl_shutdown_timeout=_CLOSING,
        )
        self._above = above
        self._terms = terms
        self._line: Line | None = None
        held.add_done_callback(self._ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, and begin the handshake if there is a place for it."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - so asyncio made it
        address = str((transport.get_extra_info("peername") or ("?",))[0])
        line, notes = Line(place=place(address), cut=transport.abort), self._terms.notes
        if not self._terms.lines.enter(line):
            if notes.may_say("connections turned away"):
                log.info("soap.turned-away", channel=notes.channel, reason="no place", origin=sort_of(address))
            transport.abort()  # before TLS there is nothing in which to say why
            return
        self._line = self._above.line = line
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        if self._line is not None:
            self._terms.lines.leave(self._line)
        super().connection_lost(exc)

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        if handshake_exc is not None:
            self._process_outgoing()  # type: ignore[attr-defined]  # the alert, before the connection is cut
        super()._on_handshake_complete(handshake_exc)

    def _ended(self, held: asyncio.Future[None]) -> None:
        """Log why a handshake did not hold; what the client wrote into its certificate is not quoted."""
        error = None if held.cancelled() else held.exception()
        notes = self._terms.notes
        if error is not None and self._line is not None and notes.may_say("handshakes failed"):
            origin = sort_of(self._line.place)
            log.info("soap.handshake-failed", channel=notes.channel, reason=_reason(error), origin=origin)


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client's certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no TLS").replace("_", " ").lower()
    return "too slow" if isinstance(error, ConnectionAbortedError) else "the client left"
