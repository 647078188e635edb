"""What is installed with Goniec is listed, and under licences that an office may use beside EUPL-1.2."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Permissive ones, and those whose conditions end at the library's own files (MPL) or at linking (LGPL).
FREE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "LGPL-3.0-only", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}


def test_every_licence_is_one_that_was_thought_about():
    page = (ROOT / "docs/reference/licences.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (.*) \|$", page, re.MULTILINE)
    rows = rows[1:]  # below the head
    assert len(rows) > 50
    unknown = {name: stated for name, stated in rows if not set(re.split(r" (?:AND|OR) ", stated)) <= FREE}
    assert not unknown


def test_the_list_of_parts_names_what_is_locked_and_nothing_else(tmp_path):
    file = tmp_path / "sbom.json"
    subprocess.run([sys.executable, ROOT / "scripts/sbom", file], check=True, capture_output=True)
    listed = json.loads(file.read_text(encoding="utf-8"))
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["name"] == "goniec"
    for one in listed["components"]:
        name = re.sub(r"[-_.]+", "-", one["name"]).lower()
        assert f"{name}=={one['version']}" in re.sub(r"\[[^\]]*\]", "", lock)
    names = {one["name"].lower() for one in listed["components"]}
    assert {"lxml", "cryptography", "signxml", "zeep", "pika"} <= names
    assert not names & {"pytest", "ruff", "mypy", "hypothesis"}
