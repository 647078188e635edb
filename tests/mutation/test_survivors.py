"""What is said of survivors is about code that is there; the mutants are what they are said to be."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.mutation.explained import Explained, explained
from tests.mutation.mutants import Mutant, Outcome, What, write
from tests.mutation.results import by_change, file_of, idle, is_settled, read, tell
from tests.mutation.results import write as keep

ROOT = Path(__file__).parents[2]
KNOWN = explained()
SOURCE = """
from functools import lru_cache


class A:
    @property
    def first(self):
        return 1 + self.x


@lru_cache(maxsize=8)
def second(a):
    return a < 2
"""


def squeezed(text: str) -> str:
    return re.sub(r"\s+|(?<=\()\s*|,\s*(?=\))", "", text)


def test_every_explanation_is_of_lines_that_the_source_still_has() -> None:
    sources = {it.file: squeezed((ROOT / it.file).read_text(encoding="utf-8")) for it in KNOWN}
    gone = []
    for it in KNOWN:
        for was, became in it.mutants:
            assert was != became
            # The header of a function is written without its name; lines between those that changed are left out.
            lines = [squeezed(re.sub(r"^(async )?def _\(", "", line)).rstrip(",") for line in was.splitlines()]
            gone += [(it.file, it.function, line) for line in lines if line not in sources[it.file]]
    assert not gone


def test_every_explanation_says_why_and_stands_once() -> None:
    assert all(len(it.reason) > 15 for it in KNOWN)
    pairs = Counter((it.file, it.function, pair) for it in KNOWN for pair in it.mutants)
    assert [it for it, times in pairs.items() if times > 1] == []


@pytest.fixture
def mutants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Mutant]:
    monkeypatch.chdir(ROOT)  # mutmut reads its settings where it stands
    (tmp_path / "a.py").write_text(SOURCE)
    return write(tmp_path, "a.py")


def test_what_has_a_decorator_is_mutated_like_the_rest(mutants: list[Mutant]) -> None:
    changes = {(it.function, it.was, it.became) for it in mutants}
    assert changes == {
        ("A.first", "return 1 + self.x", "return 1 - self.x"),
        ("A.first", "return 1 + self.x", "return 2 + self.x"),
        ("second", "return a < 2", "return a <= 2"),
        ("second", "return a < 2", "return a < 3"),
    }


def test_only_what_is_killed_or_explained_is_done_with(
    mutants: list[Mutant], capsys: pytest.CaptureFixture[str]
) -> None:
    first, *others = mutants
    known = [Explained(file="a.py", function=first.function, reason="r", mutants=((first.was, first.became),))]
    dead = [Outcome(mutant=it, what=What.KILLED) for it in others]
    assert tell([Outcome(mutant=first, what=What.SURVIVED), *dead], known)
    assert not tell([Outcome(mutant=first, what=What.SURVIVED), *dead], [])
    assert not tell([Outcome(mutant=first, what=What.UNREACHED), *dead], [])
    assert first.became in capsys.readouterr().out
    assert idle([Outcome(mutant=first, what=What.SURVIVED)], known) == []
    assert idle([Outcome(mutant=first, what=What.KILLED)], known) == known


def test_of_what_is_kept_of_a_mutant_the_last_counts(tmp_path: Path) -> None:
    one, other = (Mutant(name, "a.py", "f", name, "") for name in ("one", "other"))
    said = [(one, What.SURVIVED), (other, What.KILLED), (one, What.KILLED)]
    with file_of(tmp_path, "a.py").open("w", encoding="utf-8") as file:
        for mutant, what in said:
            keep(Outcome(mutant=mutant, what=what), file)
    assert {it.mutant.name: it.what for it in read(tmp_path, ["a.py"])} == {"one": "killed", "other": "killed"}


def test_one_change_in_several_places_is_open_if_it_is_open_in_one() -> None:
    places = [Mutant(f"m{number}", "a.py", "f", "x = 1", "x = 2") for number in range(3)]
    whats = (What.KILLED, What.SURVIVED, What.LOOPED)
    outcomes = [Outcome(mutant=it, what=what) for it, what in zip(places, whats, strict=True)]
    for found in (outcomes, outcomes[::-1]):
        assert {it.what for it in by_change(found, ()).values()} == {What.SURVIVED}
    reason = Explained(file="a.py", function="f", reason="x", mutants=(("x = 1", "x = 2"),))
    assert [is_settled(it, ()) for it in outcomes] == [True, False, True]
    assert all(is_settled(it, (reason,)) for it in outcomes)
