"""HTTP/1.1 with one deadline for a whole call: look-up, connecting, TLS, sending and every byte of the answer.

`requests`, `urllib3` and `http.client` know only time-outs between two bytes, so a server that trickles its answer
could hold a worker for ever.  Here each wait on the socket is given what is left of the call's time.  The connection
is kept and used again; redirections are not followed (documents and passwords go where the configuration says, and
nobody's answer sends us to a third), proxies and credentials of the environment are not known.  A caller may say
which of a host's addresses it takes: the very address that was judged is the one that is connected to.  The only
errors that leave are broker.errors.Unavailable.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import queue
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from broker.errors import Unavailable

_CHUNK: Final = 1 << 18  # bytes handed to the socket at a time: TLS restarts its clock at every call
# Octets of an answer beside twice its body (heads, and the sizes of its chunks), whatever http.client makes of them:
# a chunk whose size is "-1" it reads to the end of the world.
_SPARE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _TooLong(ValueError):
    """The answer is longer than may be."""


class _Patience:
    """What is left of a call's time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raise TimeoutError when none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, patience: _Patience, most: int) -> None:
        self._sock = sock
        self._patience = patience
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._sock.settimeout(self._patience.left())
        received = self._sock.recv_into(buffer)
        self._left -= received
        if self._left < 0:
            raise _TooLong
        return received


class _Socket:
    """As much of a socket as http.client uses, each wait cut to what the present call has left."""

    def __init__(self, sock: socket.socket, most: int) -> None:
        self._sock = sock
        self._most = most
        self.patience = _Patience(0)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(self.patience.left())
            view = view[self._sock.send(view[:_CHUNK]) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self.patience, self._most))

    def is_stale(self) -> bool:
        """Tell whether the far side has hung up, or said something unasked, since the last answer."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Do nothing: http.client says this when an answer is the last one, before it has read it."""

    def hang_up(self) -> None:
        self._sock.close()


class _Connection(http.client.HTTPConnection):
    """http.client over a socket that we opened."""

    auto_open = 0  # it never opens one of its own, which would have neither our TLS nor our deadline

    def __init__(self, address: Address, sock: _Socket) -> None:
        super().__init__(address.host, address.port)
        self.sock: Any = sock


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the far side listens."""

    host: str
    port: int
    target: str  # path and query
    tls: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """Take an http(s) URL apart; raise ValueError if it is none."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("not an http:// or https:// address")
        if parts.username or parts.password:
            raise ValueError("holds credentials: name them in their own settings")
        tls = parts.scheme == "https"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(host=parts.hostname, port=parts.port or (443 if tls else 80), target=target, tls=tls)


Permit = Callable[[str], bool]
"""Whether an address (`192.0.2.1`, `2001:db8::1`) to which the host's name leads may be connected to."""


def _any(_address: str) -> bool:
    return True


class Http:
    """One kept connection to one address.  For one thread at a time."""

    def __init__(
        self, address: Address, *, tls: ssl.SSLContext | None, deadline: float, most: int, permit: Permit = _any
    ) -> None:
        """`deadline` in seconds for each call; `most` bytes of an answer are read."""
        self._address = address
        self._permit = permit
        self._tls = tls
        self._deadline = deadline
        self._most = most
        self._socket: _Socket | None = None

    def call(self, method: str, headers: Mapping[str, str], body: Sequence[bytes] = ()) -> Answer:
        """Send one request and return the whole answer, whatever its status.

        A request is sent once: what becomes of a connection that breaks is for the caller's next attempt.
        Raises Unavailable if there is no whole answer in time.
        """
        patience = _Patience(self._deadline)
        keep = False
        try:
            if self._socket is not None and self._socket.is_stale():
                self.close()
            if self._socket is None:
                self._socket = self._open(patience)
            self._socket.patience = patience
            answer, keep = self._exchange(self._socket, method, headers, body)
        except TimeoutError as late:
            condition = "line.silent" if self._socket else "line.unreachable"
            raise Unavailable(f"no whole answer within {self._deadline:g} s", condition=condition) from late
        except (OSError, http.client.HTTPException, ValueError) as broken:
            condition = "line.broken" if self._socket else "line.unreachable"
            raise Unavailable(f"no whole answer: {_name(broken)}", condition=condition) from broken
        finally:
            if not keep:
                self.close()
        return answer

    def close(self) -> None:
        """Let go of the connection; the next call opens another."""
        if self._socket is not None:
            self._socket.hang_up()
            self._socket = None

    def _open(self, patience: _Patience) -> _Socket:
        problem = OSError("no address")
        for family, where in _look_up(self._address.host, self._address.port, patience):
            if not self._permit(where[0]):
                problem = OSError(errno.EACCES, "its address is not one that may be called")
                continue
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(patience.left())
                sock.connect(where)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    sock.settimeout(patience.left())
                    sock = self._tls.wrap_socket(sock, server_hostname=self._address.host)
            except TimeoutError:
                sock.close()
                raise
            except OSError as no:
                sock.close()
                problem = no
            else:
                return _Socket(sock, 2 * self._most + _SPARE)
        raise problem

    def _exchange(
        self, sock: _Socket, method: str, headers: Mapping[str, str], body: Sequence[bytes]
    ) -> tuple[Answer, bool]:
        """Return the answer, and whether the connection may be used again."""
        connection = _Connection(self._address, sock)
        connection.putrequest(method, self._address.target)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(sum(map(len, body))))
        cut: OSError | None = None
        try:
            connection.endheaders()
            for part in body:
                connection.send(part)
        except (BrokenPipeError, ConnectionResetError) as hung_up:
            cut = hung_up  # it may have said why (503, 413) before it hung up: listen
        response = connection.getresponse()
        if (response.length or 0) > self._most:
            raise _TooLong
        received = response.read(self._most + 1)
        if len(received) > self._most:
            raise _TooLong
        if response.length:
            raise http.client.IncompleteRead(received, response.length)
        if cut is not None and response.status < http.HTTPStatus.BAD_REQUEST:
            raise cut  # it cannot have what it did not read
        answer = Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=received,
        )
        return answer, cut is None and not response.will_close


def _look_up(host: str, port: int, patience: _Patience) -> list[tuple[int, Any]]:
    """Return the host's addresses.  The resolver knows no deadline, so it is asked aside and left behind if late."""
    with contextlib.suppress(socket.gaierror):
        return _addresses(host, port, socket.AI_NUMERICHOST)
    said: queue.SimpleQueue[list[tuple[int, Any]] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            said.put(_addresses(host, port, 0))
        except OSError as no:
            said.put(no)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        found = said.get(timeout=patience.left())
    except queue.Empty as late:
        raise TimeoutError from late
    if isinstance(found, OSError):
        raise found
    return found


def _addresses(host: str, port: int, flags: int) -> list[tuple[int, Any]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, where) for family, _, _, _, where in found]


def _name(broken: Exception) -> str:
    """Name a failure without quoting what the far side sent."""
    said: str | None = None
    if isinstance(broken, ssl.SSLCertVerificationError):
        said = f"certificate not trusted: {broken.verify_message}"
    elif isinstance(broken, ssl.SSLError):
        said = f"TLS: {broken.reason}"
    elif isinstance(broken, http.client.IncompleteRead):
        said = "answer cut short"
    elif isinstance(broken, http.client.RemoteDisconnected):
        said = "hung up without an answer"
    elif isinstance(broken, _TooLong):
        said = "answer too long"
    elif isinstance(broken, OSError):
        said = broken.strerror
    return said or type(broken).__name__
