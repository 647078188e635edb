"""Sends the bytes of a request, and takes the time from the last of them to the answer: what is promised is about that.

How long the sending took is told apart: a loopback is as quick as its machine, and what is slow there is not judged.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from adapters.testkit.box import Box


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What came of it: the code of a refusal, else the HTTP status; "cut off" if there was no answer to read."""

    answer: str
    sending: float  # seconds from the first byte to the last
    answering: float  # seconds from the last byte sent to the last byte of the answer

    @property
    def told(self) -> dict[str, str]:
        """Return it as a test tells it."""
        return {
            "answer": self.answer,
            "sent_ms": f"{self.sending * 1e3:.0f}",
            "then_ms": f"{self.answering * 1e3:.0f}",
        }


def fire(box: Box, pieces: Iterable[bytes]) -> Shot:
    """Send the pieces, one after the other, over a connection of their own."""
    line = box.dial()
    line.connect()
    first = time.perf_counter()
    with suppress(ConnectionError, ssl.SSLError):  # refused before the end: it may have said why
        for piece in pieces:
            line.sock.sendall(piece)
    last = time.perf_counter()
    try:
        response = http.client.HTTPResponse(line.sock)
        response.begin()
        body = response.read()
        code = body.partition(b"<kod>")[2].rpartition(b"<kod>")[2].partition(b"</kod>")[0].decode()
        answer = code if response.status != http.client.OK and code else str(response.status)
    except OSError:
        answer = "cut off"
    finally:
        line.close()
    return Shot(answer=answer, sending=last - first, answering=time.perf_counter() - last)


def message(kind: str, body: bytes) -> list[bytes]:
    """Return a request to the box with this body."""
    head = f"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return [head.encode(), body]
