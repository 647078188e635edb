"""Partners that send over RabbitMQ: with confirms, the same again until it is confirmed; answers come to a queue."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Self

import pika
from pika.exceptions import AMQPError

from adapters.testkit.box import Submission
from adapters.wire.amqp import QUORUM
from tests.crash.promises import Word

AGAIN = 0.1  # seconds before a line that fell is tried again
PATIENCE = 60.0


class Partner:
    """Sends letters into a queue and reads the answers, on lines of its own."""

    def __init__(self, url: str, queue: str, answers: str) -> None:
        self.words: list[Word] = []
        self.sent: dict[str, Submission] = {}
        self.resent = 0
        self._parameters, self._queue, self._answers = pika.URLParameters(url), queue, answers

    def connect(self) -> pika.BlockingConnection:
        return pika.BlockingConnection(self._parameters)

    def declare(self) -> None:
        with self.connect() as connection:
            connection.channel().queue_declare(self._answers, durable=True, arguments=QUORUM)

    def send(
        self, letters: Collection[Submission], ahead: int = 1_000_000, enough: Callable[[], bool] = lambda: False
    ) -> None:
        """Send each until RabbitMQ has confirmed it, and no more than `ahead` before they are answered."""
        waiting = list(letters)
        while waiting and not enough():
            try:
                with self.connect() as connection:
                    channel = connection.channel()
                    channel.confirm_delivery()
                    while waiting and not enough():
                        if len(self.sent) - self.answered >= ahead:
                            connection.sleep(0.01)
                            continue
                        self._publish(channel, waiting[0])
                        waiting.pop(0)
            except AMQPError:
                self.resent += 1
                time.sleep(AGAIN)

    def _publish(self, channel, letter: Submission) -> None:
        name = hashlib.sha256(letter.document).hexdigest()
        self.sent[name] = letter
        about = pika.BasicProperties(
            headers={"sender": letter.sender, "box": letter.box},
            message_id=name,
            reply_to=self._answers,
            delivery_mode=2,
        )
        channel.basic_publish("", self._queue, letter.document, about, mandatory=True)

    @contextmanager
    def at_work(self, letters: Collection[Submission], ahead: int) -> Iterator[None]:
        """Send these, and read the answers until each has one, or the test has failed."""
        everything, given_up = len(letters), Event()

        def enough() -> bool:
            return self.answered == everything or given_up.is_set()

        with Background(lambda: self.send(letters, ahead, enough)), Background(lambda: self.read(enough)):
            try:
                yield
            except BaseException:
                given_up.set()
                raise

    def read(self, enough: Callable[[], bool]) -> None:
        """Read answers until `enough`."""
        while not enough():
            try:
                with self.connect() as connection:
                    channel = connection.channel()
                    for method, about, body in channel.consume(self._answers, inactivity_timeout=0.05):
                        if method is not None:
                            self.words.append(self._word(about, body))
                            channel.basic_ack(method.delivery_tag)
                        elif enough():
                            break
            except AMQPError:
                time.sleep(AGAIN)

    def _word(self, about: pika.BasicProperties, body: bytes) -> Word:
        document = self.sent[about.correlation_id].document
        if about.headers["kind"] == "receipt":
            return Word(document=document, submission=about.headers["submission"], receipt=body)
        return Word(document=document, code=about.headers["code"])

    @property
    def answered(self) -> int:
        """How many documents have an answer."""
        return len({word.document for word in self.words.copy()})

    def look(self, *, consumers: bool = False) -> int:
        """How many messages are ready in the queue in, or how many consumers it has; -1 if it is not there."""
        with self.connect() as connection:
            try:
                found = connection.channel().queue_declare(self._queue, passive=True).method
            except pika.exceptions.ChannelClosedByBroker:
                return -1
            return int(found.consumer_count if consumers else found.message_count)

    def look_for_answers(self) -> int:
        """How many answers wait."""
        with self.connect() as connection:
            return int(connection.channel().queue_declare(self._answers, passive=True).method.message_count)

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.02)


class Background:
    """A call on a thread of its own; a context manager that waits for its end and hands on its error."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._failed: list[Exception] = []
        self.done = Event()
        self._thread = Thread(target=self._run, args=(call,))

    def _run(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as bug:  # noqa: BLE001 - it goes to the thread that asserts
            self._failed.append(bug)
        finally:
            self.done.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        assert not self._failed, self._failed
