"""The clerk seals the evidence that is owed, and hands it to the partner's own system; the watchdog says who is late."""

from __future__ import annotations

import uuid
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from structlog.testing import capture_logs

from adapters.stores.memory import MemoryStore
from adapters.testkit.stores.quarantine import LOST, stuck
from adapters.testkit.stores.values import TOWN, Hands, limits
from broker import upo
from broker.deadlines import Evidence, Level, Progress, Stage, Term, Terms, Timetable
from broker.errors import Refused, Unavailable
from broker.model import OfficeId, ReceiptKind
from broker.parse import Limits, read
from broker.partner import Partner, Partners
from broker.proof import check, schema_of
from broker.retry import RetryPolicy
from broker.states import DeliveryState
from config import packaged
from config.deadlines import Clerk, Watchdog
from tests.builders import a_submission
from tests.receipts import ISSUED, TRUST, Plain, a_registrar, a_seal
from tests.unit.test_dispatch import Office

HOUR = timedelta(hours=1)
PORTAL = OfficeId("portal")
TIMES = Timetable(default=Terms(relay=Term(), delivery=Term(warn=HOUR, expire=2 * HOUR)))


class Away:
    """A seal that is out of reach until told otherwise."""

    def __init__(self):
        self.back = False

    def seal(self, unsigned):
        if not self.back:
            raise Unavailable("the token is unplugged")
        return Plain().seal(unsigned)


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def store(clock):
    store = MemoryStore(clock)
    store.enrol([limits()])
    return store


def watchdog(store, clock):
    asking = Partner(id="portal", negative_evidence=True)
    return Watchdog(watch=store.watch, timetable=TIMES, partners=lambda: Partners([asking]), clock=clock)


def clerk(store, clock, office, *, seal=None, boxes=("/citizen/box",)):
    return Clerk(
        watch=store.watch,
        ledger=store,
        registrar=a_registrar(seal or Plain()),
        way=lambda box: PORTAL if box in boxes else None,
        lend=office.lend,
        clock=clock,
        policy=RetryPolicy(),
        jitter=lambda: 0.0,
    )


@pytest.fixture
def letter(store, clock):
    """A letter of the portal's whose delivery has expired."""
    letter = stuck(store, LOST, document=b"<letter/>", sender="portal", digest=sha256(b"<letter/>").hexdigest())
    clock.pass_by(2 * HOUR)
    watchdog(store, clock)()
    return letter


def its(store, letter):
    (evidence,) = store.watch.evidence(letter.submission.id)
    return evidence


def names(store, letter):
    return [it.name for it in store.show(letter.submission.id).events if it.name.startswith("evidence.")]


def test_the_same_evidence_has_the_same_id_in_a_restored_store_and_each_stage_its_own():
    drawn = (f"drawn-{number}" for number in count())

    def of(submission, stage):
        told = Evidence(
            submission=submission,
            stage=stage,
            delivery="d1",
            office=PORTAL,
            state=DeliveryState.WAITING,
            cause="",
            deadline=ISSUED,
            at=ISSUED,
        )
        id_, xml = a_registrar(ids=lambda: next(drawn)).negative_evidence(
            told, a_submission(id=submission, digest="ab" * 32), "r1", ISSUED
        )
        assert f">{id_}<".encode() in xml
        return id_

    ids = [of(it, stage) for _ in range(2) for it in ("s1", "s2") for stage in Stage]
    assert ids[:6] == ids[6:]
    assert len(set(ids)) == 6
    assert {uuid.UUID(one).version for one in ids} == {8}


def test_evidence_is_sealed_kept_and_then_handed_over_under_its_own_id(store, clock, letter):
    office = Office("EZD/7")
    clerk(store, clock, office, seal=a_seal())()
    it = its(store, letter)
    assert it.progress is Progress.SENT
    (parcel,) = office.given
    assert (parcel.document, parcel.delivery) == (it.xml, it.id)
    assert parcel.receipt == letter.receipt
    assert parcel.summary["in-reply-to"] == letter.submission.id
    assert parcel.summary["box"] == "/citizen/box"
    assert names(store, letter) == ["evidence.sealed", "evidence.sent"]
    assert store.show(letter.submission.id).events[-1].detail == "EZD/7"


def test_what_is_sealed_says_what_did_not_happen_and_verifies(store, clock, letter):
    clerk(store, clock, Office(), seal=a_seal(), boxes=())()
    xml = its(store, letter).xml
    assert schema_of(xml) == "receipts/dowod-negatywny.xsd"
    found = check(xml, schema=packaged.text(schema_of(xml)), trust=TRUST, document=letter.document)
    assert found.holds
    assert found.kind is ReceiptKind.NEGATIVE_EVIDENCE
    facts = found.facts
    assert facts["Etap"] == "delivery"
    assert facts["StanDoreczenia"] == "quarantined"
    assert facts["Przyczyna/@Kod"] == "line.silent"
    assert facts["IdentyfikatorDokumentu"] == letter.submission.id
    assert facts["IdentyfikatorUPP"] == letter.receipt.id
    assert facts["IdentyfikatorDoreczenia"] == letter.deliveries[0].id
    assert facts["Termin"] == upo.moment(letter.submission.accepted_at + 2 * HOUR)
    assert facts[upo.DIGEST] == b64encode(sha256(letter.document).digest()).decode()
    assert not check(xml + b" ", schema=packaged.text(schema_of(xml)), trust=TRUST, document=b"<other/>").holds
    forged = xml.replace(b">quarantined<", b">delivered<")
    assert not check(forged, schema=packaged.text(schema_of(xml)), trust=TRUST).holds


def test_while_the_seal_is_away_evidence_is_owed_and_nothing_is_lost(store, clock, letter):
    seal, office = Away(), Office()
    job = clerk(store, clock, office, seal=seal)
    with pytest.raises(Unavailable):
        job()
    assert its(store, letter).progress is Progress.OWED
    seal.back = True
    clock.pass_by(HOUR)
    job()
    assert its(store, letter).progress is Progress.SENT
    assert len(office.given) == 1


def test_without_a_box_it_is_kept_for_the_partner_to_fetch(store, clock, letter):
    office = Office()
    clerk(store, clock, office, boxes=())()
    assert its(store, letter).progress is Progress.KEPT
    assert office.given == []
    assert names(store, letter) == ["evidence.kept"]


def test_a_partner_whose_system_is_down_gets_it_later_and_not_twice_at_once(store, clock, letter):
    office = Office(Unavailable("down"))
    job = clerk(store, clock, office)
    job(), job()
    assert len(office.given) == 1
    assert (its(store, letter).progress, its(store, letter).tries) == (Progress.SEALED, 1)
    office.answer = "EZD/8"
    clock.pass_by(HOUR)
    job()
    assert {parcel.delivery for parcel in office.given} == {its(store, letter).id}
    assert its(store, letter).progress is Progress.SENT


def test_one_system_that_is_down_is_asked_once_in_a_round(store, clock, letter):
    others = [stuck(store, LOST, sender="portal") for _ in range(3)]
    clock.pass_by(2 * HOUR)
    watchdog(store, clock)()
    office = Office(Unavailable("down"))
    clerk(store, clock, office)()
    assert len(office.given) == 1
    assert all(its(store, one).progress is Progress.SEALED for one in (letter, *others))
    office.answer = ""
    clock.pass_by(HOUR)
    clerk(store, clock, office)()
    assert all(its(store, one).progress is Progress.SENT for one in (letter, *others))


@pytest.mark.parametrize(
    ("answer", "days", "end"),
    [
        (Refused("no such box", condition="office.status-9"), 0, Progress.DECLINED),
        (Unavailable("down"), 8, Progress.KEPT),
        (ValueError("a bug of an integrator's"), 0, Progress.SEALED),
    ],
)
def test_what_a_system_will_not_take_stays_for_the_partner_to_fetch(store, clock, letter, *, answer, days, end):
    clock.pass_by(timedelta(days=days))
    clerk(store, clock, Office(answer))()
    it = its(store, letter)
    assert (it.progress, bool(it.xml)) == (end, True)


def test_the_watchdog_says_what_is_late_and_counts_it(store, clock):
    job = watchdog(store, clock)
    stuck(store, LOST, sender="portal"), stuck(store, LOST, sender="deaf")
    clock.pass_by(HOUR)
    with capture_logs() as logs:
        job()
        job()
    assert [(it["event"], it["stage"], it["office"]) for it in logs] == [("deadline.warned", "delivery", TOWN)] * 2
    assert job.late() == {(Stage.DELIVERY, Level.WARNED): 2}
    clock.pass_by(HOUR)
    assert job.late() == {}  # it has not looked for long: another node may
    with capture_logs() as logs:
        job()
    assert sorted((it["event"], it["evidence"]) for it in logs) == [
        ("deadline.expired", False),
        ("deadline.expired", True),
    ]
    assert len(store.watch.owed()) == 1


NEGATIVE = packaged.text("receipts/dowod-negatywny.xsd")
EXAMPLES = sorted((Path(__file__).parents[2] / "schemas/receipts/examples/negative-evidence").glob("*.xml"))


def obeys(xml):
    return etree.XMLSchema(read(NEGATIVE, Limits())).validate(read(xml, Limits()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_gives_the_result_in_its_name(path):
    assert obeys(path.read_bytes()) is path.name.startswith("ok-")


@given(stage=st.sampled_from(Stage), cause=st.text(), office=st.text(), sender=st.text(), name=st.text())
def test_what_is_written_obeys_the_schema_whatever_the_texts_say(*, stage, cause, office, sender, name):
    it = Evidence(
        submission="s1",
        stage=stage,
        delivery="d1",
        office=OfficeId(office),
        state=DeliveryState.WAITING,
        cause=cause,
        deadline=ISSUED,
        at=ISSUED,
    )
    submission = a_submission(sender=sender, digest="ab" * 32)
    xml = upo.negative_evidence(
        it, submission, "r1", id_="e1", at=ISSUED, environment="test", issuer=upo.Party(name=name, id=name)
    )
    assert obeys(xml)


def expired(store, clock, number):
    """So many more letters whose delivery has expired."""
    letters = [stuck(store, LOST, sender="portal") for _ in range(number)]
    clock.pass_by(2 * HOUR)
    watchdog(store, clock)()
    return letters


class Locked:
    """The ledger, with records whose keys are missing."""

    def __init__(self, store, letters):
        self.store, self.locked = store, {it.submission.id for it in letters}

    def show(self, submission):
        if submission in self.locked:
            raise Unavailable("its key is not configured")
        return self.store.show(submission)


def test_all_that_is_owed_is_sealed_in_one_round_however_much_it_is(store, clock, letter):
    others = expired(store, clock, 6)
    replace(clerk(store, clock, Office()), most=2)()
    assert {its(store, one).progress for one in (letter, *others)} == {Progress.SENT}


@pytest.mark.parametrize("number", [0, 5])
def test_records_that_cannot_be_read_do_not_hide_the_others_however_many_they_are(store, clock, letter, number):
    locked = [letter, *expired(store, clock, number)]
    others = expired(store, clock, 3)
    ledger = Locked(store, locked)
    job = replace(clerk(store, clock, Office()), ledger=ledger, most=2)
    with pytest.raises(Unavailable):
        job()
    assert {its(store, one).progress for one in locked} == {Progress.OWED}
    assert {its(store, one).progress for one in others} == {Progress.SENT}
    ledger.locked.clear()
    clock.pass_by(HOUR)
    job()
    assert {its(store, one).progress for one in locked} == {Progress.SENT}


def test_what_is_due_again_at_once_is_tried_once_in_a_round(store, clock, letter):
    office = Office(Unavailable("down"))
    replace(clerk(store, clock, office), most=1, policy=RetryPolicy(first=timedelta(0)))()
    assert len(office.given) == 1
    assert its(store, letter).tries == 1


def test_a_round_ends_after_its_share_of_the_time_and_the_next_one_goes_on(store, clock, letter):
    others = expired(store, clock, 3)
    steady = count(step=10)
    job = replace(clerk(store, clock, Office()), most=1, seconds=lambda: next(steady))
    job()
    assert [its(store, one).progress for one in (letter, *others)].count(Progress.SENT) == 1
    for _ in others:
        job()
    assert {its(store, one).progress for one in (letter, *others)} == {Progress.SENT}
