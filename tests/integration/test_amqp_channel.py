"""What the AMQP channel does with messages when something goes wrong around it, on a real RabbitMQ."""

from __future__ import annotations

import struct
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pika
import pytest

from adapters.channels import amqp
from adapters.testkit.channels import PATIENCE, Answer, Message, Word
from adapters.testkit.desk import Desk, always, receipt_for
from adapters.testkit.proxy import Mood, Proxy
from broker.errors import Malformed, NotYet, Unavailable, Unroutable
from tests.contract.test_channels_amqp import AmqpHarness


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def harness(rabbitmq_url, queue_name, desk):
    made = AmqpHarness(rabbitmq_url, queue_name("in"), desk)
    yield made
    made.delete()


@contextmanager
def serving(harness, desk, channel=None):
    stop = Event()
    thread = Thread(target=(channel or harness.channel).serve, args=(desk, stop))
    thread.start()
    try:
        harness.wait_until_open()
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def left_in(harness, suffix=""):
    """All messages of one of the channel's queues, taken out of it."""
    with harness.connection() as connection:
        channel, found = connection.channel(), []
        while (got := channel.basic_get(harness.queue + suffix, auto_ack=True))[0] is not None:
            found.append(got)
        return found


# ── a message that must wait by itself ───────────────────────────────────────────────────────────────────


def test_messages_that_wait_by_themselves_are_passed_and_are_still_there_after_a_stop(harness, desk):
    """Three documents of one silent authority, before two workers."""

    def answer(envelope):
        if envelope.payload.startswith(b"<waits"):
            raise NotYet("its authority is silent", retry_after=timedelta(hours=1))
        return receipt_for(envelope)

    desk.answer = answer
    waiting = [b"<waits n='%d'/>" % number for number in range(3)]
    with serving(harness, desk):
        for payload in waiting:
            harness.post(Message(payload=payload))
        assert harness.insist(Message(payload=b"<passes/>")).word is Word.RECEIPT
    assert sorted(body for _, _, body in left_in(harness)) == waiting


# ── acknowledged only after the commit ───────────────────────────────────────────────────────────────────


def cut_off_in_intake(harness, desk, url) -> Answer | None:
    """Cut the channel's line while intake has a message and has committed nothing; what is its sender told?"""
    parameters = pika.URLParameters(url)
    asked, go_on = Event(), Event()

    def never_commits(_envelope):
        asked.set()
        assert go_on.wait(PATIENCE)
        raise Unavailable("the node died before it committed")

    desk.answer = never_commits
    with Proxy(parameters.host, parameters.port) as proxy:
        channel = harness.make(f"amqp://guest:guest@127.0.0.1:{proxy.port}/")
        with serving(harness, desk, channel):
            reply_to = harness.post(Message())
            assert asked.wait(PATIENCE)
            proxy.be(Mood.REFUSE)
            desk.answer = receipt_for
            go_on.set()
            proxy.be(Mood.FORWARD)
            harness.until(lambda: harness.ready(harness.queue, consumers=True) > 0)
            sentinel = harness.post(Message(payload=b"<sentinel/>"))
            assert harness.answer(sentinel).word is Word.RECEIPT
            return harness.answer(reply_to, unless=lambda: harness.ready(harness.queue) == 0)


def test_a_message_whose_intake_is_cut_off_comes_again(harness, desk, rabbitmq_url):
    answer = cut_off_in_intake(harness, desk, rabbitmq_url)
    assert answer is not None
    assert answer.word is Word.RECEIPT


def test_an_acknowledgement_before_the_commit_would_be_seen(harness, desk, rabbitmq_url, monkeypatch):
    honest = amqp._Session._taken

    def hasty(self, deliver, properties, body):
        self._line.acknowledge(deliver.delivery_tag)
        self._line.acknowledge = lambda _tag: None
        # Go on when RabbitMQ has answered another question: then it has seen the acknowledgement too.
        self._line.channel.basic_qos(prefetch_count=2, callback=lambda _frame: honest(self, deliver, properties, body))

    monkeypatch.setattr(amqp._Session, "_taken", hasty)
    assert cut_off_in_intake(harness, desk, rabbitmq_url) is None


def test_a_receipt_whose_sender_is_gone_does_not_hold_the_queue(harness, desk):
    with serving(harness, desk):
        with harness.connection() as connection:
            about = pika.BasicProperties(headers={"sender": "citizen"}, reply_to=f"{harness.queue}.gone")
            connection.channel().basic_publish("", harness.queue, b"<letter/>", about)
        assert harness.send(Message(payload=b"<next/>")).word is Word.RECEIPT
        harness.until(lambda: len(desk.envelopes) == 2)
    assert harness.ready(harness.queue) == 0


@pytest.mark.parametrize("answer", [None, Malformed("parse.dtd")])
def test_a_reply_queue_that_takes_no_more_holds_up_nobody_and_multiplies_nothing(harness, desk, answer):
    if answer is not None:
        desk.answer = always(answer)
    full = f"{harness.queue}.full"
    with serving(harness, desk), harness.connection() as connection:
        channel = connection.channel()
        channel.queue_declare(full, durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        channel.basic_publish("", full, b"never read")
        about = pika.BasicProperties(headers={"sender": "lazy"}, reply_to=full)
        channel.basic_publish("", harness.queue, b"<letter/>", about)
        harness.until(lambda: len(desk.envelopes) == 1)
        assert harness.insist(Message(payload=b"<next/>")).word is (Word.REFUSAL if answer else Word.RECEIPT)
        channel.queue_delete(full)
    assert len(desk.envelopes) == 2
    assert harness.ready(harness.queue) == 0
    assert len(left_in(harness, ".dead-letters")) == (2 if answer else 0)


def test_an_answer_comes_under_the_correlation_id_or_else_the_message_id(harness, desk):
    with serving(harness, desk):
        for about, expected in (
            ({"correlation_id": "c-9", "message_id": "m-9"}, "c-9"),
            ({"message_id": "m-8"}, "m-8"),
        ):
            reply_to = harness.publish(b"<letter/>", {"sender": "citizen", "box": "/town/SEKAP"}, **about)
            harness.until(lambda: harness.ready(reply_to) == 1)  # noqa: B023 - called at once
            with harness.connection() as connection:
                _method, properties, _body = connection.channel().basic_get(reply_to, auto_ack=True)
            assert properties.correlation_id == expected
            assert properties.headers["kind"] == "receipt"
            assert properties.headers["submission"] == receipt_for(desk.envelopes[-1]).submission


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────


def test_a_refused_message_is_put_aside_as_it_came_with_the_reason(harness, desk):
    desk.answer = always(Unroutable("route.unknown-box", place="AdresSkrytki", facts={"box": "/no/box"}))
    with serving(harness, desk):
        harness.answer(
            harness.publish(
                b"<letter>\r\n</letter>\n", {"sender": "citizen", "box": "/no/box", "case": "7"}, user_id="guest",
                message_id="m-1", expiration="60000",
            )
        )  # fmt: skip
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == 1)
    ((_method, properties, body),) = left_in(harness, ".dead-letters")
    assert body == b"<letter>\r\n</letter>\n"
    assert properties.message_id == "m-1"
    assert properties.expiration is None
    assert [properties.headers[name] for name in ("sender", "box", "case")] == ["citizen", "/no/box", "7"]
    assert properties.headers["goniec-code"] == "route.unknown-box"
    assert properties.headers["goniec-place"] == "AdresSkrytki"
    assert properties.headers["goniec-user-id"] == "guest"
    assert properties.headers["goniec-at"] == "2026-01-01T12:00:00Z"
    assert left_in(harness) == []


def test_a_refused_message_stays_until_its_copy_is_confirmed(harness, desk):
    def queue_vanishes(_envelope):
        with harness.connection() as connection:
            connection.channel().queue_delete(f"{harness.queue}.dead-letters")
        raise Malformed("parse.dtd")

    calls = iter([queue_vanishes, always(Malformed("parse.dtd"))])
    desk.answer = lambda envelope: next(calls)(envelope)  # noqa: PLW0108 - each time the next one
    with serving(harness, desk):
        harness.post(Message(payload=b"<!DOCTYPE a><a/>"))
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == 1)
    assert [body for _method, _properties, body in left_in(harness, ".dead-letters")] == [b"<!DOCTYPE a><a/>"]
    assert left_in(harness) == []
    assert len(desk.envelopes) == 2


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"box": "/town/SEKAP"}, "amqp.no-sender"),
        ({"sender": ""}, "amqp.no-sender"),
        ({"sender": 7}, "amqp.header"),
        ({"sender": "a\nb"}, "amqp.header"),
        ({"sender": "a\x00b"}, "amqp.header"),
        ({"sender": b"\xff\xfe"}, "amqp.header"),
        ({"sender": "a" * 1001}, "amqp.header"),
        ({"sender": {"name": "citizen"}}, "amqp.header"),
        ({"sender": "citizen", "box": ["/town/SEKAP"]}, "amqp.header"),
        ({"sender": "citizen", "trial": "maybe"}, "amqp.header"),
        ({"sender": "citizen", "trial": 1}, "amqp.header"),
        ({b"\xff": "citizen"}, "amqp.no-sender"),
    ],
)
def test_a_message_with_bad_headers_is_refused_and_put_aside(harness, desk, headers, code):
    with serving(harness, desk):
        answer = harness.answer(harness.publish(b"<letter/>", headers))
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == 1)
    assert (answer.word, answer.code) == (Word.REFUSAL, code)
    assert not desk.envelopes


class Raw(int):
    """A header's value as the octets given, which pika would not write."""

    def __new__(cls, octets: bytes):
        made = super().__new__(cls, 0)
        made.octets = octets
        return made


def nested(kind: bytes, times: int) -> bytes:
    """Lists (A) or tables (F) within one another, as few octets as they can be."""
    octets = b"V"
    for _ in range(times):
        inside = octets if kind == b"A" else b"\0" + octets
        octets = kind + struct.pack(">I", len(inside)) + inside
    return octets


@pytest.mark.parametrize(
    "octets",
    [
        b"T" + b"\xff" * 8,
        b"F" + struct.pack(">I", 11) + b"\x01a" + b"T" + b"\x7f" * 8,
        nested(b"A", 2_000),
        nested(b"F", 2_000),
    ],
    ids=["time-out-of-calendar", "within-a-table", "lists-in-lists", "tables-in-tables"],
)
def test_a_header_that_the_library_cannot_decode_does_not_hold_the_queue(harness, desk, monkeypatch, octets):
    def encode(pieces, value):
        if not isinstance(value, Raw):
            return ordinary(pieces, value)
        pieces.append(value.octets)
        return len(value.octets)

    ordinary = pika.data.encode_value
    monkeypatch.setattr(pika.data, "encode_value", encode)
    with serving(harness, desk):
        answer = harness.answer(harness.publish(b"<letter/>", {"odd": Raw(octets), "sender": "citizen", "trial": "?"}))
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == 1)
    assert (answer.word, answer.code) == (Word.REFUSAL, "amqp.header")


@pytest.mark.parametrize("about", [{"message_id": b"\xff\xfe"}, {"message_id": "a\nb"}])
def test_a_message_id_that_is_no_text_is_refused(harness, desk, about):
    with serving(harness, desk):
        answer = harness.answer(harness.publish(b"<letter/>", {"sender": "citizen"}, correlation_id=b"\xff", **about))
    assert (answer.word, answer.code) == (Word.REFUSAL, "amqp.header")


def test_headers_too_long_to_be_sent_on_do_not_hold_the_queue(harness, desk):
    with serving(harness, desk):
        answer = harness.answer(harness.publish(b"<letter/>", {"case": "x" * 110_000}))
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == 1)
    assert answer.code == "amqp.no-sender"
    ((_method, properties, body),) = left_in(harness, ".dead-letters")
    assert body == b"<letter/>"
    assert "case" not in properties.headers
    assert properties.headers["goniec-headers"] == "dropped: they cannot be sent on"


# ── what comes again and again ───────────────────────────────────────────────────────────────────────────


def test_an_outage_of_intake_puts_nothing_into_quarantine(harness, desk, rabbitmq_url):
    left = [Unavailable("away", retry_after=timedelta(milliseconds=1)) for _ in range(8)]

    def away_for_long(envelope):
        if left:
            raise left.pop()
        return receipt_for(envelope)

    desk.answer = away_for_long
    with serving(harness, desk, harness.make(rabbitmq_url, redeliveries=2, workers=1)):
        assert harness.insist(Message()).word is Word.RECEIPT
    assert len(desk.envelopes) == 9
    assert left_in(harness, ".quarantine") == []


DEADLY = """
import os, sys
from threading import Event
from tests.contract.test_channels_amqp import AmqpHarness
from adapters.testkit.desk import Desk
url, queue = sys.argv[1:]
AmqpHarness(url, queue, Desk()).make(url, redeliveries=2).serve(lambda envelope: os._exit(9), Event())
"""


def test_a_message_that_kills_its_workers_is_put_into_quarantine_unparsed(harness, desk, rabbitmq_url):
    with serving(harness, desk):
        assert harness.send(Message()).word is Word.RECEIPT  # makes the queues
    harness.post(Message(payload=b"<deadly/>"))
    root = Path(__file__).resolve().parent.parent.parent
    for _death in range(3):
        died = subprocess.run(
            [sys.executable, "-c", DEADLY, rabbitmq_url, harness.queue], cwd=root, timeout=60, check=False
        )
        assert died.returncode == 9
        harness.until(lambda: harness.ready(harness.queue) == 1)
    desk.answer = always(AssertionError("intake was asked"))
    with serving(harness, desk, harness.make(rabbitmq_url, redeliveries=2)):
        harness.until(lambda: harness.ready(f"{harness.queue}.quarantine") == 1)
    assert [body for _method, _properties, body in left_in(harness, ".quarantine")] == [b"<deadly/>"]
    assert len(desk.envelopes) == 1


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────


def test_queues_that_are_not_there_are_not_made_unless_asked(harness, desk, rabbitmq_url):
    with pytest.raises(Unavailable):
        harness.make(rabbitmq_url, declare_queues=False).serve(desk, Event())
    assert harness.ready(harness.queue) == -1


def test_a_channel_on_queues_that_an_operator_made_works_too(harness, desk, rabbitmq_url):
    with harness.connection() as connection:
        for suffix in ("", ".dead-letters", ".quarantine"):
            connection.channel().queue_declare(harness.queue + suffix, durable=True)
    with serving(harness, desk, harness.make(rabbitmq_url, declare_queues=False)):
        assert harness.send(Message()).word is Word.RECEIPT
