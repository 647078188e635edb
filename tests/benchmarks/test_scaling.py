"""`make scaling` runs, in small; and as many offices as a country has make a sound routing table."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from adapters.testkit.pki import Pki
from config import clock
from config.demo.offices import boxes_csv, offices, routing_csv
from routing.load import load
from tests.benchmarks import costs, nation
from tests.benchmarks.country import many
from tests.benchmarks.documents import large_letter

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_a_quick_run_measures_transactions_claims_seals_and_a_broker_beside_its_simulation(tmp_path):
    subprocess.run([sys.executable, str(ROOT / "scripts" / "debian.py"), "softhsm"], check=True)
    command = [sys.executable, "-m", "tests.benchmarks.scaling", "--quick", "--json", "--engine", "sqlite"]
    told = subprocess.run(
        [*command, "--axis", "singletons", "--axis", "check", "--folder", str(tmp_path / "scaling")],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    by_kind = {kind: [it for it in lines if it["kind"] == kind] for kind in {it["kind"] for it in lines}}
    assert [(it["operation"], it["members"]) for it in by_kind["Grouped"]] == [
        (operation, members) for members in (1, 16) for operation in ("accept", "claim", "record")
    ]
    assert all(it["wall"] > 0 and it["cpu"] > 0 for it in by_kind["Grouped"])
    assert {it["operation"] for it in by_kind["Line"]} == {"accept", "claim", "record"}
    assert by_kind["Chained"][0]["events"] >= 500
    assert len(by_kind["Sealing"]) == 5
    assert all(it["rate"] > 0 for it in by_kind["Sealing"])
    assert [it["load"] for it in by_kind["Beside"]] == [0.5]
    assert all(0 < it["p50"] <= it["p95"] <= it["p99"] for it in by_kind["Beside"])
    assert all(0 < it["p50_simulated"] <= it["p95_simulated"] <= it["p99_simulated"] for it in by_kind["Beside"])


def test_offices_of_a_whole_country_have_no_key_in_common_and_every_key_checks():
    chosen = many(2_500)
    table = load(boxes_csv(chosen), routing_csv(chosen))
    assert chosen[:54] == list(offices())
    assert len({it.id for it in chosen}) == len({it.box for it in chosen}) == 2_500
    assert len(table.boxes) > 2_500
    assert table.warnings == load(boxes_csv(offices()), routing_csv(offices())).warnings


def test_a_large_letter_is_as_large_as_was_asked_for():
    at = clock.now()
    for octets in (50_000, 2_000_000):
        letter = large_letter(offices()[0], octets, Pki(at=at), at)
        assert len(letter.document) == pytest.approx(octets, rel=0.1)


def test_costs_are_of_seconds_and_octets_that_can_be():
    """A slip by a thousand, or an engine's figures under the other's name, would go unseen into every table."""
    for engine in (costs.SQLITE, costs.POSTGRES):
        for name, value in asdict(engine).items():
            assert 0 <= value < (1e-6 if "octet" in name else 0.1), name
    assert costs.SQLITE.flush == 0 < costs.POSTGRES.flush


def test_the_nations_tables_are_written_from_the_costs():
    lines = list(nation.needs(costs.POSTGRES, costs.KEPT))
    mean, peak = lines
    assert peak.documents == pytest.approx(20 * mean.documents)
    assert mean.documents == pytest.approx(100_000_000 / (365 * 24 * 3600))
    assert peak.cores == pytest.approx(20 * mean.cores)
    assert [it.documents for it in nation.ceilings(costs.POSTGRES, costs.KEPT)] == sorted(
        it.documents for it in nation.ceilings(costs.POSTGRES, costs.KEPT)
    )
    [calm] = nation.peaks([8], minutes=1)
    assert calm.put_off == 0
    assert calm.p50 > costs.POSTGRES.document * 1e3
