"""What each hostile document costs, as a table.

    python -m tests.hostile [--weight 0.1] [--tries 3] [WORD…]

Only shapes whose names hold one of the words.  Milliseconds are of CPU, the least of the tries; memory is what the
process took beyond what it had.  Beside them stands what an honest letter of the same size costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.hostile.every import EVERY
from tests.hostile.honest import Honest
from tests.hostile.measuring import STAGES, cost


def main() -> int:
    """Measure and tell; return 1 if a document was answered by another code than its own."""
    asked = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    asked.add_argument("--weight", type=float, default=1.0)
    asked.add_argument("--tries", type=int, default=3)
    asked.add_argument("words", nargs="*")
    how = asked.parse_args()
    from tests.corpus.world import World  # noqa: PLC0415 - compiles the forms

    tell = Console(width=200 if not sys.stdout.isatty() else None)
    table = Table("document", "MB", *STAGES, "all ms", "honest", "memory", "answer", box=None)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        honest = Honest.measured(world, how.tries)
        chosen = [it for it in EVERY if not how.words or any(word in it for word in how.words)]
        for name in track(chosen, console=Console(stderr=True)):
            shape = EVERY[name]
            document = shape.make(how.weight)
            found = cost(world, document, how.tries)
            wrong += found.code != shape.code
            table.add_row(
                name,
                f"{len(document) / 1e6:.1f}",
                *(f"{found.stages[stage]:.0f}" if stage in found.stages else "" for stage in STAGES),
                f"{found.cpu:.0f}",
                f"{honest.cpu(len(document)):.0f}",
                f"{found.memory:.0f}",
                (found.code or "taken") + ("" if found.code == shape.code else f" instead of {shape.code or 'taken'}"),
            )
        tell.print(table)
        tell.print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        world.broker.close()
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
