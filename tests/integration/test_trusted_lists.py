"""Trusted lists end to end: a served broker fetches them, and what they say decides what a signature is worth."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from adapters.testkit.box import Reply, Submission
from adapters.testkit.pki import Pki
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.trusted_lists import Entry, Lists, Past, issues
from broker.model import SubmissionId
from config.bootstrap import open_ledger
from config.demo.forms import Kind, form
from config.demo.offices import offices
from config.demo.site import Site, free_port
from tests.commands import answer, run

SOON = 40.0  # seconds within which what is published must be known
_numbers = count(1)


class Publisher:
    """An HTTP server with lists; what is not there is answered with 404."""

    def __init__(self) -> None:
        self.lists: dict[str, bytes] = {}
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = publisher.lists.get(self.path, b"")
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Scene:
    """A broker that trusts no CA of the citizens' but those of the lists, and a publisher of lists."""

    def __init__(self, folder, ends, *, offline: bool = False) -> None:
        self.now = datetime.now(UTC)
        self.pki = Pki(at=self.now)
        self.publisher = Publisher()
        ends.callback(self.publisher.close)
        self.lists = Lists(at=self.now, place=f"http://{self.publisher.host}")
        self.listed = self.pki.untrusted_ca.credential.certificate  # no anchor of the site is above its citizens
        (folder / "lotl-signer.pem").write_bytes(self.lists.lotl_signer.pem)
        own = {
            "signers": ["lotl-signer.pem"],
            "lotl": f"http://{self.publisher.host}/lotl.xml",
            "hosts": [self.publisher.host],
            "every": 1,
        }
        if offline:
            own["files"] = ["lists/eu.xml", "lists/pl.xml"]
        self.site = Site(
            folder=folder,
            offices=offices()[:1],
            ways={offices()[0].id: {"kind": "directory", "folder": "office"}},
            pki=self.pki,
            port=free_port(),
            sections={"trust.lists": own},
        ).write()

    def publish(self, sequence: int, **about) -> None:
        self.publisher.lists = {
            "/lotl.xml": self.lists.lotl(),
            "/PL.xml": self.lists.national([Entry(certificates=(self.listed,), **about)], sequence=sequence),
        }

    def letter(self) -> bytes:
        return sign(
            form(Kind.LETTER_1410, self.site.offices[0], next(_numbers)),
            self.pki.stranger,
            datetime.now(UTC),
            QUALIFIED,
        )

    def put(self, document: bytes) -> Reply:
        return self.site.box.submit(Submission(document=document, box=self.site.offices[0].box))

    def level(self, reply: Reply) -> str:
        with open_ledger(self.site.settings) as ledger:
            return json.loads(ledger.show(SubmissionId(reply.answer().document)).report)["level"]

    def told(self, words: str) -> None:
        """Wait until the log has these words."""
        end = time.monotonic() + SOON
        while words not in (log := self.site.log.read_text(encoding="utf-8")):
            assert time.monotonic() < end, log
            time.sleep(0.2)

    def until(self, status: int) -> Reply:
        """Send letter after letter until one is answered so."""
        end = time.monotonic() + SOON
        while (reply := self.put(self.letter())).status != status:
            assert time.monotonic() < end, self.site.log.read_text(encoding="utf-8")
            time.sleep(0.2)
        return reply


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_listed_ca_makes_signatures_qualified_until_a_newer_list_withdraws_it_without_a_restart(tmp_path, ends):
    scene = Scene(tmp_path, ends)
    with scene.site.start():
        first = scene.put(scene.letter())
        assert first.status == 500
        assert first.code() == "verify.chain-untrusted"  # nothing waits for the lists: there are none yet
        scene.publish(1)
        assert scene.level(scene.until(200)) == "qualified"
        told = answer("trust", "lists", "--config", scene.site.configuration)
        assert [(it["territory"], it["state"], it["number"]) for it in told] == [
            ("EU", "believed", 1),
            ("PL", "believed", 1),
        ]
        (service,) = told[1]["services"]
        assert service["granted"]
        assert service["purposes"] == ["seals", "signatures"]
        assert "Goniec Test Qualified CA" in run("trust", "lists", "--config", scene.site.configuration).stdout
        scene.publish(
            2,
            status="withdrawn",
            since=scene.now - timedelta(minutes=1),
            history=(
                Past(status="granted", since=scene.now - timedelta(days=700), extensions=issues("ForeSignatures")),
            ),
        )
        assert scene.until(500).code() == "verify.chain-untrusted"
        scene.publish(1)  # an older list, replayed
        scene.told("after number 2 was there")
        assert scene.put(scene.letter()).code() == "verify.chain-untrusted"
        scene.publish(3)
        assert scene.level(scene.until(200)) == "qualified"
    scene.publisher.lists.clear()
    failed = run("trust", "lists", "--fetch", "--config", scene.site.configuration)
    assert "EU: 127.0.0.1: answered with status 404" in failed.stderr
    with scene.site.start():  # with what is in the cache, and no network
        assert scene.level(scene.put(scene.letter())) == "qualified"
    written = scene.site.log.read_text(encoding="utf-8")
    assert '"trust.list-refreshed"' in written
    assert '"trust.list-not-refreshed"' in written


def test_an_office_without_a_network_puts_the_lists_into_files(tmp_path, ends):
    scene = Scene(tmp_path, ends, offline=True)
    folder = tmp_path / "lists"
    folder.mkdir()
    scene.publish(1)
    (folder / "eu.xml").write_bytes(scene.publisher.lists["/lotl.xml"])
    (folder / "pl.xml").write_bytes(scene.publisher.lists["/PL.xml"].replace(b"granted", b"GRANTED"))
    run("check", "--config", scene.site.configuration, status=1)
    (told,) = [
        it for it in answer("trust", "lists", "--config", scene.site.configuration, status=2) if it["territory"] == "PL"
    ]
    assert told["state"] == "signature"
    (folder / "pl.xml").write_bytes(scene.publisher.lists["/PL.xml"])
    run("check", "--config", scene.site.configuration)
    with scene.site.start():
        assert scene.level(scene.put(scene.letter())) == "qualified"
        scene.publish(2, status="withdrawn", since=scene.now - timedelta(minutes=1))
        (folder / "pl.xml").write_bytes(scene.publisher.lists["/PL.xml"])
        assert scene.until(500).code() == "verify.chain-untrusted"


def test_the_cache_can_be_filled_before_the_first_start(tmp_path, ends):
    scene = Scene(tmp_path, ends)
    scene.publish(1)
    assert [it["state"] for it in answer("trust", "lists", "--config", scene.site.configuration, status=2)] == [
        "missing",
        "no-lotl",
    ]
    told = answer("trust", "lists", "--fetch", "--config", scene.site.configuration)
    assert [it["state"] for it in told] == ["believed", "believed"]
    late = answer("trust", "lists", "--at", "2100-01-01", "--config", scene.site.configuration, status=2)
    assert [it["state"] for it in late] == ["expired", "no-lotl"]


def test_without_signers_there_are_no_lists(tmp_path, ends):
    scene = Scene(tmp_path, ends)
    text = scene.site.configuration.read_text(encoding="utf-8").replace('["lotl-signer.pem"]', "[]")
    scene.site.configuration.write_text(text, encoding="utf-8")
    run("trust", "lists", "--config", scene.site.configuration, status=2)
    run("check", "--config", scene.site.configuration)
