"""Log events that strangers can cause as often as they like: said a few times a minute, the rest only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

PER_MINUTE: Final = 20  # of one sort
_WINDOW: Final = 60.0  # seconds


class Notes:
    """Events of one channel.  Used by the loop's thread alone; `now` is a clock that only goes forward, in seconds."""

    def __init__(self, channel: str, now: Callable[[], float]) -> None:
        self.channel = channel
        self._now = now
        self._since = now()
        self._said: Counter[str] = Counter()

    def may_say(self, what: str) -> bool:
        """Count something that happened; return whether it is to be logged, because there have not been many of it."""
        self.turn()
        self._said[what] += 1
        return self._said[what] <= PER_MINUTE

    def turn(self) -> None:
        """Log what was only counted, once its minute is over."""
        if self._now() - self._since < _WINDOW:
            return
        for what, count in self._said.items():
            if count > PER_MINUTE:
                log.warning("soap.many", channel=self.channel, what=what, more=count - PER_MINUTE)
        self._said.clear()
        self._since = self._now()
