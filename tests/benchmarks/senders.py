"""Senders that cost next to nothing: one process, one thread, raw sockets that are kept open, bytes made before."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

_SEEN_OF_A_FAULT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendings:
    """How one run went: seconds from the first byte to the last receipt, and of each message."""

    seconds: float
    latencies: tuple[float, ...]  # sorted

    @property
    def rate(self) -> float:
        """Receipts a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """Return how long a message took that is slower than `part` of all."""
        return self.latencies[min(int(len(self.latencies) * part), len(self.latencies) - 1)]


def send(port: int, requests: Sequence[bytes], connections: int) -> Sendings:
    """Send the requests over so many connections, each as soon as the last was answered, from another process.

    Raises RuntimeError if anything but a receipt comes back.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(time.time).result()  # started and imported before the clock runs
        return pool.submit(_send, port, list(requests), connections).result()


def wait_for(port: int) -> None:
    """Return when somebody listens there; raise OSError if nobody does for ten seconds."""
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise OSError(f"nobody listens on {port}")


@dataclass(slots=True)
class _Line:
    wire: socket.socket
    since: float = 0.0
    answer: bytes = b""

    def ask(self, request: bytes) -> None:
        self.answer, self.since = b"", time.perf_counter()
        self.wire.sendall(request)  # small enough for the socket's buffer

    def hear(self) -> bool:
        """Take what has come; return whether the answer is complete."""
        came = self.wire.recv(262_144)
        if not came:
            raise RuntimeError(f"hung up: {self.answer[:_SEEN_OF_A_FAULT]!r}")
        self.answer += came
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end:
            return False
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return False
        if not head.startswith(b"HTTP/1.1 200") or b"<zalacznik>" not in body:
            raise RuntimeError(f"no receipt: {head[:30]!r} {body[:_SEEN_OF_A_FAULT]!r}")
        return True


def _send(port: int, requests: list[bytes], connections: int) -> Sendings:
    waiting: Iterator[bytes] = iter(requests)
    latencies: list[float] = []
    lines = [_Line(socket.create_connection(("127.0.0.1", port))) for _ in range(min(connections, len(requests)))]
    with selectors.DefaultSelector() as ready:
        start = time.perf_counter()
        for line in lines:
            line.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(line.wire, selectors.EVENT_READ, line)
            line.ask(next(waiting))
        while len(latencies) < len(requests):
            for key, _ in ready.select(60):
                line = key.data
                if not line.hear():
                    continue
                latencies.append(time.perf_counter() - line.since)
                following = next(waiting, None)
                if following is not None:
                    line.ask(following)
        seconds = time.perf_counter() - start
    for line in lines:
        line.wire.close()
    return Sendings(seconds=seconds, latencies=tuple(sorted(latencies)))
