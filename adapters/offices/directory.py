"""An office reached by a folder: each document is put there with its side files, under names of its delivery's id.

For partners without a network, for tests, and for systems that import files.  `<delivery>.upp.xml` (the receipt),
`.report.json` (what the signatures are worth) and `.json` (the facts of `Parcel.summary`) come first; when
`<delivery>.xml`, the document byte for byte, has its name, everything is there and on the disk.  A repeat puts the
same files under the same names.  Whoever takes documents from here skips names that begin with a dot.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from adapters.wire.durable import file_name, put, settle
from adapters.wire.kind import Kind, KindSettings, Surroundings
from broker.errors import Unavailable
from broker.model import Parcel


class DirectorySettings(KindSettings):
    """Where the documents go."""

    folder: Path  # must be there: a folder that is missing may be a disk that is not mounted


class DirectoryOffice:
    """The office.  Its reference is the document's file name.  A disk that hangs is beyond any deadline of ours."""

    def __init__(self, settings: DirectorySettings, around: Surroundings) -> None:
        self._folder = around.folder / settings.folder
        self._ids = around.ids

    def deliver(self, parcel: Parcel) -> str:
        name = file_name(parcel.delivery)
        facts = json.dumps(dict(parcel.summary), ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n"
        try:
            for suffix, content in (
                (".upp.xml", parcel.receipt.xml),
                (".report.json", parcel.report),
                (".json", facts),
                (".xml", parcel.document),
            ):
                put(self._folder, name + suffix, content, self._ids())
            settle(self._folder)
        except OSError as wrong:
            raise Unavailable(f"folder: {wrong.strerror}", condition="office.folder") from wrong
        return f"{name}.xml"

    def check(self) -> None:
        if not self._folder.is_dir():
            raise Unavailable("folder: not there", condition="office.folder")
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise Unavailable("folder: not writable", condition="office.folder")

    def close(self) -> None:
        """Nothing is held."""


KIND = Kind(settings=DirectorySettings, make=DirectoryOffice)
