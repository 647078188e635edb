"""Run one fuzzer under atheris, guided by the coverage of our own code: `python -m tests.fuzz NAME [--seconds N]`.

What it finds is written to `var/fuzz/NAME/`; inputs that reach new code are kept there too, for the next run.
With files for arguments it tries only these, as a debugger would: `python -m tests.fuzz NAME FILE…`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import logging
import shutil
import sys
from pathlib import Path

import atheris
import structlog

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "corpus"
MEGABYTES = 2_000  # of memory, above which an input counts as a finding
SLOW = 60  # seconds, likewise: far above what any input takes, for the machine may be busy


def main() -> None:
    """Read the words, make the inputs to begin with, and fuzz."""
    words = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    words.add_argument("name")
    words.add_argument("--seconds", type=int, default=60)
    words.add_argument("--seed", type=int, default=0, help="of the fuzzer's own dice; 0: another each time")
    words.add_argument("--minimise", action="store_true", help="make the one file that is given as small as can be")
    words.add_argument("files", nargs="*", type=Path)
    given = words.parse_args()

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with atheris.instrument_imports(include=["broker", "adapters.wire", "adapters.channels.soap"]):
        fuzzer = importlib.import_module(f"tests.fuzz.{given.name}")

    folder = ROOT / "var" / "fuzz" / given.name
    grown, begun = folder / "grown", folder / "seeds"
    shutil.rmtree(begun, ignore_errors=True)
    for needed in (grown, begun):
        needed.mkdir(parents=True, exist_ok=True)
    for seed in fuzzer.seeds():
        if len(seed) <= fuzzer.LONGEST:
            (begun / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    flags = [
        f"-max_len={fuzzer.LONGEST}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-timeout={SLOW}",
        f"-report_slow_units={SLOW}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        f"-seed={given.seed}",
    ]
    if given.minimise:
        flags += ["-minimize_crash=1", f"-max_total_time={given.seconds}"]
    elif not given.files:
        flags += [f"-max_total_time={given.seconds}"]
    kept = KEPT / given.name
    inputs = given.files or [grown, *([kept] if kept.is_dir() else []), begun]
    atheris.Setup([sys.argv[0], *flags, *map(str, inputs)], fuzzer.body)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
