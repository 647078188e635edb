"""Nothing that a document says makes the broker open, ask or start anything while it judges it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


def judged(*offence: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.corpus.confined", *offence], capture_output=True, text=True, check=False
    )


def test_no_document_of_the_corpus_makes_the_broker_open_a_file_or_a_socket_or_start_anything() -> None:
    done = judged()
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "done"), done.stderr


@pytest.mark.parametrize("offence", ["file", "socket", "program"])
def test_the_kernel_would_have_ended_it(offence: str) -> None:
    assert judged(offence).returncode == -signal.SIGSYS
