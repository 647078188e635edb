"""A configuration names a kind of store and gets one; nothing is opened before it is used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from adapters.stores import KINDS, MemoryStore, SqlStore, open_store
from adapters.testkit.stores.values import Hands, kept
from adapters.wire.kind import Surroundings
from broker.errors import ConfigError
from broker.parse import Limits


@pytest.fixture
def surroundings(tmp_path):
    return Surroundings(
        name="store", folder=tmp_path, clock=Hands(), ids=lambda: "id", text=str.encode, limits=Limits()
    )


def test_the_kinds_are_sql_and_memory(surroundings):
    assert set(KINDS) == {"sql", "memory"}
    assert isinstance(open_store("memory", {}, surroundings), MemoryStore)
    assert isinstance(open_store("sql", {}, surroundings), SqlStore)


def test_the_default_is_a_file_beside_the_configuration_made_on_first_use(surroundings):
    store = open_store("sql", {}, surroundings)
    file = surroundings.folder / "goniec.sqlite"
    assert not file.exists()
    kept(store)
    assert file.exists()
    store.close()


def test_sqlite_runs_on_the_clock_given(surroundings):
    store = open_store("sql", {"url": "sqlite:///here.sqlite"}, surroundings)
    letter = kept(store)
    assert store.show(letter.submission.id).events[0].at == surroundings.clock.now
    assert store.claim(timedelta(minutes=1)) == []
    store.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense"])
def test_a_url_that_promises_no_custody_is_a_configuration_error(surroundings, url):
    with pytest.raises(ConfigError):
        open_store("sql", {"url": url}, surroundings)


def test_unknown_settings_are_errors(surroundings):
    with pytest.raises(ValidationError):
        open_store("sql", {"uri": "sqlite:///a"}, surroundings)


def test_a_password_is_not_shown():
    assert "secret" not in repr(KINDS["sql"].settings(url="postgresql://me:secret@host/db"))
