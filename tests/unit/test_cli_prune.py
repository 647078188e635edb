"""`goniec prune` and `goniec hold`: what goes is told beforehand, what is held stays, and `show` says what is gone."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.testkit.pki import Pki
from adapters.testkit.stores.values import NOON, a_refusal, kept
from config import bootstrap, clock, settings
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"
AGO = clock.now() - timedelta(days=60)


@pytest.fixture
def office(tmp_path):
    """A configuration by which content is kept for thirty days, with one old and one new document."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "goniec.toml"
    text = file.read_text()
    file.write_text(
        text.replace('# default = "forever"', 'default = "P30D"').replace('# refusals = "forever"', 'refusals = "P30D"')
    )
    store = bootstrap.open_store(settings.load(file))
    old, new = (kept(store, b"<letter/>", trial=True, accepted_at=at) for at in (AGO, clock.now()))
    store.refuse(a_refusal(at=NOON))
    store.close()
    return ["-c", file], old.submission.id, new.submission.id


def test_a_dry_run_says_what_would_go_and_changes_nothing(office):
    config, old, _ = office
    expected = [{"office": "town-hall", "form": "pismo-ogolne/1410", "submissions": 1, "bytes": 9}]
    for _ in range(2):
        assert answer("prune", *config, "--dry-run") == {"dry_run": True, "due": expected}
    assert "pismo-ogolne/1410" in run("prune", *config, "--dry-run").stdout
    assert run("show", *config, "--document", old).stdout_bytes == b"<letter/>"


def test_what_is_over_goes_and_show_says_when(office):
    config, old, new = office
    assert answer("prune", *config) == {"dry_run": False, "pruned": 1, "bytes": 9, "refusals": 1}
    assert "pruned  0 submissions" in run("prune", *config).stdout
    assert run("show", *config, "--document", new).stdout_bytes == b"<letter/>"
    said = run("show", *config, "--document", old, status=1).stderr
    assert f"its content was removed on {clock.now():%Y-%m-%d}" in said
    assert "content     removed 2" in run("show", *config, old).stdout


def test_what_is_held_stays_until_it_is_released(office):
    config, old, _ = office
    assert answer("hold", *config, old, "--reason", "court", "--release", status=1)["done"] is False
    assert answer("hold", *config, old, "--reason", "court") == {"submission": old, "held": True, "done": True}
    assert answer("prune", *config)["pruned"] == 0
    assert run("hold", *config, old, "--reason", "over", "--release").stdout == f"released  {old}\n"
    assert answer("prune", *config)["pruned"] == 1
    assert "cannot be held" in run("hold", *config, old, "--reason", "late", status=1).stdout
    assert "court" in run("show", *config, old).stdout


def test_what_is_to_be_held_is_named_by_any_id_and_a_typo_is_no_word_on_its_content(office):
    config, old, _ = office
    told = answer("show", *config, old)
    for name in (told["receipt"]["id"], told["submission"]["digest"]):
        assert answer("hold", *config, name, "--reason", "court")["submission"] == old
    done = run("hold", *config, f"{old}x", "--reason", "court", status=1)
    assert (done.stdout, done.stderr.split()[:4]) == ("", ["goniec:", "no", "submission", f"{old}x"])


def test_check_warns_of_rules_about_forms_and_offices_that_are_not_there(office):
    config, _, _ = office
    file = config[1]
    Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256").write(file.parent / "pki")
    rules = [("pismo-ogolne", ""), ("pismo-ogolne/1410", ""), ("pismo-ogolny", ""), ("", "um-nowhere")]
    file.write_text(
        file.read_text()
        + "".join(f'[[retention.rules]]\nkeep = "P1D"\nform = "{form}"\noffice = "{name}"\n' for form, name in rules)
    )
    warnings = [one for one in answer("check", *config)["warnings"] if one.startswith("retention")]
    assert warnings == [
        "retention.rules.2.form: pismo-ogolny: no such form now",
        "retention.rules.3.office: um-nowhere: no such office now",
    ]
