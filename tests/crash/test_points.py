"""A process dies before and after every single operation of taking a document in and delivering it, on both engines."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from adapters.stores import SqlStore
from adapters.stores.sql.migrate import migrate
from broker.ports import Filter
from broker.states import DeliveryState

BOTH = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])


@dataclass
class Bench:
    """A database, and a process whose children die there."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    def order(self, number: int, **about: Any) -> dict[str, int]:
        """Have a document taken in and delivered; return how many points that had, and how it ended."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        there = {"url": self.url, "office": str(self.folder / "office"), "partner": str(self.folder / "partner")}
        stdin.write(json.dumps({**there, "document": f"<letter>{number}</letter>", **about}) + "\n")
        stdin.flush()
        answer: dict[str, int] = json.loads(stdout.readline())
        return answer

    def lines(self, name: str) -> list[dict[str, str]]:
        file = self.folder / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def crash_everywhere(self, *bugs: str, every: int = 1) -> list[str]:
        """Let each point be the last of a process, send each document again, and return what is wrong."""
        assert self.order(0)["status"] == 0
        number = point = 0
        while self.order(number := number + 1, fatal=point, bugs=bugs)["status"] == -SIGKILL:
            assert self.order(number)["status"] == 0, f"nobody could go on after point {point}"
            point += every
        assert bugs or point > 40, "the points are not what they were"
        return self.broken(1 + number)

    def broken(self, documents: int) -> list[str]:
        """Compare what the partner holds, the store, and what the office has."""
        store = SqlStore(self.url)
        try:
            records = {str(it.submission.id): it for it in store.list(Filter(most=100_000))}
            documents_kept = {name: store.document(it.submission.id) for name, it in records.items()}
        finally:
            store.close()
        found = []
        if len(records) != documents:
            found.append(f"{len(records)} submissions of {documents} documents")
        given: dict[str, set[str]] = defaultdict(set)
        for word in self.lines("partner"):
            given[word["document"]].add(word["receipt"])
            record = records.get(word["submission"])
            if record is None or record.receipt.xml.decode() != word["receipt"]:
                found.append(f"{word['submission']}: a receipt that the store does not have")
            elif documents_kept[word["submission"]] != word["document"].encode():
                found.append(f"{word['submission']}: another document is kept")
        found += [
            f"{document}: {len(different)} receipts" for document, different in given.items() if len(different) > 1
        ]
        came: dict[str, list[str]] = defaultdict(list)
        for it in self.lines("office"):
            came[it["sha256"]].append(it["delivery"])
        for record in records.values():
            if len(record.deliveries) != 1:
                found.append(f"{record.submission.id}: {len(record.deliveries)} deliveries")
                continue
            (delivery,) = record.deliveries
            arrivals = came.pop(record.submission.digest, [])
            if delivery.state is not DeliveryState.DELIVERED or set(arrivals) != {delivery.id}:
                found.append(f"{delivery.id}: {delivery.state}, and came as {arrivals}")
            if len(arrivals) > delivery.attempts:
                found.append(f"{delivery.id}: came {len(arrivals)} times, {delivery.attempts} attempts are counted")
        return found + [f"{digest}: at the office, and not in the store" for digest in came]


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Bench]]:
    processes = []

    def make(engine: str) -> Bench:
        if engine == "sqlite":
            url = f"sqlite:///{tmp_path}/store.sqlite"
        else:
            url = request.getfixturevalue("postgres_database")
        migrate(url)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.pointed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return Bench(url, tmp_path, process)

    yield make
    for process in processes:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


@BOTH
@pytest.mark.timeout(300)
def test_whatever_point_a_process_dies_at_nothing_is_lost_doubled_or_wrongly_told(
    bench: Callable[[str], Bench], engine: str
) -> None:
    assert bench(engine).crash_everywhere() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("engine", "bug"),
    [
        ("sqlite", "receipt-before-commit"),
        ("sqlite", "deliveries-after-commit"),
        ("sqlite", "new-id-for-every-attempt"),
        ("postgresql", "attempt-counted-at-the-end"),
    ],
)
def test_a_planted_bug_is_found_at_some_point(bench: Callable[[str], Bench], engine: str, bug: str) -> None:
    assert bench(engine).crash_everywhere(bug, every=4)


def test_the_document_and_not_only_its_digest_is_what_the_audit_compares(bench: Callable[[str], Bench]) -> None:
    made = bench("sqlite")
    assert made.order(0)["status"] == 0
    assert made.broken(1) == []
    office = made.folder / "office"
    kept = json.loads(office.read_text())
    office.write_text(json.dumps({**kept, "sha256": hashlib.sha256(b"other").hexdigest()}) + "\n")
    assert len(made.broken(1)) == 2
