"""What an honest letter costs, by its size: against that hostile ones are held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from tests.corpus.world import AT, World
from tests.hostile.forging import PKI
from tests.hostile.measuring import cost
from tests.hostile.shapes import FULL, letter


@dataclass(frozen=True, kw_only=True)
class Honest:
    """Signed letters, without an attachment and with a large one; what lies between costs in proportion."""

    small: float
    large: float

    @classmethod
    def measured(cls, world: World, tries: int) -> Self:
        """Measure both."""
        documents = letter(), letter(attachment=b"QUJD" * (FULL // 4))
        small, large = (cost(world, sign(it, PKI.person, AT, QUALIFIED), tries).cpu for it in documents)
        return cls(small=small, large=large)

    def cpu(self, size: int) -> float:
        """Return the milliseconds of CPU that a letter of so many bytes costs."""
        return self.small + (self.large - self.small) * size / FULL
