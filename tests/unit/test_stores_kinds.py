"""A configuration names a kind of store and gets one; nothing is opened before it is used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from adapters.stores import KINDS, MemoryStore, SqlStore, examine, open_store, store_url
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
    assert "secret" not in KINDS["sql"].settings(url="postgresql://me:secret@host/db").model_dump_json()


def url_of(surroundings, **settings):
    return make_url(store_url(KINDS["sql"].settings(**settings), surroundings))


def test_the_password_of_the_database_comes_from_a_file_or_the_environment(surroundings, monkeypatch):
    (surroundings.folder / "it").write_text("p@ss:w/rd ż\n", encoding="utf-8")
    assert url_of(surroundings, url="postgresql://me@host/db", password_file="it").password == "p@ss:w/rd ż"
    monkeypatch.setenv("PLANTED", "x")
    assert url_of(surroundings, url="postgresql://me@host/db", password_variable="PLANTED").password == "x"
    assert url_of(surroundings, url="postgresql://me@host/db").password is None
    assert url_of(surroundings, url="postgresql://me@host/db?password=y&a=b").password == "y"


@pytest.mark.parametrize("url", ["postgresql://me:secret@host/db", "sqlite:///here.sqlite"])
def test_a_password_that_has_no_place_is_a_configuration_error(surroundings, url):
    (surroundings.folder / "it").write_text("x")
    with pytest.raises(ConfigError, match="password") as wrong:
        open_store("sql", {"url": url, "password_file": "it"}, surroundings)
    assert "secret" not in str(wrong.value)


def test_every_encryption_key_that_cannot_be_used_is_told(surroundings, monkeypatch):
    (surroundings.folder / "good").write_text("ab" * 32)
    (surroundings.folder / "bad").write_text("secret")
    monkeypatch.delenv("PLANTED", raising=False)
    with pytest.raises(ConfigError) as wrong:
        open_store("sql", {"encryption_keys": ["bad", "good", "none", "env:PLANTED"]}, surroundings)
    assert [problem.partition(":")[0] for problem in wrong.value.problems] == [
        "encryption_keys.0",
        "encryption_keys.2",
        "encryption_keys.3",
    ]
    assert "secret" not in str(wrong.value)


def test_a_store_with_keys_keeps_nothing_in_clear(surroundings, monkeypatch):
    (surroundings.folder / "one").write_text("ab" * 32)
    monkeypatch.setenv("PLANTED", "cd" * 32)
    store = open_store("sql", {"encryption_keys": ["env:PLANTED", "one"]}, surroundings)
    letter = kept(store, b"<letter>secret</letter>")
    assert store.document(letter.submission.id) == letter.document
    store.close()
    assert all(b"secret" not in file.read_bytes() for file in surroundings.folder.glob("goniec.sqlite*"))
    with pytest.raises(ConfigError, match="under the key"):
        open_store("sql", {"encryption_keys": ["one"]}, surroundings).stats()


def test_examining_a_store_that_is_not_there_makes_none(surroundings):
    examine(KINDS["sql"].settings(), surroundings)
    assert list(surroundings.folder.iterdir()) == []
