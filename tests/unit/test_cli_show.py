"""`goniec show` of what is only partly kept: content whose time had come was removed (docs/how-to/retention.md)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.testkit.stores.values import kept
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
