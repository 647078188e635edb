"""The AMQP office keeps every promise of the port, against a real RabbitMQ behind a proxy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pika
import pytest

from adapters.offices.amqp import KIND
from adapters.testkit.offices import Handed, HangingOfficeSuite, OfficeSuite
from adapters.testkit.proxy import Mood, Proxy
from adapters.wire.amqp import QUORUM
from adapters.wire.amqp_parcel import unpack
from adapters.wire.kind import Surroundings
from broker.parse import Limits
from tests.builders import NOON


class AmqpHarness:
    def __init__(self, url: str, proxy: Proxy, queue: str, layout: str) -> None:
        self._url, self._proxy, self._queue = url, proxy, queue
        self._got: list[Handed] = []
        with self._connection() as connection:
            connection.channel().queue_declare(queue, durable=True, arguments=QUORUM)
        around = Surroundings(
            name="town-hall",
            folder=Path(),
            clock=lambda: NOON,
            ids=lambda: "id",
            text=lambda _path: b"",
            limits=Limits(),
        )
        through = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        settings = KIND.settings(url=through, routing_key=queue, layout=layout, deadline=timedelta(seconds=1.5))
        self.office = KIND.make(settings, around)

    def _connection(self) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(self._url))

    def received(self):
        with self._connection() as connection:
            channel = connection.channel()
            while (got := channel.basic_get(self._queue, auto_ack=True))[0] is not None:
                found = unpack(got[2], got[1])
                self._got.append(
                    Handed(document=found.document, receipt=found.receipt, report=found.report, facts=found.facts)
                )
        return tuple(self._got)

    def take_down(self):
        self._proxy.be(Mood.REFUSE)

    def bring_up(self):
        self._proxy.be(Mood.FORWARD)

    def hang(self):
        self._proxy.be(Mood.SWALLOW)

    def delete(self):
        with self._connection() as connection:
            connection.channel().queue_delete(self._queue)


@pytest.mark.parametrize("layout", ["document", "multipart"])
class TestAmqpOffice(OfficeSuite, HangingOfficeSuite):
    @pytest.fixture
    def harness(self, rabbitmq_url, queue_name, layout):
        parameters = pika.URLParameters(rabbitmq_url)
        with Proxy(parameters.host, parameters.port) as proxy:
            harness = AmqpHarness(rabbitmq_url, proxy, queue_name("office"), layout)
            yield harness
            harness.office.close()
            harness.delete()
