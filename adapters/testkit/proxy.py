"""A small TCP proxy that can be told to cut, delay, swallow or half-close: a bad network, for tests."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from enum import Enum
from threading import Thread
from types import TracebackType
from typing import Self


class Mood(Enum):
    """What the proxy does."""

    FORWARD = "forward"
    REFUSE = "refuse"  # connections are cut, and new ones too
    SWALLOW = "swallow"  # callers connect and send; nothing goes on, nothing comes back
    DELAY = "delay"  # everything goes on, a while later
    HALF_CLOSE = "half-close"  # servers are told that callers will say no more; what they say still comes back


LATER = 0.1  # seconds that a piece is held back


class Proxy:
    """Forwards a free loopback port to another; a context manager."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._mood = Mood.FORWARD
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._callers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake, self._woken = socket.socketpair()
        for one in (self._listener, self._woken):
            self._selector.register(one, selectors.EVENT_READ)
        self._ending = False
        self._thread = Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port to connect to."""
        return int(self._listener.getsockname()[1])

    def be(self, mood: Mood) -> None:
        """Change what is done, with connections that stand too."""
        self._mood = mood
        self._wake.send(b".")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self.be(Mood.REFUSE)
        self._thread.join()
        for one in (self._listener, self._wake, self._woken, self._selector):
            one.close()

    def _run(self) -> None:
        while not self._ending:
            for key, _events in self._selector.select():
                source = key.fileobj
                if source is self._listener:
                    self._accept()
                elif source is self._woken:
                    self._woken.recv(100)
                elif isinstance(source, socket.socket):
                    self._forward(source)
            if self._mood is Mood.REFUSE:
                for one in list(self._pairs):
                    self._drop(one)
            if self._mood is Mood.HALF_CLOSE:
                self._half_close()

    def _accept(self) -> None:
        caller, _address = self._listener.accept()
        if self._mood is Mood.REFUSE:
            caller.close()
            return
        try:
            target = socket.create_connection(self._target)
        except OSError:  # the server is down, and so is the way to it
            caller.close()
            return
        self._pairs |= {caller: target, target: caller}
        self._callers[caller] = target
        for one in (caller, target):
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        if source not in self._pairs:
            return
        try:
            data = source.recv(1 << 16)
            if self._mood is Mood.DELAY:
                time.sleep(LATER)
            if self._mood is not Mood.SWALLOW and data:
                self._pairs[source].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(source)

    def _half_close(self) -> None:
        for target in self._callers.values():
            with contextlib.suppress(OSError):  # it is closed already
                target.shutdown(socket.SHUT_WR)

    def _drop(self, one: socket.socket) -> None:
        for end in (one, self._pairs.pop(one, None)):
            if end is not None:
                self._pairs.pop(end, None)
                self._callers.pop(end, None)
                with contextlib.suppress(KeyError, ValueError):  # the other end went first
                    self._selector.unregister(end)
                end.close()
