"""What is to be sent for a message before it may be acknowledged: its answer, and a copy of what is put aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import structlog
from pika.spec import BasicProperties

from adapters.channels.amqp_messages import (
    DIRECT,
    Message,
    answerable,
    dead_letter,
    is_partners,
    receipt_reply,
    refusal_reply,
)
from adapters.channels.amqp_settings import AmqpChannelSettings
from adapters.wire.notes import Notes
from broker.errors import Malformed, Rejection
from broker.model import Receipt
from broker.partner import Partners

log = structlog.get_logger(__name__)


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
        return self.queue.startswith(f"{DIRECT}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """Writes them, for one channel."""

    channel: str
    dead_letters: str  # the queue of what was refused
    quarantine: str  # the queue of what was redelivered too often
    partners: Callable[[], Partners | None]
    notes: Notes

    @classmethod
    def of(cls, channel: str, settings: AmqpChannelSettings, partners: Callable[[], Partners | None]) -> Posts:
        """Return them for a channel."""
        return cls(
            channel=channel,
            dead_letters=settings.dead_letters or f"{settings.queue}.dead-letters",
            quarantine=settings.quarantine or f"{settings.queue}.quarantine",
            partners=partners,
            notes=Notes(channel, monotonic),
        )

    def receipt(self, message: Message, receipt: Receipt) -> list[Post]:
        """Return what an accepted message asks for."""
        return self._answer(message, *receipt_reply(message, receipt))

    def refusal(self, message: Message, no: Rejection) -> list[Post]:
        """Return what a refused message asks for, and log that it was refused.

        As over SOAP: every refusal of a partner is written, and a few a minute of others.
        """
        counted = self._counted(message, "refusals")
        log.info("channel.refused", channel=self.channel, code=no.code, place=no.place, counted=counted)
        return [self._aside(message, no, self.dead_letters), *self._answer(message, *refusal_reply(message, no))]

    def poison(self, message: Message) -> list[Post]:
        """Return what a message asks for that came too often, and log, likewise, that it is put into quarantine."""
        counted = self._counted(message, "quarantined")
        log.error("channel.quarantined", channel=self.channel, times=message.times, counted=counted)
        no = Malformed("amqp.redelivered", facts={"times": str(message.times)})
        return [self._aside(message, no, self.quarantine)]

    def unanswered(self, message: Message) -> None:
        """Log, likewise, that nobody takes a message's answer."""
        log.warning("channel.reply-unroutable", channel=self.channel, counted=self._counted(message, "answers"))

    def tell_what_was_left_out(self) -> None:
        """Log how many of each were not written, once their minute is over."""
        for what, more in self.notes.left_out().items():
            log.warning("channel.many", channel=self.channel, what=what, more=more)

    def _counted(self, message: Message, what: str) -> bool:
        """Whether an event is only counted: a stranger's, and there have been many."""
        return not (is_partners(message, self.partners()) or self.notes.may_say(what))

    def _answer(self, message: Message, body: bytes, properties: BasicProperties) -> list[Post]:
        if not answerable(message, self.partners()):
            return []
        return [Post(message.reply_to, body, properties, needed=False)]

    def _aside(self, message: Message, no: Rejection, queue: str) -> Post:
        properties = dead_letter(message, no, channel=self.channel, at=message.at)
        return Post(queue, message.body, properties, needed=True)
