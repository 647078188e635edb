"""Log events that strangers can cause as often as they like: a few a minute are said, the rest only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

PER_MINUTE: Final = 20  # of one sort
_WINDOW: Final = 60.0  # seconds


class Notes:
    """Events of one channel.  May be used by many threads; `now` is a clock that only goes forward, in seconds."""

    def __init__(self, channel: str, now: Callable[[], float]) -> None:
        self.channel = channel
        self._now = now
        self._lock = Lock()
        self._since = now()
        self._said: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()

    def may_say(self, what: str) -> bool:
        """Count something that happened; return whether it is to be logged, because there have not been many of it."""
        with self._lock:
            self._turn()
            self._said[what] += 1
            return self._said[what] <= PER_MINUTE

    def left_out(self) -> Mapping[str, int]:
        """Return, once, how many of each sort were only counted in the minutes that are over."""
        with self._lock:
            self._turn()
            found, self._untold = self._untold, Counter()
            return found

    def _turn(self) -> None:
        if self._now() - self._since < _WINDOW:
            return
        for what, count in self._said.items():
            if count > PER_MINUTE:
                self._untold[what] += count - PER_MINUTE
        self._said.clear()
        self._since = self._now()
