"""Whether a certificate was revoked, end to end: the CA answers, lies, hangs or is away, and what senders then hear.

The outcomes are those of the table in docs/how-to/revocation.md.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from zipfile import ZipFile

import pytest
from cryptography.hazmat.primitives import hashes

from adapters.testkit.box import Reply
from adapters.testkit.certificates import QC_PERSON, Credential, statements_of
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.responders import Manner, Revocation, named_services
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from broker.model import SubmissionId
from config.bootstrap import open_ledger
from config.demo.forms import Kind, form
from config.demo.offices import offices
from tests.benchmarks.revocation import Signers, in_turns
from tests.commands import run

LENIENT = "/grace/SEKAP"  # a box of the same office that grants a grace of an hour
SOON = 90.0  # seconds within which what is fetched must be there


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Scene:
    """A town whose citizens' certificates name a CA's services on loopback."""

    town: object
    service: Revocation
    pki: Pki

    def citizen(self, **about) -> Credential:
        extras = [statements_of(QC_PERSON), *self.service.extras(**about)]
        return self.pki.personal(self.pki.qualified_ca, JAN, extras=extras)

    def letter(self, signer: Credential, number: int = 0) -> bytes:
        return sign(form(Kind.LETTER_1410, self.town.office, number), signer, now(), QUALIFIED)

    def put(self, document: bytes, box: str = "") -> Reply:
        return self.town.put(document, **({"box": box} if box else {}))

    def until(self, document: bytes, done: Callable[[Reply], bool], box: str = "") -> Reply:
        """Send the same document again and again, as a sender does that is told to try later."""
        end = time.monotonic() + SOON
        while not done(reply := self.put(document, box)):
            assert time.monotonic() < end, (reply.code() if reply.status != 200 else "accepted", self.town.log())
            time.sleep(0.1)
        return reply

    def events(self, name: str) -> list[dict]:
        lines = [json.loads(line) for line in self.town.log().splitlines()]
        return [line for line in lines if line["event"] == name]

    def record(self, reply: Reply):
        with open_ledger(self.town.site.settings) as ledger:
            return ledger.show(SubmissionId(reply.answer().document))


@pytest.fixture
def scene(found) -> Iterator[Callable[..., Scene]]:
    with ExitStack() as ends:

        def make(*, delegated: bool = False, life: timedelta = timedelta(hours=1), **trust) -> Scene:
            pki = Pki(at=now())
            service = ends.enter_context(Revocation(pki.qualified_ca, clock=now, delegated=delegated, life=life))
            town = found(
                number=1,
                sections={
                    "trust": {"revocation": "require", "hosts": service.hosts, "fetch_deadline": 1, "recheck": 0.5}
                    | trust
                },
                boxes=f"{LENIENT};{offices()[0].id};{offices()[0].name};;;;;;;PT1H;\n".encode(),
            )
            return Scene(town=town, service=service, pki=pki)

        yield make


def accepted(reply: Reply) -> bool:
    return reply.status == 200


def told_to_try_later(reply: Reply) -> bool:
    return reply.status == 503 and int(reply.headers["retry-after"]) > 0


def digest(signer: Credential) -> str:
    return signer.certificate.fingerprint(hashes.SHA256()).hex()


def code(reply: Reply) -> str:
    return reply.code() if reply.status != 200 else "accepted"


def report(record) -> dict:
    return json.loads(record.report)


def evidence(record) -> dict:
    """What the report says of the revocation of the signer's certificate."""
    (signature,) = report(record)["signatures"]
    return signature["revocation"][0]


def test_who_comes_for_the_first_time_is_told_to_try_later_and_then_accepted_within_seconds(scene):
    here = scene(delegated=True)
    for number, (named, source) in enumerate((({"crl": False}, "ocsp"), ({"ocsp": False}, "crl"))):
        letter = here.letter(here.citizen(**named), number)
        assert told_to_try_later(here.put(letter))
        record = here.record(here.until(letter, accepted))
        assert report(record)["indication"] == "TOTAL-PASSED"
        assert report(record)["revocation"] == "require"
        assert (evidence(record)["status"], evidence(record)["source"]) == ("good", source)
        assert record.submission.notes == ()
    # A list speaks of everybody whom its issuer knows: who comes after it is accepted at once.
    assert accepted(here.put(here.letter(here.citizen(), 9)))


def test_a_revoked_certificate_is_refused_from_its_revocation_on_whoever_tells_of_it(scene):
    here = scene()
    for number, named in enumerate(({"crl": False}, {"ocsp": False})):
        signer = here.citizen(**named)
        here.service.revoke(signer.certificate, now() - timedelta(days=1))
        reply = here.until(here.letter(signer, number), lambda it: it.status != 503)
        assert code(reply) == "verify.revoked"
        assert code(here.put(here.letter(signer, number + 10), LENIENT)) == "verify.revoked"
        (told,) = [event for event in here.events("trust.revoked-seen") if event["certificate"] == digest(signer)]
        assert told["reason"] == "keyCompromise"
    later = here.citizen(crl=False)
    here.service.revoke(later.certificate, now() + timedelta(hours=1))
    here.until(here.letter(later, 30), accepted)


LIES = [
    Manner.STALE,
    Manner.REPLAY,
    Manner.STRANGER,
    Manner.NONSENSE,
    Manner.HTML,
    Manner.OVERSIZED,
    Manner.ERROR,
    Manner.DOWN,
]
ONLY_OCSP = [Manner.OTHER_SERIAL, Manner.TRY_LATER]
SLOW = [Manner.HANG, Manner.DRIP]


def test_without_an_answer_that_holds_nobody_passes_but_under_a_grace_and_then_the_receipt_says_so(scene):
    here = scene()
    # First those in which a list would tell the truth: nobody is asked about yet who names one.
    for number, manner in enumerate((*ONLY_OCSP, *LIES, *SLOW)):
        # What is said is a lie for the second as well: it is revoked, and those who lie say that it is good.
        signer = here.citizen(crl=manner not in ONLY_OCSP)
        here.service.revoke(signer.certificate, now() - timedelta(days=1))
        here.service.behave(manner)
        here.until(here.letter(signer, number), told_to_try_later)
        reply = here.until(here.letter(signer, 100 + number), accepted, LENIENT)
        record = here.record(reply)
        assert (report(record)["indication"], report(record)["sub_indication"]) == ("INDETERMINATE", "TRY_LATER"), (
            manner
        )
        assert evidence(record)["silent_since"]
        assert "admit.grace" in record.submission.notes
        assert b"INDETERMINATE" in reply.answer().attachment.content
        strict = here.put(here.letter(signer, 200 + number))
        assert told_to_try_later(strict), (manner, code(strict))
    assert here.events("trust.bug") == []
    # Nothing about a certificate's holder is logged, nor told by a file's name.
    said = here.town.log() + " ".join(it.name for it in (here.town.site.folder / "trust-cache").iterdir())
    assert "trust.silent" in said
    for secret in (JAN.family, JAN.given, JAN.pesel, str(signer.certificate.serial_number)):
        assert secret not in said


def test_a_certificate_that_its_authority_does_not_know_waits_also_where_a_grace_is_granted(scene):
    """Who answers is not silent, and may know it later; before that, whoever holds the key would have had the grace."""
    here = scene()
    signer = here.citizen(crl=False)
    here.service.behave(Manner.DOWN)
    here.until(here.letter(signer, 1), accepted, LENIENT)  # now it is silent
    here.service.behave(Manner.UNKNOWN)
    letters, end = (here.letter(signer, number) for number in count(2)), time.monotonic() + SOON
    while accepted(here.put(next(letters), LENIENT)):  # under the grace, until somebody is asked again
        assert time.monotonic() < end
        time.sleep(0.1)
    for box in ("", LENIENT, "", LENIENT):
        assert told_to_try_later(here.put(next(letters), box))
        time.sleep(0.2)
    # By its list the authority does know it: OCSP may lag behind.
    listed = here.citizen()
    here.service.crl.behave(Manner.GOOD)
    here.until(here.letter(listed, 1), accepted)
    assert accepted(here.put(next(letters)))  # the list knows this one, too


def test_who_names_nobody_that_may_be_asked_is_refused_also_where_a_grace_is_granted(scene):
    """Neither names its authority's services: the one names none, the other a host that is not listed."""
    here = scene()
    extras = [statements_of(QC_PERSON), *named_services(ocsp="http://elsewhere.example/q", crl="")]
    elsewhere = here.pki.personal(here.pki.qualified_ca, JAN, extras=extras)
    for number, signer in enumerate((here.citizen(ocsp=False, crl=False), elsewhere)):
        for box in ("", LENIENT):
            reply = here.until(here.letter(signer, number), lambda it: it.status != 503, box)
            assert code(reply) == "verify.revocation-unobtainable"
    assert len(here.events("trust.unasked")) == 2


@pytest.mark.parametrize("manner", [Manner.STRANGER, Manner.HANG])
def test_where_ocsp_lies_or_is_away_the_list_tells(scene, manner):
    here = scene()
    here.service.ocsp.behave(manner)
    good, revoked = here.citizen(), here.citizen()
    here.service.revoke(revoked.certificate, now() - timedelta(days=1))
    here.until(here.letter(good, 1), accepted)
    assert code(here.until(here.letter(revoked, 2), lambda it: it.status != 503)) == "verify.revoked"


def test_what_was_let_in_under_a_grace_is_confirmed_or_overturned_when_the_authority_is_back(scene):
    here = scene()
    honest, thief = here.citizen(crl=False), here.citizen(crl=False)
    here.service.revoke(thief.certificate, now() - timedelta(days=1))
    here.service.behave(Manner.DOWN)
    kept = here.record(here.until(here.letter(honest, 1), accepted, LENIENT))
    stolen = here.record(here.until(here.letter(thief, 2), accepted, LENIENT))
    here.service.behave(Manner.GOOD)
    end = time.monotonic() + SOON
    while not (here.events("verify.confirmed") and here.events("verify.overturned")):
        assert time.monotonic() < end, here.town.log()
        time.sleep(0.1)
    (confirmed,), (overturned,) = here.events("verify.confirmed"), here.events("verify.overturned")
    assert (confirmed["submission"], overturned["submission"]) == (kept.submission.id, stolen.submission.id)
    assert (overturned["level"], overturned["code"]) == ("error", "verify.revoked")
    with open_ledger(here.town.site.settings) as ledger:
        record = ledger.show(stolen.submission.id)
        assert [event.detail for event in record.events if event.name == "verify.overturned"] == ["verify.revoked"]
        assert record.report == stolen.report
        assert json.loads(record.later_report)["indication"] != "TOTAL-PASSED"
        assert json.loads(ledger.show(kept.submission.id).later_report)["indication"] == "TOTAL-PASSED"


def test_evidence_that_has_ended_while_the_authority_is_away_is_no_evidence(scene):
    here = scene(life=timedelta(seconds=4))
    signer = here.citizen(crl=False)
    letter = here.letter(signer, 1)
    here.until(letter, accepted)
    here.service.behave(Manner.DOWN)
    until = json.loads(here.record(here.put(letter)).report)["signatures"][0]["revocation"][0]["until"]
    while now() <= datetime.fromisoformat(until):
        time.sleep(0.1)
    assert told_to_try_later(here.put(here.letter(signer, 2)))
    record = here.record(here.until(here.letter(signer, 3), accepted, LENIENT))
    assert evidence(record)["status"] == "stale"
    here.service.behave(Manner.GOOD)
    here.until(here.letter(signer, 4), accepted)


def test_a_restart_while_the_authority_is_away_forgets_nothing(scene):
    here = scene()
    good, revoked, listed = here.citizen(crl=False), here.citizen(crl=False), here.citizen(ocsp=False)
    here.service.revoke(revoked.certificate, now() - timedelta(days=1))
    here.until(here.letter(good, 1), accepted)
    here.until(here.letter(listed, 2), accepted)
    here.until(here.letter(revoked, 3), lambda it: it.status != 503)
    here.service.behave(Manner.DOWN)
    here.town.serving.stop()
    with here.town.site.start():
        assert accepted(here.put(here.letter(good, 11)))
        assert accepted(here.put(here.letter(listed, 12)))
        assert code(here.put(here.letter(revoked, 13), LENIENT)) == "verify.revoked"


def test_documents_do_not_wait_while_the_authority_hangs(scene):
    here = scene()
    signers = Signers(pki=here.pki, service=here.service, office=here.town.office)
    found = in_turns(signers, here.put, turns=5, each=8)
    # Whoever waited for an answer would have waited for a second.  `make bench` measures it finely.
    assert found.ratio < 2
    assert statistics.median(found.told_hanging) < 2 * statistics.median(found.told_answering) + 0.1


# ── exported ──


@pytest.mark.parametrize("ways", [{"ocsp": True, "crl": False}, {"ocsp": False, "crl": True}], ids=["ocsp", "crl"])
def test_the_very_evidence_that_the_report_names_leaves_with_an_exported_case(ways, scene, tmp_path):
    it = scene()
    reply = it.until(it.letter(it.citizen(**ways)), accepted)
    record = it.record(reply)
    named = {one["digest"] for one in report(record)["signatures"][0]["revocation"]}
    target = tmp_path / "case.asice"
    run("export", "-c", it.town.site.configuration, record.submission.id, "-o", target)
    with ZipFile(target) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if name.startswith("revocation/")}
        told = json.loads(archive.read("submission.json"))["export"]
    assert {hashlib.sha256(content).hexdigest() for content in kept.values()} == named
    assert {name.rpartition(".")[2] for name in kept} == {kind for kind, used in ways.items() if used}
    assert (told["revocation_not_kept"], told["revocation_later"]) == ([], [])
