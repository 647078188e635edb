"""Which surviving mutants are explained: `survivors.toml`, and whether a mutant is in it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import Mutant

FILE = Path(__file__).parent / "survivors.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Mutants of one function that do no harm, and why.

    `mutants` are pairs of the changed lines and what became of them; or `was` and `became` are patterns, each of
    which must match somewhere in them.
    """

    file: str
    function: str
    reason: str
    mutants: tuple[tuple[str, str], ...] = ()
    was: str = ""
    became: str = ""

    def holds_for(self, mutant: Mutant) -> bool:
        """Whether this explains the mutant."""
        if not mutant.fits(self.file, self.function):
            return False
        if self.mutants:
            return (mutant.was, mutant.became) in self.mutants
        return bool(re.search(self.was, mutant.was) and re.search(self.became, mutant.became))


def explained() -> tuple[Explained, ...]:
    """Return all explanations."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8")).get("explained", [])
    return tuple(_entry(entry) for entry in entries)


def _entry(entry: dict[str, object]) -> Explained:
    pairs = tuple((was.strip("\n"), became.strip("\n")) for was, became in entry.pop("mutants", ()))  # type: ignore[attr-defined]
    return Explained(**entry, mutants=pairs)  # type: ignore[arg-type]
