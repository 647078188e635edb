"""HTTP's chunks (RFC 9112 §7.1): a body in small ones is read slowly, and one that is cut into crumbs is given up.

Reading a chunk costs the same whether it brings one octet or thousands, and one thread reads for all connections: in
small chunks, a client that sends little would keep everybody waiting.
"""

from __future__ import annotations

from typing import Final

import h11

FREE: Final = 1_000
"""Chunks of a body that may be as small as they like."""

SMALLEST: Final = 64
"""Octets that those beyond must bring, on average over all of the body."""

FAIR: Final = 1_024
"""Octets of a chunk that cost no more than those of large ones."""

REST: Final = 0.002
"""Seconds without reading for each chunk below that: as many of 64 octets bring twice what a body must arrive with."""

_Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class Framing(h11.Connection):
    """What reads a connection's requests; `crumbs` tells that one was given up for its chunks."""

    def __init__(self, head: int) -> None:
        super().__init__(h11.SERVER, head)
        self.crumbs = False
        self._chunks = 0  # of the request that is being read
        self._octets = 0
        self._rested = 0  # chunks

    def rest(self) -> float:
        """Return for how many seconds not to read, after what was read since this was asked last."""
        small = self._chunks - FREE - self._octets // FAIR
        new, self._rested = small - self._rested, max(small, self._rested)
        return max(0, new) * REST

    def next_event(self) -> _Event:
        """Return the next event; raise RemoteProtocolError."""
        event = super().next_event()
        if isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._octets += len(event.data)
            if self._chunks > FREE + self._octets // SMALLEST:
                self.crumbs = True
                raise h11.RemoteProtocolError("chunks too small")
        elif isinstance(event, h11.Request):
            self._chunks = self._octets = self._rested = 0
        return event
