"""Letters by RabbitMQ through the whole broker to offices on RabbitMQ, with the one or the other killed under load."""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from adapters.testkit.dms_amqp import MockAmqpDms
from config.demo.offices import offices
from tests.crash.conftest import Ground
from tests.crash.promises import Account
from tests.crash.rabbit import Partner

PARTNERS = 2
EACH = 40  # letters of a partner
AHEAD = 8  # of them unanswered at most: so a kill meets letters in every place, and not all of them in the store


@pytest.fixture
def carry(ground, queue_name, record_property):
    """Sends letters while `interrupt` is called now and then; audits, and prints what there is to count."""

    def carried(url: str, what: str, times: int, interrupt: Callable[[Ground], None]) -> Account:
        seed = secrets.randbits(32)
        chance, chosen, total = random.Random(seed), offices()[:2], EACH * PARTNERS
        # Not among the first: RabbitMQ itself may lose, or break, a quorum queue that it was just told to make.
        at = sorted(chance.sample(range(total // 3, total - 2 * AHEAD), times))
        partners = [Partner(url, queue_name("in"), queue_name(f"answers-{n}")) for n in range(PARTNERS)]
        first = partners[0]
        for partner in partners:
            partner.declare()

        def answered() -> int:
            return sum(partner.answered for partner in partners)

        with ExitStack() as ends:
            queues = [ends.enter_context(MockAmqpDms(url, queue_name(it.id), office=it.id)) for it in chosen]
            town = ground(
                number=len(chosen),
                ways=lambda _dms, it: {"kind": "amqp", "url": url, "routing_key": queue_name(it), "cooling": 0.2},
                sections={
                    "channels.amqp": {
                        "kind": "amqp",
                        "url": url,
                        "queue": queue_name("in"),
                        "first_wait": 0.1,
                        "longest_wait": 0.5,
                    }
                },
            )
            town.serve()
            first.until(lambda: first.look(consumers=True) == 1)
            for partner in partners:
                letters = [town.letter(chance.choice(chosen)) for _ in range(EACH)]
                ends.enter_context(partner.at_work(letters, AHEAD))
            for number in at:
                first.until(lambda number=number: answered() >= number)
                interrupt(town)
            first.until(lambda: answered() == total)
            town.settle()
            first.until(lambda: sum(len(queue.received) for queue in queues) >= total)
            assert first.look() == 0
            assert town.nodes[-1].stop() == os.EX_OK
        words = [word for partner in partners for word in partner.words]
        sent = {letter.document for partner in partners for letter in partner.sent.values()}
        account = town.audit(sent, words, [it for queue in queues for it in queue.records.arrivals], queued=True)
        again = sum(times - 1 for times in Counter(word.document for word in words).values())
        line = f"{what} killed × {times} (seed {seed}, after {at} answers): answered again {again} times · {account}"
        print(line)  # noqa: T201 - the test counts, and says so
        record_property("killed", line)
        assert not [code for queue in queues for code in queue.unread]
        assert len(sent) == total
        return account

    return carried


def test_rabbitmq_killed_under_load_loses_nothing(carry, private_rabbitmq):
    def interrupt(_town):
        private_rabbitmq.kill()
        private_rabbitmq.start()

    account = carry(private_rabbitmq.url, "RabbitMQ", 2, interrupt)
    assert account.broken == {}
    assert account.submissions == account.delivered == EACH * PARTNERS


def test_the_broker_killed_under_load_between_queues_loses_nothing(carry, rabbitmq_url):
    def interrupt(town):
        town.nodes[-1].kill()
        town.serve()

    account = carry(rabbitmq_url, "broker", 5, interrupt)
    assert account.broken == {}
    assert account.submissions == account.delivered == EACH * PARTNERS
