"""What a store promises about proof that comes later: seals, time-stamped copies, second judgements."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.values import ACKNOWLEDGED, LEASE, NOON, Hands, a_letter, again, at_once, kept
from adapters.wire.kind import Custody
from broker.model import Acceptance, SubmissionId
from broker.ports import OVERTURNED, Filter, Record
from broker.states import DeliveryState

SECOND = timedelta(seconds=1)


def under_grace(store: Custody, **about: Any) -> Acceptance:
    """Put a letter into custody that is to be judged again."""
    letter = replace(a_letter(**about), recheck=True)
    store.accept(letter)
    return letter


def record(store: Custody, letter: Acceptance) -> Record:
    """Return all that is kept of a letter."""
    found = store.show(letter.submission.id)
    assert found is not None
    return found


class ProofSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    # ── seals ──

    def test_every_seal_is_kept_once_oldest_first(self, connect: Connect, store: Custody) -> None:
        store.keep_seal("b" * 64, b"PEM of the first", NOON)
        store.keep_seal("a" * 64, b"PEM of the second", NOON + SECOND)
        connect().keep_seal("b" * 64, b"PEM of the first", NOON + 2 * SECOND)
        assert list(connect().seals()) == [b"PEM of the first", b"PEM of the second"]

    def test_nodes_that_start_under_one_new_seal_keep_it_once(self, connect: Connect, store: Custody) -> None:
        nodes = [store, connect(), connect()]
        calls = [partial(node.keep_seal, "a" * 64, b"PEM", NOON) for node in nodes * 4]
        assert at_once(calls) == [None] * 12
        assert list(store.seals()) == [b"PEM"]

    def test_a_new_store_knows_no_seal(self, store: Custody) -> None:
        assert list(store.seals()) == []

    # ── time-stamped copies ──

    def test_receipts_without_a_stamped_copy_come_oldest_first(self, store: Custody) -> None:
        letters = [kept(store) for _ in range(4)]
        receipts = [letter.receipt for letter in letters]
        assert list(store.unstamped()) == receipts
        assert list(store.unstamped(2)) == receipts[:2]
        store.stamp(receipts[0].id, b"<stamped/>", NOON)
        store.stamp(receipts[2].id, b"<stamped/>", NOON)
        assert list(store.unstamped()) == [receipts[1], receipts[3]]

    def test_a_stamped_copy_stands_beside_the_receipt_which_never_changes(
        self, connect: Connect, store: Custody
    ) -> None:
        letter, other = kept(store), kept(store)
        store.stamp(letter.receipt.id, b"<stamped/>\r\n", NOON)
        for it in (store, connect()):
            assert record(it, letter).stamped == b"<stamped/>\r\n"
            assert record(it, letter).receipt == letter.receipt
            assert record(it, other).stamped is None
        assert store.accept(again(letter)) == letter.receipt

    def test_a_receipt_is_stamped_once_and_this_is_an_event(self, connect: Connect, store: Custody) -> None:
        letter = kept(store)
        nodes = [store, connect()]
        texts = [f"<stamped by='{n}'/>".encode() for n in range(8)]
        at_once([partial(nodes[n % 2].stamp, letter.receipt.id, texts[n], NOON) for n in range(8)])
        first = record(store, letter).stamped
        assert first in texts
        store.stamp(letter.receipt.id, b"<another/>", NOON + SECOND)
        assert record(store, letter).stamped == first
        assert [event.name for event in record(store, letter).events] == ["intake.accepted", "stamp.kept"]

    def test_stamping_what_is_not_there_does_nothing(self, store: Custody) -> None:
        letter = kept(store)
        store.stamp("nobody's", b"<stamped/>", NOON)
        assert list(store.unstamped()) == [letter.receipt]

    def test_a_repeat_is_no_second_receipt_to_stamp(self, store: Custody) -> None:
        letter = kept(store)
        store.accept(again(letter))
        assert list(store.unstamped()) == [letter.receipt]

    # ── judged again ──

    def test_what_was_let_in_under_a_grace_awaits_its_second_judgement(self, connect: Connect, store: Custody) -> None:
        first, _, last = under_grace(store), kept(store), under_grace(store)
        for it in (store, connect()):
            found = it.awaiting()
            assert [one.submission for one in found] == [first.submission, last.submission]
            assert [one.report for one in found] == [b"", b""]
            assert [one.receipt for one in found] == [first.receipt, last.receipt]
            assert [one.deliveries for one in found] == [first.deliveries, last.deliveries]
            assert [one.events for one in found] == [(), ()]
        assert [one.submission for one in store.awaiting(1)] == [first.submission]
        assert [one.submission for one in store.awaiting(1, first.submission.id)] == [last.submission]
        assert list(store.awaiting(1, last.submission.id)) == []

    def test_a_settlement_is_an_event_and_a_report_beside_the_first(
        self, connect: Connect, store: Custody, clock: Hands
    ) -> None:
        letter, other = under_grace(store), under_grace(store)
        clock.pass_by(SECOND)
        store.settle(letter.submission.id, "verify.rechecked", "passed", b'{"later": true}')
        told = record(connect(), letter)
        assert (told.report, told.later_report) == (letter.report, b'{"later": true}')
        last = told.events[-1]
        assert (last.name, last.detail, last.at, last.delivery) == ("verify.rechecked", "passed", clock.now, None)
        assert [one.submission for one in store.awaiting()] == [other.submission]
        assert record(store, other).later_report is None

    def test_of_several_settlements_the_first_counts(self, connect: Connect, store: Custody) -> None:
        letter = under_grace(store)
        it, nodes = letter.submission.id, [store, connect()]
        at_once([partial(nodes[n % 2].settle, it, "verify.rechecked", f"{n}", f"{n}".encode()) for n in range(8)])
        store.settle(it, "verify.rechecked", "late", b"late")
        told = record(store, letter)
        accepted, settled = told.events
        assert (accepted.name, settled.name) == ("intake.accepted", "verify.rechecked")
        assert told.later_report == settled.detail.encode()
        assert settled.detail != "late"

    def test_settling_what_awaits_nothing_does_nothing(self, store: Custody) -> None:
        letter = kept(store)
        before = record(store, letter)
        store.settle(letter.submission.id, "verify.rechecked", "passed", b"{}")
        store.settle(SubmissionId("nobody"), "verify.rechecked", "passed", b"{}")
        assert record(store, letter) == before

    def test_what_was_overturned_can_be_listed(self, connect: Connect, store: Custody) -> None:
        kept(store)
        first, confirmed, second, open_ = (under_grace(store) for _ in range(4))
        for letter, event in ((first, OVERTURNED), (confirmed, "verify.confirmed"), (second, OVERTURNED)):
            store.settle(letter.submission.id, event, "verify.revoked", b"{}")
        assert [one.submission for one in store.awaiting()] == [open_.submission]
        found = connect().list(Filter(overturned=True))
        assert [one.submission for one in found] == [second.submission, first.submission]
        older = Filter(overturned=True, after=second.submission.id, state=DeliveryState.WAITING)
        assert [one.submission for one in store.list(older)] == [first.submission]
        assert not store.list(Filter(overturned=True, state=DeliveryState.DELIVERED))

    def test_a_second_judgement_leaves_the_delivery_alone(self, store: Custody) -> None:
        letter = under_grace(store)
        (claim,) = store.claim(LEASE)
        store.settle(letter.submission.id, "verify.rechecked", "revoked", b"{}")
        assert store.parcel(claim).report == letter.report
        store.record(claim, ACKNOWLEDGED)
        assert record(store, letter).events[-1].name == "delivery.acknowledged"

    def test_a_list_carries_neither_stamped_copies_nor_later_reports(self, store: Custody) -> None:
        letter = under_grace(store)
        store.stamp(letter.receipt.id, b"<stamped/>", NOON)
        store.settle(letter.submission.id, "verify.rechecked", "passed", b"{}")
        (listed,) = store.list(Filter())
        assert (listed.stamped, listed.later_report) == (None, None)
