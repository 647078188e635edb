"""What became of each mutant, one file a module in `var/mutation`, and what is to be said of it all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Final, TextIO

from tests.mutation.explained import Explained
from tests.mutation.mutants import Mutant, Outcome, What

_KILLED: Final = frozenset({What.KILLED, What.LOOPED})
FOLDER = Path(__file__).parents[2] / "var" / "mutation"


def file_of(folder: Path, module: str) -> Path:
    """Return where the outcomes of a module are kept."""
    return folder / f"{module.replace('/', '.')}.jsonl"


def read(folder: Path, modules: Iterable[str]) -> list[Outcome]:
    """Return the outcomes that are kept of these modules, of each mutant the last."""
    found: dict[Mutant, Outcome] = {}
    for module in modules:
        file = file_of(folder, module)
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            *mutant, what, test = json.loads(line)
            outcome = Outcome(mutant=Mutant(*mutant), what=What(what), test=test)
            found[outcome.mutant] = outcome
    return list(found.values())


def is_settled(outcome: Outcome, known: Sequence[Explained]) -> bool:
    """Whether a mutant was killed, or is explained."""
    return outcome.what in _KILLED or any(it.holds_for(outcome.mutant) for it in known)


def by_change(outcomes: Iterable[Outcome], known: Sequence[Explained]) -> dict[tuple[str, str, str, str], Outcome]:
    """Return one outcome of each change, an open one if there is any: one change can be made in several places."""
    ordered = sorted(outcomes, key=lambda it: is_settled(it, known), reverse=True)
    return {it.mutant.change: it for it in ordered}


def write(outcome: Outcome, file: TextIO) -> None:
    """Keep an outcome, at once: a run may be ended at any time."""
    row = [*astuple(outcome.mutant), outcome.what, outcome.test]
    print(json.dumps(row, ensure_ascii=False), file=file, flush=True)


def tell(outcomes: Sequence[Outcome], known: Sequence[Explained]) -> bool:
    """Print a line for each module and every mutant that nobody killed or explained; return whether there is none."""
    table: dict[str, Counter[str]] = {}
    unexplained = []
    for outcome in outcomes:
        line = table.setdefault(outcome.mutant.file, Counter())
        line["mutants"] += 1
        if outcome.what in _KILLED:
            line[outcome.what] += 1
        elif is_settled(outcome, known):
            line["explained"] += 1
        else:
            line["open"] += 1
            unexplained.append(outcome)
    for outcome in unexplained:
        print(f"{outcome.what}: {outcome.mutant}")
    heads = ("mutants", What.KILLED, What.LOOPED, "explained", "open")
    print(f"{'':36}" + "".join(f"{head:>10}" for head in heads))
    for module, line in [*table.items(), ("together", sum(table.values(), Counter()))]:
        print(f"{module:36}" + "".join(f"{line[head]:>10}" for head in heads))
    return not unexplained


def idle(outcomes: Sequence[Outcome], known: Sequence[Explained]) -> list[Explained]:
    """Return the explanations, of the modules that were tried, that no survivor needs any more."""
    tried = {it.mutant.file for it in outcomes}
    left = [it.mutant for it in outcomes if it.what not in _KILLED]
    return [it for it in known if it.file in tried and not any(it.holds_for(mutant) for mutant in left)]
