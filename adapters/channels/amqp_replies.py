"""Answers to those who wait on their own connection (RabbitMQ's direct reply-to): over a line of their own.

Whoever publishes to such a name and RabbitMQ has not made it loses the connection (541), and anybody can write one into
`reply_to`.  So these answers share no line with anything else and go one at a time: a name that ends the line costs
nobody's answer but that of the message in which it stood.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Final, Self

from adapters.channels.amqp_posts import Post
from adapters.wire.amqp import Fate, Line
from broker.errors import Unavailable

_IDLE: Final = 5.0  # seconds after which the line is let go: nobody would answer RabbitMQ's heartbeats


Told = Callable[[Fate], None]


class Replies:
    """Sends direct answers, on a thread of its own while it is entered.  `dial` opens a line, or raises Unavailable."""

    def __init__(self, dial: Callable[[], Line], name: str, within: float) -> None:
        self._dial = dial
        self._within = within  # seconds in which RabbitMQ must tell an answer's fate
        self._waiting: SimpleQueue[tuple[Post, Told] | None] = SimpleQueue()
        self._ended = Event()
        self._thread = Thread(target=self._run, name=f"{name}-replies")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._waiting.put(None)
        self._thread.join()

    def send(self, post: Post, told: Told) -> None:
        """Send an answer and return at once; `told` hears its fate, on another thread.

        One that ended the line was RETURNED: nobody will ever take it.
        """
        self._waiting.put((post, told))

    def _run(self) -> None:
        line: Line | None = None
        while not self._ended.is_set():
            try:
                job = self._waiting.get(timeout=_IDLE if line else None)
            except Empty:
                job = None
            if job is None:
                _let_go(line)
                line = None
                continue
            post, told = job
            try:
                line = line or self._dial()
                fate = line.settle("", post.queue, post.body, post.properties, monotonic() + self._within)
            except Unavailable:
                _let_go(line)
                line, fate = None, Fate.RETURNED
            told(fate)
        _let_go(line)


def _let_go(line: Line | None) -> None:
    if line is not None:
        line.close()
