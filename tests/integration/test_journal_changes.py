"""A journal of 100,000 events: every one of 1,000 random single changes is found, and told by its kind and place.

Each change is made in a transaction that is taken back.  Checked are the batches around it, as `goniec journal verify`
checks them; that this tells the same as going through the whole journal is tried on some of the changes.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from adapters.stores import SqlStore
from broker.journal import chained, leaf_of
from broker.journal_batch import Kind
from broker.journal_head import unsealed
from config.journal_verify import Believed, check_store
from tests.journals import Within, all_heads, chain_and_seal, fill
from tests.receipts import ISSUED, TRUST, a_seal

BATCH = 100
WHOLE = 3  # changes for which the whole journal is gone through too
SEED = 20261122

E = frozenset({Kind.EVENT_CHANGED})
GONE = frozenset({Kind.EVENT_MISSING})
FOREIGN = frozenset({Kind.EVENT_INSERTED})
MOVED = frozenset({Kind.EVENT_MOVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done, the batches it touched, and one of the kinds that must be told, of one of the events if any."""

    what: str
    batches: frozenset[int]
    kinds: frozenset[Kind]
    events: frozenset[int] = field(default_factory=frozenset)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((10_000, 250), id="small"),
        pytest.param((100_000, 1000), id="full", marks=pytest.mark.slow),  # make journal
    ],
)
def size(request):
    """How many events there are, and how many changes are made."""
    return request.param


@pytest.fixture(scope="module")
def journal(tmp_path_factory, size):
    store = SqlStore(f"sqlite:///{tmp_path_factory.mktemp('journal') / 'store.sqlite'}", clock=lambda: ISSUED)
    fill(store, size[0])
    chain_and_seal(store, BATCH)
    yield store
    store.close()


@pytest.fixture(scope="module")
def against(journal):
    return Believed(published=all_heads(journal), trust=TRUST)


class Vandal:
    """Makes one change of one kind at a random place."""

    def __init__(self, connection, dice, events):
        self._connection, self._dice = connection, dice
        self._events, self._batches = events, events // BATCH

    def do(self, statement, **values):
        done = self._connection.execute(text(statement), values)
        assert done.rowcount == 1, statement

    def event(self):
        """Choose an event; return its id and its batch."""
        number = self._dice.randrange(1, self._events + 1)
        return number, (number - 1) // BATCH + 1

    def field(self, name, value, what=""):
        number, batch = self.event()
        self.do(f"UPDATE events SET {name} = {value} WHERE id = :id", id=number)
        return Change(what=f"event.{name}{what}", batches=frozenset({batch}), kinds=E, events=frozenset({number}))

    def event_at(self):
        return self.field("at", "at + 1")

    def event_name(self):
        return self.field("name", "name || 's'")

    def event_submission(self):
        return self.field("submission", "coalesce(submission, '') || '0'")

    def event_submission_gone(self):
        """NULL is not the same as nothing written."""
        return self.field("submission", "CASE WHEN submission IS NULL THEN '' END", what=" gone")

    def event_delivery(self):
        return self.field("delivery", "coalesce(delivery, '') || '0'")

    def event_detail(self):
        return self.field("detail", "substr(detail, 2) || 'x'")

    def event_words_moved(self):
        """The last letter of one field becomes the first of the next: run together they are what they were."""
        number, batch = self.event()
        self.do(
            "UPDATE events SET detail = substr(coalesce(delivery, name), -1) || detail, "
            "delivery = CASE WHEN delivery IS NULL THEN NULL ELSE substr(delivery, 1, length(delivery) - 1) END, "
            "name = CASE WHEN delivery IS NULL THEN substr(name, 1, length(name) - 1) ELSE name END WHERE id = :id",
            id=number,
        )
        return Change(what="event.words", batches=frozenset({batch}), kinds=E, events=frozenset({number}))

    def event_id(self):
        number, batch = self.event()
        self.do("UPDATE events SET id = :new WHERE id = :id", id=number, new=number + 10 * self._events)
        kinds = E | MOVED | FOREIGN
        return Change(
            what="event.id", batches=frozenset({batch}), kinds=kinds, events=frozenset({number + 10 * self._events})
        )

    def event_leaf(self):
        number, batch = self.event()
        self.do("UPDATE events SET leaf = :leaf WHERE id = :id", id=number, leaf=self._dice.randbytes(32))
        kinds = frozenset({Kind.LEAF_CHANGED})
        return Change(what="event.leaf", batches=frozenset({batch}), kinds=kinds, events=frozenset({number}))

    def event_with_its_leaf(self):
        """Whoever changes an event makes its leaf anew: then the batch is told, and not which of its events."""
        number, batch = self.event()
        self.do("UPDATE events SET detail = 'x' WHERE id = :id", id=number)
        (one,) = [one for one in Within(self._connection).journal.entries(batch) if one.id == number]
        self.do("UPDATE events SET leaf = :leaf WHERE id = :id", id=number, leaf=leaf_of(one))
        return Change(what="event+leaf", batches=frozenset({batch}), kinds=frozenset({Kind.ROOT_DIFFERS}))

    def event_position(self):
        number, batch = self.event()
        self.do(
            "UPDATE events SET position = position + :by WHERE id = :id", id=number, by=self._dice.randrange(1, 200)
        )
        return Change(what="event.position", batches=frozenset({batch}), kinds=MOVED, events=frozenset({number}))

    def event_batch(self):
        number, batch = self.event()
        other = batch % self._batches + 1
        self.do("UPDATE events SET batch = :other WHERE id = :id", id=number, other=other)
        return Change(what="event.batch", batches=frozenset({batch, other}), kinds=GONE)

    def event_to_a_batch_that_is_not_there(self):
        number, batch = self.event()
        self.do("UPDATE events SET batch = :other WHERE id = :id", id=number, other=self._batches + 7)
        return Change(what="event.batch astray", batches=frozenset({batch}), kinds=FOREIGN, events=frozenset({number}))

    def event_unchained(self):
        number, batch = self.event()
        self.do("UPDATE events SET batch = NULL, position = NULL, leaf = NULL WHERE id = :id", id=number)
        return Change(what="event unchained", batches=frozenset({batch}), kinds=GONE)

    def event_deleted(self):
        number, batch = self.event()
        self.do("DELETE FROM events WHERE id = :id", id=number)
        return Change(what="event deleted", batches=frozenset({batch}), kinds=GONE)

    def event_inserted(self):
        number, batch = self.event()
        new = self._events + self._dice.randrange(1, self._events)
        self.do(
            "INSERT INTO events (id, at, name, submission, delivery, detail, batch, position, leaf) "
            "SELECT :new, at, name, submission, delivery, detail, batch, position, leaf FROM events WHERE id = :id",
            id=number,
            new=new,
        )
        return Change(what="event inserted", batches=frozenset({batch}), kinds=FOREIGN, events=frozenset({new}))

    def two_positions_swapped(self):
        number, batch = self.event()
        other = number % BATCH + (batch - 1) * BATCH + 1
        for one, by in ((number, other - number), (other, number - other)):
            self.do("UPDATE events SET position = position + :by WHERE id = :id", id=one, by=by)
        both = frozenset({number, other})
        return Change(what="two swapped", batches=frozenset({batch}), kinds=MOVED, events=both)

    def two_contents_swapped(self):
        number, batch = self.event()
        other = number % BATCH + (batch - 1) * BATCH + 1
        both = [number, other]
        rows = [
            self._connection.execute(
                text("SELECT at, name, submission, delivery, detail FROM events WHERE id = :id"), {"id": one}
            )
            .one()
            ._asdict()
            for one in both
        ]
        for one, row in zip(both, reversed(rows), strict=True):
            self.do(
                "UPDATE events SET at = :at, name = :name, submission = :submission, delivery = :delivery, "
                "detail = :detail WHERE id = :id",
                id=one,
                **row,
            )
        return Change(what="two contents swapped", batches=frozenset({batch}), kinds=E, events=frozenset(both))

    def of_batch(self, what, statement, *kinds, **values):
        batch = self._dice.randrange(1, self._batches)  # not the last, whose seal may be missing
        self.do(f"{statement} WHERE number = :number", number=batch, **values)
        return Change(what=f"batch.{what}", batches=frozenset({batch}), kinds=frozenset(kinds))

    def batch_at(self):
        return self.of_batch("at", "UPDATE batches SET at = at + 1", Kind.HEAD_DIFFERS)

    def batch_size(self):
        return self.of_batch(
            "size", "UPDATE batches SET size = size + :by", Kind.SIZE_DIFFERS, by=self._dice.choice((-1, 1))
        )

    def batch_root(self):
        return self.of_batch("root", "UPDATE batches SET root = :x", Kind.ROOT_DIFFERS, x=self._dice.randbytes(32))

    def batch_previous(self):
        return self.of_batch(
            "previous", "UPDATE batches SET previous = :x", Kind.LINK_BROKEN, x=self._dice.randbytes(32)
        )

    def batch_head(self):
        return self.of_batch("head", "UPDATE batches SET head = :x", Kind.HEAD_DIFFERS, x=self._dice.randbytes(32))

    def batch_number(self):
        return self.of_batch("number", "UPDATE batches SET number = number + 5000", Kind.BATCH_MISSING)

    def batch_number_below_all(self):
        return self.of_batch("number below", "UPDATE batches SET number = -number", Kind.BATCH_MISSING)

    def batch_deleted(self):
        return self.of_batch("deleted", "DELETE FROM batches", Kind.BATCH_MISSING)

    def seal_removed(self):
        return self.of_batch("sealed gone", "UPDATE batches SET sealed = NULL", Kind.SEAL_MISSING)

    def seal_of_another(self):
        other = "(SELECT sealed FROM batches WHERE number = :other)"
        return self.of_batch(
            "sealed of another", f"UPDATE batches SET sealed = {other}", Kind.SEAL_DIFFERS, other=self._batches
        )

    def seal_with_another_octet(self):
        place = self._dice.randrange(1200, 4000)
        return self.of_batch(
            "sealed octet",
            "UPDATE batches SET sealed = CAST(substr(sealed, 1, :place) || 'x' || substr(sealed, :place + 1) AS BLOB)",
            Kind.SEAL_BROKEN,
            Kind.SEAL_DIFFERS,
            place=place,
        )

    def stamp_of_nothing(self):
        return self.of_batch("stamp", "UPDATE batches SET stamp = :x", Kind.STAMP_BROKEN, x=self._dice.randbytes(80))

    def tail_cut(self):
        """The newest batches go, with all their events."""
        first = self._batches + 1 - self._dice.randrange(1, 20)
        self._connection.execute(text("DELETE FROM events WHERE batch >= :first"), {"first": first})
        self._connection.execute(text("DELETE FROM batches WHERE number >= :first"), {"first": first})
        return Change(what="tail cut", batches=frozenset({first}), kinds=frozenset({Kind.TAIL_CUT}))

    def chain_made_anew(self, seal=None):
        """An event is changed and all that hangs on it is made to match; only an insider has the seal."""
        first = self._batches + 1 - self._dice.randrange(1, 10)
        number = (first - 1) * BATCH + self._dice.randrange(1, BATCH + 1)
        self.do("UPDATE events SET detail = 'x' WHERE id = :id", id=number)
        journal = Within(self._connection).journal
        (last,) = journal.batches(first - 2, 1)
        for batch in journal.batches(first - 1, self._batches):
            leaves = [leaf_of(one) for one in journal.entries(batch.number)]
            last = chained(last, leaves, batch.at)
            for place, leaf in enumerate(leaves):
                self.do(
                    "UPDATE events SET leaf = :x WHERE batch = :n AND position = :p", x=leaf, n=last.number, p=place
                )
            self.do(
                "UPDATE batches SET root = :root, previous = :previous, head = :head, sealed = :sealed WHERE number = :n",
                n=last.number,
                root=last.root,
                previous=last.previous,
                head=last.head,
                sealed=None if seal is None else seal.seal(unsealed(last)),
            )
        what = "chain made anew" if seal is None else "chain made anew and sealed"
        return Change(what=what, batches=frozenset({first}), kinds=frozenset({Kind.REWRITTEN}))

    def chain_made_anew_and_sealed(self):
        return self.chain_made_anew(a_seal())


COSTLY = ("tail_cut", "chain_made_anew", "chain_made_anew_and_sealed")
CHEAP = [
    name
    for name in vars(Vandal)
    if name.startswith(("event_", "two_", "batch_", "seal_", "stamp_")) and name not in COSTLY
]
ALL = [*CHEAP, *COSTLY]


def told(account):
    return {(one.kind, one.batch, one.event) for one in account.found}


def check_around(store, against, change, batches):
    """Check the batches that a change has touched, and their neighbours."""
    first, last = max(1, min(change.batches) - 1), max(change.batches) + 1
    return check_store(store.journal, against, lambda *_: None, first=first, last=None if last >= batches else last)


def found(change, account):
    """Whether a change was told as what it is, where it is."""
    return any(
        one.kind in change.kinds and (one.event in change.events if change.events else one.batch in change.batches)
        for one in account.found
    )


def test_an_untouched_journal_is_sound(journal, against, size):
    account = check_store(journal.journal, against, lambda *_: None)
    assert (account.sound, account.batches, account.events) == (True, size[0] // BATCH, size[0])
    assert account.compared == size[0] // BATCH
    assert (account.window.events, account.window.batches, account.window.since) == (0, 0, None)


def test_every_random_single_change_is_found_with_its_kind_and_place(journal, against, size):
    events, changes = size
    dice, done, missed = random.Random(SEED), Counter(), []
    ways = dice.sample(ALL, len(ALL)) + dice.choices([*CHEAP * 10, *COSTLY], k=changes - len(ALL))  # every one is tried
    with journal._writing.connect() as connection:
        for number, way in enumerate(ways):
            with connection.begin() as transaction:
                change = getattr(Vandal(connection, dice, events), way)()
                store = Within(connection)
                account = check_around(store, against, change, events // BATCH)
                if number % (changes // WHOLE) == 0:
                    everything = check_store(store.journal, against, lambda *_: None)
                    assert told(everything) >= told(account)
                transaction.rollback()
            done[change.what] += 1
            if not found(change, account):
                missed.append((change, account.found[:5]))
    print(f"seed {SEED}: {changes - len(missed)} of {changes} changes of {events} events found:", dict(done))  # noqa: T201 - the count is what is asked for
    assert missed == []
