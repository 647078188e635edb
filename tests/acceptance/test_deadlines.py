"""A document that is late: told, counted, proven to its sender by sealed evidence, and delivered all the same."""

from __future__ import annotations

import time

from adapters.testkit.dms_conduct import DOWN, GOOD
from tests.commands import answer, run

SOON = {
    "deadlines": {"every": 0.2},
    "deadlines.relay": {"expire": 0},
    "deadlines.delivery": {"warn": 0.5, "expire": 1.0},
    "partners.portal": {"negative_evidence": True},
    "issuer": {"name": "Urząd Próbny", "id": "urzad-probny"},
}


def until(holds):
    deadline = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_a_late_document_is_told_proven_to_its_sender_and_delivered_all_the_same(found, tmp_path):
    town = found(number=2, sections=SOON)
    late, portal = town.site.offices  # the second office plays the sender's own system
    config = ["-c", town.site.configuration]
    town.dms.behave(DOWN, late.id)
    document = town.letter()
    submission = town.put(document, sender="portal", reply_to=portal.box).answer().document
    silent = town.put(town.letter(1), sender="deaf", reply_to=portal.box).answer().document

    handed = until(lambda: [it for it in town.dms.received if it.office == portal.id])
    assert [it.facts["in-reply-to"] for it in handed] == [submission]
    (tmp_path / "evidence.xml").write_bytes(handed[0].document)
    (tmp_path / "letter.xml").write_bytes(document)
    words = ["receipt", "verify", tmp_path / "evidence.xml", "--trust", town.site.folder / "pki" / "seal-ca.pem"]
    told = answer(*words, "--document", tmp_path / "letter.xml")
    assert (told["verdict"], told["kind"], told["document"]) == ("TOTAL-PASSED", "DowodNegatywny", True)
    assert told["facts"]["IdentyfikatorDokumentu"] == submission
    assert told["facts"]["Etap"] == "delivery"
    assert told["facts"]["PodmiotWystawiajacyPoswiadczenie"] == "Urząd Próbny"

    shown = answer("show", *config, submission)
    (delivery,) = shown["deliveries"]
    assert (delivery["owner"], delivery["stage"], delivery["state"]) == ("office", "delivery", "waiting")
    assert delivery["deadline"] > shown["submission"]["accepted_at"]
    assert run("show", *config, submission, "--evidence", "delivery").stdout_bytes == handed[0].document
    run("show", *config, submission, "--evidence", "relay", status=1)
    assert answer("show", *config, silent)["evidence"] == []

    town.dms.behave(GOOD, late.id)
    town.settle()
    until(lambda: "deadline.met-late" in names(config, submission))
    told = names(config, submission)
    assert [it for it in told if it.startswith(("deadline.", "evidence."))] == [
        "deadline.delivery-warned",
        "deadline.delivery-expired",
        "evidence.sealed",
        "evidence.sent",
        "deadline.met-late",
    ]
    assert {it.office for it in town.dms.received if it.document == document} == {late.id}
    assert len([it for it in town.dms.records.arrivals if it.office == portal.id]) == 1
    said = town.log()
    assert all(f'"event": "{event}"' in said for event in ("deadline.warned", "deadline.expired", "evidence.told"))


def names(config, submission):
    return [it["name"] for it in answer("show", *config, submission)["events"]]


def test_an_answer_that_is_watched_for_ends_the_wait_and_so_does_an_operators_word(found):
    terms = {"deadlines": {"every": 0.2}, "deadlines.retrieval": {"warn": 1.0, "expire": 100_000}}
    town = found(number=2, sections=terms)
    asked, portal = town.site.offices
    config = ["-c", town.site.configuration]
    first, second = (
        town.put(town.letter(number), sender="portal", reply_to=portal.box).answer().document for number in (0, 1)
    )
    town.settle()
    assert answer("show", *config, first)["deliveries"][0]["owner"] == "office"
    until(lambda: "deadline.retrieval-warned" in names(config, first))
    reply = town.letter(2)
    extras = f"<D><IdentyfikatorDokumentu>{first}</IdentyfikatorDokumentu></D>".encode()
    assert town.put(reply, box=portal.box, extras=extras, sender=asked.id).answer().document
    assert names(config, first)[-1] == "deadline.answered"
    assert answer("show", *config, first)["deliveries"][0]["owner"] == "nobody"
    assert answer("answered", *config, second, "--reason", "they rang up")["answered"]
    run("answered", *config, second, "--reason", "again", status=1)
