"""The keys that name an office: what passes, what does not, and what is only doubtful."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import keys

digits = st.text("0123456789", min_size=0, max_size=16)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("nip", "5480018504"),
        ("regon", "000515709"),
        ("ade", "AE:PL-55754-97181-CHDVR-19"),
        ("box", "/u390efc0tm/SEKAP"),
        ("teryt", "24"),
        ("teryt", "2403"),
        ("teryt", "2403011"),
        ("krs", "0000000001"),
        ("pesel", "44051401359"),
    ],
)
def test_a_sound_key_has_neither_problem_nor_warning(kind: str, key: str) -> None:
    assert keys.CHECKS[kind](key) == keys.SOUND


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("nip", "548001850"),
        ("nip", "5480018505"),
        ("nip", "548-00-18-504"),
        ("nip", "٥٤٨٠٠١٨٥٠٤"),
        ("regon", "000515700"),
        ("regon", "0005157091"),
        ("pesel", "44051401358"),
        ("pesel", "44023001359"),
        ("pesel", "44000001359"),
        ("krs", "000000001"),
        ("teryt", "240301"),
        ("teryt", ""),
        ("ade", "AE:PL-55754-97181-CHDVX-19"),
        ("ade", "AE:PL-55754-97181-chdvr-19"),
        ("box", "/only-office"),
        ("box", "/a/b/c"),
        ("box", "/a/b\n"),
        ("box", "/ą/b"),
        ("box", f"/a/{'x' * 101}"),
    ],
)
def test_a_key_that_cannot_be_right_is_a_problem(kind: str, key: str) -> None:
    check = keys.CHECKS[kind](key)
    assert check.problem
    assert not check.passed


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("ade", "AE:PL-55754-97181-CHDVR-20"),
        ("teryt", "2409024"),
        ("teryt", "2409025"),
        ("teryt", "2409020"),
        ("regon", "00051570900001"),
    ],
)
def test_a_rule_without_an_official_text_only_warns(kind: str, key: str) -> None:
    check = keys.CHECKS[kind](key)
    assert check.warning
    assert check.passed


def test_the_parts_of_a_mixed_commune_belong_to_its_office() -> None:
    assert keys.seat("2409024") == keys.seat("2409025") == keys.seat("2409023") == "2409023"
    assert keys.seat("2404") == "2404"


def test_no_nip_has_the_check_value_ten() -> None:
    impossible = next(f"{number:09}" for number in range(1000) if keys.nip_digit(f"{number:09}") is None)
    assert all(keys.nip(f"{impossible}{digit}").problem for digit in range(10))


@pytest.mark.parametrize(
    ("key", "born"),
    [
        ("44051401359", date(1944, 5, 14)),
        ("00210100000", date(2000, 1, 1)),
        ("99925000000", None),
        ("99813100000", date(1899, 1, 31)),
        ("00410100000", date(2100, 1, 1)),
        ("00610100000", date(2200, 1, 1)),
    ],
)
def test_the_month_of_a_pesel_tells_the_century(key: str, born: date | None) -> None:
    assert keys.birth(key) == born


def test_hyphens_and_spaces_that_people_write_are_taken_out() -> None:
    assert keys.bare(" 548-001-85 04\u00a0") == "5480018504"


@given(st.text("0123456789", min_size=9, max_size=9))
def test_exactly_one_last_digit_makes_a_nip_unless_none_does(first: str) -> None:
    sound = [digit for digit in range(10) if keys.nip(f"{first}{digit}").passed]
    assert sound == ([] if keys.nip_digit(first) is None else [keys.nip_digit(first)])


@given(st.text("0123456789", min_size=8, max_size=8))
def test_exactly_one_last_digit_makes_a_regon(first: str) -> None:
    assert [digit for digit in range(10) if keys.regon(f"{first}{digit}").passed] == [keys.regon_digit(first)]


@given(st.dates(date(1800, 1, 1), date(2299, 12, 31)), st.integers(0, 9999))
def test_every_date_of_five_centuries_makes_a_pesel_that_tells_it(born: date, serial: int) -> None:
    month = born.month + {18: 80, 19: 0, 20: 20, 21: 40, 22: 60}[born.year // 100]
    first = f"{born.year % 100:02}{month:02}{born.day:02}{serial:04}"
    key = f"{first}{keys.pesel_digit(first)}"
    assert keys.pesel(key) == keys.SOUND
    assert keys.birth(key) == born


@given(st.one_of(digits, st.text()))
def test_no_text_whatever_makes_a_check_fall_over(text: str) -> None:
    for check in keys.CHECKS.values():
        found = check(text)
        assert not (found.problem and found.warning)
