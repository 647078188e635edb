"""What a stop does to senders: whatever is on its way is answered, and nothing waits without end."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

import pytest

from adapters.channels.soap import SoapChannel, server
from adapters.testkit.box import NS, Box, Submission
from adapters.testkit.desk import Desk
from adapters.wire import soap
from adapters.wire.soap import SOAP11
from config.listeners import Listeners
from tests.partners import Cast
from tests.soap_serving import a_channel

PATIENCE = 30.0
LONG = 20.0  # seconds, instead of the one second that a stop leaves an open connection


class Serving:
    """A channel in a thread, that a test stops."""

    def __init__(self, channel: SoapChannel, desk: Desk) -> None:
        self.host, self.port = channel.bind()
        self._stop = Event()
        self._thread = Thread(target=channel.serve, args=(desk, self._stop))
        self._thread.start()
        assert channel.ready.wait(PATIENCE)

    def stop(self) -> None:
        self._stop.set()

    def ended(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def dial(self) -> socket.socket:
        """Open a connection, and return it when the channel has taken it: they are taken in their order."""
        line = socket.create_connection((self.host, self.port), timeout=PATIENCE)
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as next_one:
            next_one.sendall(b"GET /healthz HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n")
            assert answer(next_one).status == 200
        return line


Serve = Callable[..., Serving]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves until it is stopped, or the test ends."""
    with ExitStack() as ends:

        def start(**about: Any) -> Serving:
            running = Serving(a_channel(**about), Desk())
            ends.callback(running.ended)
            ends.callback(running.stop)
            return running

        yield start


def request() -> bytes:
    """A whole message, as it stands on the wire."""
    body = Submission().envelope(SOAP11)
    head = (
        f'POST /skrytka HTTP/1.1\r\nHost: box\r\nSOAPAction: "{NS}nadaj"\r\n'
        f"Content-Type: {soap.content_type(SOAP11, NS + 'nadaj')}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answer(line: socket.socket) -> http.client.HTTPResponse:
    with http.client.HTTPResponse(line) as got:
        got.begin()
        got.read()
    return got


def test_a_connection_that_was_just_opened_may_still_bring_its_message(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LAST_WORD", LONG)
    running = serve()
    with running.dial() as line:
        running.stop()
        Event().wait(0.3)  # so that it has seen the stop
        line.sendall(request())
        got = answer(line)
        assert (got.status, got.getheader("connection")) == (200, "close")
        assert line.recv(1) == b""
    running.ended()


def test_a_connection_that_is_kept_may_bring_one_more_message_and_is_told_to_close(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LAST_WORD", LONG)
    running = serve()
    with running.dial() as line:
        line.sendall(request())
        got = answer(line)
        assert (got.status, got.getheader("connection")) == (200, None)
        running.stop()
        Event().wait(0.3)
        line.sendall(request())
        got = answer(line)
        assert (got.status, got.getheader("connection")) == (200, "close")
    running.ended()


def test_a_message_whose_head_has_begun_is_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LAST_WORD", 0.05)
    running = serve()
    message = request()
    with running.dial() as line:
        line.sendall(message[:30])
        Event().wait(0.2)
        running.stop()
        Event().wait(0.5)
        line.sendall(message[30:])
        assert answer(line).status == 200
    running.ended()


def test_a_connection_that_brings_nothing_is_closed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LAST_WORD", 0.05)
    running = serve()
    with running.dial() as line:
        running.stop()
        assert line.recv(1) == b""
    running.ended()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_of_several_that_share_a_socket_one_after_the_other_goes_and_no_sender_notices(
    serve: Serve, tmp_path: Any, *, tls: bool
) -> None:
    """A connection that is open, in the middle of its handshake, or not yet taken: each is somebody's."""
    about: dict[str, Any] = {}
    trusting = None
    if tls:
        cast = Cast(tmp_path)
        cast.server()
        about = {"certificate": "server.pem", "folder": cast.folder, "clock": lambda: datetime.now(UTC)}
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    listeners, enough, failed, answered = Listeners(keep=True), Event(), [], []
    running = serve(opening=listeners, **about)
    box = Box(url=f"http{'s' * tls}://{running.host}:{running.port}/skrytka", tls=trusting, timeout=PATIENCE)

    def send() -> None:
        while not enough.is_set():
            try:
                answered.append(box.submit(Submission()).status)
            except (OSError, http.client.HTTPException) as gone:
                failed.append(gone)

    senders = [Thread(target=send) for _ in range(6)]
    for sender in senders:
        sender.start()
    for _ in range(6):
        following = serve(opening=listeners, **about)
        running.stop()
        running.ended()
        running = following
    enough.set()
    for sender in senders:
        sender.join(PATIENCE)
    listeners.close()
    assert failed == []
    assert set(answered) == {200}
