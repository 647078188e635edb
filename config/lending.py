"""Lends offices to threads: an office is used by one thread at a time, and its connections are used again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from broker.errors import BrokerError, Unavailable
from broker.model import OfficeId
from broker.ports import Office


class OfficePool:
    """Keeps made offices and lends them; there are never more of one than attempts in flight."""

    def __init__(self, makers: Mapping[OfficeId, Callable[[], Office]]) -> None:
        self._makers = makers
        self._idle: dict[OfficeId, list[Office]] = {office: [] for office in makers}
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, office: OfficeId) -> Iterator[Office]:
        """Lend an office to this thread.  Raises Unavailable if this node's configuration does not know it."""
        if office not in self._makers:
            raise Unavailable("office not configured on this node", condition="node.no-such-office")
        with self._lock:
            idle = self._idle[office]
            lent = idle.pop() if idle else None
        if lent is None:
            lent = self._makers[office]()
        try:
            yield lent
        except BrokerError:
            self._take_back(office, lent)
            raise
        except BaseException:
            lent.close()  # it broke its contract: whatever state it is in, nobody should use it again
            raise
        else:
            self._take_back(office, lent)

    def _take_back(self, office: OfficeId, lent: Office) -> None:
        with self._lock:
            self._idle[office].append(lent)

    def close(self) -> None:
        """Close all that is not lent."""
        with self._lock:
            idle = [lent for offices in self._idle.values() for lent in offices]
            for offices in self._idle.values():
                offices.clear()
        for lent in idle:
            lent.close()
