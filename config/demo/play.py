"""The demo's play: a whole broker with its offices, letters sent over SOAP, and what became of each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.testkit.box import Reply
from adapters.testkit.dms import MockDms
from adapters.testkit.dms_amqp import MockAmqpDms
from adapters.testkit.dms_conduct import Conduct, Manner
from adapters.testkit.pki import Pki
from broker.errors import Unavailable
from broker.ports import Ledger
from broker.states import DeliveryState
from config import packaged
from config.bootstrap import open_ledger
from config.demo.letters import LARGEST, PORTAL, PORTAL_BOX, Letter
from config.demo.offices import DemoOffice
from config.demo.site import Site, free_port

SLOW = timedelta(milliseconds=700)  # how long the slow office thinks about each document
DOWN = timedelta(seconds=4)  # how long the office that is down stays down
ENDING = timedelta(seconds=60)  # how long deliveries may take after the last letter was sent
SENDERS = 4  # letters on their way at the same time
QUEUED = 3  # offices reached by AMQP, where there is a RabbitMQ

_BOX_OF_PORTAL = f"{PORTAL_BOX};{PORTAL};Portal mieszkańca (przykład);;;;;;;;synthetic\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A letter and what the broker answered."""

    letter: Letter
    submission: str = ""  # its id, when accepted
    receipt: bytes = b""
    code: str = ""  # when refused

    @property
    def as_it_should(self) -> bool:
        """Whether the answer is the one that the letter must get."""
        return self.code == self.letter.code


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The broker's site, and the mock document systems of its offices."""

    site: Site
    dms: MockDms
    queues: Sequence[MockAmqpDms] = ()
    unusual: dict[str, str] = field(default_factory=dict)  # office → what is unusual about it

    def trouble(self) -> None:
        """From now on let one office be slow, and another be down for a while."""
        down, *others = self.site.offices
        self.unusual[down.id] = "down for a while"
        self.dms.behave(Conduct(manner=Manner.DROP, seconds=DOWN.total_seconds()), down.id)
        if others:
            self.unusual[others[0].id] = "slow"
            self.dms.behave(Conduct(delay=SLOW.total_seconds()), others[0].id)

    @property
    def handovers(self) -> list[Any]:
        """Everything that offices registered, over whichever way."""
        return [*self.dms.received, *(one for queue in self.queues for one in queue.received)]

    @property
    def conflicts(self) -> int:
        """How often a delivery id came for another document: must be 0."""
        return len(self.dms.records.conflicts) + sum(len(queue.records.conflicts) for queue in self.queues)

    @property
    def repeats(self) -> int:
        """How often an office was handed something again under the same delivery id."""
        return self.dms.records.repeats + sum(queue.records.repeats for queue in self.queues)


@contextmanager
def stage(folder: Path, offices: Sequence[DemoOffice], at: datetime, rabbitmq: str = "") -> Iterator[Stage]:
    """Set up offices and broker in `folder`, start both, and end both afterwards."""
    with ExitStack() as ends:
        dms = ends.enter_context(MockDms(folder=folder / "offices", text=packaged.text))
        queued = offices[-QUEUED:] if rabbitmq and len(offices) > QUEUED else ()
        queues = [
            ends.enter_context(MockAmqpDms(rabbitmq, f"demo.{it.id}", office=it.id, folder=folder / "offices"))
            for it in queued
        ]
        ways: dict[str, dict[str, Any]] = {it.id: {"kind": "soap", "url": dms.url(it.id)} for it in offices}
        ways[PORTAL] = {"kind": "soap", "url": dms.url(PORTAL), "in_flight": 4}
        ways[offices[0].id]["cooling"] = 1.0  # it comes back soon: its breaker should find out soon
        ways |= {it.id: {"kind": "amqp", "url": rabbitmq, "routing_key": f"demo.{it.id}"} for it in queued}
        unusual = {str(it.id): "AMQP" for it in queued}
        site = Site(
            folder=folder,
            offices=offices,
            ways=ways,
            pki=Pki(at=at),
            port=free_port(),
            boxes=_BOX_OF_PORTAL,
            sections={
                "limits": {"payload": LARGEST},
                "delivery": {"first_wait": 0.5, "longest_wait": 2.0, "poll": 0.2},
            },
        ).write()
        ends.enter_context(site.start())
        yield Stage(site=site, dms=dms, queues=queues, unusual=unusual)


def send(site: Site, letters: Sequence[Letter], told: Callable[[], None]) -> list[Sent]:
    """Send letters over SOAP, several at a time; return what came of each, in their order."""

    def one(letter: Letter) -> Sent:
        sent = _sent(letter, site.box.submit(letter.submission))
        told()
        return sent

    with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as pool:
        return list(pool.map(one, letters))


def _sent(letter: Letter, reply: Reply) -> Sent:
    if reply.status != 200:  # noqa: PLR2004 - HTTP's name for yes
        return Sent(letter=letter, code=reply.code())
    answer = reply.answer()
    return Sent(
        letter=letter,
        submission=answer.document,
        receipt=answer.attachment.content if answer.attachment else b"",
    )


def wait_for_deliveries(site: Site, told: Callable[[int, int], None]) -> None:
    """Return when nothing is waiting or being sent any more; raise Unavailable if that takes too long."""
    until = time.monotonic() + ENDING.total_seconds()
    with open_ledger(site.settings) as ledger:
        while True:
            ended, open_ = _counts(ledger)
            told(ended, ended + open_)
            if not open_:
                return
            if time.monotonic() > until:
                raise Unavailable(f"{open_} deliveries have not ended in {ENDING.total_seconds():.0f} s")
            time.sleep(0.1)


def _counts(ledger: Ledger) -> tuple[int, int]:
    """Return how many deliveries have ended, and how many have not."""
    counts = ledger.stats().deliveries
    open_ = counts.get(DeliveryState.WAITING, 0) + counts.get(DeliveryState.SENDING, 0)
    return sum(counts.values()) - open_, open_
