"""A CA's revocation services on loopback: where its CRL stands, and who answers by OCSP.  Both can be told to fail.

    with Revocation(pki.qualified_ca, clock=now) as service:
        person = pki.personal(pki.qualified_ca, JAN, extras=[statements_of(QC_PERSON), *service.extras()])
        service.revoke(person.certificate, since, x509.ReasonFlags.key_compromise)
        service.ocsp.behave(Manner.HANG)

What is said is in `responder_words.py`; here is how it is served.  For tests and for integrators.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from adapters.testkit.certificates import Authority, Extra
from adapters.testkit.responder_words import Lie, Words

_CRL, _OCSP = "application/pkix-crl", "application/ocsp-response"
_MOST = 1 << 16  # octets of a request


class Manner(StrEnum):
    """How a service answers."""

    GOOD = "good"
    STALE = "stale"  # evidence whose time is over
    REPLAY = "replay"  # the like, from before anything was revoked
    STRANGER = "stranger"  # all good, says somebody who is not the CA
    # Three ways of OCSP, in which a list is as ever:
    OTHER_SERIAL = "other-serial"  # a good answer, about another certificate
    UNKNOWN = "unknown"
    TRY_LATER = "try-later"  # unsigned (RFC 6960 §2.3)
    DOWN = "down"  # every connection is cut
    HANG = "hang"  # takes the question and never answers
    DRIP = "drip"  # an octet at a time, for ever
    ERROR = "error"  # 503
    NONSENSE = "nonsense"  # the right kind of content, and rubbish in it
    HTML = "html"  # a page to log in
    OVERSIZED = "oversized"  # never ends


_LIES = {
    Manner.STALE: Lie.STALE,
    Manner.REPLAY: Lie.REPLAY,
    Manner.STRANGER: Lie.STRANGER,
    Manner.OTHER_SERIAL: Lie.OTHER_SERIAL,
    Manner.UNKNOWN: Lie.UNKNOWN,
    Manner.TRY_LATER: Lie.TRY_LATER,
}


def named_services(*, ocsp: str, crl: str) -> list[Extra]:
    """Return the extensions by which a certificate names an OCSP responder and a list, where they have a URL."""
    found: list[Extra] = []
    if ocsp:
        where = x509.UniformResourceIdentifier(ocsp)
        found.append(
            (
                x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)]),
                False,
            )
        )
    if crl:
        names = [x509.UniformResourceIdentifier(crl)]
        point = x509.DistributionPoint(full_name=names, relative_name=None, reasons=None, crl_issuer=None)
        found.append((x509.CRLDistributionPoints([point]), False))
    return found


class Endpoint:
    """One of the services: its address, its manner, and how often it was asked."""

    def __init__(self, kind: str, say: Callable[[bytes, Lie], bytes]) -> None:
        self.kind = kind
        self.say = say
        self.manner = Manner.GOOD
        self.requests = 0
        self.over = Event()
        self.bugs: list[BaseException] = []  # of the test's own service: must stay empty
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), name="responder", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, as an allow-list names it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where it stands in certificates."""
        return f"http://{self.host}/{'ca.crl' if self.kind == _CRL else 'ocsp'}"

    def behave(self, manner: Manner) -> None:
        """Answer so from now on; whoever hangs on an older manner is let go."""
        self.manner = manner
        self._server.hang_up()

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody and give the port back."""
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


class Revocation:
    """A CA's OCSP and CRL; a context manager.  `delegated`: a certificate of its own answers by OCSP."""

    def __init__(
        self,
        authority: Authority,
        *,
        clock: Callable[[], datetime],
        life: timedelta = timedelta(hours=1),
        delegated: bool = False,
    ) -> None:
        """`life` is how long each piece of evidence counts, from the moment on at which it is made."""
        self.words = Words(authority, clock=clock, life=life, delegated=delegated)
        self.ocsp = Endpoint(_OCSP, self.words.answer)
        self.crl = Endpoint(_CRL, lambda _question, lie: self.words.revocation_list(lie))

    @property
    def hosts(self) -> list[str]:
        """What an allow-list must name."""
        return [self.ocsp.host, self.crl.host]

    def extras(self, *, ocsp: bool = True, crl: bool = True) -> list[Extra]:
        """Return the extensions by which a certificate names these services (RFC 5280 §4.2.2.1, §4.2.1.13)."""
        return named_services(ocsp=self.ocsp.url if ocsp else "", crl=self.crl.url if crl else "")

    def revoke(
        self,
        certificate: x509.Certificate,
        since: datetime,
        reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
    ) -> None:
        """Say from now on that a certificate is revoked since a moment."""
        self.words.revoked[certificate.serial_number] = (since, reason)

    def behave(self, manner: Manner) -> None:
        """Let both services answer so from now on."""
        self.ocsp.behave(manner)
        self.crl.behave(manner)

    def __enter__(self) -> Self:
        self.ocsp.start()
        self.crl.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ocsp.stop()
        self.crl.stop()
        bugs = self.ocsp.bugs + self.crl.bugs
        if bugs and error is None:
            raise bugs[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)

    def hang_up(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # it has just gone by itself
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature is the library's
        """Keep bugs; a caller that hangs up is what the tests are about."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.endpoint.bugs.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _MOST)))

    def _answer(self, question: bytes) -> None:
        endpoint = self.server.endpoint
        endpoint.requests += 1
        self.close_connection = True
        match endpoint.manner:
            case Manner.DOWN:
                return
            case Manner.HANG:
                self.connection.settimeout(None)
                self.rfile.read(1)  # until it gives up, or we hang up
            case Manner.DRIP | Manner.OVERSIZED as manner:
                self._for_ever(slowly=manner is Manner.DRIP)
            case Manner.ERROR:
                self._whole(503, "text/plain", b"not now")
            case Manner.NONSENSE:
                self._whole(200, endpoint.kind, b"\x30\x82 nonsense")
            case Manner.HTML:
                self._whole(200, "text/html", b"<html><body>Please log in</body></html>")
            case manner:
                self._whole(200, endpoint.kind, endpoint.say(question, _LIES.get(manner, Lie.NONE)))

    def _whole(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _for_ever(self, *, slowly: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", self.server.endpoint.kind)
        self.end_headers()
        while not self.server.endpoint.over.wait(0.02 if slowly else 0):
            self.wfile.write(b"0" if slowly else bytes(1 << 16))

    def log_message(self, *_words: Any) -> None:
        """Say nothing on standard error."""
