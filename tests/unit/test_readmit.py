"""Taking a document back: only under our own receipt, as it was given, for this document; as it was, and said so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.stores.memory import MemoryStore
from broker.admit import Admit
from broker.custody import READMITTED
from broker.errors import NotYet, Rejection, Unroutable, Untrusted
from broker.model import Address, BoxPolicy, Routed
from broker.partner import Partner, Partners
from broker.receipt import Registrar
from broker.verify import TrustSnapshot, anchors
from config.readmit import UNCHECKED, Readmission, Said
from tests.builders import an_envelope
from tests.receipts import ISSUED, PKI, SCHEMA, TRUST, a_seal
from tests.unit.test_intake import TARGET, an_intake

BOX = "/town/SEKAP"
SAID = Said(to=Address(box=BOX))


class Table:
    """A routing table of one row."""

    def target(self, question):
        if question.to.box != BOX:
            raise Unroutable("route.no-match")
        return TARGET


def a_broker(**about):
    seal = about.pop("seal", None) or a_seal()
    ids = iter(f"{number:08}" for number in range(100))
    registrar = Registrar(seal=seal, ids=lambda: next(ids), environment=about.pop("environment", "test"))
    return an_intake(**{"registrar": registrar, "clock": lambda: ISSUED, "ids": lambda: f"s{next(ids)}", **about})


def forgetful(intake, **about):
    """The same broker after its store was restored: it knows nothing."""
    return replace(intake, store=MemoryStore(lambda: ISSUED), **about)


def readmission(intake, **about):
    made = {"intake": intake, "ledger": intake.store, "router": Table(), "trust": TRUST, "schema": SCHEMA}
    return Readmission(**{**made, "environment": "test", **about})


def refused(work, *given):
    with pytest.raises(Rejection) as no:
        work(*given)
    return no.value


def given(intake, document=b"<letter/>", **about):
    """Take a document in; return its receipt and all that is kept of it."""
    receipt = intake.accept(an_envelope(document, **about))
    return receipt.xml, intake.store.show(receipt.submission)


def test_it_is_there_again_as_it_was_and_says_that_it_was_away():
    intake = a_broker()
    receipt, before = given(intake)
    restored = forgetful(intake)
    said = replace(SAID, channel="soap", file_name="letter.xml")
    done = readmission(restored)(b"<letter/>", receipt, said)
    after = restored.store.show(before.submission.id)
    assert (done.submission, done.receipt, done.again) == (before.submission.id, before.receipt.id, False)
    assert after.receipt == before.receipt
    assert restored.store.document(done.submission) == b"<letter/>"
    assert replace(after.submission, notes=()) == before.submission
    assert after.submission.notes == (READMITTED,)
    assert [one.id for one in after.deliveries] == [one.id for one in before.deliveries]
    assert [event.name for event in after.events] == ["intake.accepted", READMITTED]


def test_who_sends_it_again_afterwards_gets_the_receipt_given_then():
    intake = a_broker()
    receipt, _ = given(intake, message_id="m1")
    restored = forgetful(intake)
    readmission(restored)(b"<letter/>", receipt, replace(SAID, message_id="m1"))
    for message_id in ("m1", "", "m2"):
        assert restored.accept(an_envelope(message_id=message_id)).xml == receipt


def test_once_more_changes_nothing():
    intake = a_broker()
    receipt, before = given(intake)
    assert readmission(intake)(b"<letter/>", receipt, SAID).again
    restored = forgetful(intake)
    readmission(restored)(b"<letter/>", receipt, SAID)
    there = restored.store.show(before.submission.id)
    assert readmission(restored)(b"<letter/>", receipt, SAID).again
    assert restored.store.show(before.submission.id) == there


def test_a_trial_comes_back_as_a_trial_and_goes_to_nobody():
    intake = a_broker()
    receipt, before = given(intake, trial=True)
    restored = forgetful(intake)
    readmission(restored)(b"<letter/>", receipt, SAID)
    after = restored.store.show(before.submission.id)
    assert after.submission.trial
    assert after.deliveries == ()


# ── what is not taken back ───────────────────────────────────────────────────────────────────────────────


def test_another_document_than_the_one_that_was_receipted_is_refused():
    intake = a_broker()
    receipt, _ = given(intake)
    assert refused(readmission(forgetful(intake)), b"<other/>", receipt, SAID).code == "receipt.other-document"


def test_a_receipt_under_somebody_elses_seal_is_refused():
    receipt, _ = given(a_broker())
    others = TrustSnapshot(anchors=anchors(PKI.local_ca.credential.pem))
    assert refused(readmission(a_broker(), trust=others), b"<letter/>", receipt, SAID).code == "receipt.seal"


def test_a_receipt_that_was_written_anew_is_not_the_one_that_was_given():
    intake = a_broker()
    receipt, _ = given(intake)
    rewritten = receipt.replace(b'encoding="UTF-8"', b"encoding='UTF-8'")
    assert rewritten != receipt
    assert refused(readmission(forgetful(intake)), b"<letter/>", rewritten, SAID).code == "receipt.rewritten"


def test_a_negative_receipt_takes_nothing_back():
    def nobody_in(routed: Routed):
        raise Untrusted("admit.signature-missing")

    partner = Partner(id="citizen", negative_receipts=True)
    intake = replace(a_broker(), admit=nobody_in, partners=lambda: Partners([partner]))
    with pytest.raises(Untrusted) as no:
        intake.accept(an_envelope())
    assert refused(readmission(a_broker()), b"<letter/>", no.value.negative_receipt, SAID).code == "intake.readmit-kind"


def test_a_receipt_of_the_test_environment_is_worth_nothing_in_production():
    receipt, _ = given(a_broker())
    work = readmission(a_broker(), environment="production")
    assert refused(work, b"<letter/>", receipt, SAID).code == "intake.readmit-environment"


def test_a_receipt_is_for_the_sender_that_it_names():
    receipt, _ = given(a_broker())
    no = refused(readmission(a_broker()), b"<letter/>", receipt, replace(SAID, sender="another"))
    assert (no.code, no.facts["sender"]) == ("intake.readmit-sender", "citizen")


def test_a_box_of_another_office_than_the_receipt_names_is_refused():
    """The delivery id depends on the box: the office would not know the repeat."""
    receipt, _ = given(a_broker())
    elsewhere = replace(TARGET, box="/county/SEKAP", office="county")
    intake = a_broker(route=lambda verified: Routed(verified=verified, target=elsewhere))
    no = refused(readmission(intake), b"<letter/>", receipt, replace(SAID, to=Address(box="/county/SEKAP")))
    assert (no.code, no.facts) == ("intake.readmit-addressee", {"receipt": "town", "routed": "county"})


def test_what_has_come_again_meanwhile_is_named_and_left_as_it_is():
    intake = a_broker()
    receipt, _ = given(intake)
    restored = forgetful(intake)
    new = restored.accept(an_envelope())
    no = refused(readmission(restored), b"<letter/>", receipt, SAID)
    assert (no.code, no.facts["submission"], no.facts["receipt"]) == ("intake.readmit-later", new.submission, new.id)


def test_what_is_there_under_another_box_is_not_taken_in_twice():
    intake = a_broker()
    receipt, before = given(intake)
    no = refused(readmission(intake), b"<letter/>", receipt, replace(SAID, to=Address(ade="AE:PL-1")))
    assert (no.code, no.facts["box"]) == ("intake.readmit-differs", before.submission.fingerprint_box)


# ── what cannot be judged as it was then ─────────────────────────────────────────────────────────────────


def closed(routed: Routed):
    """Let nobody in: the box takes no such sender any more."""
    policy = BoxPolicy(senders=frozenset({"nobody"}))
    return Admit()(replace(routed, target=replace(routed.target, policy=policy)))


def unreadable(envelope):
    raise Rejection("parse.too-deep")


@pytest.mark.parametrize(
    ("stage", "code"), [({"admit": closed}, "admit.sender-not-accepted"), ({"parse": unreadable}, "parse.too-deep")]
)
def test_what_a_stage_refuses_now_is_for_a_person_to_decide_and_his_reason_stays(stage, code):
    intake = a_broker()
    receipt, before = given(intake)
    restored = forgetful(intake, **stage)
    assert refused(readmission(restored), b"<letter/>", receipt, SAID).code == code
    assert restored.store.show(before.submission.id) is None
    done = readmission(restored)(b"<letter/>", receipt, replace(SAID, without_checks="the sender asked"))
    assert done.passed_over == code
    after = restored.store.show(before.submission.id)
    assert after.submission.notes == (UNCHECKED, READMITTED)
    assert after.receipt == before.receipt
    assert after.events[-1].detail == f"{code}: the sender asked"
    assert [one.id for one in after.deliveries] == [one.id for one in before.deliveries]


def test_a_box_that_leads_nowhere_cannot_be_passed_over():
    receipt, _ = given(a_broker())
    intake = a_broker(parse=unreadable)
    said = replace(SAID, to=Address(box="/gone/SEKAP"), without_checks="the sender asked")
    assert refused(readmission(intake), b"<letter/>", receipt, said).code == "route.no-match"


def test_what_cannot_be_judged_yet_is_not_passed_over():
    def waits(routed: Routed):
        raise NotYet("evidence is being fetched", retry_after=timedelta(seconds=1))

    receipt, _ = given(a_broker())
    work = readmission(a_broker(admit=waits))
    with pytest.raises(NotYet):
        work(b"<letter/>", receipt, replace(SAID, without_checks="the sender asked"))
