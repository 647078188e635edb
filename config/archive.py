"""An archive: a folder with the containers of all submissions of a time, and an index, made in any number of runs.

The index (`index.jsonl`) has a line for each container that is there, written after it.  What a run that died left
half done is made anew or noted by the next one.  Passed over is what is there, whole, of the submission whose name it
has and as the index has it, and was made when nothing more was to come of that submission (archived.py).  What is not
is made anew, as long as the document is there for it; where it is not, what is in the folder stays, whatever it is.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import IO, Final
from zipfile import ZipFile

from cryptography import x509

from adapters.archive.opened import opened
from adapters.wire.durable import file_name, settle
from broker.errors import ConfigError
from broker.evidence import Indication
from broker.model import SubmissionId
from broker.ports import Filter, Ledger, Record
from broker.verify import Anchor, TrustSnapshot
from config.archived import Contained, contained, more_to_come, to_be_judged
from config.export import SUFFIX, Exporter

INDEX: Final = "index.jsonl"
_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A container that stays because the document is in the store no more, and on which nobody should rely."""

    file: Path
    verdict: Indication
    why: str  # a code and the place, or words


@dataclass(slots=True)
class Tally:
    """What a run did."""

    exported: int = 0
    passed_over: int = 0  # there already, whole and final
    pruned: int = 0  # of those exported: without their document
    doubtful: list[Doubt] = field(default_factory=list)


class Archive:
    """A folder that is being filled; `tally` counts."""

    def __init__(self, exporter: Exporter, folder: Path, *, reason: str = "") -> None:
        self.tally = Tally()
        self._exporter = exporter
        self._folder = folder
        self._reason = reason
        self._to_be_judged: frozenset[SubmissionId] = frozenset()
        # Each seal alone, not its authority: others may have their certificates from there.
        own = (x509.load_pem_x509_certificates(pem)[0] for pem in exporter.store.seals())
        self._seals = TrustSnapshot(anchors=tuple(Anchor(certificate=one, name="seal") for one in own))

    def fill(self, wanted: Filter, until: datetime | None) -> Iterator[SubmissionId]:
        """Put what is wanted, and was accepted before `until`, into the folder; yield each when it is there.

        Raises Unavailable, OSError, or ConfigError if the index is not ours or another run is at work: what was
        yielded is there, and the next run goes on.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self._folder / INDEX, "ab", buffering=0, opener=_as_its_owner) as index:
            _require_alone(index, self._folder)
            noted = _mended(self._folder / INDEX)
            settle(self._folder)
            self._to_be_judged = frozenset(to_be_judged(self._exporter.store))
            for record in pages(self._exporter.store, wanted):
                it = record.submission
                if until is not None and it.accepted_at >= until:
                    continue
                target = self._folder / (file_name(it.id) + SUFFIX)
                says = self._done(it.id, target, noted.get(it.id))
                if says is not None:
                    digest = _digest(target)
                    if noted.get(it.id) != digest:
                        index.write(_line(record, says, target, digest))
                        os.fsync(index.fileno())
                yield it.id

    def _done(self, submission: SubmissionId, target: Path, noted: str | None) -> Contained | None:
        """Have a container there and return what it says; None if one stays that is not to be relied on."""
        there = self._there(submission, target, noted)
        if isinstance(there, Contained) and self._is_final(there, submission):
            self.tally.passed_over += 1
            return there
        holds_none = isinstance(there, Contained) and not there.document
        try:
            done = self._exporter.export(
                submission, target, reason=self._reason, over=lambda _: True, lasting=not holds_none
            )
        except FileExistsError:  # the document is gone meanwhile, and that container may be the last that has it
            if isinstance(there, Contained):
                self.tally.passed_over += 1
                return there
            if there is None:
                raise
            self.tally.doubtful.append(there)
            return None
        if done is not None:
            self.tally.exported += 1
            self.tally.pruned += all(one.name != "document.xml" for one in done.files)
        with ZipFile(target) as archive:
            return contained(archive)

    def _there(self, submission: SubmissionId, target: Path, noted: str | None) -> Contained | Doubt | None:
        """Return what a container says that is ours, not touched since, and of this submission."""
        if not target.exists():
            return None
        if noted not in {None, _digest(target)}:
            return Doubt(file=target, verdict=Indication.FAILED, why="it is not the one of the index")
        with opened(target, self._seals) as container:
            check = container.check
            if check.verdict is not Indication.PASSED or container.archive is None:
                return Doubt(file=target, verdict=check.verdict, why=f"{check.code} {check.place}".strip())
            says = contained(container.archive)
        if says.submission != submission:
            return Doubt(file=target, verdict=Indication.FAILED, why="it is of another submission")
        return says

    def _is_final(self, says: Contained, submission: SubmissionId) -> bool:
        if submission in self._to_be_judged:
            return False
        record = self._exporter.store.show(submission)
        stamps = self._exporter.stamp is not None
        return (
            record is not None
            and says.tells_all(record)
            and not more_to_come(self._exporter.store, record, stamps=stamps)
        )


def pages(ledger: Ledger, wanted: Filter) -> Iterator[Record]:
    """Yield all records that are wanted, newest first, a page at a time."""
    wanted = replace(wanted, most=_PAGE)
    while page := ledger.list(wanted):
        yield from page
        wanted = replace(wanted, after=page[-1].submission.id)


def _as_its_owner(file: str, flags: int) -> int:
    """Open a file that nobody else may read if it is made now: it says what came to which office."""
    return os.open(file, flags, 0o600)


def _require_alone(index: IO[bytes], folder: Path) -> None:
    """Lock the folder until the index is closed, and remove what runs that were killed have left half written."""
    try:
        fcntl.flock(index, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError([f"{folder}: another run is filling it"]) from error
    for left in folder.glob(f".*{SUFFIX}.*.part"):
        left.unlink()


def _mended(index: Path) -> dict[str, str]:
    """Return the SHA-256 of each submission's container, as an index has it last.

    Cuts off a last line that a crash has left half written; raises ConfigError if another is none of ours.
    """
    noted: dict[str, str] = {}
    with index.open("r+b") as file:
        whole = 0
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                told = json.loads(line)
                noted[str(told["submission"])] = str(told["sha256"])
            except (ValueError, TypeError, KeyError) as error:
                raise ConfigError([f"{index}: line {number} is not of an index"]) from error
            whole += len(line)
        file.truncate(whole)
    return noted


def _digest(target: Path) -> str:
    with target.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _line(record: Record, says: Contained, target: Path, digest: str) -> bytes:
    it = record.submission
    told = {
        "submission": it.id,
        "file": target.name,
        "sha256": digest,
        "size": target.stat().st_size,
        "document": it.digest,
        "receipt": record.receipt.id,
        "office": it.office,
        "accepted_at": it.accepted_at.isoformat().replace("+00:00", "Z"),
        "deliveries": says.deliveries,
        "chained": says.chained,
    }
    return json.dumps(told).encode() + b"\n"
