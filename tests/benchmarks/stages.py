"""The time in each stage: the pool's side of the broker in this process, its injected stages wrapped in clocks.

A message is given to the SOAP endpoint as the HTTP face gives it; what HTTP and its loop take is measured apart, with
the same receipt for everybody.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import Any, TextIO

from adapters.channels.soap import skrytka
from adapters.channels.soap.endpoint import Endpoint, Request
from broker.intake import Intake
from broker.model import Envelope, Receipt
from broker.ports import Accept
from config import bootstrap, clock
from config import log as logs
from config.demo.site import Site
from config.sources import limits_of
from tests.benchmarks.documents import ACTION, CONTENT_TYPE, Letter
from tests.benchmarks.senders import send, wait_for

THREADS = 16


@dataclass(slots=True)
class Clocks:
    """What was measured, by name: seconds of CPU time of the calling thread, and seconds on the wall."""

    took: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Measure what is done inside."""
        cpu, wall = time.thread_time(), time.perf_counter()
        try:
            yield
        finally:
            self.took[name].append((time.thread_time() - cpu, time.perf_counter() - wall))

    def wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, measured."""

        def measured(*args: Any) -> Any:
            with self.of(name):
                return call(*args)

        return measured

    def each(self, name: str) -> tuple[float, float]:
        """Return the mean CPU time and wall time of one call."""
        took = self.took[name]
        return sum(cpu for cpu, _ in took) / len(took), sum(wall for _, wall in took) / len(took)


class _Members:
    """An object whose methods of these names are replaced."""

    def __init__(self, inner: Any, **replaced: Any) -> None:
        self._inner = inner
        self.__dict__ |= replaced

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


STAGES = ("find", "parse", "validate", "verify", "route", "admit", "receipt", "commit")


def clocked(intake: Intake, clocks: Clocks) -> Intake:
    """Return the intake with a clock around each stage; `commit` waits for the writer's thread."""
    store, registrar = intake.store, intake.registrar
    named: dict[str, Any] = {name: clocks.wrapped(name, getattr(intake, name)) for name in STAGES[1:6]}
    named["registrar"] = _Members(registrar, upp=clocks.wrapped("receipt", registrar.upp))
    return replace(
        intake,
        **named,
        store=_Members(store, find=clocks.wrapped("find", store.find), accept=clocks.wrapped("commit", store.accept)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table, in microseconds a document."""

    stage: str
    cpu: float
    wall: float | None


@contextmanager
def _assembled(site: Site) -> Iterator[bootstrap.Broker]:
    """Yield the site's broker, made in this process, its log written where `goniec serve` would write it."""
    with site.log.open("a", encoding="utf-8") as file:
        logs.configure(level="info", to=file)
        broker = bootstrap.assemble(site.settings)
        try:
            yield broker
        finally:
            broker.close()


def _answering(site: Site, accept: Accept) -> Callable[[bytes], None]:
    endpoint = Endpoint(service=skrytka.SERVICE, channel="soap", limits=limits_of(site.settings), accept=accept)

    def answer(envelope: bytes) -> None:
        request = Request(body=envelope, content_type=CONTENT_TYPE, action=ACTION, received_at=clock.now())
        response, _ = endpoint.answer(request)
        if response.status != 200:
            raise RuntimeError(response.body[:400])

    return answer


def measure(site: Site, letters: Sequence[Letter]) -> list[Line]:
    """Return the table: the stages one after the other in one thread, then what the writer's thread takes."""
    clocks = Clocks()
    with _assembled(site) as broker:
        answer = _answering(site, clocks.wrapped("intake", clocked(broker.intake, clocks).accept))
        first, alone, together = _sent(letters, "warm"), _sent(letters, "alone"), _sent(letters, "together")
        for envelope in first[:50]:
            answer(envelope)
        clocks.took.clear()
        timed = clocks.wrapped("all", answer)
        for envelope in alone:
            timed(envelope)
        lines = [_line(clocks, name) for name in STAGES]
        intake, all_ = clocks.each("intake"), clocks.each("all")
        lines.append(_rest("intake itself, log", intake, lines))
        lines.insert(0, _rest("SOAP read and written", all_, [_line(clocks, "intake")]))
        clocks.took.clear()
        before = time.process_time()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(timed, together))
        writer = (time.process_time() - before) / len(together) - clocks.each("all")[0]
        lines.append(Line(stage="writer's thread", cpu=writer * 1e6, wall=None))
        lines.append(Line(stage="HTTP and its loop", cpu=_loop(site, broker, letters) * 1e6, wall=None))
    return lines


def _loop(site: Site, broker: bootstrap.Broker, letters: Sequence[Letter]) -> float:
    """Return the CPU seconds that the loop's thread takes for a message."""
    given: list[Receipt] = []

    def accept(envelope: Envelope) -> Receipt:
        if not given:
            given.append(broker.intake.accept(envelope))
        return given[0]

    stop, took, channel = Event(), [0.0], broker.channels["soap"]

    def serve() -> None:
        before = time.thread_time()
        channel.serve(accept, stop)
        took[0] = time.thread_time() - before

    loop = Thread(target=serve)
    loop.start()
    try:
        wait_for(site.port)
        send(site.port, [letter.request("loop") for letter in letters], THREADS)
    finally:
        stop.set()
        loop.join()
    return took[0] / len(letters)


def _sent(letters: Sequence[Letter], sender: str) -> list[bytes]:
    return [letter.envelope(sender) for letter in letters]


def _line(clocks: Clocks, name: str) -> Line:
    cpu, wall = clocks.each(name)
    return Line(stage=name, cpu=cpu * 1e6, wall=wall * 1e6)


def _rest(name: str, whole: tuple[float, float], parts: Sequence[Line]) -> Line:
    return Line(
        stage=name,
        cpu=whole[0] * 1e6 - sum(part.cpu for part in parts),
        wall=whole[1] * 1e6 - sum(part.wall or 0 for part in parts),
    )


def profile(site: Site, letters: Sequence[Letter], to: TextIO) -> pstats.Stats:
    """Return where a thread of the pool spends its time, call by call (the profiler itself makes calls look dear)."""
    profiler = cProfile.Profile(time.thread_time)
    with _assembled(site) as broker:
        answer = _answering(site, broker.intake.accept)
        envelopes = _sent(letters, "profiled")
        for envelope in envelopes[:50]:
            answer(envelope)
        with profiler:
            for envelope in envelopes[50:]:
                answer(envelope)
    return pstats.Stats(profiler, stream=to)
