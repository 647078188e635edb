"""AMQP messages, parcels and addresses, without a RabbitMQ."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from string import Formatter

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.spec import BasicProperties

from adapters.channels.amqp import KIND
from adapters.channels.amqp_health import Health
from adapters.channels.amqp_messages import (
    HEADERS_READ,
    LONGEST,
    Message,
    dead_letter,
    envelope_of,
    receipt_reply,
    refusal_reply,
)
from adapters.testkit.desk import receipt_for
from adapters.testkit.offices import a_parcel
from adapters.wire.amqp import HEADERS
from adapters.wire.amqp_address import parameters_of
from adapters.wire.amqp_parcel import Layout, pack, unpack
from adapters.wire.kind import Surroundings
from adapters.wire.reach import on_loopback
from broker.errors import ConfigError, Invalid, Malformed, Rejection, Unauthorised
from broker.model import Answer, Envelope, Flaw
from broker.parse import Limits
from broker.partner import Partner, Partners, Proof
from broker.texts import TEXTS
from broker.texts.amqp import TEXTS as OURS
from tests.builders import NOON, an_envelope

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=20), inner),
    max_leaves=5,
)


def a_message(
    body: bytes = b"<letter/>", headers: dict | None = None, *, redelivered: bool = False, **about
) -> Message:
    given = {"sender": "citizen", **(headers or {})}
    return Message(
        tag=1, properties=BasicProperties(headers=given, **about), body=body, at=NOON, redelivered=redelivered
    )


def around(**about) -> Surroundings:
    return Surroundings(
        **{
            "name": "amqp-in", "folder": Path(), "clock": lambda: NOON, "ids": lambda: "id",
            "text": lambda _path: b"", "limits": Limits(), **about,
        }
    )  # fmt: skip


def over_the_wire(properties: BasicProperties) -> BasicProperties:
    """The properties as the other side decodes them."""
    return BasicProperties().decode(b"".join(properties.encode()))


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    headers=st.dictionaries(
        st.sampled_from(["sender", "box", "ade", "teryt", "file-name", "reply-to", "case", "in-reply-to", "trial"])
        | st.text(max_size=20),
        values,
    ),
    message_id=st.none() | st.text(max_size=50),
    body=st.binary(max_size=200),
)
def test_any_message_becomes_an_envelope_or_is_refused_with_a_code_that_can_be_told(headers, message_id, body):
    properties = BasicProperties(headers=headers, message_id=message_id, reply_to="answers")
    message = Message(tag=1, properties=properties, body=body, at=NOON, redelivered=False)
    got = read_or_refused(message)
    if isinstance(got, Rejection):
        told, about = refusal_reply(message, got)
        assert json.loads(told)["code"] == got.code
        assert len(b"".join(about.encode())) < HEADERS
        assert len(b"".join(dead_letter(message, got, channel="amqp-in", at=NOON).encode())) < HEADERS
    else:
        assert got.payload == body
        assert got.sender == headers["sender"]
        assert "\x00" not in f"{got.sender}{got.message_id}{got.file_name}{got.to.box}"


def read_or_refused(message: Message) -> Envelope | Rejection:
    try:
        return envelope_of(message, channel="amqp-in", partners=None)
    except Rejection as no:
        return no


def test_the_refusal_says_what_every_single_flaw_is_in_both_languages():
    flaws = [Flaw(path="/Dokument/a", line=3, message="not a date"), Flaw(path="/Dokument/b", line=4, message="ó")]
    body, about = refusal_reply(a_message(correlation_id="c-1"), Invalid("parse.dtd", place="/Dokument", flaws=flaws))
    told = json.loads(body)
    assert told["flaws"] == [
        {"path": "/Dokument/a", "line": 3, "message": "not a date"},
        {"path": "/Dokument/b", "line": 4, "message": "ó"},
    ]
    assert told["text-pl"] == about.headers["text-pl"] == TEXTS["parse.dtd"].pl
    assert told["text-en"] == about.headers["text-en"] == TEXTS["parse.dtd"].en
    assert (about.correlation_id, about.content_type, about.delivery_mode) == ("c-1", "application/json", 2)


def test_a_box_that_gives_a_status_only_gives_no_receipt():
    body, about = receipt_reply(a_message(), replace(receipt_for(an_envelope()), answer=Answer.STATUS))
    assert body == b""
    assert (about.headers["kind"], about.headers["answer"]) == ("receipt", "status")
    assert about.headers["issued-at"] == "2026-01-01T12:00:01Z"


@given(place=st.text(max_size=5000))
def test_no_refusal_is_too_long_to_be_sent(place):
    for properties in (
        refusal_reply(a_message(), Malformed("parse.dtd", place=place))[1],
        dead_letter(a_message(), Malformed("parse.dtd", place=place), channel="amqp-in", at=NOON),
    ):
        assert all(len(value) <= LONGEST for value in properties.headers.values() if isinstance(value, str))
        assert len(b"".join(properties.encode())) < HEADERS


OBEYED = ["CC", "BCC", "x-death", "x-delay", "x-match", "goniec-code", "goniec-headers", "alternate-exchange", "own"]


@given(headers=st.dictionaries(st.sampled_from([*OBEYED, *HEADERS_READ, b"\xff"]) | st.text(max_size=20), values))
def test_of_a_strangers_headers_none_is_sent_on_but_those_that_are_read(headers):
    """RabbitMQ routes by some, and would do so with our rights."""
    no = Malformed("amqp.no-sender", place="sender")
    message = replace(a_message(), properties=BasicProperties(headers=headers, user_id="guest"))
    sent = dead_letter(message, no, channel="amqp-in", at=NOON).headers
    ours = {"code", "place", "text-pl", "text-en", "at", "channel", "user-id"}
    assert {name for name in sent if name not in HEADERS_READ} == {f"goniec-{one}" for one in ours}
    assert {name: value for name, value in sent.items() if name in HEADERS_READ} == {
        name: value for name, value in headers.items() if name in HEADERS_READ
    }
    assert sent["goniec-code"] == "amqp.no-sender"
    for _body, properties in (
        refusal_reply(message, no),
        receipt_reply(message, receipt_for(an_envelope())),
    ):
        assert not {*properties.headers} & {*OBEYED}


def test_every_gap_of_our_texts_is_filled_by_the_facts_that_we_give():
    given = {"amqp.header": {"name"}, "amqp.redelivered": {"times"}}
    for code, text in OURS.items():
        for words in (text.pl, text.en):
            gaps = {gap for _text, gap, _spec, _conversion in Formatter().parse(words) if gap}
            assert gaps <= given.get(code, set()), code
        assert 750 <= text.number <= 799


# ── redeliveries ─────────────────────────────────────────────────────────────────────────────────────────


def test_our_own_hand_backs_do_not_make_a_message_poisonous_but_its_other_returns_do():
    health = Health()
    for _time in range(30):
        health.hand_back(a_message())
    assert not health.poisonous(again(32), 3)
    assert health.poisonous(again(34), 3)
    assert health.poisonous(again(4, b"<other/>"), 3)
    assert not health.poisonous(again(3, b"<other/>"), 3)


def again(times: int, body: bytes = b"<letter/>") -> Message:
    return a_message(body, {"x-delivery-count": times}, redelivered=True)


def test_the_newer_count_of_rabbitmq_is_heeded_too_and_a_forged_one_of_another_type_is_not():
    assert a_message(headers={"x-delivery-count": 1, "x-acquired-count": 5}, redelivered=True).times == 5
    assert a_message(headers={"x-delivery-count": "many"}, redelivered=True).times == 0


@pytest.mark.parametrize("name", ["x-delivery-count", "x-acquired-count"])
def test_a_count_in_a_message_that_comes_for_the_first_time_is_its_senders_and_counts_for_nothing(name):
    assert a_message(headers={name: 1000}).times == 0
    assert not Health().poisonous(a_message(headers={name: 1000}), 3)


# ── out ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("layout", list(Layout))
@given(document=st.binary(), receipt=st.binary(max_size=1000), report=st.binary(max_size=1000))
def test_a_parcel_comes_out_as_it_went_in(layout, document, receipt, report):
    parcel = with_parts(document, receipt, report)
    body, about = pack(parcel, layout)
    found = unpack(body, over_the_wire(about))
    assert (found.document, found.receipt, found.report) == (document, receipt, report)
    assert dict(found.facts) == dict(parcel.summary)
    assert (about.message_id, about.delivery_mode) == (parcel.delivery, 2)


def test_a_multipart_parcel_is_read_by_the_standard_library_too():
    parcel = a_parcel(b"<a>\r\n</a>\n\n")
    body, about = pack(parcel, Layout.MULTIPART)
    whole = f"Content-Type: {about.content_type}\r\n\r\n".encode() + body
    read = email.message_from_bytes(whole, policy=email.policy.HTTP)
    parts = {
        part["Content-Disposition"].params["name"]: part.get_payload(decode=True) for part in read.iter_attachments()
    }
    assert parts == {"document": parcel.document, "receipt": parcel.receipt.xml, "report": parcel.report}


@pytest.mark.parametrize(("size", "left_out"), [(10_000, False), (200_000, True)])
def test_a_report_too_long_for_a_header_is_left_out_and_that_is_said(size, left_out):
    parcel = with_parts(b"<a/>", b"<UPP/>", b"x" * size)
    body, about = pack(parcel, Layout.DOCUMENT)
    assert len(b"".join(about.encode())) < HEADERS
    assert about.headers.get("report-left-out") == (size if left_out else None)
    assert unpack(body, over_the_wire(about)).report == (b"" if left_out else parcel.report)
    assert unpack(*pack(parcel, Layout.MULTIPART)).report == parcel.report


@given(cut=st.integers(0, 600), junk=st.binary(max_size=3))
def test_a_damaged_multipart_body_is_malformed_and_nothing_else(cut, junk):
    body, about = pack(with_parts(b"<a/>", b"<UPP/>", b"{}"), Layout.MULTIPART)
    damaged = body[:cut] + junk + body[cut + 1 :]
    with contextlib.suppress(Malformed):  # anything else fails
        found = unpack(damaged, about)
        assert len(found.document) + len(found.receipt) + len(found.report) <= len(damaged)


@pytest.mark.parametrize("body", [b"", b"--", b"x" * 100], ids=["empty", "dashes", "something-else"])
def test_what_is_no_multipart_body_is_malformed(body):
    _body, about = pack(with_parts(b"<a/>", b"<UPP/>", b"{}"), Layout.MULTIPART)
    with pytest.raises(Malformed, match=r"amqp\.parcel"):
        unpack(body, about)


def test_a_message_of_another_type_is_no_parcel():
    with pytest.raises(Malformed, match=r"amqp\.parcel"):
        unpack(b"<a/>", BasicProperties(headers={"delivery": "d-1"}))


def with_parts(document: bytes, receipt: bytes, report: bytes):
    parcel = a_parcel(document)
    return replace(parcel, receipt=replace(parcel.receipt, xml=receipt), report=report)


# ── who sends, where it must be proven ───────────────────────────────────────────────────────────────────

KNOWN = Partners(
    [
        Partner(id="portal", users=frozenset({"portal"}), queues=frozenset({"portal.answers", "portal.more."})),
        Partner(id="town", users=frozenset({"hosted"})),
        Partner(id="village", users=frozenset({"hosted"})),
    ]
)


def proven(partners=KNOWN, *, user=None, sender=None, reply_to=None):
    headers = {} if sender is None else {"sender": sender}
    properties = BasicProperties(headers=headers, user_id=user, reply_to=reply_to)
    message = Message(tag=1, properties=properties, body=b"<a/>", at=NOON, redelivered=False)
    return envelope_of(message, channel="q", partners=partners)


@pytest.mark.parametrize(
    ("user", "sender", "code"),
    [
        (None, "portal", "partner.unproven"),
        ("stranger", "portal", "partner.unknown"),
        ("hosted", "portal", "partner.another"),
        ("hosted", None, "partner.another"),
        ("portal", "town", "partner.another"),
    ],
)
def test_a_sender_that_its_user_does_not_prove_is_refused(user, sender, code):
    with pytest.raises(Unauthorised) as no:
        proven(user=user, sender=sender)
    assert no.value.code == code


@pytest.mark.parametrize(("user", "sender"), [("portal", "portal"), ("hosted", "town"), ("hosted", "village")])
def test_a_sender_that_its_user_proves_is_known(user, sender):
    envelope = proven(user=user, sender=sender)
    assert (envelope.sender, envelope.proof) == (sender, Proof.AMQP_USER)


def test_a_partner_that_has_a_user_for_itself_need_not_say_its_name():
    assert proven(user="portal").sender == "portal"


@pytest.mark.parametrize("queue", ["town.answers", "goniec.in", "portal.answers.x", "portal.more"])
def test_an_answer_goes_to_no_queue_but_the_partners_own(queue):
    with pytest.raises(Unauthorised) as no:
        proven(user="portal", reply_to=queue)
    assert no.value.code == "partner.reply-queue"


@pytest.mark.parametrize("queue", ["portal.answers", "portal.more.1", "amq.rabbitmq.reply-to.g1h2AA"])
def test_an_answer_goes_to_the_partners_own_queues(queue):
    assert proven(user="portal", reply_to=queue).sender == "portal"


# ── addresses and settings ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_is_on_loopback(host):
    assert on_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "0.0.0.0", "rabbit.example", "localhost.example", "::", ""])
def test_anything_else_is_not(host):
    assert not on_loopback(host)


@pytest.mark.parametrize(
    ("url", "proof", "missing"),
    [
        ("amqp://user:secret@rabbit.example/", [], {"proof:", "amqps://"}),
        ("amqps://user:secret@rabbit.example/", [], {"proof:"}),
        ("amqp://user:secret@rabbit.example/", ["amqp-user"], {"amqps://"}),
    ],
)
def test_a_channel_beyond_loopback_needs_proven_senders_and_tls(url, proof, missing):
    with pytest.raises(ConfigError) as wrong:
        KIND.make(KIND.settings(url=url, proof=proof), around())
    assert len(wrong.value.problems) == len(missing)
    assert all(word in str(wrong.value) for word in missing)
    assert "secret" not in str(wrong.value)


def test_in_production_senders_on_a_queue_must_be_known_wherever_rabbitmq_is():
    """From an address on loopback nobody can tell where RabbitMQ itself listens, and who publishes there."""
    here = {"url": "amqp://user:secret@127.0.0.1/"}
    with pytest.raises(ConfigError, match=r"^proof: ") as wrong:
        KIND.make(KIND.settings(**here), around(environment="production"))
    assert "secret" not in str(wrong.value)
    assert KIND.make(KIND.settings(**here), around(environment="test"))
    assert KIND.make(KIND.settings(**here, proof=["amqp-user"]), around(environment="production"))


def test_a_channel_beyond_loopback_with_both_is_made():
    assert KIND.make(KIND.settings(url="amqps://user:secret@rabbit.example/", proof=["amqp-user"]), around())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "amqp://u:secret@127.0.0.1:port/", "amqp://u:secret@127.0.0.1/?colour=red", "secret"]
)
def test_an_address_that_cannot_be_read_is_a_configuration_error_that_does_not_quote_it(url):
    with pytest.raises(ConfigError) as wrong:
        parameters_of(url, name="test")
    assert "secret" not in str(wrong.value)


def test_an_address_with_a_user_and_no_password_says_what_it_lacks():
    with pytest.raises(ConfigError, match="without a password"):
        parameters_of("amqp://goniec@127.0.0.1/", name="test")


def test_tls_checks_the_name_and_the_chain():
    parameters = parameters_of("amqps://rabbit.example/", name="test")
    assert parameters.ssl_options.server_hostname == "rabbit.example"
    assert parameters.ssl_options.context.check_hostname
    with pytest.raises(ConfigError):
        parameters_of("amqps://rabbit.example/", name="test", ca="/nowhere/ca.pem")


def test_the_password_shows_up_in_no_words_about_the_settings():
    settings = KIND.settings(url="amqp://user:secret@127.0.0.1/", first_wait=timedelta(seconds=2))
    assert "secret" not in repr(settings) + settings.model_dump_json()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="workers"):
        KIND.settings(url="amqp://127.0.0.1/", workers=0)
    with pytest.raises(ValueError, match="colour"):
        KIND.settings(url="amqp://127.0.0.1/", colour="red")


def test_pika_is_told_who_we_are():
    assert (
        parameters_of("amqp://127.0.0.1/", name="goniec channel x").client_properties["connection_name"].endswith("x")
    )
    assert isinstance(parameters_of("amqp://127.0.0.1/", name="x").heartbeat, int)
    assert pika.URLParameters("amqp://127.0.0.1/").heartbeat is None
