"""The AMQP way in: a durable queue in, an answer to `reply_to` out.

A message is acknowledged only when RabbitMQ has told the fate of its answer, and of a refused message also confirmed
its copy in the dead-letter queue, and that is after intake has committed.  Whatever happens before, RabbitMQ hands
the message out again, and intake knows a repeat.  What the messages look like: `adapters/channels/amqp_messages.py`.

One thread drives the line; as many as `workers` others are in intake, each with one message.  A message that must
wait for a reason of its own is held aside, unacknowledged, and tried again when its wait is over; of a large one
nothing is held but its tag, and RabbitMQ hands it out again.

Memory: RabbitMQ sends as many messages as there are places, however large they are.  So there are as many places as
workers, and more only while messages are aside; and of large messages only some bytes are in intake at once.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from threading import Event
from time import monotonic
from typing import Final

import pika
import structlog
from pika.spec import Basic, BasicProperties

from adapters.channels.amqp_health import Health
from adapters.channels.amqp_messages import Message, envelope_of
from adapters.channels.amqp_posts import Post, Posts
from adapters.channels.amqp_replies import Replies
from adapters.channels.amqp_settings import AmqpChannelSettings, problems
from adapters.wire.amqp import QUORUM, Fate, Line, connect
from adapters.wire.kind import Kind, Surroundings
from adapters.wire.weight import SMALL, Scales
from broker.errors import ConfigError, NotYet, Rejection, Unavailable
from broker.model import Envelope
from broker.partner import Partners
from broker.ports import Accept, Channel

log = structlog.get_logger(__name__)

_GLANCE: Final = 0.2  # seconds between two looks at `stop`
_STEP: Final = 8  # places for messages that take the place of so many held aside


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpChannel:
    """A Channel.  Use `KIND.make`."""

    name: str
    settings: AmqpChannelSettings
    around: Surroundings
    ready: Event = field(default_factory=Event)  # set while RabbitMQ can be reached: also while intake puts us off

    def serve(self, accept: Accept, stop: Event) -> None:
        """See `broker.ports.Channel`.  A line that falls later is opened again here, after a growing wait."""
        health, opened, scales = Health(), False, Scales(self.settings.large)
        with (
            ThreadPoolExecutor(self.settings.workers, thread_name_prefix=self.name) as pool,
            Replies(self._dial, self.name, self.settings.deadline.total_seconds()) as replies,
        ):
            posts = Posts.of(self.name, self.settings, self.partners)
            while not stop.is_set():
                wait: timedelta | None = None
                try:
                    line = self._dial()
                    try:
                        session = _Session(
                            self, line, accept, pool, health, scales=scales, posts=posts, replies=replies
                        )
                        session.open()
                        opened = True
                        wait = session.run(stop)
                    finally:
                        line.close()
                except Unavailable as away:
                    self.ready.clear()
                    if not opened:
                        raise
                    health.failures += 1
                    log.warning("channel.line-lost", channel=self.name, reason=away.reason)
                if not stop.is_set():
                    wait = wait or self.settings.retry.wait(health.failures, random.random())  # noqa: S311 - spreads load only
                    log.warning("channel.paused", channel=self.name, seconds=round(wait.total_seconds(), 3))
                    stop.wait(wait.total_seconds())
        self.ready.clear()

    def _parameters(self) -> pika.connection.Parameters:
        return self.settings.parameters(self.around.folder, name=f"goniec channel {self.name}")

    def _dial(self) -> Line:
        return connect(self._parameters(), monotonic() + self.settings.deadline.total_seconds())

    def partners(self) -> Partners | None:
        """Those among whom senders must prove to be, as they are now; None if senders are believed."""
        return self.around.partners() if self.settings.proof else None


class _Session:
    """The life of one line: messages come, go through intake, and are settled.  All but `_take_in` on its thread."""

    def __init__(
        self,
        of: AmqpChannel,
        line: Line,
        accept: Accept,
        pool: Executor,
        health: Health,
        *,
        scales: Scales,
        posts: Posts,
        replies: Replies,
    ) -> None:
        self._of, self._line, self._accept, self._pool, self._health = of, line, accept, pool, health
        self._posts, self._replies = posts, replies
        self._consumers: list[str] = []  # the first has a place for each worker, the others are for what is aside
        self._open = 0  # messages neither acknowledged nor given up
        # By tag, those that must wait by themselves: until when, and what they are unless that would be too large.
        self._aside_until: dict[int, tuple[float, Message | None]] = {}
        self._scales = scales
        self._heavy: deque[tuple[Message, Envelope]] = deque()  # large ones that wait for their turn
        self._away: Unavailable | None = None  # why no more are taken

    def open(self) -> None:
        """See to the queues and start to consume.  Raises Unavailable."""
        it, channel = self._of.settings, self._line.channel
        for queue in (it.queue, self._posts.dead_letters, self._posts.quarantine):
            self._line.ask(
                channel.queue_declare,
                self._by(),
                queue=queue,
                durable=True,
                passive=not it.declare_queues,
                arguments=QUORUM if it.declare_queues else None,
            )
        self._consumers = [self._line.consume(it.queue, it.workers, self._taken, self._by())]
        self._of.ready.set()
        log.info("channel.open", channel=self._of.name, queue=it.queue)

    def run(self, stop: Event) -> timedelta | None:
        """Take messages until `stop` is set or intake is away, then see what is under way to its end.

        Returns the wait that intake asked for, if it did.  What is then not acknowledged goes back to the queue
        with the line.  Raises Unavailable when the line falls.
        """
        try:
            self._drive(lambda: stop.is_set() or self._away is not None)
            self._away = self._away or Unavailable("the channel is closing")  # takes no more, whatever still comes
            for consumer in self._consumers:
                self._line.cancel(consumer, self._by())
            self._drive(lambda: self._open == len(self._heavy))
        finally:
            aside = [message for _, message in self._aside_until.values() if message is not None]
            for message in (*aside, *(message for message, _ in self._heavy)):
                self._health.hand_back(message)
        return self._away.retry_after

    def _drive(self, until: Callable[[], bool]) -> None:
        while not self._line.drive(until, monotonic() + _GLANCE):
            self._line.insist(self._of.settings.deadline.total_seconds())
            self._posts.tell_what_was_left_out()
            self._go_on()

    def _by(self) -> float:
        return monotonic() + self._of.settings.deadline.total_seconds()

    # ── a message's way ──────────────────────────────────────────────────────────────────────────────────

    def _taken(self, deliver: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        message = Message(
            tag=deliver.delivery_tag,
            properties=properties,
            body=body,
            at=self._of.around.clock(),
            redelivered=deliver.redelivered,
        )
        if self._away is not None:
            self._health.hand_back(message)
            return
        self._open += 1
        if self._health.poisonous(message, self._of.settings.redeliveries):
            self._give_away(message)
            return
        self._begin(message)

    def _begin(self, message: Message) -> None:
        try:
            envelope = envelope_of(message, channel=self._of.name, partners=self._of.partners())
        except Exception as why:  # noqa: BLE001 - whatever it is, it is this message's alone
            self._what_follows(message, why)()
        else:
            self._heavy.append((message, envelope))
            self._let_in()

    def _let_in(self) -> None:
        """Let into intake what there is room for, in its order; small ones pass large ones that wait."""
        waiting, self._heavy = self._heavy, deque()
        full = self._away is not None
        for message, envelope in waiting:
            large = len(message.body) >= SMALL
            if (large and full) or not self._scales.take(len(message.body)):
                full = True
                self._heavy.append((message, envelope))
            else:
                self._pool.submit(self._take_in, message, envelope)

    def _take_in(self, message: Message, envelope: Envelope) -> None:
        """Ask intake, on a thread of the pool, and hand what comes of it to the line's thread."""
        try:
            then: Callable[[], None] = partial(
                self._settle, message, self._posts.receipt(message, self._accept(envelope))
            )
        except Exception as why:  # noqa: BLE001 - likewise
            then = self._what_follows(message, why)
        self._scales.give(len(message.body))
        self._line.hand(then)
        self._line.hand(self._let_in)

    def _what_follows(self, message: Message, why: Exception) -> Callable[[], None]:
        """Return what is to be done with a message that was not taken in.  Nothing was acknowledged yet."""
        try:
            if isinstance(why, Rejection):
                return partial(self._settle, message, self._posts.refusal(message, why))
        except Exception as bug:  # noqa: BLE001 - likewise
            why = bug
        if isinstance(why, NotYet):
            return partial(self._put_aside, message, why)
        if isinstance(why, Unavailable):
            return partial(self._give_up, message, why)
        log.error("channel.intake-bug", channel=self._of.name, sha256=message.digest, exc_info=why)
        return partial(self._meet_bug, message)

    # ── settling ─────────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, message: Message, posts: list[Post]) -> None:
        """Send what is to be sent; acknowledge the message when all of it is confirmed."""
        waiting = len(posts)
        failed: list[Unavailable] = []

        def told(post: Post, fate: Fate) -> None:
            nonlocal waiting
            waiting -= 1
            if fate is not Fate.CONFIRMED and not post.needed:
                # Whoever asked is gone, or lets his queue run full: his answer must not hold up everybody's messages.
                self._posts.unanswered(message)
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
            if post.direct:
                self._replies.send(post, partial(self._hand, partial(told, post)))
            else:
                self._line.publish("", post.queue, post.body, post.properties, partial(told, post))
        if not posts:
            finish()

    def _hand(self, told: Callable[[Fate], None], fate: Fate) -> None:
        self._line.hand(partial(told, fate))

    def _put_aside(self, message: Message, waits: NotYet) -> None:
        """Leave a message unacknowledged and try it again later; others pass it."""
        self._open -= 1
        wait = waits.retry_after or self._of.settings.first_wait
        large = len(message.body) >= SMALL
        if large:
            self._health.hand_back(message)  # in any case it goes back before it is tried again
        self._aside_until[message.tag] = (monotonic() + wait.total_seconds(), None if large else message)
        log.info("channel.aside", channel=self._of.name, reason=waits.reason, wait=wait.total_seconds())

    def _meet_bug(self, message: Message) -> None:
        """Leave a message that met a bug to be handed out again later, if it may; others pass it."""
        if self._health.blames(message):
            self._give_away(message)
            return
        self._open -= 1
        wait = self._of.settings.retry.wait(self._health.met(message), random.random())  # noqa: S311 - as above
        self._aside_until[message.tag] = (monotonic() + wait.total_seconds(), None)

    def _give_away(self, message: Message) -> None:
        """Put a message into quarantine."""
        self._settle(message, self._posts.poison(message))

    def _go_on(self) -> None:
        """Try again those whose wait is over, as if they had come now."""
        if self._away is not None:
            return
        now = monotonic()
        due = [tag for tag, (until, _) in self._aside_until.items() if until <= now]
        self._make_room()
        for tag in due:
            _, message = self._aside_until.pop(tag)
            if message is None:
                self._line.hand_back(tag)
                continue
            self._open += 1
            self._begin(replace(message, at=self._of.around.clock()))

    def _make_room(self) -> None:
        """Have a step of further places for each step of messages aside, up to `aside` of the settings.

        A step is given up when half of it is free again: not at once, for RabbitMQ would hand out for nothing what it
        has on its way.
        """
        it, aside, further = self._of.settings, len(self._aside_until), len(self._consumers) - 1
        if aside > further * _STEP and further * _STEP < it.aside:
            places = min(_STEP, it.aside - further * _STEP)
            self._consumers.append(self._line.consume(it.queue, places, self._taken, self._by()))
        elif further and aside <= max(0, (further - 1) * _STEP - _STEP // 2):
            self._line.cancel(self._consumers.pop(), self._by())

    def _give_up(self, message: Message, away: Unavailable) -> None:
        """Leave a message unacknowledged, and take no more for a while."""
        self._open -= 1
        self._health.outage = True
        self._health.hand_back(message)
        if self._away is None:
            self._away = away
            self._health.failures += 1
            log.warning("channel.away", channel=self._of.name, reason=away.reason)


def make(settings: AmqpChannelSettings, around: Surroundings) -> Channel:
    """Make the channel; raise ConfigError.  Opens no connection."""
    channel = AmqpChannel(name=around.name, settings=settings, around=around)
    parameters = channel._parameters()  # noqa: SLF001 - the same file
    wrong = problems(settings, parameters.host, tls=parameters.ssl_options is not None, environment=around.environment)
    if wrong:
        raise ConfigError(wrong)
    return channel


KIND: Kind[Channel] = Kind(settings=AmqpChannelSettings, make=make)
