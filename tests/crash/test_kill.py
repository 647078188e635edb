"""kill -9 of the serving process under load, over and over: nothing receipted is lost, nothing is done twice."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack

from adapters.stores import migrate
from adapters.testkit.dms_conduct import Conduct, Manner
from tests.crash.conftest import Ground
from tests.crash.partners import Partners

PARTNERS = 3
OFFICES = 3


def under_load(ground: Ground, start: Callable[[], object], kill: Callable[[object], None], kills: int, seed: int):
    """Kill the process after a few answers and a moment, again and again; return the partners."""
    chance = random.Random(seed)
    ground.dms.behave(Conduct(delay=0.1))
    with Partners(
        ground.site.box, lambda: ground.letter(chance.choice(ground.site.offices)), PARTNERS, seed
    ) as partners:
        for _ in range(kills):
            running = start()
            partners.wait_for(chance.randint(1, 4))
            if chance.random() < 0.2:  # an office's answer is lost, its work is not
                ground.dms.behave(
                    Conduct(manner=Manner.DROP, keeps=True, times=1), chance.choice(ground.site.offices).id
                )
            time.sleep(chance.uniform(0, 0.2))
            kill(running)
        start()
    ground.settle()
    return partners


def told(ground: Ground, partners: Partners, kills: int, seed: int, report: Callable[[str, object], None]):
    """Audit, and print what there is to count."""
    account = ground.audit(partners.sent, partners.words)
    line = f"kill -9 × {kills}, seed {seed}: sent again {partners.resent} times · {account}"
    print(line)  # noqa: T201 - the test counts, and says so
    report("kills", line)
    return account


def test_twenty_kills_under_load_lose_nothing_and_double_nothing(ground, record_property):
    seed, kills = secrets.randbits(32), 20
    town = ground(number=OFFICES)
    partners = under_load(town, town.serve, lambda node: node.kill(), kills, seed)
    assert town.nodes[-1].stop() == os.EX_OK
    account = told(town, partners, kills, seed, record_property)
    assert account.broken == {}
    assert account.quarantined == frozenset()
    assert account.submissions == len(partners.sent) == account.delivered
    assert account.taken_over > 0, "no kill met a delivery under way: the test has not tested it"
    assert sum(node.status == -9 for node in town.nodes) == kills


def test_kills_lose_nothing_on_postgresql_either(ground, postgres_database, record_property):
    """With the command itself, as systemd would start it."""
    migrate(postgres_database)
    seed, kills = secrets.randbits(32), 5
    town = ground(number=OFFICES, store=postgres_database)
    with ExitStack() as ends:

        def start():
            return ends.enter_context(town.site.start())

        partners = under_load(town, start, lambda serving: serving.kill(), kills, seed)
    account = told(town, partners, kills, seed, record_property)
    assert account.broken == {}
    assert account.submissions == len(partners.sent) == account.delivered
    assert account.taken_over > 0
