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
from adapters.testkit.certificates import QC_PERSON, Authority, statements_of
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.responders import named_services
from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from broker.errors import Unavailable
from broker.evidence import Indication, Level, SecondOpinion, Stance, to_json
from broker.model import Envelope, SubmissionId
from broker.parse import Limits, Parse
from broker.ports import Filter
from broker.second_opinion import Seconded
from broker.verify import Anchor, TrustSnapshot, Verify
from broker.verify.qualified import Criteria, KeyUsage, Purpose, Qualification, Service
from broker.verify.revocation import HOLD, OCSP, Evidence, Settled, Status
from config.recheck import Recheck
from config.second_verdict import Comparison, Outcome, compare
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
        anchor = Anchor(certificate=self.pki.qualified_ca.credential.certificate, name="qualified")
        self.trust = TrustSnapshot(anchors=(anchor,), revocation="require")
        self.verify = Verify(trust=lambda: self.trust, evidence=lambda: self.evidence, ask=self.asked.append)
        self.arrives(sign(LETTER, self.person, NOON, QUALIFIED))

    def arrives(self, document: bytes) -> None:
        """Let it in, and no other."""
        self.store = MemoryStore(clock=lambda: self.now)
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
        show = staticmethod(scene.store.show)

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


def listed(scene: Scene, *qualifications: Qualification, name: str = "listed") -> Anchor:
    """The CA, as a national list has it."""
    service = Service(
        name="CA",
        territory="PL",
        since=NOON - 900 * 24 * HOUR,
        until=NOON + 30 * 24 * HOUR,
        purposes=frozenset({Purpose.SIGNATURES}),
        qualifications=qualifications,
    )
    return Anchor(
        certificate=scene.pki.qualified_ca.credential.certificate, name=name, level=Level.NONE, services=(service,)
    )


NOT_QUALIFIED = Qualification(
    qualifiers=frozenset({"NotQualified"}), criteria=Criteria("all", (KeyUsage((("content_commitment", True),)),))
)


def trusting(*anchors: Anchor, **about) -> TrustSnapshot:
    return TrustSnapshot(anchors=anchors, revocation="require", **about)


@pytest.fixture
def qualified(scene) -> Scene:
    """Let in under a grace, as qualified by a national list; good news have come."""
    scene.trust = trusting(listed(scene))
    scene.arrives(sign(LETTER, scene.person, NOON, QUALIFIED))
    assert json.loads(scene.store.show(scene.id).report)["level"] == "qualified"
    scene.now = NOON + 24 * HOUR
    scene.knows(said_at=scene.now)
    return scene


def detail(scene: Scene) -> str:
    (event,) = [event for event in scene.store.show(scene.id).events if event.name.startswith("verify.")]
    return event.detail


def test_a_list_that_is_not_at_hand_proves_nothing_and_is_waited_for(qualified):
    """Our own national list has ended, and the next one is not here yet."""
    known = qualified.trust
    qualified.trust = trusting()
    assert qualified.run() == []
    qualified.trust = known
    assert qualified.run() == ["info verify.confirmed"]


def test_a_list_that_does_not_come_back_leaves_it_unresolved(qualified):
    qualified.trust = trusting()
    qualified.now = NOON + timedelta(days=7, seconds=1)
    assert qualified.run() == ["error verify.unresolved"]
    assert detail(qualified) == "verify.chain-untrusted"


def test_what_the_list_says_now_to_be_worth_less_is_overturned(qualified):
    qualified.trust = trusting(listed(qualified, NOT_QUALIFIED))
    with capture_logs() as said:
        qualified.job()()
    (event,) = said
    assert (event["event"], event["code"]) == ("verify.overturned", "")
    assert event["reason"] == detail(qualified) == "level qualified, now none"
    assert [one.submission.id for one in qualified.store.list(Filter(overturned=True))] == [qualified.id]


def test_a_level_that_is_lower_for_want_of_the_list_is_waited_for(qualified):
    """The list has ended; the operator believes the CA's own root too, as local."""
    other = Anchor(certificate=qualified.pki.qualified_ca.credential.certificate, name="own", level=Level.LOCAL)
    known = qualified.trust
    above = qualified.pki.local_ca.issue(
        other.certificate.subject,
        qualified.pki.qualified_ca.credential.key,
        not_before=NOON - 24 * HOUR,
        not_after=NOON + 24 * HOUR,
        usage=("key_cert_sign", "crl_sign"),
        ca=True,
    )
    qualified.trust = trusting(replace(other, certificate=above.certificate))
    assert qualified.run() == []
    qualified.trust = known
    assert qualified.run() == ["info verify.confirmed"]
    assert detail(qualified) == ""


def test_a_level_that_stays_lower_for_want_of_the_list_is_unresolved_and_says_so(qualified):
    other = qualified.pki.local_ca.credential
    own = Anchor(certificate=qualified.person.certificate, name="pinned", level=Level.LOCAL)
    qualified.trust = trusting(own, Anchor(certificate=other.certificate, name="another"))
    qualified.now = NOON + timedelta(days=7, seconds=1)
    with capture_logs() as said:
        qualified.job()()
    assert [(it["event"], it["reason"]) for it in said] == [("verify.unresolved", "level qualified, now local")]
    assert detail(qualified) == "level qualified, now local"


def test_an_anchor_that_the_operator_makes_worth_less_overturns_it(qualified):
    own = Anchor(certificate=qualified.pki.qualified_ca.credential.certificate, name="own", level=Level.LOCAL)
    qualified.trust = trusting(own)
    assert qualified.run() == ["error verify.overturned"]


def test_a_level_that_has_risen_confirms_it(scene):
    scene.now = NOON + 24 * HOUR
    scene.knows(said_at=scene.now)
    scene.trust = trusting(listed(scene))
    assert scene.run() == ["info verify.confirmed"]


def test_a_revoked_authority_is_proven_though_it_is_indeterminate(scene):
    between = scene.pki.qualified_ca.subordinate("Goniec Test Issuing CA", NOON)
    scene.person = scene.pki.personal(between, JAN)
    scene.arrives(sign(LETTER, scene.person, NOON, QUALIFIED, certificates="chain"))
    scene.now = NOON + 24 * HOUR
    scene.knows(said_at=scene.now)
    scene.person = between.credential
    scene.knows(revoked_at=NOON - HOUR, said_at=scene.now)
    assert scene.run() == ["error verify.overturned"]
    assert detail(scene) == "verify.ca-revoked"


def stamped_and_revoked(scene: Scene) -> TrustSnapshot:
    """Stamped an hour before the signer's card was lost; the unit's evidence came late.  Returns who is trusted."""
    stampers = Authority.root("Goniec Test TSA", NOON - 24 * HOUR)
    tsa = Tsa.of(stampers, NOON - 2 * HOUR)
    scene.trust = trusting(
        *scene.trust.anchors,
        timestamp_anchors=(Anchor(certificate=stampers.credential.certificate, name="TSA", level=Level.NONE),),
    )
    scene.arrives(stamp(sign(LETTER, scene.person, NOON - 2 * HOUR, QUALIFIED), tsa.token, how=""))
    scene.now = NOON + 24 * HOUR
    scene.knows(revoked_at=NOON - HOUR, said_at=scene.now)
    signer, scene.person = scene.person, tsa.credential
    scene.knows(said_at=scene.now)
    scene.person = signer
    return scene.trust


def test_a_stamp_that_nobody_is_trusted_for_any_more_does_not_overturn_what_it_proved(scene):
    known = stamped_and_revoked(scene)
    scene.trust = trusting(*known.anchors)
    assert scene.run() == []
    scene.trust = known
    assert scene.run() == ["info verify.confirmed"]


def test_a_stamp_whose_unit_was_revoked_proves_nothing_and_the_revocation_overturns(scene):
    stamped_and_revoked(scene)
    unit = next(iter(set(scene.evidence.statuses) - {scene.person.certificate.fingerprint(hashes.SHA256()).hex()}))
    lost = replace(scene.evidence.statuses[unit], good=False, revoked_at=NOON - 3 * HOUR, reason="keyCompromise")
    scene.evidence = scene.evidence.adding(Settled(statuses=(lost,)))
    assert scene.run() == ["error verify.overturned"]


def test_another_signer_than_the_first_report_named_is_an_alert(scene):
    """A platform's seal that is not believed as one any more: the person was in a claim."""
    seal = replace(scene.trust.anchors[0], platform_seal=True, level=Level.LOCAL)
    scene.trust = trusting(seal)
    scene.arrives(sign_on_platform(LETTER, scene.person, scene.pki.person.person, NOON))
    first = json.loads(scene.store.show(scene.id).report)
    assert first["signatures"][0]["identity"]["source"] == "claimed-role"
    scene.now = NOON + 24 * HOUR
    scene.knows(said_at=scene.now)
    scene.trust = trusting(replace(seal, platform_seal=False, level=Level.QUALIFIED))
    assert scene.run() == ["error verify.overturned"]
    assert detail(scene) == "another signer"
    assert scene.pki.person.person.pesel not in detail(scene)


def test_a_first_report_that_is_not_kept_or_says_less_is_compared_as_far_as_it_goes(scene):
    scene.now = NOON + 24 * HOUR
    scene.knows(said_at=scene.now)
    report = scene.verify.again(Parse(limits=Limits())(an_envelope(sign(LETTER, scene.person, NOON, QUALIFIED))))
    for first in ({}, {"signatures": []}, {"signatures": [{}]}, {"signatures": [{"level": "local", "identity": None}]}):
        assert compare(lambda first=first: first, report).outcome is Outcome.CONFIRMED
    before = {"signatures": [{"level": "qualified"}]}
    assert compare(lambda: before, report) == Comparison(outcome=Outcome.UNKNOWN, reason="level qualified, now local")
    failed = replace(report, indication=Indication.FAILED)
    assert compare(lambda: {"signatures": [{}]}, failed).outcome is Outcome.OVERTURNED


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
