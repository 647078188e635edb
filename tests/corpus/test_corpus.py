"""Every document of the corpus gives what its name says, in the broker as the configuration wires it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.evidence import Indication
from broker.texts import TEXTS
from broker.verify.fault import VERDICTS, Fault
from tests.corpus.kept import LARGEST, ROOT, Kept, by_hand, kept, remember_keys
from tests.corpus.world import World

KEPT = kept()
SLICES = 8  # so that a few workers share them; a broker is set up once for each


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("corpus"))
    yield made
    made.broker.close()


@pytest.mark.parametrize("part", range(SLICES))
def test_each_kept_document_gives_the_code_in_its_name_and_its_verdict(part: int, world: World) -> None:
    wrong = []
    for it in KEPT[part::SLICES]:
        outcome = world.put(it.read(), it.box, it.revocation)
        if (outcome.code, outcome.indication) != (it.code, it.indication):
            wrong.append((it.path, outcome.code, outcome.indication))
    assert not wrong


def test_each_document_written_by_hand_gives_the_code_in_its_name(world: World) -> None:
    wrong = []
    for path in by_hand():
        reason = path.stem.partition("--")[0]
        outcome = world.put(path.read_bytes())
        # What is all right for one stage is refused by a later one: none of these is signed.
        right = (
            outcome.code == f"{path.parent.name}.{reason}"
            if reason != "ok"
            else (outcome.code.partition(".")[0] != path.parent.name)
        )
        if not right:
            wrong.append((path.name, outcome.code))
    assert not wrong


def test_names_indices_and_verdicts_agree() -> None:
    for it in KEPT:
        stage, _, rest = it.path.partition("/")
        if stage == "accepted":
            assert (it.code, it.indication) == ("accepted", "")
            continue
        reason = rest.rpartition("/")[2].partition("--")[0]
        assert it.code == f"{stage}.{reason}"
        assert it.code in TEXTS
        if stage == "verify":
            assert it.indication == Fault(it.code).indication != Indication.PASSED
            assert it.code in VERDICTS


def test_the_index_lists_the_files_and_no_others() -> None:
    listed = {it.path for it in KEPT} | {str(path.relative_to(ROOT)) for path in by_hand()}
    found = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.xml") if not {"pkits", "messages"} & {*path.parts}}
    assert found == listed


def test_there_are_more_than_500_documents_to_be_refused_and_no_two_are_the_same() -> None:
    refused = [it for it in KEPT if it.code != "accepted"] + [
        Kept(path=str(path.relative_to(ROOT)), code=path.stem) for path in by_hand() if not path.stem.startswith("ok--")
    ]
    assert len(refused) > 500
    assert len({it.path.rpartition("/")[2] for it in refused}) == len(refused)
    # One document, put into several boxes, may be there for several reasons.
    times = Counter((it.read(), it.box) for it in refused)
    assert max(times.values()) == 1
    assert max(len(it.read()) for it in refused) <= LARGEST


def test_the_corpus_is_no_larger_than_somebody_else_would_take() -> None:
    size = sum(
        path.stat().st_size for path in ROOT.rglob("*") if path.is_file() and path.suffix in (".xml", ".pem", ".json")
    )
    assert size < 5_000_000


def test_keys_are_worth_nothing_to_anybody() -> None:
    """They stand in the open: so nothing but the corpus may trust what they sign."""
    remember_keys()
    users = [
        path
        for folder in ("broker", "adapters", "config", "routing", "schemas")
        for path in (ROOT.parents[1] / folder).rglob("*.py")
        if "corpus" in _words(path)
    ]
    assert not users


def _words(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return " ".join(node.module or "" for node in imports)
