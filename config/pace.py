"""How fast a partner may send: a bucket of tokens for each, filled at its rate.

Counted by each process for itself: with N processes a partner has up to N times its rate.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from broker.errors import NotYet
from broker.partner import Partner

_MINUTE = 60.0


class Turnstile:
    """Lets a partner's messages through at its rate.  May be called by many threads; `seconds` is a steady clock."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}  # tokens, and when they were counted

    def __call__(self, partner: Partner) -> None:
        """Take one token; raise NotYet, with the wait for the next, when there is none."""
        if not partner.rate:
            return
        size = partner.burst or max(1, math.ceil(partner.rate))
        with self._lock:
            now = self._seconds()
            tokens, since = self._levels.get(partner.id, (float(size), now))
            tokens = min(size, tokens + (now - since) * partner.rate / _MINUTE)
            passes = tokens >= 1
            self._levels[partner.id] = (tokens - passes, now)
        if not passes:
            wait = timedelta(seconds=(1 - tokens) * _MINUTE / partner.rate)
            raise NotYet("a partner sends faster than agreed", retry_after=wait, condition="pace")
