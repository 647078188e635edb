"""The HTTP face: takes a request's bytes in, within caps of size, time and memory, and hands them to a thread.

Nothing here looks into a message.  The caps are kept while the body arrives, not after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from io import BytesIO

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adapters.channels.soap import faults
from adapters.channels.soap.description import Description
from adapters.channels.soap.endpoint import Endpoint, Request, announced, largest, too_large
from adapters.channels.soap.settings import SoapSettings
from broker.errors import Malformed, Rejection, Unavailable
from broker.ports import Clock

log = structlog.get_logger(__name__)

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_LINGER_BYTES = 16_000_000
_LINGER_SECONDS = 3.0


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
            async with asyncio.timeout(_LINGER_SECONDS):
                while drained < _LINGER_BYTES:
                    message = await receive()
                    drained += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            log.debug("soap.lingered", drained=drained)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Busy:
    """How many bytes of messages are held; only the loop's thread touches it."""

    held: list[int]
    most: int

    def take(self, count: int) -> None:
        if self.held[0] + count > self.most:
            raise Unavailable("too many bytes are being received")
        self.held[0] += count

    def give(self, count: int) -> None:
        self.held[0] -= count


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
    ) -> None:
        self._endpoints = endpoints
        self._descriptions = descriptions
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self._channel = channel
        self._busy = _Busy(held=[0], most=settings.buffered)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/healthz", self._health, methods=["GET"]),
                Route("/{service}", self._service, methods=_METHODS),
            ],
            exception_handlers={HTTPException: self._unknown},
        )

    async def _health(self, _request: HttpRequest) -> Response:
        return JSONResponse({"status": "ok"})

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
        held = [0]
        try:
            try:
                body = await self._receive(request, endpoint, held)
                message = Request(
                    body=body,
                    content_type=request.headers.get("content-type", ""),
                    action=request.headers.get("soapaction", ""),
                    received_at=self._clock(),
                )
                del body
                answer = await asyncio.get_running_loop().run_in_executor(self._pool, endpoint.answer, message)
                return _plain(answer, Response)
            finally:
                self._busy.give(held[0])
        except Rejection as no:
            return self._refuse(request, no)
        except Unavailable as away:
            log.warning("soap.unavailable", channel=self._channel, reason=away.reason)
            return _plain(faults.later(away, announced(request.headers.get("content-type", ""))), Farewell)
        except ClientDisconnect:
            log.info("soap.disconnected", channel=self._channel)
            return Response(status_code=400)

    async def _receive(self, request: HttpRequest, endpoint: Endpoint, held: list[int]) -> bytes:
        """Return the whole body; `held` tells the caller how much it counts for.

        Raises TooLarge, Malformed (too slow, compressed) or Unavailable (no memory for it).
        """
        most = largest(endpoint.limits)
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Malformed("soap.content-encoding", place="Content-Encoding")
        if int(request.headers.get("content-length", "0")) > most:
            raise too_large(endpoint.limits)
        buffer = BytesIO()
        loop, patience = asyncio.get_running_loop(), self._settings.patience
        start = loop.time()
        try:
            async with asyncio.timeout_at(start + patience) as deadline:
                async for chunk in request.stream():
                    self._busy.take(len(chunk))
                    held[0] += len(chunk)
                    if held[0] > most:
                        raise too_large(endpoint.limits)
                    buffer.write(chunk)
                    deadline.reschedule(start + patience + held[0] / self._settings.slowest)
        except TimeoutError:
            waited = str(round(loop.time() - start))
            raise Malformed("soap.too-slow", facts={"seconds": waited}) from None
        return buffer.getvalue()  # shares the buffer's memory: no copy

    def _refuse(self, request: HttpRequest, no: Rejection) -> Response:
        log.info("soap.refused", channel=self._channel, code=no.code, place=no.place)
        return _plain(faults.refusal(no, announced(request.headers.get("content-type", ""))), Farewell)


def _plain(answer: faults.Response, kind: type[Response]) -> Response:
    return kind(answer.body, answer.status, headers={**answer.headers, "Content-Type": answer.content_type})
