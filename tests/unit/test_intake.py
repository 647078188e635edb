"""Intake before any stage: who may come in with what, at which pace, and a message that may come only once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from adapters.stores.memory import MemoryStore
from broker.admit import Admit
from broker.errors import Invalid, NotYet, TooLarge, Unauthorised, Unavailable
from broker.intake import Intake
from broker.model import Once, Target
from broker.partner import Partner, Partners, Proof
from broker.pressure import RETRY_AFTER, Condition, Pressure
from broker.receipt import Registrar
from tests import stages
from tests.builders import NOON, an_envelope

TARGET = Target(row="box:/town/SEKAP", office="town", office_name="Town", box="/town/SEKAP")
ONCE = Once(token="aa", until=NOON + timedelta(minutes=5))


def an_intake(*partners, **about):
    ids = count(1)
    next_id = lambda: f"{next(ids):08}"  # noqa: E731
    return Intake(
        **{
            "store": MemoryStore(lambda: NOON),
            "parse": stages.parse,
            "validate": stages.validate,
            "verify": stages.verify,
            "route": stages.route_to(TARGET),
            "admit": Admit(partners=lambda: Partners(partners)),
            "registrar": Registrar(seal=stages.Marking(), ids=next_id, environment="test"),
            "clock": lambda: NOON,
            "ids": next_id,
            "partners": lambda: Partners(partners),
            **about,
        }
    )


def refused(intake, envelope):
    with pytest.raises((Unauthorised, TooLarge)) as no:
        intake.accept(envelope)
    assert [refusal.code for refusal in intake.store.refusals()] == [no.value.code], "a refusal is recorded"
    return no.value.code


def test_a_document_over_the_partners_size_is_refused():
    intake = an_intake(Partner(id="citizen", size=9))
    assert intake.accept(an_envelope(b"123456789"))
    assert refused(intake, an_envelope(b"1234567890")) == "partner.too-large"


def test_an_answer_goes_to_no_box_but_the_partners_own():
    intake = an_intake(Partner(id="citizen", boxes=frozenset({"/citizen/in"})))
    assert intake.accept(an_envelope(reply_to="/citizen/in"))
    assert refused(intake, an_envelope(b"<other/>", reply_to="/town/SEKAP")) == "partner.reply-box"


def test_a_partner_that_cannot_prove_itself_and_has_no_boxes_named_is_held_to_none():
    assert an_intake(Partner(id="citizen", negative_receipts=True)).accept(an_envelope(reply_to="/any/box"))
    proven = Partner(id="citizen", users=frozenset({"citizen"}))
    assert refused(an_intake(proven), an_envelope(reply_to="/any/box")) == "partner.reply-box"


def test_who_is_no_partner_is_held_to_nothing_but_the_rules_of_the_box():
    assert an_intake(Partner(id="portal", size=1)).accept(an_envelope(reply_to="/any/box"))


def test_who_sends_too_fast_is_told_to_wait_and_nothing_is_recorded():
    def pace(partner):
        raise Unavailable(partner.id, retry_after=timedelta(seconds=3))

    intake = an_intake(Partner(id="citizen"), pace=pace)
    with pytest.raises(Unavailable):
        intake.accept(an_envelope())
    assert not intake.store.refusals()


def test_how_it_was_known_who_sends_is_kept():
    intake = an_intake(Partner(id="citizen"))
    receipt = intake.accept(an_envelope(proof=Proof.TLS))
    assert intake.store.show(receipt.submission).submission.proof is Proof.TLS


def test_a_partner_that_was_taken_away_since_it_was_proven_is_not_let_in():
    """Without its entry nothing would say any more where it may send to."""
    assert refused(an_intake(), an_envelope(proof=Proof.WS_SECURITY)) == "partner.gone"


def test_a_partner_that_is_taken_away_while_its_document_is_judged_is_not_let_in():
    there = iter([Partners([Partner(id="citizen", to=frozenset({"/other/box"}))]), Partners(), Partners()])
    intake = an_intake(partners=lambda: next(there))
    intake = replace(intake, admit=Admit(partners=intake.partners))
    assert refused(intake, an_envelope(proof=Proof.TLS)) == "partner.gone"


# ── a message that may come only once ────────────────────────────────────────────────────────────────────


def test_a_message_that_is_sent_again_whole_gets_no_receipt():
    intake = an_intake()
    assert intake.accept(an_envelope(once=ONCE))
    assert refused(intake, an_envelope(once=ONCE)) == "intake.replayed"


def test_the_same_document_in_a_message_made_anew_gets_its_receipt():
    intake = an_intake()
    first = intake.accept(an_envelope(once=ONCE))
    assert intake.accept(an_envelope(once=replace(ONCE, token="bb"))) == first


def test_a_message_that_came_to_nothing_may_come_again_as_it_is():
    moods = iter([Unavailable("away"), None])

    def validate(document):
        mood = next(moods)
        if mood:
            raise mood
        return stages.validate(document)

    intake = an_intake(validate=validate)
    with pytest.raises(Unavailable):
        intake.accept(an_envelope(once=ONCE))
    assert intake.accept(an_envelope(once=ONCE))


def test_a_message_that_was_refused_may_not_come_again_as_it_is():
    def validate(document):
        raise Invalid("validate.schema")

    intake = an_intake(validate=validate)
    with pytest.raises(Invalid):
        intake.accept(an_envelope(once=ONCE))
    with pytest.raises(Unauthorised) as no:
        intake.accept(an_envelope(once=ONCE))
    assert no.value.code == "intake.replayed"


def test_a_repeat_that_is_held_back_does_not_open_the_way_for_a_replay():
    """Only who marked the token may take the mark back."""
    slow = iter([None, Unavailable("too fast"), None])

    def pace(_partner):
        mood = next(slow)
        if mood:
            raise mood

    intake = an_intake(Partner(id="citizen"), pace=pace)
    assert intake.accept(an_envelope(once=ONCE))
    with pytest.raises(Unavailable):
        intake.accept(an_envelope(once=ONCE))
    assert refused(intake, an_envelope(once=ONCE)) == "intake.replayed"


def test_a_refusal_that_could_not_be_recorded_leaves_the_way_open_for_the_same_message():
    """Its sender was told to try later, so the very same message must not be taken for a replay."""

    class Away(MemoryStore):
        away = True

        def refuse(self, refusal):
            if self.away:
                raise Unavailable("the store is away")
            super().refuse(refusal)

    def validate(document):
        raise Invalid("validate.schema")

    intake = an_intake(validate=validate, store=Away(lambda: NOON))
    with pytest.raises(Unavailable):
        intake.accept(an_envelope(once=ONCE))
    intake.store.away = False
    with pytest.raises(Invalid):
        intake.accept(an_envelope(once=ONCE))


def test_a_bug_leaves_the_way_open_for_the_same_message():
    moods = iter([ZeroDivisionError(), None])

    def validate(document):
        mood = next(moods)
        if mood:
            raise mood
        return stages.validate(document)

    intake = an_intake(validate=validate)
    with pytest.raises(ZeroDivisionError):
        intake.accept(an_envelope(once=ONCE))
    assert intake.accept(an_envelope(once=ONCE))


def test_why_a_message_came_to_nothing_is_told_though_it_stays_marked():
    class Full(MemoryStore):
        def forget_use(self, token):
            raise Unavailable("the store is full")

    def validate(document):
        raise Unavailable("away", retry_after=timedelta(seconds=7))

    with pytest.raises(Unavailable) as told:
        an_intake(validate=validate, store=Full(lambda: NOON)).accept(an_envelope(once=ONCE))
    assert told.value.retry_after == timedelta(seconds=7)


# ── under pressure ──


def never(_value):
    raise AssertionError("nobody should have come so far")


FULL = Pressure(on={Condition.QUEUE: "many wait"})


def test_a_new_document_is_put_off_before_it_is_parsed_and_nothing_is_kept():
    intake = an_intake(pressure=lambda: FULL, parse=never)
    with pytest.raises(Unavailable) as put_off:
        intake.accept(an_envelope(b"<letter/>"))
    assert put_off.value.retry_after == RETRY_AFTER[Condition.QUEUE]
    assert (intake.store.stats().submissions, intake.store.stats().refusals) == (0, 0)


def test_a_repeat_gets_its_receipt_under_whatever_pressure_as_long_as_the_store_can_be_asked():
    store, envelope = MemoryStore(lambda: NOON), an_envelope(b"<letter/>")
    receipt = an_intake(store=store).accept(envelope)
    for condition in set(Condition) - {Condition.STORE, Condition.OFFICE_QUEUE}:
        assert (
            an_intake(store=store, parse=never, pressure=lambda on=condition: Pressure(on={on: ""})).accept(envelope)
            == receipt
        )
    store.close()  # whoever asks it now is told so in other words
    with pytest.raises(Unavailable, match="gone"):
        an_intake(store=store, pressure=lambda: Pressure(on={Condition.STORE: "gone"})).accept(envelope)


def test_a_message_that_may_come_once_may_come_again_when_it_was_put_off():
    store, envelope = MemoryStore(lambda: NOON), an_envelope(b"<letter/>", once=ONCE)
    with pytest.raises(Unavailable):
        an_intake(store=store, pressure=lambda: FULL).accept(envelope)
    assert an_intake(store=store).accept(envelope).submission


def test_a_full_office_puts_off_its_documents_once_it_is_known_and_before_anything_is_sealed():
    full = Pressure(offices=frozenset({TARGET.office}))
    intake = an_intake(pressure=lambda: full, registrar=Registrar(seal=None, ids=None, environment="test"))
    with pytest.raises(NotYet) as put_off:
        intake.accept(an_envelope(b"<letter/>"))
    assert put_off.value.condition == Condition.OFFICE_QUEUE
    elsewhere = an_intake(pressure=lambda: Pressure(offices=frozenset({"county"})))
    assert elsewhere.accept(an_envelope(b"<letter/>"))
    assert an_intake(pressure=lambda: full).accept(an_envelope(b"<letter/>", trial=True)), "a trial waits in no queue"
