"""The process above the workers of one machine: it holds the listening sockets, and sees that workers are there.

It opens no store, no seal and no connection, and has one thread, so that it may be forked at any time.  Each worker is
a node of its own.  One that died is started again.  On SIGHUP the configuration is read anew and workers are replaced
one by one: the new one is ready before the old one is told to end, and connections that nobody has taken yet wait in
the sockets.  Until one is ready with it, a new configuration changes nothing.  On SIGTERM and SIGINT all are told to
end.  If this process is gone, its workers end as if told to.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

import structlog

from broker.errors import BrokerError, ConfigError
from config.listeners import Listeners
from config.settings import Settings
from config.worker import SOUND, Child, Course, Place, Worker

log = structlog.get_logger(__name__)

READY_WITHIN: Final = 60.0  # seconds in which a worker must be ready, or have ended if it was told to before
FIRST_WITHIN: Final = 600.0  # and in which the very first must, when nobody knows yet how long it takes
ENDED_WITHIN: Final = 600.0  # and in which one that was told to end must have ended

_HEEDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_PARENT_GONE: Final = 1  # PR_SET_PDEATHSIG of prctl(2)
_FAILED: Final = 1


class Supervisor:
    """`listeners` keeps what `bind` opens; `read` reads the configuration anew."""

    def __init__(
        self,
        settings: Settings,
        listeners: Listeners,
        *,
        read: Callable[[], Settings],
        bind: Callable[[Settings, Listeners], None],
    ) -> None:
        self._listeners = listeners
        self._course = Course(settings)
        self._read = read
        self._bind = bind
        self._before: Course | None = None  # what is gone back to; None once a worker is ready on the new course
        self._places = [Place() for _ in range(settings.workers)]
        self._successor: Child | None = None
        self._leaving: list[Child] = []
        self._proven = False  # somebody has been ready once
        self._stopping = False
        self._status = os.EX_OK
        self._came: list[int] = []  # signals
        self._selector = selectors.PollSelector()

    def run(self) -> Worker | int:
        """Supervise until told to end, and return the exit status; in each worker, return what that one is given.

        Raises ConfigError, or Unavailable, if there is nothing to listen on.
        """
        with self._signals():
            self._course = self._bound(self._course.settings)
            gc.freeze()  # workers share what is there now, as long as nobody writes to it
            log.info("supervisor.started", workers=len(self._places))
            while True:
                self._heed()
                self._bury()
                self._hurry()
                if self._stopping and not self._children():
                    log.info("supervisor.stopped", status=self._status)
                    return self._status
                wanted = self._wanted()
                if wanted is None:
                    self._wait()
                elif (worker := self._born(*wanted)) is not None:
                    return worker

    def _bound(self, settings: Settings) -> Course:
        """Open what these settings listen on, and leave open what others do; raise ConfigError or Unavailable."""
        with self._listeners.anew() as listen:
            self._bind(settings, self._listeners)
        return Course(settings, listen)

    # ── who is there ──

    def _children(self) -> list[Child]:
        in_place = [place.child for place in self._places if place.child is not None]
        return [*in_place, *self._leaving, *([self._successor] if self._successor else [])]

    def _wanted(self) -> tuple[int, bool] | None:
        """Return the number of the worker to start now, and whether it is to succeed the one in that place."""
        if self._stopping:
            return None
        for number, place in enumerate(self._places):
            # The first goes ahead: if it cannot begin, neither can the others, and once is enough to be told why.
            if place.child is None and place.again_at <= monotonic() and (self._proven or number == 0):
                return number, False
        if self._course.rest and self._successor is None and not self._leaving:
            return self._course.rest[0], True
        return None

    def _born(self, number: int, succeeds: bool) -> Worker | None:
        """Fork a worker; return what it is given in the new process, None in this one."""
        # New settings are one successor's to try: nobody else has them before he is ready.
        course = self._course if succeeds else self._before or self._course
        line: tuple[int, ...] = ()
        parent = os.getpid()
        # Until a worker has its own way of waiting for signals, they wait for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        try:
            hear, say = line = os.pipe()
            pid = os.fork()
        except OSError as none:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
            for end in line:
                os.close(end)
            self._unborn(number, succeeds, none)
            return None
        if pid == 0:
            os.close(hear)
            self._become_worker(parent)
            self._listeners.keep_only(course.listen)  # what nobody takes connections from must not hold them
            return Worker(course.settings, number, succeeds, say)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
        os.close(say)
        child = Child(pid=pid, number=number, line=hear)
        child.until = child.born + (READY_WITHIN if self._proven else FIRST_WITHIN)
        self._selector.register(hear, selectors.EVENT_READ, child)
        if succeeds:
            self._successor = child
        else:
            self._places[number].child = child
        log.info("supervisor.worker-started", worker=number, pid=pid)
        return None

    def _unborn(self, number: int, succeeds: bool, why: OSError) -> None:
        """Take it that the system has no process or no pipe as if the worker had died at once."""
        about = {"worker": number, "reason": why.strerror}
        if succeeds:
            log.error("supervisor.worker-unborn", **about)
            self._go_back()
        else:
            log.error("supervisor.worker-unborn", **about, wait=self._places[number].died())
            self._insist(_FAILED)

    def _become_worker(self, parent: int) -> None:
        for number in _HEEDED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # of a terminal that is closed it is told by its supervisor
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP, signal.SIGCHLD))
        for child in self._children():
            if child.line >= 0:
                os.close(child.line)
        ctypes.CDLL(None).prctl(_PARENT_GONE, signal.SIGTERM)
        if os.getppid() != parent:  # it has gone meanwhile
            os.kill(os.getpid(), signal.SIGTERM)

    # ── what happens ──

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let signals wake the loop."""
        wake, ring = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(ring, False)
        before = {number: signal.signal(number, lambda came, _frame: self._came.append(came)) for number in _HEEDED}
        signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ)
        owner = os.getpid()
        try:
            yield
        finally:
            if os.getpid() == owner:
                signal.set_wakeup_fd(-1)
                for number, handler in before.items():
                    signal.signal(number, handler)
            self._selector.close()
            os.close(wake)
            os.close(ring)

    def _wait(self) -> None:
        """Wait until something happens or is due."""
        due = [child.until for child in self._children()]
        if not self._stopping:
            due += [place.again_at for place in self._places if place.child is None and self._proven]
        first = min(due, default=float("inf"))
        timeout = None if first == float("inf") else max(0.0, first - monotonic())
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                os.read(key.fd, 4096)
            else:
                self._hear(key.data)

    def _hear(self, child: Child) -> None:
        """Take a worker's word that it is ready."""
        said = os.read(child.line, 1)
        self._selector.unregister(child.line)
        os.close(child.line)
        child.line = -1
        if not said:
            return  # it died: SIGCHLD tells
        child.ready = self._proven = True
        log.info(
            "supervisor.worker-ready", worker=child.number, pid=child.pid, after=round(monotonic() - child.born, 3)
        )
        told = self._stopping or child in self._leaving
        child.until = monotonic() + ENDED_WITHIN if told else float("inf")
        if child is self._successor:
            self._successor = None
            self._retire(child.number)
            self._places[child.number].child = child
            self._course.rest.popleft()
            if self._before is not None:
                self._before = None
                self._resize()
            self._let_sockets_go()

    def _let_sockets_go(self) -> None:
        """Close what nobody who is started from here on listens on; who still does has it open himself."""
        if not self._course.rest:
            self._listeners.keep_only(self._course.listen)

    def _resize(self) -> None:
        """Have as many places as the settings say; what they say is proven to be good, so nobody waits in vain."""
        number = self._course.settings.workers
        for surplus in range(number, len(self._places)):
            self._retire(surplus)
        kept = [place if place.child is not None else Place() for place in self._places[:number]]
        self._places = kept + [Place() for _ in range(number - len(kept))]
        self._course.rest = deque(one for one in self._course.rest if self._places[one].child is not None)

    def _heed(self) -> None:
        while self._came:
            came = self._came.pop(0)
            if came in {signal.SIGTERM, signal.SIGINT} and not self._stopping:
                log.info("supervisor.stopping", signal=signal.Signals(came).name)
                self._stop()
            elif came == signal.SIGHUP and not self._stopping:
                self._renew()

    def _stop(self) -> None:
        self._stopping = True
        self._course.rest.clear()
        self._forgo()
        self._listeners.close()  # each worker closes its own: from then on a client is refused, and need not wait
        for child in self._children():
            self._end(child)

    def _forgo(self) -> None:
        """Have nobody take another's place: what may yet say that it is ready is ending."""
        if self._successor is not None:
            self._end(self._successor)
            self._leaving.append(self._successor)
            self._successor = None

    def _renew(self) -> None:
        """Read the configuration anew, and have every worker replaced."""
        try:
            course = self._bound(self._read())
        except BrokerError as wrong:
            problems = wrong.problems if isinstance(wrong, ConfigError) else [str(wrong)]
            log.error("supervisor.kept-old", problems=problems)  # noqa: TRY400 - nobody's bug: no traceback
            return
        except Exception as bug:  # what breaks whoever reads it must not end those who have nothing to do with it
            log.exception("supervisor.kept-old", problems=[type(bug).__name__])
            return
        self._before = self._before or self._course
        self._course, number = course, course.settings.workers
        course.rest.extend(range(min(number, len(self._places))))
        log.info("supervisor.replacing", workers=number)
        self._forgo()  # it was born with settings that are no longer the newest

    def _retire(self, number: int) -> None:
        """Tell the worker in a place to end."""
        place = self._places[number]
        if place.child is not None:
            self._end(place.child)
            self._leaving.append(place.child)
            place.child = None

    def _end(self, child: Child) -> None:
        child.until = monotonic() + (ENDED_WITHIN if child.ready else READY_WITHIN)
        os.kill(child.pid, signal.SIGTERM)  # not reaped yet, so that the number is still its own

    def _hurry(self) -> None:
        """End by force what has had its time."""
        for child in self._children():
            if child.until <= monotonic():
                log.error("supervisor.worker-stuck", worker=child.number, pid=child.pid, ready=child.ready)
                child.until = float("inf")
                os.kill(child.pid, signal.SIGKILL)

    def _bury(self) -> None:
        """Note which children have ended, and what that means."""
        for child in self._children():
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                if child.line >= 0:
                    self._hear(child)  # its last word: it may have been ready, and died at once
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, status: int) -> None:
        about: dict[str, Any] = {"worker": child.number, "pid": child.pid, "status": status}
        if child is self._successor:
            self._successor = None
            log.error("supervisor.replacement-failed", **about)
            self._go_back()
            return
        if child in self._leaving:
            self._leaving.remove(child)
        elif not self._stopping:
            self._died(child, about)
            return
        self._places = [Place() if place.child is child else place for place in self._places]
        log.info("supervisor.worker-ended", **about)
        if self._stopping and status != os.EX_OK:
            self._status = self._status or _FAILED

    def _go_back(self) -> None:
        """Have nobody else replaced; if nobody was ever ready with the new settings, go on as before them."""
        if self._before is None:
            self._course.rest.clear()
        else:
            self._course, self._before = self._before, None
        self._let_sockets_go()

    def _died(self, child: Child, about: dict[str, Any]) -> None:
        """Have a worker that nobody told to end started again, the later the more often it happens."""
        lived = monotonic() - child.born
        pause = self._places[child.number].died(sound=child.ready and lived > SOUND)
        log.error("supervisor.worker-died", **about, lived=round(lived, 3), wait=pause)
        self._insist(about["status"])

    def _insist(self, status: int) -> None:
        """End if nobody has ever been ready: what could not begin once will not begin the second time."""
        if not self._proven:
            self._status = max(status, _FAILED)
            self._stop()
