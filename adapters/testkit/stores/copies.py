"""What a store promises to who takes copies of the evidence out."""

from __future__ import annotations

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.values import NOON, a_letter, kept
from adapters.wire.kind import Custody
from broker.copies import MADE, MOST
from broker.model import SubmissionId
from broker.ports import EventRecord


class CopySuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_a_submission_is_named_by_each_of_its_ids_and_by_its_digest(self, connect: Connect, store: Custody) -> None:
        letter, _ = kept(store), kept(store)
        it = letter.submission
        for word in (it.id, letter.receipt.id, letter.deliveries[0].id, it.digest, it.digest.upper()):
            assert list(connect().copies.named(word)) == [it.id]

    def test_what_nobody_knows_names_nothing(self, store: Custody) -> None:
        kept(store)
        for word in ("", "nobody", "citizen", "00" * 32, "'; --"):
            assert list(store.copies.named(word)) == []

    def test_one_document_of_many_senders_is_named_newest_first_and_not_without_end(self, store: Custody) -> None:
        letters = [a_letter(sender=f"s{number}", digest="ab" * 32) for number in range(MOST + 5)]
        for letter in letters:
            store.accept(letter)
        newest = [letter.submission.id for letter in reversed(letters)][:MOST]
        assert list(store.copies.named("ab" * 32)) == newest

    def test_that_a_copy_was_made_is_an_event_of_its_submission(self, connect: Connect, store: Custody) -> None:
        letter, other = kept(store), kept(store)
        assert store.copies.made(letter.submission.id, "sha256 ab")
        record, nothing = connect().show(letter.submission.id), connect().show(other.submission.id)
        assert record is not None
        assert record.events[-1] == EventRecord(at=NOON, name=MADE, submission=letter.submission.id, detail="sha256 ab")
        assert nothing is not None
        assert [event.name for event in nothing.events] == ["intake.accepted"]

    def test_of_what_nobody_knows_no_copy_was_made(self, store: Custody) -> None:
        assert not store.copies.made(SubmissionId("nobody"), "sha256 ab")
