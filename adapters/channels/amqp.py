"""The AMQP way in: a durable queue in, an answer to `reply_to` out.

A message is acknowledged only when RabbitMQ has told the fate of its answer, and of a refused message also confirmed
its copy in the dead-letter queue, and that is after intake has committed.  Whatever happens before, RabbitMQ hands
the message out again, and intake knows a repeat.  What the messages look like: `adapters/channels/amqp_messages.py`.

One thread drives the line; as many as `workers` others are in intake, each with one message.  A message that must
wait for a reason of its own is held aside, unacknowledged, and tried again when its wait is over.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from threading import Event
from time import monotonic
from typing import Final, Literal

import pika
import structlog
from pika.spec import Basic, BasicProperties
from pydantic import Field

from adapters.channels.amqp_messages import (
    Message,
    answerable,
    dead_letter,
    envelope_of,
    receipt_reply,
    refusal_reply,
)
from adapters.wire.amqp import QUORUM, Fate, Line, connect
from adapters.wire.amqp_address import AmqpAddress
from adapters.wire.kind import Kind, Surroundings
from adapters.wire.reach import on_loopback
from broker.errors import ConfigError, Malformed, NotYet, Rejection, Unavailable
from broker.model import Envelope
from broker.partner import Partners
from broker.ports import Accept, Channel
from broker.retry import RetryPolicy

log = structlog.get_logger(__name__)

_GLANCE: Final = 0.2  # seconds between two looks at `stop`
_REMEMBERED: Final = 10_000  # messages handed back: more are never in one outage of ours by far


class AmqpChannelSettings(AmqpAddress):
    """Where the queue is, and how it is emptied.  Durations are seconds or ISO 8601."""

    queue: str = "goniec.in"
    dead_letters: str = ""  # <queue>.dead-letters unless named: what was refused
    quarantine: str = ""  # <queue>.quarantine unless named: what was redelivered too often
    declare_queues: bool = True  # make the three queues; if not, they must be there
    workers: int = Field(default=8, ge=1, le=64)  # messages in intake at the same time
    # Messages held beside them that must wait for a reason of their own: their sender is too fast, or an authority has
    # not answered.  With more, all others wait until one of them may go on.
    aside: int = Field(default=24, ge=0, le=1_000)
    redeliveries: int = Field(default=20, ge=1)  # more of them, and a message is put into quarantine
    first_wait: timedelta = timedelta(seconds=1)  # when intake is away and names no wait; doubling up to:
    longest_wait: timedelta = timedelta(minutes=5)
    deadline: timedelta = timedelta(seconds=15)  # for connecting, and for each answer of RabbitMQ
    # How senders prove who they are: by the `user_id` that RabbitMQ has checked.  Without it they are believed, and
    # then RabbitMQ must be on this machine.  A user of RabbitMQ with the tag `impersonator` is believed on its word.
    proof: tuple[Literal["amqp-user"], ...] = ()


@dataclass(slots=True)
class _Health:
    """What is known of intake, from one line to the next, and how to tell a poisonous message from an outage.

    RabbitMQ counts every return of a message, also those in which intake was away and we handed it back.  Those
    are forgiven: by our own count (`returned`), and all of them while `outage` holds, because the other nodes are
    handing back too.  What is left are the times a message ended its worker, or met a bug.
    """

    failures: int = 0  # in a row: the next wait grows with them
    outage: bool = False  # the last word of intake was Unavailable
    returned: Counter[bytes] = field(default_factory=Counter)  # by `Message.key`

    def poisonous(self, message: Message, limit: int) -> bool:
        """Tell whether a message has come too often for a reason of its own."""
        return message.times > limit and not self.outage and message.times - self.returned[message.key] > limit

    def hand_back(self, message: Message) -> None:
        """Note that a message goes back to its queue by our will."""
        if len(self.returned) >= _REMEMBERED:
            self.returned.clear()
        self.returned[message.key] += 1

    def well(self, message: Message) -> None:
        """Note that a message was seen to its end."""
        self.failures, self.outage = 0, False
        if message.times:
            del self.returned[message.key]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpChannel:
    """A Channel.  Use `KIND.make`."""

    name: str
    settings: AmqpChannelSettings
    around: Surroundings

    def serve(self, accept: Accept, stop: Event) -> None:
        """See `broker.ports.Channel`.  A line that falls later is opened again here, after a growing wait."""
        health, opened = _Health(), False
        policy = RetryPolicy(first=self.settings.first_wait, longest=self.settings.longest_wait)
        with ThreadPoolExecutor(self.settings.workers, thread_name_prefix=self.name) as pool:
            while not stop.is_set():
                wait: timedelta | None = None
                try:
                    line = connect(self._parameters(), monotonic() + self.settings.deadline.total_seconds())
                    try:
                        session = _Session(self, line, accept, pool, health)
                        session.open()
                        opened = True
                        wait = session.run(stop)
                    finally:
                        line.close()
                except Unavailable as away:
                    if not opened:
                        raise
                    health.failures += 1
                    log.warning("channel.line-lost", channel=self.name, reason=away.reason)
                if not stop.is_set():
                    wait = wait or policy.wait(health.failures, random.random())  # noqa: S311 - spreads load only
                    log.warning("channel.paused", channel=self.name, seconds=round(wait.total_seconds(), 3))
                    stop.wait(wait.total_seconds())

    def _parameters(self) -> pika.connection.Parameters:
        return self.settings.parameters(self.around.folder, name=f"goniec channel {self.name}")

    def partners(self) -> Partners | None:
        """Those among whom senders must prove to be, as they are now; None if senders are believed."""
        return self.around.partners() if self.settings.proof else None

    @property
    def dead_letters(self) -> str:
        """The queue of what was refused."""
        return self.settings.dead_letters or f"{self.settings.queue}.dead-letters"

    @property
    def quarantine(self) -> str:
        """The queue of what was redelivered too often."""
        return self.settings.quarantine or f"{self.settings.queue}.quarantine"


class _Session:
    """The life of one line: messages come, go through intake, and are settled.  All but `_take_in` on its thread."""

    def __init__(self, of: AmqpChannel, line: Line, accept: Accept, pool: Executor, health: _Health) -> None:
        self._of, self._line, self._accept, self._pool, self._health = of, line, accept, pool, health
        self._consumer = ""
        self._open = 0  # messages neither acknowledged nor given up
        self._aside_until: dict[int, tuple[float, Message]] = {}  # by tag: those that must wait by themselves
        self._away: Exception | None = None  # why no more are taken

    def open(self) -> None:
        """See to the queues and start to consume.  Raises Unavailable."""
        it, channel = self._of.settings, self._line.channel
        for queue in (it.queue, self._of.dead_letters, self._of.quarantine):
            self._line.ask(
                channel.queue_declare,
                self._by(),
                queue=queue,
                durable=True,
                passive=not it.declare_queues,
                arguments=QUORUM if it.declare_queues else None,
            )
        self._consumer = self._line.consume(it.queue, it.workers + it.aside, self._taken, self._by())
        log.info("channel.open", channel=self._of.name, queue=it.queue)

    def run(self, stop: Event) -> timedelta | None:
        """Take messages until `stop` is set or intake is away, then see what is under way to its end.

        Returns the wait that intake asked for, if it did.  What is then not acknowledged goes back to the queue
        with the line.  Raises Unavailable when the line falls.
        """
        try:
            self._drive(lambda: stop.is_set() or self._away is not None)
            self._away = self._away or Unavailable("the channel is closing")  # takes no more, whatever still comes
            self._line.cancel(self._consumer, self._by())
            self._drive(lambda: self._open == 0)
        finally:
            for _, message in self._aside_until.values():
                self._health.hand_back(message)
        return self._away.retry_after if isinstance(self._away, Unavailable) else None

    def _drive(self, until: Callable[[], bool]) -> None:
        while not self._line.drive(until, monotonic() + _GLANCE):
            self._line.insist(self._of.settings.deadline.total_seconds())
            self._go_on()

    def _by(self) -> float:
        return monotonic() + self._of.settings.deadline.total_seconds()

    # ── a message's way ──────────────────────────────────────────────────────────────────────────────────

    def _taken(self, deliver: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        message = Message(tag=deliver.delivery_tag, properties=properties, body=body, at=self._of.around.clock())
        if self._away is not None:
            self._health.hand_back(message)
            return
        self._open += 1
        if self._health.poisonous(message, self._of.settings.redeliveries):
            no = Malformed("amqp.redelivered", facts={"times": str(message.times)})
            log.error("channel.quarantined", channel=self._of.name, times=message.times)
            self._settle(message, [self._aside(message, no, self._of.quarantine)])
            return
        self._begin(message)

    def _begin(self, message: Message) -> None:
        try:
            envelope = envelope_of(message, channel=self._of.name, partners=self._of.partners())
        except Rejection as no:
            self._settle(message, self._refusal(message, no))
        else:
            self._pool.submit(self._take_in, message, envelope)

    def _take_in(self, message: Message, envelope: Envelope) -> None:
        """Ask intake, on a thread of the pool, and hand what comes of it to the line's thread."""
        then: Callable[[], None]
        try:
            then = partial(self._settle, message, self._answer(message, envelope))
        except NotYet as waits:
            then = partial(self._put_aside, message, waits)
        except Unavailable as away:
            then = partial(self._give_up, message, away)
        except Exception as bug:  # nothing was acknowledged: the message is safe in its queue
            log.exception("channel.intake-bug", channel=self._of.name, sha256=envelope.digest)
            then = partial(self._give_up, message, bug)
        self._line.hand(then)

    def _answer(self, message: Message, envelope: Envelope) -> list[_Post]:
        try:
            receipt = self._accept(envelope)
        except Rejection as no:
            return self._refusal(message, no)
        return self._reply(message, *receipt_reply(message, receipt))

    def _refusal(self, message: Message, no: Rejection) -> list[_Post]:
        log.info("channel.refused", channel=self._of.name, code=no.code, place=no.place)
        return [self._aside(message, no, self._of.dead_letters), *self._reply(message, *refusal_reply(message, no))]

    def _reply(self, message: Message, body: bytes, properties: BasicProperties) -> list[_Post]:
        if not answerable(message, self._of.partners()):
            return []
        return [_Post(message.properties.reply_to, body, properties, needed=False)]

    def _aside(self, message: Message, no: Rejection, queue: str) -> _Post:
        properties = dead_letter(message, no, channel=self._of.name, at=message.at)
        return _Post(queue, message.body, properties, needed=True)

    # ── settling ─────────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, message: Message, posts: list[_Post]) -> None:
        """Send what is to be sent; acknowledge the message when all of it is confirmed."""
        waiting = len(posts)
        failed: list[Unavailable] = []

        def told(post: _Post, fate: Fate) -> None:
            nonlocal waiting
            waiting -= 1
            if fate is not Fate.CONFIRMED and not post.needed:
                # Whoever asked is gone, or lets his queue run full: his answer must not hold up everybody's messages.
                log.warning("channel.reply-unroutable", channel=self._of.name)
            elif fate is not Fate.CONFIRMED:
                failed.append(Unavailable(f"RabbitMQ {fate.value} a message for {post.queue}"))
            if waiting == 0:
                finish()

        def finish() -> None:
            if failed:
                self._give_up(message, failed[0])
                return
            self._line.acknowledge(message.tag)
            self._open -= 1
            self._health.well(message)

        for post in posts:
            self._line.publish("", post.queue, post.body, post.properties, partial(told, post))
        if not posts:
            finish()

    def _put_aside(self, message: Message, waits: NotYet) -> None:
        """Leave a message unacknowledged and try it again later; others pass it."""
        self._open -= 1
        wait = waits.retry_after or self._of.settings.first_wait
        self._aside_until[message.tag] = (monotonic() + wait.total_seconds(), message)
        log.info("channel.aside", channel=self._of.name, reason=waits.reason, wait=wait.total_seconds())

    def _go_on(self) -> None:
        """Try again those whose wait is over, as if they had come now."""
        if self._away is not None:
            return
        now = monotonic()
        for tag in [tag for tag, (until, _) in self._aside_until.items() if until <= now]:
            _, message = self._aside_until.pop(tag)
            self._open += 1
            self._begin(replace(message, at=self._of.around.clock()))

    def _give_up(self, message: Message, why: Exception) -> None:
        """Leave a message unacknowledged, and take no more for a while."""
        self._open -= 1
        self._health.outage = isinstance(why, Unavailable)
        if self._health.outage:
            self._health.hand_back(message)
        if self._away is None:
            self._away = why
            self._health.failures += 1
            log.warning("channel.away", channel=self._of.name, reason=str(why))


@dataclass(frozen=True, slots=True)
class _Post:
    """A message to send before another may be acknowledged."""

    queue: str
    body: bytes
    properties: BasicProperties
    needed: bool  # if no queue takes it: hold on to the other message


def make(settings: AmqpChannelSettings, around: Surroundings) -> Channel:
    """Make the channel; raise ConfigError.  Opens no connection."""
    channel = AmqpChannel(name=around.name, settings=settings, around=around)
    parameters = channel._parameters()  # noqa: SLF001 - the same file
    if not on_loopback(parameters.host):
        wrong = []
        if not settings.proof:
            wrong.append('proof: must be ["amqp-user"] when RabbitMQ is not on this machine: senders must be known')
        if parameters.ssl_options is None:
            wrong.append("url: must begin with amqps:// when RabbitMQ is not on this machine")
        if wrong:
            raise ConfigError(wrong)
    return channel


KIND: Kind[Channel] = Kind(settings=AmqpChannelSettings, make=make)
