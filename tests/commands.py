"""Runs a command of the command line inside the test's own process, and holds it to its exit status."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from config.cli.main import goniec


def run(*words: object, status: int = 0) -> Result:
    """Run `goniec WORDS…`; a bug inside it is raised here."""
    done = CliRunner().invoke(goniec, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, f"{done.exit_code}: {done.output}"
    return done


def answer(*words: object, status: int = 0) -> Any:
    """Run it with --json; return what it said on standard output, and nothing else may stand there."""
    return json.loads(run(*words, "--json", status=status).stdout)


def lines(*words: object, status: int = 0) -> list[dict[str, Any]]:
    """Run it with --jsonl."""
    return [json.loads(line) for line in run(*words, "--jsonl", status=status).stdout.splitlines()]
