"""What a store promises who asks what was sent: everything of its own, unfinished included, and nobody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from adapters.testkit.stores.fixtures import Connect, StoreFixtures
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COUNTY,
    GAVE_UP,
    LEASE,
    NOON,
    POSTPONED,
    REFUSED,
    Hands,
    a_refusal,
    fingerprint,
    kept,
)
from adapters.wire.kind import Custody
from broker.errors import Malformed
from broker.model import Acceptance, Outcome, Refusal
from broker.reconcile import Difference, Differs, Entry, Found, Sent, Standing, compare, everything, look_up, page
from broker.retention import Rule, Rules, Terms

HOUR: Final = timedelta(hours=1)
PORTAL, NOTARY = "portal", "notary"
UNKNOWN: Final = "ff" * 32


def told(letter: Acceptance, standing: Standing = Standing.WAITING, reference: str = "") -> Sent:
    """Return what its sender is told of a letter."""
    it = letter.submission
    return Sent(
        submission=it.id,
        sender=it.sender,
        receipt=letter.receipt.id,
        message_id=it.message_id,
        digest=it.digest,
        box=it.box,
        form=it.form,
        received_at=it.received_at,
        accepted_at=it.accepted_at,
        standing=standing,
        reference=reference,
    )


def turned_away(store: Custody, **about: object) -> Refusal:
    """Refuse something; return what its sender is told of it."""
    refusal = a_refusal(**{"sender": PORTAL, "negative_receipt": b"<NPP/>", **about})
    store.refuse(refusal)
    return replace(refusal, negative_receipt=None)


class ReconcileSuite(StoreFixtures):
    """Run by subclassing, with `connect` overridden."""

    def test_a_partner_is_told_all_that_it_sent_oldest_first_and_nothing_of_others(
        self, connect: Connect, store: Custody
    ) -> None:
        letters = [kept(store, sender=PORTAL, office=office) for office in ("town-hall", "county", "town-hall")]
        kept(store, sender=NOTARY)
        books = connect().reconcile
        assert list(books.sent(PORTAL, NOON)) == [told(letter) for letter in letters]
        assert [one.sender for one in books.sent(None, NOON)] == [PORTAL] * 3 + [NOTARY]
        assert list(books.sent("portal ", NOON)) == []

    @pytest.mark.parametrize(
        ("how", "standing", "reference"),
        [
            (ACKNOWLEDGED, Standing.DELIVERED, "EZD/1/2026"),
            (POSTPONED, Standing.WAITING, ""),
            (REFUSED, Standing.STOPPED, ""),
            (GAVE_UP, Standing.STOPPED, ""),
        ],
        ids=["delivered", "postponed", "refused", "quarantined"],
    )
    def test_it_is_told_what_has_become_of_each(
        self, store: Custody, how: Outcome, standing: Standing, reference: str
    ) -> None:
        letter = kept(store, sender=PORTAL)
        (claim,) = store.claim(LEASE)
        assert [one.standing for one in store.reconcile.sent(PORTAL, NOON)] == [Standing.WAITING]
        store.record(claim, how)
        assert list(store.reconcile.sent(PORTAL, NOON)) == [told(letter, standing, reference)]

    def test_a_trial_is_told_as_one(self, store: Custody) -> None:
        letter = kept(store, sender=PORTAL, trial=True)
        assert list(store.reconcile.sent(PORTAL, NOON)) == [told(letter, Standing.TRIAL)]

    def test_a_list_begins_at_its_moment(self, store: Custody) -> None:
        moments = (NOON - timedelta(microseconds=1), NOON, NOON + HOUR)
        letters = [kept(store, sender=PORTAL, accepted_at=at) for at in moments]
        assert list(store.reconcile.sent(PORTAL, NOON)) == [told(letter) for letter in letters[1:]]

    def test_what_was_pruned_is_still_told_with_its_moment(self, store: Custody, clock: Hands) -> None:
        letter = kept(store, sender=PORTAL, trial=True)
        terms = Terms(rules=Rules((Rule(keep=HOUR),)), at=NOON + 2 * HOUR)
        clock.now = terms.at
        store.retention.prune(terms, store.retention.look(terms).due)
        expected = replace(told(letter, Standing.TRIAL), message_id="", removed_at=terms.at)
        assert list(store.reconcile.sent(PORTAL, NOON)) == [expected]
        assert store.reconcile.messages(PORTAL, [letter.submission.message_id]) == {
            letter.submission.message_id: letter.submission.id
        }

    def test_refusals_are_told_in_the_order_of_their_moments_each_to_its_own(self, store: Custody) -> None:
        later = turned_away(store, at=NOON + HOUR)
        twice = [turned_away(store, at=NOON, digest=digest * 64) for digest in "ab"]
        turned_away(store, sender=NOTARY)
        turned_away(store, at=NOON - HOUR)
        books = store.reconcile
        assert list(books.turned_away(PORTAL, NOON)) == [*twice, later]
        assert list(books.turned_away(PORTAL, NOON, skip=1, most=1)) == twice[1:]
        assert len(books.turned_away(None, NOON)) == 4

    @pytest.mark.parametrize("most", [1, 2, 3, 100])
    def test_pages_hold_everything_once(self, store: Custody, most: int) -> None:
        letters = [kept(store, sender=PORTAL) for _ in range(4)]
        refused = [turned_away(store, at=NOON + number // 3 * HOUR, digest=f"{number:064x}") for number in range(5)]
        turned_away(store, sender=NOTARY)
        sent: list[Sent] = []
        no: list[Refusal] = []
        cursor, pages = "", 0
        while pages == 0 or cursor:
            part = page(store.reconcile, PORTAL, NOON, cursor, most)
            assert max(len(part.sent), len(part.refused)) <= most
            sent += part.sent
            no += part.refused
            cursor = part.cursor
            pages += 1
        assert sent == [told(letter) for letter in letters]
        assert no == refused

    @pytest.mark.parametrize("cursor", ["x", "r:", "r:1", "r:-1:0", "r:1:x", "r:999999999999999999:0", "r:1:0\n"])
    def test_a_cursor_of_ones_own_making_is_refused(self, store: Custody, cursor: str) -> None:
        with pytest.raises(Malformed, match=r"reconcile\.cursor"):
            page(store.reconcile, PORTAL, NOON, cursor)

    def test_a_digest_is_known_refused_or_unknown(self, connect: Connect, store: Custody) -> None:
        letter = kept(store, sender=PORTAL, digest="a" * 64)
        trial = kept(store, sender=PORTAL, digest="a" * 64, trial=True)
        kept(store, sender=NOTARY, digest="a" * 64)
        turned_away(store, digest="b" * 64, code="parse.dtd")
        last = turned_away(store, digest="b" * 64, code="route.nowhere")
        turned_away(store, sender=NOTARY, digest="c" * 64)
        asked = ["c" * 64, "b" * 64, "a" * 64]
        assert look_up(connect().reconcile, PORTAL, asked) == [
            Found(digest="c" * 64),
            Found(digest="b" * 64, refused=last),
            Found(digest="a" * 64, sent=(told(letter), told(trial, Standing.TRIAL))),
        ]
        assert look_up(store.reconcile, PORTAL, []) == []

    def test_what_is_no_digest_or_too_many_of_them_is_refused(self, store: Custody) -> None:
        for wrong in ("A" * 64, "a" * 63, "a" * 64 + "\n", ""):
            with pytest.raises(Malformed, match=r"reconcile\.digest"):
                look_up(store.reconcile, PORTAL, [wrong])
        with pytest.raises(Malformed, match=r"reconcile\.many"):
            look_up(store.reconcile, PORTAL, [UNKNOWN] * 501)
        assert len(look_up(store.reconcile, PORTAL, [UNKNOWN] * 500)) == 500

    def test_a_receipt_is_given_again_to_its_own_sender(self, connect: Connect, store: Custody) -> None:
        letter = kept(store, sender=PORTAL)
        books = connect().reconcile
        assert books.receipt(PORTAL, letter.receipt.id) == letter.receipt
        assert books.receipt(None, letter.receipt.id) == letter.receipt
        assert books.receipt(NOTARY, letter.receipt.id) is None
        assert books.receipt(PORTAL, "r-nobody") is None

    def test_a_message_id_stands_for_its_senders_submission(self, store: Custody) -> None:
        letter = kept(store, sender=PORTAL)
        store.find(replace(fingerprint(letter), message_id="another"))
        known = {letter.submission.message_id: letter.submission.id, "another": letter.submission.id}
        assert store.reconcile.messages(PORTAL, [*known, "unknown"]) == known
        assert store.reconcile.messages(NOTARY, [*known]) == {}
        assert store.reconcile.messages(PORTAL, []) == {}

    def test_two_lists_that_agree_differ_in_nothing(self, store: Custody) -> None:
        letters = [kept(store, sender=PORTAL, trial=number == 1) for number in range(3)]
        entries = [
            Entry(digest=it.submission.digest, message_id=it.submission.message_id, receipt=it.receipt.id)
            for it in letters
        ]
        assert list(compare(store.reconcile, PORTAL, NOON, entries)) == []
        assert list(compare(store.reconcile, PORTAL, NOON, [Entry(digest=it.digest) for it in entries])) == []

    def test_two_lists_differ_by_what_one_side_has_alone_and_by_what_they_call_it(self, store: Custody) -> None:
        ours, both, other, old = (kept(store, sender=PORTAL, accepted_at=at) for at in (NOON, NOON, NOON, NOON - HOUR))
        kept(store, sender=NOTARY, office=COUNTY)
        refused = turned_away(store, digest="b" * 64)
        entries = [
            Entry(digest=UNKNOWN, receipt="r-theirs"),
            Entry(digest=refused.digest),
            Entry(digest=both.submission.digest, message_id=other.submission.message_id, receipt="r-theirs"),
            Entry(digest=other.submission.digest, message_id="never-seen"),
        ]
        mine = both.submission.digest
        assert list(compare(store.reconcile, PORTAL, NOON, entries)) == [
            Differs(how=Difference.MISSING, digest=UNKNOWN, theirs="r-theirs"),
            Differs(how=Difference.MISSING, digest=refused.digest, ours=refused.code),
            Differs(how=Difference.RECEIPT, digest=mine, theirs="r-theirs", ours=both.receipt.id),
            Differs(
                how=Difference.MESSAGE_ID, digest=mine, theirs=other.submission.message_id, ours=other.submission.id
            ),
            Differs(how=Difference.MESSAGE_ID, digest=other.submission.digest, theirs="never-seen"),
            Differs(how=Difference.LOST, digest=ours.submission.digest, ours=ours.receipt.id),
        ]
        assert old.submission.id not in [one.submission for one in store.reconcile.sent(PORTAL, NOON)]

    def test_long_lists_are_compared_whole(self, store: Custody) -> None:
        with ThreadPoolExecutor(8) as pool:
            letters = list(pool.map(lambda _: kept(store, sender=PORTAL, trial=True), range(502)))
        entries = [Entry(digest=it.submission.digest, message_id=it.submission.message_id) for it in letters]
        assert list(compare(store.reconcile, PORTAL, NOON, entries)) == []
        (lost,) = compare(store.reconcile, PORTAL, NOON, entries[:-1])
        assert (lost.how, lost.digest) == (Difference.LOST, entries[-1].digest)
        assert len(list(everything(store.reconcile, PORTAL, NOON))) == 502
