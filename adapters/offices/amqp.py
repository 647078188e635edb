"""The AMQP way out: a parcel is published to the office's exchange, and handed over when RabbitMQ confirms it.

What the message looks like: `adapters/wire/amqp_parcel.py`.  The exchange and the queues behind it belong to the
office: nothing is declared here.  A parcel that no queue takes is Unavailable, not Refused: a queue that is not
bound (yet) is a matter for operators, and the delivery's patience covers it.
"""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

import pika
from pika.spec import BasicProperties

from adapters.wire.amqp import Fate, Line, connect
from adapters.wire.amqp_address import AmqpAddress
from adapters.wire.amqp_parcel import Layout, pack
from adapters.wire.kind import Kind, Surroundings
from broker.errors import Unavailable
from broker.model import Parcel
from broker.ports import Office


class AmqpOfficeSettings(AmqpAddress):
    """Where the office takes its documents from.  Durations are seconds or ISO 8601."""

    exchange: str = ""  # RabbitMQ's default exchange, where the routing key is the queue's name
    routing_key: str
    layout: Layout = Layout.DOCUMENT
    deadline: timedelta = timedelta(seconds=30)  # of one attempt, all in all; must be shorter than the lease


class AmqpOffice:
    """An Office.  Keeps its line between deliveries.  Use `KIND.make`."""

    def __init__(self, settings: AmqpOfficeSettings, parameters: pika.connection.Parameters) -> None:
        self._settings = settings
        self._parameters = parameters
        self._line: Line | None = None

    def deliver(self, parcel: Parcel) -> str:
        """See `broker.ports.Office`.  The reference is the message's id: the delivery id."""
        it = self._settings
        body, properties = pack(parcel, it.layout)
        fate, repeated = self._publish(body, properties)
        if fate is not Fate.CONFIRMED:
            reason = f"RabbitMQ {fate.value} the parcel: exchange {it.exchange!r}, key {it.routing_key!r}"
            # Whatever became of the repeat, what was sent over the line before may have arrived.
            raise Unavailable(reason, condition="line.broken" if repeated else f"office.{fate.value}")
        return parcel.delivery

    def _publish(self, body: bytes, properties: BasicProperties) -> tuple[Fate, bool]:
        """Return the parcel's fate, and whether it was sent over another line before, with a fate that nobody knows."""
        it, deadline = self._settings, self._by()
        sent = False
        if self._line is not None:
            try:
                return self._line.settle(it.exchange, it.routing_key, body, properties, deadline), False
            except Unavailable:
                self.close()
                sent = True
                # A line that stood idle may have been cut without our seeing it: once more, on a fresh one.
                if monotonic() >= deadline:
                    raise
        try:
            return self._reach(deadline).settle(it.exchange, it.routing_key, body, properties, deadline), sent
        except Unavailable as away:
            self.close()
            if sent:  # over the line before: that this one cannot be had does not say that nothing was sent
                raise Unavailable(away.reason, condition="line.broken") from away
            raise

    def check(self) -> None:
        """See `broker.ports.Office`: the exchange, or without one the queue, must be there."""
        it, deadline = self._settings, self._by()
        self.close()
        line = self._reach(deadline)
        try:
            if it.exchange:
                line.ask(line.channel.exchange_declare, deadline, exchange=it.exchange, passive=True)
            else:
                line.ask(line.channel.queue_declare, deadline, queue=it.routing_key, passive=True)
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        """See `broker.ports.Office`."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _by(self) -> float:
        return monotonic() + self._settings.deadline.total_seconds()

    def _reach(self, deadline: float) -> Line:
        if self._line is None:
            self._line = connect(self._parameters, deadline)
        return self._line


def make(settings: AmqpOfficeSettings, around: Surroundings) -> Office:
    """Make the office; raise ConfigError.  Opens no connection."""
    parameters = settings.parameters(around.folder, name=f"goniec office {around.name}")
    return AmqpOffice(settings, parameters)


KIND: Kind[Office] = Kind(settings=AmqpOfficeSettings, make=make)
