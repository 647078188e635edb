"""An office kind as an integrator's package brings it: found by its entry point, told what to do by files.

It notes every parcel before it does anything.  A document with `DEADLY` in it ends the process on the spot, until
there is a file `mended`.  While a file `gate-N` is there, the N-th attempt that ever came waits; `gate-N` says what it ends in: "taken" or "away".
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from pathlib import Path

from adapters.testkit.dms_records import Handover
from adapters.wire.kind import Kind, KindSettings, Surroundings
from broker.errors import Unavailable
from broker.model import Parcel
from broker.ports import Office

DEADLY = b"<!-- deadly -->"


class GatedSettings(KindSettings):
    folder: Path


class Gated:
    def __init__(self, settings: GatedSettings, around: Surroundings) -> None:
        self._folder, self._office = settings.folder, around.name

    def deliver(self, parcel: Parcel) -> str:
        attempt = note(self._folder, self._office, parcel)
        if DEADLY in parcel.document and not (self._folder / "mended").exists():
            os._exit(1)
        gate = self._folder / f"gate-{attempt}"
        ends_in = gate.read_text() if gate.exists() else "taken"
        while gate.exists():
            time.sleep(0.01)
        if ends_in == "away":
            raise Unavailable("away")
        return f"no {attempt}"

    def check(self) -> None:
        """There is nothing to try."""

    def close(self) -> None:
        """There is nothing to close."""


KIND: Kind[Office] = Kind(settings=GatedSettings, make=Gated)


def package(folder: Path) -> Path:
    """Install the package into a folder; return what belongs on Python's path."""
    about = folder / "crash_office-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: crash-office\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[goniec.offices]\ngated = {__name__}:KIND\n")
    return folder


def note(folder: Path, office: str, parcel: Parcel) -> int:
    """Note that a parcel came; return how many have come."""
    about = {"office": office, "delivery": parcel.delivery, "facts": dict(parcel.summary)}
    parts = {"document": parcel.document, "receipt": parcel.receipt.xml, "report": parcel.report}
    about |= {name: base64.b64encode(content).decode() for name, content in parts.items()}
    whole = folder / f".{secrets.token_hex(8)}"  # under its name it is complete: somebody may be reading already
    whole.write_text(json.dumps(about))
    number = 1
    while True:  # threads and processes may come at once: whoever makes the name has the number
        try:
            (folder / f"arrival-{number}.json").hardlink_to(whole)
        except FileExistsError:
            number += 1
        else:
            whole.unlink()
            return number


def arrivals(folder: Path) -> list[Handover]:
    """Return every parcel that came, in order, repeats and all."""
    files = sorted(folder.glob("arrival-*.json"), key=lambda file: int(file.stem.removeprefix("arrival-")))
    found = []
    for file in files:
        about = json.loads(file.read_text())
        parts = {name: base64.b64decode(about.pop(name)) for name in ("document", "receipt", "report")}
        found.append(Handover(**about, **parts))
    return found
