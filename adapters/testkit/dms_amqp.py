"""A mock document system behind a queue: takes parcels as an office's own consumer would, and keeps them.

What it got is kept as every mock keeps it (`dms_records.py`).  It acknowledges a parcel when it has kept it, and
registers a delivery id once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Final, Self

from pika.spec import Basic, BasicProperties

from adapters.testkit.dms_records import Handover, Records
from adapters.wire.amqp import QUORUM, Line, connect
from adapters.wire.amqp_address import parameters_of
from adapters.wire.amqp_parcel import unpack
from broker.errors import Rejection, Unavailable

_PATIENCE: Final = 10.0  # seconds for an answer of RabbitMQ
_AGAIN: Final = 0.5  # seconds before a fallen line is tried again


class MockAmqpDms:
    """Consumes an office's queue in a thread; a context manager.  `received`, `repeats`, `conflicts` tell what came."""

    def __init__(self, url: str, queue: str, *, office: str = "office", folder: Path | None = None) -> None:
        """`url`: of the RabbitMQ; `queue`: made if it is not there; `folder`: where to write what comes."""
        self.records = Records(folder)
        self.unread: list[str] = []  # codes of messages that were no parcels: must stay empty
        self._url, self._queue, self._office = url, queue, office
        self._stop, self._open = Event(), Event()
        self._thread = Thread(target=self._serve, name=f"mock-dms {queue}", daemon=True)

    @property
    def received(self) -> tuple[Handover, ...]:
        """Every delivery once, in the order of their arrival."""
        return self.records.received

    def start(self) -> Self:
        """Start to consume; return when the queue is there.  Raises Unavailable if it cannot be had."""
        self._thread.start()
        if not self._open.wait(_PATIENCE):
            self.stop()
            raise Unavailable(f"the queue {self._queue} cannot be had")
        return self

    def stop(self) -> None:
        """Stop, after what is under way."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                line = connect(parameters_of(self._url, name=f"mock dms {self._queue}"), monotonic() + _PATIENCE)
                try:
                    declare(line, self._queue)
                    line.consume(self._queue, 20, self._keeper(line), monotonic() + _PATIENCE)
                    self._open.set()
                    while not line.drive(self._stop.is_set, monotonic() + 0.1):
                        pass
                finally:
                    line.close()
            except Unavailable:
                self._stop.wait(_AGAIN)

    def _keeper(self, line: Line) -> Callable[[Basic.Deliver, BasicProperties, bytes], None]:
        def keep(deliver: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
            try:
                found = unpack(body, properties)
            except Rejection as no:
                self.unread.append(no.code)
            else:
                handover = Handover(
                    office=self._office,
                    delivery=found.facts["delivery"],
                    document=found.document,
                    receipt=found.receipt,
                    report=found.report,
                    facts=found.facts,
                )
                with contextlib.suppress(ValueError):  # the id stands for another document: `conflicts` has it
                    self.records.keep(handover)
            line.acknowledge(deliver.delivery_tag)

        return keep


def declare(line: Line, queue: str) -> None:
    """Make an office's queue: durable, on a quorum."""
    line.ask(line.channel.queue_declare, monotonic() + _PATIENCE, queue=queue, durable=True, arguments=QUORUM)
