"""Runs one simulated world to its end and tells what was broken: `python -m tests.simulation SEED`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from adapters.stores import MemoryStore, SqlStore
from adapters.wire.kind import Custody
from broker.ports import Clock
from tests.crash.promises import Promise
from tests.simulation.chaos import trouble
from tests.simulation.planted import plant
from tests.simulation.promises import Breach, breaches
from tests.simulation.world import World

TROUBLES = 6
LONG = timedelta(hours=15)

Make = Callable[[Clock], Custody]


@contextmanager
def in_memory() -> Iterator[Make]:
    yield MemoryStore


@contextmanager
def on_sqlite() -> Iterator[Make]:
    """A file of its own: its flushes reach no further than memory where that can be had, for nobody pulls a plug."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        yield lambda clock: SqlStore(f"sqlite:///{folder}/store.sqlite", clock=clock)


STORES: Mapping[str, Callable[[], AbstractContextManager[Make]]] = {"memory": in_memory, "sqlite": on_sqlite}


@dataclass(frozen=True)
class Course:
    """What became of a world."""

    seed: int | str
    points: int
    broken: list[Breach]
    story: list[str]

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {len(self.broken)} promises broken (python -m tests.simulation {self.seed})"]
        return "\n".join([*lines, *(f"  {promise.value}: {what}" for promise, what in self.broken)])


def course(
    seed: int | str,
    make: Make = MemoryStore,
    *,
    bugs: frozenset[str] = frozenset(),
    troubles: int = TROUBLES,
) -> Course:
    """Let a world of this seed have its troubles, then peace, and hold it to the promises."""
    world = World(seed, make, bugs=bugs)
    try:
        plant(world)
        chaos = world.schedule.start("chaos", trouble(world, troubles))
        rested = world.schedule.run(lambda: chaos.done and world.settled, LONG)
        found = breaches(world)
        if not rested:
            found.append((Promise.ANSWERED, "it never came to rest"))
        return Course(seed, world.schedule.points, found, world.schedule.story)
    finally:
        world.close()
