"""Thousands of clients that mean no good, in one thread: each opens a connection and makes the server wait.

What each does is one of `WAYS`.  They come from as many loopback addresses as are needed to get past the share of
one address.  Who is cut off by the server is counted, and does not come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
from collections import Counter
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Final, Self

PER_ADDRESS: Final = 100
HEAD: Final = b"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"

WAYS: Final = ("says nothing", "stalls in the handshake", "half a head", "a slow body", "does not read")


@dataclass
class Attack:
    """So many connections to a port on loopback, opened `at_once` at a time, held until it ends."""

    port: int
    tls: ssl.SSLContext
    count: int
    at_once: int = 50
    opened: int = 0
    refused: int = 0  # not even let in
    cut: Counter[str] = field(default_factory=Counter)  # let in, and given up by the server
    _stop: Event = field(default_factory=Event)
    all_came: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, self.count + 1_000)), hard))
        self._thread = Thread(target=lambda: asyncio.run(self._run()), name="attack")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        turn = asyncio.Semaphore(self.at_once)
        tasks = [asyncio.create_task(self._one(number, turn)) for number in range(self.count)]
        while not self._stop.is_set():
            await asyncio.sleep(0.05)
            if self.opened + self.refused >= self.count:
                self.all_came.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, number: int, turn: asyncio.Semaphore) -> None:
        # One in twenty-five does not read: that costs us as much as it costs the server.
        way = WAYS[-1] if number % 25 == 0 else WAYS[number % (len(WAYS) - 1)]
        source = f"127.0.{1 + number // PER_ADDRESS // 250}.{2 + number // PER_ADDRESS % 250}"
        plain = way in {"says nothing", "stalls in the handshake"}
        async with turn:
            try:
                async with asyncio.timeout(60):
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1",
                        self.port,
                        local_addr=(source, 0),
                        **({} if plain else {"ssl": self.tls, "server_hostname": "127.0.0.1"}),
                    )
            except (OSError, TimeoutError):
                self.refused += 1
                return
        self.opened += 1
        try:
            await self._misbehave(way, reader, writer)
        except OSError:
            self.cut[way] += 1
        finally:
            writer.transport.abort()

    async def _misbehave(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if way == "stalls in the handshake":
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        elif way == "half a head":
            writer.write(HEAD)
        elif way == "a slow body":
            writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n")
            while not reader.at_eof():
                writer.write(b"<")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await reader.read(10_000)
        elif way == "does not read":
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a transport that reads
            for _ in range(500):  # until its answers have nowhere to go, and the server gives it up
                writer.write(b"GET /skrytka?wsdl HTTP/1.1\r\nHost: x\r\n\r\n")
                await asyncio.sleep(0.05)
                if writer.transport.is_closing():
                    raise ConnectionResetError
        if not await reader.read(1):
            raise ConnectionResetError
