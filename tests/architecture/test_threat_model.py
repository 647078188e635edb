"""Every test that the threat model names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/explanation/threat-model.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


def test_the_page_names_tests():
    assert len(NAMED) > 30


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_is_said_to_be_shown_is_shown(file, name):
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_row_of_an_attack_names_a_test():
    attacks = PAGE.partition("## Attacks")[2].partition("## What remains")[0]
    rows = [line for line in attacks.splitlines() if line.startswith("| ") and not line.startswith("| attack ")]
    assert rows
    assert all("`tests/" in row for row in rows)
