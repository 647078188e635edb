"""What must be proven before a message is believed: by TLS, by WS-Security, by both; and that answers are signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import structlog.testing

from adapters.channels.soap.sender import Gate
from adapters.testkit.box import Box, Reply, Submission
from adapters.testkit.certificates import Credential
from adapters.testkit.desk import Desk, always
from adapters.testkit.wss import secure
from adapters.wire import ob, soap, wss
from adapters.wire.notes import PER_MINUTE
from adapters.wire.soap import SOAP11, SOAP12, WSA
from broker.errors import Unauthorised, Unroutable
from broker.parse import Limits
from broker.partner import Coverage, Partners, Proof, fingerprint
from tests.partners import Cast, a_partner, signed
from tests.soap_serving import serving

BOX = "/portal/box"
PORTAL = Submission(sender="portal", reply_to=BOX)


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    made = Cast(tmp_path_factory.mktemp("proof"))
    made.server()
    return made


@pytest.fixture(scope="module")
def portal(cast: Cast) -> Credential:
    return cast.client("portal")


@pytest.fixture(scope="module")
def notary(cast: Cast) -> Credential:
    return cast.client("notary")


@pytest.fixture
def desk() -> Desk:
    return Desk()


Serve = Callable[..., str]


@pytest.fixture
def serve(cast: Cast, desk: Desk, portal: Credential, notary: Credential) -> Iterator[Serve]:
    """Serves over TLS for the partners portal and notary; keyword arguments are settings, or say more of portal."""
    with ExitStack() as ends:

        def start(about: dict[str, Any] | None = None, **settings: Any) -> str:
            partners = Partners([a_partner("portal", portal, **(about or {})), a_partner("notary", notary)])
            own = {
                "certificate": "server.pem",
                "proof": ["tls", "ws-security"],
                "folder": cast.folder,
                "partners": lambda: partners,
                "clock": lambda: datetime.now(UTC),
            }
            return ends.enter_context(serving(desk, **{**own, **settings}))

        yield start


Send = Callable[..., Reply]


@pytest.fixture
def send(cast: Cast) -> Send:
    """Send an envelope as it is; `by` is the credential that TLS shows."""

    def post(url: str, envelope: bytes, by: Credential | None = None) -> Reply:
        return Box(url=url, tls=cast.context(by)).post(envelope, "text/xml")

    return post


def written(credential: Credential, submission: Submission = PORTAL) -> bytes:
    return signed(submission.envelope(SOAP11), credential, datetime.now(UTC))


# ── any one proof is enough ──────────────────────────────────────────────────────────────────────────────


def test_a_partner_is_known_by_tls_by_its_signature_and_by_both(
    serve: Serve, send: Send, desk: Desk, portal: Credential
) -> None:
    url = serve()
    plain, signature = PORTAL.envelope(SOAP11), partial(written, portal)
    assert [send(url, plain, portal).status, send(url, signature()).status, send(url, signature(), portal).status] == [
        200,
        200,
        200,
    ]
    assert [(one.proof, one.once is None) for one in desk.envelopes] == [
        (Proof.TLS, True),
        (Proof.WS_SECURITY, False),
        (Proof.TLS, False),
    ]


@pytest.mark.parametrize(
    ("proof", "tls", "signature", "code"),
    [
        (["tls"], False, False, "partner.unproven"),
        (["tls"], False, True, "partner.unproven"),
        (["tls"], True, True, ""),
        (["ws-security"], True, False, "partner.unproven"),
        (["ws-security"], False, True, ""),
        (["tls", "ws-security"], False, False, "partner.unproven"),
    ],
)
def test_only_the_proofs_that_are_listed_count(
    *, serve: Serve, send: Send, portal: Credential, proof: list[str], tls: bool, signature: bool, code: str
) -> None:
    url = serve(proof=proof)
    reply = send(url, written(portal) if signature else PORTAL.envelope(SOAP11), portal if tls else None)
    assert (reply.status == 200) == (not code)
    assert not code or reply.code() == code


def test_a_signature_is_no_proof_where_it_is_not_listed_though_it_holds(portal: Credential) -> None:
    """The gate says so by itself, whatever was asked at the door."""
    at = datetime.now(UTC)
    secured = wss.read(soap.read(written(portal), Limits()), at)
    assert secured is not None
    known = Partners([a_partner("portal", portal)])
    with pytest.raises(Unauthorised, match=r"partner\.unproven"):
        Gate(proofs=frozenset({Proof.TLS}), partners=lambda: known).judge("portal", "", secured, (), at)
    believed = Gate(proofs=frozenset({Proof.WS_SECURITY}), partners=lambda: known)
    assert believed.judge("portal", "", secured, (), at).id == "portal"


def test_every_proof_that_is_shown_must_be_the_claimed_partners(
    *, serve: Serve, send: Send, desk: Desk, cast: Cast, portal: Credential, notary: Credential
) -> None:
    url = serve()
    assert send(url, written(notary), portal).code() == "partner.another"
    assert send(url, written(portal), notary).code() == "partner.another"
    assert send(url, written(notary)).code() == "partner.another"
    assert send(url, written(cast.client("nobody"))).code() == "partner.unknown"
    assert not desk.envelopes


# ── what must be signed ──────────────────────────────────────────────────────────────────────────────────


def without_reply_box(credential: Credential) -> tuple[bytes, bytes]:
    """Return an envelope signed without AdresOdpowiedzi, and the block that was not there when it was signed."""
    envelope = written(credential, Submission(sender="portal", reply_to=None))
    return envelope, ob.element("AdresOdpowiedzi", BOX.encode())


def inserted(envelope: bytes, block: bytes) -> bytes:
    return envelope.replace(b"</soap:Header>", block + b"</soap:Header>", 1)


@pytest.mark.parametrize(
    "block",
    [
        ob.element("AdresOdpowiedzi", BOX.encode()),
        f'<a:MessageID xmlns:a="{WSA}">urn:uuid:other</a:MessageID>'.encode(),
    ],
    ids=["reply-box", "message-id"],
)
def test_a_header_that_is_not_signed_is_refused_though_all_others_are(
    serve: Serve, send: Send, desk: Desk, portal: Credential, block: bytes
) -> None:
    url = serve()
    envelope, _ = without_reply_box(portal)
    assert send(url, envelope).status == 200
    assert send(url, inserted(envelope, block)).code() == "wss.header-unsigned"
    assert send(url, inserted(envelope, block), portal).status == 200  # TLS vouches for the whole message
    assert len(desk.envelopes) == 2


def test_a_header_that_we_do_not_read_need_not_be_signed(serve: Serve, send: Send, portal: Credential) -> None:
    envelope, _ = without_reply_box(portal)
    assert send(serve(), inserted(envelope, b'<x:Trace xmlns:x="urn:x"/>')).status == 200


def test_clients_that_sign_the_body_alone_are_taken_where_that_was_agreed(
    serve: Serve, send: Send, desk: Desk, portal: Credential
) -> None:
    """Coverage `body`: any header may be unsigned, and is the word of whoever holds the signed message."""
    envelope, block = without_reply_box(portal)
    assert send(serve({"covers": Coverage.BODY}), inserted(envelope, block)).status == 200
    assert [one.reply_to for one in desk.envelopes] == [BOX]


def two_offices(shared: Credential, cover: Coverage) -> Callable[[], Partners]:
    """Return two partners with one document system; `cover` is what the first one signs, the second signs the Body."""
    known = Partners([a_partner("portal", shared, covers=cover), a_partner("town", shared, covers=Coverage.BODY)])
    return lambda: known


@pytest.mark.parametrize("cover", list(Coverage))
def test_the_body_of_one_partner_cannot_be_put_under_the_name_of_another_that_has_its_certificate(
    serve: Serve, send: Send, desk: Desk, portal: Credential, cover: Coverage
) -> None:
    url = serve(partners=two_offices(portal, cover))
    honest = secure(PORTAL.envelope(SOAP11), portal, datetime.now(UTC), covers=("body", "timestamp", "token"))
    moved = honest.replace(b">portal</ob:Identyf", b">town</ob:Identyf").replace(b"/portal/box", b"/town/box")
    refused = send(url, moved)
    assert (moved != honest, refused.code()) == (True, "wss.header-unsigned")
    assert b"IdentyfikatorPodmiotu" in refused.body
    assert not desk.envelopes
    assert send(url, moved, portal).status == 200  # TLS vouches for the whole message


def test_where_a_certificate_is_several_partners_the_signed_name_is_enough(
    serve: Serve, send: Send, desk: Desk, portal: Credential
) -> None:
    """Coverage `body`: whose message it is must be signed then, and nothing else of the headers."""
    url = serve(partners=two_offices(portal, Coverage.BODY))
    envelope, block = without_reply_box(portal)
    assert send(url, inserted(envelope, block)).status == 200
    assert send(url, envelope.replace(b">portal</ob:Identyf", b">town</ob:Identyf")).code() == "wss.digest-mismatch"
    assert [(one.sender, one.reply_to) for one in desk.envelopes] == [("portal", BOX)]


def wrapped(envelope: bytes) -> bytes:
    """Move the signed Body into a header, and put another in its place."""
    start, end = envelope.index(b"<soap:Body"), envelope.index(b"</soap:Envelope>")
    body = envelope[start:end]
    other = Submission(document=b"<forged/>").body(b"PGZvcmdlZC8+")
    head = envelope[:start].replace(b"</soap:Header>", b'<w:W xmlns:w="urn:w">' + body + b"</w:W></soap:Header>", 1)
    return head + b"<soap:Body>" + other + b"</soap:Body></soap:Envelope>"


@pytest.mark.parametrize("by_tls", [False, True], ids=["signature-alone", "tls-too"])
def test_a_signature_that_is_there_must_hold_even_where_tls_would_do(
    serve: Serve, send: Send, desk: Desk, portal: Credential, by_tls: bool
) -> None:
    url, by = serve(), portal if by_tls else None
    assert send(url, written(portal).replace(b"/town/SEKAP", b"/town/OTHER"), by).code() == "wss.digest-mismatch"
    assert send(url, wrapped(written(portal)), by).code() == "wss.body-elsewhere"
    assert not desk.envelopes


def test_a_document_beside_the_envelope_is_signed_with_it(
    serve: Serve, cast: Cast, desk: Desk, portal: Credential
) -> None:
    """MTOM: the signature covers the Body as it is with the part inside; another part breaks it."""
    url = serve()
    kind, honest = PORTAL.package(SOAP11)
    envelope = written(portal)
    start = honest.index(b"<?xml") if b"<?xml" in honest else honest.index(b"<soap:Envelope")
    end = honest.index(b"</soap:Envelope>") + len(b"</soap:Envelope>")
    text = honest[start:end]
    include = text[text.index(b"<xop:Include") : text.index(b"/>", text.index(b"<xop:Include")) + 2]
    a, b = envelope.index(b"<zawartosc>") + len(b"<zawartosc>"), envelope.index(b"</zawartosc>")
    packed = honest[:start] + envelope[:a] + include + envelope[b:] + honest[end:]
    box = Box(url=url, tls=cast.context())
    assert box.post(packed, kind).status == 200
    assert [one.payload for one in desk.envelopes] == [PORTAL.document]
    forged = packed.replace(b"\r\n\r\n<letter/>", b"\r\n\r\n<lettre/>")
    assert forged != packed
    assert box.post(forged, kind).code() == "wss.digest-mismatch"


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])
def test_answers_and_faults_are_signed_for_a_partner_that_asks_for_it(
    *, serve: Serve, cast: Cast, desk: Desk, portal: Credential, notary: Credential, version: Any
) -> None:
    signer = cast.client("answers")
    cast.write("answers", signer)
    url = serve({"sign_replies": True}, signing_certificate="answers.pem")
    box = Box(url=url, version=version, tls=cast.context(portal))
    replies = [box.submit(PORTAL), box.submit(Submission(sender="portal", box="no box")), box.post(b"<", "text/xml")]
    desk.answer = always(Unroutable("route.unknown-box", facts={"box": "/nowhere/box"}))
    replies.append(box.submit(PORTAL))
    assert [reply.status == 200 for reply in replies] == [True, False, False, False]
    for reply in replies:
        message = reply.message()
        secured = wss.read(message, datetime.now(UTC))
        assert secured is not None
        secured.demand(timestamp=True, headers=())
        assert secured.certificate == signer.certificate
    other = Box(url=url, tls=cast.context(notary)).submit(Submission(sender="notary"))
    assert wss.read(other.message(), datetime.now(UTC)) is None


# ── size ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_partners_cap_on_size_is_kept_before_the_body_is_read(
    serve: Serve, send: Send, desk: Desk, portal: Credential, notary: Credential
) -> None:
    url = serve({"size": 1_000}, limits=Limits(payload=2_000_000))
    large = b"<a>" + b"x" * 900_000 + b"</a>"
    refused = send(url, Submission(sender="portal", document=large).envelope(SOAP11), portal)
    assert (refused.status, refused.code()) == (413, "soap.too-large")
    assert send(url, Submission(sender="notary", document=large).envelope(SOAP11), notary).status == 200
    assert [one.sender for one in desk.envelopes] == ["notary"]


# ── what is written of a refusal ─────────────────────────────────────────────────────────────────────────


def refusals(logs: list[Any]) -> list[Any]:
    return [one for one in logs if one["event"] == "soap.refused"]


def test_whose_certificate_was_refused_can_be_told(serve: Serve, send: Send, cast: Cast, notary: Credential) -> None:
    """A partner whose renewal failed is called by its own name, and not by what anybody may claim."""
    url, stranger = serve(), cast.client("stranger")
    with structlog.testing.capture_logs() as logs:
        assert send(url, PORTAL.envelope(SOAP11), by=notary).code() == "partner.another"
        for by in (notary, stranger):
            send(url, secure(PORTAL.envelope(SOAP11), by, datetime.now(UTC)))
        send(url, PORTAL.envelope(SOAP11))
    told = [(one["code"], one["partner"], one["certificate"]) for one in refusals(logs)]
    assert told == [
        ("partner.another", "notary", fingerprint(notary.certificate)),
        ("partner.another", "notary", fingerprint(notary.certificate)),
        ("partner.unknown", "", fingerprint(stranger.certificate)),
        ("partner.unproven", "", ""),
    ]


def test_strangers_cannot_fill_the_log_and_no_refusal_of_a_partner_is_left_out(
    serve: Serve, send: Send, notary: Credential
) -> None:
    url, envelope = serve(), PORTAL.envelope(SOAP11)
    with structlog.testing.capture_logs() as logs:
        for number in range(PER_MINUTE + 5):
            # Some before the message is read and some after.
            assert send(url if number % 2 else url + "x", envelope).status >= 400
            if number % 8 == 0:
                assert send(url, envelope, by=notary).code() == "partner.another"
    found = refusals(logs)
    assert [one["counted"] for one in found if not one["partner"]] == [False] * PER_MINUTE + [True] * 5
    assert [one["counted"] for one in found if one["partner"]] == [False] * 4
