"""Intake before any stage: who may come in with what, at which pace, and a message that may come only once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from lxml import etree

from adapters.stores.memory import MemoryStore
from broker.admit import Admit
from broker.errors import Invalid, TooLarge, Unauthorised, Unavailable
from broker.evidence import UNSIGNED, Level
from broker.intake import Intake
from broker.model import Document, Form, FormKey, Once, Routed, Target, Valid, Verified
from broker.partner import Partner, Partners, Proof
from broker.receipt import Registrar
from tests.builders import NOON, an_envelope

FORM = Form(
    key=FormKey(name="question", version="1"),
    namespace="",
    root="question",
    title_pl="",
    title_en="",
    signed=False,
    level=Level.NONE,
)
TARGET = Target(row="box:/town/SEKAP", office="town", office_name="Town", box="/town/SEKAP")
ONCE = Once(token="aa", until=NOON + timedelta(minutes=5))


class Stamp:
    """A seal that only marks: what a seal is worth is tested with the seals."""

    def seal(self, unsigned):
        return unsigned


def parse(envelope):
    root = etree.Element("question")
    return Document(envelope=envelope, root=root, form=root)


def an_intake(*partners, **about):
    ids = count(1)
    next_id = lambda: f"{next(ids):08}"  # noqa: E731
    return Intake(
        **{
            "store": MemoryStore(lambda: NOON),
            "parse": parse,
            "validate": lambda document: Valid(document=document, form=FORM),
            "verify": lambda valid: Verified(valid=valid, report=UNSIGNED, content=b""),
            "route": lambda verified: Routed(verified=verified, target=TARGET),
            "admit": Admit(),
            "registrar": Registrar(seal=Stamp(), ids=next_id, environment="test"),
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
    intake = an_intake()
    receipt = intake.accept(an_envelope(proof=Proof.TLS))
    assert intake.store.show(receipt.submission).submission.proof is Proof.TLS


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
        return Valid(document=document, form=FORM)

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
