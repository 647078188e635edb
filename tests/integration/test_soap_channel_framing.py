"""How a request is framed in HTTP: each trick gets one answer, with a code, and costs no memory.

By hand, octet for octet; what a client may do that is merely slow is in `test_soap_channel_hostile.py`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog.testing

from adapters.channels.soap.framing import FAIR, FREE, REST, SMALLEST, Framing
from adapters.channels.soap.server import Pace
from adapters.testkit.box import Box, Submission
from adapters.testkit.desk import Desk
from adapters.wire import soap
from adapters.wire.soap import SOAP11
from broker.parse import Limits
from broker.texts import TEXTS
from tests.soap_serving import serving

ENVELOPE = Submission().envelope(SOAP11)
LENGTH = b"Content-Length: %d" % len(ENVELOPE)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNK = b"%x\r\n%s\r\n" % (len(ENVELOPE), ENVELOPE)
LAST = b"0\r\n\r\n"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    with serving(desk, limits=Limits(payload=500_000), patience=1.0) as address:
        yield address


def head(*fields: bytes) -> bytes:
    return b"\r\n".join((b"POST /skrytka HTTP/1.1", b"Host: x", b"Content-Type: text/xml", *fields, b"", b""))


def dial(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


def said(line: socket.socket) -> bytes:
    """All that comes back until the far side hangs up."""
    came = b""
    with suppress(ConnectionError):
        while piece := line.recv(65_536):
            came += piece
    return came


def told(url: str, *pieces: bytes) -> bytes:
    """All that comes back after these octets, to a client that has no more to say."""
    with dial(url) as line:
        with suppress(ConnectionError):  # refused before the end; it has said why
            for piece in pieces:
                line.sendall(piece)
            line.shutdown(socket.SHUT_WR)
        return said(line)


def answered(url: str, *pieces: bytes) -> bytes:
    """The same to a client that waits until the far side hangs up."""
    with dial(url) as line:
        for piece in pieces:
            line.sendall(piece)
        return said(line)


def send_for_ever(line: socket.socket, piece: bytes) -> None:
    while True:
        line.sendall(piece)


def codes(answers: bytes) -> list[tuple[int, str]]:
    """The status and the code of every answer in it."""
    found = []
    for answer in answers.split(b"HTTP/1.1 ")[1:]:
        _, _, body = answer.partition(b"\r\n\r\n")
        fault = soap.read_fault(soap.read(body, Limits()))
        detail = None if fault is None else fault.detail
        code = "" if detail is None else detail.findtext("{urn:goniec:odmowa}Odmowa/kod") or ""
        found.append((int(answer[:3]), code))
    return found


def test_a_body_in_chunks_may_have_extensions_and_trailers(url: str, desk: Desk) -> None:
    """And they say nothing."""
    chunk = CHUNK.replace(b"\r\n", b";name=value\r\n", 1)
    answers = answered(url, head(CHUNKED, b"Connection: close") + chunk + b"0;x\r\nX-Trailer: y\r\n\r\n")
    assert codes(answers) == [(200, "")]
    assert len(desk.envelopes) == 1


def test_a_client_that_asks_first_is_told_to_go_on_or_why_not(url: str, desk: Desk) -> None:
    """RFC 9110 §10.1.1: what is refused by its head is never sent."""
    with dial(url) as line:
        line.sendall(head(LENGTH, b"Expect: 100-continue", b"Connection: close"))
        assert line.recv(100).startswith(b"HTTP/1.1 100 ")
        line.sendall(ENVELOPE)
        assert codes(said(line)) == [(200, "")]
    assert len(desk.envelopes) == 1
    for field, answer in {
        b"Content-Length: 9000000": (413, "soap.too-large"),
        b"Content-Length: 9\r\nContent-Encoding: gzip": (415, "soap.content-encoding"),
    }.items():
        with dial(url) as line:
            line.sendall(head(field, b"Expect: 100-continue"))
            line.shutdown(socket.SHUT_WR)
            assert codes(said(line)) == [answer]
    assert len(desk.envelopes) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [head(CHUNKED), b"5;" + b"x" * 100_000],
        [head(CHUNKED), b"f" * 100_000],
        [head(CHUNKED), b"-1\r\nx\r\n"],
        [head(CHUNKED), b"0x5\r\nhello\r\n"],
        [head(CHUNKED), b"5\r\nhello!!\r\n"],
        [head(CHUNKED), CHUNK, b"0\r\n", b"X: y\r\n" * 20_000],
        [head(CHUNKED), CHUNK, b"0\r\nX: ", b"y" * 100_000],
        [head(b"Transfer-Encoding: gzip, chunked"), CHUNK, LAST],
        [head(b"Transfer-Encoding: deflate"), ENVELOPE],
        [head(b"Transfer-Encoding: identity"), ENVELOPE],
        [head(CHUNKED, CHUNKED), CHUNK, LAST],
        [head(b"Transfer-Encoding : chunked"), CHUNK, LAST],
        [head(b"Transfer-Encoding: xchunked"), CHUNK, LAST],
        [head(LENGTH, CHUNKED), CHUNK, LAST],
        [head(LENGTH, b"Content-Length: 3"), ENVELOPE],
        [head(b"Content-Length: +5"), ENVELOPE],
        [head(b"Content-Length: -5"), ENVELOPE],
        [head(b"Content-Length: " + b"9" * 1_000), ENVELOPE],
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"],
        [head(*(b"X: " + b"y" * 1_000 for _ in range(60)), LENGTH) + ENVELOPE],
    ],
    ids=[
        "the extension of a chunk without end",
        "the size of a chunk without end",
        "a chunk of less than nothing",
        "a size in the C way",
        "a chunk longer than its size",
        "trailers without end",
        "a trailer without end",
        "compressed in transfer",
        "compressed in transfer, no chunks",
        "no transfer encoding at all",
        "chunked twice",
        "a space before the colon",
        "another word",
        "a length and chunks",
        "two lengths",
        "a length with a sign",
        "a length below nothing",
        "a length without end",
        "no http",
        "a head too long",
    ],
)
def test_what_is_no_http_gets_one_answer_with_a_code(url: str, desk: Desk, pieces: list[bytes]) -> None:
    assert codes(told(url, *pieces)) == [(400, "soap.http")]
    assert not desk.envelopes
    assert Box(url=url).submit(Submission()).status == 200


def test_after_what_is_no_http_the_connection_ends(url: str) -> None:
    assert codes(answered(url, head(CHUNKED) + b"zz\r\n")) == [(400, "soap.http")]


def test_what_is_broken_off_is_told_in_the_soap_that_was_announced_and_logged(url: str) -> None:
    broken = head(CHUNKED).replace(b"text/xml", b"application/soap+xml") + b"zz\r\n"
    with structlog.testing.capture_logs() as logs:
        answer = told(url, broken)
    assert b"Content-Type: application/soap+xml" in answer
    assert b"<kod>%d</kod>" % TEXTS["soap.http"].number in answer
    assert [one["code"] for one in logs if one["event"] == "soap.refused"] == ["soap.http"]
    assert "soap.bug" not in {one["event"] for one in logs}


def test_who_was_refused_already_gets_no_second_answer_to_what_he_breaks(url: str) -> None:
    with dial(url) as line:
        line.sendall(head(CHUNKED, b"Content-Encoding: gzip") + b"5\r\n")
        first = line.recv(65_536)
        line.sendall(b"hello, and no end of a line")
        line.shutdown(socket.SHUT_WR)
        assert codes(first + said(line)) == [(415, "soap.content-encoding")]


def test_a_chunk_is_not_believed_in_how_long_it_is(url: str, desk: Desk) -> None:
    """Nothing is set aside for what is only announced, and what comes is counted."""
    answers = told(url, head(CHUNKED), b"f" * 16 + b"\r\n", *[b"x" * 100_000] * 20)
    assert codes(answers) == [(413, "soap.too-large")]


def test_what_chunks_are_wrapped_in_counts_too(url: str, desk: Desk) -> None:
    """A message of a kilobyte in extensions of megabytes (RFC 9112 §7.1.1)."""
    wrapped = (b"1;x=%s\r\n%c\r\n" % (b"y" * 20_000, octet) for octet in ENVELOPE)
    assert codes(told(url, head(CHUNKED), *wrapped)) == [(413, "soap.too-large")]
    assert not desk.envelopes


def chunks(octets: bytes, size: int) -> bytes:
    pieces = (octets[i : i + size] for i in range(0, len(octets), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


@pytest.mark.parametrize(
    ("crumbs", "then"),
    [(FREE, 100_000), (FREE, SMALLEST), (0, SMALLEST), (0, 77), (FREE // 2, 200)],
    ids=["the first", "the first, then few", "few", "lines of Base64", "some, then more"],
)
def test_a_body_in_small_chunks_is_a_body(url: str, desk: Desk, crumbs: int, then: int) -> None:
    document = b"<a>" + b"z" * 80_000 + b"</a>"
    envelope = Submission(document=document).envelope(SOAP11)
    sent = chunks(envelope[:crumbs], 1) + chunks(envelope[crumbs:], then)
    assert codes(answered(url, head(CHUNKED, b"Connection: close"), sent, LAST)) == [(200, "")]
    assert desk.envelopes[0].payload == document


@pytest.mark.parametrize(("size", "rests"), [(SMALLEST, True), (256, True), (FAIR, False), (4_000, False)])
def test_a_body_in_small_chunks_is_read_slowly(*, url: str, size: int, rests: bool) -> None:
    """Not for each of the first; from then on for those that bring less than others."""
    envelope = Submission(document=b"<a>" + b"z" * 400_000 + b"</a>").envelope(SOAP11)
    rested: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pace, "rest", lambda _pace, _loop, seconds: rested.append(seconds))
        for _ in range(2):
            sent = chunks(envelope, size)
            assert codes(answered(url, head(CHUNKED, b"Connection: close"), sent, LAST)) == [(200, "")]
    small = -(-len(envelope) // size) - FREE - len(envelope) // FAIR
    assert bool(rested) == rests == (small > 0)
    assert sum(rested) == pytest.approx(2 * max(0, small) * REST, abs=0.1)


def test_while_a_connection_rests_nothing_has_it_read() -> None:
    done: list[str] = []

    class Transport(asyncio.Transport):
        def pause_reading(self) -> None:
            done.append("pause")

        def resume_reading(self) -> None:
            done.append("resume")

    loop = asyncio.new_event_loop()
    try:
        pace = Pace(Transport())
        pace.rest(loop, 0)
        pace.resume_reading()  # as uvicorn does whenever a body is waited for
        assert done == ["pause"]
        loop.run_until_complete(asyncio.sleep(0.01))
        assert done == ["pause", "resume"]
        pace.resume_reading()
        pace.pause_reading()
        pace.resume_reading()
        assert done == ["pause", "resume", "pause", "resume"]
    finally:
        loop.close()


@pytest.mark.parametrize("size", [1, 2, 16, SMALLEST // 2])
def test_a_body_in_crumbs_is_refused(url: str, desk: Desk, size: int) -> None:
    """Chunks are read by one thread for all connections, and each costs the same."""
    envelope = Submission(document=b"<a>" + b"z" * 400_000 + b"</a>").envelope(SOAP11)
    with structlog.testing.capture_logs() as logs:
        assert codes(told(url, head(CHUNKED), chunks(envelope, size), LAST)) == [(400, "soap.http")]
    assert [one["place"] for one in logs if one["event"] == "soap.refused"] == ["chunks"]
    assert not desk.envelopes


def test_of_what_comes_behind_a_refusal_no_crumbs_are_read(url: str) -> None:
    """What is refused by its head is drained, so that the client reads why; chunk by chunk that cost as much."""
    read: list[int] = []
    own = Framing.next_event

    def counted(framing: Framing) -> Any:
        read.append(1)
        return own(framing)

    with pytest.MonkeyPatch.context() as patch, dial(url) as line:
        patch.setattr(Framing, "next_event", counted)
        line.sendall(head(CHUNKED, b"Content-Encoding: gzip"))
        with suppress(ConnectionError):
            line.sendall(chunks(b"x" * 400_000, 1))
        line.shutdown(socket.SHUT_WR)
        assert codes(said(line)) == [(415, "soap.content-encoding")]
    assert FREE <= len(read) < 2 * FREE


def test_each_message_of_a_connection_may_have_its_crumbs(url: str, desk: Desk) -> None:
    sent = chunks(ENVELOPE, 1)
    assert FREE // 2 < len(ENVELOPE) <= FREE
    with dial(url) as line:
        line.sendall((head(CHUNKED) + sent + LAST) * 3 + head(CHUNKED, b"Connection: close") + sent + LAST)
        assert codes(said(line)) == [(200, "")] * 4


def test_messages_that_come_one_behind_the_other_are_each_counted_for_themselves(desk: Desk) -> None:
    """Together they are far more than one may be."""
    documents = [b"<a>" + b"%d" % number * 200_000 + b"</a>" for number in range(9)]
    sent = [Submission(document=document).envelope(SOAP11) for document in documents]
    with serving(desk, limits=Limits(payload=200_100), patience=10) as url, dial(url) as line:
        line.sendall(b"".join(head(b"Content-Length: %d" % len(one)) + one for one in sent[:-1]))
        line.sendall(head(b"Content-Length: %d" % len(sent[-1]), b"Connection: close") + sent[-1])
        assert codes(said(line)) == [(200, "")] * 9
    assert [one.payload for one in desk.envelopes] == documents


def test_a_body_without_end_behind_a_question_is_cut_off(url: str) -> None:
    """`?wsdl` reads no body: what is sent behind it holds the connection no longer than a head may."""

    with dial(url) as line:
        line.sendall(b"GET /skrytka?wsdl HTTP/1.1\r\nHost: x\r\n" + CHUNKED + b"\r\n\r\n")
        with pytest.raises(ConnectionError):
            send_for_ever(line, b"3e8\r\n" + b"x" * 1_000 + b"\r\n")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ([LENGTH, b"Content-Encoding: identity", b"Content-Encoding: gzip"], 415, "soap.content-encoding"),
        ([LENGTH, b"Content-Encoding: identity, gzip"], 415, "soap.content-encoding"),
        ([LENGTH, b"Content-Encoding: br"], 415, "soap.content-encoding"),
        ([LENGTH, b"Content-Type: application/soap+xml"], 415, "soap.content-type"),
    ],
    ids=["identity, then gzip", "in a list", "brotli", "two types"],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(
    url: str, desk: Desk, fields: list[bytes], status: int, code: str
) -> None:
    assert codes(told(url, head(*fields) + ENVELOPE)) == [(status, code)]
    assert not desk.envelopes
