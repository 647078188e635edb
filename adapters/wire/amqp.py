"""A line to RabbitMQ: connection, confirms, deadlines, and the translation of pika's errors.

What must live here: everything that knows pika's machinery.  What must not: what a message means.

A `Line` belongs to the thread that drives it (pika is not thread-safe); other threads may only `hand` it calls.
pika's BlockingConnection has no deadline for a confirm and confirms one message at a time, so this stands on its
non-blocking connection and turns the loop itself: many messages may be unconfirmed at once, and every wait ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import local
from time import monotonic
from typing import Any, Final

import pika
import pika.data
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from broker.errors import Unavailable

PERSISTENT: Final = 2  # delivery mode: the message survives a restart of RabbitMQ
FAREWELL: Final = 1.0  # seconds that closing may take
HEADERS: Final = 100_000  # bytes; a message's headers go in one frame, of 131,072 bytes unless agreed otherwise

# RabbitMQ's own limit on redeliveries drops or moves a message without a word: far away, because we count
# ourselves; but set, because from version 4 it is 20 where nothing is said.
QUORUM: Final = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}


# Tables and lists within one another in a message's headers: nobody needs three.
_DEEPEST: Final = 16
_DEPTH = local()


def _forgiving(decode: Callable[[bytes, int], tuple[Any, int]]) -> Callable[[bytes, int], tuple[Any, int]]:
    """Read a header's time that is beyond the calendar, and what stands too deep, as None, where pika raises.

    Otherwise one such message would cut every line it is handed to, and nobody could ever put it aside.
    """

    def decode_value(encoded: bytes, offset: int) -> tuple[Any, int]:
        kind, depth = encoded[offset : offset + 1], getattr(_DEPTH, "now", 0)
        if kind in {b"A", b"F"} and depth == _DEEPEST:  # both begin with their length (AMQP 0-9-1 §4.2.5)
            return None, offset + 5 + int.from_bytes(encoded[offset + 1 : offset + 5])
        _DEPTH.now = depth + 1
        try:
            return decode(encoded, offset)
        except (ValueError, OverflowError, OSError):
            if kind != b"T":
                raise
            return None, offset + 9
        finally:
            _DEPTH.now = depth

    return decode_value


pika.data.decode_value = _forgiving(pika.data.decode_value)


class Fate(Enum):
    """What RabbitMQ said of a message."""

    CONFIRMED = "confirmed"  # it is in a queue, and will survive
    RETURNED = "returned"  # no queue takes it
    DECLINED = "declined"  # RabbitMQ could not keep it


@dataclass(slots=True)
class _Publication:
    exchange: str
    key: str
    done: Callable[[Fate], None]
    since: float
    returned: bool = False


Taken = Callable[[Basic.Deliver, BasicProperties, bytes], None]


class Line:
    """One connection, with a channel for what comes and one for what goes.  Made by `connect`."""

    def __init__(self, parameters: pika.connection.Parameters) -> None:
        self._loop = IOLoop()
        self._loop.activate_poller()
        self._lost: BaseException | None = None
        self._unconfirmed: dict[int, _Publication] = {}
        self._published = 0
        self._incoming: Channel | None = None
        self._outgoing: Channel | None = None
        self._consumed = False
        self._closed = False  # by us
        self._silent = False  # RabbitMQ let a deadline pass
        self._gone = False  # the socket is closed
        self._connection = pika.SelectConnection(
            parameters,
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
            custom_ioloop=self._loop,
        )

    # ── driving ──────────────────────────────────────────────────────────────────────────────────────────

    def drive(self, until: Callable[[], bool], deadline: float) -> bool:
        """Turn the loop until `until()` holds (True) or `deadline`, by `monotonic`, has passed (False).

        Raises Unavailable when the line falls.
        """
        while not until():
            if self._lost is not None:
                raise Unavailable(f"RabbitMQ: {_words(self._lost)}", condition="line.broken") from self._lost
            remaining = deadline - monotonic()
            if remaining <= 0:
                return False
            self._turn(remaining)
        return True

    def wait(self, until: Callable[[], bool], deadline: float) -> None:
        """Turn the loop until `until()` holds; raise Unavailable when the line falls or the deadline passes."""
        if not self.drive(until, deadline):
            self._silent = True
            raise Unavailable("RabbitMQ did not answer within the deadline", condition="line.silent")

    def hand(self, call: Callable[[], None]) -> None:
        """Have the driving thread make a call.  May be called by any thread; after `close` it does nothing."""
        if not self._closed:
            self._loop.add_callback_threadsafe(call)

    def ask(self, question: Callable[..., Any], deadline: float, **about: Any) -> Any:
        """Make one of pika's calls that RabbitMQ answers, and return the answer.

        Raises Unavailable when the line falls or the deadline passes.
        """
        answers: list[Any] = []
        try:
            question(**about, callback=answers.append)
        except AMQPError as error:
            raise Unavailable(f"RabbitMQ: {_words(error)}", condition="line.broken") from error
        self.wait(lambda: bool(answers), deadline)
        return answers[0]

    def close(self) -> None:
        """Let go of the line; what was not acknowledged goes back to its queue.  Never raises."""
        if self._closed:
            return
        self._closed = True
        if not (self._silent or self._connection.is_closing or self._connection.is_closed):
            self._connection.close()
            self._turn_until_gone()
        if not self._gone:
            # The other side does not answer; pika has no public way to hang up on it.
            self._connection._terminate_stream(AMQPError("hung up"))  # noqa: SLF001
            self._turn_until_gone()
        self._loop.deactivate_poller()
        self._loop.close()

    def _turn_until_gone(self) -> None:
        deadline = monotonic() + FAREWELL
        while not self._gone and monotonic() < deadline:
            self._turn(deadline - monotonic())

    def _turn(self, seconds: float) -> None:
        """Wait for something to happen, so many seconds at most, and let pika deal with it."""
        timer = self._loop.call_later(max(seconds, 0), _nothing)
        self._loop.poll()
        self._loop.process_timeouts()
        self._loop.remove_timeout(timer)

    @property
    def up(self) -> bool:
        """Whether the line has not been seen to fall."""
        return not self._closed and self._lost is None

    def _ended(self, _connection: Any, why: BaseException) -> None:
        self._gone = True
        self._lost = self._lost or why

    def _fell(self, _who: Any, why: BaseException) -> None:
        self._lost = self._lost or why

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────────

    def open(self, deadline: float) -> None:
        """Finish connecting: both channels stand and confirms are on.  Raises Unavailable."""
        self.wait(lambda: self._connection.is_open, deadline)
        self._incoming, self._outgoing = self._channel(deadline), self._channel(deadline)
        self._outgoing.add_on_return_callback(self._came_back)
        self.ask(self._outgoing.confirm_delivery, deadline, ack_nack_callback=self._judged)

    def _channel(self, deadline: float) -> Channel:
        opened: list[Channel] = []
        channel: Channel = self._connection.channel(on_open_callback=opened.append)
        # A channel is closed by RabbitMQ when it was asked for something impossible; the line is of no use then.
        channel.add_on_close_callback(self._fell)
        self.wait(lambda: bool(opened), deadline)
        return channel

    @property
    def channel(self) -> Channel:
        """The channel for declarations and for what comes."""
        if self._incoming is None:
            raise Unavailable("the line to RabbitMQ is not open")
        return self._incoming

    # ── what comes ───────────────────────────────────────────────────────────────────────────────────────

    def consume(self, queue: str, prefetch: int, taken: Taken, deadline: float) -> str:
        """Have messages of the queue given to `taken`, at most `prefetch` unacknowledged; return the consumer's tag.

        If RabbitMQ ends the consumer (its queue was deleted), the line falls.
        """
        channel = self.channel
        self.ask(channel.basic_qos, deadline, prefetch_count=prefetch)
        if not self._consumed:
            channel.add_on_cancel_callback(lambda _frame: self._fell(channel, AMQPError("the queue is gone")))
            self._consumed = True
        tags: list[str] = []

        def subscribe(callback: Callable[[Any], None]) -> None:
            tags.append(
                channel.basic_consume(
                    queue,
                    lambda _channel, deliver, properties, body: taken(deliver, properties, body),
                    callback=callback,
                )
            )

        self.ask(subscribe, deadline)
        return tags[0]

    def cancel(self, consumer: str, deadline: float) -> None:
        """End a consumer; what it has and was not acknowledged stays with it until the line closes."""
        self.ask(self.channel.basic_cancel, deadline, consumer_tag=consumer)

    def acknowledge(self, tag: int) -> None:
        """Take a message out of its queue, for good.  On a fallen line it does nothing: the message comes again."""
        if self.up and self.channel.is_open:
            self.channel.basic_ack(tag)

    def hand_back(self, tag: int) -> None:
        """Put a message back into its queue, to be handed out again.  On a fallen line it goes back by itself."""
        if self.up and self.channel.is_open:
            self.channel.basic_reject(tag, requeue=True)

    # ── what goes ────────────────────────────────────────────────────────────────────────────────────────

    def publish(
        self, exchange: str, key: str, body: bytes, properties: BasicProperties, done: Callable[[Fate], None]
    ) -> None:
        """Send a message and return at once; `done` is told its fate while the line is driven.

        If the line falls before that, `done` is never called: whether the message arrived is not known.
        """
        channel = self._outgoing
        if channel is None or not self.up or not channel.is_open:
            return
        self._published += 1
        self._unconfirmed[self._published] = _Publication(exchange, key, done, monotonic())
        channel.basic_publish(exchange, key, body, properties, mandatory=True)

    def insist(self, within: float) -> None:
        """Raise Unavailable if a message has waited longer than so many seconds to hear of its fate."""
        oldest = next(iter(self._unconfirmed.values()), None)
        if oldest is not None and monotonic() - oldest.since > within:
            self._silent = True
            raise Unavailable("RabbitMQ did not confirm within the deadline", condition="line.silent")

    def settle(self, exchange: str, key: str, body: bytes, properties: BasicProperties, deadline: float) -> Fate:
        """Send a message and wait for its fate.  Raises Unavailable when it cannot be known."""
        fates: list[Fate] = []
        self.publish(exchange, key, body, properties, fates.append)
        self.wait(lambda: bool(fates), deadline)
        return fates[0]

    def _came_back(self, _channel: Channel, method: Basic.Return, _properties: BasicProperties, _body: bytes) -> None:
        # A return does not say which message it is.  It precedes the confirm, and what one message of an exchange
        # and key suffers, its neighbours do: at worst one that just arrived is taken for returned.
        for publication in self._unconfirmed.values():
            if (publication.exchange, publication.key) == (method.exchange, method.routing_key):
                publication.returned = True

    def _judged(self, frame: Any) -> None:
        verdict = frame.method
        last: int = verdict.delivery_tag
        tags = [tag for tag in self._unconfirmed if tag <= last] if verdict.multiple else [last]
        for tag in tags:
            publication = self._unconfirmed.pop(tag)
            if isinstance(verdict, Basic.Nack):
                publication.done(Fate.DECLINED)
            else:
                publication.done(Fate.RETURNED if publication.returned else Fate.CONFIRMED)


def connect(parameters: pika.connection.Parameters, deadline: float) -> Line:
    """Open a line before the deadline, by `monotonic`.  Raises Unavailable."""
    remaining = max(deadline - monotonic(), 0.1)
    parameters.socket_timeout = parameters.stack_timeout = remaining
    parameters.blocked_connection_timeout = remaining
    try:
        line = Line(parameters)
    except (AMQPError, OSError) as error:
        raise Unavailable(f"RabbitMQ: {_words(error)}", condition="line.unreachable") from error
    try:
        line.open(deadline)
    except Unavailable as away:  # however it ended, nothing was sent over it
        line.close()
        raise Unavailable(away.reason, condition="line.unreachable") from away
    except BaseException:
        line.close()
        raise
    return line


def _nothing() -> None:
    """Wake the loop."""


def _words(error: BaseException) -> str:
    """Say what went wrong without quoting a message: of what is neither RabbitMQ's word nor the system's, the kind."""
    nested = getattr(error, "exception", None) or (error.args[0] if error.args else None)
    inner = nested if isinstance(nested, BaseException) else error
    told = isinstance(inner, AMQPError | OSError) and str(inner)
    return f"{type(inner).__name__}: {inner}" if told else type(inner).__name__
