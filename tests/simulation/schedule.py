"""One thing at a time, in an order drawn from a seed: the schedule of a simulated world.

Every actor has a thread, and only the one that was given the turn runs.  It gives the turn back wherever it calls
`point`: before and after whatever a process does to a store, a seal, a network.  There a process can die, stand still,
or be overtaken.  Nothing else decides what comes next but the seed, so a seed that fails fails again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock, Thread

Condition = Callable[[], bool]
Held = Callable[[], datetime]
DAWN = datetime.fromisoformat("2026-01-01T06:00:00+00:00")


class Crash(BaseException):
    """The process is gone: raised at a point, and again at every further one that cleaning up may meet."""


class Actor:
    """Something that acts by itself, until it ends or its process dies."""

    def __init__(self, schedule: Schedule, name: str, run: Callable[[], None]) -> None:
        self.name, self._run, self._schedule = name, run, schedule
        self.turn, self.doomed, self.done = Lock(), False, False
        self.wakes: datetime | None = None  # at the latest; None: whenever `until` holds
        self.until: Condition = lambda: True
        self.held: Held = lambda: DAWN
        self.failed: Exception | None = None
        self.turn.acquire()
        self.thread = Thread(target=self._begin, name=name, daemon=True)
        self.thread.start()

    def _begin(self) -> None:
        self.turn.acquire()
        try:
            if not self.doomed:
                self._run()
        except Crash:
            self._schedule.tell(f"{self.name} died")
        except Exception as bug:  # noqa: BLE001 - it goes to the test, with its seed
            self.failed = bug
        finally:
            self.done = True
            self._schedule.turn.release()

    @property
    def ready(self) -> bool:
        """Whether it could go on now."""
        if self.doomed:
            return True
        now = self._schedule.now
        return self.held() <= now and ((self.wakes is not None and self.wakes <= now) or self.until())

    @property
    def later(self) -> datetime | None:
        """When it could go on at the latest, None if time alone brings it nothing."""
        if self.until():
            return self.held()
        return None if self.wakes is None else max(self.wakes, self.held())


class Schedule:
    """Who acts when.  `now` is the world's time; it passes only while everybody waits, and a little at every point."""

    def __init__(self, seed: int | str) -> None:
        self.chance = random.Random(f"goniec-{seed}")
        self.now = DAWN
        self.turn = Lock()
        self.turn.acquire()
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.story: list[str] = []
        self.points = 0

    def tell(self, what: str) -> None:
        """Add a line to the story that a failing seed is told by."""
        self.story.append(f"{self.now - DAWN} {what}")

    def start(self, name: str, run: Callable[[], None], held: Held = lambda: DAWN) -> Actor:
        """Let somebody act from now on, but while `held` names a moment to come: then its process stands still."""
        actor = Actor(self, name, run)
        actor.held = held
        self.actors.append(actor)
        return actor

    # ── what actors call ──

    def point(self, what: str) -> None:
        """Let others act; raise Crash if the process has died meanwhile."""
        actor = self._me()
        if not actor.doomed:
            self.points += 1
            self.tell(f"{actor.name}: {what}")
            actor.until, actor.wakes = (lambda: True), None
            self._yield(actor)
        if actor.doomed:
            raise Crash(what)

    def wait(self, until: Condition, longest: timedelta) -> bool:
        """Let others act until something holds, or time is over; return whether it holds.  Raises Crash."""
        actor = self._me()
        actor.until, actor.wakes = until, self.now + longest
        if not actor.doomed:
            self._yield(actor)
        if actor.doomed:
            raise Crash("waiting")
        return until()

    def sleep(self, time: timedelta) -> None:
        """Let time go by.  Raises Crash."""
        self.wait(lambda: False, time)

    def _me(self) -> Actor:
        assert self.current is not None, "only an actor can wait"
        return self.current

    def _yield(self, actor: Actor) -> None:
        self.turn.release()
        actor.turn.acquire()

    # ── what the world calls ──

    def run(self, until: Condition, longest: timedelta) -> bool:
        """Give turns until something holds; return False if time is over before, or nobody will ever act again."""
        end = self.now + longest
        while not until():
            if self.now >= end or not self._one():
                return False
        return True

    def _one(self) -> bool:
        """Give one turn, or let time pass to when somebody wakes; return False if nobody ever will."""
        ready = [actor for actor in self.actors if actor.ready]
        if not ready:
            waking = [moment for actor in self.actors if (moment := actor.later) is not None]
            if not waking:
                return False
            self.now = max(self.now, min(waking))
            return True
        self.now += timedelta(milliseconds=self.chance.randrange(1, 20))
        self._give(self.chance.choice(ready))
        return True

    def _give(self, actor: Actor) -> None:
        self.current = actor
        actor.turn.release()
        self.turn.acquire()
        self.current = None
        if actor.done:
            self.actors.remove(actor)
            actor.thread.join()
            if actor.failed is not None:
                raise actor.failed

    def end(self) -> None:
        """Let all that still acts die, so that no thread is left."""
        while self.actors:
            self.actors[-1].doomed = True
            self._give(self.actors[-1])
