"""What a store promises about taking custody: `find`, `accept`, `refuse`, `parcel`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.values import (
    LEASE,
    NOON,
    a_letter,
    a_refusal,
    again,
    at_once,
    fingerprint,
    kept,
)
from adapters.wire.kind import Custody
from broker.errors import Reused, Unavailable
from broker.model import Answer, Receipt
from broker.partner import Proof

AWKWARD = "zażółć \x00 \ud800 \ue000 '; -- \n " + "x" * 5000


class CustodySuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_a_document_comes_back_byte_for_byte(self, store: Custody) -> None:
        document = b"\xef\xbb\xbf<a>\r\n\x00\xff</a>\n\n"
        letter = kept(store, document)
        (claim,) = store.claim(LEASE)
        assert store.parcel(claim).document == document
        assert store.document(letter.submission.id) == document

    def test_a_parcel_is_all_that_was_accepted(self, store: Custody) -> None:
        letter = kept(store, notes=("route.envelope-differs",), case="OR.1.2026", in_reply_to="s0", proof=Proof.TLS)
        (claim,) = store.claim(LEASE)
        parcel = store.parcel(claim)
        assert parcel.delivery == letter.deliveries[0].id
        assert parcel.submission == letter.submission
        assert parcel.receipt == letter.receipt
        assert parcel.report == letter.report

    def test_any_text_that_a_sender_can_write_is_kept_as_it_is(self, store: Custody) -> None:
        letter = kept(store, sender=AWKWARD, message_id=AWKWARD, fingerprint_box=AWKWARD, file_name=AWKWARD)
        (claim,) = store.claim(LEASE)
        assert store.parcel(claim).submission == letter.submission
        assert store.find(fingerprint(letter)) == letter.receipt
        store.refuse(a_refusal(sender=AWKWARD, message_id=AWKWARD, place=AWKWARD))
        assert store.refusals()[0].sender == AWKWARD

    def test_what_is_due_at_once_is_so_by_the_stores_clock(self, store: Custody) -> None:
        """A node whose own clock is ahead says that it is due in an hour; what is due later on purpose stays so."""
        ahead, later = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
        hasty, patient = a_letter(), a_letter(due_at=later)
        (mine,) = hasty.deliveries
        store.accept(replace(hasty, deliveries=(replace(mine, since=ahead, due_at=ahead),)))
        store.accept(patient)
        assert [claim.delivery.submission for claim in store.claim(LEASE, 9)] == [hasty.submission.id]

    def test_a_new_message_is_not_found(self, store: Custody) -> None:
        kept(store)
        assert store.find(fingerprint(a_letter())) is None

    def test_accept_returns_the_receipt_that_it_keeps(self, store: Custody) -> None:
        letter = a_letter()
        letter = replace(letter, receipt=replace(letter.receipt, answer=Answer.STATUS))
        assert store.accept(letter) == letter.receipt
        assert store.find(fingerprint(letter)) == letter.receipt

    def test_a_repeat_gets_the_first_receipt_and_no_second_delivery(self, store: Custody) -> None:
        first = kept(store)
        assert store.accept(again(first)) == first.receipt
        assert len(store.claim(LEASE, 10)) == 1
        assert store.stats().submissions == 1

    def test_a_repeat_is_known_without_a_message_id(self, store: Custody) -> None:
        first = kept(store, message_id="")
        assert store.find(fingerprint(first)) == first.receipt
        assert store.accept(again(first)) == first.receipt

    def test_the_same_bytes_under_a_new_message_id_are_the_same_submission(self, store: Custody) -> None:
        first = kept(store, message_id="one")
        assert store.find(fingerprint(again(first, message_id="two"))) == first.receipt
        assert store.accept(again(first, message_id="two")) == first.receipt

    @pytest.mark.parametrize("how", ["find", "accept"])
    def test_a_message_id_under_which_a_repeat_came_cannot_be_used_for_anything_else(
        self, connect: Connect, store: Custody, how: str
    ) -> None:
        first = kept(store, message_id="one")
        repeat = again(first, message_id="two")
        assert (store.find(fingerprint(repeat)) if how == "find" else store.accept(repeat)) == first.receipt
        other = a_letter(message_id="two")
        for each in (store, connect()):  # the id was bound in the store, not in the process that answered
            with pytest.raises(Reused):
                each.find(fingerprint(other))
            with pytest.raises(Reused):
                each.accept(other)
        assert store.accept(again(other, message_id="three")).submission != first.submission.id
        for message_id in ("one", "two", ""):
            assert store.find(fingerprint(again(first, message_id=message_id))) == first.receipt
        assert store.stats().submissions == 2

    def test_an_id_is_bound_to_the_whole_key_of_what_was_repeated(self, store: Custody) -> None:
        real = kept(store, message_id="one")
        trial = kept(store, message_id="trial", digest=real.submission.digest, trial=True)
        assert store.find(fingerprint(again(real, message_id="two"))) == real.receipt
        with pytest.raises(Reused):
            store.find(fingerprint(again(trial, message_id="two")))

    def test_what_is_new_or_reused_binds_no_message_id(self, store: Custody) -> None:
        first = kept(store, message_id="one")
        other = a_letter(message_id="one")
        with pytest.raises(Reused):
            store.accept(other)
        assert store.find(fingerprint(again(other, message_id="two"))) is None
        third = a_letter(message_id="two")
        assert store.accept(third) == third.receipt
        assert store.find(fingerprint(first)) == first.receipt

    def test_senders_bind_ids_of_their_own(self, store: Custody) -> None:
        first = kept(store, sender="one", message_id="a")
        assert store.find(fingerprint(again(first, message_id="b"))) == first.receipt
        other = a_letter(sender="two", message_id="b")
        assert store.accept(other) == other.receipt

    @pytest.mark.parametrize(
        "other",
        [{"digest": "f" * 64}, {"fingerprint_box": "/town/other"}, {"trial": True}],
        ids=lambda it: next(iter(it)),
    )
    def test_a_message_id_cannot_be_used_for_anything_else(self, store: Custody, other: dict[str, object]) -> None:
        first = kept(store)
        with pytest.raises(Reused) as no:
            store.find(fingerprint(again(first, **other)))
        assert no.value.code == "intake.reused-id"
        with pytest.raises(Reused):
            store.accept(again(first, **other))
        assert len(store.claim(LEASE, 10)) == 1
        assert store.stats().submissions == 1

    def test_a_used_message_id_weighs_more_than_known_bytes(self, store: Custody) -> None:
        first, second = kept(store), kept(store)
        mixed = again(second, message_id=first.submission.message_id)
        with pytest.raises(Reused):
            store.find(fingerprint(mixed))
        with pytest.raises(Reused):
            store.accept(mixed)
        for one in (first, second):
            assert store.find(fingerprint(one)) == one.receipt

    @pytest.mark.parametrize(
        "other",
        [{"sender": "neighbour"}, {"fingerprint_box": "/town/other"}, {"trial": True}, {"digest": "f" * 64}],
        ids=lambda it: next(iter(it)),
    )
    def test_messages_without_an_id_differ_by_each_part_of_the_key(
        self, store: Custody, other: dict[str, object]
    ) -> None:
        first = kept(store, message_id="")
        second = again(first, **other)
        assert store.find(fingerprint(second)) is None
        assert store.accept(second) == second.receipt

    def test_senders_do_not_share_message_ids(self, store: Custody) -> None:
        kept(store, message_id="m", sender="one")
        other = a_letter(message_id="m", sender="two")
        assert store.accept(other) == other.receipt

    def test_parts_of_a_key_do_not_run_into_one_another(self, store: Custody) -> None:
        kept(store, sender="ab", message_id="c", digest="0" * 64)
        other = a_letter(sender="a", message_id="bc", digest="0" * 64)
        assert store.accept(other) == other.receipt

    def test_a_trial_is_kept_and_delivered_to_nobody(self, store: Custody) -> None:
        letter = kept(store, trial=True)
        assert store.find(fingerprint(letter)) == letter.receipt
        assert store.claim(LEASE) == []
        assert store.stats().submissions == 0

    def test_a_refused_document_occupies_no_message_id(self, store: Custody) -> None:
        letter = a_letter()
        it = letter.submission
        store.refuse(a_refusal(sender=it.sender, message_id=it.message_id, digest=it.digest))
        assert store.find(fingerprint(letter)) is None
        assert store.accept(letter) == letter.receipt

    def test_one_receipt_comes_out_of_a_race(self, connect: Connect, store: Custody) -> None:
        first = a_letter()
        stores = [store, connect()]
        rivals = [again(first) for _ in range(20)]
        receipts = at_once([lambda n=n, it=it: stores[n % 2].accept(it) for n, it in enumerate(rivals)])  # type: ignore[misc]
        assert len(set(map(repr, receipts))) == 1
        assert isinstance(receipts[0], Receipt)
        assert store.find(fingerprint(first)) == receipts[0]
        assert len(store.claim(LEASE, 100)) == 1

    def test_of_two_repeats_that_race_for_one_new_id_one_gets_it(self, connect: Connect, store: Custody) -> None:
        stores = [store, connect()]
        for turn in range(5):
            letters = [kept(store, message_id=f"old {turn} {one}") for one in "ab"]
            rivals = [again(letters[n // 2 % 2], message_id=f"new {turn}") for n in range(12)]
            calls = [(stores[n % 2], it, n % 3 == 0) for n, it in enumerate(rivals)]
            answers = at_once(
                [
                    lambda on=on, it=it, straight=straight: on.accept(it) if straight else on.find(fingerprint(it))  # type: ignore[misc]
                    for on, it, straight in calls
                ]
            )
            told = [answers[n] for n in range(12) if n // 2 % 2 == 0], [answers[n] for n in range(12) if n // 2 % 2]
            (winner,) = (n for n in (0, 1) if told[n][0] == letters[n].receipt)
            assert all(answer == letters[winner].receipt for answer in told[winner])
            assert {type(answer) for answer in told[1 - winner]} == {Reused}
        assert store.stats().submissions == 2 * 5

    def test_who_loses_a_new_id_in_a_race_has_taken_nothing(self, connect: Connect, store: Custody) -> None:
        stores = [store, connect()]
        rivals = [a_letter(message_id="same") for _ in range(12)]
        answers = at_once([lambda n=n, it=it: stores[n % 2].accept(it) for n, it in enumerate(rivals)])  # type: ignore[misc]
        (winner,) = (it for it, answer in zip(rivals, answers, strict=True) if answer == it.receipt)
        for rival, answer in zip(rivals, answers, strict=True):
            if rival is not winner:
                assert isinstance(answer, Reused)
                assert store.find(fingerprint(again(rival, message_id=""))) is None
                assert store.show(rival.submission.id) is None
        assert [claim.delivery.submission for claim in store.claim(LEASE, 100)] == [winner.submission.id]

    def test_one_member_in_conflict_hurts_no_other(self, connect: Connect, store: Custody) -> None:
        first = kept(store)
        thief = again(first, digest=hashlib.sha256(b"other").hexdigest())
        letters = [a_letter() for _ in range(15)]
        calls = [thief, *letters[:7], again(first), *letters[7:], again(letters[0])]
        answers = at_once([lambda it=it: store.accept(it) for it in calls])  # type: ignore[misc]
        assert isinstance(answers[0], Reused)
        assert answers[8] == first.receipt
        for letter in letters:
            assert store.find(fingerprint(letter)) in answers
        assert connect().stats().submissions == 16

    def test_a_member_that_cannot_be_kept_at_all_hurts_no_other(self, store: Custody) -> None:
        first = kept(store)
        clash = a_letter(id=first.submission.id)
        letters = [a_letter() for _ in range(15)]
        answers = at_once([lambda it=it: store.accept(it) for it in [*letters[:8], clash, *letters[8:]]])  # type: ignore[misc]
        assert isinstance(answers[8], Unavailable)
        assert [answer for answer in answers if answer is not answers[8]] == [letter.receipt for letter in letters]
        assert store.find(fingerprint(clash)) is None

    def test_another_connection_sees_what_was_accepted(self, connect: Connect, store: Custody) -> None:
        letter = kept(store)
        assert connect().find(fingerprint(letter)) == letter.receipt

    def test_a_refusal_is_on_record_with_its_negative_receipt(self, store: Custody) -> None:
        refusal = a_refusal(negative_receipt=b"<NPP/>")
        store.refuse(refusal)
        assert store.refusals() == [refusal]
        assert store.stats().refusals == 1

    def test_refusals_over_the_hourly_cap_of_a_sender_are_only_counted(self, store: Custody) -> None:
        for number in range(8):
            store.refuse(a_refusal(size=number))
        store.refuse(a_refusal(sender="other"))
        store.refuse(a_refusal(at=NOON + timedelta(hours=1)))
        mine = [it for it in store.refusals() if it.sender == "stranger"]
        assert len(mine) == 5 + 1
        assert store.stats().refusals == 10

    def test_after_close_the_store_is_unavailable(self, store: Custody) -> None:
        letter = kept(store)
        store.close()
        store.close()
        with pytest.raises(Unavailable):
            store.accept(a_letter())
        with pytest.raises(Unavailable):
            store.find(fingerprint(letter))
