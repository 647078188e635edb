"""Nodes: the processes that serve one store, what only one of them does at a time, and how they wake each other.

A node is known by what it says of itself: it joins, says every few seconds that it is there, and leaves.  Nobody is
asked whether another lives; what a dead one held, deliveries and duties, is free when its lease has run out.  All
times are the store's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A process that serves, as it was when it was last seen."""

    id: str  # unique over all nodes and all times: it stands in events long after the node has gone
    host: str
    pid: int
    version: str  # of the program
    layout: str  # of the store that this version writes; empty where there is none
    started_at: datetime
    seen_at: datetime
    silent: timedelta  # since it was seen, when it was asked for
    draining: bool = False  # takes nothing in any more, and ends what it has begun
    duties: tuple[str, ...] = ()  # that it holds

    def alive(self, patience: timedelta) -> bool:
        """Tell whether it was seen lately enough."""
        return self.silent <= patience


class Nodes(Protocol):
    """The part of a store that knows the nodes.  May be called by many threads; raises Unavailable as the store does.

    A duty is a name and no fence: it saves work that needs doing once, and is not what keeps the work right.  A node
    that stood still longer than its lease may go on with what another has taken up.
    """

    def join(self, *, id: str, host: str, pid: int, version: str) -> Node:  # noqa: A002 - the field's name
        """Make a node known, and return it as it is kept."""
        ...

    def beat(self, node: Node) -> None:
        """Say that the node is there, and whether it is draining; one that was forgotten is known again."""
        ...

    def leave(self, node: str) -> None:
        """Forget a node, and let go of all its duties."""
        ...

    def list(self) -> Sequence[Node]:
        """Return the nodes that are known, dead ones too, oldest first."""
        ...

    def forget(self, silent: timedelta) -> int:
        """Forget the nodes that were not seen for longer than this; return how many."""
        ...

    def hold(self, duties: Collection[str], node: str, lease: timedelta) -> frozenset[str]:
        """Take duties, or renew them, for `lease` from now; return those that are the node's.

        A duty of another node is free only when its lease has run out, or it was let go.
        """
        ...

    def let_go(self, duties: Collection[str], node: str) -> None:
        """Give up those of the duties that the node holds."""
        ...

    def announce(self) -> None:
        """Say to the other nodes that something may be due.  Returns at once; a hint, and no promise.

        Never part of the transaction that made it due: what a commit waits for, a hint must not hold.
        """
        ...

    def listen(self, ring: Callable[[], None], stop: Event) -> None:
        """Call `ring` when another node announces something, until `stop` is set, through every outage.

        It returns at once where nodes have no way to tell each other.  Who relies on it alone is late: look into the
        store every so often beside it.
        """
        ...
