"""Each promise of custody has a bug that breaks it: the audit that is green without the bug is red with it.

A scenario is played twice or more: once with nothing planted, once for each bug.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress

import pytest

from adapters.testkit.dms_amqp import MockAmqpDms
from adapters.testkit.dms_conduct import GOOD, Conduct, Manner
from broker.ports import Filter
from broker.states import DeliveryState
from config.bootstrap import open_ledger
from config.demo.offices import boxes_csv, offices
from tests.crash import integrator
from tests.crash.conftest import LEASE, Ground
from tests.crash.partners import send
from tests.crash.planted import BUGS, STUCK
from tests.crash.promises import Account, Promise, Word
from tests.crash.rabbit import Background, Partner
from tests.crash.spawner import Node

PATIENCE = 60.0  # seconds


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def put(town: Ground, *letters) -> list[Word]:
    return [send(town.site.box, letter, time.monotonic() + PATIENCE)[0] for letter in letters]


def documents(letters: Iterable) -> set[bytes]:
    return {letter.document for letter in letters}


# ── scenarios: each plays with a broker that has these bugs, and returns what the audit says ──


def killed_after_the_answer(ground, _rabbitmq, _queue_name, _tmp_path, bugs) -> Account:
    town = ground()
    node, letters = town.serve(*bugs), [town.letter() for _ in range(3)]
    words = put(town, *letters)
    node.kill()
    town.serve()
    town.settle()
    return town.audit(documents(letters), words)


def killed_after_a_refusal(ground, _rabbitmq, _queue_name, _tmp_path, bugs) -> Account:
    town = ground()
    node, letter = town.serve(*bugs), town.letter()
    changed = letter.__class__(document=letter.document.replace(b"Tytul>", b"Tytul>Nie ", 1), box=letter.box)
    words = put(town, changed)
    node.kill()
    assert [bool(word.code) for word in words] == [True]
    return town.audit((), words)


def sent_twice(ground, _rabbitmq, _queue_name, _tmp_path, bugs) -> Account:
    town = ground()
    town.serve(*bugs)
    letter = town.letter()
    words = put(town, letter, letter)
    town.settle()
    return town.audit({letter.document}, words)


def sent_again_after_its_route_has_gone(ground, _rabbitmq, _queue_name, _tmp_path, bugs) -> Account:
    town = ground(number=2)
    node, letter = town.serve(*bugs), town.letter()
    words = put(town, letter)
    node.kill()
    town.site.folder.joinpath("boxes.csv").write_bytes(boxes_csv(offices()[1:2]))
    town.site.folder.joinpath("routing.csv").write_bytes(b"by;key;box\n")
    town.serve(*bugs)
    words += put(town, letter)
    town.settle()
    return town.audit({letter.document}, words)


def taken_from_a_queue_and_killed(ground, rabbitmq, queue_name, _tmp_path, bugs) -> Account:
    partner = Partner(rabbitmq, queue_name("in"), queue_name("answers"))
    partner.declare()
    amqp = {"kind": "amqp", "url": rabbitmq, "queue": queue_name("in"), "first_wait": 0.1}
    town = ground(sections={"channels.amqp": amqp})
    node, letters = town.serve("stuck-disk", *bugs), [town.letter() for _ in range(3)]
    partner.until(lambda: partner.look(consumers=True) == 1)
    partner.send(letters)
    until(lambda: town.said().count(STUCK) == len(letters))
    time.sleep(0.5)  # whatever the process has to say to RabbitMQ before the commit, it has said now
    node.kill()
    partner.until(lambda: partner.look(consumers=True) == 0)
    empty = False
    while not empty:  # what a node has taken and not yet answered is not in the queue: it is when the node has ended
        node = town.serve()
        partner.until(lambda: partner.look(consumers=True) == 1)
        partner.until(lambda: partner.look() == 0)
        node.stop()
        empty = partner.look() == 0
    node = town.serve()
    town.settle()
    node.stop()
    partner.read(lambda: partner.look_for_answers() == 0)
    return town.audit(documents(letters), partner.words)


def answer_of_the_office_lost(ground, _rabbitmq, _queue_name, _tmp_path, bugs) -> Account:
    town = ground()
    town.dms.behave(Conduct(manner=Manner.DROP, keeps=True, times=1))
    town.serve(*bugs)
    letter = town.letter()
    words = put(town, letter)
    until(lambda: len(town.dms.records.arrivals) > 1)
    town.settle()
    return town.audit({letter.document}, words)


def office_away_for_a_while(ground, _rabbitmq, _queue_name, _tmp_path, bugs) -> Account:
    town = ground()
    town.dms.behave(Conduct(manner=Manner.DROP))
    town.serve(*bugs)
    letter = town.letter()
    words = put(town, letter)
    until(lambda: '"event": "delivery.' in town.site.log.read_text())
    town.dms.behave(GOOD)
    town.settle()
    return town.audit({letter.document}, words)


def queue_of_the_office_not_there_yet(ground, rabbitmq, queue_name, _tmp_path, bugs) -> Account:
    key = queue_name("office")
    town = ground(ways=lambda _dms, _office: {"kind": "amqp", "url": rabbitmq, "routing_key": key, "cooling": 0.2})
    town.serve(*bugs)
    letter = town.letter()
    words = put(town, letter)
    until(lambda: '"event": "delivery.' in town.site.log.read_text())
    with MockAmqpDms(rabbitmq, key, office=town.site.offices[0].id) as office:
        town.settle()
        until(lambda: bugs or office.received)
    return town.audit({letter.document}, words, office.records.arrivals, queued=True)


def stand_still(node: Node) -> None:
    """Stop a process for longer than its lease, at a moment when it holds no lock of the store."""
    while True:
        node.signal(signal.SIGSTOP)
        time.sleep(LEASE * 1.2)
        store = sqlite3.connect(node.site.folder / "goniec.sqlite", timeout=0, isolation_level=None)
        with closing(store), suppress(sqlite3.OperationalError):
            store.execute("BEGIN IMMEDIATE")
            return
        node.signal(signal.SIGCONT)
        time.sleep(LEASE / 10)


def overtaken(ground, _rabbitmq, _queue_name, tmp_path, bugs) -> Account:
    """A node stands still for longer than its lease; another takes its delivery over; then its own attempt ends."""
    desk = tmp_path / "desk"
    desk.mkdir()
    first, second = desk / "gate-1", desk / "gate-2"
    first.write_text("away")
    second.write_text("taken")
    town = ground(ways=lambda _dms, _office: {"kind": "gated", "folder": str(desk)})
    packages = integrator.package(tmp_path / "packages")
    node, letter = town.serve(*bugs, packages=packages), town.letter()
    words = put(town, letter)
    until(lambda: len(integrator.arrivals(desk)) == 1)
    stand_still(node)
    town.rival(*bugs, packages=packages)
    until(lambda: len(integrator.arrivals(desk)) == 2)
    node.signal(signal.SIGCONT)
    first.unlink()
    until(lambda: any(it in town.site.log.read_text() for it in ("delivery.lease-lost", "delivery.postponed")))
    second.unlink()
    town.settle()
    return town.audit({letter.document}, words, integrator.arrivals(desk))


def deadly(ground, _rabbitmq, _queue_name, tmp_path, bugs) -> Account:
    """A document ends every process that touches it; somebody starts another, and after a while mends the office."""
    desk, crashes, words = tmp_path / "desk", 2, []
    desk.mkdir()
    packages = integrator.package(tmp_path / "packages")
    town = ground(ways=lambda _dms, _office: {"kind": "gated", "folder": str(desk)}, delivery={"crashes": crashes})
    town.serve(*bugs, packages=packages)
    letter = town.letter(deadly=True)
    with Background(lambda: words.extend(put(town, letter))), open_ledger(town.site.settings) as ledger:

        def given_up() -> bool:
            return bool(ledger.list(Filter(state=DeliveryState.QUARANTINED)))

        for _ in range(crashes + 2):
            until(lambda: given_up() or not town.nodes[-1].alive)
            if not town.nodes[-1].alive:
                town.spawn(*bugs, packages=packages)
        until(lambda: given_up() or not town.nodes[-1].alive)
        (desk / "mended").touch()
        if not town.nodes[-1].alive:
            town.spawn(*bugs, packages=packages)
    town.settle()
    account = town.audit({letter.document}, words, integrator.arrivals(desk))
    assert bugs or len(account.quarantined) == 1
    return account


BREAKS: dict[str, tuple[Callable[..., Account], Promise]] = {
    "receipt-before-commit": (killed_after_the_answer, Promise.KEPT),
    "receipt-made-anew": (killed_after_the_answer, Promise.KEPT),
    "deliveries-after-commit": (killed_after_the_answer, Promise.DELIVERED),
    "document-written-anew": (killed_after_the_answer, Promise.KNOWN),
    "refusal-before-commit": (killed_after_a_refusal, Promise.TOLD),
    "repeat-not-known": (sent_twice, Promise.ONE),
    "repeat-not-looked-up": (sent_again_after_its_route_has_gone, Promise.ANSWERED),
    "ack-before-commit": (taken_from_a_queue_and_killed, Promise.ANSWERED),
    "new-id-for-every-attempt": (answer_of_the_office_lost, Promise.ONCE),
    "delivered-without-an-answer": (office_away_for_a_while, Promise.DELIVERED),
    "parcel-not-confirmed": (queue_of_the_office_not_there_yet, Promise.DELIVERED),
    "lease-without-fence": (overtaken, Promise.FENCED),
    "take-over-told-as-a-claim": (overtaken, Promise.LAWFUL),
    "attempt-counted-at-the-end": (deadly, Promise.COUNTED),
}
SCENARIOS = sorted({scenario for scenario, _ in BREAKS.values()}, key=lambda it: it.__name__)


@pytest.fixture
def play(ground, rabbitmq_url, queue_name, tmp_path):
    return lambda scenario, *bugs: scenario(ground, rabbitmq_url, queue_name, tmp_path, bugs)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: it.__name__)
def test_every_promise_is_kept_where_no_bug_is_planted(play, scenario):
    assert play(scenario).broken == {}


@pytest.mark.parametrize("bug", BREAKS)
def test_the_audit_reports_the_promise_that_a_planted_bug_breaks(play, bug):
    scenario, promise = BREAKS[bug]
    assert promise in play(scenario, bug).broken


def test_every_promise_has_a_bug_that_breaks_it_and_every_bug_a_promise():
    assert {promise for _, promise in BREAKS.values()} == set(Promise)
    # The journal's bug is met where two transactions can be made to overlap: tests/integration/test_journal_stores.py
    assert BUGS.keys() - {"stuck-disk", "chained-after-the-last-id"} == BREAKS.keys()
