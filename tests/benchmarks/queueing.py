"""A broker as a network of queues, event by event: what its costs make of a load (docs/explanation/scaling.md).

    documents ──▶ a node's core ──▶ (token) ──▶ the node's writer ──▶ the store ──▶ receipt
                       │ "try later", and again                                        │
                       ◀── record ── the office's system ◀── the node's core ◀── claim ◀┘

A node is one core, for Python's lock lets one thread run: whatever it has in hand shares it equally.  Its writer is
one thread that puts all that waits into one transaction.  The store works on some transactions at once.  An office
takes some documents at once.  Nodes and offices go away and come back.  What is drawn is drawn from one seed, and
what one part draws moves no other part's draws.  Seconds and octets throughout.  What a thing costs stands in
`costs.py`, when documents come in `arrivals.py`, what takes time in `stations.py`; here is nothing that was measured.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from broker.model import OfficeId, OfficeLimits
from broker.pressure import RETRY_AFTER, Condition
from broker.retry import RetryPolicy
from tests.benchmarks.arrivals import Arrival
from tests.benchmarks.costs import Costs
from tests.benchmarks.stations import Core, Station, Timeline, Writer

DEFAULT: Final = OfficeLimits(office=OfficeId(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """An office's system: how long it takes over a document (exponential, on average), and what it allows."""

    seconds: float = 0.5
    in_flight: int = DEFAULT.in_flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From `begin` to `end` a node is dead, or an office refuses connections; both by number."""

    begin: float
    end: float
    node: int | None = None
    office: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """What there is.  The numbers that a configuration has are its defaults."""

    offices: Sequence[Office]
    nodes: int = 1
    lanes: int = 1  # transactions that the store works on at once
    tokens: int = 0  # signatures that a token makes at once; 0: the key is in a file, and the node signs
    threads: int = 16  # [delivery] threads, of a node
    room: int = 1000  # connections of a node; who finds none is told to come back
    writes: int = 1000  # that may wait for a node's writer
    together: int = 200  # writes in one transaction
    queue: int = 1_000_000  # [pressure] queue
    office_queue: int = 200_000
    lease: float = 60.0
    outages: Sequence[Outage] = ()


# ── who is there ──


@dataclass(slots=True, eq=False)
class Document:
    """One document, and how far it has got."""

    octets: int
    office: int
    sent: float
    tries: int = 0  # sendings, before its receipt
    receipt: float = -1.0
    delivered: float = -1.0
    failures: int = 0


@dataclass(slots=True, eq=False)
class Node:
    """A process that serves."""

    core: Core
    writer: Writer
    free: int  # threads for deliveries
    up: bool = True
    life: int = 0  # what was begun in an earlier one is void
    intake: set[Document] = field(default_factory=set)
    deliveries: set[Document] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Desk:
    """An office as the broker sees it."""

    about: Office
    waiting: deque[Document] = field(default_factory=deque)  # due
    open: int = 0  # deliveries that are not done: due, put off, under way
    under_way: int = 0
    down: bool = False
    failures: int = 0  # in a row
    closed_until: float = 0.0  # the breaker
    queued: bool = False  # among those that are to be fed
    back_at: float | None = None  # when its outage ended, until it has caught up

    def takes(self, now: float) -> bool:
        """Whether one of its deliveries may begin now."""
        if not self.waiting or self.closed_until > now:
            return False
        return self.under_way < (1 if self.closed_until else self.about.in_flight)


@dataclass(slots=True)
class Story:
    """What happened.  `to_receipt` counts from the first sending, put-off documents included."""

    sent: int = 0
    put_off: int = 0  # "try later" was said
    lost_lines: int = 0  # a node died over it, and its sender sent again
    to_receipt: array[float] = field(default_factory=lambda: array("d"))
    to_delivery: array[float] = field(default_factory=lambda: array("d"))
    most_in_intake: int = 0
    most_waiting: int = 0  # deliveries, over all offices
    repeats: int = 0  # attempts at an office whose answer nobody noted: it meets the same delivery id again
    caught_up: list[tuple[Outage, float]] = field(default_factory=list)  # seconds after the outage's end
    seconds: float = 0.0
    nodes: list[float] = field(default_factory=list)  # busy parts of the time
    store: float = 0.0
    token: float = 0.0
    offices: list[float] = field(default_factory=list)
    transactions: int = 0


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of all are below; 0 if there are none."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)] if values else 0.0


class Simulation:
    """One run of a plant under a load."""

    def __init__(self, plant: Plant, costs: Costs, seed: int = 1) -> None:
        self._plant, self._costs = plant, costs
        self.timeline = Timeline()
        self._store = Station(self.timeline, plant.lanes)
        self._token = Station(self.timeline, plant.tokens) if plant.tokens else None
        self.nodes = [self._node_of(plant, costs) for _ in range(plant.nodes)]
        self.desks = [Desk(about) for about in plant.offices]
        self._to_feed: deque[Desk] = deque()
        self._policy = RetryPolicy()
        self._answers, self._waits = Random(f"answers {seed}"), Random(f"waits {seed}")
        self._office_work = [0.0] * len(plant.offices)
        self._in_intake = self._open = self._next = 0
        self._held: list[tuple[Outage, set[Document]]] = []  # what dead nodes held
        self.story = Story()

    def _node_of(self, plant: Plant, costs: Costs) -> Node:
        about = {"fixed": costs.transaction, "flush": costs.flush}
        writer = Writer(self.timeline, self._store, **about, together=plant.together)
        return Node(Core(self.timeline), writer, plant.threads)

    def run(self, load: Iterator[Arrival]) -> Story:
        """Let all of the load come, and everything end."""
        for outage in self._plant.outages:
            begin, end = (self._dies, self._lives) if outage.node is not None else (self._goes_down, self._comes_back)
            self.timeline.after(outage.begin, begin, outage)
            self.timeline.after(outage.end, end, outage)
        self._expect(load)
        self.timeline.run()
        story, seconds = self.story, max(self.timeline.now, 1e-9)
        story.seconds = seconds
        story.nodes = [node.core.busy / seconds for node in self.nodes]
        story.store = self._store.busy / seconds / self._plant.lanes
        story.token = self._token.busy / seconds / self._plant.tokens if self._token else 0.0
        story.offices = [
            work / seconds / office.in_flight
            for work, office in zip(self._office_work, self._plant.offices, strict=True)
        ]
        story.transactions = sum(node.writer.transactions for node in self.nodes)
        return story

    # ── from a sender to its receipt ──

    def _expect(self, load: Iterator[Arrival]) -> None:
        coming = next(load, None)
        if coming is not None:
            self.timeline.after(coming.at - self.timeline.now, self._come, coming, load)

    def _come(self, arrival: Arrival, load: Iterator[Arrival]) -> None:
        self.story.sent += 1
        self._send(Document(octets=arrival.octets, office=arrival.office, sent=self.timeline.now))
        self._expect(load)

    def _send(self, document: Document) -> None:
        """Bring it to the node with the fewest in hand, as a load balancer does; with none up it is sent again."""
        document.tries += 1
        self._next = (self._next + 1) % len(self.nodes)
        in_turn = self.nodes[self._next :] + self.nodes[: self._next]
        up = [node for node in in_turn if node.up]
        if not up:
            self._later(document, Condition.STORE)
            return
        node = min(up, key=lambda it: len(it.intake))
        condition = self._pressure(node, document)
        if condition is not None:
            node.core.work(self._costs.later, self._later, document, condition)
            return
        node.intake.add(document)
        self._in_intake += 1
        self.story.most_in_intake = max(self.story.most_in_intake, self._in_intake)
        node.core.work(self._costs.intake(document.octets), self._receipted, node, document, node.life)

    def _pressure(self, node: Node, document: Document) -> Condition | None:
        if len(node.intake) >= self._plant.room:
            return Condition.STORE
        if len(node.writer.waiting) >= self._plant.writes:
            return Condition.WRITER
        if self._open >= self._plant.queue:
            return Condition.QUEUE
        if self.desks[document.office].open >= self._plant.office_queue:
            return Condition.OFFICE_QUEUE
        return None

    def _later(self, document: Document, condition: Condition) -> None:
        """Send again after the wait that was asked for, spread by the sender."""
        self.story.put_off += 1
        wait = RETRY_AFTER[condition].total_seconds()
        self.timeline.after(wait * (1 + self._waits.random()), self._send, document)

    def _receipted(self, node: Node, document: Document, life: int) -> None:
        if life != node.life:
            return
        if self._token is not None:
            self._token.serve(self._costs.token, self._sealed, node, document, life)
        else:
            self._sealed(node, document, life)

    def _sealed(self, node: Node, document: Document, life: int) -> None:
        if life == node.life:
            node.writer.write(self._costs.accept(document.octets), self._accepted, node, document)

    def _accepted(self, node: Node, document: Document) -> None:
        node.intake.remove(document)
        self._in_intake -= 1
        document.receipt = self.timeline.now
        self.story.to_receipt.append(document.receipt - document.sent)
        self._open += 1
        self.story.most_waiting = max(self.story.most_waiting, self._open)
        desk = self.desks[document.office]
        desk.open += 1
        self._due(desk, document)

    # ── from its receipt to its office ──

    def _due(self, desk: Desk, document: Document) -> None:
        desk.waiting.append(document)
        self._feed(desk)

    def _feed(self, desk: Desk | None = None) -> None:
        """Give free threads what is due, an office after the other."""
        if desk is not None and not desk.queued:
            desk.queued = True
            self._to_feed.append(desk)
        while self._to_feed:
            node = max(self.nodes, key=lambda it: it.free if it.up else -1)
            if not node.up or not node.free:
                return
            desk = self._to_feed.popleft()
            if not desk.takes(self.timeline.now):
                desk.queued = False
                continue
            self._to_feed.append(desk)
            self._deliver(node, desk, desk.waiting.popleft())

    def _deliver(self, node: Node, desk: Desk, document: Document) -> None:
        desk.under_way += 1
        node.free -= 1
        node.deliveries.add(document)
        node.writer.write(self._costs.claim, self._claimed, node, document)

    def _claimed(self, node: Node, document: Document) -> None:
        node.core.work(self._costs.delivery(document.octets), self._handed_over, node, document, node.life)

    def _handed_over(self, node: Node, document: Document, life: int) -> None:
        if life != node.life:
            return
        desk = self.desks[document.office]
        taken = not desk.down
        seconds = self._answers.expovariate(1 / desk.about.seconds) if taken and desk.about.seconds else 0.0
        self._office_work[document.office] += seconds
        self.timeline.after(seconds, self._answered, node, document, taken, life)

    def _answered(self, node: Node, document: Document, taken: bool, life: int) -> None:
        if life != node.life:
            self.story.repeats += taken
            return
        node.writer.write(self._costs.record, self._recorded, node, document, taken)

    def _recorded(self, node: Node, document: Document, taken: bool) -> None:
        node.free += 1
        node.deliveries.remove(document)
        desk, now = self.desks[document.office], self.timeline.now
        desk.under_way -= 1
        if taken:
            desk.failures, desk.closed_until = 0, 0.0
            desk.open -= 1
            self._open -= 1
            document.delivered = now
            self.story.to_delivery.append(now - document.receipt)
            self._release_held(document)
            self._see_whether_caught_up(document.office)
        else:
            desk.failures += 1
            document.failures += 1
            if desk.failures >= DEFAULT.threshold:
                desk.closed_until = now + DEFAULT.cooling.total_seconds()
                self.timeline.after(DEFAULT.cooling.total_seconds(), self._feed, desk)
            wait = self._policy.wait(document.failures, self._waits.random()).total_seconds()
            self.timeline.after(wait, self._due, desk, document)
        self._feed(desk)

    # ── what goes away and comes back ──

    def _goes_down(self, outage: Outage) -> None:
        self.desks[self._office(outage)].down = True

    def _comes_back(self, outage: Outage) -> None:
        desk = self.desks[self._office(outage)]
        desk.down, desk.back_at = False, self.timeline.now
        self._see_whether_caught_up(self._office(outage))

    def _office(self, outage: Outage) -> int:
        if outage.office is None:
            raise ValueError("an outage of a node is no office's")
        return outage.office

    def _see_whether_caught_up(self, office: int) -> None:
        """An office has caught up as soon as no more is open than it takes at once."""
        desk = self.desks[office]
        if desk.back_at is not None and desk.open <= desk.about.in_flight:
            [outage] = [it for it in self._plant.outages if it.office == office and it.end == desk.back_at]
            self.story.caught_up.append((outage, self.timeline.now - desk.back_at))
            desk.back_at = None

    def _dies(self, outage: Outage) -> None:
        """Whoever waits for its answer sends again; what it was delivering is another's when the lease has ended."""
        node = self._node(outage)
        node.up = False
        node.life += 1
        node.core.stop()
        node.writer.stop()
        self._held.append((outage, node.intake | node.deliveries))
        for document in sorted(node.intake, key=lambda it: it.sent):
            self._in_intake -= 1
            self.story.lost_lines += 1
            self.timeline.after(1 + self._waits.random(), self._send, document)
        for document in sorted(node.deliveries, key=lambda it: it.receipt):
            self.timeline.after(self._plant.lease, self._taken_over, document)
        node.intake.clear()
        node.deliveries.clear()
        node.free = self._plant.threads

    def _taken_over(self, document: Document) -> None:
        desk = self.desks[document.office]
        desk.under_way -= 1
        self._due(desk, document)

    def _lives(self, outage: Outage) -> None:
        self._node(outage).up = True
        self._feed()

    def _node(self, outage: Outage) -> Node:
        if outage.node is None:
            raise ValueError("an outage of an office is no node's")
        return self.nodes[outage.node]

    def _release_held(self, document: Document) -> None:
        """A node's death is over when the last of what it held is delivered; told from its death on."""
        for outage, held in self._held:
            if document in held:
                held.remove(document)
                if not held:
                    self.story.caught_up.append((outage, self.timeline.now - outage.begin))
