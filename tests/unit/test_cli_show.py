"""`goniec show` by whatever names a submission, and of what is only partly kept (docs/how-to/retention.md)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.testkit.pki import Pki
from adapters.testkit.stores.values import a_letter, kept
from config import bootstrap, settings
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"


@pytest.fixture
def removed(tmp_path):
    """A submission whose content was removed, as the words by which it is shown."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    store = bootstrap.open_store(settings.load(tmp_path / "goniec.toml"))
    letter = kept(store)
    store.close()
    with closing(sqlite3.connect(tmp_path / "goniec.sqlite")) as connection, connection:
        assert connection.execute("DELETE FROM content").rowcount == 1
    return ["-c", tmp_path / "goniec.toml", letter.submission.id]


@pytest.mark.parametrize("part", ["--document", "--report", "--report-xml", "--later-report", "--stamped"])
def test_a_part_that_is_not_kept_is_told_so(removed, part):
    done = run("show", *removed, part, status=1)
    assert (done.stdout, "is kept of" in done.stderr) == ("", True)


def test_the_rest_is_shown_as_before(removed):
    assert answer("show", *removed)["report"] is None
    assert "intake.accepted" in run("show", *removed).stdout
    assert run("show", *removed, "--receipt").stdout_bytes


@pytest.fixture
def place(tmp_path):
    """The example configuration with keys of its own, and a store of it."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256").write(tmp_path / "pki")
    with closing(bootstrap.open_store(settings.load(tmp_path / "goniec.toml"))) as store:
        yield ["-c", tmp_path / "goniec.toml"], store


@pytest.mark.parametrize("command", ["show", "trace"])
def test_every_id_and_the_digest_of_the_document_name_a_submission(place, command):
    config, store = place
    letter = kept(store)
    it = letter.submission
    for word in (it.id, letter.receipt.id, letter.deliveries[0].id, it.digest, it.digest.upper()):
        assert f"submission  {it.id}\n" in run(command, *config, word).stdout
    assert "no submission 0000" in run(command, *config, "00" * 32, status=1).stderr


@pytest.mark.parametrize("command", ["show", "trace", "export"])
def test_where_a_digest_names_several_they_are_listed_and_nothing_else_is_said(place, command):
    config, store = place
    letters = [a_letter(sender=sender, digest="ab" * 32) for sender in ("one", "two")]
    for letter in letters:
        store.accept(letter)
    done = run(command, *config, "ab" * 32, status=2)
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if line.startswith("goniec: ")][1:] == [
        f"goniec: {letter.submission.id}" for letter in reversed(letters)
    ]
