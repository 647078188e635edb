"""Figures, and the text in which Prometheus reads them (exposition format 0.0.4).

Three kinds, each made by the registry under a name of its own: a counter is counted up where something happens, a
gauge is read when somebody asks, a histogram counts how long things took.  A gauge's callback runs while the asker
waits, so it reads what is at hand and asks nobody else.  Labels come from vocabularies that end: codes, states,
offices, never a sender or a document.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Final

import structlog

from broker.errors import Unavailable

log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")

Labels = tuple[str, ...]
"""The values of a figure's labels, in the order of their names."""
Sample = tuple[str, Sequence[tuple[str, str]], float]
"""What comes behind the figure's name, the labels, the value."""
Read = Callable[[], float | Mapping[Labels, float]]
"""A gauge's value, or one for each set of labels."""


class Counter:
    """Counts up.  `most` bounds how many sets of labels are told apart; what is beyond is counted as "other"."""

    def __init__(self, labels: Labels, most: int) -> None:
        self._labels = labels
        self._most = most
        self._tally: Tally[Labels] = Tally()
        self._lock = Lock()

    def add(self, *values: str, by: int = 1) -> None:
        """Count one more under these values of its labels."""
        if len(values) != len(self._labels):
            raise ValueError(f"{len(values)} values for the labels {self._labels}")
        with self._lock:
            known = values in self._tally or len(self._tally) < self._most
            self._tally[values if known else ("other",) * len(values)] += by

    def samples(self) -> Iterator[Sample]:
        with self._lock:
            tally = dict(self._tally)
        if not self._labels:
            tally = tally or {(): 0}
        for values, number in sorted(tally.items()):
            yield "", tuple(zip(self._labels, values, strict=True)), number


class Gauge:
    """Says how things stand."""

    def __init__(self, labels: Labels, read: Read) -> None:
        self._labels = labels
        self._read = read

    def samples(self) -> Iterator[Sample]:
        found = self._read()
        by_labels = found if isinstance(found, Mapping) else {(): found}
        for values, value in sorted(by_labels.items()):
            yield "", tuple(zip(self._labels, values, strict=True)), value


class Histogram:
    """Counts how long things took, in seconds: how many at most as long as each of its bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = (*sorted(bounds), math.inf)
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        self._lock = Lock()

    def add(self, seconds: float) -> None:
        """Count one that took so long."""
        with self._lock:
            self._counts[bisect_left(self._bounds, seconds)] += 1
            self._sum += seconds

    def samples(self) -> Iterator[Sample]:
        with self._lock:
            counts, total = list(self._counts), self._sum
        so_far = 0
        for bound, count in zip(self._bounds, counts, strict=True):
            so_far += count
            yield "_bucket", (("le", _number(bound)),), so_far
        yield "_sum", (), total
        yield "_count", (), so_far


class Registry:
    """All figures of a process."""

    def __init__(self, prefix: str = "goniec_") -> None:
        self._prefix = prefix
        self._figures: dict[str, tuple[str, str, Counter | Gauge | Histogram]] = {}

    def counter(self, name: str, help_: str, labels: Labels = (), *, most: int = 2_000) -> Counter:
        """Make a counter; by custom its name ends in `_total`."""
        made = Counter(labels, most)
        self._add(name, "counter", help_, labels, made)
        return made

    def gauge(self, name: str, help_: str, read: Read, labels: Labels = ()) -> None:
        """Make a gauge.  While `read` raises Unavailable, it is left out."""
        self._add(name, "gauge", help_, labels, Gauge(labels, read))

    def histogram(self, name: str, help_: str, bounds: Sequence[float]) -> Histogram:
        """Make a histogram; by custom its name ends in `_seconds`."""
        made = Histogram(bounds)
        self._add(name, "histogram", help_, (), made)
        return made

    def _add(self, name: str, kind: str, help_: str, labels: Labels, figure: Counter | Gauge | Histogram) -> None:
        name = self._prefix + name
        if not _NAME.fullmatch(name) or not all(map(_LABEL.fullmatch, labels)):
            raise ValueError(f"{name}: not a name of a figure, or of labels: {labels}")
        if name in self._figures:
            raise ValueError(f"{name} is there already")
        self._figures[name] = kind, help_, figure

    def text(self) -> bytes:
        """Return all figures as they stand."""
        return "".join(line for name in sorted(self._figures) for line in self._lines(name)).encode()

    def _lines(self, name: str) -> list[str]:
        kind, help_, figure = self._figures[name]
        said = help_.replace("\\", r"\\").replace("\n", r"\n")
        lines = [f"# HELP {name} {said}\n", f"# TYPE {name} {kind}\n"]
        try:
            for suffix, labels, value in figure.samples():
                named = ",".join(f'{label}="{_escaped(one)}"' for label, one in labels)
                lines.append(
                    f"{name}{suffix}{{{named}}} {_number(value)}\n" if named else f"{name}{suffix} {_number(value)}\n"
                )
        except Unavailable:
            return []
        except Exception:  # one figure that cannot be had must not hide the others
            log.exception("ops.figure-bug", figure=name)
            return []
        return lines


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) else repr(float(value))
