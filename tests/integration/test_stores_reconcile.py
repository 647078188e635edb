"""What a list and a look-up cost: they go by an index, however much was sent by this partner and by others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from adapters.stores import SqlStore
from adapters.stores.sql.reconcile import first_id
from adapters.testkit.stores.values import NOON, Hands, a_refusal, kept
from broker.retention import Rule, Rules, Terms
from config.ids import TimeOrderedIds

DIGEST = "ab" * 32
ALL = Terms(rules=Rules((Rule(keep=timedelta(days=1)),)), at=NOON + timedelta(days=2), stamped=True)


@pytest.fixture
def store(tmp_path):
    made = SqlStore(f"sqlite:///{tmp_path / 'store.sqlite'}", clock=Hands())
    kept(made, sender="portal", digest=DIGEST)
    made.refuse(a_refusal(sender="portal", digest=DIGEST))
    yield made
    made.close()


@pytest.fixture
def plans(store):
    """How each question is answered, as SQLite says beforehand."""
    said = []

    @event.listens_for(store._reading, "before_cursor_execute")
    def explain(_connection, cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT"):
            said.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall())

    return said


QUESTIONS = {
    "a list": (lambda it: it.reconcile.sent("portal", NOON), "submissions_by_sender (sender_key=? AND id>?)"),
    "everybody's": (lambda it: it.reconcile.sent(None, NOON), "sqlite_autoindex_submissions_1 (id>?)"),
    "refusals": (lambda it: it.reconcile.turned_away("portal", NOON), "refusals_by_time (at>?)"),
    "a digest": (lambda it: it.reconcile.known("portal", [DIGEST]), "submissions_by_digest (digest=?)"),
    "a refused digest": (lambda it: it.reconcile.refused("portal", [DIGEST]), "refusals_by_digest (digest=?)"),
    "a receipt": (lambda it: it.reconcile.receipt("portal", "r"), "sqlite_autoindex_receipts_1 (id=?)"),
    "a message id": (lambda it: it.reconcile.messages("portal", ["m"]), "sqlite_autoindex_message_ids_1 (id_key=?)"),
    "what may go": (lambda it: it.retention.look(ALL), "sqlite_autoindex_content_1 (submission>?)"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_goes_by_an_index(store, plans, question):
    ask, index = QUESTIONS[question]
    ask(store)
    assert plans
    assert any(index in plan for plan in plans), plans
    assert [plan for plan in plans if plan.startswith("SCAN") and "anon" not in plan] == []


def test_no_id_made_since_a_moment_comes_before_the_first_of_it():
    for behind in (timedelta(0), timedelta(minutes=59)):
        made = TimeOrderedIds(lambda late=behind: NOON - late)()
        assert first_id(NOON) < made
    assert first_id(NOON + timedelta(hours=2)) > TimeOrderedIds(lambda: NOON)()
    assert first_id(NOON - timedelta(days=365 * 60)) == ""
    assert first_id(datetime.min.replace(tzinfo=UTC)) == ""
