"""AMQP messages as Goniec reads and writes them on the way in: headers, properties, bodies; no connection.

A message to Goniec: the body is the document, byte for byte.  Properties: `message_id` (the sender's, unique among
its messages), `reply_to` (a queue for the answer), `correlation_id` (comes back with it), `user_id` (the sender's
user, which RabbitMQ has checked: by it partners prove who they are).  Headers: `sender`; `box`, `ade` or `teryt`;
`file-name`, `reply-to` (the *box* for the office's answer), `case`, `in-reply-to`; `trial`.  No other is sent on.

An answer goes to the queue `reply_to` with the message's `correlation_id` (or else its `message_id`).  A receipt:
header `kind` = `receipt`, `submission`, `receipt` (its id), `issued-at`, `answer`; the body is the UPP, or empty
where the box gives a status only.  A refusal: `kind` = `refusal`, `code`, `number`, `place`, `text-pl`, `text-en`,
`hint-pl`, `hint-en`; the body is the sealed NPP (application/xml) for a partner that asked for it, else the same
and the single flaws as JSON (application/json).

A refused message is put aside with the headers above and its body as they came, and `goniec-code`, `goniec-place`,
`goniec-text-pl`, `goniec-text-en`, `goniec-at`, `goniec-channel` (and `goniec-user-id`, where RabbitMQ had vouched for
one) among its headers.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pika import data
from pika.exceptions import AMQPError
from pika.spec import BasicProperties

from adapters.wire.amqp import HEADERS, PERSISTENT
from broker.errors import Malformed, Rejection, Unauthorised
from broker.model import Address, Answer, Envelope, Receipt
from broker.partner import Credential, Partners, Proof
from broker.texts import TEXTS, explain, hint

HEADERS_READ: Final = ("sender", "box", "ade", "teryt", "file-name", "reply-to", "case", "in-reply-to", "trial")
DIRECT: Final = "amq.rabbitmq.reply-to"  # what a sender writes into `reply_to` to be answered on its own connection
LONGEST: Final = 1000  # characters of one header's value, in and out
_WORDS: Final = {"true": True, "false": False}
_CONTROL: Final = frozenset({*range(32), 127})
APPLICATION: Final = "goniec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What RabbitMQ handed over."""

    tag: int
    properties: BasicProperties
    body: bytes
    at: datetime  # when its last byte had arrived
    redelivered: bool  # RabbitMQ has handed it out before

    @property
    def headers(self) -> Mapping[str, Any]:
        """Its headers; empty if it has none."""
        return self.properties.headers or {}

    @property
    def digest(self) -> str:
        """SHA-256 of its body, hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def key(self) -> bytes:
        """What the message is known by when it comes again; costs a digest of it."""
        return hashlib.sha256(repr(self.properties.message_id).encode() + self.body).digest()

    @property
    def reply_to(self) -> str:
        """The queue for its answer, "" if it names none; raise Malformed (`amqp.header`) if that is no text."""
        return _text({"reply_to": self.properties.reply_to}, "reply_to")

    @property
    def times(self) -> int:
        """How often it was handed out before, by the count of its quorum queue (from version 4 there are two).

        RabbitMQ writes its own over a sender's when it hands a message out again; at first a sender's would stand.
        """
        if not self.redelivered:
            return 0
        counts = (self.headers.get(name, 0) for name in ("x-delivery-count", "x-acquired-count"))
        return max(count if isinstance(count, int) else 0 for count in counts)


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────


def envelope_of(message: Message, *, channel: str, partners: Partners | None) -> Envelope:
    """Read a message; raise Malformed (`amqp.no-sender`, `amqp.header`), or Unauthorised (`partner.…`).

    `partners` are those among whom the sender must prove to be; without them it is believed.  A message that is too
    large is an envelope too: it is refused in intake by its length, and that is recorded.
    """
    headers, _ = message.headers, message.reply_to
    return Envelope(
        channel=channel,
        sender=_believed(message) if partners is None else _proven(message, partners),
        proof=Proof.NONE if partners is None else Proof.AMQP_USER,
        received_at=message.at,
        payload=message.body,
        to=Address(box=_text(headers, "box"), ade=_text(headers, "ade"), teryt=_text(headers, "teryt")),
        message_id=_text({"message_id": message.properties.message_id}, "message_id"),
        reply_to=_text(headers, "reply-to"),
        file_name=_text(headers, "file-name"),
        trial=_truth(headers, "trial"),
        case=_text(headers, "case"),
        in_reply_to=_text(headers, "in-reply-to"),
    )


def _believed(message: Message) -> str:
    sender = _text(message.headers, "sender")
    if not sender:
        raise Malformed("amqp.no-sender", place="sender")
    return sender


def _proven(message: Message, partners: Partners) -> str:
    """Return the partner to whom the user belongs; one that has a user for itself need not say its name."""
    sender, credentials = _text(message.headers, "sender"), _credentials(message)
    holders = [holder for credential in credentials for holder in partners.of(credential)]
    if not sender and len(holders) == 1:
        sender = holders[0].id
    partner = partners.identify(sender, credentials, message.at)
    queue = message.reply_to
    if queue and not partner.may_listen(queue):
        raise Unauthorised("partner.reply-queue", place="reply_to", facts={"queue": queue})
    return sender


def answerable(message: Message, partners: Partners | None) -> bool:
    """Whether an answer may go where the message wants it, whatever it says: to a queue of its user's own.

    A stranger could otherwise have us write into anybody's queue.
    """
    try:
        queue = message.reply_to
    except Malformed:
        return False
    if not queue or partners is None:
        return bool(queue)
    return any(holder.may_listen(queue) for one in _credentials(message) for holder in partners.of(one))


def is_partners(message: Message, partners: Partners | None) -> bool:
    """Whether its user, whom RabbitMQ vouches for, is a partner's."""
    return partners is not None and any(partners.of(one) for one in _credentials(message))


def _credentials(message: Message) -> list[Credential]:
    user = message.properties.user_id
    return [Credential(proof=Proof.AMQP_USER, key=user)] if user else []


def _text(headers: Mapping[str, Any], name: str) -> str:
    value = headers.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST or any(ord(letter) in _CONTROL for letter in value):
        raise _bad(name)
    return value


def _truth(headers: Mapping[str, Any], name: str) -> bool:
    value = headers.get(name, False)
    if isinstance(value, str):
        value = _WORDS.get(value)
    if not isinstance(value, bool):
        raise _bad(name)
    return value


def _bad(name: str) -> Malformed:
    return Malformed("amqp.header", place=name, facts={"name": name})


# ── what goes ────────────────────────────────────────────────────────────────────────────────────────────


def receipt_reply(message: Message, receipt: Receipt) -> tuple[bytes, BasicProperties]:
    """Return body and properties of the answer to an accepted message."""
    headers = {
        "kind": "receipt",
        "submission": receipt.submission,
        "receipt": receipt.id,
        "issued-at": _moment(receipt.issued_at),
        "answer": receipt.answer.value,
    }
    body = receipt.xml if receipt.answer is Answer.UPP else b""
    return body, _reply(message, headers, "application/xml")


def refusal_reply(message: Message, no: Rejection) -> tuple[bytes, BasicProperties]:
    """Return body and properties of the answer to a refused message."""
    headers = {
        "kind": "refusal",
        "code": no.code,
        "number": TEXTS[no.code].number,
        "place": no.place,
        "text-pl": explain(no, "pl"),
        "text-en": explain(no, "en"),
        "hint-pl": hint(no.code, "pl"),
        "hint-en": hint(no.code, "en"),
    }
    if no.negative_receipt is not None:
        return no.negative_receipt, _reply(message, headers, "application/xml")
    flaws = [{"path": flaw.path, "line": flaw.line, "message": flaw.message} for flaw in no.flaws]
    body = json.dumps({**headers, "flaws": flaws}, ensure_ascii=False).encode()
    return body, _reply(message, headers, "application/json")


def dead_letter(message: Message, no: Rejection, *, channel: str, at: datetime) -> BasicProperties:
    """Return the properties with which a message is put aside: its own, and why.

    Its time to live is left out, so that it stays until someone has looked at it; its user is told in a header,
    for RabbitMQ takes a `user_id` from that user alone.  Of its headers none is sent on but those that we read: by
    others RabbitMQ would route (`CC`, `BCC`: sender-selected distribution), and with our rights, wherever a stranger
    likes.  Nor is a `reply_to` that RabbitMQ takes from those alone who wait for answers.
    """
    given = message.properties
    reason = {
        "goniec-code": no.code,
        "goniec-place": no.place,
        "goniec-text-pl": explain(no, "pl"),
        "goniec-text-en": explain(no, "en"),
        "goniec-at": _moment(at),
        "goniec-channel": channel,
    }
    if given.user_id:
        reason["goniec-user-id"] = given.user_id
    own = {name: message.headers[name] for name in HEADERS_READ if name in message.headers}
    if not _fits(own):
        own, reason["goniec-headers"] = {}, "dropped: they cannot be sent on"
    return BasicProperties(
        content_type=given.content_type,
        content_encoding=given.content_encoding,
        delivery_mode=PERSISTENT,
        correlation_id=given.correlation_id,
        reply_to=None if given.reply_to == DIRECT else given.reply_to,
        message_id=given.message_id,
        app_id=given.app_id,
        headers={**own, **_cut(reason)},
    )


def _reply(message: Message, headers: Mapping[str, Any], content_type: str) -> BasicProperties:
    given = message.properties
    return BasicProperties(
        content_type=content_type,
        delivery_mode=PERSISTENT,
        correlation_id=given.correlation_id or given.message_id,
        app_id=APPLICATION,
        headers=_cut(headers),
    )


def _cut(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[:LONGEST] if isinstance(value, str) else value for name, value in headers.items()}


def _fits(headers: Mapping[str, Any]) -> bool:
    """Tell whether headers that RabbitMQ handed to us can be handed back beside a reason of ours."""
    try:
        return int(data.encode_table([], dict(headers))) <= HEADERS // 2
    except (AMQPError, ValueError, TypeError, ArithmeticError, struct.error):
        return False


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
