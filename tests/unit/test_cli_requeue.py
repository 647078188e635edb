"""`goniec requeue --rate`: a pace that nobody can mean is refused before anything is changed."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.testkit.stores.values import GAVE_UP, LEASE, TOWN, kept, limits
from broker.states import DeliveryState
from config import bootstrap, settings
from config.cli import requeue
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"


@pytest.fixture
def stuck(tmp_path):
    """The words that send three stuck deliveries round again, and what tells how many there are in each state."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    loaded = settings.load(tmp_path / "goniec.toml")
    with closing(bootstrap.open_store(loaded)) as store:
        store.enrol([limits(TOWN)])
        for _ in range(3):
            kept(store)
        for claim in store.claim(LEASE, 3):
            store.record(claim, GAVE_UP)

    def standing():
        with closing(bootstrap.open_store(loaded)) as store:
            return {state: number for state, number in store.stats().deliveries.items() if number}

    return ["requeue", "-c", tmp_path / "goniec.toml", "--office", TOWN, "--reason", "mended"], standing


@pytest.mark.parametrize("rate", ["nan", "-nan", "inf", "-1", "0", "1e-8", "1e-320", "1e9", "often"])
def test_a_rate_that_nobody_can_mean_is_refused(stuck, rate):
    wanted, standing = stuck
    assert "--rate" in run(*wanted, "--rate", rate, status=2).stderr
    assert standing() == {DeliveryState.QUARANTINED: 3}


def test_a_rate_at_which_the_last_would_be_due_too_late_is_refused_and_says_how_late(stuck, monkeypatch):
    wanted, standing = stuck
    monkeypatch.setattr(requeue, "LONGEST", timedelta(days=2))  # three are due within 3,000 minutes
    assert "2 days" in run(*wanted, "--rate", requeue.SLOWEST, status=2).stderr
    assert "2 days" in run(*wanted, "--rate", requeue.SLOWEST, "--dry-run", status=2).stderr
    assert standing() == {DeliveryState.QUARANTINED: 3}
    monkeypatch.setattr(requeue, "LONGEST", timedelta(days=3))
    assert len(answer(*wanted, "--rate", requeue.SLOWEST)["requeued"]) == 3
    assert standing() == {DeliveryState.WAITING: 3}


@pytest.mark.parametrize("rate", [requeue.SLOWEST, 60, requeue.FASTEST])
def test_every_rate_from_the_slowest_to_the_fastest_is_taken(stuck, rate):
    wanted, standing = stuck
    assert len(answer(*wanted, "--rate", rate)["requeued"]) == 3
    assert standing() == {DeliveryState.WAITING: 3}
