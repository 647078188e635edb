"""Keeps the cache of trusted lists up to date: fetches, judges, and only then keeps; beside the documents, always.

Whatever goes wrong, what is kept stays: a list that cannot be had, is not believed or is older than the one kept is
told in the log and tried again soon.  When a list's next update comes near and no newer one is there, that is told too,
so that somebody looks before it ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from adapters.trust.lists import Held, Shelf
from broker.errors import ConfigError, Unavailable
from broker.ports import Clock
from broker.verify.trusted_list import LOTL_TERRITORY, Claimed, Expected, ListRefused, TrustedList, claimed, read

log = structlog.get_logger(__name__)

_AGAIN: Final = timedelta(minutes=10)  # after a refresh of which something failed

Get = Callable[[str], bytes]
"""What stands at a URL; raises Unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one list: it is there (and new, or as it was), or it is not and why, a reason for each place."""

    territory: str
    found: TrustedList | None = None
    data: bytes = b""
    news: bool = False
    reasons: tuple[str, ...] = ()


class ListRefresher:
    """Called often; does something when it is time.  Without `lotl` it fetches nothing and only looks.

    `every` is the pause between two refreshes that went well; `warn` how long before the end of a list to say so.
    """

    def __init__(
        self, shelf: Shelf, *, get: Get, clock: Clock, lotl: str = "", every: timedelta, warn: timedelta
    ) -> None:
        """Nothing is fetched before the first call."""
        self._shelf = shelf
        self._get = get
        self._clock = clock
        self._lotl = lotl
        self._every = every
        self._warn = warn
        self._due: datetime | None = None

    def __call__(self) -> None:
        """Refresh and report, if it is time."""
        now = self._clock()
        if self._due is not None and now < self._due:
            return
        self._due = now + min(self._every, _AGAIN)
        well = self._refreshed() if self._lotl else True
        self.report()
        if well:
            self._due = now + self._every

    def _refreshed(self) -> bool:
        try:
            outcomes = self.refresh()
        except Unavailable as away:
            log.error("trust.lists-not-kept", reason=away.reason)  # noqa: TRY400 - the reason says it all
            return False
        for it in outcomes:
            if it.found is None:
                log.warning("trust.list-not-refreshed", territory=it.territory, reasons=it.reasons)
            elif it.news:
                log.info("trust.list-refreshed", territory=it.territory, number=it.found.sequence)
        return all(it.found for it in outcomes)

    def refresh(self) -> tuple[Outcome, ...]:
        """Fetch what there is and keep what is believed; return what became of each list.

        Raises Unavailable if the cache cannot be written, and ConfigError if the signers cannot be read.
        """
        now = self._clock()
        kept = self._shelf.contents()
        fetched = self._fetch(LOTL_TERRITORY, [self._lotl], partial(self._shelf.expected, None), kept, now)
        lotl = fetched.found or self._shelf.look(now)[0].found
        outcomes = [fetched]
        if lotl is not None:
            for territory in self._shelf.territories:
                places = lotl.pointers[territory].locations if territory in lotl.pointers else ()
                outcomes.append(self._fetch(territory, places, partial(self._shelf.expected, lotl), kept, now))
        new = {it.territory: it.data for it in outcomes if it.found}
        if any(kept.get(territory) != data for territory, data in new.items()):
            self._shelf.keep({**kept, **new})
        return tuple(outcomes)

    def _fetch(
        self,
        territory: str,
        places: Sequence[str],
        expected: Callable[[str, Claimed | None], Expected],
        kept: Mapping[str, bytes],
        now: datetime,
    ) -> Outcome:
        """Return the list from the first place that has one that is believed."""
        old = kept.get(territory, b"")
        reasons = [] if places else ["the list of the lists does not say where it is"]
        for place in places:
            try:
                data = self._get(place)
                before = None if data == old else _number(old, expected(territory, None), now)
                found = read(data, expected(territory, before), now)
            except ListRefused as refused:
                reasons.append(str(refused))
            except Unavailable as away:
                reasons.append(away.reason)
            else:
                same = data == old or (before and (found.sequence, found.issued) == (before.sequence, before.issued))
                return Outcome(territory=territory, found=found, data=data, news=not same)
        return Outcome(territory=territory, reasons=tuple(reasons))

    def report(self) -> None:
        """Say in the log which lists are not believed, overdue, or soon to be."""
        now = self._clock()
        try:
            held = self._shelf.look(now)
        except ConfigError as wrong:
            log.error("trust.lists-unreadable", problems=wrong.problems)  # noqa: TRY400 - the problems say it all
            return
        for it in held:
            self._report(it, now)

    def _report(self, it: Held, now: datetime) -> None:
        if it.found is None:
            log.error("trust.list-missing", territory=it.territory, reason=it.reason)
        elif it.found.next_update - now < self._warn:
            log.log(
                logging.ERROR if it.found.next_update <= now else logging.WARNING,
                "trust.list-due",
                territory=it.territory,
                next_update=it.found.next_update,
                end=it.found.end,
            )
        for name in it.found.left_out if it.found else ():
            log.warning("trust.service-left-out", territory=it.territory, service=name)


def _number(data: bytes, expected: Expected, at: datetime) -> Claimed | None:
    """Return which list is kept, if today's signers made it; by now it may have ended.

    What nobody believes must not be what every list has to be newer than: it may claim any number.
    """
    try:
        found = read(data, expected, min(claimed(data).issued, at))
    except ListRefused:
        return None
    return Claimed(territory=found.territory, sequence=found.sequence, issued=found.issued)
