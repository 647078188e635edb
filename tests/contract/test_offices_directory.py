"""The suite every office passes, over a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.offices.directory import KIND
from adapters.testkit.offices import Handed, OfficeSuite
from tests.around import surroundings


class Harness:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "office"
        self._away = folder / "away"
        self._folder.mkdir()
        self.office = KIND.make(KIND.settings(folder=Path("office")), surroundings(folder))

    def received(self) -> Sequence[Handed]:
        names = {file.name for file in self._folder.iterdir()}
        documents = [name for name in names if name.endswith(".xml") and not name.endswith(".upp.xml")]
        documents.sort(key=lambda name: (self._folder / name).stat().st_mtime_ns)
        stems = [name.removesuffix(".xml") for name in documents]
        suffixes = (".xml", ".upp.xml", ".report.json", ".json")
        assert names == {stem + suffix for stem in stems for suffix in suffixes}
        return [
            Handed(
                document=(self._folder / f"{stem}.xml").read_bytes(),
                receipt=(self._folder / f"{stem}.upp.xml").read_bytes(),
                report=(self._folder / f"{stem}.report.json").read_bytes(),
                facts=json.loads((self._folder / f"{stem}.json").read_bytes()),
            )
            for stem in stems
        ]

    def take_down(self) -> None:
        self._folder.rename(self._away)

    def bring_up(self) -> None:
        self._away.rename(self._folder)


class TestDirectoryOffice(OfficeSuite):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return Harness(tmp_path)
