"""Who may send, asked of the whole broker as a process, over real TLS: strangers are refused, partners get receipts."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.testkit.box import Box, Reply, Submission
from adapters.testkit.certificates import Authority, Credential
from adapters.wire import ob, wss
from adapters.wire.soap import SOAP11
from config.demo.site import free_port
from tests.acceptance.conftest import Found, Town
from tests.commands import answer
from tests.partners import DAY, Cast, signed

PATIENCE = 30.0


@dataclass(frozen=True)
class Exchange:
    """A served broker with a way in over TLS, and those who know it."""

    town: Town
    cast: Cast
    url: str
    people: dict[str, Credential]

    def submission(self, number: int = 0, **about: object) -> Submission:
        """Return a form to the first office, new for each number."""
        document = self.town.letter(number)
        return replace(
            Submission(document=document, box=self.town.office.box, sender="portal", reply_to="/portal/box"), **about
        )

    def sign(self, submission: Submission, by: str = "portal") -> bytes:
        return signed(submission.envelope(SOAP11), self.people[by], datetime.now(UTC))

    def post(self, envelope: bytes, by: str = "") -> Reply:
        """Send; `by` is who shows a certificate in TLS, "" for nobody."""
        return Box(url=self.url, tls=self.cast.context(self.people[by] if by else None)).post(envelope, "text/xml")

    def rewrite(self, change: Callable[[str], str]) -> None:
        """Change the configuration under the running broker."""
        file = self.town.site.configuration
        file.write_text(change(file.read_text()))


@pytest.fixture
def exchange(found: Found, tmp_path: Path) -> Exchange:
    cast = Cast(tmp_path)
    cast.server()
    elsewhere = Authority.root("Another CA", cast.now, kind="ec-256")
    people = {
        "portal": cast.client("portal"),
        "renewed": cast.client("renewed"),
        "notary": cast.client("notary"),
        "late": cast.client("late", until=-DAY),
        "modest": cast.client("modest"),
        "stranger": cast.client("stranger", authority=elsewhere),
    }
    for name, credential in people.items():
        (tmp_path / f"{name}.crt").write_bytes(credential.pem)
    cast.write("answers", cast.client("answers"))
    port = free_port()
    town = found(
        number=1,
        sections={
            "channels.secure": {
                "kind": "soap",
                "listen": f"127.0.0.1:{port}",
                "certificate": "server.pem",
                "proof": ["tls", "ws-security"],
                "signing_certificate": "answers.pem",
            },
            "partners.portal": {
                "certificates": ["portal.crt", "renewed.crt"],
                "boxes": ["/portal/box"],
                "sign_replies": True,
            },
            "partners.notary": {"certificates": ["notary.crt"], "boxes": ["/notary/box"]},
            "partners.late": {"certificates": ["late.crt"], "boxes": ["/late/box"]},
            "partners.modest": {"certificates": ["modest.crt"], "rate": 0.5, "burst": 2},
        },
    )
    made = Exchange(town, cast, f"https://127.0.0.1:{port}/skrytka", people)
    until(lambda: answers(made))
    return made


def answers(exchange: Exchange) -> bool:
    try:
        return exchange.post(b"").status > 0
    except OSError:
        return False


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def turned_away(exchange: Exchange, by: str) -> bool:
    """Whether TLS itself refuses somebody's certificate."""
    try:
        exchange.post(b"<x/>", by)
    except (ssl.SSLError, ConnectionError):
        return True
    return False


def inserted(envelope: bytes, block: bytes) -> bytes:
    return envelope.replace(b"</soap:Header>", block + b"</soap:Header>", 1)


def wrapped(envelope: bytes) -> bytes:
    """Move the signed Body into a header, and put another in its place."""
    start, end = envelope.index(b"<soap:Body"), envelope.index(b"</soap:Envelope>")
    forged = b"<soap:Body>" + Submission().body(b"PGZvcmdlZC8+") + b"</soap:Body>"
    hidden = b'<w:W xmlns:w="urn:w">' + envelope[start:end] + b"</w:W>"
    return inserted(envelope[:start], hidden) + forged + envelope[end:]


def test_the_honest_partner_gets_its_receipt_by_tls_by_its_signature_and_by_both(exchange: Exchange) -> None:
    submissions = [exchange.submission(number) for number in range(4)]
    replies = [
        exchange.post(submissions[0].envelope(SOAP11), "portal"),
        exchange.post(exchange.sign(submissions[1])),
        exchange.post(exchange.sign(submissions[2]), "portal"),
        exchange.post(submissions[3].envelope(SOAP11), "renewed"),  # two certificates overlap
    ]
    for reply in replies:
        attachment = reply.answer().attachment
        assert attachment is not None
        assert b"UPP" in attachment.content
        secured = wss.read(reply.message(), datetime.now(UTC))
        assert secured is not None
        secured.demand(timestamp=True, headers=())
    exchange.town.settle()
    assert sorted(one.document for one in exchange.town.dms.received) == sorted(one.document for one in submissions)
    assert len(answer("list", "-c", exchange.town.site.configuration)) == len(submissions)


def test_whoever_is_not_the_partner_is_refused_by_its_code_and_nothing_is_taken(exchange: Exchange) -> None:
    honest = exchange.submission()
    plain, own = honest.envelope(SOAP11), exchange.sign(honest)
    notary = exchange.submission(sender="notary", reply_to="/portal/box")
    unsigned = inserted(
        exchange.sign(exchange.submission(reply_to=None)), ob.element("AdresOdpowiedzi", b"/portal/box")
    )
    refused = {
        "no certificate": (plain, "", "partner.unproven"),
        "an expired partner": (exchange.submission(sender="late").envelope(SOAP11), "late", "partner.expired"),
        "an expired partner's signature": (exchange.sign(honest, "late"), "", "partner.expired"),
        "another's id": (plain, "notary", "partner.another"),
        "another's signature": (exchange.sign(honest, "notary"), "", "partner.another"),
        "another's signature over one's own TLS": (exchange.sign(honest, "notary"), "portal", "partner.another"),
        "another's reply box": (notary.envelope(SOAP11), "notary", "partner.reply-box"),
        "a stranger's signature": (exchange.sign(honest, "stranger"), "", "partner.unknown"),
        "an unsigned header": (unsigned, "", "wss.header-unsigned"),
        "a wrapped Body": (wrapped(own), "", "wss.body-elsewhere"),
        "a wrapped Body over TLS": (wrapped(own), "portal", "wss.body-elsewhere"),
        "another document under the signature": (
            own.replace(b"<zawartosc>", b"<zawartosc>AAAA"),
            "",
            "wss.digest-mismatch",
        ),
    }
    got = {what: exchange.post(envelope, by).code() for what, (envelope, by, _) in refused.items()}
    assert got == {what: code for what, (_, _, code) in refused.items()}
    assert turned_away(exchange, "stranger")
    assert answer("list", "-c", exchange.town.site.configuration) == []
    assert "soap.handshake-failed" in exchange.town.log()


def test_a_replayed_message_is_refused_and_the_same_document_signed_anew_gets_the_same_receipt(
    exchange: Exchange,
) -> None:
    submission = exchange.submission()
    message = exchange.sign(submission)
    first = exchange.post(message)
    assert first.status == 200
    assert exchange.post(message).code() == "intake.replayed"
    assert exchange.post(message, "portal").code() == "intake.replayed"
    time.sleep(1)  # the Timestamp has seconds
    again = exchange.post(exchange.sign(submission)).answer()
    assert (again.receipt, again.attachment) == (first.answer().receipt, first.answer().attachment)


def test_a_partner_that_is_taken_out_of_the_configuration_is_refused_within_seconds(exchange: Exchange) -> None:
    def post(number: int, by: str, sender: str) -> Reply:
        submission = exchange.submission(number, sender=sender, reply_to=f"/{sender}/box")
        return exchange.post(submission.envelope(SOAP11), by)

    assert post(0, "portal", "portal").status == post(1, "notary", "notary").status == 200
    exchange.rewrite(lambda text: text.replace('"portal.crt", "renewed.crt"', '"renewed.crt"'))
    until(lambda: turned_away(exchange, "portal"))
    assert exchange.post(exchange.sign(exchange.submission(2))).code() == "partner.unknown"
    assert post(3, "renewed", "portal").status == 200
    exchange.rewrite(lambda text: text.replace("[partners.notary]", "[partners.other]"))
    until(lambda: post(4, "notary", "notary").status != 200)
    assert post(4, "notary", "notary").code() == "partner.another"


def test_a_partner_over_its_rate_is_told_when_to_come_back_and_others_are_served(exchange: Exchange) -> None:
    """One process: with more of them each counts for itself (docs/how-to/run-many-nodes.md)."""

    def modest(number: int) -> Reply:
        submission = exchange.submission(number, sender="modest", reply_to=None)
        return exchange.post(submission.envelope(SOAP11), "modest")

    assert [modest(number).status for number in range(2)] == [200, 200]
    held = modest(2)
    assert (held.status, held.fault().receiver) == (503, True)
    assert 1 <= int(held.headers["retry-after"]) <= 120
    assert modest(0).status == 503  # a repeat is a message too
    assert exchange.post(exchange.submission(3).envelope(SOAP11), "portal").status == 200
    exchange.town.settle()
    assert len(exchange.town.dms.received) == 3
