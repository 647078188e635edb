"""What operators see of a process that serves: what keeps documents out, its figures, and the endpoint for both.

Whoever has another figure adds it to `Operations.figures` where `config/bootstrap.py` makes the thing that knows it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any, Final

import structlog
from sqlalchemy import make_url

from adapters import stores
from adapters.ops.endpoint import Endpoint, Standing
from adapters.ops.metrics import Registry
from adapters.wire.kind import Surroundings
from broker.errors import Unavailable
from broker.ports import Channel, Clock, Ledger, Stats
from broker.pressure import RETRY_AFTER, Ceilings, Condition
from config import kinds
from config import log as logs
from config.counting import Counting
from config.pressure import Probe, Watch, Watched
from config.settings import Settings

log = structlog.get_logger(__name__)

AGAIN: Final = 0.2  # seconds until an endpoint is tried again whose port the process before this one may still have
STATS_EVERY: Final = 15.0  # seconds between two counts of all that there is


class Operations:
    """One process's.  Made before threads and forks, started after."""

    def __init__(
        self, settings: Settings, *, watch: Watch, ledger: Ledger, channels: Mapping[str, Channel], clock: Clock
    ) -> None:
        self.watch = watch
        self.figures = Registry()
        self._settings = settings
        self._channels = channels
        self._serving: set[str] = set()
        self._clock = clock
        self._counting = Counting(self.figures)
        self._stats: Probe[Stats] = Probe(
            "stats", ledger.stats, pause=STATS_EVERY, patience=STATS_EVERY, steady=watch.steady, counts=True
        )
        self._register(version("goniec"))

    # ── running ──

    @contextmanager
    def running(self, stop: Event, worker: int = 0) -> Iterator[None]:
        """Watch, count and answer meanwhile; once `stop` is set, say that the process takes nothing in any more."""
        with ExitStack() as ends:
            ends.enter_context(logs.heard(self._counting.see))
            ends.callback(self.watch.stop)
            self.watch.start()
            if self._settings.ops.listen:
                ends.callback(self._stats.stop)
                self._stats.start()
                ended = Event()
                listener = threading.Thread(target=self._listen, args=(stop, ended, worker), name="ops-listen")
                ends.callback(listener.join)
                ends.callback(ended.set)
                listener.start()
            yield

    @contextmanager
    def serving(self, channel: str) -> Iterator[None]:
        """Know that a way in is being served."""
        self._serving.add(channel)
        try:
            yield
        finally:
            self._serving.discard(channel)

    def timed(self) -> AbstractContextManager[None]:
        """Count how long intake takes for a document, as a context."""
        return self._counting.timed()

    def _listen(self, stop: Event, ended: Event, worker: int) -> None:
        """Open the endpoint, also if the process before this one still has its port."""
        host, _ = self._settings.ops.address
        port = self._settings.ops.port_of(worker)
        endpoint = Endpoint(host, port, standings=lambda: self.standings(stop), figures=self.figures)
        said = ""
        while not ended.is_set():
            try:
                endpoint.start()
            except Unavailable as away:
                if away.reason != said:
                    log.warning("ops.unavailable", reason=away.reason)
                said = away.reason
                ended.wait(AGAIN)
            else:
                ended.wait()
                endpoint.stop()

    # ── what keeps documents out ──

    def standings(self, stop: Event) -> list[Standing]:
        """Return everything that keeps documents from being taken in by this process."""
        found = []
        if stop.is_set():
            found.append(Standing(condition="draining", reason="the process is ending"))
        if not self.watch.ready:
            found.append(
                Standing(condition="starting", reason="not everything that may keep documents out has been asked yet")
            )
        shut = [name for name in sorted(self._channels) if not self._open(name)]
        found += [Standing(condition="channel", reason=f"{name} is not open") for name in shut]
        now = self.watch()
        found += [
            Standing(condition=condition, reason=now.on[condition], retry_after=RETRY_AFTER[condition])
            for condition in Condition
            if condition in now.on
        ]
        full = Condition.OFFICE_QUEUE
        found += [
            Standing(
                condition=full,
                reason=f"too many deliveries wait for {office}",
                retry_after=RETRY_AFTER[full],
                partial=True,
            )
            for office in sorted(now.offices)
        ]
        return found

    def _open(self, name: str) -> bool:
        """Tell whether a way in takes messages: by its own word (`ready`) if it gives one, else while it is served."""
        ready = getattr(self._channels[name], "ready", None)
        return name in self._serving and (not isinstance(ready, Event) or ready.is_set())

    # ── figures ──

    def _register(self, running: str) -> None:
        add, watch = self.figures.gauge, self.watch
        mode = self._settings.environment
        add("info", "The version that runs.", lambda: {(running, mode): 1}, ("version", "environment"))
        add("pressure", "1 while this keeps all documents out.", self._conditions, ("condition",))
        add(
            "offices_full",
            "Offices for which too many deliveries wait to take in more.",
            lambda: len(watch().offices),
        )
        add(
            "channel_open",
            "1 while the way in takes messages.",
            lambda: {(name,): self._open(name) for name in self._channels},
            ("channel",),
        )
        add(
            "store_writes_taken",
            "Part of the room for waiting writes that is taken.",
            lambda: watch.strain().taken / 100,
        )
        add("memory_bytes", "Resident memory of the process.", watch.memory)
        add("disk_free_bytes", "What is free in the folders watched.", lambda: _by_one(watch.disk.answer), ("folder",))
        add(
            "queued_deliveries",
            "Deliveries that wait or are being handed over.",
            lambda: {(office,): it.number for office, it in _known(watch.queued).items()},
            ("office",),
        )
        add(
            "queued_oldest_seconds",
            "Since when the oldest of them waits.",
            lambda: {(office,): self._age(it.since) for office, it in _known(watch.queued).items()},
            ("office",),
        )
        add("submissions", "Submissions in the store, trials left out.", lambda: _known(self._stats).submissions)
        add("refusals", "Refusals that the store has counted.", lambda: _known(self._stats).refusals)
        add(
            "deliveries",
            "Deliveries in the store, by state.",
            lambda: {(state,): number for state, number in _known(self._stats).deliveries.items()},
            ("state",),
        )

    def _conditions(self) -> dict[tuple[str, ...], float]:
        on = self.watch().on
        return {(condition,): condition in on for condition in Condition if condition is not Condition.OFFICE_QUEUE}

    def _age(self, since: datetime) -> float:
        return max(0.0, (self._clock() - since).total_seconds())


def _by_one(found: Mapping[str, int] | None) -> dict[tuple[str, ...], float]:
    return {(name,): number for name, number in (found or {}).items()}


def _known(probe: Probe[Any]) -> Any:
    """Return what was last heard; raise Unavailable, so that the figure is left out, rather than tell what is old."""
    if probe.away or probe.answer is None:
        raise Unavailable(f"not known: {probe.away or 'not asked yet'}")
    return probe.answer


def ceilings_of(settings: Settings) -> Ceilings:
    """Return the ceilings as the rule knows them."""
    it = settings.pressure
    return Ceilings(disk=it.disk, queue=it.queue, office_queue=it.office_queue, memory=it.memory)


def folders_of(settings: Settings, around: Surroundings) -> list[Path]:
    """Return the folders whose disks must not run full: under a SQLite file, under the log, and those configured."""
    found = [settings.path(folder) for folder in settings.pressure.folders]
    _, own = kinds.read(stores.KINDS, settings.store, "store")
    if isinstance(own, stores.SqlSettings):
        url = make_url(stores.store_url(own, around))
        if url.get_backend_name() == "sqlite" and url.database:
            found.append(Path(url.database).parent)
    log_file = settings.log.file and settings.path(settings.log.file)
    if log_file and (log_file.is_file() or not log_file.exists()):  # not a device: it has no disk to fill
        found.append(log_file.parent)
    return sorted({folder.resolve() for folder in found})


def watch_over(settings: Settings, around: Surroundings, store: Watched, seal: Callable[[], None]) -> Watch:
    """Return what looks at the store, the seal, the disks and the memory of this process."""
    return Watch(
        ceilings_of(settings),
        store=store,
        seal=seal,
        folders=folders_of(settings, around),
        patience=settings.pressure.patience.total_seconds(),
    )
