"""kill -9 in the middle of accepting: whatever was answered is there, whole; whatever is there is whole."""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import make_url

from adapters.stores import SqlStore, migrate
from adapters.testkit.stores.values import fingerprint, limits
from broker.ports import Filter
from tests.crash.accepting import accept_letters, document_called, letter_called

ROUNDS = {"sqlite": 20, "postgresql": 8}
LEASE = timedelta(minutes=5)
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.crash.accepting"])


def answering(end, url, name):
    accept_letters(end.send_bytes, url, name, threads=4, most=1_000_000)


@pytest.fixture(params=ROUNDS)
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    database = request.getfixturevalue("postgres_database")
    migrate(database)
    return database


def accept_until_killed(url, name, answers):
    """Start two processes that accept, kill both after some answers; return all that was answered."""
    mine, theirs = zip(*(PROCESSES.Pipe(duplex=False) for _ in "ab"), strict=True)
    processes = [
        PROCESSES.Process(target=answering, args=(end, url, f"{name}{one}"))
        for one, end in zip("ab", theirs, strict=True)
    ]
    for process, end in zip(processes, theirs, strict=True):
        process.start()
        end.close()
    answered = [end.recv_bytes() for end in mine for _ in range(answers)]
    for process in processes:
        process.kill()
    for process, end in zip(processes, mine, strict=True):
        with suppress(EOFError), end:
            while True:
                answered.append(end.recv_bytes())
        process.join()
        assert process.exitcode == -signal.SIGKILL
        process.close()
    return [name.decode() for name in answered]


def test_nothing_that_was_answered_is_lost_and_nothing_is_kept_by_halves(url):
    answered = []
    rounds = ROUNDS[make_url(url).get_backend_name()]
    for number in range(rounds):
        answered += accept_until_killed(url, f"{number:02}", answers=1 + 3 * number)
    assert len(answered) == len(set(answered)) >= 2 * rounds

    store = SqlStore(url, clock=lambda: datetime.now(UTC))
    records = {record.submission.id: record for record in store.list(Filter(most=1_000_000))}
    assert set(answered) <= set(records)
    for name, record in records.items():
        letter = letter_called(name)
        assert record.receipt.xml == letter.receipt.xml
        assert [one.id for one in record.deliveries] == [f"d-{name}"]
        assert store.find(fingerprint(letter)) == record.receipt
        assert store.document(record.submission.id) == document_called(name)
    store.enrol([limits(in_flight=1_000_000)])
    claimed = []
    while some := store.claim(LEASE, 1000):
        claimed += some
    assert len(claimed) == len(records) == store.stats().submissions
    store.close()
