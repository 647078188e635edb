"""Serving processes that are there at once, so that a test can afford to kill many.

    python -m tests.crash.spawner     one JSON order a line on standard input, one JSON answer a line on standard output

The spawner has imported everything and forks; the child is `goniec serve` from its first line on.  A child may be
given bugs of `planted.py`, and a folder with an integrator's package.  When the spawner ends, so do its children.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn, Self

from config.cli.main import main
from config.demo.site import STARTING, Site, answers, children
from tests.crash import planted

PR_SET_PDEATHSIG = 1


class Node:
    """A serving process of a site."""

    def __init__(self, spawner: Spawner, site: Site, pid: int) -> None:
        self.site, self.pid, self._spawner = site, pid, spawner
        self.status: int | None = None  # once it has ended: what it exited with, or minus the signal

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        if self.status is None:
            self.status = self._spawner.order(do="look", pid=self.pid)
        return self.status is None

    @property
    def workers(self) -> tuple[int, ...]:
        """The processes that serve, if this one only watches over them."""
        return children(self.pid)

    def ended(self) -> int:
        """Wait for its end; return its exit status, or minus the signal that ended it."""
        while self.alive:
            time.sleep(0.01)
        assert self.status is not None
        return self.status

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + STARTING.total_seconds()
        while not answers(self.site.port):
            said = (self.site.folder / "stderr.txt").read_text(errors="replace")
            assert self.alive, f"it ended with {self.status}: {said[-2000:]}"
            assert time.monotonic() < deadline, f"it did not come up: {said[-2000:]}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        if self.alive:  # the spawner has not reaped it, so the number is still its own
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once: nothing of it runs any more code."""
        self.signal(signal.SIGKILL)
        self.ended()

    def stop(self) -> int:
        """Ask it to stop; return its exit status."""
        self.signal(signal.SIGTERM)
        return self.ended()


class Spawner:
    """The test's side; a context manager."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def order(self, **what: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._lock:
            stdin.write(json.dumps(what) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

    def spawn(self, site: Site, *, bugs: tuple[str, ...] = (), packages: Path | None = None) -> Node:
        """Start `goniec serve` on a site, with bugs planted, and `packages` on Python's path."""
        said = site.folder / "stderr.txt"
        said.touch()
        order = {"config": str(site.configuration), "said": str(said), "bugs": bugs, "packages": str(packages or "")}
        return Node(self, site, self.order(do="serve", **order))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()


# ── the spawner's own process ──


def serve(order: dict[str, Any], parent: int) -> NoReturn:
    """Become `goniec serve`."""
    status = os.EX_SOFTWARE
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(status)
        said = os.open(order["said"], os.O_WRONLY | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for theirs, ours in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(theirs, ours)
        if order["packages"]:
            sys.path.insert(0, order["packages"])
        for bug in order["bugs"]:
            planted.BUGS[bug]()
        sys.argv = ["goniec", "serve", "--config", order["config"]]
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else os.EX_SOFTWARE
    except BaseException:  # noqa: BLE001 - the last thing that this process does
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def fork(order: dict[str, Any]) -> int:
    parent, pid = os.getpid(), os.fork()
    return pid or serve(order, parent)


def look(pid: int) -> int | None:
    """Return what a child ended with, None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def obey() -> None:
    gc.freeze()  # children share what is there now, as long as nobody writes to it
    for line in sys.stdin:
        order = json.loads(line)
        answer = fork(order) if order["do"] == "serve" else look(order["pid"])
        print(json.dumps(answer), flush=True)  # noqa: T201 - the spawner's answers


if __name__ == "__main__":
    obey()
