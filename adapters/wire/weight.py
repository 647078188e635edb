"""Large things take turns: so many bytes of them at once, and what is too much waits.  Small ones never do.

To take a document apart, or to wrap one up, needs several times its size: so it is what is being worked on that must
be bounded, and not only what is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final

SMALL: Final = 1_000_000  # bytes of what never waits


class Scales:
    """Bytes of large things being worked on, at most so many.  May be used by many threads.

    One that is larger than all the room is worked on alone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = Condition()

    def take(self, size: int) -> bool:
        """Take room if there is some; return whether there was."""
        with self._changed:
            if size < SMALL:
                return True
            if self._taken and self._taken + size > self._most:
                return False
            self._taken += size
            return True

    def give(self, size: int) -> None:
        """Give room back."""
        if size >= SMALL:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Wait for room and hold it."""
        with self._changed:
            self._changed.wait_for(lambda: self.take(size))
        try:
            yield
        finally:
            self.give(size)
