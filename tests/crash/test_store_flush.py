"""Acknowledged means flushed: a trace of the system calls shows the flush between the write and the answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SYSCALLS = Path(__file__).with_name("syscalls.py")
LETTERS = 5


def trace(tmp_path, *pragma):
    """The calls of a process that accepts letters, one by one, and answers on standard output."""
    calls, answers = tmp_path / "calls.json", tmp_path / "answers"
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    accepting = [sys.executable, "-m", "tests.crash.accepting", url, "a", "1", str(LETTERS), *pragma]
    with answers.open("wb") as out:
        subprocess.run([sys.executable, SYSCALLS, calls, *accepting], check=True, stdout=out)
    assert len(answers.read_text().split()) == LETTERS
    return json.loads(calls.read_text()), str(tmp_path / "store.sqlite-wal"), str(answers)


def answered_unflushed(calls, log, answers):
    """How many answers were given while something written to the log had not been flushed; of how many."""
    unflushed, too_early, given = set(), 0, 0
    for call, file in calls:
        if file == log:
            unflushed = {file} if call == "write" else set()
        elif file == answers:
            given += 1
            too_early += bool(unflushed)
    return too_early, given


def test_every_answer_comes_after_the_flush_of_what_it_promises(tmp_path):
    calls, log, answers = trace(tmp_path)
    assert answered_unflushed(calls, log, answers) == (0, LETTERS)
    written_between = [file for _, file in calls].index(answers)
    assert ["write", log] in calls[written_between:]


@pytest.mark.parametrize("planted", ["synchronous=OFF", "synchronous=NORMAL"])
def test_the_trace_finds_a_store_that_answers_before_the_flush(tmp_path, planted):
    assert answered_unflushed(*trace(tmp_path, planted)) == (LETTERS, LETTERS)
