"""What was let in under a grace is judged again: as of its entry, with what is known today."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from structlog.testing import capture_logs

from adapters.stores.memory import MemoryStore
from adapters.testkit.certificates import QC_PERSON, statements_of
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.responders import named_services
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from broker.errors import Unavailable
from broker.evidence import SecondOpinion, Stance, to_json
from broker.model import Envelope, SubmissionId
from broker.parse import Limits, Parse
from broker.ports import Filter
from broker.second_opinion import Seconded
from broker.verify import Anchor, TrustSnapshot, Verify
from broker.verify.revocation import HOLD, OCSP, Evidence, Settled, Status
from config.recheck import Recheck
from tests.builders import NOON, an_acceptance, an_envelope

HOUR = timedelta(hours=1)
LETTER = b"<letter><text>a</text></letter>"


@dataclass
class Scene:
    """A store with one document that was let in when nobody answered, and a job that judges it again."""

    now: datetime = NOON
    evidence: Evidence = field(default_factory=Evidence)
    asked: list = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.pki = Pki(at=NOON, keys="ec-256", cas="ec-256")
        extras = [statements_of(QC_PERSON), *named_services(ocsp="http://ocsp.example/", crl="")]
        self.person = self.pki.personal(self.pki.qualified_ca, JAN, extras=extras)
        self.store = MemoryStore(clock=lambda: self.now)
        anchor = Anchor(certificate=self.pki.qualified_ca.credential.certificate, name="qualified")
        trust = TrustSnapshot(anchors=(anchor,), revocation="require")
        self.verify = Verify(trust=lambda: trust, evidence=lambda: self.evidence, ask=self.asked.append)
        document = sign(LETTER, self.person, NOON, QUALIFIED)
        envelope = an_envelope(document)
        acceptance = an_acceptance(document, digest=envelope.digest, size=len(document))
        first = self.verify.again(Parse(limits=Limits())(envelope))
        assert first.awaits
        self.store.accept(replace(acceptance, recheck=True, report=to_json(first)))
        self.id = acceptance.submission.id
        self.asked.clear()

    def knows(self, *, revoked_at: datetime | None = None, said_at: datetime, reason: str = "keyCompromise") -> None:
        status = Status(
            certificate=self.person.certificate.fingerprint(hashes.SHA256()).hex(),
            good=revoked_at is None,
            source=OCSP,
            produced_at=said_at,
            this_update=said_at,
            next_update=said_at + HOUR,
            revoked_at=revoked_at,
            reason=reason if revoked_at else "",
        )
        self.evidence = self.evidence.adding(Settled(statuses=(status,)))

    def job(self, ledger: MemoryStore | None = None, **about) -> Recheck:
        def parse(envelope: Envelope):
            return Parse(limits=self.limits)(envelope)

        return Recheck(
            store=self.store,
            ledger=ledger or self.store,
            parse=parse,
            **{"judge": self.verify.again, **about},
            clock=lambda: self.now,
            patience=timedelta(days=7),
        )

    def run(self) -> list[str]:
        """Run the job; return what it logged, as `level event`."""
        with capture_logs() as said:
            self.job()()
        assert all(line["submission"] == self.id for line in said)
        return [f"{line['log_level']} {line['event']}" for line in said]

    def another(self, number: int) -> SubmissionId:
        """Let one more in under a grace: by somebody of whom nothing will ever be known."""
        extras = [statements_of(QC_PERSON), *named_services(ocsp="http://ocsp.example/", crl="")]
        stranger = self.pki.personal(self.pki.qualified_ca, JAN, extras=extras)
        document = sign(LETTER, stranger, NOON, QUALIFIED)
        acceptance = an_acceptance(document, digest=an_envelope(document).digest, id=SubmissionId(f"0-{number}"))
        self.store.accept(replace(acceptance, recheck=True))
        return acceptance.submission.id

    def events(self) -> list[str]:
        return [event.name for event in self.store.show(self.id).events if event.name.startswith("verify.")]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_is_still_unknown_stays_and_is_asked_for(scene):
    assert scene.run() == []
    assert len(scene.asked) == 1
    assert [it.submission.id for it in scene.store.awaiting()] == [scene.id]


def test_a_good_answer_of_today_confirms_what_came_yesterday(scene):
    scene.now = NOON + 24 * HOUR
    scene.knows(said_at=scene.now)
    assert scene.run() == ["info verify.confirmed"]
    assert scene.events() == ["verify.confirmed"]
    assert json.loads(scene.store.show(scene.id).later_report)["indication"] == "TOTAL-PASSED"
    assert scene.run() == []


def test_a_revocation_before_the_entry_overturns_it_and_that_is_an_alert(scene):
    scene.now = NOON + 24 * HOUR
    first = scene.store.show(scene.id).report
    scene.knows(revoked_at=NOON - HOUR, said_at=scene.now)
    assert scene.run() == ["error verify.overturned"]
    record = scene.store.show(scene.id)
    (event,) = [event for event in record.events if event.name == "verify.overturned"]
    assert event.detail == "verify.revoked"
    assert record.report == first
    assert json.loads(record.later_report)["code"] == "verify.revoked"
    assert [one.submission.id for one in scene.store.list(Filter(overturned=True))] == [scene.id]
    assert scene.run() == []


def test_a_revocation_after_the_entry_confirms_it(scene):
    scene.now = NOON + 24 * HOUR
    scene.knows(revoked_at=NOON + HOUR, said_at=scene.now)
    assert scene.run() == ["info verify.confirmed"]


def test_a_hold_is_no_answer_yet(scene):
    scene.now = NOON + 24 * HOUR
    scene.knows(revoked_at=NOON - HOUR, said_at=scene.now, reason=HOLD)
    assert scene.run() == []
    scene.knows(said_at=scene.now + HOUR)
    assert scene.run() == ["info verify.confirmed"]


def test_what_stays_unknown_for_too_long_is_told_once(scene):
    scene.now = NOON + timedelta(days=7)
    assert scene.run() == []
    scene.now += timedelta(seconds=1)
    assert scene.run() == ["error verify.unresolved"]
    assert scene.events() == ["verify.unresolved"]
    assert scene.run() == []


def test_what_can_no_longer_be_read_is_told_and_not_tried_for_ever(scene):
    scene.limits = Limits(elements=1)
    assert scene.run() == ["error verify.unresolved"]
    assert scene.run() == []


def test_the_reason_for_a_revocation_is_kept(scene):
    scene.now = NOON + HOUR
    scene.knows(revoked_at=NOON - HOUR, said_at=scene.now)
    scene.run()
    (signature,) = json.loads(scene.store.show(scene.id).later_report)["signatures"]
    assert signature["revocation"][0]["reason"] == x509.ReasonFlags.key_compromise.value


def test_what_stays_unknown_does_not_keep_others_from_being_judged(scene):
    """Two that nobody vouches for are older, and a round takes two: the third is overturned all the same."""
    for number in range(2):
        scene.another(number)
    scene.knows(revoked_at=NOON - HOUR, said_at=NOON + HOUR)
    scene.now = NOON + HOUR
    job = scene.job(at_once=2)
    for _ in range(2):
        job()
    assert scene.events() == ["verify.overturned"]
    scene.now = NOON + timedelta(days=7, seconds=1)
    for _ in range(2):
        job()
    assert scene.store.awaiting() == []


def test_what_cannot_be_read_does_not_keep_others_from_being_judged_and_is_told(scene):
    tampered = scene.another(1)
    scene.knows(revoked_at=NOON - HOUR, said_at=NOON + HOUR)

    class Ledger:
        def document(self, submission):
            if submission == tampered:
                raise Unavailable("store: content was changed or put in another's place")
            return scene.store.document(submission)

    with pytest.raises(Unavailable, match="was changed"):
        scene.job(ledger=Ledger())()
    assert scene.events() == ["verify.overturned"]
    assert [it.submission.id for it in scene.store.awaiting()] == [tampered]


def test_what_is_not_kept_any_more_is_told_once(scene):
    class Ledger:
        show = staticmethod(scene.store.show)

        def document(self, _submission):
            return None

    scene.job(ledger=Ledger())()
    assert scene.events() == ["verify.unresolved"]
    assert scene.store.awaiting() == []


def test_what_can_never_be_known_is_told_at_once_and_does_not_count_as_overturned(scene):
    scene.now = scene.person.certificate.not_valid_after_utc + HOUR
    scene.knows(said_at=scene.now)
    assert scene.run() == ["error verify.unresolved"]


def test_what_the_second_verifier_contradicts_is_overturned_though_its_certificate_is_good(scene):
    """Somebody has asked for a second opinion since it was let in."""

    def contrary(_document, _signatures):
        return SecondOpinion(by="somebody", stance=Stance.DISAGREES, reason="digest")

    scene.now = NOON + 24 * HOUR
    scene.knows(said_at=scene.now)
    with capture_logs() as said:
        scene.job(judge=Seconded(first=scene.verify, second=contrary).again)()
    assert [it["event"] for it in said] == ["verify.disagreed", "verify.overturned"]
    assert scene.events() == ["verify.overturned"]
    assert json.loads(scene.store.show(scene.id).later_report)["second_opinion"]["stance"] == "disagrees"
