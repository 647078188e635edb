"""What takes time in a simulation, and time itself: a line of servers, a shared core, a writer of groups.

Nothing here knows of brokers, and nothing is drawn: whoever asks says how long it takes.  Seconds.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

Then = Callable[..., None]


class Timeline:
    """Calls what is due, in the order of time; what is due at once comes in the order in which it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Then, tuple[Any, ...]]] = []
        self._numbers = count()

    def after(self, seconds: float, then: Then, *args: Any) -> None:
        """Call `then` so many seconds from now."""
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), then, args))

    def run(self, until: float = float("inf")) -> None:
        """Let time pass until nothing is due, or until then."""
        while self._due and self._due[0][0] <= until:
            self.now, _, then, args = heapq.heappop(self._due)
            then(*args)


class Station:
    """Equal servers and one queue before them, first come first served."""

    def __init__(self, timeline: Timeline, servers: int) -> None:
        self._timeline, self._free = timeline, servers
        self._waiting: deque[tuple[float, Then, tuple[Any, ...]]] = deque()
        self.busy = 0.0  # seconds that were worked, over all servers

    def serve(self, seconds: float, then: Then, *args: Any) -> None:
        """Work for so long when it is this one's turn, then call `then`."""
        if self._free:
            self._free -= 1
            self._begin(seconds, then, args)
        else:
            self._waiting.append((seconds, then, args))

    def _begin(self, seconds: float, then: Then, args: tuple[Any, ...]) -> None:
        self.busy += seconds
        self._timeline.after(seconds, self._end, then, args)

    def _end(self, then: Then, args: tuple[Any, ...]) -> None:
        if self._waiting:
            self._begin(*self._waiting.popleft())
        else:
            self._free += 1
        then(*args)


class Core:
    """One core that all who have work for it share equally, from moment to moment.

    Whoever has had as much service as he asked for is done: `_served` is what each that was here all the time has had.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._work: list[tuple[float, int, Then, tuple[Any, ...]]] = []
        self._served = self._seen = 0.0
        self._numbers, self._turn = count(), 0
        self.busy = 0.0

    def work(self, seconds: float, then: Then, *args: Any) -> None:
        """Work for so long in all, then call `then`."""
        self._pass()
        heapq.heappush(self._work, (self._served + seconds, next(self._numbers), then, args))
        self._plan()

    def stop(self) -> None:
        """Forget all work."""
        self._pass()
        self._work.clear()
        self._turn += 1

    def _pass(self) -> None:
        passed, self._seen = self._timeline.now - self._seen, self._timeline.now
        if self._work:
            self._served += passed / len(self._work)
            self.busy += passed

    def _plan(self) -> None:
        """Have the next one end when it will if nobody else comes; a plan that was made before is void."""
        self._turn += 1
        if self._work:
            left = max(self._work[0][0] - self._served, 0.0)
            self._timeline.after(left * len(self._work), self._end, self._turn)

    def _end(self, turn: int) -> None:
        if turn != self._turn:
            return
        self._pass()
        target, _, then, args = heapq.heappop(self._work)
        self._served = max(self._served, target)
        self._plan()
        then(*args)


class Writer:
    """A node's writing thread: all that waits, up to `together`, goes into one transaction."""

    def __init__(self, timeline: Timeline, store: Station, *, fixed: float, flush: float, together: int) -> None:
        """`fixed` is the store's work for a transaction with nothing in it; then it takes `flush` to be durable."""
        self._timeline, self._store = timeline, store
        self._fixed, self._flush, self._together = fixed, flush, together
        self.waiting: deque[tuple[float, Then, tuple[Any, ...]]] = deque()
        self._writing, self._life = False, 0
        self.transactions = 0

    def write(self, seconds: float, then: Then, *args: Any) -> None:
        """Call `then` when it is committed; `seconds` is what it adds to its transaction."""
        self.waiting.append((seconds, then, args))
        if not self._writing:
            self._begin()

    def stop(self) -> None:
        """Forget all that is not committed."""
        self.waiting.clear()
        self._writing = False
        self._life += 1

    def _begin(self) -> None:
        self._writing = True
        self.transactions += 1
        group = [self.waiting.popleft() for _ in range(min(len(self.waiting), self._together))]
        work = self._fixed + sum(seconds for seconds, _, _ in group)
        self._store.serve(work, self._written, group, self._life)

    def _written(self, group: list[Any], life: int) -> None:
        self._timeline.after(self._flush, self._committed, group, life)

    def _committed(self, group: list[Any], life: int) -> None:
        if life != self._life:
            return
        self._writing = False
        if self.waiting:
            self._begin()
        for _, then, args in group:
            then(*args)
