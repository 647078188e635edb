"""A whole broker that asks for a second opinion: honest documents get in, and a disagreement keeps one out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from adapters.testkit.box import Submission
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import ENVELOPED, EXCLUSIVE_COMMENTS, QUALIFIED
from broker.evidence import SecondOpinion, SignatureReport, Stance
from broker.second_opinion import Seconded
from config.bootstrap import Broker, assemble
from config.demo.forms import Kind, form
from config.demo.offices import offices
from config.demo.site import Site, answers, free_port
from config.run import logged, run
from tests.commands import answer

ASKING = {"trust": {"second_opinion": True}}


def events(town, name: str) -> list[dict[str, object]]:
    return [it for it in map(json.loads, town.log().splitlines()) if it["event"] == name]


def opinion(town, submission: str) -> dict[str, str] | None:
    return answer("show", submission, "--report", "-c", town.site.configuration)["second_opinion"]


def test_honest_documents_get_in_and_their_record_tells_the_second_opinion(found):
    town = found(number=1, sections=ASKING)
    now, pki = datetime.now(UTC), town.site.pki
    letters = [form(Kind.LETTER_1410, town.office, number) for number in range(6)]
    commented = letters[5].replace(b"</", b"<!-- said aside --></", 1)
    documents = {
        "qualified": sign(letters[0], pki.person, now, QUALIFIED),
        "podpis zaufany": sign_on_platform(letters[1], pki.platform, JAN, now),
        "two": sign(sign(letters[2], pki.person, now, QUALIFIED), pki.other_person, now, QUALIFIED),
        "countersigned": countersign(sign(letters[3], pki.person, now), pki.other_person, now),
        "elliptic": sign(letters[4], pki.elliptic_person, now),
        "unread": sign(commented, pki.person, now, transforms=(ENVELOPED, EXCLUSIVE_COMMENTS)),
    }
    for document in documents.values():
        assert town.put(document).answer().document
    accepted = events(town, "intake.accepted")
    assert [(it["second_opinion"], it.get("unread")) for it in accepted] == [
        *[("agrees", None)] * 5,
        ("no-opinion", "comments"),
    ]
    told = [opinion(town, str(it["submission"])) for it in accepted]
    assert told[0] == {"by": "signxml", "stance": "agrees", "reason": "", "place": ""}
    assert told[5] == {"by": "signxml", "stance": "no-opinion", "reason": "comments", "place": "ds:Signature[1]"}
    changed = documents["qualified"].replace(b"Tytul>", b"Tytul>NIE ", 1)
    assert town.put(changed).code() == "verify.digest-mismatch"
    assert events(town, "verify.disagreed") == []
    town.settle()


def test_nobody_is_asked_by_default(town):
    assert town.put(town.letter(1)).answer().document
    (accepted,) = events(town, "intake.accepted")
    assert "second_opinion" not in accepted
    assert opinion(town, str(accepted["submission"])) is None


# ── two verifiers that disagree ──


@dataclass(frozen=True)
class Contrary:
    """A second verifier that finds every digest wrong."""

    def __call__(self, document: bytes, signatures: Sequence[SignatureReport], /) -> SecondOpinion:
        return SecondOpinion(by="contrary", stance=Stance.DISAGREES, reason="digest", place="ds:Signature[1]")


@dataclass(frozen=True)
class Place:
    """A broker that runs in this process."""

    site: Site
    broker: Broker

    def log(self) -> str:
        return self.site.log.read_text(encoding="utf-8")


@contextmanager
def running(site: Site) -> Iterator[Place]:
    """Run the site's broker, its second verifier exchanged for one that disagrees."""
    with logged(site.settings):
        made = assemble(site.settings)
        verify = made.intake.verify
        assert isinstance(verify, Seconded)
        broker = replace(made, intake=replace(made.intake, verify=replace(verify, second=Contrary())))
        stop = Event()
        thread = threading.Thread(target=run, args=(broker, stop))
        thread.start()
        try:
            while not answers(site.port):
                assert thread.is_alive()
            yield Place(site, broker)
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def contradicted(tmp_path: Path) -> Iterator[Place]:
    office = offices()[0]
    site = Site(
        folder=tmp_path,
        offices=[office],
        ways={office.id: {"kind": "directory", "folder": "out"}},
        pki=Pki(at=datetime.now(UTC)),
        port=free_port(),
        sections={
            **ASKING,
            "partners.strict": {"negative_receipts": True},
            "issuer": {"name": "Urząd Próbny", "id": "urzad-probny"},
        },
    ).write()
    with running(site) as place:
        yield place


def test_a_document_about_which_two_verifiers_disagree_is_kept_out_and_somebody_is_told(contradicted):
    town, office = contradicted, contradicted.site.offices[0]
    document = sign(form(Kind.LETTER_1410, office, 1), town.site.pki.person, datetime.now(UTC), QUALIFIED)
    reply = town.site.box.submit(Submission(document=document, box=office.box, sender="strict"))

    assert (reply.code(), reply.number()) == ("verify.second-opinion", 399)
    assert b"nie zgadzaj" in reply.body
    assert b"verify.second-opinion" in reply.negative_receipt()

    (alarm,) = events(town, "verify.disagreed")
    assert (alarm["level"], alarm["by"], alarm["reason"]) == ("error", "contrary", "digest")
    (refused,) = events(town, "verify.refused")
    assert (refused["code"], refused["sha256"]) == ("verify.second-opinion", alarm["sha256"])
    figures = town.broker.operations.figures.text().decode()
    assert 'goniec_second_opinions_total{opinion="disagrees",reason="digest"} 1' in figures
    assert 'goniec_refused_total{stage="verify",code="verify.second-opinion"} 1' in figures

    assert answer("list", "-c", town.site.configuration) == []
    (kept,) = answer("list", "--refusals", "-c", town.site.configuration)
    assert (kept["code"], kept["place"], kept["sender"]) == ("verify.second-opinion", "ds:Signature[1]", "strict")
    assert not list((town.site.folder / "out").rglob("*.xml"))

    unsigned = Submission(document=form(Kind.LETTER_1410, office, 2), box=office.box)
    assert town.site.box.submit(unsigned).code() == "admit.signature-missing"  # it is not asked about everything
    assert len(events(town, "verify.disagreed")) == 1
