"""kill -9 in the middle of pruning: what is gone is told, what is told is gone, and the next run does the rest."""

from __future__ import annotations

import multiprocessing
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from adapters.stores import SqlStore, migrate
from adapters.testkit.stores.values import NOON, Hands, fingerprint, kept
from broker.retention import PRUNED, Rule, Rules, pruned_at
from config.retention import Done, Prune

LETTERS = 300
OLD = datetime(2025, 11, 15, tzinfo=UTC)
PROCESSES = multiprocessing.get_context("forkserver")


def pruning(store: SqlStore) -> Prune:
    rules = Rules((Rule(keep=timedelta(days=1)),))
    return Prune(retention=store.retention, rules=rules, clock=lambda: NOON, rest=lambda _took: time.sleep(0.02))


def prune_until_killed(end, url) -> None:
    """What the process does: prunes, and says how far it is."""
    for done in pruning(SqlStore(url, clock=Hands())).steps():
        end.send(done.pruned)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    database = request.getfixturevalue("postgres_database")
    migrate(database)
    return database


def test_what_is_gone_is_told_and_what_is_told_is_gone(url):
    store = SqlStore(url, clock=Hands())
    with ThreadPoolExecutor(16) as pool:
        letters = list(pool.map(lambda _: kept(store, b"<letter/>" * 500, accepted_at=OLD, trial=True), range(LETTERS)))
    mine, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=prune_until_killed, args=(theirs, url))
    process.start()
    theirs.close()
    said = mine.recv()
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()

    gone = 0
    for letter in letters:
        record = store.show(letter.submission.id)
        document = store.document(letter.submission.id)
        removed = pruned_at(record.events) is not None
        assert (document is None) is removed
        assert (record.report == b"") is (record.submission.message_id == "") is removed
        assert store.find(fingerprint(letter)) == letter.receipt
        gone += removed
    assert said <= gone
    done = sum(pruning(store).steps(), Done())
    assert done.pruned == LETTERS - gone
    for letter in letters:
        told = [event for event in store.show(letter.submission.id).events if event.name == PRUNED]
        assert [event.detail for event in told] == [letter.submission.digest]
    store.close()
