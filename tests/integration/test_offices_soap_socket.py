"""The connection to a SOAP office against a far side that does not keep to HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from adapters.offices.soap import KIND
from adapters.wire import http, ob, soap
from adapters.wire.http import Address
from broker.errors import Unavailable
from tests.around import a_parcel, surroundings
from tests.lines import Line, Script, request, says

GOOD = soap.write(soap.SOAP11, ob.write_receiver_answer(ob.Answer(code=1, message="RPW/1")))


@pytest.fixture
def line() -> Iterator[Callable[[Script], Line]]:
    lines: list[Line] = []

    def open_line(script: Script) -> Line:
        lines.append(Line(script))
        return lines[-1]

    yield open_line
    for one in lines:
        one.close()


def deliver(url: str, seconds: float = 20, document: bytes = b"<a/>") -> str:
    office = KIND.make(KIND.settings(url=url, deadline=timedelta(seconds=seconds)), surroundings())
    try:
        return office.deliver(a_parcel(document))
    finally:
        office.close()


def answer(*headers: bytes, body: bytes = GOOD, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body


LENGTH = b"Content-Length: %d" % len(GOOD)
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)


@pytest.mark.parametrize(
    "said",
    [
        answer(LENGTH),
        answer(b"Transfer-Encoding: chunked", body=CHUNKS),
        answer(b"Connection: close"),
        b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(LENGTH),
    ],
    ids=["length", "chunks", "until-the-end", "http-1.0", "continue-first"],
)
def test_every_way_to_end_an_answer_is_understood(line, said):
    assert deliver(line(says(said)).url) == "RPW/1"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH\r\n",
        answer(b"Content-Length: %d" % (len(GOOD) + 1)),
        answer(b"Transfer-Encoding: chunked", body=CHUNKS[:-9]),
        answer(b"Transfer-Encoding: chunked", body=b"zz\r\n"),
        answer(b"Connection: close", body=GOOD[:-5]),
        answer(*[b"X-%d: y" % n for n in range(500)]),
        answer(b"X: " + b"y" * 100_000),
        answer(LENGTH, b"Content-Encoding: gzip", body=b"\x1f\x8b" + GOOD[2:]),
        answer(LENGTH, b"Content-Type: ;;;"),
        answer(b"Content-Type: multipart/related; boundary=x", body=b"--y\r\n"),
        answer(LENGTH, status=b"500 Oh"),
        answer(LENGTH, status=b"999 What"),
    ],
    ids=[
        "nothing", "half-a-status", "not-http", "cut", "cut-chunks", "bad-chunks", "cut-xml", "many-headers",
        "long-header", "compressed", "bad-type", "bad-multipart", "yes-with-500", "yes-with-999",
    ],
)  # fmt: skip
def test_what_is_no_whole_answer_is_unavailable_and_nothing_else(line, said):
    with pytest.raises(Unavailable):
        deliver(line(says(said)).url)


@pytest.mark.parametrize(
    "piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X-More: y\r\n", b"1\r\n<\r\n"], ids=["continue", "headers", "chunks"]
)
def test_the_deadline_ends_a_stream_that_never_does(line, piece):
    head = {b"X": b"HTTP/1.1 200 OK\r\n", b"1": answer(b"Transfer-Encoding: chunked", body=b"")}.get(piece[:1], b"")

    def script(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(head)
        while not here.over.wait(0.05):
            connection.sendall(piece)

    here = line(script)
    with pytest.raises(Unavailable, match="within"):
        deliver(here.url, 0.5)


def test_the_deadline_ends_an_upload_that_goes_on_slowly(line):
    """No single wait is as long as the deadline: all would be handed over, if the caller did not give up."""
    got: list[int] = []

    def script(connection: socket.socket) -> None:
        while not here.over.wait(0.05) and (piece := connection.recv(200_000)):
            got.append(len(piece))

    here = line(script)
    document = b"x" * 24_000_000
    with pytest.raises(Unavailable, match="within"):
        deliver(here.url, 0.5, document)
    here.close()
    assert sum(got) < len(document)


def test_the_deadline_ends_a_handshake_that_never_does(line):
    here = line(lambda _: here.over.wait() and None)
    with pytest.raises(Unavailable, match="within"):
        deliver(here.url.replace("http:", "https:"), 0.5)


def test_the_deadline_ends_a_look_up_that_never_does(monkeypatch):
    over, real = threading.Event(), socket.getaddrinfo

    def hanging(host, port, **how):
        if how.get("flags"):
            return real(host, port, **how)
        over.wait()
        return []

    monkeypatch.setattr(http.socket, "getaddrinfo", hanging)
    try:
        with pytest.raises(Unavailable, match="within"):
            deliver("http://office.invalid/", 0.3)
    finally:
        over.set()


def test_a_name_that_nobody_knows_is_unavailable(monkeypatch):
    def unknown(host, port, **how):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(http.socket, "getaddrinfo", unknown)
    with pytest.raises(Unavailable, match="not known"):
        deliver("http://office.invalid/")


def test_an_office_that_says_no_before_it_has_read_all_is_heard(line):
    def script(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(answer(b"Retry-After: 60", b"Content-Length: 0", status=b"503 Later", body=b""))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # let the answer arrive before the reset would wipe it out
            pass

    with pytest.raises(Unavailable) as away:
        deliver(line(script).url, document=b"x" * 8_000_000)
    assert away.value.retry_after == timedelta(seconds=60)


def test_an_office_that_says_yes_before_it_has_read_all_is_not_believed(line):
    def script(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(answer(LENGTH, b"Connection: close"))

    with pytest.raises(Unavailable):
        deliver(line(script).url, document=b"x" * 8_000_000)


def test_a_connection_that_the_office_closed_meanwhile_is_opened_anew_before_anything_is_sent(line):
    """Each connection serves one request and is closed without a word, as servers do with idle ones."""
    seen: list[bytes] = []

    def script(connection: socket.socket) -> None:
        seen.append(request(connection))
        connection.sendall(answer(LENGTH))

    here = line(script)
    office = KIND.make(KIND.settings(url=here.url), surroundings())
    http = office._http
    for number in range(3):
        office.deliver(a_parcel())
        while number < 2 and not http._socket.is_stale():
            pass
    office.close()
    assert (len(seen), here.opened) == (3, 3)


def test_a_redirection_is_not_followed(line):
    other = line(says(answer(LENGTH)))
    first = line(says(answer(b"Location: " + other.url.encode(), b"Content-Length: 0", status=b"307 There", body=b"")))
    with pytest.raises(Unavailable, match="307"):
        deliver(first.url)
    assert other.opened == 0


@pytest.mark.parametrize("url", ["ftp://office/", "office", "http://", "http://u:p@office/", "http://office:x/"])
def test_what_is_no_address_is_a_wrong_setting(url):
    with pytest.raises(ValueError, match=r"."):
        Address.of(url)


def test_the_query_is_part_of_the_address():
    assert Address.of("https://office/ws?unit=3").target == "/ws?unit=3"
