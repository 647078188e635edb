"""Two thousand simulated worlds keep every promise of custody, and each planted bug breaks one in some of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.planted import BUGS
from tests.simulation.running import STORES, course

TOGETHER = 100  # seeds in one test
ENOUGH = 300  # seeds in which every bug must have shown itself


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("critical"), cache_logger_on_first_use=False
    )
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("first", range(0, 2_000, TOGETHER))
def test_every_promise_is_kept_whatever_goes_wrong(first: int) -> None:
    for seed in range(first, first + TOGETHER):
        it = course(seed)
        assert not it.broken, f"{it}\n" + "\n".join(it.story[-200:])


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_the_same_holds_on_sqlite(first: int) -> None:
    for seed in range(first, first + 10):
        with STORES["sqlite"]() as make:
            it = course(seed, make)
        assert not it.broken, f"{it}\n" + "\n".join(it.story[-200:])


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_a_planted_bug_is_found(bug: str) -> None:
    found = next((it for seed in range(ENOUGH) if (it := course(seed, bugs=frozenset({bug}))).broken), None)
    assert found is not None, f"{ENOUGH} seeds have not found it"


@pytest.mark.parametrize("seed", [7, 18])
def test_a_seed_tells_the_same_story_again(seed: int) -> None:
    once, again = course(seed), course(seed)
    assert once.points > 100
    assert once.story == again.story
