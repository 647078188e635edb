"""Pruning by the configuration: the settings, and the work in small steps that leave room for everything else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Final, Literal

import structlog
from pydantic import Field, model_validator

from adapters.wire.kind import KindSettings
from broker.errors import ConfigError
from broker.ports import Clock
from broker.retention import Due, Retention, Rule, Rules, Terms
from config.schedule import Chore

log = structlog.get_logger(__name__)

TOGETHER: Final = 100  # submissions whose content goes in one transaction, but not more than
BYTES: Final = 8_000_000  # of documents: what is removed is overwritten, and that takes its time
TURN: Final = timedelta(minutes=1)  # how often housekeeping goes on where it stopped
SHARE: Final = 20.0  # seconds of work in a turn: a stop waits for no more

Length = Annotated[timedelta, Field(gt=timedelta(0))]
Keep = Literal["forever"] | Length


class RetentionRule(KindSettings):
    """How long content is kept; empty words match all."""

    keep: Keep
    form: str = ""  # a name, or name/version
    office: str = ""


class RetentionSettings(KindSettings):
    """When content is pruned; by default never."""

    default: Keep = "forever"
    refusals: Keep = "forever"  # what is kept of documents that were turned away
    every: Length = timedelta(hours=1)  # how often it is looked for
    rules: tuple[RetentionRule, ...] = ()

    @model_validator(mode="after")
    def _no_two_alike(self) -> RetentionSettings:
        try:
            self.table()
        except ConfigError as wrong:
            raise ValueError(str(wrong)) from wrong
        return self

    def table(self) -> Rules:
        """Return the rules, the default among them; raise ConfigError."""
        own = (Rule(keep=_time(one.keep), form=one.form, office=one.office) for one in self.rules)
        return Rules((*own, Rule(keep=_time(self.default))))


def _time(keep: Keep) -> timedelta | None:
    return keep if isinstance(keep, timedelta) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was removed."""

    pruned: int = 0
    octets: int = 0  # of documents
    refusals: int = 0

    def __add__(self, more: Done) -> Done:
        return Done(
            pruned=self.pruned + more.pruned,
            octets=self.octets + more.octets,
            refusals=self.refusals + more.refusals,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """The work: one transaction after the other, each with a rest after it as long as itself, for others write too."""

    retention: Retention
    rules: Rules
    clock: Clock
    refusals: timedelta | None = None
    stamped: bool = False  # receipts are time-stamped here
    rest: Callable[[float], None] = time.sleep
    seconds: Callable[[], float] = time.monotonic

    def due(self) -> Iterator[Due]:
        """Yield what may go now, oldest first; change nothing."""
        yield from (one for page in self._pages(self._terms()) for one in page)

    def steps(self) -> Iterator[Done]:
        """Remove what may go, then give back the space; yield after each look and each transaction.

        Raises Unavailable; what was done until then is done.
        """
        terms = self._terms()
        for page in self._pages(terms):
            for batch in batches(page):
                with self._rest_after():
                    gone = set(self.retention.prune(terms, batch))
                yield Done(pruned=len(gone), octets=sum(one.size for one in batch if one.submission in gone))
            yield Done()  # also after a look that has found nothing: there may be many of them
        while self.refusals is not None:
            with self._rest_after():
                forgotten = self.retention.forget_refusals(terms, self.refusals)
            if not forgotten:
                break
            yield Done(refusals=forgotten)
        more = True
        while more:
            with self._rest_after():
                more = self.retention.give_back(terms.at)
            yield Done()

    @contextmanager
    def _rest_after(self) -> Iterator[None]:
        start = self.seconds()
        yield
        self.rest(self.seconds() - start)

    def _terms(self) -> Terms:
        return Terms(rules=self.rules, at=self.clock(), stamped=self.stamped)

    def _pages(self, terms: Terms) -> Iterator[Sequence[Due]]:
        after = ""
        while True:
            look = self.retention.look(terms, after)
            yield look.due
            after = look.after
            if not after:
                return


def batches(due: Sequence[Due]) -> Iterator[Sequence[Due]]:
    """Cut what is due into what goes in one transaction: by number and by size, but at least one."""
    batch: list[Due] = []
    for one in due:
        if batch and (len(batch) == TOGETHER or sum(it.size for it in batch) + one.size > BYTES):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


@dataclass(slots=True, kw_only=True)
class InTurns:
    """Prunes as a chore: a share of each turn until all is done, and then not before `every` has gone by."""

    prune: Prune
    every: timedelta
    share: float = SHARE
    _under_way: Iterator[Done] | None = field(default=None, init=False)
    _done: Done = field(default_factory=Done, init=False)
    _next: float | None = field(default=None, init=False)

    def __call__(self) -> None:
        """Take a turn.  Raises Unavailable; the next turn then begins anew."""
        start = self.prune.seconds()
        if self._under_way is None:
            if self._next is not None and start < self._next:
                return
            self._under_way, self._done = self.prune.steps(), Done()
        steps, self._under_way = self._under_way, None
        for done in steps:
            self._done += done
            if self.prune.seconds() - start >= self.share:
                self._under_way = steps
                return
        self._next = self.prune.seconds() + self.every.total_seconds()
        if self._done != Done():
            log.info("retention.done", pruned=self._done.pruned, bytes=self._done.octets, refusals=self._done.refusals)


def work(own: RetentionSettings, retention: Retention, clock: Clock, *, stamped: bool) -> Prune:
    """Return what the configuration asks for."""
    return Prune(retention=retention, rules=own.table(), clock=clock, refusals=_time(own.refusals), stamped=stamped)


def chores(own: RetentionSettings, retention: Retention, clock: Clock, *, stamped: bool) -> dict[str, Chore]:
    """Return what housekeeping is to do, and how often: nothing where nothing is ever pruned."""
    asked = work(own, retention, clock, stamped=stamped)
    if asked.rules.shortest is None and asked.refusals is None:
        return {}
    return {"retention": Chore(min(own.every, TURN), InTurns(prune=asked, every=own.every), alone=True)}
