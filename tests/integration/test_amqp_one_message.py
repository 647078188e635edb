"""Whatever is wrong with one message, it is that message's alone: those behind it are answered, on a real RabbitMQ."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from time import monotonic

import pika
import pytest
from structlog.testing import capture_logs

from adapters.channels.amqp import KIND
from adapters.channels.amqp_health import Health
from adapters.channels.amqp_messages import dead_letter
from adapters.channels.amqp_posts import Posts
from adapters.testkit.channels import PATIENCE, Word
from adapters.testkit.desk import Desk, receipt_for
from adapters.wire.amqp import Fate, connect
from adapters.wire.notes import PER_MINUTE
from broker.errors import Malformed
from broker.partner import Partner, Partners
from tests.builders import NOON
from tests.contract.test_channels_amqp import AmqpHarness
from tests.integration.test_amqp_channel import left_in, serving
from tests.unit.test_amqp_messages import a_message

DIRECT = "amq.rabbitmq.reply-to"
# RabbitMQ 3.10 closes the connection of whoever publishes to the first two; to the others nothing can be routed.
NOBODY = [f"{DIRECT}.AAAA.BBBB", f"{DIRECT}.g1hkAA==.AAAA", f"{DIRECT}.", f"{DIRECT}.{'A' * 200}"]


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture(params=["believed", "proven"])
def harness(request, rabbitmq_url, queue_name, desk):
    """A channel that believes its senders, and one that wants proof."""
    queue = queue_name("in")
    user = pika.URLParameters(rabbitmq_url).credentials.username
    known = Partners([Partner(id="citizen", users=frozenset({user}), queues=frozenset({f"{queue}.answer."}))])
    made = AmqpHarness(rabbitmq_url, queue, desk, known)
    proof = ["amqp-user"] if request.param == "proven" else []
    made.user, made.proof = user, proof
    made.channel = made.make(rabbitmq_url, proof=proof)
    yield made
    made.delete()


def put(harness, body, headers=None, **properties):
    """Send a message whatever it says, and look for no answer."""
    with harness.connection() as connection:
        about = pika.BasicProperties(
            headers={"sender": "citizen", **(headers or {})}, user_id=harness.user, **properties
        )
        connection.channel().basic_publish("", harness.queue, body, about)


def honest(harness, body=b"<honest/>"):
    return harness.answer(harness.publish(body, {"sender": "citizen", "box": "/town/SEKAP"}, user_id=harness.user))


def fallen(logs):
    return [one for one in logs if one["event"] in {"channel.line-lost", "channel.paused", "channel.away"}]


@pytest.mark.parametrize(
    ("headers", "properties"),
    [
        ({}, {"reply_to": b"\xff\xfe"}),
        ({}, {"reply_to": "a\nb"}),
        ({"trial": [1]}, {}),
        ({"trial": {"a": 1}}, {}),
        ({"trial": 1}, {}),
        ({"box": [["/town/SEKAP"]]}, {}),
    ],
    ids=["reply-to of octets", "reply-to in lines", "list", "table", "number", "lists"],
)
def test_a_header_of_another_type_is_refused_and_the_next_is_answered(harness, desk, headers, properties):
    with capture_logs() as logs, serving(harness, desk):
        put(harness, b"<odd/>", headers, **properties)
        assert honest(harness).word is Word.RECEIPT
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == 1)
    ((_method, about, body),) = left_in(harness, ".dead-letters")
    assert (body, about.headers["goniec-code"]) == (b"<odd/>", "amqp.header")
    assert [one.payload for one in desk.envelopes] == [b"<honest/>"]
    assert fallen(logs) == []


@pytest.mark.parametrize("name", NOBODY, ids=["one", "two", "empty", "long"])
def test_an_answer_to_a_connection_that_never_was_costs_nobody_anything(harness, desk, name):
    with capture_logs() as logs, serving(harness, desk):
        for number in range(3):
            put(harness, b"<odd n='%d'/>" % number, reply_to=name)
            assert honest(harness, b"<honest n='%d'/>" % number).word is Word.RECEIPT
        harness.until(lambda: [one["event"] for one in logs].count("channel.reply-unroutable") == 3)
    assert harness.ready(harness.queue) == 0
    taken = [one.payload for one in desk.envelopes]
    assert len(taken) == len(set(taken)), "taken in again, for its answer cut the line"
    assert fallen(logs) == []


@pytest.mark.parametrize("where", [".dead-letters", ".quarantine"])
def test_a_message_that_names_queues_to_be_copied_to_is_put_aside_once_and_copied_to_none(harness, desk, where):
    """RabbitMQ's sender-selected distribution: what is sent on with its `CC` goes where a stranger wants it."""
    victim, exchange = f"{harness.queue}.victim", f"{harness.queue}.fanout"
    desk.answer = trips_over(b"<forged/>") if where == ".quarantine" else receipt_for
    with serving(harness, desk), harness.connection() as connection:
        channel = connection.channel()
        channel.queue_declare(victim, durable=True)
        channel.exchange_declare(exchange, "fanout")  # looks at no key, so that what is copied was copied by us
        channel.queue_bind(harness.queue, exchange)
        headers = {"sender": "citizen", "CC": [victim, harness.queue]}
        headers |= {} if where == ".quarantine" else {"trial": "perhaps"}
        channel.basic_publish(exchange, "", b"<forged/>", pika.BasicProperties(headers=headers, user_id=harness.user))
        harness.until(lambda: harness.ready(harness.queue + where) == 1)
        assert honest(harness).word is Word.RECEIPT
        assert [harness.ready(one) for one in (victim, harness.queue, harness.queue + where)] == [0, 0, 1]
        channel.exchange_delete(exchange)
        channel.queue_delete(victim)


def test_what_waits_for_answers_of_ours_can_be_put_aside(harness):
    """A sender over another protocol of RabbitMQ's can leave the bare name, which ends the line of who sends it on."""
    message = a_message(reply_to=DIRECT)
    copy = dead_letter(message, Malformed("amqp.no-sender"), channel="in", at=NOON)
    with contextlib.closing(connect(pika.URLParameters(harness.url), monotonic() + PATIENCE)) as line:
        line.ask(line.channel.queue_declare, monotonic() + PATIENCE, queue=f"{harness.queue}.dead-letters")
        sent = line.settle("", f"{harness.queue}.dead-letters", b"<a/>", copy, monotonic() + PATIENCE)
    assert sent is Fate.CONFIRMED


def ask_directly(channel, harness, body):
    about = pika.BasicProperties(
        headers={"sender": "citizen", "box": "/town/SEKAP"}, reply_to=DIRECT, user_id=harness.user, correlation_id="c"
    )
    channel.basic_publish("", harness.queue, body, about)


def test_who_waits_on_its_own_connection_is_answered_there_whatever_others_name(harness, desk):
    with serving(harness, desk), harness.connection() as connection:
        channel, kinds = connection.channel(), []
        channel.basic_consume(
            DIRECT, lambda _channel, _method, about, _body: kinds.append(about.headers["kind"]), auto_ack=True
        )
        for number in range(5):
            put(harness, b"<odd n='%d'/>" % number, reply_to=NOBODY[0])
            ask_directly(channel, harness, b"<direct n='%d'/>" % number)

        def answered():
            connection.process_data_events(time_limit=0.05)
            return len(kinds) == 5

        harness.until(answered)
        assert kinds == ["receipt"] * 5


def trips_over(poison):
    def answer(envelope):
        if envelope.payload == poison:
            raise ZeroDivisionError(poison)
        return receipt_for(envelope)

    return answer


def trips(*, times):
    left = [ZeroDivisionError()] * times

    def answer(envelope):
        if left:
            raise left.pop()
        return receipt_for(envelope)

    return answer


def test_a_message_that_always_meets_a_bug_is_put_into_quarantine_and_others_pass(harness, desk):
    desk.answer = trips_over(b"<poison>44051401359</poison>")
    with capture_logs() as logs, serving(harness, desk):
        put(harness, b"<poison>44051401359</poison>")
        assert honest(harness).word is Word.RECEIPT
        harness.until(lambda: harness.ready(f"{harness.queue}.quarantine") == 1)
    ((_method, properties, body),) = left_in(harness, ".quarantine")
    assert body == b"<poison>44051401359</poison>"
    assert properties.headers["goniec-code"] == "amqp.redelivered"
    assert [one.payload for one in desk.envelopes].count(body) == 3
    assert left_in(harness) == []
    assert fallen(logs) == []


def answer_unless_quarantined(harness, headers):
    reply_to = harness.publish(b"<a/>", {"sender": "citizen", "box": "/a/b", **headers}, user_id=harness.user)
    answer = harness.answer(reply_to, unless=lambda: harness.ready(f"{harness.queue}.quarantine") == 1)
    assert answer is not None
    return answer


@pytest.mark.parametrize("name", ["x-delivery-count", "x-acquired-count"])
@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_a_count_of_redeliveries_that_the_sender_wrote_costs_it_nothing(harness, desk, rabbitmq_url, kind, name):
    with harness.connection() as connection:
        for suffix in ("", ".dead-letters", ".quarantine"):
            about = {"x-queue-type": kind}
            connection.channel().queue_declare(harness.queue + suffix, durable=True, arguments=about)
    with serving(harness, desk, harness.make(rabbitmq_url, proof=harness.proof, declare_queues=False)):
        assert answer_unless_quarantined(harness, {name: 1000}).word is Word.RECEIPT


def test_rabbitmq_counts_over_what_the_sender_wrote_when_a_message_comes_again(harness, desk):
    desk.answer = trips(times=1)
    with serving(harness, desk):
        assert answer_unless_quarantined(harness, {"x-delivery-count": 1000}).word is Word.RECEIPT


def test_a_bug_that_is_over_costs_no_message_its_turn(harness, desk):
    desk.answer = trips(times=2)
    with serving(harness, desk):
        assert honest(harness).word is Word.RECEIPT
    assert left_in(harness, ".quarantine") == []


def test_while_every_message_meets_a_bug_no_message_is_to_blame():
    """Else a queue would run into quarantine before anybody has looked."""
    health, own = Health(), a_message(b"<poison/>")
    assert [health.blames(own) for _ in range(3)] == [False, False, True]
    for number in range(97):
        health.blames(a_message(b"<%d/>" % number))
    assert not any(health.blames(own) for _ in range(5))
    health.well(a_message())
    assert health.blames(own)


def test_a_bug_that_was_survived_is_forgotten():
    health, own = Health(), a_message(headers={"x-delivery-count": 2}, redelivered=True)
    assert not health.blames(own)
    assert not health.blames(own)
    health.well(own)
    assert not health.blames(own)


def test_refusals_of_nobodys_messages_do_not_fill_the_log(harness, desk):
    """Without proof nobody is known to be a partner; with it every refusal of a partner is written."""
    number = PER_MINUTE + 5
    with capture_logs() as logs, serving(harness, desk):
        for _ in range(number):
            put(harness, b"<odd/>", {"trial": "perhaps"})
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == number)
    counted = [one["counted"] for one in logs if one["event"] == "channel.refused"]
    assert counted == [False] * PER_MINUTE + [not harness.proof] * 5


@pytest.mark.parametrize(
    ("event", "happens"),
    [
        ("channel.quarantined", lambda posts, message: posts.poison(message)),
        ("channel.reply-unroutable", lambda posts, message: posts.unanswered(message)),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_what_else_nobodys_messages_can_cause_does_not_fill_the_log_either(event, happens, known):
    partners = Partners([Partner(id="citizen", users=frozenset({"guest" if known else "another"}))])
    posts = Posts.of("in", KIND.settings(url="amqp://127.0.0.1/"), lambda: partners)
    with capture_logs() as logs:
        for _ in range(PER_MINUTE + 5):
            happens(posts, a_message(user_id="guest"))
    assert [one["counted"] for one in logs if one["event"] == event] == [False] * PER_MINUTE + [not known] * 5


def test_what_an_operator_allowed_holds_as_before(harness, desk, rabbitmq_url):
    """Fewer redeliveries than a bug is forgiven: the count of RabbitMQ decides."""
    desk.answer = trips_over(b"<poison/>")
    channel = harness.make(rabbitmq_url, proof=harness.proof, redeliveries=1, longest_wait=timedelta(milliseconds=50))
    with serving(harness, desk, channel):
        put(harness, b"<poison/>")
        assert honest(harness).word is Word.RECEIPT
        harness.until(lambda: harness.ready(f"{harness.queue}.quarantine") == 1)
    assert [one.payload for one in desk.envelopes].count(b"<poison/>") == 2
