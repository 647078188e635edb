"""Run simulated worlds: `python -m tests.simulation 42` tells one seed's story, `--seeds 10000` tries many."""

from __future__ import annotations

import argparse
import sys

import structlog

from tests.simulation.planted import BUGS
from tests.simulation.running import STORES, Course, course


def main() -> int:
    """Return 1 if a promise was broken."""
    asked = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    asked.add_argument("seed", type=int, nargs="?", default=0, help="the first seed")
    asked.add_argument("--seeds", type=int, default=1, help="how many")
    asked.add_argument("--store", choices=sorted(STORES), default="memory")
    asked.add_argument("--bug", choices=sorted(BUGS), action="append", default=[])
    how = asked.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    failed = points = 0
    for seed in range(how.seed, how.seed + how.seeds):
        with STORES[how.store]() as make:
            it = course(seed, make, bugs=frozenset(how.bug))
        points += it.points
        failed += bool(it.broken)
        if how.seeds == 1 or it.broken:
            tell(it, whole=how.seeds == 1)
    print(f"{how.seeds} seeds from {how.seed}, {points} points, {failed} with a broken promise")  # noqa: T201 - the command's answer
    return int(failed > 0)


def tell(it: Course, *, whole: bool) -> None:
    """Say what became of a seed, and how it came to it."""
    if whole:
        print("\n".join(it.story))  # noqa: T201 - likewise
    print(it)  # noqa: T201 - likewise


if __name__ == "__main__":
    sys.exit(main())
