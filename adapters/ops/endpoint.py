"""The endpoint: three addresses over HTTP, apart from the ways in, for whoever watches over this process.

/livez    200 while the process answers at all
/readyz   200, or 503 with a line for each condition that keeps it from taking documents in
/metrics  the figures, for Prometheus

It reads what is at hand and waits for nobody, so it answers in the worst of times.  It knows no senders and shows no
documents; still it tells of the installation, so it stays on this machine unless somebody says otherwise.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any, Final

import structlog

from adapters.ops.metrics import CONTENT_TYPE, Registry
from broker.errors import Unavailable

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 16  # askers; more are hung up on
_PATIENCE: Final = 5.0  # seconds for a whole call
_PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Something that keeps documents out: all of them, or (`partial`) only some."""

    condition: str
    reason: str
    retry_after: timedelta | None = None  # what senders are told
    partial: bool = False


Standings = Callable[[], Sequence[Standing]]


class Endpoint:
    """The endpoint of one process.  `start` and `stop` once each."""

    def __init__(self, host: str, port: int, *, standings: Standings, figures: Registry) -> None:
        self._host, self._port = host, port
        self._standings, self._figures = standings, figures
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Listen, and return the port; raise Unavailable."""
        try:
            self._server = _Server((self._host, self._port), self)
        except OSError as wrong:
            raise Unavailable(f"cannot listen on {self._host}:{self._port}: {wrong.strerror or wrong}") from wrong
        port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="ops", daemon=True)
        self._thread.start()
        log.info("ops.listening", host=self._host, port=port)
        return port

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Return status, media type and body."""
        match path:
            case "/livez":
                return 200, _PLAIN, b"ok\n"
            case "/readyz":
                return self._ready(accept)
            case "/metrics":
                return 200, CONTENT_TYPE, self._figures.text()
            case _:
                return 404, _PLAIN, b"/livez /readyz /metrics\n"

    def _ready(self, accept: str) -> tuple[int, str, bytes]:
        standings = self._standings()
        ready = all(one.partial for one in standings)
        status = 200 if ready else 503
        if "application/json" in accept:
            said = {"ready": ready, "conditions": [_as_json(one) for one in standings]}
            return status, "application/json", json.dumps(said, ensure_ascii=False).encode() + b"\n"
        lines = ["ready" if ready else "not ready", *(f"{one.condition}: {one.reason}" for one in standings)]
        return status, _PLAIN, "".join(f"{' '.join(line.split())}\n" for line in lines).encode()


def _as_json(it: Standing) -> dict[str, Any]:
    wait = {} if it.retry_after is None else {"retry_after": it.retry_after.total_seconds()}
    return {"condition": it.condition, "reason": it.reason, "partial": it.partial, **wait}


class _Server(ThreadingHTTPServer):
    """Threads, so many and no more, each for so long and no longer."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], of: Endpoint) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.endpoint = of
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Call)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the signature is the library's
        with self._lock:
            welcome = len(self._open) < _AT_ONCE
            if welcome:
                self._open[request] = monotonic()
        return welcome

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Hang up on whoever takes too long; called twice a second."""
        late = monotonic() - _PATIENCE
        with self._lock:
            for request in [request for request, since in self._open.items() if since < late]:
                with suppress(OSError):  # its thread was faster
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature is the library's
        """Say nothing of an asker that hung up; anything else is a bug."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("ops.bug", exc_info=error)


class _Call(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "goniec", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        status, kind, body = self.server.endpoint.answer(path, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - likewise

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - likewise
        """Write no access log."""
