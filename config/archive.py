"""An archive: a folder with the containers of all submissions of a time, and an index, made in any number of runs.

The index (`index.jsonl`) has a line for each container that is there, written after it.  What a run that died left
half done is made anew or noted by the next one.  Passed over is what is there, whole, of the submission whose name it
has and as the index has it, and was made when nothing more was to come of that submission.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from broker.states import FINAL
from broker.verify import Anchor, TrustSnapshot
from config.export import SUFFIX, Exporter

INDEX: Final = "index.jsonl"
_PAGE: Final = 500


@dataclass(slots=True)
class Tally:
    """What a run did."""

    exported: int = 0
    passed_over: int = 0  # there already, whole and final
    pruned: int = 0  # of those exported: without their document


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contained:
    """What a container says about the moment at which it was made."""

    submission: str
    deliveries: tuple[str, ...]  # their states
    chained: bool  # the proof from the journal leaves no event open, and a seal vouches for it
    document: bool  # it is in it

    @property
    def final(self) -> bool:
        """Whether a container that was made later would say no more of what became of the document."""
        return self.chained and FINAL.issuperset(self.deliveries)


class Archive:
    """A folder that is being filled; `tally` counts."""

    def __init__(self, exporter: Exporter, folder: Path, *, reason: str = "") -> None:
        self.tally = Tally()
        self._exporter = exporter
        self._folder = folder
        self._reason = reason
        # Each seal alone, not its authority: others may have their certificates from there.
        own = (x509.load_pem_x509_certificates(pem)[0] for pem in exporter.store.seals())
        self._seals = TrustSnapshot(anchors=tuple(Anchor(certificate=one, name="seal") for one in own))

    def fill(self, wanted: Filter, until: datetime | None) -> Iterator[SubmissionId]:
        """Put what is wanted, and was accepted before `until`, into the folder; yield each when it is there.

        Raises Unavailable, OSError, or ConfigError if the index is not ours or another run is at work: what was
        yielded is there, and the next run goes on.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / INDEX).open("ab", buffering=0) as index:
            _require_alone(index, self._folder)
            noted = _mended(self._folder / INDEX)
            settle(self._folder)
            for record in pages(self._exporter.store, wanted):
                it = record.submission
                if until is not None and it.accepted_at >= until:
                    continue
                target = self._folder / (file_name(it.id) + SUFFIX)
                contained = self._kept(it.id, target, noted.get(it.id))
                if contained is not None:
                    self.tally.passed_over += 1
                else:
                    self._make(it.id, target)
                    with ZipFile(target) as archive:
                        contained = _contained(archive)
                digest = _digest(target)
                if noted.get(it.id) != digest:
                    index.write(_line(record, contained, target, digest))
                    os.fsync(index.fileno())
                yield it.id

    def _make(self, submission: SubmissionId, target: Path) -> None:
        done = self._exporter.export(submission, target, reason=self._reason, replace=True)
        if done is not None:
            self.tally.exported += 1
            self.tally.pruned += all(one.name != "document.xml" for one in done.files)

    def _kept(self, submission: SubmissionId, target: Path, noted: str | None) -> _Contained | None:
        """Return what a container says that may stay; None if there is none, or it is to be made (anew).

        One stays that is under a seal of this broker, not touched since, this submission's, and the one of the index.
        One that was not final stays only if a new one would be without the document.
        """
        if not target.exists() or noted not in {None, _digest(target)}:
            return None
        with opened(target, self._seals) as container:
            if container.check.verdict is not Indication.PASSED or container.archive is None:
                return None
            contained = _contained(container.archive)
        if contained.submission != submission:
            return None
        stays = contained.final or (contained.document and self._exporter.around.document(submission) is None)
        return contained if stays else None


def _contained(archive: ZipFile) -> _Contained:
    """Read what a container says that we have sealed."""
    names = archive.namelist()
    deliveries = json.loads(archive.read("deliveries.json"))["deliveries"]
    chained = False
    if "journal-proof.json" in names:
        proof = json.loads(archive.read("journal-proof.json"))
        last = proof["batches"][-1:]  # what a seal stands on vouches for all before it
        chained = all(one["batch"] is not None for one in proof["events"]) and any(one["sealed"] for one in last)
    return _Contained(
        submission=json.loads(archive.read("submission.json"))["submission"]["id"],
        deliveries=tuple(one["state"] for one in deliveries),
        chained=chained,
        document="document.xml" in names,
    )


def pages(ledger: Ledger, wanted: Filter) -> Iterator[Record]:
    """Yield all records that are wanted, newest first, a page at a time."""
    wanted = replace(wanted, most=_PAGE)
    while page := ledger.list(wanted):
        yield from page
        wanted = replace(wanted, after=page[-1].submission.id)


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


def _line(record: Record, contained: _Contained, target: Path, digest: str) -> bytes:
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
        "deliveries": contained.deliveries,
        "chained": contained.chained,
    }
    return json.dumps(told).encode() + b"\n"
