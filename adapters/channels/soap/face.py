"""The HTTP face: takes a request's bytes in, within caps of size, time and memory, and hands them to a thread.

Nothing here looks into a message but for where its parts, and its Body, begin.  The caps are kept while the body
arrives, not after it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from io import SEEK_END, BytesIO

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adapters.channels.soap import faults, refused
from adapters.channels.soap.description import Description
from adapters.channels.soap.endpoint import (
    ALLOWANCE,
    OPENING,
    Endpoint,
    Request,
    announced,
    arriving,
    largest,
)
from adapters.channels.soap.sender import Gate
from adapters.channels.soap.server import LINGER_BYTES, LINGER_SECONDS
from adapters.channels.soap.settings import SoapSettings
from adapters.channels.soap.shares import Bench, Line, Lines, Memory, holder
from adapters.wire import soap
from adapters.wire.multipart import Part
from adapters.wire.notes import Notes
from broker.errors import Malformed, Rejection, TooLarge, Unavailable
from broker.parse import Limits
from broker.partner import Credential, Partner, Proof
from broker.ports import Clock

log = structlog.get_logger(__name__)

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Farewell(Response):
    """An answer given before the body was read: then the rest is drained for a while, and the connection closed.

    Closing at once would reset the connection under a client that is still sending, and it would never read
    why it was refused.
    """

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.headers["Connection"] = "close"
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        drained = 0
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while drained < LINGER_BYTES:
                    message = await receive()
                    drained += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            log.debug("soap.lingered", drained=drained)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Last(Response):
    """An answer after which the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers["Connection"] = "close"
        await super().__call__(scope, receive, send)


class _Body:
    """A body while it arrives, counted in memory for as long as anything is made of it."""

    def __init__(self, memory: Memory, line: Line) -> None:
        self._memory = memory
        self._line = line
        self._counted: Counter[tuple[bool, str]] = Counter()
        self._buffer = BytesIO()
        self.size = 0

    def add(self, chunk: bytes) -> int:
        """Add to it and return how many bytes there are now; raise Unavailable if there is no memory for it."""
        self._counted[self._memory.take(self._line, len(chunk))] += len(chunk)
        self.size += len(chunk)
        self._buffer.write(chunk)
        return self.size

    def first(self, count: int) -> bytes:
        """Return so many of the bytes that came first."""
        self._buffer.seek(0)
        found = self._buffer.read(count)
        self._buffer.seek(0, SEEK_END)
        return found

    def take(self) -> bytes:
        """Hand the bytes over, and keep none."""
        bytes_ = self._buffer.getvalue()  # shares the buffer's memory: no copy
        self._buffer = BytesIO()
        return bytes_

    def forget(self) -> None:
        """Count its bytes out."""
        self._buffer = BytesIO()
        for whose, count in self._counted.items():
            self._memory.give(whose, count)


class Face:
    """The ASGI application's parts, over the services by name."""

    def __init__(
        self,
        *,
        endpoints: Mapping[str, Endpoint],
        descriptions: Mapping[str, Description],
        settings: SoapSettings,
        pool: Executor,
        clock: Clock,
        channel: str,
        gate: Gate,
        notes: Notes,
        lines: Lines,
        memory: Memory,
        seals: Callable[[], bytes],
    ) -> None:
        self._endpoints = endpoints
        self._descriptions = descriptions
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self._channel = channel
        self._gate = gate
        self._notes = notes
        self._lines = lines
        self._memory = memory
        self._bench = Bench(settings.buffered // 4)
        self._seals = seals

    def application(self) -> Starlette:
        """Return the ASGI application."""
        application = Starlette(
            routes=[
                Route("/healthz", self._health, methods=["GET"]),
                Route("/seals.pem", self._bundle, methods=["GET"]),
                Route("/{service}", self._service, methods=_METHODS),
            ],
            exception_handlers={HTTPException: self._unknown},
        )
        application.router.redirect_slashes = False  # it would go to whatever host the request names
        return application

    async def _health(self, _request: HttpRequest) -> Response:
        return JSONResponse({"status": "ok"})

    async def _bundle(self, _request: HttpRequest) -> Response:
        """Answer with the certificates of all seals: public, so that anybody may check a receipt."""
        found = await asyncio.get_running_loop().run_in_executor(self._pool, self._seals)
        return Response(found, media_type="application/x-pem-file")

    async def _unknown(self, request: HttpRequest, problem: Exception) -> Response:
        status = problem.status_code if isinstance(problem, HTTPException) else 404
        return self._refuse(request, Malformed("soap.method" if status == 405 else "soap.not-found"))  # noqa: PLR2004

    async def _service(self, request: HttpRequest) -> Response:
        name = request.path_params["service"]
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return self._refuse(request, Malformed("soap.not-found"))
        if request.method in {"GET", "HEAD"}:
            return self._describe(request, name)
        if request.method != "POST":
            return self._refuse(request, Malformed("soap.method"))
        return await self._submit(request, endpoint)

    def _describe(self, request: HttpRequest, name: str) -> Response:
        found = self._descriptions[name].find(request.url.query)
        if found is None:
            return self._refuse(request, Malformed("soap.method"))
        return Response(found, media_type="text/xml; charset=utf-8")

    async def _submit(self, request: HttpRequest, endpoint: Endpoint) -> Response:
        line: Line = request.state.line
        body = _Body(self._memory, line)
        try:
            try:
                self._judge_head(request)
                parts = await self._receive(request, body, self._limits(endpoint, line))
                message = Request(
                    body=body.take(),
                    content_type=request.headers.get("content-type", ""),
                    action=request.headers.get("soapaction", ""),
                    received_at=self._clock(),
                    key=line.key,
                    parts=parts,
                )
                line.working = True
                async with self._bench.room(body.size):
                    loop = asyncio.get_running_loop()
                    answer, partner = await loop.run_in_executor(self._pool, endpoint.answer, message)
                return _plain(answer, Response if self._counted(line, partner) else _Last)
            finally:
                line.working = False
                body.forget()
        except Rejection as no:
            return self._refuse(request, no)
        except Unavailable as away:
            refused.put_off(away, self._shown(request), self._gate.partners(), self._notes)
            return _plain(faults.later(away, announced(request.headers.get("content-type", ""))), Farewell)
        except ClientDisconnect:
            log.info("soap.disconnected", channel=self._channel, counted=not self._notes.may_say("senders gone"))
            return Response(status_code=400)

    def _judge_head(self, request: HttpRequest) -> None:
        """Refuse a head that is too much, or that two readers could read in two ways (RFC 9112 §6.3, §11.2)."""
        headers, fields = request.headers, request.scope["headers"]
        if len(fields) > self._settings.fields:
            raise TooLarge("soap.fields", facts={"limit": str(self._settings.fields)})
        if sum(len(name) + len(value) for name, value in fields) > self._settings.head:
            raise Malformed("soap.http", place="head")  # one that came at once: h11 caps what comes little by little
        if "content-length" in headers and "transfer-encoding" in headers:
            raise Malformed("soap.http", place="Transfer-Encoding")
        if len(headers.getlist("content-type")) > 1:
            raise Malformed("soap.content-type", place="Content-Type")
        if any(encoding.strip().lower() != "identity" for encoding in headers.getlist("content-encoding")):
            raise Malformed("soap.content-encoding", place="Content-Encoding")

    def _limits(self, endpoint: Endpoint, line: Line) -> Limits:
        """Return the caps on a document that comes by this connection; raise Unauthorised if nobody may send on it."""
        limits, sizes = endpoint.limits, [partner.size for partner in self._gate.expected(line.key)]
        return replace(limits, payload=min(limits.payload, max(sizes))) if sizes and all(sizes) else limits

    def _counted(self, line: Line, partner: Partner | None) -> bool:
        """Count the connection for a partner that has proven itself by its message; return False if it has too many."""
        if partner is None or line.holder or not self._settings.proof:
            return True
        return self._lines.prove(line, holder((partner,), "", self._gate.partners()))

    async def _receive(self, request: HttpRequest, body: _Body, limits: Limits) -> Sequence[Part] | None:
        """Take the whole body in, and return where its parts stand if it is in parts.

        Raises TooLarge, Malformed (too slow, not to be taken apart) or Unavailable (no memory for it).
        """
        most = largest(limits)
        if int(request.headers.get("content-length", "0")) > most:
            raise TooLarge("soap.too-large", facts={"limit": str(most)})
        parted = arriving(request.headers.get("content-type", ""), limits)
        loop, patience = asyncio.get_running_loop(), self._settings.patience
        start = loop.time()
        try:
            async with asyncio.timeout_at(start + patience) as deadline:
                async for chunk in request.stream():
                    if body.add(chunk) > most:
                        raise TooLarge("soap.too-large", facts={"limit": str(most)})
                    if parted is not None:
                        parted.add(chunk)
                    elif body.size > OPENING >= body.size - len(chunk):
                        soap.demand_opened(body.first(OPENING), ALLOWANCE)
                    deadline.reschedule(start + patience + body.size / self._settings.slowest)
        except TimeoutError:
            waited = str(round(loop.time() - start))
            raise Malformed("soap.too-slow", facts={"seconds": waited}) from None
        return None if parted is None else parted.end()

    def _refuse(self, request: HttpRequest, no: Rejection) -> Response:
        refused.tell(no, self._shown(request), self._gate.partners(), self._notes)
        return _plain(faults.refusal(no, announced(request.headers.get("content-type", ""))), Farewell)

    def _shown(self, request: HttpRequest) -> Sequence[Credential]:
        """Return what the connection has proven."""
        line: Line = request.state.line
        return [Credential(proof=Proof.TLS, key=line.key)] if line.key else []


def _plain(answer: faults.Response, kind: type[Response]) -> Response:
    return kind(answer.body, answer.status, headers={**answer.headers, "Content-Type": answer.content_type})
