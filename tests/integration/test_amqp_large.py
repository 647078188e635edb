"""Large messages over AMQP: they take turns, small ones pass them, and of what waits aside nothing is held."""

from __future__ import annotations

import threading
from datetime import timedelta
from threading import Event

import pytest

from adapters.testkit.channels import PATIENCE, Message, Word
from adapters.testkit.desk import Desk, receipt_for
from adapters.wire.weight import SMALL
from broker.errors import NotYet, Unavailable
from tests.contract.test_channels_amqp import AmqpHarness
from tests.integration.test_amqp_channel import left_in, serving


def large(number):
    return b"<large n='%d'>" % number + b"x" * SMALL + b"</large>"


def is_large(envelope):
    return len(envelope.payload) >= SMALL


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def harness(rabbitmq_url, queue_name, desk):
    made = AmqpHarness(rabbitmq_url, queue_name("in"), desk)
    made.channel = made.make(rabbitmq_url, workers=4, large=SMALL)
    yield made
    made.delete()


def test_large_messages_are_in_intake_one_at_a_time_and_small_ones_pass(harness, desk):
    lock, go_on = threading.Lock(), Event()
    now, most = 0, 0

    def answer(envelope):
        nonlocal now, most
        if not is_large(envelope):
            return receipt_for(envelope)
        with lock:
            now += 1
            most = max(most, now)
        assert go_on.wait(PATIENCE)
        with lock:
            now -= 1
        return receipt_for(envelope)

    desk.answer = answer
    with serving(harness, desk):
        answers = [harness.post(Message(payload=large(number))) for number in range(3)]
        harness.until(lambda: now == 1)
        assert harness.insist(Message(payload=b"<small/>")).word is Word.RECEIPT
        go_on.set()
        assert [harness.answer(reply).word for reply in answers] == [Word.RECEIPT] * 3
    assert most == 1


def test_a_large_message_that_must_wait_goes_back_and_comes_again_and_is_not_taken_for_poisonous(harness, desk):
    """Its queue's count of redeliveries grows by our will."""
    harness.channel = harness.make(harness.url, redeliveries=2)
    times = 0

    def answer(envelope):
        nonlocal times
        times += 1
        if times < 6:
            raise NotYet("its authority is silent", retry_after=timedelta(milliseconds=10))
        return receipt_for(envelope)

    desk.answer = answer
    with serving(harness, desk):
        assert harness.insist(Message(payload=large(0))).word is Word.RECEIPT
    assert times == 6
    assert left_in(harness) == left_in(harness, ".quarantine") == []


def test_large_messages_that_wait_for_their_turn_are_still_there_when_intake_is_away_and_after_a_stop(harness, desk):
    asked, go_on = Event(), Event()

    def answer(envelope):
        asked.set()
        assert go_on.wait(PATIENCE)
        raise Unavailable("away", retry_after=timedelta(hours=1))

    desk.answer = answer
    with serving(harness, desk):
        for number in range(3):
            harness.post(Message(payload=large(number)))
        assert asked.wait(PATIENCE)
        go_on.set()
        harness.until(lambda: harness.ready(harness.queue, consumers=True) == 0)
    assert sorted(body for _, _, body in left_in(harness)) == [large(number) for number in range(3)]


def test_there_are_as_many_places_as_workers_and_more_only_while_messages_are_aside(harness, desk):
    may_pass = Event()

    def answer(envelope):
        if not may_pass.is_set():
            raise NotYet("its authority is silent", retry_after=timedelta(milliseconds=10))
        return receipt_for(envelope)

    desk.answer = answer
    with serving(harness, desk):
        assert harness.ready(harness.queue, consumers=True) == 1
        answers = [harness.post(Message(payload=b"<waits n='%d'/>" % number)) for number in range(12)]
        harness.until(lambda: harness.ready(harness.queue, consumers=True) == 3)
        may_pass.set()
        assert [harness.answer(reply).word for reply in answers] == [Word.RECEIPT] * 12
        harness.until(lambda: harness.ready(harness.queue, consumers=True) == 1)


def test_it_is_open_also_while_intake_is_away_and_not_when_rabbitmq_is(harness, desk):
    desk.answer = lambda _envelope: (_ for _ in ()).throw(Unavailable("away", retry_after=timedelta(hours=1)))
    assert not harness.channel.ready.is_set()
    with serving(harness, desk):
        harness.until(harness.channel.ready.is_set)
        harness.post(Message())
        harness.until(lambda: harness.ready(harness.queue, consumers=True) == 0)
        assert harness.channel.ready.is_set()
    assert not harness.channel.ready.is_set()
