"""Partners on AMQP are known by the user that RabbitMQ has checked, on a real RabbitMQ."""

from __future__ import annotations

import pika
import pytest

from adapters.testkit.channels import Word
from adapters.testkit.desk import Desk
from broker.partner import Partner, Partners, Proof
from tests.contract.test_channels_amqp import AmqpHarness
from tests.integration.test_amqp_channel import left_in, serving


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def harness(rabbitmq_url, queue_name, desk):
    """A channel that wants proof; the tests' own user of RabbitMQ is the portal's."""
    queue = queue_name("in")
    user = pika.URLParameters(rabbitmq_url).credentials.username
    known = Partners(
        [
            Partner(id="portal", users=frozenset({user}), queues=frozenset({f"{queue}.answer."})),
            Partner(id="town", users=frozenset({"somebody-else"})),
        ]
    )
    made = AmqpHarness(rabbitmq_url, queue, desk, known)
    made.user, made.channel = user, made.make(rabbitmq_url, proof=["amqp-user"])
    yield made
    made.delete()


def aside(harness):
    """The codes of what was put aside."""
    return [properties.headers["goniec-code"] for _, properties, _ in left_in(harness, ".dead-letters")]


def ask(harness, headers, **properties):
    return harness.answer(harness.publish(b"<letter/>", {"box": "/town/SEKAP", **headers}, **properties))


def test_a_partner_is_known_by_its_user(harness, desk):
    with serving(harness, desk):
        assert ask(harness, {"sender": "portal"}, user_id=harness.user).word is Word.RECEIPT
        assert ask(harness, {}, user_id=harness.user).word is Word.RECEIPT
    assert [(envelope.sender, envelope.proof) for envelope in desk.envelopes] == [("portal", Proof.AMQP_USER)] * 2


@pytest.mark.parametrize("sender", ["town", "nobody"])
def test_who_is_not_the_partner_it_says_is_told_so(harness, desk, sender):
    with serving(harness, desk):
        answer = ask(harness, {"sender": sender}, user_id=harness.user)
    assert (answer.word, answer.code) == (Word.REFUSAL, "partner.another")
    assert aside(harness) == ["partner.another"]
    assert not desk.envelopes


def test_who_proves_nothing_is_put_aside_and_gets_no_answer(harness, desk):
    with serving(harness, desk):
        reply_to = harness.publish(b"<letter/>", {"sender": "portal", "box": "/town/SEKAP"})
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == 1)
        assert harness.ready(reply_to) == 0, "a stranger has no say in whose queue we write into"
    assert aside(harness) == ["partner.unproven"]
    assert not desk.envelopes


def test_rabbitmq_lets_nobody_use_anothers_name(harness, desk):
    forged = pika.BasicProperties(user_id="somebody-else")
    with serving(harness, desk), harness.connection() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="user_id"):
            channel.basic_publish("", harness.queue, b"<letter/>", forged)
    assert not desk.envelopes


def test_an_answer_is_sent_to_no_queue_of_another(harness, desk):
    theirs = f"{harness.queue}.dead-letters"
    with serving(harness, desk), harness.connection() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        about = pika.BasicProperties(user_id=harness.user, reply_to=f"{harness.queue}.quarantine")
        channel.basic_publish("", harness.queue, b"<letter/>", about, mandatory=True)
        harness.until(lambda: harness.ready(theirs) == 1)
        assert harness.ready(f"{harness.queue}.quarantine") == 0
    assert aside(harness) == ["partner.reply-queue"]


def test_a_partner_taken_out_of_the_table_is_a_stranger_at_once(harness, desk):
    with serving(harness, desk):
        assert ask(harness, {}, user_id=harness.user).word is Word.RECEIPT
        harness.partners = Partners()
        harness.publish(b"<letter/>", {"sender": "portal", "box": "/town/SEKAP"}, user_id=harness.user)
        harness.until(lambda: harness.ready(f"{harness.queue}.dead-letters") == 1)
    assert aside(harness) == ["partner.unknown"]
