"""Whatever personal data comes in, by whatever way: it reaches the office and its sender, and no log, list or record.

Planted: PESEL numbers, names, addresses and a password, in documents, certificates, claimed roles, headers, names of
files, and in what an office answers.  Looked through: the log, what the process says, the lists for operators, and
every table of the store but those that hold documents, reports and receipts.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pika
import pytest

from adapters.testkit.box import Submission
from adapters.testkit.pki import JAN, ZOFIA
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.wire.soap import SOAP11
from config.demo.forms import Attachment, Kind, form
from config.demo.letters import bad
from config.demo.people import person
from tests.commands import run

PASSWORD = "hunter2-Tajne"
IN_HEADERS = "44051401359"  # the PESEL that textbooks show
ADDRESS = "ul. Ukryta 7, 00-950 Skrytowo"
NAME = "Wincenty Skryty"
SEEDS = range(40, 60)
PLANTED = {
    PASSWORD,
    base64.b64encode(f"goniec:{PASSWORD}".encode()).decode(),
    IN_HEADERS,
    *ADDRESS.split(", "),
    *NAME.split(),
    *(text for one in (JAN, ZOFIA) for text in (one.pesel, one.family, one.family.title(), one.account)),
    *(text for seed in SEEDS for text in (person(seed).pesel, person(seed).name, person(seed).email)),
    "Przykładow",  # the street of all residents
}


class Talkative(BaseHTTPRequestHandler):
    """An office that quotes, in its refusals, all that it was sent."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        words = f"{NAME}, PESEL {IN_HEADERS}, {ADDRESS}, {self.headers['Authorization']}"
        fault = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>'
            f"<faultcode>s:{self.server.fault}</faultcode><faultstring>{words}</faultstring><faultactor>{words}</faultactor>"  # type: ignore[attr-defined]
            '<detail><ob:Wyjatek xmlns:ob="http://wsdl.epuap.gov.pl/obiekty/">'
            f"<kod>7</kod><komunikat>{words}</komunikat></ob:Wyjatek></detail></s:Fault></s:Body></s:Envelope>"
        ).encode()
        self.send_response(500, "Odmowa " + IN_HEADERS)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Retry-After", IN_HEADERS)
        self.send_header("Content-Length", str(len(fault)))
        self.end_headers()
        self.wfile.write(fault)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def talkative(fault: str) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Talkative)
    server.fault = fault  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def town(found, tmp_path):
    """Three offices: one that takes documents, one that refuses for good, one that is never ready; all of them talk."""
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    with talkative("Client") as refusing, talkative("Server") as away:
        urls = iter(("", refusing, away))

        def way(dms, office):
            url = next(urls) or dms.url(office.id)
            return {"kind": "soap", "url": url, "user": "goniec", "password_file": "password", "cooling": 0.5}

        yield found(
            number=3,
            ways=way,
            sections={
                "partners.portal": {"boxes": [f"/{IN_HEADERS}/odpowiedzi"], "negative_receipts": True},
                "issuer": {"name": "Urząd Próbny", "id": "urzad-probny"},
            },
        )


def headers(**about):
    """A message with personal data wherever its sender can write."""
    planted = {
        "sender": "portal",
        "reply_to": f"/{IN_HEADERS}/odpowiedzi",
        "file_name": f"{NAME} PESEL {IN_HEADERS}, {ADDRESS}.xml",
    }
    return planted | about


def letters(town):
    """Documents of every kind under signatures of every kind."""
    pki, now, seeds = town.site.pki, datetime.now(UTC), iter(SEEDS)
    files = (Attachment(name=f"{NAME}.txt", content=f"{ADDRESS} {IN_HEADERS}".encode(), about=ADDRESS),)

    def text(kind=Kind.LETTER_1410, **about):
        return form(kind, town.office, next(seeds), **about)

    yield sign(text(attachments=files, case=f"OR.{IN_HEADERS}"), pki.person, now, QUALIFIED)
    yield sign_on_platform(text(Kind.LETTER_4566), pki.platform, ZOFIA, now)
    yield sign_on_platform(text(), pki.platform, JAN, now, old=True)
    yield countersign(sign(text(), pki.local_person, now), pki.other_person, now)
    yield text(Kind.QUESTION)


def refused(town):
    """Documents that are turned away, with as much about their signers as a signature can say."""
    pki, now, seeds = town.site.pki, datetime.now(UTC), iter(SEEDS)
    for letter in bad(town.office, pki, now):
        if letter.code not in {"route.unknown-box", "parse.too-large"}:  # in the right box, and below this town's cap
            yield letter.submission.document
    text = form(Kind.LETTER_1410, town.office, next(seeds))
    yield sign(text, pki.expired, now, QUALIFIED)
    yield sign(text, pki.short_key, now, QUALIFIED)
    yield sign_on_platform(text, pki.stranger, ZOFIA, now)
    yield text.replace(b"wnio:Tytul", b"wnio:" + NAME.split()[1].encode())
    yield text.replace(b"<wnio:Tytul>", f"<wnio:Tytul><!--{IN_HEADERS}-->".encode())
    yield text.replace(b"PESEL>", b"NRPESEL>")
    yield f"<list><od>{NAME}</od><pesel>{IN_HEADERS}</pesel></list>".encode()


def leaks(text):
    return sorted(word for word in PLANTED if word.lower() in text.lower())


def wait_for(town, number, state):
    deadline = time.monotonic() + 30
    words = ["list", "-c", town.site.configuration, "--state", state]
    while run(*words).stdout.count(state) < number:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_personal_data_stay_out_of_log_lists_and_records(town):
    answers = []
    for number, document in enumerate(letters(town)):
        for office in town.site.offices:
            if number == 0 or office is town.office:
                text = (
                    document
                    if office is town.office
                    else sign(
                        form(Kind.LETTER_1410, office, SEEDS[number + 7]),
                        town.site.pki.person,
                        datetime.now(UTC),
                        QUALIFIED,
                    )
                )
                answers.append(town.put(text, **headers(box=office.box)).answer().document)
    assert town.put(document, **headers()).answer().document in answers  # a repeat
    codes = {town.put(document, **headers()).code() for document in refused(town)}
    assert {"validate.invalid", "verify.certificate-expired", "verify.chain-untrusted"} <= codes
    codes |= {town.put(b"<a/>", **headers(reply_to=f"/{NAME}/{IN_HEADERS}")).code()}
    wait_for(town, 5, "delivered")
    wait_for(town, 1, "refused")
    deadline = time.monotonic() + 30
    while '"delivery.postponed"' not in town.log():
        assert time.monotonic() < deadline
        time.sleep(0.1)

    shown = {"log": town.log(), "stderr": (town.site.folder / "stderr.txt").read_text()}
    shown["list"] = run("list", "-c", town.site.configuration, "--trials").stdout
    shown["refusals"] = run("list", "-c", town.site.configuration, "--refusals").stdout
    for answer in answers:
        shown[f"show {answer}"] = run("show", "-c", town.site.configuration, answer).stdout
    assert shown["log"].count('"intake.accepted"') == len(answers) == 7
    assert {where: leaks(text) for where, text in shown.items() if leaks(text)} == {}
    town.serving.stop()
    assert {table: found for table, found in records(town).items() if found} == {}


# What may hold personal data in the store, and why, is said in docs/how-to/retention.md.
HELD = {
    "submissions": {"file_name", "reply_to", "case", "in_reply_to", "message_id"},
    "receipts": {"xml"},
    "content": {"document", "report"},
    "refusals": {"message_id", "negative_receipt"},
}


def records(town):
    """What each table says of the planted, but for the columns that are meant to hold it."""
    found = {}
    with closing(sqlite3.connect(town.site.folder / "goniec.sqlite")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for row in connection.execute(f"SELECT * FROM {table}"):
                for name, value in zip(columns, row, strict=True):
                    if name not in HELD.get(table, set()):
                        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                        found.setdefault(f"{table}.{name}", set()).update(leaks(text))
    return found


# ── what nobody but a sender has named ───────────────────────────────────────────────────────────────────

MADE_UP = f"{NAME.replace(' ', '_')}_{IN_HEADERS}"
CLAIMED = f"{NAME}, PESEL {IN_HEADERS}"


def envelopes(town, document):
    """Messages with personal data for every name that a sender can make up: of headers, elements, itself."""
    plain = Submission(document=document, sender=CLAIMED, box=town.office.box, reply_to=f"/{MADE_UP}/box")
    soap = 'xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    yield plain
    for blocks in (
        f'<q:{MADE_UP} xmlns:q="urn:q" {soap} s:mustUnderstand="1"/>',
        f'<q:{MADE_UP} xmlns:q="urn:{MADE_UP}" {MADE_UP}="{CLAIMED}"><{MADE_UP}/></q:{MADE_UP}>',
        f'<a:MessageID xmlns:a="http://www.w3.org/2005/08/addressing">{CLAIMED}</a:MessageID>',
        f'<o:IdentyfikatorPodmiotu xmlns:o="http://wsdl.epuap.gov.pl/obiekty/"><{MADE_UP}/></o:IdentyfikatorPodmiotu>',
    ):
        yield replace(plain, headers=blocks.encode())
    for extras in (f"<DaneDodatkowe><{MADE_UP}><b/></{MADE_UP}></DaneDodatkowe>", f"<{MADE_UP}/>", f"<{MADE_UP}>"):
        yield replace(plain, extras=extras.encode())
    yield replace(plain, trial=CLAIMED)
    yield replace(plain, box=f"/{MADE_UP}/box")


def spellings(document):
    """A document with made up names of elements, attributes and Ids, signed and not."""
    text = document.decode()
    (own,) = set(re.findall(r'<ds:Signature [^>]*?Id="([^"]+)"', text))
    known = re.search(r"<((?:\w+:)?)OpisDokumentu", text)
    assert known
    start, prefix = known[0], known[1]
    yield text.replace(f"{prefix}OpisDokumentu", prefix + MADE_UP)
    yield text.replace(start, f'{start} {MADE_UP}="{CLAIMED}"')
    yield text.replace(start, f"<{MADE_UP}/>{start}")
    yield text.replace(own, MADE_UP)
    yield re.sub(r' URI="#[^"]*"', f' URI="#{MADE_UP}"', text)
    yield re.sub(r"(<ds:X509IssuerName>)[^<]*", rf"\g<1>CN={CLAIMED}", text)
    yield re.sub(r'( Algorithm=")[^"]*', rf"\g<1>urn:{MADE_UP}", text)
    yield text.replace("</ds:Signature>", f"<{MADE_UP}/></ds:Signature>")
    yield f"<?{MADE_UP} {CLAIMED}?>{text[text.index('?>') + 2 :]}"
    yield f'<{MADE_UP} xmlns="urn:{MADE_UP}"/>'
    yield f"<{MADE_UP}><open></{MADE_UP}>"
    yield f"<!DOCTYPE {MADE_UP}><a/>"
    yield f'<?xml version="1.0" encoding="{MADE_UP}"?><a/>'


def test_names_that_a_sender_makes_up_stay_out_of_the_log_over_soap(town):
    box = town.site.box
    document = town.letter(1)
    for submission in envelopes(town, document):
        envelope = submission.envelope(SOAP11)
        assert box.post(envelope, "text/xml").status in {200, 500}
        inner = envelope.replace(b"<nazwaPliku>", f"<{MADE_UP}>x</{MADE_UP}><nazwaPliku>".encode())
        assert box.post(inner, "text/xml").status == 500
        assert box.post(envelope.replace(b"ob:Dokument", b"ob:" + MADE_UP.encode()), "text/xml").status == 500
        assert box.post(envelope.replace(b"soap:Body", b"soap:" + MADE_UP.encode()), "text/xml").status == 500
    for text in spellings(document):
        assert town.put(text.encode(), sender=CLAIMED).status == 500
    box.post(envelope, f'text/xml; charset="{MADE_UP}"', f'"{MADE_UP}"')
    box.post(envelope, f'multipart/related; boundary="{MADE_UP}"; start="<{MADE_UP}>"; type="text/xml"')
    replace(box, url=f"{box.url}{MADE_UP}").post(envelope, "text/xml")
    replace(box, url=f"{box.url}?{MADE_UP}").request("GET", None, {MADE_UP: MADE_UP})
    told = town.log() + (town.site.folder / "stderr.txt").read_text()
    assert '"intake.accepted"' in told
    assert '"validate.invalid"' in told
    assert leaks(told) == []


def test_names_that_a_sender_makes_up_stay_out_of_the_log_in_a_folder_and_over_amqp(
    found, tmp_path, rabbitmq_url, queue_name
):
    (tmp_path / "in").mkdir()
    queue = queue_name("in")
    town = found(
        sections={
            "channels.folder": {"kind": "directory", "folder": "in", "poll": 0.1},
            "channels.queue": {"kind": "amqp", "url": rabbitmq_url, "queue": queue},
        }
    )
    slip = {"document": f"{MADE_UP}.xml", "sender": CLAIMED, "box": town.office.box, "file_name": f"{CLAIMED}.xml"}
    slips = {
        "good": slip | {"message_id": f"{MADE_UP} in a folder"},
        "key": slip | {MADE_UP: CLAIMED},
        "type": slip | {"box": [MADE_UP]},
        "gone": slip | {"document": f"../{MADE_UP}"},
        "box": slip | {"box": f"/{MADE_UP}/box"},
    }
    letters_ = [town.letter(number) for number in range(2)]
    for name, content in slips.items():
        (tmp_path / "in" / f"{MADE_UP}.xml").write_bytes(letters_[0])
        (tmp_path / "in" / f"{MADE_UP}-{name}.json").write_text(json.dumps(content))
        ended = [tmp_path / "in" / where / f"{MADE_UP}-{name}.json" for where in ("done", "refused")]
        wait_until(lambda ended=ended: any(it.exists() for it in ended))
    with closing(pika.BlockingConnection(pika.URLParameters(rabbitmq_url))) as connection:
        channel = connection.channel()
        wait_until(lambda: f'"queue": "{queue}"' in town.log())
        good = {"sender": CLAIMED, "box": town.office.box, "file-name": f"{CLAIMED}.xml", MADE_UP: {MADE_UP: CLAIMED}}
        for headers_ in (
            good,
            good | {"box": f"/{MADE_UP}/box"},
            good | {"box": [MADE_UP]},
            good | {"trial": MADE_UP},
            {MADE_UP: MADE_UP},
        ):
            about = pika.BasicProperties(
                headers=headers_,
                message_id=MADE_UP,
                correlation_id=CLAIMED,
                app_id=MADE_UP,
                reply_to=f"{queue}.{MADE_UP}",
            )
            channel.basic_publish("", queue, letters_[1], about)
        wait_until(lambda: town.log().count('"channel.reply-unroutable"') == 5)
        for name in (queue, f"{queue}.dead-letters", f"{queue}.quarantine"):
            channel.queue_delete(name)
    told = town.log() + (town.site.folder / "stderr.txt").read_text()
    assert told.count('"intake.accepted"') == 2
    assert leaks(told) == []


def wait_until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_refusal_answers_its_sender_alone_and_keeps_no_name(town):
    """The sealed proof of a refusal goes into the store: it says why, and not who signed."""
    for document in refused(town):
        reply = town.put(document, **headers())
        told = reply.negative_receipt().decode()
        assert told
        assert leaks(told.replace(headers()["file_name"], "")) == [], reply.code()


def test_a_stranger_learns_nothing_of_others(town):
    """What one partner is told does not depend on what another's document says."""
    (first, *_) = letters(town)
    town.put(first, **headers())
    reply = town.site.box.submit(Submission(document=first[:-9], sender="stranger", box=town.office.box))
    assert leaks(reply.body.decode()) == []
