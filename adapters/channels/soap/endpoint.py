"""One SOAP message in, one answer out: what all services have in common, away from HTTP and its loop.

Runs in a thread of the channel's pool.  A message is read to its end before any work is done, and what was read
of it (its bytes, its tree) is let go before the work begins: large documents should stand in memory once.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import structlog

from adapters.channels.soap import faults, refused
from adapters.channels.soap.faults import Response
from adapters.channels.soap.sender import Gate, Sender
from adapters.channels.soap.shares import Turns
from adapters.wire import soap, wss
from adapters.wire.media import MediaType, media_type
from adapters.wire.mtom import Parts, unpack
from adapters.wire.multipart import Multipart, Part
from adapters.wire.notes import Notes
from adapters.wire.soap import SOAP11, SOAP12, WSA, WSSE, Message, Version
from broker.errors import Malformed, Rejection, Unavailable
from broker.parse import Limits
from broker.partner import Credential, Partner, Proof
from broker.ports import Accept

log = structlog.get_logger(__name__)

Work = Callable[[], bytes]
"""What is left to do once a message has been read; returns the content of the answer's Body."""

ALLOWANCE = 262_144
"""Bytes that an envelope may have around its document."""

OPENING = 4 * ALLOWANCE
"""Bytes of an envelope in which its Body must begin: a character may take four."""

PARTED = "multipart/related"

# Read and obeyed as far as they concern us.
_UNDERSTOOD = frozenset(
    {f"{{{WSSE}}}Security", *(f"{{{WSA}}}{name}" for name in ("MessageID", "To", "Action", "From", "RelatesTo"))}
)
_READ = frozenset({f"{{{WSA}}}MessageID"})
"""Of what is understood, what an operation may take its word from, beside its own header blocks."""

_DECLARED = re.compile(rb"""\s*<\?xml[^>]{1,60}?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A message that was read, as an operation sees it."""

    message: Message
    parts: Parts
    sender: Sender
    channel: str
    received_at: datetime
    accept: Accept


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a message can ask for: known by the element in its Body."""

    action: str
    headers: frozenset[str]  # the header blocks that it knows, in Clark notation
    claims: Callable[[Message], str]  # who the message says it is from; raises Malformed
    read: Callable[[Call], Work]  # raises a Rejection; keeps nothing of the call but what the work needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A named set of operations with a description."""

    name: str  # the last part of its address
    wsdl: str  # where its description is, below `schemas/`
    schemas: Mapping[str, str]  # what the description imports: name after ?xsd= → where it is
    operations: Mapping[str, Operation]  # by the element in the Body, in Clark notation
    documents: bool = True  # whether its messages bring documents: else an envelope is all that there may be


class Request:
    """A message as it came over HTTP.  Its body can be taken once, so that nobody keeps it by accident."""

    __slots__ = ("_body", "action", "content_type", "key", "parts", "received_at")

    def __init__(
        self,
        *,
        body: bytes,
        content_type: str,
        action: str,
        received_at: datetime,
        key: str = "",
        parts: Sequence[Part] | None = None,
    ) -> None:
        self._body = body
        self.content_type = content_type
        self.action = action  # the SOAPAction header
        self.received_at = received_at
        self.key = key  # SHA-256 of the certificate that the client has shown in TLS
        self.parts = parts  # where they stand in the body, if that was seen while it arrived

    def take(self) -> bytes:
        """Hand the body over."""
        body, self._body = self._body, b""
        return body


def largest(limits: Limits) -> int:
    """Return how many bytes a message may have: the largest document in Base64 (lines of 76), and its envelope."""
    return limits.payload // 3 * 4 * 78 // 76 + ALLOWANCE


def room(limits: Limits, encoding: str) -> int:
    """Return how many bytes a part of a message may have: the largest document, and an envelope.

    In Base64 that is as much as a whole message may have.  The envelope is a part like others: with MTOM a document
    that is large stands beside it, or in it as XML.
    """
    return largest(limits) if encoding == "base64" else limits.payload + ALLOWANCE


def arriving(content_type: str, limits: Limits) -> Multipart | None:
    """Return what keeps the limits of a message's parts while it arrives; None if it is not in parts.

    Raises Malformed (`soap.multipart`).  Whether the Content-Type is one at all is seen when the message is read.
    """
    try:
        kind = media_type(content_type)
    except Malformed:
        return None
    return Multipart(kind.get("boundary"), partial(room, limits)) if kind.name == PARTED else None


def around(limits: Limits) -> Limits:
    """Return the caps for an envelope whose document stays below `limits`: parse asks again of the document."""
    return Limits(
        payload=largest(limits),
        depth=limits.depth + 8,
        elements=limits.elements + 1_000,
        attributes=limits.attributes,
        namespaces=limits.namespaces + 16,
        scope=limits.scope * 4,
        naming=limits.naming * 4,
        markup=limits.markup + 10_000_000,
    )


def announced(content_type: str) -> Version:
    """Return the version of SOAP to answer in while the message itself has not told."""
    return SOAP12 if SOAP12.media_type in content_type.lower() else SOAP11


@dataclass(slots=True, kw_only=True)
class _Answering:
    """What is known of the answer while a message is being read: each as soon as it is known."""

    version: Version
    partner: Partner | None = None  # who was proven to send: by TLS at first, then by all that was shown
    shown: list[Credential]  # what was proven, whosever it may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A service, ready to answer.  May be called by many threads."""

    service: Service
    channel: str
    limits: Limits
    accept: Accept
    gate: Gate = field(default_factory=Gate)
    turns: Turns = field(default_factory=Turns)
    notes: Notes = field(default_factory=lambda: Notes("", time.monotonic))
    sign: Callable[[Version, bytes], bytes] | None = None  # signs an answer

    def answer(self, request: Request) -> tuple[Response, Partner | None]:
        """Answer a message, and tell who was proven to have sent it.

        No exception leaves here: a bug of ours is a fault that says so.
        """
        holders = self.gate.holders(request.key)
        partner = holders[0] if len(holders) == 1 else None
        shown = [Credential(proof=Proof.TLS, key=request.key)] if request.key else []
        about = _Answering(version=announced(request.content_type), partner=partner, shown=shown)
        answer = self._answer(request, about)
        if about.partner is not None and about.partner.sign_replies:
            answer = self._signed(answer, about)
        return answer, about.partner

    def _signed(self, answer: Response, about: _Answering) -> Response:
        if self.sign is None:
            if self.gate.proofs:  # the partner has asked for it since the channel was opened
                log.error("soap.unsigned-answer", channel=self.channel)
            return answer
        try:
            return replace(answer, body=self.sign(about.version, answer.body))
        except Exception as bug:  # noqa: BLE001 - as above
            report(bug, self.channel)
            return faults.internal(about.version)

    def _answer(self, request: Request, about: _Answering) -> Response:
        try:
            try:
                with ExitStack() as turn:
                    work = self._read(request, about, turn)
                    body = soap.write(about.version, work())
                return Response(status=200, content_type=soap.content_type(about.version), body=body)
            except Rejection as no:
                refused.tell(no, about.shown, self.gate.partners(), self.notes, service=self.service.name)
                return faults.refusal(no, about.version)
            except Unavailable as away:
                refused.put_off(away, about.shown, self.gate.partners(), self.notes)
                return faults.later(away, about.version)
        except Exception as bug:  # noqa: BLE001 - whatever it is, the sender must learn that nothing was taken
            report(bug, self.channel)
            return faults.internal(about.version)

    def _read(self, request: Request, about: _Answering, turn: ExitStack) -> Work:
        """Read a message and let go of it; its partner's turn is held by `turn` until the work is done."""
        message, parts, kind = self._open(request)
        about.version = message.version
        soap.demand_brief(message, ALLOWANCE)
        if kind.name != message.version.media_type:
            raise Malformed("soap.content-type", place="Content-Type")
        operation = self.service.operations.get("" if message.body is None else str(message.body.tag))
        if operation is None:
            raise Malformed("soap.unknown-operation", place="/Envelope/Body")
        action = (request.action if message.version is SOAP11 else kind.get("action")).strip().strip('"')
        if action not in {"", operation.action}:
            raise Malformed("soap.wrong-action", place="SOAPAction", facts={"expected": operation.action})
        soap.demand_understood(message, _UNDERSTOOD | operation.headers)
        sender = self._judge(operation, message, parts, request, about)
        about.partner = sender.partner
        if sender.partner is not None:
            turn.enter_context(self.turns.of(sender.partner))
        work = operation.read(
            Call(
                message=message,
                parts=parts,
                sender=sender,
                channel=self.channel,
                received_at=request.received_at,
                accept=self.accept,
            )
        )
        parts.demand_none_left()
        return work

    def _judge(
        self, operation: Operation, message: Message, parts: Parts, request: Request, about: _Answering
    ) -> Sender:
        """Return who sends.  A signature that is there must hold, even where it is not asked for."""
        at = request.received_at

        def meet(credential: Credential) -> None:
            about.shown.append(credential)
            self.gate.meet(credential)

        secured = wss.read(message, at, parts=parts, known=lambda: self.gate.partners().certificates, meet=meet)
        believed = [block for block in message.headers if block.tag in operation.headers | _READ]
        return self.gate.judge(operation.claims(message), request.key, secured, believed, at)

    def _open(self, request: Request) -> tuple[Message, Parts, MediaType]:
        """Take the wrapping off: multipart if it is, then the envelope."""
        kind = media_type(request.content_type)
        parts = Parts()
        body = request.take()
        if kind.name == PARTED:
            package = unpack(body, kind, request.parts)
            body, kind, parts = package.envelope, package.type, package.parts
        if kind.name not in {SOAP11.media_type, SOAP12.media_type}:
            raise Malformed("soap.content-type", place="Content-Type")
        _demand_charset(kind.get("charset").lower(), body)
        if len(body) > OPENING:
            soap.demand_opened(body[:OPENING], ALLOWANCE)
        return soap.read(body, around(self.limits)), parts, kind


def report(bug: Exception, channel: str) -> None:
    """Log a bug by its kind and its place in the code: its text might quote a document."""
    frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(bug.__traceback__)[-8:]]
    log.error("soap.bug", channel=channel, error=type(bug).__name__, frames=frames)


def _demand_charset(charset: str, body: bytes) -> None:
    """Raise Malformed if the charset of the Content-Type and the encoding that the XML names disagree.

    HTTP's word would win (RFC 7303 §3), but the parser goes by the XML's: so there must be no difference.
    """
    declared = _DECLARED.match(body.removeprefix(b"\xef\xbb\xbf")[:200])
    own = declared[1].decode().lower() if declared else "utf-8"
    if charset.startswith("utf-16") or charset in {"", own} or (charset == "us-ascii" and own == "utf-8"):
        return
    raise Malformed("soap.charset", place="Content-Type")
