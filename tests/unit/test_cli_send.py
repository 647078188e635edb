"""`goniec send` against boxes that answer in every way, and against what is no box at all."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import structlog

from adapters.testkit.desk import Desk, always, receipt_for
from adapters.testkit.pki import Pki
from broker.errors import Unauthorised, Unavailable
from broker.model import Envelope
from broker.partner import Partner, Partners, Proof
from broker.verify import certificates
from tests.commands import answer, run
from tests.receipts import a_upp
from tests.soap_serving import serving


@dataclass
class Served:
    desk: Desk = field(default_factory=Desk)
    url: str = ""


@pytest.fixture
def served() -> Iterator[Served]:
    desk = Desk()
    # The box is served by this very process: its log is not the command's answer.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with serving(desk) as url:
        yield Served(desk, url)
    structlog.reset_defaults()


@pytest.fixture
def letter(tmp_path):
    file = tmp_path / "letter.xml"
    file.write_bytes(b"<letter>\r\n</letter>\n\n")
    return file


def words(served, letter, *more):
    return ["send", letter, "--url", served.url, "--box", "/town/SEKAP", "--sender", "portal", *more]


@pytest.mark.parametrize("mtom", [[], ["--mtom"]])
def test_an_accepted_document_brings_its_receipt_beside_the_file(served, letter, mtom):
    told = answer(*words(served, letter, "--reply-to", "/portal/box", *mtom))
    (envelope,) = served.desk.envelopes
    assert (envelope.payload, envelope.sender, envelope.trial) == (letter.read_bytes(), "portal", False)
    assert (told["accepted"], told["receipt"]) == (True, str(letter.with_name("letter.upp.xml")))
    assert letter.with_name("letter.upp.xml").read_bytes().startswith(b"<?xml version='1.0'?>\r\n<UPP>")
    assert told["submission"]
    run(*words(served, letter, "--trial", "--receipt", letter.with_name("mine.xml")))
    assert served.desk.envelopes[-1].trial
    assert letter.with_name("mine.xml").exists()


def test_a_refused_document_is_a_no_with_the_code_and_the_negative_receipt(served, letter):
    no = Unauthorised("admit.sender-not-accepted", facts={"box": "/town/SEKAP"})
    no.negative_receipt = b"<NPP/>\n"
    served.desk.answer = always(no)
    told = answer(*words(served, letter), status=1)
    assert (told["accepted"], told["code"]) == (False, "admit.sender-not-accepted")
    assert letter.with_name("letter.npp.xml").read_bytes() == b"<NPP/>\n"
    assert told["receipt"] == str(letter.with_name("letter.npp.xml"))
    assert told["reason"].splitlines()[0][:20] in run(*words(served, letter), status=1).stdout


def test_a_receipt_is_written_over_a_receipt_and_over_nothing_else(served, letter):
    document = letter.read_bytes()
    said = run(*words(served, letter, "--receipt", letter), status=2).stderr
    assert f"{letter}: File exists, and is something else: it stays" in said.replace("\n", " ")
    assert letter.read_bytes() == document
    for receipt in (a_upp(), receipt_for(served.desk.envelopes[-1]).xml):
        letter.with_name("r.xml").write_bytes(receipt)
        run(*words(served, letter, "--receipt", letter.with_name("r.xml")))
        assert letter.with_name("r.xml").read_bytes().startswith(b"<?xml version='1.0'?>\r\n<UPP>")


def test_every_line_of_a_reason_stands_on_a_line_of_its_own(served, letter):
    facts = {"box": "/town/SEKAP"}
    served.desk.answer = always(Unauthorised("admit.sender-not-accepted", place="envelope/box", facts=facts))
    told = answer(*words(served, letter), status=1)
    said = run(*words(served, letter), status=1).stdout.splitlines()
    assert len(told["reason"].splitlines()) > 1
    assert [line.strip() for line in said[-len(told["reason"].splitlines()) :]][1:] == told["reason"].splitlines()[1:]


def test_a_broker_that_says_later_is_cannot_tell(served, letter):
    served.desk.answer = always(Unavailable("the seal is away"))
    told = answer(*words(served, letter), status=2)
    assert told["accepted"] is False
    assert told["receipt"] == ""
    assert not letter.with_name("letter.npp.xml").exists()


def test_names_that_are_not_utf8_are_sent_as_they_are_shown(served, letter):
    seen: list[Envelope] = served.desk.envelopes
    odd = letter.with_name("za\udcbf.xml")
    odd.write_bytes(b"<letter/>")
    run("send", odd, "--url", served.url, "--box", "/town/SEKAP", "--sender", "portal\udcff")
    assert (seen[0].file_name, seen[0].sender) == ("za\\udcbf.xml", "portal\\udcff")


def answering(status: int, body: bytes, *, whole: bool = True) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if not whole:
                self.wfile.write(b"nonsense\r\n\r\n")
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    servers = []

    def start(*about: object, **more: object) -> str:
        server = HTTPServer(("127.0.0.1", 0), answering(*about, **more))
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/x"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


ENVELOPE = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>'


@pytest.mark.parametrize(
    "about",
    [
        {"status": 404, "body": b"<html>nothing here"},
        {"status": 200, "body": b"hello"},
        {"status": 200, "body": b""},
        {"status": 200, "body": ENVELOPE % b"<other/>"},
        {"status": 500, "body": ENVELOPE % b"<other/>"},
        {"status": 200, "body": b"", "whole": False},
    ],
    ids=str,
)
def test_what_is_no_box_is_said_to_be_none(serve, letter, about):
    served = Served(url=serve(about["status"], about["body"], whole=about.get("whole", True)))
    done = run(*words(served, letter, "--json"), status=2)
    assert done.stdout == ""
    assert served.url in done.stderr


def test_a_broker_that_is_not_there_is_cannot_tell(letter):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        served = Served(url=f"http://127.0.0.1:{closed.getsockname()[1]}/skrytka")
        assert "refused" in run(*words(served, letter), status=2).stderr


@pytest.mark.parametrize("url", ["https://127.0.0.1/skrytka", "127.0.0.1:8080", "http://127.0.0.1:port/"])
def test_an_address_that_cannot_be_spoken_to_is_wrong_use(letter, url):
    assert run(*words(Served(url=url), letter), status=2).stderr


def test_a_missing_file_is_wrong_use(letter):
    assert "Usage" in run(*words(Served(), letter.with_name("none.xml")), status=2).stderr


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256").write(folder)
    return folder


@contextmanager
def tls_serving(desk, keys, known):
    """A box behind TLS, for partners that show their certificate."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    about = {"certificate": str(keys / "server.pem"), "key": str(keys / "server.key"), "proof": ["tls"]}
    with serving(desk, partners=lambda: known, clock=lambda: datetime.now(UTC), **about) as url:
        yield url
    structlog.reset_defaults()


def by_tls(letter, keys, url, *more):
    proof = ("--ca", keys / "transport-ca.pem", "--certificate", keys / "partner.pem", "--key", keys / "partner.key")
    return ("send", letter, "--url", url, "--box", "/town/SEKAP", "--sender", "portal", *proof, *more)


def test_a_partner_proves_itself_by_its_certificate(letter, keys):
    desk = Desk()
    known = Partners([Partner(id="portal", certificates=tuple(certificates((keys / "partner.pem").read_bytes())))])
    with tls_serving(desk, keys, known) as url:
        told = answer(*by_tls(letter, keys, url))
        refused = answer(*by_tls(letter, keys, url, "--sender", "town"), status=1)
    assert told["accepted"]
    assert [(it.sender, it.proof) for it in desk.envelopes] == [("portal", Proof.TLS)]
    assert refused["code"] == "partner.another"


def test_a_server_that_nobody_vouches_for_gets_nothing(letter, keys):
    desk = Desk()
    with tls_serving(desk, keys, Partners()) as url:
        said = run(*by_tls(letter, keys, url, "--ca", keys / "local-ca.pem"), status=2).stderr
    assert "TLS failed" in said
    assert not desk.envelopes


def test_who_is_turned_away_by_tls_is_told_that_it_may_be_its_certificate(letter, keys):
    desk = Desk()
    with tls_serving(desk, keys, Partners()) as url:  # where nobody is known
        said = {run(*by_tls(letter, keys, url), status=2).stderr for _ in range(5)}
    assert all("--certificate" in one for one in said)  # by TLS's alert, if it is there before the connection ends
    assert not desk.envelopes


def test_keys_that_do_not_belong_to_the_certificate_are_told(letter, keys):
    assert (
        "belong together"
        in run(*by_tls(letter, keys, "https://127.0.0.1:1/", "--key", keys / "seal.key"), status=2).stderr
    )


def test_a_certificate_is_shown_in_tls_alone(letter, keys):
    assert "https://" in run(*by_tls(letter, keys, "http://127.0.0.1:1/"), status=2).stderr
