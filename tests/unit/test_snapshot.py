"""A snapshot follows its files, and keeps its last good value when they are wrong."""

from __future__ import annotations

import pytest

from broker.errors import ConfigError
from config.snapshot import Snapshot


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "table"
    file.write_text("one")
    return file


def reader(file):
    def read():
        if file.read_text() == "wrong":
            raise ConfigError(["row 1: wrong"])
        return file.read_text()

    return read


def test_it_follows_a_change(table):
    snapshot = Snapshot("table", [table], reader(table))
    table.write_text("another")
    snapshot.refresh()
    assert snapshot() == "another"


def test_it_makes_nothing_anew_when_nothing_changed(table):
    made = []
    snapshot = Snapshot("table", [table], lambda: made.append(1))
    snapshot.refresh()
    assert made == [1]


def test_a_wrong_file_leaves_the_old_value_and_a_mended_one_is_taken(table):
    snapshot = Snapshot("table", [table], reader(table))
    table.write_text("wrong")
    snapshot.refresh()
    assert snapshot() == "one"
    table.write_text("mended")
    snapshot.refresh()
    assert snapshot() == "mended"


def test_a_wrong_file_at_the_start_is_an_error(table):
    table.write_text("wrong")
    with pytest.raises(ConfigError):
        Snapshot("table", [table], reader(table))
