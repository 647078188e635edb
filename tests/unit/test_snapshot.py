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


def test_what_is_saved_while_a_change_is_read_is_a_change_too(table):
    saves = iter(["third"])

    def read():
        found = table.read_text()
        for save in saves if found == "second" else ():
            table.write_text(save)
        return found

    snapshot = Snapshot("table", [table], read)
    table.write_text("second")
    snapshot.refresh()
    assert snapshot() == "second"
    snapshot.refresh()
    assert snapshot() == "third"


def test_files_that_are_named_anew_are_watched_from_then_on(tmp_path, table):
    named = tmp_path / "named"
    named.write_text("first")
    files = [table]

    def read():
        if table.read_text() == named.name:
            files[1:] = [named]
        return named.read_text()

    snapshot = Snapshot("table", lambda: files, read)
    table.write_text(named.name)
    snapshot.refresh()
    named.write_text("other")
    snapshot.refresh()
    assert snapshot() == "other"


def test_while_the_files_are_wrong_the_first_value_is_the_one_of_before_and_that_is_told(table, capsys):
    table.write_text("wrong")
    snapshot = Snapshot("table", [table], reader(table), first=lambda: "before")
    assert (snapshot(), capsys.readouterr().out) == ("before", "")
    snapshot.refresh()
    snapshot.refresh()
    assert (snapshot(), capsys.readouterr().out.count("snapshot.kept-old")) == ("before", 1)
    table.write_text("mended")
    snapshot.refresh()
    assert snapshot() == "mended"


def test_the_value_of_before_is_none_where_the_files_are_right(table):
    assert Snapshot("table", [table], reader(table), first=lambda: "before")() == "one"


def test_a_wrong_file_at_the_start_is_an_error(table):
    table.write_text("wrong")
    with pytest.raises(ConfigError):
        Snapshot("table", [table], reader(table))
