"""Each stage by itself, timed when run alone (`pytest tests/benchmarks`), run once among the other tests.

A time is worth something only beside another one of the same machine and minute: `--benchmark-autosave` before a
change, `--benchmark-compare` after it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from adapters.testkit.pki import Pki
from broker.evidence import Indication, to_json
from broker.intake import Intake
from broker.model import Address, Admitted, Document, Envelope, Routed, Valid, Verified
from config import bootstrap
from config.demo.offices import offices
from config.demo.site import Site, free_port
from tests.benchmarks.documents import Letter, Writer

LETTERS = 8
AT = datetime.now(UTC)


@contextmanager
def assembled(folder: Path, pki: Pki) -> Iterator[Intake]:
    chosen = offices()[:4]
    ways: dict[str, dict[str, Any]] = {it.id: {"kind": "directory", "folder": f"out/{it.id}"} for it in chosen}
    site = Site(folder=folder, offices=chosen, ways=ways, pki=pki, port=free_port()).write()
    broker = bootstrap.assemble(site.settings)
    try:
        yield broker.intake
    finally:
        broker.close()


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki(at=AT)


@pytest.fixture(scope="module")
def intake(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    with assembled(tmp_path_factory.mktemp("site"), pki) as made:
        yield made


@pytest.fixture(scope="module")
def envelopes(pki: Pki) -> list[Envelope]:
    writer = Writer(offices=offices()[:4], pki=pki, at=AT)
    return [_envelope(writer.letter(index)) for index in range(LETTERS)]


def _envelope(letter: Letter) -> Envelope:
    return Envelope(
        channel="soap", sender="portal", received_at=AT, payload=letter.document, to=Address(box=letter.box)
    )


def in_turn(call: Callable[[Any], Any], values: list[Any]) -> Callable[[], Any]:
    """Return a call that takes the next of the values each time, so that nothing is measured on one alone."""
    turn = cycle(values)
    return lambda: call(next(turn))


@pytest.fixture
def parsed(intake: Intake, envelopes: list[Envelope]) -> list[Document]:
    return [intake.parse(it) for it in envelopes]


@pytest.fixture
def valid(intake: Intake, parsed: list[Document]) -> list[Valid]:
    return [intake.validate(it) for it in parsed]


@pytest.fixture
def verified(intake: Intake, valid: list[Valid]) -> list[Verified]:
    return [intake.verify(it) for it in valid]


@pytest.fixture
def routed(intake: Intake, verified: list[Verified]) -> list[Routed]:
    return [intake.route(it) for it in verified]


def test_a_document_that_is_new_is_not_found(
    benchmark: BenchmarkFixture, intake: Intake, envelopes: list[Envelope]
) -> None:
    assert benchmark(in_turn(lambda it: intake.store.find(it.fingerprint), envelopes)) is None


def test_a_letter_is_parsed(benchmark: BenchmarkFixture, intake: Intake, envelopes: list[Envelope]) -> None:
    assert benchmark(in_turn(intake.parse, envelopes)).form.tag.endswith("}Dokument")


def test_a_letter_is_validated(benchmark: BenchmarkFixture, intake: Intake, parsed: list[Document]) -> None:
    assert benchmark(in_turn(intake.validate, parsed)).form.key.name == "pismo-ogolne"


def test_a_signature_by_somebody_known_is_verified(
    benchmark: BenchmarkFixture, intake: Intake, valid: list[Valid]
) -> None:
    assert benchmark(in_turn(intake.verify, valid)).report.indication is Indication.PASSED


def test_a_letter_is_routed(benchmark: BenchmarkFixture, intake: Intake, verified: list[Verified]) -> None:
    assert benchmark(in_turn(intake.route, verified)).target.office in {it.id for it in offices()[:4]}


def test_a_letter_is_admitted(benchmark: BenchmarkFixture, intake: Intake, routed: list[Routed]) -> None:
    assert isinstance(benchmark(in_turn(intake.admit, routed)), Admitted)


def test_a_report_is_written(benchmark: BenchmarkFixture, verified: list[Verified]) -> None:
    report = json.loads(benchmark(in_turn(to_json, [it.report for it in verified])))
    assert report["signatures"][0]["certificate"]["sha256"]


def test_a_receipt_is_sealed(benchmark: BenchmarkFixture, intake: Intake, routed: list[Routed]) -> None:
    unsigned = [b"<a>%d</a>" % number for number in range(len(routed))]
    assert b"SignatureValue" in benchmark(in_turn(intake.registrar.seal.seal, unsigned))


def test_the_whole_measurement_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.throughput", "--quick", "--json", "--documents", "24"]
    told = subprocess.run(
        [*command, "--folder", str(tmp_path / "bench")], check=True, capture_output=True, cwd=Path(__file__).parents[2]
    )
    results = json.loads(told.stdout)
    assert [(it["connections"], it["documents"]) for it in results["levels"]] == [(1, 8), (8, 24), (32, 24)]
    assert all(it["rate"] > 0 for it in results["levels"])
    assert results["deliveries"] > 0
    assert {"parse", "verify", "receipt", "commit"} < {it["stage"] for it in results["stages"]}
