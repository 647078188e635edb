"""HTTP's chunks (RFC 9112 §7.1): a body that is cut into crumbs is given up.

Reading a chunk costs the same whether it brings one octet or thousands, and one thread reads for all connections: in
chunks of one octet, a client that sends little would keep everybody waiting.
"""

from __future__ import annotations

from typing import Final

import h11

FREE: Final = 1_000
"""Chunks of a body that may be as small as they like."""

SMALLEST: Final = 64
"""Octets that those beyond must bring, on average over all of the body."""

_Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class Framing(h11.Connection):
    """What reads a connection's requests; `crumbs` tells that one was given up for its chunks."""

    def __init__(self, head: int) -> None:
        super().__init__(h11.SERVER, head)
        self.crumbs = False
        self._chunks = 0  # of the request that is being read
        self._octets = 0

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
            self._chunks = self._octets = 0
        return event
