"""Fetching from servers that do anything but what they should: what leaves is bytes, or Unavailable."""

from __future__ import annotations

import contextlib
import gzip
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.testkit.certificates import Authority, distinguished, key
from adapters.trust.fetch import Fetcher, Hosts
from adapters.wire import http
from broker.errors import Unavailable
from tests.lines import Line, Script, request, says

MOST = 100_000


@pytest.fixture
def line() -> Iterator[Callable[[Script], Line]]:
    lines: list[Line] = []

    def open_line(script: Script) -> Line:
        lines.append(Line(script))
        return lines[-1]

    yield open_line
    for one in lines:
        one.close()


def fetcher(*lines: Line, seconds: float = 20, hosts: tuple[str, ...] = ()) -> Fetcher:
    listed = (*hosts, *(f"127.0.0.1:{one.port}" for one in lines))
    return Fetcher(hosts=Hosts(listed), deadline=timedelta(seconds=seconds), most=MOST)


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_what_stands_there_is_returned_byte_for_byte(line):
    body = os.urandom(MOST)
    here = line(says(whole(body)))
    assert fetcher(here).get(here.url) == body


def test_a_post_carries_its_body_and_its_type_and_nothing_of_the_environment(line, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    heads: list[bytes] = []

    def script(connection: socket.socket) -> None:
        heads.append(request(connection))
        connection.sendall(whole(b"yes", b"Content-Type: application/ocsp-response; x=y", b"Set-Cookie: a=b"))

    here = line(script)
    fetch = fetcher(here)
    for _ in range(2):
        answer = fetch.post(here.url, b"question", "application/ocsp-request", {"application/ocsp-response"})
        assert answer == b"yes"
    assert heads[0].startswith(b"POST / HTTP/1.1")
    assert b"\r\nContent-Type: application/ocsp-request" in heads[0]
    assert not any(word in heads[1].lower() for word in (b"cookie", b"authorization"))


@pytest.mark.parametrize(
    "status", [b"204 No", b"206 Part", b"301 Moved", b"302 Found", b"404 No", b"500 Oh", b"503 Oh"]
)
def test_any_status_but_200_is_no_answer(line, status):
    here = line(says(whole(b"", status=status)))
    with pytest.raises(Unavailable, match="answered with status"):
        fetcher(here).get(here.url)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "http://169.254.169.254/latest/", "{other}", "/again"])
@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 There", b"308 There"])
def test_nobody_is_sent_elsewhere(line, to, status):
    other = line(says(whole(b"secret")))
    location = b"Location: " + to.format(other=other.url).encode()
    here = line(says(whole(b"", location, status=status)))
    with pytest.raises(Unavailable, match="answered with status"):
        fetcher(here, other).get(here.url)
    assert (here.opened, other.opened) == (1, 0)


def test_a_packed_answer_is_not_unpacked(line):
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < MOST
    here = line(says(whole(bomb, b"Content-Encoding: gzip")))
    with pytest.raises(Unavailable, match="packed"):
        fetcher(here).get(here.url)


def test_another_kind_of_content_is_no_answer(line):
    here = line(says(whole(b"<html>log in</html>", b"Content-Type: text/html")))
    with pytest.raises(Unavailable, match="another kind of content"):
        fetcher(here).get(here.url, {"application/pkix-crl"})


def endless(head: bytes, piece: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return script


OK = b"HTTP/1.1 200 OK\r\n"
PAGE = bytes(65536)


@pytest.mark.parametrize(
    "script",
    [
        endless(OK + b"\r\n", PAGE),
        endless(OK + b"Content-Length: 99999999999999999999\r\n\r\n", PAGE),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + PAGE + b"\r\n"),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", PAGE),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", PAGE),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"Trailer: more\r\n"),
        endless(OK, b"X-Header: more\r\n"),
        endless(OK + b"X-Header: ", PAGE),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        endless(b"", PAGE),
        says(whole(bytes(MOST + 1))),
    ],
    ids=[
        "to-the-end",
        "huge-length",
        "chunks",
        "negative-chunk",
        "huge-chunk",
        "trailers",
        "headers",
        "one-header",
        "continue",
        "status",
        "one-too-many",
    ],
)
def test_an_answer_that_never_ends_is_cut_off_long_before_its_time(line, script):
    here = line(script)
    with pytest.raises(Unavailable) as no:
        fetcher(here, seconds=200).get(here.url)
    assert "within" not in no.value.reason


def drips(*pieces: bytes) -> Script:
    """Say the pieces, then hang or drip until the caller is gone."""

    def script(connection: socket.socket) -> None:
        request(connection)
        for piece in pieces:
            connection.sendall(piece)
        connection.settimeout(0.01)
        while True:
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                connection.sendall(b"a")

    return script


def hangs(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@pytest.mark.parametrize(
    "script",
    [
        hangs,
        drips(),
        drips(OK, b"X-Slow: "),
        drips(OK, b"Content-Length: 90000\r\n\r\n"),
        drips(OK, b"Transfer-Encoding: chunked\r\n\r\n10000\r\n"),
        drips(OK, b"\r\n"),
    ],
    ids=["no-answer", "status", "header", "body", "chunk", "to-the-end"],
)
def test_a_server_that_hangs_or_drips_holds_nobody_beyond_the_deadline(line, script):
    here = line(script)
    with pytest.raises(Unavailable, match=r"no whole answer within 0.3 s"):
        fetcher(here, seconds=0.3).get(here.url)


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x03\x40\x00"], ids=["silent", "half-a-hello"])
def test_a_server_that_hangs_in_tls_holds_nobody_either(line, hello):
    def script(connection: socket.socket) -> None:
        connection.sendall(hello)
        hangs(connection)

    here = line(script)
    with pytest.raises(Unavailable, match=r"no whole answer within 0.3 s"):
        fetcher(here, seconds=0.3).get(here.url.replace("http:", "https:"))


def test_a_server_that_takes_no_connection_holds_nobody_either():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]  # they fill the queue in which it lets callers wait
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            with pytest.raises(Unavailable, match=r"no whole answer within 0.3 s"):
                fetcher(hosts=(f"127.0.0.1:{port}",), seconds=0.3).get(f"http://127.0.0.1:{port}/")
        finally:
            for one in waiting:
                one.close()


def test_a_server_whose_certificate_nobody_vouches_for_is_not_believed(line, tmp_path):
    now = datetime.now(UTC)
    ca = Authority.root("Fetched CA", now, kind="ec-256")
    server = ca.issue(
        distinguished(common_name="fetched"),
        key("fetched", "ec-256"),
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=1),
        usage=("digital_signature",),
        extras=[(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)],
    )
    file = tmp_path / "server.pem"
    file.write_bytes(server.pem + server.key_pem)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)

    def script(connection: socket.socket) -> None:
        with serving.wrap_socket(connection, server_side=True) as inner:
            says(whole(b"evidence"))(inner)

    here = line(script)
    url = here.url.replace("http:", "https:")
    with pytest.raises(Unavailable, match="certificate not trusted"):
        fetcher(here).get(url)
    believing = ssl.create_default_context(cadata=ca.credential.pem.decode())
    listed = Hosts((f"127.0.0.1:{here.port}", f"localhost:{here.port}"))
    assert Fetcher(hosts=listed, tls=believing).get(url) == b"evidence"
    with pytest.raises(Unavailable, match="certificate not trusted"):
        Fetcher(hosts=listed, tls=believing).get(url.replace("127.0.0.1", "localhost"))


def test_a_listed_name_that_leads_inside_is_not_called(line):
    here = line(says(whole(b"inside")))
    with pytest.raises(Unavailable, match="its address is not one that may be called"):
        fetcher(hosts=(f"localhost:{here.port}",)).get(f"http://localhost:{here.port}/")
    assert here.opened == 0
    assert fetcher(here, hosts=(f"localhost:{here.port}",)).get(f"http://localhost:{here.port}/") == b"inside"


def test_the_address_that_was_judged_is_the_one_that_is_called(line, monkeypatch):
    good, evil = line(says(whole(b"good"))), line(says(whole(b"evil")))
    look_up = socket.getaddrinfo
    asked: list[str] = []

    def rebinding(host, port, *more, **also):
        if host != "crl.example":
            return look_up(host, port, *more, **also)
        if also.get("flags"):  # is it an address as it stands?
            raise socket.gaierror
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", good.port if len(asked) == 1 else evil.port))]

    monkeypatch.setattr(http.socket, "getaddrinfo", rebinding)
    hosts = ("crl.example:8080", "127.0.0.1:8080")
    assert fetcher(hosts=hosts).get("http://crl.example:8080/") == b"good"
    assert len(asked) == 1


said: list[bytes] = []
heads = st.sampled_from([b"", OK, OK + b"Content-Length: 10\r\n", OK + b"Transfer-Encoding: chunked\r\n"])
ends = st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b"\r\n5\r\n", b"\r\n-5\r\n", b"\r\n0\r\n\r\n"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(heads, ends, st.binary(max_size=200))
def test_whatever_a_server_says_is_bytes_or_unavailable(nonsense_line, head, end, body):
    said[:] = [head + end + body]
    with contextlib.suppress(Unavailable):
        assert isinstance(fetcher(nonsense_line).get(nonsense_line.url), bytes)


@pytest.fixture
def nonsense_line(line):
    def script(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(said[0])

    return line(script)
