"""Kinds from an integrator's package come by entry points, and never shadow what is there."""

from __future__ import annotations

import importlib
import sys

import pytest

from adapters import offices
from adapters.wire.kind import Kind
from broker.errors import ConfigError
from config.kinds import make, with_plugins
from config.settings import OfKind
from tests.around import surroundings

GROUP = "goniec.offices"
SOURCE = """
from adapters.wire.kind import Kind, KindSettings

class Settings(KindSettings):
    pigeon: str
    loft: int = 3

class Pigeon:
    def __init__(self, settings, around):
        self.name = f"{around.name}/{settings.pigeon}/{settings.loft}"

KIND = Kind(settings=Settings, make=Pigeon)
OTHER = "no kind"
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Puts a package with entry points on the path, as pip would, and takes it away after the test."""
    names = set()

    def install(*points: str, source: str = SOURCE, name: str = "pigeons") -> None:
        (tmp_path / f"{name}.py").write_text(source)
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *points]) + "\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        names.add(name)

    yield install
    for name in names:
        sys.modules.pop(name, None)


def test_a_plugins_kind_stands_beside_the_built_in_ones_and_checks_its_own_settings(installed):
    installed("pigeon = pigeons:KIND")
    kinds = with_plugins(offices.KINDS, GROUP)
    assert set(kinds) == {*offices.KINDS, "pigeon"}
    made = make(kinds, OfKind(kind="pigeon", pigeon="Bolek"), "offices.town", surroundings())
    assert made.name == "town-hall/Bolek/3"
    with pytest.raises(ConfigError) as wrong:
        make(kinds, OfKind(kind="pigeon", loft="high", size=1), "offices.town", surroundings())
    paths = {problem.partition(":")[0] for problem in wrong.value.problems}
    assert paths == {"offices.town.pigeon", "offices.town.loft", "offices.town.size"}


def test_without_plugins_there_are_the_built_in_kinds():
    assert with_plugins(offices.KINDS, GROUP) == offices.KINDS
    assert all(isinstance(kind, Kind) for kind in offices.KINDS.values())


def test_every_plugin_that_cannot_be_taken_is_told_at_once(installed):
    installed("soap = pigeons:KIND", "gone = pigeons:NOTHING", "none = no_such_package:KIND", "text = pigeons:OTHER")
    with pytest.raises(ConfigError) as wrong:
        with_plugins(offices.KINDS, GROUP)
    told = "\n".join(wrong.value.problems)
    assert len(wrong.value.problems) == 4
    for words in ("soap is there already", "pigeons:NOTHING cannot be loaded", "no_such_package", "not a Kind"):
        assert words in told


def test_two_plugins_of_one_name_collide(installed):
    installed("pigeon = pigeons:KIND")
    installed("pigeon = crows:KIND", name="crows")
    with pytest.raises(ConfigError, match="pigeon is there already"):
        with_plugins(offices.KINDS, GROUP)


def test_a_plugin_that_fails_on_import_is_a_problem_of_the_configuration(installed):
    installed("pigeon = pigeons:KIND", source="raise RuntimeError('no seed')")
    with pytest.raises(ConfigError, match="no seed"):
        with_plugins(offices.KINDS, GROUP)


def test_a_kind_that_nobody_knows_is_told_with_those_that_are_known():
    with pytest.raises(ConfigError, match=r"offices\.town\.kind: 'fax' is none of amqp, directory, soap"):
        make(offices.KINDS, OfKind(kind="fax"), "offices.town", surroundings())
