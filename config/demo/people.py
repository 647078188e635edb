"""The residents of the demo: nobody.

Every family name says that it is a test's, and every PESEL has its check digit and a date of birth in the 23rd
century, so that it can be nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from routing.keys import pesel_digit

_WOMEN = ("Anna", "Zofia", "Łucja", "Maria", "Żaneta", "Święcisława")
_MEN = ("Jan", "Piotr", "Józef", "Stanisław", "Zdzisław", "Bolesław")
_FAMILIES = (("Testowa", "Testowy"), ("Próbna-Testowa", "Próbny-Testowy"), ("Przykładowa-Testowa",) * 2)
_FIRST_BIRTH = date(2201, 1, 1)
_MONTHS_OF_23RD_CENTURY = 60  # what a PESEL adds to the month


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A resident who does not exist."""

    given_name: str
    second_name: str
    family_name: str
    born: date
    pesel: str

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given_name} {self.family_name}"

    @property
    def email(self) -> str:
        """An address for e-mail that leads nowhere (RFC 2606)."""
        return f"osoba{self.pesel}@example.org"


def person(seed: int) -> Person:
    """Return the resident of this number, the same one every time; numbers below 10,000 differ in their PESEL."""
    woman = seed % 2 == 0
    names = _WOMEN if woman else _MEN
    born = _FIRST_BIRTH + timedelta(days=seed * 7 % 30_000)
    serial = seed % 1000 * 10 + seed // 1000 * 2 % 10 + (0 if woman else 1)
    first = f"{born.year % 100:02}{born.month + _MONTHS_OF_23RD_CENTURY:02}{born.day:02}{serial:04}"
    return Person(
        given_name=names[seed % len(names)],
        second_name=names[(seed // len(names) + 1) % len(names)] if seed % 3 == 0 else "",
        family_name=_FAMILIES[seed % len(_FAMILIES)][0 if woman else 1],
        born=born,
        pesel=f"{first}{pesel_digit(first)}",
    )
