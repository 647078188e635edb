"""Log events that strangers can cause as often as they like: said a few times a minute, the rest only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

PER_MINUTE: Final = 20  # of one event
_WINDOW: Final = 60.0  # seconds


class Notes:
    """Events of one channel.  Used by the loop's thread alone; `now` is a clock that only goes forward, in seconds."""

    def __init__(self, channel: str, now: Callable[[], float]) -> None:
        self._channel = channel
        self._now = now
        self._since = now()
        self._said: Counter[str] = Counter()

    def say(self, event: str, **about: str) -> None:
        """Log the event, or count it if there have been many."""
        self.turn()
        self._said[event] += 1
        if self._said[event] <= PER_MINUTE:
            log.info(event, channel=self._channel, **about)

    def turn(self) -> None:
        """Log what was only counted, once its minute is over."""
        if self._now() - self._since < _WINDOW:
            return
        for event, count in self._said.items():
            if count > PER_MINUTE:
                log.warning("soap.many", channel=self._channel, what=event, more=count - PER_MINUTE)
        self._said.clear()
        self._since = self._now()
