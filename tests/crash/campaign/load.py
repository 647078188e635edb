"""Clients under way: over SOAP to whichever node answers, and over RabbitMQ; the same bytes again until answered."""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from threading import Event, Lock, Thread
from typing import Self

import pika
from pika.exceptions import AMQPError, ConnectionClosedByBroker

from adapters.testkit.box import Reply, Submission
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.wire.amqp import QUORUM
from config.demo.forms import Kind, form
from tests.crash.campaign.books import Answer, Clients, digest
from tests.crash.campaign.field import QUEUE, Field

REPEATS = 0.05  # of what was answered is sent once more, as by a client that has lost the answer
REFUSED = 0.02  # is not signed, and must be refused
AHEAD = 30  # letters of a client over RabbitMQ that wait for an answer
# What a broker says whose clock is an hour behind: a client that knows better sends the same again.
CLOCK_BEHIND = "verify.signing-time-future"
# What RabbitMQ 3.10 says of a quorum queue that has answered nobody since it was killed, and never will (seen once in a
# long while): a client gives it up, and asks by the same bytes for its answers in another.
STUCK = 541
PATIENCE = 900.0  # seconds in which a letter must be answered at all


class Post:
    """Makes the letters, so many in all."""

    def __init__(self, field: Field, number: int) -> None:
        self.number = number
        self.made = 0
        self.sound: set[str] = set()  # digests of what must be accepted
        self.unsound: set[str] = set()
        self._field, self._lock = field, Lock()

    def close(self) -> None:
        """Make no more."""
        with self._lock:
            self.number = self.made

    def next(self, chance: random.Random, sender: str) -> Submission | None:
        """Return another letter, None when there were enough.

        Each client is a sender of its own: of one sender a thousand refusals an hour are kept, and the auditor looks
        for every one.
        """
        with self._lock:
            if self.made >= self.number:
                return None
            self.made += 1
            number = self.made
        office, now = chance.choice(self._field.offices), datetime.now(UTC)
        text = form(Kind.LETTER_1410, office, number, attachments=(), at=now)
        sound = chance.random() >= REFUSED
        document = sign(text, self._field.pki.person, now, QUALIFIED) if sound else text
        with self._lock:
            (self.sound if sound else self.unsound).add(digest(document))
        return Submission(document=document, box=office.box, sender=sender)


def answer_of(document: str, reply: Reply) -> Answer | None:
    """What the answer says; None if it says to come again."""
    if reply.status == http.client.OK:
        found = reply.answer()
        assert found.attachment is not None
        return Answer(document, found.document, digest(found.attachment.content))
    if reply.status == http.client.SERVICE_UNAVAILABLE or reply.fault().receiver:
        return None
    code = reply.code()
    return None if code == CLOCK_BEHIND else Answer(document, code=code)


class Load:
    """Clients at work; a context manager that waits until every letter has its answer."""

    def __init__(self, field: Field, number: int, seed: int, clients: int = 6) -> None:
        self.field, self.clients = field, Clients()
        self.post = Post(field, number)
        self.failed: list[Exception] = []
        self._stop = Event()
        runs: list[Callable[[random.Random, str], None]] = [self._by_soap] * clients
        if field.rabbit is not None:
            runs += [self._by_rabbit] * 2
        self._threads = [
            Thread(target=self._guarded, args=(run, random.Random(f"{seed}-{n}"), f"client-{n}"), name=f"client-{n}")
            for n, run in enumerate(runs)
        ]

    @property
    def done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def answered(self) -> int:
        return len(self.clients.answers)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop.set()
        for thread in self._threads:
            thread.join()
        if kind is None and self.failed:
            raise self.failed[0]

    def _guarded(self, run: Callable[[random.Random, str], None], chance: random.Random, name: str) -> None:
        try:
            run(chance, name)
        except Exception as bug:  # noqa: BLE001 - it goes to the thread that asserts
            self.failed.append(bug)
            self._stop.set()

    def _by_soap(self, chance: random.Random, name: str) -> None:
        while not self._stop.is_set() and (letter := self.post.next(chance, name)) is not None:
            for _ in range(1 + (chance.random() < REPEATS)):
                self._send(letter, chance)

    def _send(self, letter: Submission, chance: random.Random) -> None:
        name, until = digest(letter.document), time.monotonic() + PATIENCE
        while not self._stop.is_set():
            machine = chance.choice(self.field.machines)
            try:
                answer, heard = answer_of(name, machine.site.box.submit(letter)), True
            except (OSError, http.client.HTTPException):
                answer, heard = None, False
            if answer is not None:
                self.clients.hear(answer)
                return
            self.clients.again(told=heard)
            assert time.monotonic() < until, "nobody answers"
            time.sleep(chance.uniform(0.02, 0.3))

    def _by_rabbit(self, chance: random.Random, name: str) -> None:
        assert self.field.rabbit is not None
        _RabbitClient(self, self.field.rabbit.url, name, chance).run(self._stop)


class _RabbitClient:
    """Sends with confirms, a few letters ahead of their answers, and reads the answers on the same thread."""

    def __init__(self, load: Load, url: str, name: str, chance: random.Random) -> None:
        self._load, self._name, self._chance = load, name, chance
        self._queues = (f"answers-{name}-{number}" for number in count(1))
        self._answers = next(self._queues)
        self._parameters = pika.URLParameters(url)
        self._waiting: dict[str, Submission] = {}  # sent, or to be sent, and not answered
        self._confirmed: set[str] = set()
        self._more = True

    def run(self, stop: Event) -> None:
        until = time.monotonic() + PATIENCE
        while not stop.is_set() and (self._more or self._waiting):
            heard = self._load.clients.told
            try:
                with pika.BlockingConnection(self._parameters) as connection:
                    self._work(connection, stop)
            except (AMQPError, OSError) as broken:
                if isinstance(broken, ConnectionClosedByBroker) and broken.reply_code == STUCK:
                    self._answers = next(self._queues)
                    self._confirmed.clear()
                time.sleep(0.2)
            if self._load.clients.told > heard:
                until = time.monotonic() + PATIENCE
            assert time.monotonic() < until, f"{len(self._waiting)} letters are not answered over RabbitMQ"

    def _work(self, connection: pika.BlockingConnection, stop: Event) -> None:
        channel = connection.channel()
        channel.queue_declare(self._answers, durable=True, arguments=QUORUM)
        channel.confirm_delivery()
        while not stop.is_set() and (self._more or self._waiting):
            self._publish(channel)
            method, about, body = channel.basic_get(self._answers)
            if method is None:
                connection.sleep(0.02)
                continue
            self._hear(about, body)
            channel.basic_ack(method.delivery_tag)

    def _publish(self, channel) -> None:
        if self._more and len(self._waiting) < AHEAD:
            letter = self._load.post.next(self._chance, self._name)
            if letter is None:
                self._more = False
            else:
                self._waiting[digest(letter.document)] = letter
        for name in [name for name in self._waiting if name not in self._confirmed]:
            letter = self._waiting[name]
            about = pika.BasicProperties(
                headers={"sender": letter.sender, "box": letter.box},
                message_id=name,
                reply_to=self._answers,
                delivery_mode=2,
            )
            channel.basic_publish("", QUEUE, letter.document, about, mandatory=True)
            self._confirmed.add(name)

    def _hear(self, about: pika.BasicProperties, body: bytes) -> None:
        name = about.correlation_id
        if about.headers["kind"] == "receipt":
            answer = Answer(name, about.headers["submission"], digest(body))
        elif about.headers["code"] == CLOCK_BEHIND:
            self._confirmed.discard(name)
            self._load.clients.again(told=True)
            return
        else:
            answer = Answer(name, code=about.headers["code"])
        self._load.clients.hear(answer)
        self._waiting.pop(name, None)
