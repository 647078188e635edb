"""Runs the broker: threads, signals, and the order in which it comes up and goes down.

Up: store, keeper of evidence, couriers, housekeeping, then the channels, so that nothing comes in before it can be
judged and go out.  Down: channels first (what they have begun ends), then the attempts under way, then the store.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from threading import Event

import structlog

from broker.errors import ConfigError, Unavailable
from broker.model import Envelope, Receipt
from broker.ports import Accept, Channel
from config import log as logs
from config.bootstrap import Broker, assemble
from config.exposure import open_files
from config.schedule import Housekeeping
from config.settings import Settings

from config.listeners import Listeners
from config.membership import Membership
from config.operations import Operations
log = structlog.get_logger(__name__)

CHANNEL_PAUSE = timedelta(seconds=5)  # before a channel that could not be opened is tried again
REFRESH_EVERY = timedelta(seconds=2)
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.  Raises ConfigError, or Unavailable if the store cannot be opened."""
    with ExitStack() as ends:
        if settings.log.file:
            file = ends.enter_context(logs.opened(settings.path(settings.log.file)))
            logs.configure(level=settings.log.level, to=file)
        else:
            logs.configure(level=settings.log.level)
        _insist_on_secrecy(settings)
        stop = Event()
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # every thread made from here on inherits it
        threading.Thread(target=_listen, args=(stop,), name="signals", daemon=True).start()
        run(assemble(settings), stop)


def _insist_on_secrecy(settings: Settings) -> None:
    """Raise ConfigError in production if others can read a key or a password, elsewhere say so in the log."""
    found = open_files(settings)
    if found and settings.environment == "production":
        raise ConfigError(found)
    for problem in found:
        log.warning("serve.secret-exposed", problem=problem)


def _listen(stop: Event) -> None:
    """Wait for a signal to end, in a thread: a handler could take no lock that its own thread may be holding."""
    number = signal.sigwait(ENDING)
    stop.set()
    log.info("serve.stopping", signal=signal.Signals(number).name)


def run(broker: Broker, stop: Event) -> None:
    """Run an assembled broker until `stop` is set, and close it."""
    housekeeping = Housekeeping()
    for name, refresh in broker.refreshers.items():
        housekeeping.every(REFRESH_EVERY, name, refresh)
    for name, chore in broker.chores.items():
        housekeeping.every(chore.pause, name, chore.job)

    def accept(envelope: Envelope) -> Receipt:
        with broker.operations.timed():
            receipt = broker.intake.accept(envelope)
        broker.courier.ring()
        return receipt

    quiet = Event()  # set when no channel brings anything any more
    courier = threading.Thread(target=broker.courier.run, args=(quiet,), name="courier")
    channels = [
        threading.Thread(target=_serve, args=(name, channel, accept, stop, broker.operations), name=f"channel-{name}")
        for name, channel in broker.channels.items()
    ]

    def end_courier() -> None:
        quiet.set()
        broker.courier.ring()
        courier.join()

    with ExitStack() as ends:  # each end is known before the next thing begins: whatever fails, all of it goes down
        ends.callback(broker.close)
        if broker.keeper is not None:
            ends.callback(broker.keeper.stop)
            broker.keeper.start()
        courier.start()
        ends.callback(end_courier)
        housekeeping.start()
        ends.callback(housekeeping.stop)
        ends.callback(_all_ended, channels, stop)
        for thread in channels:
            thread.start()
        log.info("serve.started", channels=sorted(broker.channels), offices=broker.offices)
        stop.wait()
    log.info("serve.stopped")


def _all_ended(channels: Sequence[threading.Thread], stop: Event) -> None:
    """Let the ways in end what they have begun, those that were opened."""
    stop.set()
    for thread in channels:
        if thread.ident is not None:
            thread.join()


def _listening(channels: Iterable[Channel], stop: Event) -> bool:
    """Wait until every way in that listens does; return False if it is to end before."""
    for channel in channels:
        while isinstance(channel, Listening) and not channel.ready.wait(LOOK_EVERY.total_seconds()):
            if stop.is_set():
                return False
    return True


def _serve(name: str, channel: Channel, accept: Accept, stop: Event, operations: Operations) -> None:
    """Keep a channel open: one that cannot be opened, or falls, is tried again until we stop."""
    while not stop.is_set():
        with operations.serving(name):
            _guarded(name, lambda: channel.serve(accept, stop))
        stop.wait(CHANNEL_PAUSE.total_seconds())

        ends.enter_context(broker.operations.running(stop, worker.number if worker else 0))
        member = _joined(broker)
        ends.callback(member.leave)

def _guarded(name: str, serve_channel: Callable[[], None]) -> None:
    try:
        serve_channel()
    except Unavailable as away:
        log.warning("channel.unavailable", channel=name, reason=away.reason)
    except Exception:  # a bug in one way in must not close the others
        log.exception("channel.bug", channel=name)
