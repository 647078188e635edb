"""A broker that runs while its store is brought to a layout that is not for it any more ends as it was taught to."""

from __future__ import annotations

import sqlite3

import pytest

from adapters.stores.sql import layout
from broker.errors import Unavailable
from config.demo.site import STOPPING
from tests.commands import run

TOO_OLD = "it is too old, put the newer version in its place"


def test_a_broker_whose_version_was_dropped_finishes_its_work_ends_and_does_not_start_again(town):
    documents = [town.letter(number) for number in range(3)]
    for document in documents:
        town.put(document)
    database = sqlite3.connect(town.site.folder / "goniec.sqlite")
    later = f"{int(layout.newest()) + 1:04}"
    with database:
        database.execute("UPDATE alembic_version SET version_num = ?", [later])
        database.execute("UPDATE layouts SET oldest = ?, newest = ?", [later, later])
    assert town.serving.process.wait(STOPPING.total_seconds()) == 2
    said = (town.site.folder / "stderr.txt").read_text()
    assert TOO_OLD in said
    assert "serve.outdated" in town.log()
    assert "serve.stopped" in town.log()
    with pytest.raises(Unavailable, match=TOO_OLD):
        town.site.start()
    for command in (("list",), ("migrate",), ("migrate", "--check")):
        assert TOO_OLD in run(*command, "-c", town.site.configuration, status=2).stderr
    with database:
        database.execute("UPDATE layouts SET oldest = ?", [layout.newest()])
    database.close()
    with town.site.start():
        assert town.put(documents[0]).answer()
        town.settle()
    assert sorted(one.document for one in town.dms.received) == sorted(documents)
