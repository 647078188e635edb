"""Several processes write into one SQLite file: each gets its turn, and none is told that the store is away."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from adapters.stores import SqlStore
from broker.ports import Filter

PROCESSES = 3
THREADS = 8
SECONDS = 3

WRITER = f"""
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from adapters.stores import SqlStore
from adapters.testkit.stores.values import a_letter

name, file = sys.argv[1:]
store = SqlStore(f"sqlite:///{{file}}", clock=lambda: datetime.now(UTC))

def write(thread):
    kept, longest = 0, 0.0
    while time.monotonic() < end:
        one = a_letter()  # numbered within its process
        ids = f"{{name}}-{{one.submission.id}}"
        submission = replace(one.submission, id=ids, message_id=ids, digest=ids)
        deliveries = tuple(replace(it, id=ids, submission=ids) for it in one.deliveries)
        begun = time.monotonic()
        receipt = replace(one.receipt, id=ids, submission=ids)
        store.accept(replace(one, submission=submission, receipt=receipt, deliveries=deliveries))
        kept, longest = kept + 1, max(longest, time.monotonic() - begun)
    return kept, longest

store.claim(timedelta(seconds=1))  # opened, and made if need be
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + {SECONDS}
with ThreadPoolExecutor({THREADS}) as pool:
    told = list(pool.map(write, range({THREADS})))
store.close()
print(json.dumps([sum(kept for kept, _ in told), max(longest for _, longest in told)]), flush=True)
"""


def start(name, file):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(file)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_write_without_pause_all_get_on(tmp_path, record_property):
    file = tmp_path / "store.sqlite"
    writers = [start(f"w{number}", file) for number in range(PROCESSES)]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        told = [json.loads(writer.stdout.readline()) for writer in writers]
        assert [writer.wait(60) for writer in writers] == [0] * PROCESSES
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    record_property("accepted, longest wait", told)
    numbers = [kept for kept, _ in told]
    assert min(numbers) > max(numbers) / 4, "one process kept the others out"
    store = SqlStore(f"sqlite:///{file}", clock=lambda: datetime.now(UTC))
    assert len(store.list(Filter(most=1_000_000))) == sum(numbers)
    store.close()
