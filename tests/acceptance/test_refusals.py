"""What is turned away is on record without its content, and a partner that wants one gets a sealed proof of it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from adapters.testkit.signer import sign
from config.demo.forms import Kind, form
from config.demo.letters import bad
from tests.commands import answer, run


def refusals(town):
    return answer("list", "--refusals", "-c", town.site.configuration)


def test_every_refusal_is_on_record_without_content(town):
    letters = list(bad(town.office, town.site.pki, datetime.now(UTC)))
    small = [letter for letter in letters if letter.code != "parse.too-large"]  # the cap here is the built-in one
    for letter in small:
        assert town.site.box.submit(letter.submission).code() == letter.code
    told = refusals(town)
    assert [(one["code"], one["digest"], one["size"], one["sender"], one["channel"]) for one in reversed(told)] == [
        (
            letter.code,
            hashlib.sha256(letter.submission.document).hexdigest(),
            len(letter.submission.document),
            "portal",
            "soap",
        )
        for letter in small
    ]
    assert {one["negative_receipt"] for one in told} == {None}
    assert answer("list", "-c", town.site.configuration) == []
    table = run("list", "--refusals", "-c", town.site.configuration).stdout
    assert all(letter.code in table for letter in small)
    town.serving.stop()
    for file in town.site.folder.glob("goniec.sqlite*"):
        assert b"Pismo pr" not in file.read_bytes()


def test_a_refused_message_may_be_mended_and_sent_again(town):
    document = town.letter(1)
    assert town.put(document[:-5]).code() == "parse.malformed"
    assert town.put(document).answer().document
    assert len(refusals(town)) == 1


def test_a_partner_that_wants_it_gets_a_sealed_negative_receipt(found, tmp_path):
    issuer = {"name": "Urząd Próbny", "id": "urzad-probny"}
    town = found(number=1, sections={"partners.strict": {"negative_receipts": True}, "issuer": issuer})
    document = form(Kind.LETTER_1410, town.office, 3)
    reply = town.put(document, sender="strict")
    assert reply.code() == "admit.signature-missing"
    (tmp_path / "letter.xml").write_bytes(document)
    (tmp_path / "npp.xml").write_bytes(reply.negative_receipt())
    words = ["receipt", "verify", tmp_path / "npp.xml", "--trust", town.site.folder / "pki" / "seal-ca.pem"]
    told = answer(*words, "--document", tmp_path / "letter.xml")
    assert (told["verdict"], told["kind"], told["document"]) == ("TOTAL-PASSED", "NPP", True)
    assert "admit.signature-missing" in json.dumps(told["facts"])
    assert told["facts"]["PodmiotWystawiajacyPoswiadczenie"] == issuer["name"]
    (tmp_path / "letter.xml").write_bytes(document + b"\n")
    assert answer(*words, "--document", tmp_path / "letter.xml", status=1)["document"] is False

    (kept,) = refusals(town)
    assert (kept["sender"], kept["code"]) == ("strict", "admit.signature-missing")
    assert kept["negative_receipt"] == reply.negative_receipt().decode()
    assert town.put(document, sender="other").negative_receipt() == b""


def test_a_stranger_who_keeps_on_knocking_does_not_fill_the_store(found):
    town = found(number=1, sections={"store": {"kind": "sql", "refusals_per_hour": 5}})
    for number in range(12):
        assert town.put(b"<nothing n='%d'/>" % number, sender="stranger").code() == "validate.unknown-form"
    town.put(b"<nothing/>", sender="somebody else")
    senders = [one["sender"] for one in refusals(town)]
    assert senders.count("stranger") <= 2 * 5  # an hour may have ended meanwhile
    assert senders.count("somebody else") == 1
    assert town.put(sign_of(town)).answer().document  # and honest documents get through


def sign_of(town):
    return sign(form(Kind.LETTER_1410, town.office, 8), town.site.pki.local_person, datetime.now(UTC))
