"""What a store promises about the journal: `store.journal`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    LEASE,
    NOON,
    TOWN,
    Hands,
    a_letter,
    a_refusal,
    at_once,
    kept,
)
from adapters.wire.kind import Custody
from broker.errors import Unavailable
from broker.journal import FIRST, Batch, Entry, Lag, acceptance_detail, head_of, leaf_of
from broker.journal_tree import tree_root
from broker.model import SubmissionId

LATER = timedelta(minutes=1)


def chain_all(store: Custody, most: int = 100) -> list[Batch]:
    """Chain until there is nothing left."""
    made: list[Batch] = []
    while (batch := store.journal.chain(most)) is not None:
        made.append(batch)
    return made


def everything(store: Custody) -> Iterator[tuple[Batch, list[Entry]]]:
    """Yield all batches with their events."""
    for batch in store.journal.batches(most=10_000):
        yield batch, list(store.journal.entries(batch.number))


def hold_together(store: Custody) -> None:
    """Say that each batch is made of its events, follows the one before, and shares no event with another."""
    head = FIRST
    seen: set[int] = set()
    for number, (batch, entries) in enumerate(everything(store), start=1):
        assert (batch.number, batch.previous, batch.size) == (number, head, len(entries))
        assert [entry.position for entry in entries] == list(range(batch.size))
        assert [entry.leaf for entry in entries] == [leaf_of(entry) for entry in entries]
        assert [entry.id for entry in entries] == sorted(entry.id for entry in entries)
        assert batch.root == tree_root([leaf_of(entry) for entry in entries])
        assert batch.head == head_of(batch)
        assert not seen & {entry.id for entry in entries}
        seen |= {entry.id for entry in entries}
        head = batch.head


class JournalSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_events_are_chained_in_their_order_and_each_batch_follows_the_one_before(
        self, store: Custody, clock: Hands
    ) -> None:
        chain_all(store)
        for _ in range(7):
            kept(store)
        clock.pass_by(LATER)
        made = chain_all(store, most=3)
        assert [batch.size for batch in made] == [3, 3, 1]
        assert {batch.at for batch in made} == {NOON + LATER}
        hold_together(store)
        assert store.journal.last() == made[-1]
        assert store.journal.chain(3) is None

    def test_a_batch_keeps_what_its_events_said(self, connect: Connect, store: Custody) -> None:
        letter = kept(store)
        (claim,) = store.claim(LEASE)
        store.record(claim, ACKNOWLEDGED)
        store.refuse(a_refusal())
        store.pause(TOWN, True)
        chain_all(store)
        told = {entry.event.name: entry.event for _, entries in everything(connect()) for entry in entries}
        assert told["intake.accepted"].detail == acceptance_detail(letter.submission.digest, letter.receipt)
        assert told["intake.accepted"].submission == letter.submission.id
        assert told["delivery.acknowledged"].detail == ACKNOWLEDGED.reference
        assert told["delivery.acknowledged"].delivery == letter.deliveries[0].id
        assert told["intake.refused"].submission is None
        assert told["office.paused"].detail == TOWN

    def test_odd_words_are_hashed_as_they_come_back(self, store: Custody) -> None:
        """What an office says is a stranger's text."""
        kept(store)
        (claim,) = store.claim(LEASE)
        store.record(claim, replace(ACKNOWLEDGED, reference="ż\x00\ud800\ue000 \n"))
        chain_all(store)
        hold_together(store)

    def test_what_comes_after_a_batch_goes_into_the_next(self, store: Custody) -> None:
        kept(store)
        first = chain_all(store)[-1]
        letter = kept(store)
        (entry,) = store.journal.about(letter.submission.id)
        assert (entry.batch, entry.position, entry.leaf) == (None, None, None)
        second = chain_all(store)[0]
        assert second.previous == first.head
        (entry,) = store.journal.about(letter.submission.id)
        assert (entry.batch, entry.position, entry.leaf) == (second.number, 0, leaf_of(entry))

    def test_of_many_who_chain_at_once_none_forks_and_none_leaves_anything_out(
        self, connect: Connect, store: Custody
    ) -> None:
        chain_all(store)
        letters = [kept(store) for _ in range(60)]
        nodes = [store, connect(), connect()]
        while store.journal.lag().unchained:
            done = at_once([partial(nodes[n % 3].journal.chain, 5) for n in range(6)])
            assert [one for one in done if isinstance(one, Exception)] == []
        hold_together(store)
        for letter in letters:
            (entry,) = store.journal.about(letter.submission.id)
            assert entry.batch is not None

    def test_the_very_first_batch_is_made_once(self, connect: Connect, store: Custody) -> None:
        kept(store)
        nodes = [store, connect(), connect()]
        done = at_once([partial(nodes[n % 3].journal.chain, 5) for n in range(9)])
        assert len([one for one in done if isinstance(one, Batch)]) == 1
        assert all(one is None or isinstance(one, Batch | Unavailable) for one in done)  # there is no row to wait for
        hold_together(store)

    def test_intake_goes_on_while_events_are_chained(self, connect: Connect, store: Custody) -> None:
        other = connect()
        letters = [a_letter() for _ in range(40)]
        calls: list[Callable[[], object]] = [partial(store.accept, letter) for letter in letters]
        calls += [partial(other.journal.chain, 3) for _ in range(8)]
        done = at_once(calls)
        assert [one for one in done[: len(letters)] if isinstance(one, Exception)] == []
        chain_all(store, most=7)
        hold_together(store)
        assert all(store.journal.about(letter.submission.id)[0].batch is not None for letter in letters)

    def test_a_head_is_sealed_once_and_time_stamped_once(self, connect: Connect, store: Custody) -> None:
        for _ in range(4):
            kept(store)
        first, second = chain_all(store, most=2)
        journal = store.journal
        assert [it.number for it in journal.unsealed()] == [it.number for it in journal.unstamped()] == [1, 2]
        assert (journal.last(sealed=True), journal.last(stamped=True)) == (None, None)
        journal.keep_sealed(1, b"<sealed/>")
        journal.keep_sealed(1, b"<another/>")
        journal.keep_stamp(2, b"stamp")
        connect().journal.keep_stamp(2, b"another")
        journal.keep_sealed(99, b"<nowhere/>")
        assert journal.unsealed() == [replace(second, stamp=b"stamp")]
        assert journal.unstamped(1) == [replace(first, sealed=b"<sealed/>")]
        assert list(journal.unstamped(after=1)) == []
        assert journal.last(sealed=True) == replace(first, sealed=b"<sealed/>")
        assert journal.last(stamped=True) == journal.last() == replace(second, stamp=b"stamp")

    def test_batches_come_page_by_page(self, store: Custody) -> None:
        for _ in range(5):
            kept(store)
        made = chain_all(store, most=1)
        assert list(store.journal.batches()) == made
        assert list(store.journal.batches(after=2, most=2)) == made[2:4]
        assert list(store.journal.batches(after=5)) == []
        assert list(store.journal.entries(99)) == list(store.journal.strays()) == []

    def test_how_far_it_is_behind_is_known(self, store: Custody, clock: Hands) -> None:
        chain_all(store)
        for number in (it.number for it in store.journal.batches()):
            store.journal.keep_sealed(number, b"<sealed/>")
        assert store.journal.lag() == Lag()
        clock.pass_by(LATER)
        kept(store)
        kept(store)
        assert store.journal.lag() == Lag(unchained=2, unchained_since=NOON + LATER)
        clock.pass_by(LATER)
        (batch,) = chain_all(store)
        at = NOON + 2 * LATER
        assert store.journal.lag() == Lag(unsealed=1, unsealed_since=at)
        store.journal.keep_sealed(batch.number, b"<sealed/>")
        assert store.journal.lag() == Lag()

    def test_events_of_nobodys_submission_are_chained_too(self, store: Custody) -> None:
        store.refuse(a_refusal())
        chain_all(store)
        hold_together(store)
        assert list(store.journal.about(SubmissionId("nobody"))) == []
