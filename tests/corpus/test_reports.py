"""What is said of a kept document stays the same, to the letter."""

from __future__ import annotations

import pytest

from tests.corpus.reports import documents, known, said_of

KNOWN = known()
SLICE = 15


def test_something_is_kept_of_every_document() -> None:
    assert set(documents()) == set(KNOWN)


@pytest.mark.parametrize("first", range(0, len(KNOWN), SLICE))
def test_of_each_document_the_same_is_said_as_when_it_was_written(first: int) -> None:
    paths = sorted(KNOWN)[first : first + SLICE]
    assert {path: said_of(path) for path in paths} == {path: KNOWN[path] for path in paths}
