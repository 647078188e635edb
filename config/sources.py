"""What is made from files alone: caps, catalogue of forms, trust, routing table.  Offline commands need no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509

from adapters.trust.lists import Shelf
from broker.errors import ConfigError
from broker.evidence import Level
from broker.parse import Limits
from broker.verify import Anchor, TrustSnapshot, anchors, certificates
from broker.verify.trust_services import Kind
from broker.verify.trusted_list import TrustedList
from broker.verify.trusted_list import anchors as listed
from config import clock, packaged
from config.settings import Settings
from routing.load import load as load_table
from routing.table import Table
from schemas.catalogue import FormCatalogue
from schemas.catalogue import load as load_forms
from schemas.examine import examine

Made = TypeVar("Made")


class Problems:
    """Collects what is wrong, so that all of it is told at once."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def of(self, make: Callable[..., Made], *args: Any, **kwargs: Any) -> Made | None:
        """Return what `make` returns, or None and remember why not."""
        try:
            return make(*args, **kwargs)
        except ConfigError as wrong:
            self.found += wrong.problems
            return None


def limits_of(settings: Settings) -> Limits:
    """Return the caps: the built-in ones, where the configuration does not say otherwise."""
    return Limits(**settings.limits.model_dump(exclude_none=True))


def load_catalogue(folders: tuple[Path, ...] = ()) -> FormCatalogue:
    """Compile the packaged forms and those of further folders."""
    return load_forms(packaged.schemas(), *(packaged.tree(folder) for folder in folders))


def examine_forms(folders: tuple[Path, ...] = (), each: Callable[[Sequence[str]], Iterable[str]] = iter) -> list[str]:
    """Return where schemas and their examples disagree, packaged forms and those of further folders.

    `each` is handed the forms and gives them back one by one: a progress bar, for one.
    """
    return list(examine(packaged.schemas(), *(packaged.tree(folder) for folder in folders), each=each))


def of_file(file: Path, make: Callable[[bytes], Made], setting: str = "") -> Made:
    """Return what `make` makes of a file's content; raise ConfigError with setting and file before each problem."""
    place = f"{setting}: " if setting else ""
    try:
        content = packaged.content(file)
    except ConfigError as wrong:
        raise ConfigError([f"{place}{problem}" for problem in wrong.problems]) from wrong
    try:
        return make(content)
    except ConfigError as wrong:
        raise ConfigError([f"{place}{file}: {problem}" for problem in wrong.problems]) from wrong


def shelf_of(settings: Settings) -> Shelf | None:
    """Return where the trusted lists lie, if there are to be any; read nothing."""
    lists = settings.trust.lists
    if not lists.signers:
        return None
    return Shelf(
        signers=[settings.path(it) for it in lists.signers],
        territories=lists.territories,
        files=[settings.path(it) for it in lists.files],
        folder=settings.path(lists.cache),
        tolerance=lists.tolerance,
    )


def load_lists(settings: Settings, shelf: Shelf | None) -> tuple[TrustedList, ...]:
    """Return the lists that are believed now.

    Raises ConfigError for a file of the operator's that is not.  What the cache lacks, or what is not believed in it,
    is for those to tell who fill it: a start must not wait for the network.
    """
    try:
        held = shelf.look(clock.now()) if shelf else ()
    except ConfigError as unreadable:
        raise ConfigError([f"trust.lists: {problem}" for problem in unreadable.problems]) from unreadable
    wrong = [f"trust.lists: {it.territory}: {it.problem}" for it in held if it.problem]
    if wrong and settings.trust.lists.files:
        raise ConfigError(wrong)
    return tuple(it.found for it in held if it.found)


def load_trust(settings: Settings, shelf: Shelf | None = None) -> TrustSnapshot:
    """Read the anchors' files and the trusted lists; raise ConfigError with every file that cannot be read.

    `shelf` remembers which lists it has seen, so that none goes back; a new one by default.  An anchor of the
    operator's comes before the same certificate of a list.
    """
    wrong = Problems()
    found: list[Anchor] = []
    for number, one in enumerate(settings.trust.anchors):
        try:
            found += of_file(
                settings.path(one.file),
                partial(anchors, name=one.name, level=one.level, platform_seal=one.platform_seal),
            )
        except ConfigError as error:
            wrong.found += [f"trust.anchors.{number}: {problem}" for problem in error.problems]
    between: list[x509.Certificate] = []
    for file in settings.trust.intermediates:
        between += wrong.of(of_file, settings.path(file), certificates, "trust.intermediates") or ()
    stampers: list[Anchor] = []
    for file in settings.trust.timestamp_authorities:
        stampers += (
            wrong.of(of_file, settings.path(file), partial(anchors, level=Level.NONE), "trust.timestamp_authorities")
            or ()
        )
    lists = wrong.of(load_lists, settings, shelf or shelf_of(settings)) or ()
    if wrong.found:
        raise ConfigError(wrong.found)
    return TrustSnapshot(
        anchors=(*found, *listed(lists, Kind.CERTIFICATES, Level(settings.trust.lists.otherwise))),
        timestamp_anchors=(*stampers, *listed(lists, Kind.TIME_STAMPS)),
        intermediates=tuple(between),
        revocation=settings.trust.revocation,
        freshness=settings.trust.freshness,
    )


def load_routing(settings: Settings) -> Table:
    """Read the two routing tables; raise ConfigError with every problem of both."""
    wrong = Problems()
    boxes = wrong.of(packaged.content, settings.path(settings.routing.boxes))
    rows = wrong.of(packaged.content, settings.path(settings.routing.rows))
    if boxes is None or rows is None:
        raise ConfigError(wrong.found)
    return load_table(boxes, rows)
