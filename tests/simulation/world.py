"""A simulated world: nodes that share a store, partners, a queue, offices, and a clock that can jump.

The code under test is the broker's own: intake, dispatch, retry, and the store.  What is simulated is what lies around
it, behind the same protocols: every call of a store, a seal or an office is a point at which the world may go wrong.
The stages that judge a document are left out, for nothing of them can be lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from adapters.wire.kind import Custody
from broker.admit import Admit
from broker.dispatch import Dispatcher
from broker.errors import Invalid, LeaseLost, Refused, Rejection, Unavailable
from broker.intake import Intake
from broker.model import (
    Address,
    BoxPolicy,
    Claim,
    Document,
    Envelope,
    OfficeId,
    OfficeLimits,
    Parcel,
    Receipt,
    Routed,
    Target,
    Valid,
    Verified,
)
from broker.partner import NOBODY
from broker.receipt import Registrar
from broker.retry import RetryPolicy
from tests import stages
from tests.simulation.schedule import DAWN, Actor, Schedule

LEASE = timedelta(seconds=20)
POLL, LONGEST_POLL = timedelta(seconds=2), timedelta(minutes=5)
POLICY = RetryPolicy(
    first=timedelta(seconds=2), longest=timedelta(seconds=30), patience=timedelta(days=30), crashes=1000
)
BAD = b"<bad/>"  # what a document that is refused begins with


@dataclass(kw_only=True)
class Troubles:
    """What is wrong with the world just now; chances are of one call."""

    store_away: bool = False
    answer_lost: float = 0.0  # the store did it, and nobody hears
    seal_away: bool = False


class Faulty:
    """Something that nodes call over a network: each of its methods becomes a point before, a point after."""

    def __init__(self, world: World, what: Any, name: str) -> None:
        self._world, self._what, self._name = world, what, name

    def __getattr__(self, method: str) -> Any:
        plain = getattr(self._what, method)
        if not callable(plain):
            return plain

        def call(*given: Any, **named: Any) -> Any:
            schedule, troubles = self._world.schedule, self._world.troubles
            schedule.point(f"{self._name}.{method} …")
            if troubles.store_away:
                raise Unavailable("the store is away")
            answer = plain(*given, **named)
            if method == "record":
                delivery = given[0].delivery
                self._world.recorded.add((delivery.id, delivery.attempts))
            schedule.point(f"… {self._name}.{method}")
            if schedule.chance.random() < troubles.answer_lost:
                raise Unavailable("the connection to the store broke")
            return answer

        return call


class Stamp:
    """A seal that only marks, and may be away."""

    def __init__(self, world: World) -> None:
        self._world = world

    def seal(self, unsigned: bytes) -> bytes:
        self._world.schedule.point("sealing")
        if self._world.troubles.seal_away:
            raise Unavailable("the seal is away")
        return unsigned


@dataclass(frozen=True)
class Arrival:
    """What an office has written down, before it answers."""

    office: str
    delivery: str
    submission: str
    digest: str
    receipt: bytes


@dataclass
class OfficeSystem:
    """An office's document system.  `mood` is what it does with the next parcel."""

    world: World
    name: OfficeId
    mood: str = "well"
    arrivals: list[Arrival] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)  # deliveries for which it said that it has them

    def deliver(self, parcel: Parcel) -> str:
        schedule = self.world.schedule
        schedule.point(f"to {self.name} …")
        match self.mood:
            case "down":
                raise Unavailable("refused the connection")
            case "busy":
                raise Unavailable("come again", retry_after=timedelta(seconds=5))
            case "hangs":
                schedule.sleep(LEASE * 2)
                raise Unavailable("did not answer in time")
            case "refuses":
                raise Refused("we do not take this")
            case "late":
                schedule.sleep(LEASE * 1.5)
        self.arrivals.append(
            Arrival(
                office=self.name,
                delivery=parcel.delivery,
                submission=parcel.submission.id,
                digest=hashlib.sha256(parcel.document).hexdigest(),
                receipt=parcel.receipt.xml,
            )
        )
        schedule.point(f"… {self.name} has it")
        if self.mood == "half":
            raise Unavailable("the answer was cut off")
        self.answered.add(parcel.delivery)
        return f"EZD/{len(self.arrivals)}"

    def check(self) -> None:
        raise Unavailable("nobody asks")

    def close(self) -> None:
        self.mood = "well"


class Node:
    """A serving process: what it holds in memory is gone when it dies."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.alive = True
        self.still_until = DAWN
        self.skew = timedelta(0)
        self._actors: list[Actor] = []
        self.under_way: dict[str, Claim] = {}
        self.store = Faulty(world, world.store, "store")
        self.intake = Intake(
            store=self.store,
            parse=stages.parse,
            validate=_validate,
            verify=stages.verify,
            route=self._route,
            admit=Admit(partners=lambda: NOBODY),
            registrar=Registrar(seal=Stamp(world), ids=world.ids, environment="test"),
            clock=self.clock,
            ids=world.ids,
        )
        self.dispatcher = Dispatcher(store=self.store, lend=self._lend, policy=POLICY, jitter=lambda: 0.5)
        for name, run in (("courier", self._deliver), ("keeper", self._renew), *world.also(self)):
            self.start(name, run)

    def clock(self) -> datetime:
        return self.world.schedule.now + self.skew

    def start(self, name: str, run: Callable[[], None]) -> Actor:
        actor = self.world.schedule.start(f"{name} {self.number}", run, lambda: self.still_until)
        self._actors.append(actor)
        return actor

    @property
    def runs(self) -> bool:
        return self.world.schedule.current in self._actors

    def die(self) -> None:
        self.alive = False
        for actor in self._actors:
            actor.doomed = True

    def _route(self, verified: Verified) -> Routed:
        box = verified.valid.document.envelope.to.box
        office = OfficeId(box.split("/")[1])
        target = Target(row=f"box:{box}", office=office, office_name=office, box=box, policy=BoxPolicy())
        return stages.route_to(target)(verified)

    @contextmanager
    def _lend(self, office: OfficeId) -> Iterator[OfficeSystem]:
        yield self.world.offices[office]

    def _deliver(self) -> None:
        schedule, idle = self.world.schedule, POLL
        while True:
            claims = []
            try:
                claims = self.store.claim(LEASE, 3)
            except Unavailable as away:
                schedule.tell(f"courier {self.number}: {away.reason}")
            for claim in claims:
                self.under_way[claim.token + claim.delivery.id] = claim
                self.start("attempt", lambda claim=claim: self._attempt(claim))
            idle = POLL if claims else min(idle * 2, LONGEST_POLL)  # a world at rest need not be asked all the time
            if not claims:
                schedule.sleep(idle)

    def _attempt(self, claim: Claim) -> None:
        try:
            self.dispatcher.deliver(claim)
        finally:
            self.under_way.pop(claim.token + claim.delivery.id, None)

    def _renew(self) -> None:
        schedule = self.world.schedule
        while True:
            schedule.wait(lambda: bool(self.under_way), timedelta(hours=1))
            schedule.sleep(LEASE / 3)
            for key, claim in list(self.under_way.items()):
                try:
                    renewed = self.store.renew(claim, LEASE)
                except (Unavailable, LeaseLost) as why:
                    schedule.tell(f"keeper {self.number}: {why}")
                else:
                    if key in self.under_way:
                        self.under_way[key] = renewed


def _validate(document: Document) -> Valid:
    if document.envelope.payload.startswith(BAD):
        raise Invalid("validate.invalid", place="/")
    return stages.validate(document)


@dataclass(frozen=True)
class Word:
    """An answer that a partner got."""

    digest: str
    submission: str = ""
    receipt: bytes = b""
    code: str = ""


@dataclass
class Partner:
    """Sends each of its documents until it has an answer, and sometimes once more."""

    world: World
    name: str
    letters: list[Envelope]
    words: list[Word] = field(default_factory=list)
    done: bool = False

    def run(self) -> None:
        schedule = self.world.schedule
        for letter in self.letters:
            schedule.sleep(timedelta(seconds=schedule.chance.randrange(30)))
            again = 1 + (schedule.chance.random() < 0.3)
            while again:
                word = self._ask(letter)
                if word is not None:
                    self.words.append(word)
                    again -= 1
                else:
                    schedule.sleep(timedelta(seconds=schedule.chance.randrange(1, 10)))
        self.done = True

    def _ask(self, letter: Envelope) -> Word | None:
        """Send to some node; None if the connection broke, nothing came in time, or it said to come again."""
        world, answer = self.world, []
        node = world.schedule.chance.choice(world.nodes)
        if not node.alive:
            return None

        def handle() -> None:
            sent = replace(letter, received_at=node.clock())
            try:
                receipt = node.intake.accept(sent)
            except Rejection as no:
                answer.append(Word(digest=letter.digest, code=no.code))
            except Unavailable as away:
                world.schedule.tell(f"node {node.number}: {away.reason}")
                answer.append(None)
            else:
                world.schedule.point(f"node {node.number} answers")
                answer.append(word_of(letter, receipt))

        handling = node.start(f"intake of {self.name}'s", handle)
        world.schedule.wait(lambda: handling.done, timedelta(seconds=30))
        lost = world.schedule.chance.random() < world.losses
        return answer[0] if answer and not lost else None


def word_of(letter: Envelope, receipt: Receipt) -> Word:
    return Word(digest=letter.digest, submission=receipt.submission, receipt=receipt.xml)


@dataclass
class Queue:
    """What a queue of RabbitMQ promises: a message is handed out again until it is acknowledged."""

    world: World
    waiting: list[Envelope] = field(default_factory=list)
    unacknowledged: dict[int, list[Envelope]] = field(default_factory=dict)  # by node
    replies: list[Word] = field(default_factory=list)
    dead: list[Word] = field(default_factory=list)
    complete: bool = False  # nothing more will be posted

    def consume(self, node: Node) -> None:
        """What a consumer does, as adapters/channels/amqp.py does it: acknowledge only what is answered."""
        schedule = self.world.schedule
        while True:
            if not schedule.wait(lambda: bool(self.waiting), timedelta(seconds=60)):
                continue
            message = self.waiting.pop(0)
            mine = self.unacknowledged.setdefault(node.number, [])
            mine.append(message)
            schedule.point("takes a message")
            early = "ack-before-commit" in self.world.bugs
            if early:
                mine.remove(message)
            try:
                receipt = node.intake.accept(replace(message, received_at=node.clock()))
            except Rejection as no:
                schedule.point("publishes a dead letter")
                self.dead.append(Word(digest=message.digest, code=no.code))
            except Unavailable:
                if message in mine:
                    mine.remove(message)
                    self.waiting.append(message)
                schedule.sleep(timedelta(seconds=3))
                continue
            else:
                schedule.point("publishes a receipt")
                self.replies.append(word_of(message, receipt))
            schedule.point("acknowledges")
            if message in mine:
                mine.remove(message)

    def close(self, node: Node) -> None:
        """The connection of a node is gone: what it has not acknowledged is handed out again."""
        self.waiting += self.unacknowledged.pop(node.number, [])

    @property
    def settled(self) -> bool:
        return self.complete and not self.waiting and not any(self.unacknowledged.values())


class World:
    """All of it.  `make` makes the store, given its clock; `bugs` are planted (see planted.py)."""

    def __init__(
        self,
        seed: int | str,
        make: Callable[[Callable[[], datetime]], Custody],
        *,
        nodes: int = 3,
        partners: int = 3,
        letters: int = 3,
        bugs: frozenset[str] = frozenset(),
    ) -> None:
        self.schedule, self.bugs = Schedule(seed), bugs
        self.troubles, self.losses = Troubles(), 0.0
        self.jump = timedelta(0)
        self.store = make(lambda: self.schedule.now + self.jump)
        numbers = count(1)
        self.ids: Callable[[], str] = lambda: f"{next(numbers):08}"
        names = [OfficeId("town"), OfficeId("county")]
        self.offices = {name: OfficeSystem(self, name) for name in names}
        self.store.enrol([OfficeLimits(office=name, cooling=timedelta(seconds=5)) for name in names])
        self.queue = Queue(self)
        chance = self.schedule.chance
        self.partners = [
            Partner(
                self, f"partner {n}", [self._letter(f"partner {n}", m, chance.choice(names)) for m in range(letters)]
            )
            for n in range(partners)
        ]
        self.posted = [self._letter("poster", m, chance.choice(names)) for m in range(letters)]
        self.recorded: set[tuple[str, int]] = set()  # attempts whose outcome was written down
        self._numbers = count(1)
        self.nodes: list[Node] = []
        for _ in range(nodes):
            self.nodes.append(Node(self, next(self._numbers)))
        for partner in self.partners:
            self.schedule.start(partner.name, partner.run)
        self.schedule.start("poster", self._post)

    def _letter(self, sender: str, number: int, office: OfficeId) -> Envelope:
        bad = BAD if self.schedule.chance.random() < 0.1 else b""
        return Envelope(
            channel="soap",
            sender=sender,
            received_at=DAWN,
            payload=bad + f"<letter>{sender} {number}</letter>".encode(),
            to=Address(box=f"/{office}/in"),
            message_id=f"{sender}-{number}",
        )

    def _post(self) -> None:
        for letter in self.posted:
            self.schedule.sleep(timedelta(seconds=self.schedule.chance.randrange(40)))
            self.queue.waiting.append(letter)
        self.queue.complete = True

    def also(self, node: Node) -> list[tuple[str, Callable[[], None]]]:
        """Return what a node does beside intake and delivery."""
        return [("consumer", lambda: self.queue.consume(node))]

    @property
    def running(self) -> Node:
        """The node whose turn it is."""
        return next(node for node in self.nodes if node.runs)

    def kill(self, node: Node) -> None:
        """End a process at once."""
        self.schedule.tell(f"KILL node {node.number}")
        node.die()
        self.queue.close(node)

    def replace(self, node: Node) -> None:
        """Start a process in a dead one's place."""
        fresh = Node(self, next(self._numbers))
        self.schedule.tell(f"node {fresh.number} takes the place of {node.number}")
        self.nodes[self.nodes.index(node)] = fresh

    @property
    def settled(self) -> bool:
        """Whether everybody has an answer and nothing is on its way any more."""
        if not all(partner.done for partner in self.partners) or not self.queue.settled:
            return False
        return not any(state in {"waiting", "sending"} for state, some in self.store.stats().deliveries.items() if some)

    def close(self) -> None:
        """End everybody."""
        for node in self.nodes:
            node.die()
        self.schedule.end()
        self.store.close()
