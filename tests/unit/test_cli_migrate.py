"""`goniec migrate`: says what is to be done before it is done, and nothing is made by asking."""

from __future__ import annotations

import pytest

from adapters.stores.sql import layout
from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.migrate import upgrade
from adapters.testkit.pki import Pki
from config.demo.offices import offices
from config.demo.site import Site
from tests.builders import NOON
from tests.commands import answer, run


@pytest.fixture
def site(tmp_path):
    office = offices()[0]
    ways = {office.id: {"kind": "directory", "folder": "out"}}
    return Site(folder=tmp_path, offices=[office], ways=ways, pki=Pki(at=NOON), port=1).write()


def test_asking_makes_no_file(site):
    told = answer("migrate", "--check", "-c", site.configuration, status=1)
    assert told["layout"] is None
    assert [step["layout"] for step in told["outstanding"]] == [step.layout for step in layout.steps(None)]
    assert not (site.folder / "goniec.sqlite").exists()


def test_asking_about_an_older_layout_says_what_each_step_adds_and_changes_nothing(site):
    engine = open_engine(f"sqlite:///{site.folder / 'goniec.sqlite'}", writes=True)
    upgrade(engine, "0002")
    engine.dispose()
    for _ in range(2):
        said = run("migrate", "--check", "-c", site.configuration, status=1).stdout.splitlines()
        assert said[0] == f"layout 0002: {len(said) - 1} to be done"
        assert said[1].startswith("0003  What custody that can be proven adds")


def test_it_tells_each_step_and_then_there_is_nothing_to_be_done(site):
    said = run("migrate", "-c", site.configuration).stdout
    assert [line.split()[:2] for line in said.splitlines()[:-1]] == [
        ["layout", one.layout] for one in layout.steps(None)
    ]
    assert (
        run("migrate", "--check", "-c", site.configuration).stdout == f"layout {layout.newest()}: nothing to be done\n"
    )
    assert answer("migrate", "-c", site.configuration) == {"migrated": True, "from": layout.newest(), "done": []}
