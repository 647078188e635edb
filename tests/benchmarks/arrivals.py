"""When documents come, how large they are, and whose: a load as the simulation meets it, drawn from one seed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
YEAR: Final = 365 * DAY

_WORKDAY: Final = (
    *(0.10, 0.06, 0.05, 0.05, 0.08, 0.20, 0.60, 1.80, 3.00, 3.40, 3.30, 3.10),  # until noon
    *(2.80, 2.70, 2.40, 1.80, 1.30, 1.10, 1.00, 0.95, 0.90, 0.70, 0.40, 0.20),
)
_DAY_OFF: Final = (0.1,) * 6 + (0.35,) * 16 + (0.1,) * 2
WEEK: Final = _WORKDAY * 5 + _DAY_OFF * 2
"""Hours from Monday's midnight on, as many times the mean.  An assumption: office hours, and evenings of citizens."""

FLAT: Final = (1.0,)

MIX: Final = ((0.70, 5_000), (0.20, 50_000), (0.08, 500_000), (0.018, 5_000_000), (0.002, 30_000_000))
"""Parts of all documents, and their octets; 203 kB on average.  An assumption."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document that comes at this second, for the office of this number."""

    at: float
    octets: int
    office: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many documents a second on average, for so long.  `shares` are the offices', `hours` the course of time."""

    rate: float
    seconds: float
    shares: Sequence[float] = (1.0,)
    mix: Sequence[tuple[float, int]] = ((1.0, 5_000),)
    hours: Sequence[float] = FLAT

    def arrivals(self, seed: int = 1) -> Iterator[Arrival]:
        """Yield them in the order of time: a Poisson process whose rate changes by the hour."""
        when, what, whose = (Random(f"{part} {seed}") for part in ("when", "what", "whose"))
        offices, sizes = _cumulated(self.shares), _cumulated([share for share, _ in self.mix])
        mean = sum(self.hours) / len(self.hours)
        begin, hour = 0.0, 0
        while begin < self.seconds:
            end = min(begin + HOUR, self.seconds)
            rate = self.rate * self.hours[hour % len(self.hours)] / mean
            at = begin + when.expovariate(rate) if rate else end
            while at < end:
                octets = self.mix[bisect_right(sizes, what.random())][1]
                yield Arrival(at, octets, bisect_right(offices, whose.random()))
                at += when.expovariate(rate)
            begin, hour = end, hour + 1


def _cumulated(shares: Sequence[float]) -> list[float]:
    """Return the upper ends of the shares, but for the last, which is whatever is left."""
    total = sum(shares)
    return [upto / total for upto in accumulate(shares)][:-1]


def skewed(number: int, largest: float) -> list[float]:
    """Return the shares of so many offices: the first has `largest`, the others fall with their rank (its root)."""
    falling = [1 / (rank + 2) ** 0.5 for rank in range(number - 1)]
    return [largest, *((1 - largest) * part / sum(falling) for part in falling)]
