"""An archive: a folder with the containers of all submissions of a time, and an index, made in any number of runs.

The index (`index.jsonl`) has a line for each container that is there, written after it.  What a run that died left
half done is made anew or noted by the next one; what is there and whole is passed over.
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

from cryptography import x509

from adapters.archive.opened import opened
from adapters.wire.durable import file_name, settle
from broker.errors import ConfigError
from broker.evidence import Indication
from broker.model import SubmissionId
from broker.ports import Filter, Ledger, Record
from broker.verify import Anchor, TrustSnapshot
from config.export import SUFFIX, Exporter

INDEX: Final = "index.jsonl"
_PAGE: Final = 500


@dataclass(slots=True)
class Tally:
    """What a run did."""

    exported: int = 0
    passed_over: int = 0  # there already, and whole
    pruned: int = 0  # of those exported: without their document


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
                if self._is_whole(target):
                    self.tally.passed_over += 1
                else:
                    self._make(it.id, target)
                digest = _digest(target)
                if noted.get(it.id) != digest:
                    index.write(_line(record, target, digest))
                    os.fsync(index.fileno())
                yield it.id

    def _make(self, submission: SubmissionId, target: Path) -> None:
        done = self._exporter.export(submission, target, reason=self._reason, replace=True)
        if done is not None:
            self.tally.exported += 1
            self.tally.pruned += all(one.name != "document.xml" for one in done.files)

    def _is_whole(self, target: Path) -> bool:
        """Whether a container is there that was sealed by a seal of this broker, and not touched since."""
        if not target.exists():
            return False
        with opened(target, self._seals) as container:
            return container.check.verdict is Indication.PASSED


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


def _line(record: Record, target: Path, digest: str) -> bytes:
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
    }
    return json.dumps(told).encode() + b"\n"
