"""What adapters are given beside their own settings, and the channels made with it.

Apart from the rest because a supervisor makes channels too, to open what workers will listen on, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from adapters import channels
from adapters.wire.kind import Listening, Surroundings
from adapters.wire.listening import Listen, opened
from broker.errors import ConfigError
from broker.partner import NOBODY, Partners
from broker.ports import Channel, Ids
from broker.reconcile import NO_INQUIRIES, Inquiries
from config import clock, kinds, packaged
from config.exposure import open_key
from config.ids import TimeOrderedIds
from config.listeners import Listeners
from config.partners import partners as partners_of
from config.settings import Settings
from config.sources import Problems, limits_of


def surroundings(  # noqa: PLR0917 - what `Surroundings` takes, with its defaults
    settings: Settings,
    name: str,
    ids: Ids,
    partners: Callable[[], Partners] = lambda: NOBODY,
    seals: Callable[[], bytes] = lambda: b"",
    listen: Listen = opened,
    inquiries: Inquiries = NO_INQUIRIES,
) -> Surroundings:
    """Return what an adapter is given beside its own settings."""
    return Surroundings(
        name=name,
        folder=settings.folder,
        clock=clock.now,
        ids=ids,
        text=packaged.text,
        limits=limits_of(settings),
        environment=settings.environment,
        partners=partners,
        seals=seals,
        listen=listen,
        inquiries=inquiries,
        exposed=open_key,
    )


def ways_in(settings: Settings, around: Callable[[str], Surroundings]) -> Mapping[str, Channel]:
    """Make the channels; raise ConfigError with the problems of all of them."""
    wrong = Problems()
    known = wrong.of(kinds.with_plugins, channels.KINDS, "goniec.channels") or channels.KINDS
    made = {
        name: wrong.of(kinds.make, known, entry, f"channels.{name}", around(name))
        for name, entry in settings.channels.items()
    }
    if wrong.found:
        raise ConfigError(wrong.found)
    return {name: channel for name, channel in made.items() if channel is not None}


def bind(settings: Settings, listeners: Listeners) -> None:
    """Open what workers will listen on, so that `listeners` keeps it; raise ConfigError or Unavailable."""
    around = partial(
        surroundings, settings, ids=TimeOrderedIds(clock.now), partners=partners_of(settings), listen=listeners
    )
    for channel in ways_in(settings, around).values():
        if isinstance(channel, Listening):
            channel.bind()
            channel.close()
