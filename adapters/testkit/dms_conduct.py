"""How a mock document system behaves: well, or in one of the ways in which real ones fail."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock


class Manner(StrEnum):
    """What the mock does with a request."""

    TAKE = "take"  # status 1 and a number
    STATUS = "status"  # status `code` (not 1)
    CLIENT_FAULT = "client-fault"  # the document is at fault: final
    SERVER_FAULT = "server-fault"  # with Wyjatek/kod = `code`
    HTTP = "http"  # a bare HTTP error `code`
    GARBAGE = "garbage"  # HTTP 200, no XML
    WRONG = "wrong"  # HTTP 200, a SOAP answer of another service
    HALF = "half"  # the right answer, cut in the middle
    TRICKLE = "trickle"  # the right answer, a byte at a time
    HANG = "hang"  # no answer while the client waits
    DROP = "drop"  # the connection is closed without an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """One way to behave, for the next `times` requests or for `seconds`; without either, from now on."""

    manner: Manner = Manner.TAKE
    delay: float = 0.0  # seconds before anything is answered
    code: int = 503  # of a status, a Wyjatek or an HTTP error
    retry_after: str = ""  # the header, with whatever is answered
    keeps: bool = False  # registers the document although the answer will be bad: the answer is lost, not the work
    pause: float = 0.02  # seconds between two bytes of a trickle
    attachment: bytes = b""  # a file in the good answer (`zalacznik`)
    times: int | None = None
    seconds: float | None = None


GOOD = Conduct()
DOWN = Conduct(manner=Manner.DROP)


class Conducts:
    """The conduct of each office, changed while they work.  May be called by many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._set: dict[str, tuple[Conduct, int | None, float | None]] = {}

    def set(self, conduct: Conduct, office: str = "") -> None:
        """Let an office, or ("") all that have none of their own, behave so from now on."""
        until = None if conduct.seconds is None else time.monotonic() + conduct.seconds
        with self._lock:
            self._set[office] = (conduct, conduct.times, until)

    def next(self, office: str, *, counted: bool) -> Conduct:
        """Return how the office behaves now; `counted` takes one of its `times`."""
        with self._lock:
            for key in (office, ""):
                if key not in self._set:
                    continue
                conduct, left, until = self._set[key]
                if left == 0 or (until is not None and time.monotonic() >= until):
                    del self._set[key]
                    continue
                if counted and left is not None:
                    self._set[key] = (conduct, left - 1, until)
                return conduct
        return GOOD
