"""What is made from files alone: caps, catalogue of forms, trust, routing table.  Offline commands need no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509

from broker.errors import ConfigError
from broker.evidence import Level
from broker.parse import Limits
from broker.verify import Anchor, TrustSnapshot, anchors, certificates
from config import packaged
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


def of_file(file: Path, make: Callable[[bytes], Made]) -> Made:
    """Return what `make` makes of a file's content; raise ConfigError with the file's name before each problem."""
    content = packaged.content(file)
    try:
        return make(content)
    except ConfigError as wrong:
        raise ConfigError([f"{file}: {problem}" for problem in wrong.problems]) from wrong


def load_trust(settings: Settings) -> TrustSnapshot:
    """Read the anchors' files; raise ConfigError with every one that cannot be read."""
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
        between += wrong.of(of_file, settings.path(file), certificates) or ()
    stampers: list[Anchor] = []
    for file in settings.trust.timestamp_authorities:
        stampers += wrong.of(of_file, settings.path(file), partial(anchors, level=Level.NONE)) or ()
    if wrong.found:
        raise ConfigError(wrong.found)
    return TrustSnapshot(
        anchors=tuple(found),
        timestamp_anchors=tuple(stampers),
        intermediates=tuple(between),
        revocation=settings.trust.revocation,
    )


def load_routing(settings: Settings) -> Table:
    """Read the two routing tables; raise ConfigError with every problem of both."""
    wrong = Problems()
    boxes = wrong.of(packaged.content, settings.path(settings.routing.boxes))
    rows = wrong.of(packaged.content, settings.path(settings.routing.rows))
    if boxes is None or rows is None:
        raise ConfigError(wrong.found)
    return load_table(boxes, rows)
