"""Try every mutant of `broker/verify/` and `broker/parse.py`: `python -m tests.mutation [MODULE…]`.

All happens in a copy of the tree, so that nobody's work is touched.  `survivors.toml` explains the mutants that do no
harm; the exit status is 1 if any other survives.  See docs/how-to/mutation-testing.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.mutation import results
from tests.mutation.explained import explained

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("broker", "schemas", "routing", "adapters", "config", "tests", "scripts")
RESULTS = "GONIEC_MUTATION_RESULTS"  # set for the process that works in the copy: where outcomes are kept


def main() -> int:
    """Copy the tree and start again there; or, there, do the work."""
    words = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    words.add_argument("modules", nargs="*", help="such as broker/verify/path.py, or path for short; none: all")
    words.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    words.add_argument("--budget", type=float, default=8.0, help="processor seconds that tests of one mutant may take")
    words.add_argument("--tests", nargs="+", help="these tests, and not those of pyproject.toml")
    words.add_argument("--again", action="store_true", help="only what was open the last time")
    words.add_argument("--told", action="store_true", help="run nothing: only tell what is kept of the last time")
    given = words.parse_args()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    modules = chosen(settings, given.modules)
    if RESULTS in os.environ:
        run(given, settings, modules, Path(os.environ[RESULTS]))
        return 0
    if not given.told:
        results.FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=results.FOLDER) as folder:
            start_in_copy(Path(folder))
    outcomes, known = results.read(results.FOLDER, modules), explained()
    idle = results.idle(outcomes, known)
    for it in idle:
        print(f"explained, but nothing of it survives: {it.file} {it.function}: {it.reason}")
    return 0 if results.tell(outcomes, known) and not idle else 1


def chosen(settings: dict[str, Any], names: list[str]) -> list[str]:
    """Return the modules to try, by path or by name."""
    found = [str(it.relative_to(ROOT)) for pattern in settings["only_mutate"] for it in sorted(ROOT.glob(pattern))]
    if strange := set(names) - set(found) - {Path(it).stem for it in found}:
        raise SystemExit(f"no such module: {', '.join(sorted(strange))}")
    return [it for it in found if not names or it in names or Path(it).stem in names]


def start_in_copy(tree: Path) -> None:
    """Copy what tests need and do the work there."""
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    there = {**os.environ, RESULTS: str(results.FOLDER), "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-m", "tests.mutation", *sys.argv[1:]], cwd=tree, env=there, check=True)


def run(given: argparse.Namespace, settings: dict[str, Any], modules: list[str], folder: Path) -> None:
    """Write the mutants over this tree, run them, and keep what becomes of each."""
    import pytest  # noqa: PLC0415 - these import the code that is written over first

    from tests.mutation.mutants import write  # noqa: PLC0415
    from tests.mutation.running import Session  # noqa: PLC0415

    mutants = [mutant for module in modules for mutant in write(Path(), module)]
    known = explained()
    last = results.by_change(results.read(folder, modules), known) if given.again else {}
    kept = [replace(last[it.change], mutant=it) for it in mutants if it.change in last]
    settled = {it.mutant for it in kept if results.is_settled(it, known)}
    with ExitStack() as stack:
        files = {it: stack.enter_context(results.file_of(folder, it).open("w", encoding="utf-8")) for it in modules}
        for outcome in kept:  # what is open too: it must not be forgotten if this run is ended
            results.write(outcome, files[outcome.mutant.file])
        session = Session(
            mutants=[it for it in mutants if it not in settled],
            jobs=given.jobs,
            budget=given.budget,
            done=lambda outcome: results.write(outcome, files[outcome.mutant.file]),
        )
        how = ["-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=0"]
        pytest.main([*how, *(given.tests or settings["pytest_add_cli_args_test_selection"])], plugins=[session])


if __name__ == "__main__":
    sys.exit(main())
