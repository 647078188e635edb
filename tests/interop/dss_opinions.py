"""EU DSS, which shares no code with us, asked about containers: a small program (`dss/Validate.java`), compiled once.

Its libraries come by Maven into var/interop (`scripts/interop`), the versions that `dss/pom.xml` pins.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE / "dss" / "Validate.java"
LIBRARIES = HERE.parents[1] / "var" / "interop" / "dss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A container, and what DSS is to judge it by."""

    container: Path
    anchors: Sequence[Path]  # certificates, PEM
    lists: Sequence[Path]  # of revocation, DER
    at: datetime


def compiled(folder: Path) -> Path:
    """Compile the program into a folder; return the folder."""
    if shutil.which("javac") is None or not LIBRARIES.is_dir():
        raise AssertionError("the JDK or the libraries of DSS are missing: set the peers up with `make interop`")
    # Warnings about annotations that DSS's own classes refer to and nobody needs are not ours.
    command = ["javac", "-Xlint:all,-classfile,-processing", "-Werror", "-cp", f"{LIBRARIES}/*", "-d", str(folder)]
    subprocess.run([*command, str(SOURCE)], check=True, timeout=120)
    return folder


def opinions(classes: Path, questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Return what DSS says of each: one process for all of them."""
    lines = [
        "\t".join(
            (
                str(it.container),
                ",".join(map(str, it.anchors)),
                ",".join(map(str, it.lists)),
                str(int(it.at.timestamp())),
            )
        )
        for it in questions
    ]
    command = ["java", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", f"{LIBRARIES}/*:{classes}", "Validate"]
    told = "\n".join(lines) + "\n"
    done = subprocess.run(command, input=told.encode(), capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()]
