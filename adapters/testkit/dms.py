"""A mock document system: a real HTTP server whose SOAP receiver keeps what it is handed.

One server stands for any number of offices, each under a path of its own (`/dms/<office>`).  It reads requests with
the code that the broker's own ways in use, and can be told to behave badly (`dms_conduct.py`).  For tests, for the
demo, and for integrators who want to see what an office is sent.  It listens on loopback unless told otherwise.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from adapters.testkit.dms_conduct import GOOD, Conduct, Conducts, Manner
from adapters.testkit.dms_records import Handover, Records
from adapters.testkit.dms_soap import Reply, bad, read_handover, refused, taken
from adapters.wire.soap import SOAP11, Version
from broker.errors import Rejection
from broker.parse import Limits

_WSDL = "soap/odbiorca.wsdl"
_OBJECTS = "soap/obiekty.xsd"


class MockDms:
    """The server, as a context manager.  `received`, `times`, `repeats`, `conflicts` tell what came."""

    def __init__(
        self,
        *,
        folder: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        text: Callable[[str], bytes] | None = None,
        tls: ssl.SSLContext | None = None,
        credentials: tuple[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Listen at once, serve after `start`.

        `folder`: where to write what comes, as `dms_records.py` says; `port` 0: a free one; `text`: reads
        packaged texts, for `?wsdl`; `credentials`: the user and password to ask for (HTTP Basic).
        """
        self.records = Records(folder)
        self.conducts = Conducts()
        self.rejected: list[str] = []  # codes of requests that could not be read: must stay empty
        self.bugs: list[BaseException] = []  # of the mock itself: must stay empty
        self.stopping = Event()
        self.text = text
        self.limits = limits or Limits(payload=64_000_000)
        self.authorization = "Basic " + base64.b64encode(":".join(credentials).encode()).decode() if credentials else ""
        self._scheme = "https" if tls else "http"
        self._server = _Server((host, port), self, tls)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="mock-dms", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def received(self) -> tuple[Handover, ...]:
        """Every delivery once, in the order of their arrival."""
        return self.records.received

    @property
    def connections(self) -> int:
        """How many connections have been opened so far."""
        return self._server.opened

    def url(self, office: str = "office") -> str:
        """Return the address of an office's receiver."""
        return f"{self._scheme}://{self._server.server_address[0]!s}:{self.port}/dms/{office}"

    def behave(self, conduct: Conduct, office: str = "") -> None:
        """Let one office, or all that have no conduct of their own, behave so from now on."""
        self.conducts.set(conduct, office)

    def hang_up(self) -> None:
        """End every connection that stands."""
        self._server.hang_up()

    def start(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End what is under way, hang up on everybody, give the port back."""
        self.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # threads wait on kept connections: `hang_up` ends them
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], dms: MockDms, tls: ssl.SSLContext | None) -> None:
        self.dms = dms
        self.opened = 0
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, _Handler)
        if tls is not None:  # the handshake belongs to the connection's thread, not to the one that accepts
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.opened += 1
            self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature is the library’s
        """Keep bugs; a client that hangs up, or shows no certificate, is what the tests are about."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.dms.bugs.append(error)

    def hang_up(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        dms, office, parts = self.server.dms, self._office(), urlsplit(self.path)
        if dms.text is not None and parts.path == "/dms/obiekty.xsd":
            self._say(Reply(status=200, kind="text/xml", body=dms.text(_OBJECTS)))
        elif dms.text is not None and office and parts.query.lower() == "wsdl":
            wsdl = dms.text(_WSDL).replace(b"http://localhost/odbiorca", dms.url(office).encode())
            self._say(Reply(status=200, kind="text/xml", body=wsdl))
        elif office:
            self._behave(dms.conducts.next(office, counted=False), SOAP11, Reply(status=405))
        else:
            self._say(Reply(status=404))

    def do_POST(self) -> None:
        dms, office = self.server.dms, self._office()
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > dms.limits.payload:
            self.close_connection = True
            self._say(Reply(status=413 if length else 411))
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # the client ended in the middle of it
            self.close_connection = True
            return
        if not office or (dms.authorization and self.headers.get("Authorization") != dms.authorization):
            self._say(Reply(status=401 if office else 404))
            return
        conduct = dms.conducts.next(office, counted=True)
        dms.stopping.wait(conduct.delay)
        try:
            version, handover = read_handover(office, body, self.headers.get("Content-Type", ""), dms.limits)
            if conduct.keeps or conduct.manner in {Manner.TAKE, Manner.TRICKLE}:
                handover = dms.records.keep(handover)
        except Rejection as no:
            dms.rejected.append(no.code)
            self._say(refused(SOAP11, 1, no.code))
        except ValueError as conflict:
            self._say(refused(SOAP11, 2, str(conflict)))
        else:
            if conduct.manner in {Manner.TAKE, Manner.TRICKLE}:
                dms.records.answer(handover)
            self._behave(conduct, version, taken(version, handover.number, conduct.attachment))

    def log_message(self, *_: object) -> None:
        """Say nothing: tests read the records, the demo shows a table."""

    def _office(self) -> str:
        path = unquote(urlsplit(self.path).path)
        office = path.removeprefix("/dms/")
        return office if path.startswith("/dms/") and "/" not in office else ""

    def _behave(self, conduct: Conduct, version: Version, good: Reply) -> None:
        answer = bad(conduct, version) or good
        match conduct.manner:
            case Manner.DROP:
                self.close_connection = True
            case Manner.HANG:
                self.close_connection = True
                self.server.dms.stopping.wait()
            case Manner.HALF:
                whole = self._bytes(answer, conduct)
                self.close_connection = True
                self.wfile.write(whole[: -len(answer.body) // 2])
            case Manner.TRICKLE:
                whole = self._bytes(answer, conduct)
                for at in range(len(whole)):
                    if self.server.dms.stopping.wait(conduct.pause):
                        break
                    self.wfile.write(whole[at : at + 1])
            case _:
                self._say(answer, conduct)

    def _say(self, answer: Reply, conduct: Conduct = GOOD) -> None:
        self.wfile.write(self._bytes(answer, conduct))

    def _bytes(self, answer: Reply, conduct: Conduct) -> bytes:
        """Return head and body as one piece: in two they would wait for one another's acknowledgement."""
        lines = [
            f"{self.protocol_version} {answer.status} {self.responses.get(answer.status, ('Unknown',))[0]}",
            f"Content-Type: {answer.kind}",
            f"Content-Length: {len(answer.body)}",
        ]
        if conduct.retry_after:
            lines.append(f"Retry-After: {conduct.retry_after}")
        if answer.status == HTTPStatus.UNAUTHORIZED:
            lines.append('WWW-Authenticate: Basic realm="dms"')
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body
