"""The keys that name an office or a person in Poland, and how far each can be checked.

What must live here: patterns and check digits, nothing about tables.  A key is a string, because leading zeros
matter.  A check tells a problem (the key cannot be right) from a warning (it fails a rule that no official text
states, or is unusual).  Sources: NIP and REGON by the regulations on the registers of taxpayers and of the
national economy, PESEL by the act on population registration, TERYT by the register TERC of GUS; the check digits
of ADE and of the 14-digit REGON are observed, not published, so failing them is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

_NIP_WEIGHTS = (6, 5, 7, 2, 3, 4, 5, 6, 7)
_REGON_WEIGHTS = (8, 9, 2, 3, 4, 5, 6, 7)
_REGON14_WEIGHTS = (2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8)
_PESEL_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
_PESEL_CENTURIES = {80: 1800, 0: 1900, 20: 2000, 40: 2100, 60: 2200}  # what is added to the month
_IMPOSSIBLE = 10  # a NIP whose weighted sum leaves this remainder is never given out
_TERYT_LENGTHS = (2, 4, 7)  # voivodeship, county, commune
_COMMUNE = 7
_REGON_SHORT, _REGON_LONG = 9, 14

_DIGITS = re.compile(r"[0-9]+")
_ADE = re.compile(r"AE:PL-([0-9]{5})-([0-9]{5})-([A-JR-W]{5})-([0-9]{2})")
_BOX = re.compile(r"/[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a key is worth: at most one of the two is set."""

    problem: str = ""
    warning: str = ""

    @property
    def passed(self) -> bool:
        """Whether the key can be right."""
        return not self.problem


SOUND = Check()


def bare(key: str) -> str:
    """Return a NIP or REGON without the spaces and hyphens that people write into it."""
    return "".join(key.split()).replace("-", "")


def nip(key: str) -> Check:
    """Check a taxpayer's number: ten digits, the last one checks the others."""
    if not _digits(key, 10):
        return Check(problem="a NIP has 10 digits")
    return SOUND if nip_digit(key[:9]) == int(key[9]) else Check(problem="the check digit of the NIP is wrong")


def nip_digit(first: str) -> int | None:
    """Return the check digit for nine digits, or None: no NIP begins with them."""
    rest = _weighted(first, _NIP_WEIGHTS) % 11
    return None if rest == _IMPOSSIBLE else rest


def regon(key: str) -> Check:
    """Check a REGON: nine digits name an entity, fourteen one of its units."""
    if not (_digits(key, _REGON_SHORT) or _digits(key, _REGON_LONG)):
        return Check(problem="a REGON has 9 or 14 digits")
    if regon_digit(key[:8]) != int(key[8]):
        return Check(problem="the check digit of the REGON (the 9th) is wrong")
    if len(key) == _REGON_LONG and _weighted(key, _REGON14_WEIGHTS) % 11 % 10 != int(key[13]):
        return Check(warning="the last digit of the 14-digit REGON does not check")
    return SOUND


def regon_digit(first: str) -> int:
    """Return the check digit for the first eight digits."""
    return _weighted(first, _REGON_WEIGHTS) % 11 % 10


def pesel(key: str) -> Check:
    """Check a person's number: a possible date of birth, a serial number, a check digit."""
    if not _digits(key, 11):
        return Check(problem="a PESEL has 11 digits")
    if birth(key) is None:
        return Check(problem="the PESEL begins with no date")
    return SOUND if pesel_digit(key[:10]) == int(key[10]) else Check(problem="the check digit of the PESEL is wrong")


def pesel_digit(first: str) -> int:
    """Return the check digit for the first ten digits."""
    return (10 - _weighted(first, _PESEL_WEIGHTS) % 10) % 10


def birth(key: str) -> date | None:
    """Return the date of birth that a PESEL begins with; None if it is no date."""
    year, month, day = int(key[:2]), int(key[2:4]), int(key[4:6])
    shift = month // 20 * 20
    try:
        return date(_PESEL_CENTURIES[shift] + year, month - shift, day)
    except (KeyError, ValueError):
        return None


def krs(key: str) -> Check:
    """Check a number of the National Court Register: ten digits, no check digit."""
    return SOUND if _digits(key, 10) else Check(problem="a KRS number has 10 digits")


def teryt(key: str) -> Check:
    """Check the code of a territory: 2 digits voivodeship, 4 county, 7 commune with its kind as the last one."""
    if not any(_digits(key, length) for length in _TERYT_LENGTHS):
        return Check(problem="a TERYT code has 2, 4 or 7 digits")
    if len(key) == _COMMUNE and key[-1] in "45":
        return Check(warning="the code names a part of a mixed commune; its office has the code that ends in 3")
    if len(key) == _COMMUNE and key[-1] not in "123":
        return Check(warning="the 7th digit of a commune's TERYT code is 1, 2 or 3")
    return SOUND


def seat(code: str) -> str:
    """Return the code of the commune that has the office: parts of a mixed commune (4, 5) belong to 3."""
    return f"{code[:-1]}3" if len(code) == _COMMUNE and code[-1] in "45" else code


def ade(key: str) -> Check:
    """Check an address for electronic delivery."""
    parts = _ADE.fullmatch(key)
    if parts is None:
        return Check(problem="an e-delivery address looks like AE:PL-12345-12345-ABCDE-12")
    first, second, letters, check = parts.groups()
    if ade_digits(first, second, letters) != check:
        return Check(warning="the last two digits of the e-delivery address do not check")
    return SOUND


def ade_digits(first: str, second: str, letters: str) -> str:
    """Return the two check digits for the parts of an e-delivery address."""
    number = abs(int(first) + int(second) - sum(map(ord, letters)))
    return f"{sum(map(int, str(number))):02}"


def box(key: str) -> Check:
    """Check the address of a box (skrytka)."""
    return SOUND if _BOX.fullmatch(key) else Check(problem="a box address looks like /office/box")


CHECKS: Mapping[str, Callable[[str], Check]] = {
    "nip": nip,
    "regon": regon,
    "pesel": pesel,
    "krs": krs,
    "teryt": teryt,
    "ade": ade,
    "box": box,
}


def _digits(key: str, length: int) -> bool:
    """Whether the key is so many ASCII digits (`str.isdigit` also takes those of other scripts)."""
    return len(key) == length and _DIGITS.fullmatch(key) is not None


def _weighted(key: str, weights: tuple[int, ...]) -> int:
    """Return the weighted sum of as many leading digits as there are weights."""
    return sum(weight * int(digit) for weight, digit in zip(weights, key, strict=False))
