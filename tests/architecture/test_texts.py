"""Every code has its words, in both languages, and every word has a code that is used."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from string import Formatter

import pytest

from broker.errors import Rejection
from broker.texts import TEXTS, explain, hint

ROOT = Path(__file__).resolve().parents[2]
STAGES = {
    "parse": range(100, 200),
    "validate": range(200, 300),
    "verify": (*range(300, 400), *range(1100, 1150)),
    "route": range(400, 500),
    "admit": range(500, 600),
    "intake": range(600, 650),
    "receipt": range(800, 850),
    "container": range(850, 880),
    "reconcile": range(880, 900),
    "soap": range(700, 750),
    "amqp": range(750, 790),
    "directory": range(790, 800),
    "broker": range(900, 1000),
    "partner": range(1000, 1050),
    "wss": range(1050, 1100),
}
CODE = re.compile(rf"[\"']((?:{'|'.join(STAGES)})\.[a-z0-9]+(?:-[a-z0-9]+)*)[\"']")
SOURCES = [
    file
    for folder in ("broker", "adapters", "routing", "schemas", "config")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if "texts" not in file.parts and "testkit" not in file.parts
]
# What the store writes into its events, and a file of a container, share the stages' prefixes, and are no codes either.
EVENTS = {"intake.refused", "receipt.xml"}
# Codes that are put together: the reasons why a row was not taken (`routing/explain.py`).
MADE = ("route.row-",)


def used() -> dict[str, str]:
    return {code: file.name for file in SOURCES for code in CODE.findall(file.read_text(encoding="utf-8"))}


def logged(source: str) -> set[str]:
    """The events of the log share the stages' prefixes, and are no codes."""
    return set(re.findall(r"\.(?:debug|info|warning|error|exception|log)\(\s*(?:\w+,\s*)?[\"']([a-z.-]+)[\"']", source))


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_a_text_says_it_in_both_languages_under_a_number_of_its_stage(code):
    text = TEXTS[code]
    assert text.number in STAGES[code.partition(".")[0]]
    assert text.pl.strip()
    assert text.en.strip()
    assert bool(text.hint_pl) == bool(text.hint_en)


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_both_languages_have_the_same_gaps(code):
    text = TEXTS[code]
    gaps = [Counter(name for _, name, _, _ in Formatter().parse(words) if name) for words in (text.pl, text.en)]
    assert set(gaps[0]) == set(gaps[1])


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_a_text_can_be_told_even_when_a_fact_is_missing(code):
    assert explain(Rejection(code), "pl")
    assert explain(Rejection(code), "en")
    assert isinstance(hint(code, "pl"), str)


def test_numbers_are_given_once():
    counted = Counter(text.number for text in TEXTS.values())
    assert [number for number, times in counted.items() if times > 1] == []


def test_every_code_that_the_source_uses_has_words():
    events = set().union(*(logged(file.read_text(encoding="utf-8")) for file in SOURCES))
    assert {code: file for code, file in used().items() if code not in TEXTS and code not in events | EVENTS} == {}


def test_no_text_is_left_that_nothing_uses():
    assert sorted(code for code in set(TEXTS) - set(used()) if not code.startswith(MADE)) == []
