"""The AMQP channel keeps every promise of the port, against a real RabbitMQ."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pika
import pytest

from adapters.channels.amqp import KIND
from adapters.testkit.channels import PATIENCE, Answer, ChannelSuite, Message, Word
from adapters.testkit.desk import Desk
from adapters.wire.kind import Surroundings
from broker.parse import Limits
from broker.partner import NOBODY, Partners
from tests.builders import NOON

LIMIT = 300_000


class AmqpHarness:
    name = "amqp-in"
    now = NOON
    limit = LIMIT
    reads_on = True
    carries = frozenset(
        {"payload", "sender", "box", "message_id", "file_name", "reply_to", "case", "in_reply_to", "trial"}
    )

    def __init__(self, url: str, queue: str, desk: Desk, partners: Partners = NOBODY) -> None:
        self.url, self.queue, self.desk, self.partners = url, queue, desk, partners
        self.channel = self.make(url)
        self.unopenable = self.make("amqp://guest:guest@127.0.0.1:1/")

    def make(self, url: str, **settings):
        around = Surroundings(
            name=self.name,
            folder=Path(),
            clock=lambda: NOON,
            ids=lambda: "id",
            text=lambda _path: b"",
            limits=Limits(payload=LIMIT),
            partners=lambda: self.partners,
        )
        quick = {"first_wait": timedelta(milliseconds=20), "workers": 2, **settings}
        return KIND.make(KIND.settings(url=url, queue=self.queue, **quick), around)

    def connection(self) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(self.url))

    def ready(self, queue: str, *, consumers: bool = False) -> int:
        """How many messages wait in a queue, or how many consumers it has; -1 if it is not there."""
        with self.connection() as connection:
            try:
                found = connection.channel().queue_declare(queue, passive=True).method
            except pika.exceptions.ChannelClosedByBroker:
                return -1
            return found.consumer_count if consumers else found.message_count

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def wait_until_open(self) -> None:
        self.until(lambda: self.ready(self.queue, consumers=True) > 0)

    def publish(self, body: bytes, headers: dict, **properties) -> str:
        """Send a message; return the queue to which its answer will come."""
        reply_to = f"{self.queue}.answer.{uuid4().hex}"
        with self.connection() as connection:
            channel = connection.channel()
            channel.queue_declare(reply_to, durable=True, arguments={"x-expires": 60_000})
            channel.confirm_delivery()
            about = pika.BasicProperties(headers=headers, reply_to=reply_to, delivery_mode=2, **properties)
            channel.basic_publish("", self.queue, body, about, mandatory=True)
        return reply_to

    def answer(self, reply_to: str, *, unless: Callable[[], bool] = lambda: False) -> Answer | None:
        with self.connection() as connection:
            channel = connection.channel()
            for method, properties, body in channel.consume(reply_to, auto_ack=True, inactivity_timeout=0.05):
                if method is not None:
                    channel.cancel()
                    return self.read(properties, body)
                if unless():
                    break
            channel.cancel()
            return None

    def read(self, properties: pika.BasicProperties, body: bytes) -> Answer:
        if properties.headers["kind"] == "receipt":
            return Answer(word=Word.RECEIPT, receipt=body)
        sealed = body if properties.content_type == "application/xml" else b""
        return Answer(word=Word.REFUSAL, code=properties.headers["code"], negative_receipt=sealed)

    def post(self, message: Message) -> str:
        headers = {"sender": message.sender, "box": message.box, "file-name": message.file_name}
        headers |= {"reply-to": message.reply_to, "case": message.case, "in-reply-to": message.in_reply_to}
        headers |= {"trial": True} if message.trial else {}
        return self.publish(message.payload, headers, message_id=message.message_id or None, correlation_id="c-1")

    def send(self, message: Message) -> Answer:
        reply_to = self.post(message)
        answer = self.answer(reply_to, unless=self.desk.turned_away.is_set)
        if answer is None:
            self.until(lambda: self.ready(self.queue) == 1)
            return Answer(word=Word.LATER)
        return answer

    def insist(self, message: Message) -> Answer:
        answer = self.answer(self.post(message))
        assert answer is not None
        return answer

    def send_unreadable(self) -> Answer:
        answer = self.answer(self.publish(b"<letter/>", {"box": "/town/SEKAP"}))
        assert answer is not None
        return answer

    def delete(self) -> None:
        with self.connection() as connection:
            channel = connection.channel()
            for suffix in ("", ".dead-letters", ".quarantine"):
                channel.queue_delete(self.queue + suffix)


class TestAmqpChannel(ChannelSuite):
    @pytest.fixture
    def harness(self, rabbitmq_url, queue_name, desk):
        harness = AmqpHarness(rabbitmq_url, queue_name("in"), desk)
        yield harness
        harness.delete()
