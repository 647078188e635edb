"""Runs the broker: threads, signals, and the order in which it comes up and goes down.

Up: store, keeper of evidence, housekeeping, couriers, then the channels, so that nothing comes in before it can be
judged and go out.  Down: channels first (what they have begun ends), then the attempts under way, then the store.
What does not end in its time is left behind: documents are in the store, and leases run out.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from threading import Event

import structlog

from adapters.wire.kind import Listening
from adapters.wire.secret import insist_on_secrecy
from broker.errors import ConfigError, Unavailable
from broker.model import Envelope, Receipt
from broker.ports import Accept, Channel
from config import log as logs
from config.bootstrap import Broker, assemble
from config.exposure import exposed
from config.listeners import Listeners
from config.membership import Membership
from config.operations import Operations
from config.schedule import Housekeeping
from config.settings import Settings
from config.worker import Worker

log = structlog.get_logger(__name__)

CHANNEL_PAUSE = timedelta(seconds=5)  # before a channel that could not be opened is tried again
REFRESH_EVERY = timedelta(seconds=2)
LAYOUT_EVERY = timedelta(seconds=5)  # how soon a node ends that the store's layout is not for any more
LOOK_EVERY = timedelta(milliseconds=50)  # at whether to stop, while waiting for something else
_OUTDATED = 2  # exit status
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


def serve(settings: Settings, listeners: Listeners | None = None, worker: Worker | None = None) -> None:
    """Run until SIGTERM or SIGINT.  Raises ConfigError, or Unavailable if the store cannot be opened.

    `listeners` are sockets that were opened before; `worker` is what a supervisor gave this process, if it has one.
    """
    listeners = listeners or Listeners()
    with logged(settings):
        insist_on_secrecy(exposed(settings), settings.environment)
        stop = Event()
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # every thread made from here on inherits it
        threading.Thread(target=_listen, args=(stop,), name="signals", daemon=True).start()
        # One that is to replace a broker that serves does so with a seal or not at all.
        broker = assemble(settings, listeners, sealed=worker is not None and worker.succeeds)
        settle()
        try:
            if not run(broker, stop, listeners, worker):
                os._exit(os.EX_OK)  # a thread hangs, and Python would wait for it without end
        except _LeftBehind as wrong:
            sys.stderr.writelines(f"goniec: {problem}\n" for problem in wrong.problems)
            sys.stderr.flush()
            os._exit(_OUTDATED)


class _LeftBehind(ConfigError):
    """The store was brought to a layout not for this version, and a thread hangs besides."""


def settle() -> None:
    """Take what was assembled, which stays to the end, out of the sight of Python's collector of cycles.

    A document of many elements sets it off, and it walked past every schema's objects: 100 ms, half of what the
    document cost.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def logged(settings: Settings) -> Iterator[None]:
    """Write the log as the configuration says."""
    with ExitStack() as ends:
        if settings.log.file:
            file = ends.enter_context(logs.opened(settings.path(settings.log.file)))
            logs.configure(level=settings.log.level, to=file)
        else:
            logs.configure(level=settings.log.level)
        yield


def _listen(stop: Event) -> None:
    """Wait for a signal to end, in a thread: a handler could take no lock that its own thread may be holding."""
    number = signal.sigwait(ENDING)
    stop.set()
    log.info("serve.stopping", signal=signal.Signals(number).name)


def run(broker: Broker, stop: Event, listeners: Listeners | None = None, worker: Worker | None = None) -> bool:
    """Run an assembled broker until `stop` is set, and close it; return False if a thread was left behind.

    Raises ConfigError, after all has ended as always, if the store was brought to a layout not for this version.
    """
    listeners = listeners or Listeners()

    def accept(envelope: Envelope) -> Receipt:
        with broker.operations.timed():
            receipt = broker.intake.accept(envelope)
        broker.courier.ring()
        broker.nodes.announce()
        return receipt

    layout = _Layout(broker.may_serve, stop)
    housekeeping = Housekeeping()
    quiet = Event()  # set when no channel brings anything any more
    couriers = [
        threading.Thread(target=broker.courier.run, args=(quiet,), name="courier"),
        threading.Thread(target=broker.nodes.listen, args=(broker.courier.ring, quiet), name="nodes-listen"),
    ]
    channels = [
        threading.Thread(target=_serve, args=(name, channel, accept, stop, broker.operations), name=f"channel-{name}")
        for name, channel in broker.channels.items()
    ]

    def end_couriers() -> None:
        quiet.set()
        broker.courier.ring()
        _join(couriers)

    def end_channels() -> None:
        stop.set()
        listeners.close()
        member.drain()
        _join(channels)

    with ExitStack() as ends:  # each end is known before the next thing begins: whatever fails, all of it goes down
        ends.callback(broker.close)
        ends.enter_context(broker.operations.running(stop, worker.number if worker else 0))
        member = _joined(broker)
        ends.callback(member.leave)
        if broker.keeper is not None:
            ends.callback(broker.keeper.stop)
            broker.keeper.start()
        _set_up(housekeeping, broker, member, layout)
        housekeeping.start()
        ends.callback(housekeeping.stop)
        ends.callback(end_couriers)
        _start(couriers)
        ends.callback(end_channels)
        _start(channels)
        log.info("serve.started", node=member.id, channels=sorted(broker.channels), offices=broker.offices)
        if worker is not None and _listening(broker.channels.values(), stop):
            worker.ready()
        stop.wait()
    log.info("serve.stopped")
    idle = broker.courier.idle and housekeeping.idle
    if layout.problems:
        raise (ConfigError if idle else _LeftBehind)(layout.problems)
    return idle


class _Layout:
    """Looks whether the store's layout still is for this version, and ends the process when it is not."""

    def __init__(self, may_serve: Callable[[], None], stop: Event) -> None:
        self._may_serve = may_serve
        self._stop = stop
        self.problems: list[str] = []

    def look(self) -> None:
        try:
            self._may_serve()
        except ConfigError as wrong:
            self.problems = list(wrong.problems)
            log.error("serve.outdated", problems=wrong.problems)  # noqa: TRY400 - nobody's bug: no traceback
            self._stop.set()


def _joined(broker: Broker) -> Membership:
    """Join the nodes of the store, with what chores are to be done alone as duties."""
    alone = [name for name, chore in broker.chores.items() if chore.alone]
    return Membership(broker.nodes, duties=alone, lease=broker.membership.lease)


def _set_up(housekeeping: Housekeeping, broker: Broker, member: Membership, layout: _Layout) -> None:
    """Put everything on the timetable."""
    housekeeping.every(broker.membership.beat, "beat", member.beat)
    housekeeping.every(LAYOUT_EVERY, "layout", layout.look)
    for name, refresh in broker.refreshers.items():
        housekeeping.every(REFRESH_EVERY, name, refresh)
    for name, chore in broker.chores.items():
        housekeeping.every(chore.pause, name, member.alone(name, chore.job) if chore.alone else chore.job)


def _start(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()


def _join(threads: Sequence[threading.Thread]) -> None:
    """Wait for those that were started."""
    for thread in threads:
        if thread.ident is not None:
            thread.join()


def _listening(channels: Iterable[Channel], stop: Event) -> bool:
    """Wait until every way in that listens does; return False if it is to end before."""
    for channel in channels:
        while isinstance(channel, Listening) and not channel.ready.wait(LOOK_EVERY.total_seconds()):
            if stop.is_set():
                return False
    return not stop.is_set()


def _serve(name: str, channel: Channel, accept: Accept, stop: Event, operations: Operations) -> None:
    """Keep a channel open: one that cannot be opened, or falls, is tried again until we stop."""
    while not stop.is_set():
        with operations.serving(name):
            _guarded(name, lambda: channel.serve(accept, stop))
        stop.wait(CHANNEL_PAUSE.total_seconds())


def _guarded(name: str, serve_channel: Callable[[], None]) -> None:
    try:
        serve_channel()
    except Unavailable as away:
        log.warning("channel.unavailable", channel=name, reason=away.reason)
    except Exception:  # a bug in one way in must not close the others
        log.exception("channel.bug", channel=name)
