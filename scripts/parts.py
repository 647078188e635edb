"""What Goniec consists of when it runs: the packages of `requirements.lock`, and their licences as they state them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)

# What packages without a licence expression (PEP 639) say in their classifiers, as SPDX has it.
_CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def plain(name: str) -> str:
    """Return a package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Return the version of every package that is locked, by its plain name."""
    return {plain(name): version for name, version in _LOCKED.findall(LOCK.read_text(encoding="utf-8"))}


def licence(name: str) -> str | None:
    """Return the licence that an installed package states, "" if it states none; None if it is for another platform."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return None
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classes = [it.rpartition(" :: ")[2] for it in about.get_all("Classifier") or () if it.startswith("License :: ")]
    named = [_CLASSIFIED[it] for it in classes if it in _CLASSIFIED]
    stated = str(about.get("License") or "").strip()
    return " AND ".join(dict.fromkeys(named)) or (stated if "\n" not in stated and len(stated) < 60 else "")  # noqa: PLR2004 - a name, not a text
