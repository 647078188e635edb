"""What is to be sent for a message before it may be acknowledged: its answer, and a copy of what is put aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pika.spec import BasicProperties

from adapters.channels.amqp_messages import Message, answerable, dead_letter, receipt_reply, refusal_reply
from broker.errors import Malformed, Rejection
from broker.model import Receipt
from broker.partner import Partners

_DIRECT: Final = "amq.rabbitmq.reply-to."


@dataclass(frozen=True, slots=True)
class Post:
    """A message to send before another may be acknowledged."""

    queue: str
    body: bytes
    properties: BasicProperties
    needed: bool  # if no queue takes it: hold on to the other message

    @property
    def direct(self) -> bool:
        """Whether it goes to a connection and not into a queue (RabbitMQ's direct reply-to)."""
        return self.queue.startswith(_DIRECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """Writes them, for one channel."""

    channel: str
    dead_letters: str  # the queue of what was refused
    quarantine: str  # the queue of what was redelivered too often
    partners: Callable[[], Partners | None]

    def receipt(self, message: Message, receipt: Receipt) -> list[Post]:
        """Return what an accepted message asks for."""
        return self._answer(message, *receipt_reply(message, receipt))

    def refusal(self, message: Message, no: Rejection) -> list[Post]:
        """Return what a refused message asks for."""
        return [self._aside(message, no, self.dead_letters), *self._answer(message, *refusal_reply(message, no))]

    def poison(self, message: Message) -> list[Post]:
        """Return what a message asks for that came too often."""
        no = Malformed("amqp.redelivered", facts={"times": str(message.times)})
        return [self._aside(message, no, self.quarantine)]

    def _answer(self, message: Message, body: bytes, properties: BasicProperties) -> list[Post]:
        if not answerable(message, self.partners()):
            return []
        return [Post(message.reply_to, body, properties, needed=False)]

    def _aside(self, message: Message, no: Rejection, queue: str) -> Post:
        properties = dead_letter(message, no, channel=self.channel, at=message.at)
        return Post(queue, message.body, properties, needed=True)
