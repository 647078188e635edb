"""Short campaigns, each kind of fault once: three nodes under load keep every promise.  `make crash` fights long ones."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.campaign.faults import Fault, all_nodes_are_killed, an_offices_answer_is_lost, faults_of
from tests.crash.campaign.running import Campaign, fight, in_turn
from tests.crash.promises import Promise

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def short(engine: str, submissions: int, *bugs: str, only: tuple[Fault, ...] = ()) -> Campaign:
    subprocess.run([sys.executable, SCRIPTS / "debian.py", "fiu"], check=True)
    campaign = fight(
        engine,
        submissions=submissions,
        faults=len(only or faults_of(engine)),
        only=only,
        seed=secrets.randbits(32),
        bugs=bugs,
        tell=print,
    )
    print(campaign)  # noqa: T201 - the report
    return campaign


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("engine", "submissions"), [("sqlite", 700), ("postgresql", 700)])
def test_every_kind_of_fault_befalls_three_nodes_and_every_promise_is_kept(engine: str, submissions: int) -> None:
    campaign = short(engine, submissions)
    assert campaign.account.broken == {}
    assert campaign.journal.startswith("0"), campaign.journal
    assert len(campaign.faults) == len(faults_of(engine)) >= 12
    assert campaign.account.submissions + campaign.account.refused == len(campaign.clients.answers) >= submissions
    assert campaign.account.delivered == campaign.account.submissions


@pytest.mark.timeout(900)
def test_a_campaign_finds_a_receipt_that_is_released_before_its_commit() -> None:
    assert short("sqlite", 100, "receipt-before-commit", only=(all_nodes_are_killed,)).account.broken


@pytest.mark.timeout(900)
def test_a_campaign_finds_what_is_said_to_be_delivered_without_the_offices_answer() -> None:
    broken = short("sqlite", 100, "delivered-without-an-answer", only=(an_offices_answer_is_lost,) * 4).account.broken
    assert any("has not said so" in what for what in broken[Promise.DELIVERED]), broken


@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_workers_behind_one_address_that_are_killed_in_turn_keep_every_promise(engine: str) -> None:
    subprocess.run([sys.executable, SCRIPTS / "debian.py", "fiu"], check=True)
    campaign = in_turn(engine, minutes=0.5, seed=secrets.randbits(32))
    print(campaign)  # noqa: T201 - the report
    assert campaign.kept, str(campaign)
    assert campaign.faults.total() >= 3
    assert campaign.account.delivered == campaign.account.submissions > 0
