# ruff: noqa: T201 - a command speaks
"""Fight campaigns and write the report: `python -m tests.crash.campaign --submissions 100000 --faults 500`."""

from __future__ import annotations

import argparse
import secrets
import sys
from functools import partial

from tests.crash.campaign.running import fight, in_turn


def main() -> int:
    """Return 1 if a promise was broken."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash.campaign", description=__doc__)
    asked.add_argument("--engine", choices=["sqlite", "postgresql"], action="append")
    asked.add_argument("--submissions", type=int, default=100_000)
    asked.add_argument("--faults", type=int, default=500)
    asked.add_argument("--clients", type=int, default=6)
    asked.add_argument("--seed", type=int, default=secrets.randbits(32))
    asked.add_argument("--minutes", type=float, help="kill three workers behind one address in turn, so long")
    asked.add_argument("--bug", action="append", default=[], help="of tests/crash/planted.py")
    how = asked.parse_args()
    kept = True
    for engine in how.engine or ["sqlite", "postgresql"]:
        print(f"{engine}, seed {how.seed}", flush=True)
        tell = partial(print, flush=True)
        if how.minutes:
            campaign = in_turn(engine, minutes=how.minutes, seed=how.seed, tell=tell)
        else:
            campaign = fight(
                engine,
                submissions=how.submissions,
                faults=how.faults,
                seed=how.seed,
                clients=how.clients,
                bugs=tuple(how.bug),
                tell=tell,
            )
        print(campaign, flush=True)
        kept = kept and campaign.kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
