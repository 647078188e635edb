"""The AMQP office on a real RabbitMQ: what counts as handed over, and what does not."""

from __future__ import annotations

import socket
from datetime import timedelta

import pika
import pytest

from adapters.offices.amqp import KIND
from adapters.testkit.dms_amqp import MockAmqpDms
from adapters.testkit.offices import a_parcel
from adapters.testkit.proxy import Mood, Proxy
from adapters.wire.amqp import QUORUM
from adapters.wire.amqp_parcel import Layout
from broker.errors import Unavailable
from broker.quarantine import may_be_there
from broker.states import DeliveryEvent
from tests.contract.test_channels_amqp import AmqpHarness


@pytest.fixture
def rabbit(rabbitmq_url):
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        yield connection.channel()


@pytest.fixture
def queue(rabbit, queue_name):
    name = queue_name("office")
    rabbit.queue_declare(name, durable=True, arguments=QUORUM)
    yield name
    rabbit.queue_delete(name)


@pytest.fixture
def office_at(rabbitmq_url, queue_name):
    made = []

    def make(url=rabbitmq_url, **settings):
        around = AmqpHarness(rabbitmq_url, queue_name("unused"), None).channel.around
        made.append(KIND.make(KIND.settings(url=url, deadline=timedelta(seconds=10), **settings), around))
        return made[-1]

    yield make
    for office in made:
        office.close()


def test_a_parcel_that_no_queue_takes_is_not_handed_over(office_at, rabbit, queue):
    office = office_at(routing_key=queue)
    office.deliver(a_parcel(delivery="d-1"))
    rabbit.queue_delete(queue)
    with pytest.raises(Unavailable, match="returned") as no:
        office.deliver(a_parcel(delivery="d-2"))
    assert no.value.condition == "office.returned"
    with pytest.raises(Unavailable):
        office.check()
    rabbit.queue_declare(queue, durable=True, arguments=QUORUM)
    office.check()
    assert office.deliver(a_parcel(delivery="d-2")) == "d-2"


def test_a_parcel_that_a_full_queue_declines_is_not_handed_over(office_at, rabbit, queue_name):
    full = queue_name("full")
    rabbit.queue_declare(full, durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    office = office_at(routing_key=full)
    office.deliver(a_parcel(delivery="d-1"))
    with pytest.raises(Unavailable, match="declined"):
        office.deliver(a_parcel(delivery="d-2"))
    rabbit.queue_delete(full)


def test_an_exchange_that_is_not_there_is_unavailable_and_found_when_it_comes(office_at, rabbit, queue, queue_name):
    exchange = queue_name("exchange")
    office = office_at(exchange=exchange, routing_key="letters")
    for call in (office.check, lambda: office.deliver(a_parcel())):
        with pytest.raises(Unavailable, match="NOT_FOUND"):
            call()
    rabbit.exchange_declare(exchange, "topic", durable=True)
    rabbit.queue_bind(queue, exchange, "letters")
    office.check()
    office.deliver(a_parcel(delivery="d-3"))
    _method, properties, _body = rabbit.basic_get(queue, auto_ack=True)
    assert (properties.message_id, properties.delivery_mode, properties.type) == ("d-3", 2, "goniec.parcel")
    rabbit.exchange_delete(exchange)


def test_a_line_that_was_cut_while_it_stood_idle_costs_no_attempt(office_at, rabbitmq_url, rabbit, queue):
    parameters = pika.URLParameters(rabbitmq_url)
    with Proxy(parameters.host, parameters.port) as proxy:
        office = office_at(url=f"amqp://guest:guest@127.0.0.1:{proxy.port}/", routing_key=queue)
        office.deliver(a_parcel(delivery="d-1"))
        proxy.be(Mood.REFUSE)
        with socket.create_connection(("127.0.0.1", proxy.port)) as line:
            assert line.recv(1) == b""  # by now the proxy refuses, and has cut what stood
        proxy.be(Mood.FORWARD)
        assert office.deliver(a_parcel(delivery="d-2")) == "d-2"
        office.close()


def test_a_parcel_that_comes_back_when_it_is_sent_again_may_have_arrived_the_first_time(
    office_at, rabbitmq_url, rabbit, queue
):
    """The queue may have been taken away between the two: only what was sent once and came back is known to be out."""
    parameters = pika.URLParameters(rabbitmq_url)
    with Proxy(parameters.host, parameters.port) as proxy:
        office = office_at(url=f"amqp://guest:guest@127.0.0.1:{proxy.port}/", routing_key=queue)
        office.deliver(a_parcel(delivery="d-1"))
        proxy.be(Mood.REFUSE)
        with socket.create_connection(("127.0.0.1", proxy.port)) as line:
            assert line.recv(1) == b""
        rabbit.queue_delete(queue)
        proxy.be(Mood.FORWARD)
        with pytest.raises(Unavailable, match="returned") as no:
            office.deliver(a_parcel(delivery="d-2"))
        office.close()
    assert may_be_there((), [(DeliveryEvent.POSTPONED, f"{no.value.condition}: {no.value.reason}")])


def test_a_wrong_password_is_unavailable_and_is_not_repeated_in_the_words(office_at, rabbitmq_url, queue):
    wrong = rabbitmq_url.replace("guest:guest", "guest:hunter2")
    with pytest.raises(Unavailable) as away:
        office_at(url=wrong, routing_key=queue).deliver(a_parcel())
    assert "hunter2" not in away.value.reason


@pytest.mark.parametrize("layout", list(Layout))
def test_the_mock_document_system_registers_a_delivery_once(office_at, rabbitmq_url, queue, layout, tmp_path):
    office = office_at(routing_key=queue, layout=layout)
    with MockAmqpDms(rabbitmq_url, queue, office="town-hall", folder=tmp_path) as dms:
        for _attempt in range(2):
            office.deliver(a_parcel(b"<letter/>\n", delivery="d-1"))
        AmqpHarness(rabbitmq_url, queue, None).until(lambda: dms.records.times("d-1") == 2)
    (got,) = dms.received
    assert (got.document, got.receipt, got.office) == (b"<letter/>\n", a_parcel().receipt.xml, "town-hall")
    assert (tmp_path / "town-hall" / "d-1.xml").read_bytes() == b"<letter/>\n"
    assert dms.records.repeats == 1


def test_the_mock_document_system_passes_over_what_is_no_parcel(rabbitmq_url, rabbit, queue):
    rabbit.basic_publish("", queue, b"<letter/>")
    with MockAmqpDms(rabbitmq_url, queue) as dms:
        AmqpHarness(rabbitmq_url, queue, None).until(lambda: bool(dms.unread))
    assert dms.unread == ["amqp.parcel"]
    assert not dms.received
