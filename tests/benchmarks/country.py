"""As many offices as a country has: those of the demo, and copies of them under other keys.

A copy's NIP, REGON and codes satisfy their check digits and belong to nobody; its territory is a code that TERC does
not give out.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Final

from broker.model import OfficeId
from config.demo.offices import DemoOffice, offices
from routing import keys

_VOIVODESHIP: Final = 40  # the first of the two-digit codes that no voivodeship has


def many(number: int) -> list[DemoOffice]:
    """Return so many offices, no two with a key in common."""
    demo = offices()
    nips = (first for it in count(500_000) if keys.nip_digit(first := f"{it:09}") is not None)
    return [
        *demo[:number],
        *(_copy(demo[it % len(demo)], it, next(nips)) for it in range(len(demo), number)),
    ]


def _copy(office: DemoOffice, number: int, nip: str) -> DemoOffice:
    regon, first = f"{98_000_000 + number:08}", f"{number:05}"
    return replace(
        office,
        id=OfficeId(f"office-{number:04}"),
        kind="gmina_miejska",
        teryt=f"{_VOIVODESHIP + number // 9_000:02}{number % 9_000 // 100:02}{number % 100:02}1",
        nip=f"{nip}{keys.nip_digit(nip)}",
        regon=f"{regon}{keys.regon_digit(regon)}",
        ade=f"AE:PL-{first}-00000-TESTS-{keys.ade_digits(first, '00000', 'TESTS')}",
        box=f"/office-{number:04}/SEKAP",
        synthetic=frozenset({"nip", "regon", "ade", "box"}),
    )
