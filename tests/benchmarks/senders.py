"""Senders that cost next to nothing: one process, one thread, raw sockets that are kept open, bytes made before."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

_SEEN_OF_A_FAULT = 400
_PATIENCE = 60.0  # seconds without any answer


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


def send(port: int, requests: Sequence[bytes], connections: int, due: Sequence[float] = ()) -> Sendings:
    """Send the requests over so many connections, each as soon as the last was answered, from another process.

    With `due` each is sent at its second, whether or not others are answered, if a connection is free; its latency
    counts from then.  Raises RuntimeError if anything but a receipt comes back.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(time.time).result()  # started and imported before the clock runs
        return pool.submit(_send, port, list(requests), connections, list(due)).result()


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

    def ask(self, request: bytes, since: float) -> None:
        self.answer, self.since = b"", since
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


def _send(port: int, requests: list[bytes], connections: int, due: list[float]) -> Sendings:
    waiting = deque(zip(requests, due or [0.0] * len(requests), strict=True))
    latencies: list[float] = []
    lines = [_Line(socket.create_connection(("127.0.0.1", port))) for _ in range(min(connections, len(requests)))]
    idle = lines.copy()
    with selectors.DefaultSelector() as ready:
        for line in lines:
            line.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(line.wire, selectors.EVENT_READ, line)
        start = time.perf_counter()
        while len(latencies) < len(requests):
            now, patience = time.perf_counter(), _PATIENCE
            while idle and waiting and (patience := start + waiting[0][1] - now) <= 0:
                request, at = waiting.popleft()
                idle.pop().ask(request, start + at if due else now)
                now, patience = time.perf_counter(), _PATIENCE
            for key, _ in ready.select(patience):
                line = key.data
                if line.hear():
                    latencies.append(time.perf_counter() - line.since)
                    idle.append(line)
        seconds = time.perf_counter() - start
    for line in lines:
        line.wire.close()
    return Sendings(seconds=seconds, latencies=tuple(sorted(latencies)))
