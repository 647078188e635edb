"""`goniec list --overturned`: what was let in under a grace, and does not hold after all."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from adapters.testkit.stores.values import a_letter
from broker.ports import OVERTURNED
from config import bootstrap, settings
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"


def test_only_what_was_judged_otherwise_afterwards_is_listed(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    config = ["-c", tmp_path / "goniec.toml"]
    holds, fails = (replace(a_letter(), recheck=True) for _ in range(2))
    with closing(bootstrap.open_store(settings.load(config[1]))) as store:
        for letter, event in ((holds, "verify.confirmed"), (fails, OVERTURNED)):
            store.accept(letter)
            store.settle(letter.submission.id, event, "verify.revoked", b"{}")
    assert len(answer("list", *config)) == 2
    (listed,) = answer("list", *config, "--overturned")
    assert listed["submission"]["id"] == fails.submission.id
    assert answer("list", *config, "--overturned", "--office", "elsewhere") == []
    assert "Usage" in run("list", *config, "--overturned", "--refusals", status=2).stderr
