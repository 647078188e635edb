"""Connections: uvicorn with the deadlines and caps that it does not have, stopped by an Event.

uvicorn waits for ever for the head of a request and for a client that does not read its answer; a silent client
would hold a connection for good.  Beneath `Watchful` there is TCP, or TLS (`handshake.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from threading import Event
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from adapters.channels.soap import faults, refused
from adapters.channels.soap.endpoint import announced
from adapters.channels.soap.framing import Framing
from adapters.channels.soap.shares import RETRY_AFTER, Line, Lines, holder, place, sort_of
from adapters.channels.soap.tls import client_key
from adapters.wire.notes import Notes
from broker.errors import Malformed, Rejection, TooLarge
from broker.partner import Credential, Partners, Proof

log = structlog.get_logger(__name__)

_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    % RETRY_AFTER.seconds
)
_NO: Final = b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
SPARE: Final = 1_000_000  # bytes of a message beside twice its body: its head, and what its chunks are wrapped in
LINGER_BYTES: Final = 16_000_000
LINGER_SECONDS: Final = 3.0
LAST_WORD: Final = 1.0  # seconds in which a stop lets an open connection begin one more message
_LOOKS: Final = 50  # in that time, at whether any is left
_CLOSE: Final = (b"connection", b"close")
_FILES: Final = 256  # open files that the rest of the process may need


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms connections are taken."""

    lines: Lines
    notes: Notes
    partners: Callable[[], Partners]
    patience: float  # seconds
    head: int  # bytes that a request's line and header fields may have
    most: int  # and its body
    stop: Event


class Pace(FlowControl):
    """When a connection is read: uvicorn's, and not while it rests."""

    _resting = False

    def rest(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.pause_reading()
        self._resting = True
        loop.call_later(seconds, self._wake)

    def resume_reading(self) -> None:
        if not self._resting:
            super().resume_reading()

    def _wake(self) -> None:
        self._resting = False
        self.resume_reading()


class Watchful(H11Protocol):
    """A connection that is given up when its client is too slow with a request's head or in reading an answer."""

    def __init__(self, *, terms: Terms, **own: Any) -> None:
        super().__init__(**own)
        self.conn = self._framing = Framing(terms.head)
        self._terms = terms
        self.line: Line | None = None  # set by TLS, which is there first
        self._watch: asyncio.TimerHandle | None = None
        self._deaf = 0  # bytes that a refused client has gone on to send, beginning at 1
        self._counted: RequestResponseCycle | None = None  # a request
        self._came = 0  # bytes that came over the wire while that was under way

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = self._pace = Pace(transport)
        address = str((transport.get_extra_info("peername") or ("?",))[0])
        if self.line is None:
            self.line = Line(place=place(address), cut=transport.abort)
            welcome = self._terms.lines.enter(self.line)
        else:
            welcome = self._prove(self.line, transport)
        # Starlette shows it to the application as `request.state.line`.
        self.app_state = {**self.app_state, "line": self.line}
        if not welcome:
            notes = self._terms.notes
            if notes.may_say("connections turned away"):
                log.info("soap.turned-away", channel=notes.channel, reason="over its share", origin=sort_of(address))
            transport.write(_FULL)
            transport.close()
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self.line is not None:
            self._terms.lines.leave(self.line)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._deaf += len(data)
            if self._deaf > LINGER_BYTES:
                self.transport.abort()
            return
        if self.transport.is_closing():
            return
        cycle = self._under_way()
        self._came = self._came + len(data) if cycle is self._counted else len(data)
        self._counted = cycle
        if cycle is not None and cycle.more_body and self._came > 2 * self._terms.most + SPARE:
            # Extensions of chunks (RFC 9112 §7.1.1), for it is no body.
            self._break_off(TooLarge("soap.too-large", facts={"limit": str(self._terms.most)}))
            return
        super().data_received(data)
        if seconds := self._framing.rest():
            self._pace.rest(self.loop, seconds)
        if self._terms.stop.is_set():
            self.be_last()
        cycle = self._under_way()
        if cycle is None:
            self._arm()  # a request's head has begun and is not complete
        elif not cycle.disconnected:  # that it was broken off just now has a deadline of its own
            self._disarm()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, a head over the cap, or crumbs."""
        del msg  # h11's words; there is nothing in them for a SOAP client
        self._break_off(Malformed("soap.http", place="chunks" if self._framing.crumbs else ""))

    def _break_off(self, no: Rejection) -> None:
        """Refuse a request in the middle, unless it has its answer, and listen to no other.

        What the client goes on to send is read for a while and dropped: closing at once would reset the connection,
        and the client would never read the answer.
        """
        cycle = self._under_way()
        content_type, answered = "", False
        if cycle is not None:
            content_type = dict(cycle.scope["headers"]).get(b"content-type", b"").decode("latin-1")
            answered = cycle.response_started
            cycle.disconnected = True  # the application has no more to say
            cycle.message_event.set()
        if not answered:
            answer = faults.refusal(no, announced(content_type))
            words = HTTPStatus(answer.status).phrase.encode()
            self.transport.write(
                _NO % (answer.status, words, answer.content_type.encode(), len(answer.body), answer.body)
            )
            self._tell(no)
        self._deaf = 1
        self._disarm()
        self._watch = self.loop.call_later(min(LINGER_SECONDS, self._terms.patience), self.transport.close)

    def _under_way(self) -> RequestResponseCycle | None:
        """Return the request of which the whole head has come, if it has no answer yet."""
        cycle: RequestResponseCycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    def _tell(self, no: Rejection) -> None:
        key = self.line.key if self.line is not None else ""
        shown = [Credential(proof=Proof.TLS, key=key)] if key else []
        refused.tell(no, shown, self._terms.partners(), self._terms.notes)

    def on_response_complete(self) -> None:
        self._disarm()
        super().on_response_complete()

    def be_last(self) -> None:
        """Let the message under way be the connection's last, and say so in the answer: the client opens another."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.keep_alive and not cycle.response_started:
            cycle.keep_alive = False
            cycle.default_headers = [*cycle.default_headers, _CLOSE]

    def shutdown(self) -> None:
        idle = self._under_way() is None
        if not (idle and self.conn.trailing_data[0]):  # the head of a message has begun to arrive
            super().shutdown()
        if idle:
            self._arm()  # neither that nor a client that does not read its last answer is waited for without end

    def pause_writing(self) -> None:
        self._arm()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._disarm()
        super().resume_writing()

    def _prove(self, line: Line, transport: asyncio.Transport) -> bool:
        """Count the connection for the partner whose certificate TLS has shown; return False if it has too many."""
        line.key = client_key(transport.get_extra_info("ssl_object"))
        partners = self._terms.partners()
        holders = partners.of(Credential(proof=Proof.TLS, key=line.key)) if line.key else ()
        return not holders or self._terms.lines.prove(line, holder(holders, line.key, partners))

    def _arm(self) -> None:
        if self._watch is None:
            self._watch = self.loop.call_later(self._terms.patience, self.transport.abort)

    def _disarm(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


class Server(uvicorn.Server):
    """Serves until `stop` is set; then takes no new connection, lets what has begun end, and returns.

    `connection` makes the protocol of a new connection, `lines` are those that are open; `each_second` is called about
    so often.
    """

    def __init__(
        self,
        application: ASGIApp,
        stop: Event,
        *,
        connection: Callable[..., asyncio.BaseProtocol],
        lines: Lines,
        each_second: Callable[[], None],
        keep_alive: float,
        drain: float,
        backlog: int,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=connection,  # type: ignore[arg-type]  # typed as a class, used as what makes a protocol
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
        self._lines = lines
        self._each_second = each_second

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._each_second()
        return self._stop.is_set() or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, give each open one a moment to begin what it may just be sending, then end them.

        Closing at once would drop a message that is on its way: the client would not know what became of it.  And
        asyncio drops a connection that it has accepted and not yet made when its server is closed.
        """
        loop = asyncio.get_running_loop()
        for listening in sockets or ():
            loop.remove_reader(listening)
        for connection in list(self.server_state.connections):
            if isinstance(connection, Watchful):
                connection.be_last()
        for _ in range(_LOOKS):
            await asyncio.sleep(LAST_WORD / _LOOKS)  # at least once: what was accepted is made and counted
            if not len(self._lines):
                break
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: they belong to the process, and this runs in a thread of it."""
        yield


def make_room(connections: int, channel: str) -> None:
    """Let the process open as many files as connections may be open.

    Where accepting fails for want of them, nobody is served: the soft limit of a service is often 1,024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    if granted < wanted:
        log.warning("soap.few-files", channel=channel, granted=granted, wanted=wanted)
