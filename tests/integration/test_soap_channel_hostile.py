"""Clients that are slow, silent, too many or too large: each is told so or cut off, and honest ones are served."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.channels.soap.endpoint import largest
from adapters.testkit.box import Box, Reply, Submission
from adapters.testkit.desk import Desk
from adapters.wire.soap import SOAP11
from broker.parse import Limits
from tests.soap_serving import serving

LIMITS = Limits(payload=1_000_000)
ENVELOPE = Submission().envelope(SOAP11)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    with serving(desk, limits=LIMITS, patience=0.4, connections=5, buffered=2_000_000) as address:
        yield address
    # whatever was done to it, it still stands and stops


def dial(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


def head(length: int) -> bytes:
    return (f"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n").encode()


def answer(line: socket.socket) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(line)
    response.begin()
    return response


def cut_off(line: socket.socket) -> bool:
    """Whether the far side closes the connection without a word."""
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True


def once_there_is_room(url: str) -> Reply:
    """The answer when the server has seen that the others left; it may turn us away before we sent all."""
    while True:
        with suppress(ConnectionError):
            if (reply := Box(url=url).submit(Submission())).status != 503:
                return reply


def test_a_client_that_says_nothing_is_cut_off(url: str) -> None:
    with dial(url) as line:
        assert cut_off(line)


@pytest.mark.parametrize("sent", [b"POST /skrytka HTTP/1.1\r\nHost: x\r\n", b"P"])
def test_a_client_that_does_not_end_its_head_is_cut_off(url: str, sent: bytes) -> None:
    with dial(url) as line:
        line.sendall(sent)
        assert cut_off(line)


def test_the_head_of_a_second_message_has_a_deadline_too(url: str) -> None:
    with dial(url) as line:
        line.sendall(head(len(ENVELOPE)) + ENVELOPE)
        first = answer(line)
        assert first.status == 200
        first.read()
        line.sendall(b"POST /skrytka")
        assert cut_off(line)


def test_a_body_that_does_not_arrive_in_time_gets_a_408(url: str, desk: Desk) -> None:
    with dial(url) as line:
        line.sendall(head(len(ENVELOPE)) + ENVELOPE[:-1])
        response = answer(line)
        assert response.status == 408
        assert b"<kod>702</kod>" in response.read()
    assert not desk.envelopes


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(url: str, desk: Desk) -> None:
    for _ in range(10):
        with dial(url) as line:
            line.sendall(head(len(ENVELOPE)) + ENVELOPE[:100])
    assert once_there_is_room(url).status == 200
    assert len(desk.envelopes) == 1


def test_a_body_announced_too_large_is_refused_before_it_is_sent(url: str) -> None:
    with dial(url) as line:
        line.sendall(head(largest(LIMITS) + 1))
        response = answer(line)
        assert response.status == 413
        assert b"<kod>703</kod>" in response.read()


def test_a_body_that_grows_too_large_is_refused_while_it_arrives(url: str, desk: Desk) -> None:
    pieces = (ENVELOPE + b"x" * 100_000 for _ in range(40))
    reply = Box(url=url).post(pieces, "text/xml")  # type: ignore[arg-type]  # http.client sends chunks
    assert (reply.status, reply.code()) == (413, "soap.too-large")
    assert not desk.envelopes


def test_an_endless_body_is_given_up(url: str) -> None:
    with dial(url) as line:
        line.sendall(head(10**12))
        with pytest.raises(ConnectionError):
            line.sendall(b"x" * 1_000_000_000)


def test_more_bytes_than_memory_allows_are_asked_to_come_later(url: str) -> None:
    document = Submission(document=b"x" * 900_000)
    body = document.envelope(SOAP11)
    for _ in range(200):
        with dial(url) as line:
            line.sendall(head(len(body)) + body[:-1])
            reply = Box(url=url).submit(document)
            if reply.status == 200:
                continue  # what was sent above had not been read yet, or was itself turned away
            assert (reply.status, reply.number()) == (503, 900)
            assert int(reply.headers["retry-after"]) >= 1
            line.sendall(body[-1:])
            assert answer(line).status == 200
            break
    else:
        pytest.fail("nobody was ever asked to come later")
    assert Box(url=url).submit(document).status == 200  # what was held has been given back


def test_one_connection_too_many_is_told_to_come_later(url: str) -> None:
    lines = [dial(url) for _ in range(5)]
    try:
        for line in lines:  # each has been seen by the server
            line.sendall(head(len(ENVELOPE)) + ENVELOPE)
            answer(line).read()
        with dial(url) as line:
            assert answer(line).status == 503
    finally:
        for line in lines:
            line.close()
    assert once_there_is_room(url).status == 200


def test_what_is_no_http_gets_a_400(url: str) -> None:
    with dial(url) as line:
        line.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
        assert answer(line).status == 400


def test_who_sends_a_head_without_end_goes_on_sending_and_still_reads_why_not(url: str) -> None:
    with dial(url) as line:
        line.sendall(b"POST /skrytka HTTP/1.1\r\nHost: x\r\n")
        for _ in range(230):
            line.sendall(b"X-Field: y\r\n" * 5_000)
        assert answer(line).status == 400


def test_more_header_fields_than_may_be_are_refused_by_their_code(url: str) -> None:
    reply = Box(url=url, headers={f"X-{number}": "y" for number in range(120)}).submit(Submission())
    assert (reply.status, reply.code()) == (431, "soap.fields")


def test_processes_can_share_one_listening_socket(tmp_path: Path) -> None:
    """Bound before the fork, served by two processes: one of them may end and the other goes on."""
    script = textwrap.dedent(
        """
        import os, signal, sys
        from threading import Event
        import structlog
        from adapters.testkit.desk import Desk
        from tests.soap_serving import a_channel

        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        channel = a_channel()
        print(channel.bind()[1], flush=True)
        children = []
        for _ in range(2):
            child = os.fork()
            if child == 0:
                stop = Event()
                signal.signal(signal.SIGTERM, lambda *_: stop.set())
                channel.serve(Desk(), stop)
                os._exit(0)
            children.append(child)
        channel.close()
        print(*children, flush=True)
        for child in children:
            os.waitpid(child, 0)
        """
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        cwd=root,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    children: list[int] = []
    try:
        assert parent.stdout is not None
        url = f"http://127.0.0.1:{int(parent.stdout.readline())}/skrytka"
        children = [int(child) for child in parent.stdout.readline().split()]
        assert Box(url=url).submit(Submission()).status == 200
        os.kill(children.pop(), signal.SIGTERM)
        for _ in range(20):
            assert Box(url=url).submit(Submission()).status == 200
    finally:
        for child in children:
            os.kill(child, signal.SIGTERM)
        parent.communicate(timeout=30)
    assert parent.returncode == 0
