"""A second opinion on a letter, timed when run alone; and the measurement of what it costs runs."""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from adapters.testkit.pki import Pki
from adapters.verifiers.signxml import Signxml
from broker.evidence import Stance
from broker.parse import Limits, read
from broker.verify import TrustSnapshot, examine
from tests.benchmarks.second_opinion import documents, measure
from tests.builders import NOON


def test_a_second_opinion_on_a_letter(benchmark: BenchmarkFixture) -> None:
    _, document, _ = next(documents(Pki(at=NOON, keys="ec-256", cas="ec-256"), NOON))
    signatures = examine(read(document, Limits()), TrustSnapshot(), NOON, path=False).signatures
    assert benchmark(Signxml(), document, signatures).stance is Stance.AGREES


def test_what_it_costs_is_measured_beside_our_own() -> None:
    lines = list(measure(1, large=1_000_000))
    assert [it.document for it in lines][2:] == ["28,000 elements", "1 MB of text"]
    assert all(it.ours > 0 and it.second > 0 and it.octets > 0 for it in lines)
