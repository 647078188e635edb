"""Each fuzzer's body holds for what was ever kept of it, for its seeds, and for what hypothesis makes of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.model import Envelope
from tests.fuzz import messages, octets, parsing, verifying
from tests.fuzz.changes import CHANGES, change

FUZZERS = {module.__name__.rpartition(".")[2]: module for module in (parsing, verifying, messages, octets)}
KEPT = Path(__file__).parent / "corpus"
names = st.sampled_from(sorted(FUZZERS))


@cache
def seeds(name: str) -> tuple[bytes, ...]:
    return tuple(FUZZERS[name].seeds())


@pytest.fixture(scope="module", autouse=True)
def _seeds_are_made() -> None:
    """Made before hypothesis begins to measure how long an input takes to make."""
    for name in FUZZERS:
        assert seeds(name)
    assert verifying.truths()


def kept(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((KEPT / name).iterdir())]


@pytest.mark.parametrize("name", sorted(FUZZERS))
def test_what_was_kept_is_answered(name: str) -> None:
    inputs = kept(name)
    assert inputs
    for data in inputs:
        FUZZERS[name].body(data)


@pytest.mark.parametrize("name", sorted(set(FUZZERS) - {"verifying"}))  # its seeds are tests/corpus, tried there
def test_seeds_are_answered(name: str) -> None:
    for data in seeds(name):
        FUZZERS[name].body(data)


@st.composite
def inputs(draw: st.DrawFn) -> tuple[ModuleType, bytes]:
    """A seed with pieces cut out, doubled, replaced or taken from another seed; or whatever octets."""
    name = draw(names)
    data = draw(st.sampled_from(seeds(name)) | st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 4))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 60))
        other = draw(st.sampled_from(seeds(name)))
        begin = draw(st.integers(0, len(other)))
        new = draw(
            st.sampled_from([b"", data[at : at + size] * 2, other[begin : begin + size]]) | st.binary(max_size=4)
        )
        data = data[:at] + new + data[at + size :]
    return FUZZERS[name], data


@settings(max_examples=300)
@given(inputs())
def test_whatever_comes_is_answered(attempt: tuple[ModuleType, bytes]) -> None:
    fuzzer, data = attempt
    fuzzer.body(data)


@settings(max_examples=200)
@given(
    choice=st.integers(0, 65_535),
    steps=st.lists(
        st.tuples(st.integers(0, len(CHANGES) - 1), st.integers(0, 65_535), st.integers(0, 65_535)), max_size=6
    ),
)
def test_no_change_that_knows_signatures_is_taken_for_what_was_signed(
    choice: int, steps: list[tuple[int, int, int]]
) -> None:
    recipe = bytes([1]) + choice.to_bytes(2, "little")
    for kind, where, what in steps:
        recipe += bytes([kind]) + where.to_bytes(2, "little") + what.to_bytes(2, "little")
    verifying.body(recipe)


# ── that the fuzzers would notice ──


def test_the_verifier_s_fuzzer_notices_a_document_that_nobody_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    document = verifying.documents()[0]
    assert verifying.judged(document) is not None
    monkeypatch.setattr(verifying, "truths", frozenset)
    with pytest.raises(AssertionError, match="nobody signed this"):
        verifying.body(document)


def test_signed_messages_among_the_seeds_are_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[object] = []
    meaning = messages.meaning

    def noted(envelope: Envelope) -> tuple[object, ...]:
        taken.append(envelope)
        return meaning(envelope)

    monkeypatch.setattr(messages, "meaning", noted)
    for data in seeds("messages"):
        if data.startswith(b"8"):
            messages.body(data)
    assert taken


def test_every_kind_of_change_changes_something() -> None:
    documents = [it for it in verifying.documents() if b"X509IssuerName" in it][:1]
    plain = change(bytes([1, 0, 0]), documents)
    for kind in range(len(CHANGES)):
        recipes = (bytes([1, 0, 0, kind, where, 0, what, 0]) for where in range(2, 30) for what in range(1, 9, 3))
        assert any(change(recipe, documents) != plain for recipe in recipes), CHANGES[kind].__name__
