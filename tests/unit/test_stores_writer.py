"""Group commit: answers after the commit, one transaction for many, nobody hurt by a neighbour."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text

from adapters.stores.sql.engine import open_engine
from adapters.stores.sql.writer import Work, Writer
from adapters.testkit.stores.values import NOON
from broker.errors import Reused, Unavailable
from broker.pressure import Condition, Strain


class Notes:
    """A table of notes, written through a writer that can be held up."""

    def __init__(self, tmp_path, **caps):
        self.engine = open_engine(f"sqlite:///{tmp_path / 'notes.sqlite'}", writes=True)
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE notes (note TEXT PRIMARY KEY)"))
        self.go, self.transactions, self.commits = threading.Event(), [], 0
        self.go.set()
        event.listen(self.engine, "commit", self.committed)
        self.writer = Writer(self.engine.connect, self.now, **caps)
        self.add = Work(rank=0, do=self.insert, proof=True)

    def committed(self, _connection):
        self.commits += 1

    def now(self, _connection):
        self.go.wait()
        return NOON

    def insert(self, connection, _now, members):
        self.transactions.append(list(members))
        for note in members:
            if note == "reused":
                continue
            connection.execute(text("INSERT INTO notes VALUES (:note)"), {"note": note})
        return [Reused("intake.reused-id") if note == "reused" else (note, self.commits) for note in members]

    def kept(self):
        with self.engine.connect() as connection:
            return set(connection.execute(text("SELECT note FROM notes")).scalars())

    def write(self, note):
        try:
            return self.writer.write(self.add, note)
        except (Unavailable, Reused) as no:
            return no

    def while_held_up(self, first, notes):
        """Write `first`, and while its transaction is held up all `notes`; return the answers."""
        self.go.clear()
        with ThreadPoolExecutor(len(notes) + 1) as pool:
            ahead = pool.submit(self.write, first)
            while self.writer._jobs or not ahead.running():
                pass
            answers = [pool.submit(self.write, note) for note in notes]
            while len(self.writer._jobs) < min(len(notes), self.writer._waiting):
                pass
            self.go.set()
            return [ahead.result()] + [answer.result() for answer in answers]


@pytest.fixture
def notes(tmp_path):
    made = Notes(tmp_path)
    yield made
    made.go.set()
    made.writer.close()
    made.engine.dispose()


def test_writes_that_wait_together_are_committed_together(notes):
    names = [f"n{number}" for number in range(20)]
    answers = notes.while_held_up("first", names)
    assert sorted(map(sorted, notes.transactions)) == sorted([["first"], sorted(names)])
    assert {answer[0] for answer in answers} == {"first", *names}
    assert notes.kept() == {"first", *names}


def test_nobody_is_answered_before_the_commit(notes):
    for number in range(5):
        _, commits_before = notes.writer.write(notes.add, f"n{number}")
        assert notes.commits > commits_before


def test_a_member_that_breaks_a_constraint_fails_alone(notes):
    answers = notes.while_held_up("same", ["a", "same", "b", "reused", "c"])
    assert isinstance(answers[2], Unavailable)
    assert isinstance(answers[4], Reused)
    assert notes.kept() == {"same", "a", "b", "c"}


def test_a_commit_that_fails_fails_all_its_members_and_the_next_one_works(notes):
    def fail(_connection):
        event.remove(notes.engine, "commit", fail)
        raise OSError("no space left on device")

    event.listen(notes.engine, "commit", fail)
    answers = notes.while_held_up("first", [])
    assert isinstance(answers[0], Unavailable)
    assert notes.kept() == set()
    assert notes.write("second")[0] == "second"
    assert notes.kept() == {"second"}


def test_a_work_that_forgets_a_member_is_undone_and_leaves_nobody_waiting(notes):
    forgetful = Work(rank=0, do=lambda connection, now, members: notes.insert(connection, now, members)[:-1])
    with pytest.raises(Unavailable):
        notes.writer.write(forgetful, "a")
    assert notes.kept() == set()
    assert notes.write("b")[0] == "b"


def test_each_caller_gets_an_exception_of_its_own_with_its_cause(notes):
    notes.write("held")
    event.listen(notes.engine, "commit", lambda _: (_ for _ in ()).throw(OSError("gone")))
    _, *failed = notes.while_held_up("first", ["a", "b", "c"])
    assert len({id(one) for one in failed}) == 3
    assert {type(one.__cause__) for one in failed} == {OSError}


def test_a_full_queue_says_try_later_with_a_time(tmp_path):
    notes = Notes(tmp_path, waiting=3)
    answers = notes.while_held_up("first", [f"n{number}" for number in range(8)])
    turned_away = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(turned_away) == 8 - 3
    assert all(answer.retry_after for answer in turned_away)
    assert len(notes.kept()) == 1 + 3
    notes.writer.close()
    notes.engine.dispose()


def test_a_caller_waits_no_longer_than_its_patience_and_what_had_not_begun_is_not_done(tmp_path):
    notes = Notes(tmp_path, patience=0.3)
    notes.go.clear()
    with ThreadPoolExecutor(2) as pool:
        begun = pool.submit(notes.write, "begun")
        while notes.writer._jobs or not begun.running():
            pass
        waits = pool.submit(notes.write, "waits")
        told = [begun.result(), waits.result()]
    assert [(it.reason, it.condition) for it in told] == [("the store takes too long to write", Condition.WRITER)] * 2
    notes.go.set()
    notes.writer.close()
    assert notes.kept() == {"begun"}
    notes.engine.dispose()


def test_how_full_it_is_and_that_the_last_write_failed_is_told_without_waiting(tmp_path):
    notes = Notes(tmp_path, waiting=4)
    assert notes.writer.strain() == Strain()

    def fail(_connection):
        event.remove(notes.engine, "commit", fail)
        raise OSError("no space left on device")

    event.listen(notes.engine, "commit", fail)
    notes.write("lost")
    assert notes.writer.strain() == Strain(failing="store: OSError")
    notes.writer.write(Work(rank=1, do=lambda _connection, _now, members: members), "writes nothing, and shows nothing")
    assert notes.writer.strain() == Strain(failing="store: OSError")
    notes.go.clear()
    with ThreadPoolExecutor(4) as pool:
        ahead = pool.submit(notes.write, "a")
        while notes.writer._jobs or not ahead.running():
            pass
        others = [pool.submit(notes.write, note) for note in "bc"]
        while len(notes.writer._jobs) < 2:
            pass
        assert notes.writer.strain().taken == 50
        notes.go.set()
        assert [one.result()[0] for one in (ahead, *others)] == ["a", "b", "c"]
    assert notes.writer.strain() == Strain()
    notes.writer.close()
    notes.engine.dispose()


def test_a_member_that_breaks_a_constraint_says_nothing_against_the_store(notes):
    notes.write("same")
    assert isinstance(notes.write("same"), Unavailable)
    assert notes.writer.strain() == Strain()


def test_no_transaction_is_larger_than_its_cap(tmp_path):
    notes = Notes(tmp_path, together=4)
    notes.while_held_up("first", [f"n{number}" for number in range(10)])
    assert max(map(len, notes.transactions)) == 4
    assert len(notes.kept()) == 11
    notes.writer.close()
    notes.engine.dispose()


def test_closing_writes_what_waits_and_leaves_no_thread(notes):
    before = threading.active_count()
    notes.go.clear()
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(notes.write, name) for name in "abc"]
        while not all(answer.running() for answer in answers):
            pass
        closing = threading.Thread(target=notes.writer.close)
        closing.start()
        notes.go.set()
        closing.join()
        told = [answer.result() for answer in answers]
    kept = notes.kept()
    assert {answer[0] for answer in told if not isinstance(answer, Unavailable)} == kept
    assert not notes.writer._thread.is_alive()
    assert threading.active_count() == before - 1
    assert isinstance(notes.write("late"), Unavailable)


def test_a_store_opened_before_a_fork_refuses_instead_of_hanging(notes):
    notes.writer._process = os.getpid() + 1
    assert "forked" in str(notes.write("a"))
    notes.writer._process = os.getpid()
