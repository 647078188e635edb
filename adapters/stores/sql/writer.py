"""Group commit: all that a process wants to write goes through one thread, and many writes share one transaction.

A flush to the disk costs the same for one write as for a hundred, so while one transaction is being committed
the next one fills.  Nobody is answered before the commit that holds his write.  Works of one kind are done
together; if that fails they are done one by one, each behind a savepoint, so that one member's conflict hurts
no other.  This file knows nothing of tables.

What waits is bounded by number, and each caller's waiting by time; how full it is, and whether the database takes
writes at all, `strain` tells to whoever would rather not begin.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from time import monotonic
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from adapters.stores.sql.errors import unavailable
from broker.errors import BrokerError, Unavailable
from broker.pressure import Condition, Strain

Asked = TypeVar("Asked")
Result = TypeVar("Result")

WAITING = 1000  # writes that may wait; beyond that intake says "try later"
TOGETHER = 200  # writes in one transaction
FULL = timedelta(seconds=1)  # the wait asked for when too many are waiting
PATIENCE = 60.0  # seconds that a caller waits; a transaction that is longer under way has met a disk that hangs
LATELY = 5.0  # seconds for which a failure speaks against the next write: then one may find out whether it is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[Asked, Result]):
    """One kind of write.

    `do` gets all members of a transaction and returns a result for each, in their order; a BrokerError is a
    result too, for a member that is answered with it.  Whatever `do` raises undoes what it did.  In a
    transaction works come by `rank`, so that no two processes lock the same rows in contrary order.  `proof`: it
    always writes, so its success shows that the database takes writes.
    """

    rank: int
    do: Callable[[Connection, datetime, Sequence[Asked]], Sequence[Result | BrokerError]]
    proof: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    work: Work[Any, Any]
    asked: Any
    answer: Future[Any] = field(default_factory=Future)


class Writer:
    """The writing thread of one process.  `connect` opens its connection, `now` reads the store's clock."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        now: Callable[[Connection], datetime],
        *,
        waiting: int = WAITING,
        together: int = TOGETHER,
        patience: float = PATIENCE,
    ) -> None:
        self._connect = connect
        self._now = now
        self._waiting = waiting
        self._together = together
        self._patience = patience
        self._failed: tuple[float, str] | None = None  # when the last write failed that failed, and why
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._connection: Connection | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def write(self, work: Work[Asked, Result], asked: Asked) -> Result:
        """Return the result once it is committed; raise the member's own BrokerError, or Unavailable.

        After Unavailable either nothing has changed, or (when the connection broke in the commit, or it took too
        long) it cannot be known.
        """
        job = _Job(work=work, asked=asked)
        with self._changed:
            if os.getpid() != self._process:
                raise Unavailable("the store was opened before this process was forked")
            if self._closing:
                raise Unavailable("the store is closed")
            if len(self._jobs) >= self._waiting:
                raise Unavailable(
                    "too many writes are waiting for the store", retry_after=FULL, condition=Condition.WRITER
                )
            self._jobs.append(job)
            self._changed.notify()
        try:
            result: Result = job.answer.result(self._patience)
        except TimeoutError:
            with self._changed, suppress(ValueError):  # under way already: what comes of it nobody will be told
                self._jobs.remove(job)
            why = "the store takes too long to write"
            raise Unavailable(why, retry_after=FULL, condition=Condition.WRITER) from None
        return result

    def strain(self) -> Strain:
        """Return how full the queue is, and why the last write failed if that was a moment ago; wait for nothing."""
        failed = self._failed
        lately = failed is not None and monotonic() - failed[0] < LATELY
        return Strain(
            taken=100 * len(self._jobs) // self._waiting, failing=failed[1] if failed is not None and lately else ""
        )

    def close(self) -> None:
        """Write what is waiting, then end the thread and let go of its connection."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if os.getpid() == self._process:
            self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._answer(batch)
        self._disconnect()

    def _take(self) -> list[_Job]:
        """Wait for jobs; return none only when closing and all is written."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            taken = [self._jobs.popleft() for _ in range(min(len(self._jobs), self._together))]
        return sorted(taken, key=lambda job: job.work.rank)

    def _answer(self, batch: list[_Job]) -> None:
        """Commit the batch, then answer each member: never the other way round."""
        try:
            results = self._commit(batch)
        except Exception as error:  # noqa: BLE001 - whatever it was, the callers wait and this thread must live
            self._disconnect()
            self._note(unavailable(error))
            for job in batch:
                # One exception each: a traceback shared between threads grows with every raise.
                away = unavailable(error)
                away.__cause__ = error
                job.answer.set_exception(away)
            return
        in_trouble = [it for it in results if isinstance(it, Unavailable) and it.condition == Condition.STORE]
        if in_trouble:
            self._disconnect()  # another server may have taken over from this one
            self._note(in_trouble[0])
        elif any(job.work.proof for job in batch):
            self._failed = None
        for job, result in zip(batch, results, strict=True):
            if isinstance(result, BrokerError):
                job.answer.set_exception(result)
            else:
                job.answer.set_result(result)

    def _note(self, away: Unavailable) -> None:
        if away.condition == Condition.STORE:
            self._failed = monotonic(), away.reason

    def _commit(self, batch: list[_Job]) -> list[Any]:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        results: list[Any] = []
        with connection.begin():
            moment = self._now(connection)
            for work, jobs in groupby(batch, key=lambda job: job.work):
                results += self._members(connection, moment, work, [job.asked for job in jobs])
            if len(results) != len(batch):  # a bug in a work: undo it rather than leave a caller waiting
                raise ValueError("a work must answer each of its members")
        return results

    def _members(
        self, connection: Connection, moment: datetime, work: Work[Any, Any], members: list[Any]
    ) -> Sequence[Any]:
        """Do all members at once, or if that fails each by itself."""
        savepoint = connection.begin_nested()
        try:
            results = work.do(connection, moment, members)
            savepoint.commit()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one member is not the others' fault
            try:
                savepoint.rollback()
            except SQLAlchemyError:
                raise error from None  # no way back: the engine has undone all of it, and this is why
            if len(members) == 1:
                away = unavailable(error)
                away.__cause__ = error
                return [away]
        else:
            return results
        return [self._members(connection, moment, work, [member])[0] for member in members]

    def _disconnect(self) -> None:
        """Let go of the connection; the next batch opens another."""
        if self._connection is not None:
            try:
                self._connection.close()
            except SQLAlchemyError:
                self._connection.invalidate()
            self._connection = None
