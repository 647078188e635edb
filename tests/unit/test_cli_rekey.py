"""`goniec rekey`, and what `goniec check` says of the keys of the store."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.testkit.pki import Pki
from adapters.testkit.stores.values import kept
from config import bootstrap, settings
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"
PKI = Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256")
PLANTED = b"<letter>44051401359</letter>"


@pytest.fixture
def place(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    PKI.write(tmp_path / "pki")
    for name, digits in (("old", "ab"), ("new", "cd")):
        (tmp_path / name).write_text(digits * 32)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def with_keys(place, *keys):
    text = (EXAMPLE / "goniec.toml").read_text(encoding="utf-8")
    names = ", ".join(f'"{key}"' for key in keys)
    text = text.replace("# encryption_keys = []", f"encryption_keys = [{names}]")
    (place / "goniec.toml").write_text(text, encoding="utf-8")
    return ["-c", place / "goniec.toml"]


def keep(place, count=3):
    given = settings.load(place / "goniec.toml")
    store = bootstrap.open_store(given)
    letters = [kept(store, PLANTED, office=next(iter(given.offices))) for _ in range(count)]
    store.close()
    return letters


def document(config, letter):
    return run("show", *config, letter.submission.id, "--document").stdout_bytes


def test_all_content_goes_under_the_first_key_and_the_old_one_can_go(place):
    with_keys(place)
    before = keep(place)
    with_keys(place, "old")
    before += keep(place)
    config = with_keys(place, "new", "old")
    assert answer("rekey", *config) == {"rekeyed": True}
    assert run("rekey", *config).stdout == "All content is under the first key.\n"  # and again, for nothing
    assert all(PLANTED not in file.read_bytes() for file in place.glob("goniec.sqlite*"))
    config = with_keys(place, "new")
    assert [document(config, letter) for letter in before] == [PLANTED] * 6
    assert answer("check", *config)["ok"]


def test_while_somebody_reads_what_lay_in_clear_is_said_to_be_there_still(place):
    with_keys(place)
    keep(place)
    config = with_keys(place, "new")
    with closing(sqlite3.connect(place / "goniec.sqlite", isolation_level=None)) as broker:  # as one that serves
        broker.execute("BEGIN")
        broker.execute("SELECT count(*) FROM content").fetchone()
        assert "run it again" in run("rekey", *config, status=2).stderr
        broker.execute("ROLLBACK")
        assert answer("rekey", *config) == {"rekeyed": True}
        assert all(PLANTED not in file.read_bytes() for file in place.glob("goniec.sqlite*"))


@pytest.mark.parametrize("keys", [(), ("new",)])
def test_check_tells_that_a_key_is_not_at_hand(place, keys):
    with_keys(place, "old")
    (letter, *_) = keep(place)
    (problem,) = answer("check", *with_keys(place, *keys), status=1)["problems"]
    assert problem.startswith("store: encryption_keys: the store holds content under the key ")
    done = run("show", "-c", place / "goniec.toml", letter.submission.id, "--document", status=2)
    assert "under the key" in done.stderr
    assert answer("check", *with_keys(place, "new", "old"))["ok"]


def test_check_makes_no_store_and_notes_no_key(place):
    assert answer("check", *with_keys(place, "old"))["ok"]
    assert not list(place.glob("goniec.sqlite*"))
    keep(place)
    assert answer("check", *with_keys(place, "new", "old"))["ok"]
    assert answer("check", *with_keys(place, "old"))["ok"]


def test_rekey_without_a_key_cannot_be_done(place):
    with_keys(place)
    keep(place)
    assert "encryption_keys" in run("rekey", *with_keys(place), status=2).stderr


def test_a_store_that_forgets_has_nothing_to_rekey(place):
    config = with_keys(place)
    text = (place / "goniec.toml").read_text(encoding="utf-8").replace("encryption_keys = []", "")
    (place / "goniec.toml").write_text(text.replace('kind = "sql"', 'kind = "memory"', 1), encoding="utf-8")
    assert "store.kind" in run("rekey", *config, status=2).stderr
