"""RabbitMQ dies and comes back under load: nothing that it or the broker confirmed is lost."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from threading import Event, Lock, Thread

import pika
from pika.exceptions import AMQPError

from adapters.offices.amqp import KIND
from adapters.testkit.channels import PATIENCE
from adapters.testkit.desk import receipt_for
from adapters.testkit.dms_amqp import MockAmqpDms
from adapters.testkit.offices import a_parcel
from broker.errors import Unavailable
from tests.contract.test_channels_amqp import AmqpHarness

LOAD = 400
AGAIN = timedelta(milliseconds=50)


def body(number: int) -> bytes:
    return f"<letter>{number}</letter>".encode()


class Sender(Thread):
    """Sends letters until each is confirmed, as a careful partner does; some may be sent twice."""

    def __init__(self, url, queue, answers, pace):
        super().__init__()
        self.url, self.queue, self.answers, self.pace = url, queue, answers, pace

    def run(self):
        waiting = list(range(LOAD))
        while waiting:
            try:
                with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
                    channel = connection.channel()
                    channel.confirm_delivery()
                    while waiting:
                        self.pace(LOAD - len(waiting))
                        about = pika.BasicProperties(
                            headers={"sender": "citizen", "box": "/town/SEKAP"},
                            message_id=f"m-{waiting[0]}",
                            reply_to=self.answers,
                            delivery_mode=2,
                        )
                        channel.basic_publish("", self.queue, body(waiting[0]), about, mandatory=True)
                        waiting.pop(0)
            except AMQPError:
                time.sleep(0.1)


class Intake:
    """Idempotent, as intake is: what is in `kept` is committed."""

    def __init__(self):
        self.kept, self.asked, self.turned_away, self._lock = {}, 0, Event(), Lock()

    def __call__(self, envelope):
        with self._lock:
            self.asked += 1
            self.kept.setdefault(envelope.message_id, envelope.payload)
        return receipt_for(envelope)


class Deliveries(Thread):
    """Delivers parcels until each is handed over, as dispatch does; some may be handed over twice."""

    def __init__(self, office, pace):
        super().__init__()
        self.office, self.pace, self.attempts = office, pace, 0

    def run(self):
        waiting = list(range(LOAD))
        while waiting:
            self.attempts += 1
            self.pace(LOAD - len(waiting))
            try:
                self.office.deliver(a_parcel(body(waiting[0]), delivery=f"d-{waiting[0]}"))
            except Unavailable:
                time.sleep(0.1)
            else:
                waiting.pop(0)
        self.office.close()


def test_rabbitmq_killed_under_load_loses_nothing_on_the_way_in_nor_out(private_rabbitmq, queue_name, record_property):
    url, answers, office_queue = private_rabbitmq.url, queue_name("answers"), queue_name("office")
    intake, stop, halfway = Intake(), Event(), (Event(), Event())
    harness = AmqpHarness(url, queue_name("in"), intake)
    with harness.connection() as connection:
        connection.channel().queue_declare(answers, durable=True, arguments={"x-queue-type": "quorum"})
    channel = harness.make(url, first_wait=AGAIN, longest_wait=AGAIN * 4, workers=8)
    office = KIND.make(KIND.settings(url=url, routing_key=office_queue, deadline=timedelta(seconds=20)), channel.around)
    server = Thread(target=channel.serve, args=(intake, stop))

    def pace(event):
        return lambda done: event.set() if done >= LOAD // 2 else None

    with MockAmqpDms(url, office_queue) as dms:
        server.start()
        harness.wait_until_open()
        sender = Sender(url, harness.queue, answers, pace(halfway[0]))
        deliveries = Deliveries(office, pace(halfway[1]))
        for load in (sender, deliveries):
            load.start()
        for event in halfway:
            assert event.wait(PATIENCE)
        private_rabbitmq.kill()
        private_rabbitmq.start()
        for load in (sender, deliveries):
            load.join(PATIENCE * 2)
            assert not load.is_alive()

        receipts: Counter[str] = Counter()
        with harness.connection() as connection:
            for method, properties, xml in connection.channel().consume(answers, auto_ack=True, inactivity_timeout=5):
                if method is None:
                    break
                receipts[properties.correlation_id] += 1
                assert xml
                if len(receipts) == LOAD:
                    break
        harness.until(lambda: len(dms.received) == LOAD)
    stop.set()
    server.join(PATIENCE)
    assert not server.is_alive()
    record_property("repeats at intake", intake.asked - LOAD)
    record_property("attempts of deliveries", deliveries.attempts)
    record_property("parcels handed over again", dms.records.repeats)
    assert intake.kept == {f"m-{number}": body(number) for number in range(LOAD)}
    assert receipts.keys() == intake.kept.keys()
    assert harness.ready(harness.queue) == 0
    assert {one.delivery: one.document for one in dms.received} == {f"d-{n}": body(n) for n in range(LOAD)}
    assert not dms.records.conflicts
    assert not dms.unread
