"""Nodes and duties of the store in memory.  There is one process, so nobody has to be told that something is due."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Event

from broker.nodes import Node

NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class _Duty:
    node: str
    until: datetime


class MemoryNodes:
    """The part; `opened` holds the store's lock and yields its now."""

    def __init__(self, opened: Callable[[], AbstractContextManager[datetime]]) -> None:
        self._open = opened
        self._nodes: dict[str, Node] = {}
        self._duties: dict[str, _Duty] = {}
        self.own = ""  # the node that claims through this store

    def join(self, *, id: str, host: str, pid: int, version: str) -> Node:  # noqa: A002 - the field's name
        with self._open() as now:
            node = Node(
                id=id, host=host, pid=pid, version=version, layout="", started_at=now, seen_at=now, silent=NOTHING
            )
            self._nodes[id] = node
            self.own = id
            return node

    def beat(self, node: Node) -> None:
        with self._open() as now:
            self._nodes[node.id] = replace(node, seen_at=now)

    def leave(self, node: str) -> None:
        with self._open():
            self._nodes.pop(node, None)
            self._duties = {name: duty for name, duty in self._duties.items() if duty.node != node}

    def list(self) -> Sequence[Node]:
        with self._open() as now:
            held = {name: duty.node for name, duty in sorted(self._duties.items()) if duty.until > now}
            return [
                replace(
                    node,
                    silent=max(now - node.seen_at, NOTHING),
                    duties=tuple(name for name, holder in held.items() if holder == node.id),
                )
                for node in sorted(self._nodes.values(), key=lambda node: (node.started_at, node.id))
            ]

    def forget(self, silent: timedelta) -> int:
        with self._open() as now:
            dead = [node.id for node in self._nodes.values() if now - node.seen_at > silent]
            for node in dead:
                del self._nodes[node]
            return len(dead)

    def hold(self, duties: Collection[str], node: str, lease: timedelta) -> frozenset[str]:
        with self._open() as now:
            free = {name for name in duties if self._free(name, node, now)}
            self._duties |= {name: _Duty(node, now + lease) for name in free}
            return frozenset(free)

    def _free(self, name: str, node: str, now: datetime) -> bool:
        held = self._duties.get(name)
        return held is None or held.node == node or held.until <= now

    def let_go(self, duties: Collection[str], node: str) -> None:
        with self._open():
            for name in duties:
                if name in self._duties and self._duties[name].node == node:
                    del self._duties[name]

    def announce(self) -> None:
        """Do nothing: whoever could hear it is in this process."""

    def listen(self, ring: Callable[[], None], stop: Event) -> None:
        """Return: there is nothing to hear."""
