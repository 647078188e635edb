"""What a second opinion does to a verdict: nothing, or a refusal and an alarm; and what it is asked about."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from lxml import etree
from structlog.testing import capture_logs

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.verifiers.signxml import Signxml
from broker.admit import Admit
from broker.errors import Untrusted
from broker.evidence import Indication, Level, Report, SecondOpinion, SignatureReport, Stance, SubIndication, to_json
from broker.evidence_xml import NAMESPACE, to_xml
from broker.model import Document, OfficeId, Routed, Target, Valid, Verified
from broker.parse import Limits, Parse
from broker.partner import Proof
from broker.second_opinion import CODE, Seconded, second
from broker.texts import TEXTS, explain, hint
from broker.verify import Verify
from config.second_opinion import seconded
from config.settings import OfKind, Settings
from tests.around import packaged
from tests.builders import an_envelope
from tests.commands import answer, run
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST, judged
from tests.stages import LETTER

SCHEMA = etree.XMLSchema(etree.fromstring(packaged("receipts/verification-report.xsd")))
SIGNED = sign(FORM, PKI.person, AT, QUALIFIED)
CHANGED = SIGNED.replace(b"Wniosek", b"Wyrok")


@dataclass
class Says:
    """A second verifier with an opinion made up beforehand."""

    stance: Stance
    reason: str = ""
    place: str = ""
    asked: list[tuple[bytes, Sequence[SignatureReport]]] = field(default_factory=list)

    def __call__(self, document: bytes, signatures: Sequence[SignatureReport], /) -> SecondOpinion:
        self.asked.append((document, signatures))
        return SecondOpinion(by="somebody", stance=self.stance, reason=self.reason, place=self.place)


CONTRARY = Says(Stance.DISAGREES, "digest", "ds:Signature[1]")


def valid(document: bytes) -> Valid:
    return Valid(document=Parse(limits=Limits())(an_envelope(document, received_at=AT)), form=LETTER)


FIRST = Verify(trust=lambda: TRUST)
AWAITING = replace(
    judged(SIGNED),
    indication=Indication.INDETERMINATE,
    sub_indication=SubIndication.TRY_LATER,
    code="verify.revocation-unknown",
    hint="verify.hint-claimed-role",
    place="ds:Signature[1]",
)


@dataclass
class Awaiting:
    """A first verifier for which nothing is missing but evidence that can still come."""

    def __call__(self, value: Valid, /) -> Verified:
        return Verified(valid=value, report=AWAITING, content=b"<r/>")

    def again(self, document: Document) -> Report:
        return AWAITING


# ── what it is asked ──


def test_it_is_asked_about_the_octets_that_came_and_the_signatures_that_hold():
    says = Says(Stance.AGREES)
    done = Seconded(first=FIRST, second=says)(valid(SIGNED))
    assert says.asked == [(SIGNED, FIRST(valid(SIGNED)).report.signatures)]
    assert done == replace(
        FIRST(done.valid), report=replace(FIRST(done.valid).report, second_opinion=done.report.second_opinion)
    )


@pytest.mark.parametrize(
    "document", [CHANGED, FORM, sign(FORM, PKI.stranger, AT)], ids=["broken", "unsigned", "untrusted"]
)
def test_it_is_not_asked_about_what_does_not_hold_or_is_not_signed(document: bytes):
    says = Says(Stance.DISAGREES)
    one = valid(document)
    assert Seconded(first=FIRST, second=says)(one).report == FIRST(one).report
    assert says.asked == []


def test_it_is_asked_where_evidence_is_still_to_come_for_that_may_be_let_in():
    says = Says(Stance.AGREES)
    report = Seconded(first=Awaiting(), second=says)(valid(SIGNED)).report
    assert len(says.asked) == 1
    assert report == replace(AWAITING, second_opinion=SecondOpinion(by="somebody", stance=Stance.AGREES))
    assert report.awaits


# ── what comes of it ──


@pytest.mark.parametrize("stance", [Stance.AGREES, Stance.NONE])
def test_a_yes_or_no_opinion_changes_nothing_but_that_the_report_tells_it(stance: Stance):
    with capture_logs() as logged:
        report = Seconded(first=FIRST, second=Says(stance, "xpath"))(valid(SIGNED)).report
    assert report.second_opinion == SecondOpinion(by="somebody", stance=stance, reason="xpath")
    assert replace(report, second_opinion=None) == judged(SIGNED)
    assert logged == []


@pytest.mark.parametrize("first", [FIRST, Awaiting()], ids=["passed", "awaits"])
def test_a_disagreement_proves_nothing_any_more_and_blames_nobody(first: Verify | Awaiting):
    report = Seconded(first=first, second=CONTRARY)(valid(SIGNED)).report
    assert (report.indication, report.sub_indication, report.code, report.place) == (
        Indication.INDETERMINATE,
        SubIndication.SIG_CONSTRAINTS_FAILURE,
        "verify.second-opinion",
        "ds:Signature[1]",
    )
    assert (report.level, report.awaits, report.hint) == (Level.NONE, False, "")
    assert report.signatures == judged(SIGNED).signatures
    assert report.second_opinion == CONTRARY(b"", ())


def test_a_disagreement_is_refused_by_admit_under_its_own_code():
    verified = Seconded(first=FIRST, second=CONTRARY)(valid(SIGNED))
    target = Target(row="1", office=OfficeId("town"), office_name="Town", box="/town/SEKAP")
    with pytest.raises(Untrusted) as caught:
        Admit()(Routed(verified=verified, target=target))
    assert (caught.value.code, caught.value.stage, caught.value.place) == (CODE, "verify", "ds:Signature[1]")
    assert "disagree" in explain(caught.value)
    assert "nie zgadzają się" in explain(caught.value, "pl")
    assert "does not mean that the document was changed" in hint(CODE)
    assert TEXTS[CODE].number == 399


def test_a_disagreement_raises_the_alarm_without_a_word_of_the_document():
    one = valid(SIGNED)
    with capture_logs() as logged:
        Seconded(first=FIRST, second=CONTRARY)(one)
    assert logged == [
        {
            "event": "verify.disagreed",
            "log_level": "error",
            "channel": "soap",
            "sender": "",
            "sha256": one.document.envelope.digest,
            "by": "somebody",
            "reason": "digest",
            "place": "ds:Signature[1]",
        }
    ]


def test_the_alarm_names_a_sender_that_has_proven_who_it_is():
    one = valid(SIGNED)
    envelope = replace(one.document.envelope, proof=Proof.TLS)
    with capture_logs() as logged:
        Seconded(first=FIRST, second=CONTRARY)(replace(one, document=replace(one.document, envelope=envelope)))
    assert [it["sender"] for it in logged] == ["citizen"]


def test_judging_again_asks_again_and_raises_the_alarm_again():
    document = valid(SIGNED).document
    with capture_logs() as logged:
        report = Seconded(first=FIRST, second=CONTRARY).again(document)
    assert (report.code, [it["event"] for it in logged]) == (CODE, ["verify.disagreed"])
    agreed = Seconded(first=FIRST, second=Signxml()).again(document)
    assert agreed == replace(judged(SIGNED), second_opinion=SecondOpinion(by="signxml", stance=Stance.AGREES))


# ── where it is told ──


@pytest.mark.parametrize("says", [Says(Stance.AGREES), Says(Stance.NONE, "xpath", "ds:Signature[1]"), CONTRARY])
def test_the_report_tells_it_in_json_and_in_xml(says: Says):
    report = to_json(second(judged(SIGNED), SIGNED, says))
    told = json.loads(report)["second_opinion"]
    assert told == {"by": "somebody", "stance": str(says.stance), "reason": says.reason, "place": says.place}
    root = etree.fromstring(to_xml(report))
    SCHEMA.assertValid(root)
    (written,) = root.iter(f"{{{NAMESPACE}}}SecondOpinion")
    assert [it.text for it in written] == [word for word in told.values() if word]


def test_a_report_without_one_says_that_nobody_was_asked():
    assert json.loads(to_json(judged(SIGNED)))["second_opinion"] is None
    assert b"SecondOpinion" not in to_xml(to_json(judged(SIGNED)))


# ── who asks for it ──


def settings(**trust: object) -> Settings:
    return Settings(seal=OfKind(kind="pem"), trust=trust)


def test_nobody_is_asked_unless_the_configuration_says_so():
    assert settings().trust.second_opinion is False
    assert seconded(FIRST, settings()) is FIRST
    made = seconded(FIRST, settings(second_opinion=True))
    assert isinstance(made, Seconded)
    assert (made.first, made.second) == (FIRST, Signxml())


def test_it_has_the_caps_of_the_configuration():
    made = seconded(FIRST, Settings(seal=OfKind(kind="pem"), trust={"second_opinion": True}, limits={"payload": 7}))
    assert isinstance(made, Seconded)
    assert made.second == Signxml(limits=replace(Limits(), payload=7))


def test_the_second_verifier_is_not_even_loaded_when_nobody_asks():
    code = "import config.bootstrap, config.cli.verify, sys; print('adapters.verifiers.signxml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


# ── goniec verify ──


@pytest.fixture
def words(tmp_path: Path) -> list[object]:
    (tmp_path / "ca.pem").write_bytes(PKI.qualified_ca.credential.pem)
    (tmp_path / "a.xml").write_bytes(SIGNED)
    return ["verify", tmp_path / "a.xml", "--trust", tmp_path / "ca.pem", "--at", "2026-01-01T12:00:00Z"]


def test_goniec_verify_asks_for_it_by_a_flag(words: list[object]):
    (told,) = answer(*words)
    assert told["second_opinion"] is None
    (told,) = answer(*words, "--second-opinion")
    assert told["indication"] == "TOTAL-PASSED"
    assert told["second_opinion"] == {"by": "signxml", "stance": "agrees", "reason": "", "place": ""}
    assert "second opinion (signxml): agrees\n" in run(*words, "--second-opinion").stdout
    assert "second opinion" not in run(*words).stdout


def test_goniec_verify_asks_for_it_when_the_configuration_does(words: list[object], tmp_path: Path):
    for asks, stance in ((True, "agrees"), (False, None)):
        file = tmp_path / "goniec.toml"
        file.write_text(f"[seal]\nkind = 'pem'\n[trust]\nsecond_opinion = {json.dumps(asks)}\n", encoding="utf-8")
        (told,) = answer(*words, "--config", file)
        assert (told["second_opinion"] or {}).get("stance") == stance


def test_goniec_verify_tells_a_disagreement_and_cannot_tell(words: list[object], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("config.second_opinion.verifier", lambda _limits: CONTRARY)
    (told,) = answer(*words, "--second-opinion", status=2)
    assert (told["indication"], told["code"]) == ("INDETERMINATE", CODE)
    assert "disagree" in told["reason"]
    said = run(*words, "--second-opinion", status=2).stdout
    assert "second opinion (somebody): disagrees (digest, ds:Signature[1])" in said
    assert "hint: That does not mean that the document was changed" in said
