"""What is turned away is on record without its content, and a partner that wants one gets a sealed proof of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pika
import pytest
from pika.exceptions import NackError

from adapters.testkit.box import Submission
from adapters.testkit.signer import sign
from config.demo.forms import Kind, form
from config.demo.letters import LARGEST, bad
from tests.commands import answer, run


def refusals(town):
    return answer("list", "--refusals", "-c", town.site.configuration)


def _publish(channel, queue: str, document: bytes, about: pika.BasicProperties) -> None:
    """Send until RabbitMQ takes it: a busy one says no now and then (basic.nack), and a sender sends again."""
    while True:
        try:
            channel.basic_publish("", queue, document, about, mandatory=True)
        except NackError:
            channel.connection.sleep(0.2)
        else:
            return


@dataclass(frozen=True)
class Queue:
    """A partner that sends over AMQP."""

    url: str
    name: str

    @property
    def section(self) -> dict[str, str]:
        return {"kind": "amqp", "url": self.url, "queue": self.name}

    def put(self, it: Submission) -> str:
        """Put a document into the broker's queue; return the code with which it was refused."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            answers = channel.queue_declare("", exclusive=True).method.queue
            about = pika.BasicProperties(headers={"sender": it.sender, "box": it.box}, reply_to=answers)
            channel.confirm_delivery()
            _publish(channel, self.name, it.document, about)
            _, properties, _ = next(channel.consume(answers, auto_ack=True, inactivity_timeout=30))
            channel.cancel()
        return properties.headers["code"]

    def delete(self) -> None:
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            for suffix in ("", ".dead-letters", ".quarantine"):
                connection.channel().queue_delete(self.name + suffix)


@pytest.fixture
def queue(rabbitmq_url, queue_name):
    made = Queue(rabbitmq_url, queue_name("in"))
    yield made
    made.delete()


def test_every_refusal_is_on_record_without_content(found, queue):
    town = found(number=1, sections={"limits": {"payload": LARGEST}, "channels.amqp": queue.section})
    letters = list(bad(town.office, town.site.pki, datetime.now(UTC)))
    for letter in letters:
        assert town.site.box.submit(letter.submission).code() == letter.code
        assert queue.put(letter.submission) == letter.code
    told = refusals(town)
    assert [(one["code"], one["digest"], one["size"], one["sender"], one["channel"]) for one in reversed(told)] == [
        (
            letter.code,
            hashlib.sha256(letter.submission.document).hexdigest(),
            len(letter.submission.document),
            "portal",
            channel,
        )
        for letter in letters
        for channel in ("soap", "amqp")
    ]
    assert "parse.too-large" in {one["code"] for one in told}
    assert {one["negative_receipt"] for one in told} == {None}
    assert answer("list", "-c", town.site.configuration) == []
    table = run("list", "--refusals", "-c", town.site.configuration).stdout
    assert all(letter.code in table for letter in letters)
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
