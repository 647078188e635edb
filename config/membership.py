"""This process as a node among others: it joins, says that it is there, holds duties, drains and leaves."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from threading import Lock
from time import monotonic

import structlog

from broker.errors import Unavailable
from broker.nodes import Node, Nodes

log = structlog.get_logger(__name__)


class Membership:
    """One node's membership.  `duties`: what it would do alone; `lease`: how long a duty outlives its node.

    May be used by many threads.
    """

    def __init__(self, nodes: Nodes, *, duties: Collection[str], lease: timedelta) -> None:
        """Join; raise Unavailable."""
        self._nodes = nodes
        self._wanted = frozenset(duties)
        self._lease = lease
        self._telling = Lock()  # one thing is told to the store after the other: a duty let go is not renewed again
        self._left = False
        self._lock = Lock()
        self._under_way: set[str] = set()  # duties whose job runs
        self._held: frozenset[str] = frozenset()
        self._until = 0.0  # by our own clock: until when what is held surely is
        host = socket.gethostname()
        # It stands in events for good, so that it must tell an operator something, and no other node may ever be it.
        name = f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
        self._node: Node = nodes.join(id=name, host=host, pid=os.getpid(), version=version("goniec"))
        self._hold()

    @property
    def id(self) -> str:
        """The node's name."""
        return self._node.id

    def beat(self) -> None:
        """Say that the node is there, and renew its duties or take what is free; raise Unavailable.

        Nothing once it has left: a beat that comes late would make it known again.
        """
        with self._telling:
            if not self._left:
                self._nodes.beat(self._node)
                self._hold()

    def _hold(self) -> None:
        asked = monotonic()
        wanted = self._held if self._node.draining else self._wanted
        held = self._nodes.hold(wanted, self._node.id, self._lease) if wanted else frozenset()
        with self._lock:
            gained, lost = held - self._held, self._held - held
            self._held, self._until = held, asked + self._lease.total_seconds()
        if gained:
            log.info("node.duties-taken", node=self.id, duties=sorted(gained))
        if lost:
            log.warning("node.duties-lost", node=self.id, duties=sorted(lost))

    def on_duty(self, duty: str) -> bool:
        """Tell whether this node is the one to begin it now."""
        with self._lock:
            return self._may(duty)

    def _may(self, duty: str) -> bool:
        return duty in self._held and monotonic() < self._until and not self._node.draining

    def alone(self, duty: str, job: Callable[[], None]) -> Callable[[], None]:
        """Return the job as one that does nothing while the duty is another node's."""

        def done_alone() -> None:
            with self._lock:
                if not self._may(duty):
                    return
                self._under_way.add(duty)
            try:
                job()
            finally:
                with self._lock:
                    self._under_way.discard(duty)
                    draining = self._node.draining
                if draining:
                    self._let_go()

        return done_alone

    def drain(self) -> None:
        """Begin nothing more alone, and say so; what is under way keeps its duty until it ends."""
        with self._lock:
            self._node = replace(self._node, draining=True)
        with self._telling:
            try:
                self._nodes.beat(self._node)
            except Unavailable as away:
                log.warning("node.unheard", node=self.id, reason=away.reason)
        self._let_go()

    def _let_go(self) -> None:
        """Let another have the duties that this node is not at."""
        with self._telling:
            with self._lock:
                idle = self._held - self._under_way
                self._held &= self._under_way
            try:
                if idle and not self._left:
                    self._nodes.let_go(idle, self.id)
            except Unavailable as away:  # then they pass on when their lease has ended
                log.warning("node.unheard", node=self.id, reason=away.reason)

    def leave(self) -> None:
        """Be gone, and let go of all duties."""
        with self._telling:
            self._left = True
        try:
            self._nodes.leave(self._node.id)
        except Unavailable as away:  # then it is forgotten in time, and its duties pass on when their lease has ended
            log.warning("node.unheard", node=self.id, reason=away.reason)
