"""Who may ask, how often, and when a question may be repeated as it is: the same rules as for a document."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.stores.memory import MemoryStore
from adapters.testkit.stores.values import NOON, Hands, kept
from broker.errors import Malformed, NotYet, Unauthorised, Unavailable
from broker.model import Once
from broker.partner import Partner, Partners, Proof
from broker.reconcile import NO_INQUIRIES, Asker
from config.reconcile import Desk

PORTAL = Asker(sender="portal", proof=Proof.TLS)
ONCE = Once(token="ab" * 32, until=NOON + timedelta(minutes=10))


@pytest.fixture
def store():
    return MemoryStore(Hands())


def a_desk(store, **about):
    desk = Desk(lambda: Partners([Partner(id="portal", **about)]))
    desk.custody = store
    return desk


def test_until_the_store_is_open_everybody_is_put_off():
    with pytest.raises(Unavailable):
        Desk(Partners).page(PORTAL, NOON)
    for ask in (
        lambda: NO_INQUIRIES.page(PORTAL, NOON),
        lambda: NO_INQUIRIES.look_up(PORTAL, []),
        lambda: NO_INQUIRIES.receipt(PORTAL, "r"),
    ):
        with pytest.raises(Unavailable):
            ask()


def test_a_partner_that_is_none_any_more_is_refused(store):
    with pytest.raises(Unauthorised, match=r"partner\.gone"):
        a_desk(store).page(Asker(sender="gone", proof=Proof.TLS), NOON)
    a_desk(store).page(Asker(sender="gone", proof=Proof.NONE), NOON)


def test_a_question_counts_as_a_message_of_the_partners_share(store):
    desk = a_desk(store, rate=1)
    desk.look_up(PORTAL, [])
    for ask in (lambda: desk.page(PORTAL, NOON), lambda: desk.receipt(PORTAL, "r")):
        with pytest.raises(NotYet):
            ask()


def test_a_message_that_may_come_once_is_answered_once(store):
    desk, asker = a_desk(store), Asker(sender="portal", proof=Proof.WS_SECURITY, once=ONCE)
    desk.page(asker, NOON)
    with pytest.raises(Unauthorised, match=r"intake\.replayed"):
        desk.page(asker, NOON)


def test_what_failed_for_want_of_something_of_ours_may_be_asked_again_as_it_is(store, monkeypatch):
    desk, asker = a_desk(store), Asker(sender="portal", proof=Proof.WS_SECURITY, once=ONCE)
    letter = kept(store, sender="portal")
    with monkeypatch.context() as broken:
        broken.setattr(store.reconcile, "receipt", lambda *_: (_ for _ in ()).throw(Unavailable("away")))
        with pytest.raises(Unavailable):
            desk.receipt(asker, letter.receipt.id)
    assert desk.receipt(asker, letter.receipt.id) == letter.receipt


def test_a_question_that_was_refused_may_not(store):
    desk, asker = a_desk(store), Asker(sender="portal", proof=Proof.WS_SECURITY, once=ONCE)
    with pytest.raises(Malformed, match=r"reconcile\.digest"):
        desk.look_up(asker, ["x"])
    with pytest.raises(Unauthorised, match=r"intake\.replayed"):
        desk.look_up(asker, ["ab" * 32])


def test_a_receipt_of_somebody_elses_is_none(store):
    letter = kept(store, sender="notary")
    with pytest.raises(Malformed, match=r"reconcile\.receipt"):
        a_desk(store).receipt(PORTAL, letter.receipt.id)
