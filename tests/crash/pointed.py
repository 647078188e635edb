"""One document taken in and delivered by a process that dies at a chosen point: before or after any of its operations.

    python -m tests.crash.pointed     one JSON order a line on standard input, one JSON answer a line on standard output

A point is where a statement goes to the database or has come back, where a commit does, where the office is spoken to
or has answered, and where the receipt leaves the house or has left it.  Each order is done by a child of its own, and
answered with how many points it met and how it ended.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

from adapters.stores import SqlStore
from broker.admit import Admit
from broker.dispatch import Dispatcher
from broker.intake import Intake
from broker.model import Address, Envelope, OfficeId, OfficeLimits, Parcel, Target
from broker.partner import NOBODY
from broker.ports import Filter
from broker.receipt import Registrar
from broker.retry import RetryPolicy
from broker.states import LIVE
from config.ids import TimeOrderedIds
from tests import stages
from tests.crash import planted

PR_SET_PDEATHSIG = 1
LEASE = timedelta(seconds=0.15)  # PostgreSQL goes by its own clock: who takes over must wait
OFFICE = OfficeId("town")


class Points:
    """Counts points, and ends the process at one of them."""

    def __init__(self, fatal: int | None) -> None:
        self.fatal, self.met = fatal, 0
        self.armed = False

    def __call__(self, *_: Any) -> None:
        if not self.armed:
            return
        if self.met == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.met += 1

    def watch_the_database(self) -> None:
        """Make points of what is said to the database."""
        event.listen(Engine, "before_cursor_execute", lambda *_: self())
        event.listen(Engine, "after_cursor_execute", lambda *_: self())
        plain = DefaultDialect.do_commit

        def do_commit(dialect: DefaultDialect, connection: Any) -> None:
            self()
            plain(dialect, connection)
            self()

        DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


class Town:
    """The office's document system: what it writes down is there after the broker has died."""

    def __init__(self, point: Points, file: Path) -> None:
        self._point, self._file = point, file

    def deliver(self, parcel: Parcel) -> str:
        self._point()
        _append(
            self._file,
            delivery=parcel.delivery,
            submission=parcel.submission.id,
            sha256=hashlib.sha256(parcel.document).hexdigest(),
            receipt=parcel.receipt.xml.decode(),
        )
        self._point()
        return "EZD/1"


def _append(file: Path, **about: str) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(about) + "\n")


def intake(store: SqlStore, clock: Callable[[], datetime]) -> Intake:
    """Return an intake whose stages let everything through: nothing of them can be lost."""
    ids = TimeOrderedIds(clock)
    target = Target(row="box:/town/in", office=OFFICE, office_name="Town", box="/town/in")
    return Intake(
        store=store,
        parse=stages.parse,
        validate=stages.validate,
        verify=stages.verify,
        route=stages.route_to(target),
        admit=Admit(partners=lambda: NOBODY),
        registrar=Registrar(seal=stages.Marking(), ids=ids, environment="test"),
        clock=clock,
        ids=ids,
    )


def take_in_and_deliver(order: dict[str, Any], point: Points) -> None:
    """Do what the order says: one document, again if it is there already, until nothing waits any more."""
    clock = lambda: datetime.now(UTC)  # noqa: E731
    store = SqlStore(order["url"], clock=clock if order["url"].startswith("sqlite") else None)
    store.enrol([OfficeLimits(office=OFFICE)])  # opens it
    town = Town(point, Path(order["office"]))

    @contextmanager
    def lend(_office: OfficeId) -> Iterator[Town]:
        yield town

    policy = RetryPolicy(crashes=1000)
    dispatcher = Dispatcher(store=store, lend=lend, policy=policy, jitter=lambda: 0.0)  # type: ignore[arg-type]
    document = order["document"].encode()
    point.armed = True
    receipt = intake(store, clock).accept(
        Envelope(
            channel="soap",
            sender="citizen",
            received_at=clock(),
            payload=document,
            to=Address(box="/town/in"),
            message_id=hashlib.sha256(document).hexdigest(),
        )
    )
    point()
    _append(
        Path(order["partner"]), document=order["document"], submission=receipt.submission, receipt=receipt.xml.decode()
    )
    point()
    waiting = True
    while waiting:
        for claim in store.claim(LEASE, 10):
            dispatcher.deliver(claim)
        point.armed = False
        waiting = any(one.state in LIVE for it in store.list(Filter()) for one in it.deliveries)
        if waiting:
            time.sleep(LEASE.total_seconds() / 3)
        point.armed = True
    point.armed = False
    store.close()


def obey(order: dict[str, Any]) -> dict[str, int]:
    """Let a child do it; return its points and how it ended."""
    reading, writing = os.pipe()
    parent, pid = os.getpid(), os.fork()
    if not pid:
        status = os.EX_SOFTWARE
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                point = Points(order.get("fatal"))
                point.watch_the_database()
                for bug in order.get("bugs", ()):
                    planted.BUGS[bug]()
                take_in_and_deliver(order, point)
                os.write(writing, str(point.met).encode())
                status = os.EX_OK
        except BaseException:  # noqa: BLE001 - the last thing that this process does
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as answer:
        met = answer.read()
    _, ended = os.waitpid(pid, 0)
    return {"met": int(met or 0), "status": os.waitstatus_to_exitcode(ended)}


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line))), flush=True)  # noqa: T201 - the answers
