"""Counts what this process does, by listening to its log: the log's events are a fixed vocabulary, and say it all.

So the core knows nothing of figures, and what is told in the one is counted in the other, whatever level is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

from adapters.ops.metrics import Registry

_OUTCOMES: Final = frozenset({"acknowledged", "postponed", "refused", "gave-up", "lease-lost", "unrecorded"})
_INTAKE: Final = {"accepted": "accepted", "repeated": "repeated", "put-off": "put-off"}
_BOUNDS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class Counting:
    """The counters that the log feeds; `see` may be called by many threads."""

    def __init__(self, figures: Registry) -> None:
        self._events = figures.counter(
            "log_events_total", "Events of the log, also those that its level leaves out.", ("event", "level"), most=500
        )
        self._intake = figures.counter(
            "intake_total", "What became of documents: accepted, repeated, refused, put-off.", ("outcome",)
        )
        self._refused = figures.counter(
            "refused_total", "Documents turned away for good, by stage and code.", ("stage", "code")
        )
        self._put_off = figures.counter(
            "put_off_total", "Documents whose sender was told to come back later, by condition.", ("condition",)
        )
        self._outcomes = figures.counter(
            "delivery_outcomes_total", "Outcomes of attempts to deliver.", ("office", "outcome"), most=20_000
        )
        self._seconds = figures.counter(
            "second_opinions_total", "What the second verifier said of signatures that hold.", ("opinion", "reason")
        )
        self._took = figures.histogram(
            "intake_seconds", "How long intake took for a document, whatever came of it.", _BOUNDS
        )

    def see(self, event: Mapping[str, Any]) -> None:
        """Count a line of the log."""
        name, level = str(event.get("event", "")), str(event.get("level", ""))
        self._events.add(name, level)
        part, _, what = name.partition(".")
        code = str(event.get("code", ""))
        if what == "refused" and code.partition(".")[0] == part:  # not a way in that tells the same again
            self._refused.add(part, code)
            self._intake.add("refused")
        elif part == "intake" and what in _INTAKE:
            self._intake.add(_INTAKE[what])
            if what == "put-off":
                self._put_off.add(str(event.get("condition", "other")))
            elif event.get("second_opinion"):
                self._seconds.add(str(event["second_opinion"]), str(event.get("unread", "")))
        elif name == "verify.disagreed":
            self._seconds.add("disagrees", str(event.get("reason", "")))
        elif part == "delivery" and what in _OUTCOMES:
            self._outcomes.add(str(event.get("office", "")), what)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count how long this took."""
        begun = monotonic()
        try:
            yield
        finally:
            self._took.add(monotonic() - begun)
