"""`goniec` with a clock that can be pushed: `python -m tests.crash.campaign.node FILE serve --config …`.

FILE holds seconds; the broker's one clock (`config/clock.py`) is ahead by so many.  Everything else is as it is
installed: faults of the disk come from libfiu, faults of the network from proxies, and the rest from signals.
Further words before the command, `bug:NAME`, plant a bug of `tests/crash/planted.py`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

from config import clock
from config.cli.main import main
from tests.crash import planted
from tests.crash.spawner import PR_SET_PDEATHSIG


def main_with_clock(file: Path, words: list[str]) -> None:
    """Push the clock, plant what is asked for, and become `goniec`."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # no node outlives its campaign, however that ends
    plain = clock.now

    def now() -> datetime:
        return plain() + timedelta(seconds=float(file.read_text() or 0))

    clock.now = now
    while words[0].startswith("bug:"):
        planted.BUGS[words.pop(0).removeprefix("bug:")]()
    _hand_on_signals()
    sys.argv = ["goniec", *words]
    main()


def _hand_on_signals() -> None:
    """Bring a signal that libfiu's own thread was given to the thread that waits for signals."""
    came, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def hand_on() -> None:
        while octet := os.read(came, 1):
            for thread in threading.enumerate():
                if thread.name == "signals" and thread.ident is not None:
                    signal.pthread_kill(thread.ident, octet[0])

    threading.Thread(target=hand_on, daemon=True).start()


if __name__ == "__main__":
    main_with_clock(Path(sys.argv[1]), sys.argv[2:])
