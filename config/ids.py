"""Identifiers: UUID version 7 (RFC 9562 §5.7), so that later ones sort after earlier ones in every index."""

from __future__ import annotations

import secrets
import threading
import uuid
from datetime import UTC, datetime, timedelta

from broker.ports import Clock

_COUNTER_BITS = 12
_RANDOM_BITS = 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TimeOrderedIds:
    """Makes identifiers; within one process strictly rising, even when the clock stands or steps back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        """Return the next identifier as 36 characters."""
        millisecond = (self._clock() - _EPOCH) // timedelta(milliseconds=1)
        with self._lock:
            # Milliseconds and counter are one number: when the counter is full, time borrows from the future.
            self._last = max(self._last + 1, millisecond << _COUNTER_BITS)
            stamp = self._last
        number = (stamp >> _COUNTER_BITS) << 80
        number |= 0x7 << 76 | (stamp & 0xFFF) << 64
        number |= 0b10 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        return str(uuid.UUID(int=number))
