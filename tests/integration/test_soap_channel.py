"""What partners meet at a box: real HTTP, hand-made messages, every coded answer."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest
import structlog.testing

from adapters.channels.soap.server import Watchful
from adapters.testkit.box import NS, Box, Submission
from adapters.testkit.desk import Desk, always, receipt_for
from adapters.wire import mtom, ob, soap
from adapters.wire.base64_text import encode
from adapters.wire.soap import SOAP11, SOAP12, WSA, WSSE
from broker.errors import ConfigError, Invalid, Malformed, Unavailable
from broker.model import Answer, Envelope, Flaw, Receipt
from broker.texts import TEXTS
from tests.builders import NOON, an_envelope
from tests.soap_serving import a_channel, serving

VERSIONS = pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    with serving(desk, patience=0.5) as address:
        yield address


def header(name: str, text: str) -> bytes:
    return ob.element(name, soap.escape(text))


# ── what the headers say ─────────────────────────────────────────────────────────────────────────────────


def test_every_header_finds_its_place_in_the_envelope(url: str, desk: Desk) -> None:
    extras = ob.write_extras(
        [
            ("AdresDoreczen", "AE:PL-55754-97181-CHDVR-19"),
            ("KodTeryt", "2403011"),
            ("IdentyfikatorSprawy", "OR.1"),
            ("IdentyfikatorDokumentu", "first"),
            ("IdentyfikatorDokumentu", "last"),
        ]
    )
    message_id = f'<a:MessageID xmlns:a="{WSA}">urn:uuid:1</a:MessageID>'.encode()
    Box(url=url).submit(Submission(extras=extras, headers=message_id, box="", trial=" true "))
    (got,) = desk.envelopes
    assert (got.to.box, got.to.ade, got.to.teryt) == ("", "AE:PL-55754-97181-CHDVR-19", "2403011")
    assert (got.message_id, got.case, got.in_reply_to, got.trial) == ("urn:uuid:1", "OR.1", "last", True)


def test_extras_may_also_be_plain_xml_or_anything_else_or_not_there(url: str, desk: Desk) -> None:
    inline = ob.element("DaneDodatkowe", b"<IdentyfikatorDokumentu>s1</IdentyfikatorDokumentu>")
    for submission in (
        Submission(extras=None, headers=inline),
        Submission(extras=b"free words"),
        Submission(extras=None, reply_to=None, trial=None),
    ):
        assert Box(url=url).submit(submission).status == 200
    assert [one.in_reply_to for one in desk.envelopes] == ["s1", "", ""]


@pytest.mark.parametrize(
    ("submission", "code"),
    [
        (Submission(sender=None), "soap.missing-header"),
        (Submission(box=None), "soap.missing-header"),
        (Submission(headers=header("AdresSkrytki", "/town/other")), "soap.duplicate-header"),
        (Submission(sender=""), "soap.value"),
        (Submission(sender="x" * 101), "soap.value"),
        (Submission(sender="a\nb"), "soap.value"),
        (Submission(box="town"), "soap.value"),
        (Submission(box="/town/a/b"), "soap.value"),
        (Submission(box="/town/SEKAP\u2028"), "soap.value"),
        (Submission(box="/town/" + "x" * 101), "soap.value"),
        (Submission(reply_to="mailto:me"), "soap.value"),
        (Submission(trial="maybe"), "soap.value"),
        (Submission(trial=""), "soap.value"),
        (Submission(file_name="x" * 256), "soap.value"),
        (Submission(extras=b"<a"), "parse.malformed"),
        (Submission(extras=None, headers=header("DaneDodatkowe", "!")), "soap.base64"),
        (Submission(sender=None, headers=ob.element("IdentyfikatorPodmiotu", b"<x/>")), "soap.value"),
        (Submission(headers=b'<x:X xmlns:x="urn:x" soap:mustUnderstand="1"/>'), "soap.must-understand"),
        (Submission(any=True, document=b"<a/><b/>"), "soap.object"),
        (Submission(any=True, document=b"text<a/>"), "soap.object"),
        (Submission(any=True, document=b""), "soap.object"),
    ],
)
def test_a_header_or_document_that_cannot_be_meant_is_refused_by_its_code(
    url: str, desk: Desk, submission: Submission, code: str
) -> None:
    reply = Box(url=url).submit(submission)
    assert (reply.status, reply.code()) == (500, code)
    assert reply.number() == TEXTS[code].number
    assert not desk.envelopes


def test_headers_that_we_do_not_know_are_stepped_over_and_security_is_known(url: str) -> None:
    unknown = b'<x:X xmlns:x="urn:x"/>'
    security = f'<w:Security xmlns:w="{WSSE}" soap:mustUnderstand="1"/>'.encode()
    action = f'<a:Action xmlns:a="{WSA}" soap:mustUnderstand="1">{NS}nadaj</a:Action>'.encode()
    assert Box(url=url).submit(Submission(headers=unknown + security + action)).status == 200


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────


@VERSIONS
@pytest.mark.parametrize("packed", [False, True], ids=["inline", "mtom"])
def test_a_document_arrives_byte_for_byte(url: str, desk: Desk, version: Any, packed: bool) -> None:
    document = b"\xef\xbb\xbf<a>\r\n</a>\n\n\n"
    reply = Box(url=url, version=version, mtom=packed).submit(Submission(document=document))
    assert reply.headers["content-type"].startswith(version.media_type)
    attachment = reply.answer().attachment
    assert attachment is not None
    assert [one.payload for one in desk.envelopes] == [document]
    assert attachment.content == receipt_for(desk.envelopes[0]).xml


def test_base64_in_lines_and_with_comments_is_the_same_document(url: str, desk: Desk) -> None:
    document = bytes(range(256)) * 3
    text = encode(document)
    broken = b"\r\n\t ".join(text[i : i + 76] for i in range(0, len(text), 76)) + b"<!-- end -->\n"
    body = soap.write(SOAP11, Submission().body(broken), Submission().header_blocks())
    assert Box(url=url).post(body, "text/xml").status == 200
    assert [one.payload for one in desk.envelopes] == [document]


def test_a_document_in_the_envelope_comes_without_the_envelope(url: str, desk: Desk) -> None:
    document = '<p:a xmlns:p="urn:p" xmlns:kept="urn:kept" p:x="1">za\u017c\u00f3\u0142\u0107</p:a>'.encode()
    Box(url=url).submit(Submission(any=True, document=b"\n " + document + b"\n"))
    assert [(one.payload, one.file_name) for one in desk.envelopes] == [(document, "letter.xml")]


def test_xop_parts_inside_an_embedded_document_are_written_into_it(url: str, desk: Desk) -> None:
    include = b'<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:p"/>'
    submission = Submission(any=True, document=b"<a><f>" + include + b"</f></a>")
    kind, body = mtom.pack(SOAP11, submission.envelope(SOAP11), {"p": b"hello"})
    assert Box(url=url).post(body, kind).status == 200
    assert desk.envelopes[0].payload == b"<a><f>aGVsbG8=</f></a>"


def test_a_part_that_nothing_refers_to_is_refused_and_not_dropped(url: str, desk: Desk) -> None:
    kind, body = mtom.pack(SOAP11, Submission().envelope(SOAP11), {"forgotten": b"attachment"})
    assert Box(url=url).post(body, kind).code() == "soap.part-unused"
    assert not desk.envelopes


def test_the_moment_of_entry_is_when_the_last_byte_has_arrived(desk: Desk) -> None:
    last_byte_left = Event()
    arrived: list[bool] = []

    def clock() -> datetime:
        arrived.append(last_byte_left.is_set())
        return NOON

    def pieces() -> Iterator[bytes]:
        envelope = Submission(document=b"x" * 500_000).envelope(SOAP11)
        yield envelope[:-1]
        last_byte_left.set()
        yield envelope[-1:]

    with serving(desk, clock=clock) as address:
        Box(url=address).post(pieces(), "text/xml")  # type: ignore[arg-type]  # http.client sends chunks
    assert arrived == [True]


def test_a_chunked_body_is_read(url: str, desk: Desk) -> None:
    envelope = Submission(document=b"x" * 100_000).envelope(SOAP11)
    pieces = (envelope[at : at + 7_000] for at in range(0, len(envelope), 7_000))
    reply = Box(url=url).post(pieces, "text/xml")  # type: ignore[arg-type]  # http.client sends chunks
    assert reply.status == 200
    assert desk.envelopes[0].payload == b"x" * 100_000


@pytest.mark.parametrize("packed", [False, True], ids=["inline", "mtom"])
def test_the_largest_document_is_taken(url: str, desk: Desk, packed: bool) -> None:
    document = b"<a>" + b"z" * 31_999_992 + b"</a>\n"
    assert Box(url=url, mtom=packed).submit(Submission(document=document)).status == 200
    assert desk.envelopes[0].payload == document


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_box_that_answers_with_a_status_only_attaches_no_receipt(url: str, desk: Desk) -> None:
    desk.answer = lambda envelope: replace(receipt_for(envelope), answer=Answer.STATUS)
    answer = Box(url=url).submit(Submission()).answer()
    assert answer.success
    assert answer.attachment is None
    assert answer.receipt


def test_a_trial_is_told_that_nobody_gets_it(url: str) -> None:
    told = {Box(url=url).submit(Submission(trial=trial)).answer().message for trial in ("1", "0")}
    assert told == {TEXTS["soap.accepted"].pl, TEXTS["soap.accepted-trial"].pl}


@VERSIONS
def test_a_refusal_says_what_and_where_in_both_languages(url: str, desk: Desk, version: Any) -> None:
    flaws = [Flaw(path=f"/a/b[{i}]", line=i, message=f"value <{i}>") for i in range(30)]
    no = Invalid("validate.invalid" if "validate.invalid" in TEXTS else "intake.reused-id", place="/a", flaws=flaws)
    no.negative_receipt = b"<NPP/>\n"
    desk.answer = always(no)
    reply = Box(url=url, version=version).submit(Submission())
    fault = reply.fault()
    assert reply.status == (500 if version is SOAP11 else 400)
    assert fault.code == ("Client" if version is SOAP11 else "Sender")
    exception = ob.read_exception(fault.detail)
    assert exception is not None
    number, words = exception
    text = TEXTS[no.code]
    assert number == text.number
    for said in (
        text.pl.partition("{")[0],
        text.en.partition("{")[0],
        "Miejsce: /a",
        "Place: /a",
        "/a/b[3] (wiersz 3): value <3>",
    ):
        assert said in words
    assert "10" in words.splitlines()[-1]  # how many flaws were left out
    assert fault.detail is not None
    own = fault.detail.find("{urn:goniec:odmowa}Odmowa")
    assert own is not None
    assert [flaw.get("wiersz") for flaw in own.findall("usterka")] == [str(i) for i in range(20)]
    assert ob.read_file(own.find("zalacznik"), mtom.Parts()).content == b"<NPP/>\n"


@VERSIONS
def test_soap_12_gives_the_reason_once_in_each_language(url: str, desk: Desk, version: Any) -> None:
    desk.answer = always(Malformed("intake.reused-id"))
    body = Box(url=url, version=version).submit(Submission()).body
    assert (b'xml:lang="pl"' in body and b'xml:lang="en"' in body) == (version is SOAP12)


@VERSIONS
@pytest.mark.parametrize(
    ("asked", "told"), [(None, "30"), (timedelta(seconds=0.2), "1"), (timedelta(minutes=2), "120")]
)
def test_what_is_unavailable_is_a_503_that_says_when_to_come_back(
    url: str, desk: Desk, version: Any, asked: timedelta | None, told: str
) -> None:
    desk.answer = always(Unavailable("the disk of node 3 is full", retry_after=asked))
    reply = Box(url=url, version=version).submit(Submission())
    assert (reply.status, reply.headers["retry-after"], reply.number()) == (503, told, 900)
    assert reply.fault().receiver
    assert b"node 3" not in reply.body


def test_a_bug_is_told_to_the_sender_without_its_text_and_logged_without_a_document(url: str, desk: Desk) -> None:
    desk.answer = always(ZeroDivisionError("44051401359"))
    with structlog.testing.capture_logs() as logs:
        reply = Box(url=url).submit(Submission(document=b"<a>44051401359</a>"))
    assert (reply.status, reply.number()) == (500, 901)
    assert b"44051401359" not in reply.body
    assert [(one["event"], one["error"]) for one in logs] == [("soap.bug", "ZeroDivisionError")]
    assert "44051401359" not in repr(logs)


def test_fifty_at_once_get_fifty_answers_of_their_own(url: str) -> None:
    documents = [f"<a>{i}</a>".encode() * (i + 1) for i in range(50)]
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda one: Box(url=url).submit(Submission(document=one)).answer(), documents))
    assert [one.document for one in replies] == [
        receipt_for(an_envelope(document)).submission for document in documents
    ]


# ── what is not a message ────────────────────────────────────────────────────────────────────────────────


def test_the_description_carries_the_configured_address_whatever_the_request_says() -> None:
    def lies(envelope: Envelope) -> Receipt:
        return receipt_for(envelope)

    with serving(lies, public_url="https://goniec.example/ws?".rstrip("?") + "/") as url:
        wsdl = Box(url=url).request("GET", None, {"Host": "evil.example"}, "?wsdl")
        schema = Box(url=url).request("GET", None, {}, "?xsd=obiekty")
        assert wsdl.status == schema.status == 200
        assert wsdl.body.count(b'location="https://goniec.example/ws/skrytka"') == 2
        assert b'schemaLocation="https://goniec.example/ws/skrytka?xsd=obiekty"' in wsdl.body
        assert b"evil.example" not in wsdl.body
        assert b"goniec.invalid" not in wsdl.body.partition(b"-->")[2]


@pytest.mark.parametrize(
    ("line", "status", "number"),
    [
        ("GET ", 405, 701),
        ("GET ?xsd=other", 405, 701),
        ("GET ?xsd=../../x", 405, 701),
        ("PUT ", 405, 701),
        ("DELETE ", 405, 701),
        ("POST x", 404, 719),
        ("GET /x/y", 404, 719),
        ("POST /", 404, 719),
        ("GET /?wsdl", 404, 719),
    ],
)
def test_other_requests_get_a_coded_answer(url: str, line: str, status: int, number: int) -> None:
    method, _, rest = line.partition(" ")
    path, mark, query = rest.partition("?")
    reply = Box(url=url + path).request(method, None, {}, mark + query)
    assert (reply.status, reply.number()) == (status, number)


def test_a_probe_finds_it_alive(url: str) -> None:
    assert Box(url=url.replace("/skrytka", "/healthz")).request("GET", None, {}).status == 200


@pytest.mark.parametrize(
    ("sent", "code", "status"),
    [
        ((Submission().envelope(SOAP11), "application/json", None), "soap.content-type", 415),
        ((Submission().envelope(SOAP11), "", None), "soap.content-type", 415),
        ((Submission().envelope(SOAP11), "application/soap+xml", None), "soap.content-type", 415),
        ((Submission().envelope(SOAP11), "text/xml; charset=iso-8859-2", None), "soap.charset", 415),
        ((Submission().envelope(SOAP11), "text/xml", '"urn:other"'), "soap.wrong-action", 500),
        ((Submission().envelope(SOAP11), "text/xml", f'"{NS}nadajAny"'), "soap.wrong-action", 500),
        ((Submission().envelope(SOAP12), 'application/soap+xml; action="urn:x"', None), "soap.wrong-action", 400),
        ((soap.write(SOAP11, b"<a/>"), "text/xml", '""'), "soap.unknown-operation", 500),
        ((soap.write(SOAP12, b""), "application/soap+xml", None), "soap.unknown-operation", 400),
        ((b'<Envelope xmlns="urn:soap-3"/>', "text/xml", '""'), "soap.version", 500),
        ((b"<letter/>", "application/soap+xml", None), "soap.envelope", 400),
        ((b"", "text/xml", '""'), "parse.empty", 500),
        ((b"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "text/xml", '""'), "parse.dtd", 500),
        ((b"--b\r\n", "multipart/related; boundary=b", None), "soap.multipart", 500),
    ],
)
def test_a_message_that_cannot_be_read_gets_a_coded_answer(
    url: str, desk: Desk, sent: tuple[bytes, str, str | None], code: str, status: int
) -> None:
    reply = Box(url=url).post(*sent)
    assert (reply.code(), reply.status) == (code, status)
    assert not desk.envelopes


def test_a_legacy_encoding_is_read_when_header_and_message_agree(url: str, desk: Desk) -> None:
    envelope = Submission(file_name="za\u017c\u00f3\u0142\u0107.xml").envelope(SOAP11).decode()
    body = envelope.replace("UTF-8", "iso-8859-2", 1).encode("iso-8859-2")
    assert Box(url=url).post(body, "text/xml; charset=ISO-8859-2").status == 200
    assert desk.envelopes[0].file_name == "za\u017c\u00f3\u0142\u0107.xml"


def test_a_compressed_body_is_refused_unopened(url: str) -> None:
    body = gzip.compress(Submission().envelope(SOAP11))
    reply = Box(url=url, headers={"Content-Encoding": "gzip"}).post(body, "text/xml")
    assert (reply.status, reply.code()) == (415, "soap.content-encoding")


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "settings",
    [
        {"listen": "0.0.0.0:8080", "public_url": "http://a.example"},
        {"listen": "[::]:8080", "public_url": "http://a.example"},
        {"listen": "goniec.example:8080", "public_url": "http://a.example"},
        {"listen": "0.0.0.0:8080", "public_url": "https://a.example", "certificate": "tls.pem"},
        {"listen": "0.0.0.0:8080", "public_url": "https://a.example", "certificate": "tls.pem", "proof": []},
        {"listen": "0.0.0.0:8080", "public_url": "https://a.example", "proof": ["ws-security"]},
        {"listen": "0.0.0.0:8080", "public_url": "https://a.example", "proof": ["tls"]},
        {"listen": "0.0.0.0:8080", "proof": ["tls"], "certificate": "tls.pem"},
        {"proof": ["tls"]},
        {"certificate": "tls.pem", "public_url": "http://a.example"},
        {"certificate": "missing.pem"},
        {"key": "tls.key"},
        {"signing_key": "signing.key"},
        {"listen": "8080"},
        {"listen": "127.0.0.1"},
        {"listen": "127.0.0.1:99999"},
        {"listen": "127.0.0.1:80/x"},
        {"public_url": "ftp://a.example"},
        {"public_url": "http://a.example/?x"},
    ],
)
def test_what_does_not_go_together_is_a_configuration_error(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        a_channel(**settings)


def test_a_channel_can_be_served_again_after_it_stopped(desk: Desk) -> None:
    channel = a_channel()
    for _ in range(2):
        served: AbstractContextManager[str] = serving(desk, channel)
        with served as url:
            assert Box(url=url).submit(Submission()).status == 200


def test_an_answer_never_waits_for_the_client_to_acknowledge_its_head(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_delay: list[bool] = []
    made = Watchful.connection_made

    def noting(self: Watchful, transport: asyncio.Transport) -> None:
        wire = transport.get_extra_info("socket")
        without_delay.append(bool(wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        made(self, transport)

    monkeypatch.setattr(Watchful, "connection_made", noting)
    with serving(desk) as address:
        Box(url=address).submit(Submission())
    assert without_delay == [True]
