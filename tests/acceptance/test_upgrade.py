"""A broker that runs while its store is brought to a layout that is not for it any more ends as it was taught to."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest

from adapters.stores.sql import layout
from adapters.testkit.dms_conduct import Conduct
from broker.errors import Unavailable
from broker.ports import Filter
from config.bootstrap import open_store
from config.demo.site import STOPPING
from tests.commands import run

TOO_OLD = "it is too old, put the newer version in its place"


def migrated_past(database):
    """Do to the store's layout what a migration of a later version does."""
    later = f"{int(layout.newest()) + 1:04}"
    with database:
        database.execute("UPDATE alembic_version SET version_num = ?", [later])
        database.execute("UPDATE layouts SET oldest = ?, newest = ?", [later, later])


def test_a_broker_whose_version_was_dropped_finishes_its_work_ends_and_does_not_start_again(town):
    documents = [town.letter(number) for number in range(3)]
    for document in documents:
        town.put(document)
    database = sqlite3.connect(town.site.folder / "goniec.sqlite")
    migrated_past(database)
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


def test_an_attempt_that_hangs_does_not_keep_it_from_ending(found):
    town = found(sections={"delivery": {"drain": 0.1}})
    town.dms.behave(Conduct(delay=1000.0))
    town.put(town.letter())
    while "delivery.claimed" not in told(town):
        time.sleep(0.05)
    with closing(sqlite3.connect(town.site.folder / "goniec.sqlite")) as database:
        migrated_past(database)
    assert town.serving.process.wait(30) == 2  # an office has 45 s to answer
    assert TOO_OLD in (town.site.folder / "stderr.txt").read_text()
    assert "courier.left-behind" in town.log()


def told(town):
    with closing(open_store(town.site.settings)) as store:
        return [event.name for record in store.list(Filter()) for event in store.show(record.submission.id).events]
