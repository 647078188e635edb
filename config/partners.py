"""Partners as the configuration names them, read anew while the broker runs.

A partner that is taken out of the file, or whose certificate is, is refused within seconds and without a restart:
the snapshot is made from the file as it is now, and watches it and every certificate that it names.  So is the first:
a worker that is born again has its settings from a supervisor that read them long ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from broker.errors import ConfigError
from broker.partner import Partner, Partners
from broker.verify import certificates
from config.settings import PartnerEntry, Settings, load
from config.snapshot import Snapshot
from config.sources import Problems, of_file


class _Source:
    """Where partners come from: what is there now, and the files to watch for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def files(self) -> Sequence[Path]:
        settings = self._settings
        named = [settings.path(file) for one in settings.partners.values() for file in one.certificates]
        return [*([settings.file] if settings.file else []), *named]

    def read(self) -> Partners:
        if self._settings.file is not None:
            self._settings = load(self._settings.file)
        return load_partners(self._settings)


def partners(settings: Settings) -> Snapshot[Partners]:
    """Return the partners of the configuration, kept up to date; raise ConfigError with every problem.

    While its file is wrong they are those of `settings`.
    """
    source = _Source(settings)
    return Snapshot("partners", source.files, source.read, first=partial(load_partners, settings))


def load_partners(settings: Settings) -> Partners:
    """Read the partners and their certificates; raise ConfigError with every problem and its path."""
    wrong = Problems()
    found = [
        partner
        for id_, entry in settings.partners.items()
        if (partner := wrong.of(_partner, settings, id_, entry)) is not None
    ]
    if wrong.found:
        raise ConfigError(wrong.found)
    return Partners(found)


def _partner(settings: Settings, id_: str, entry: PartnerEntry) -> Partner:
    wrong = Problems()
    read = [wrong.of(of_file, settings.path(file), certificates) or () for file in entry.certificates]
    if wrong.found:
        raise ConfigError([f"partners.{id_}.certificates: {problem}" for problem in wrong.found])
    return Partner(
        id=id_,
        certificates=tuple(certificate for of_one in read for certificate in of_one),
        users=entry.users,
        queues=entry.queues,
        boxes=entry.boxes,
        to=entry.to,
        forms=entry.forms,
        rate=entry.rate,
        burst=entry.burst,
        size=entry.size,
        connections=entry.connections,
        covers=entry.covers,
        sign_replies=entry.sign_replies,
        negative_receipts=entry.negative_receipts,
        negative_evidence=entry.negative_evidence,
    )
