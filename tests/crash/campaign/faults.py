"""What goes wrong in a campaign, one kind a function: each brings its trouble, and takes it away again."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from typing import Final

import psutil

from adapters.testkit.dms_conduct import GOOD, Conduct, Manner
from adapters.testkit.proxy import Mood, Proxy
from config.demo.site import children
from tests.crash.campaign.field import DEADLINE, LEASE, Field, Machine

HOUR: Final = 3600
SERVED: Final = 12  # seconds: longer than the supervisor wants to see before it starts the next without a pause
WITHOUT_WORKERS: Final = 120  # seconds at most in which none has served so long
WRITES: Final = ("rw/write", "rw/pwrite")
FLUSHES: Final = ("sync/fsync", "sync/fdatasync")


def _some(field: Field) -> Machine:
    return field.chance.choice(field.machines)


def _for_a_moment(field: Field, most: float = 3.0) -> None:
    time.sleep(field.chance.uniform(0.2, most))


def a_node_is_killed(field: Field) -> None:
    machine = _some(field)
    machine.kill()
    _for_a_moment(field, 1)
    machine.start()
    machine.wait_until_ready()


def all_nodes_are_killed(field: Field) -> None:
    for machine in field.machines:
        machine.kill()
    for machine in field.machines:
        machine.start()
    for machine in field.machines:
        machine.wait_until_ready()


def a_worker_is_killed(field: Field) -> None:
    """Of those behind one address, the one that has served the longest, once it has served for a while.

    One that is killed as soon as it is there is started again with pauses: that would be another test.
    """
    (machine,) = field.machines
    assert machine.process is not None
    until = time.monotonic() + WITHOUT_WORKERS
    while not (serving := [pid for pid in children(machine.process.pid) if _age(pid) > SERVED]):
        assert machine.alive, "the process that watches over the workers has ended"
        assert time.monotonic() < until, "the workers that were killed are not replaced"
        time.sleep(0.05)
    os.kill(serving[0], signal.SIGKILL)


def _age(pid: int) -> float:
    """Return how many seconds ago a process began."""
    try:
        return time.time() - psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def a_node_is_replaced(field: Field) -> None:
    """As in an upgrade: it drains, and another takes its place."""
    machine = _some(field)
    status = machine.stop()
    assert status == 0, f"a node that was asked to stop ended with {status}"
    machine.start()
    machine.wait_until_ready()


def a_node_stands_still_for_longer_than_its_lease(field: Field) -> None:
    machine = _some(field)
    machine.signal(signal.SIGSTOP)
    time.sleep(LEASE * field.chance.uniform(1.2, 2))
    machine.signal(signal.SIGCONT)


def a_clock_jumps(field: Field) -> None:
    """On one file all nodes have the machine's clock, which is the store's; else each has its own."""
    jump = str(field.chance.choice((HOUR, -HOUR)))
    machines = field.machines if field.postgres is None else [_some(field)]
    for machine in machines:
        machine.clock.write_text(jump)
    _for_a_moment(field)
    for machine in machines:
        machine.clock.write_text("0")


def the_disk_is_full(field: Field) -> None:
    _disk(field, WRITES, errno.ENOSPC)


def the_disk_fails(field: Field) -> None:
    _disk(field, (*WRITES, *FLUSHES), errno.EIO)


def _disk(field: Field, points: tuple[str, ...], error: int) -> None:
    machine = _some(field)
    machine.fail(*points, error=error)
    _for_a_moment(field)
    machine.heal(*points)


def an_office_hangs(field: Field) -> None:
    _office(field, Conduct(manner=Manner.HANG))


def an_office_answers_by_half(field: Field) -> None:
    _office(field, Conduct(manner=Manner.HALF, keeps=True))


def an_offices_answer_is_lost(field: Field) -> None:
    _office(field, Conduct(manner=Manner.DROP, keeps=True))


def an_office_answers_after_the_deadline(field: Field) -> None:
    _office(field, Conduct(delay=DEADLINE * 1.3, keeps=True))


def an_office_storms_with_errors(field: Field) -> None:
    _office(field, Conduct(manner=Manner.HTTP, code=503))


def an_office_talks_nonsense(field: Field) -> None:
    _office(field, Conduct(manner=Manner.GARBAGE))


def _office(field: Field, conduct: Conduct) -> None:
    dms = field.chance.choice([field.dms, field.tls_dms])
    dms.behave(conduct)
    _for_a_moment(field)
    dms.behave(GOOD)


def an_offices_certificate_has_expired(field: Field) -> None:
    field.certificates.show(field.certificates.expired)
    field.tls_dms.hang_up()
    _for_a_moment(field)
    field.certificates.show(field.certificates.good)


def postgresql_is_killed(field: Field) -> None:
    assert field.postgres is not None
    field.postgres.kill()
    field.postgres.start()


def postgresqls_connections_are_cut(field: Field) -> None:
    assert field.postgres is not None
    field.postgres.cut()


def rabbitmq_is_killed(field: Field) -> None:
    assert field.rabbit is not None
    field.rabbit.kill()
    field.rabbit.start()


def the_way_to_postgresql_is_cut(field: Field) -> None:
    _way(field, field.store_proxies, Mood.REFUSE)


def the_way_to_postgresql_swallows(field: Field) -> None:
    _way(field, field.store_proxies, Mood.SWALLOW)


def the_way_to_postgresql_is_slow(field: Field) -> None:
    _way(field, field.store_proxies, Mood.DELAY)


def the_way_to_rabbitmq_is_cut(field: Field) -> None:
    _way(field, field.rabbit_proxies, Mood.REFUSE)


def the_way_to_rabbitmq_swallows(field: Field) -> None:
    _way(field, field.rabbit_proxies, Mood.SWALLOW)


def the_way_to_rabbitmq_closes_by_half(field: Field) -> None:
    _way(field, field.rabbit_proxies, Mood.HALF_CLOSE)


def _way(field: Field, proxies: list[Proxy], mood: Mood) -> None:
    proxy = field.chance.choice(proxies)
    proxy.be(mood)
    _for_a_moment(field)
    if mood is Mood.SWALLOW:  # what was swallowed never comes: no connection goes on as if nothing had been
        proxy.be(Mood.REFUSE)
        time.sleep(0.1)
    proxy.be(Mood.FORWARD)


Fault = Callable[[Field], None]

ANYWHERE: tuple[Fault, ...] = (
    a_node_is_killed,
    all_nodes_are_killed,
    a_node_is_replaced,
    a_node_stands_still_for_longer_than_its_lease,
    a_clock_jumps,
    an_office_hangs,
    an_office_answers_by_half,
    an_offices_answer_is_lost,
    an_office_answers_after_the_deadline,
    an_office_storms_with_errors,
    an_office_talks_nonsense,
    an_offices_certificate_has_expired,
)
ON_ONE_FILE: tuple[Fault, ...] = (*ANYWHERE, the_disk_is_full, the_disk_fails)
ON_ENGINES: tuple[Fault, ...] = (
    *ANYWHERE,
    postgresql_is_killed,
    postgresqls_connections_are_cut,
    rabbitmq_is_killed,
    the_way_to_postgresql_is_cut,
    the_way_to_postgresql_swallows,
    the_way_to_postgresql_is_slow,
    the_way_to_rabbitmq_is_cut,
    the_way_to_rabbitmq_swallows,
    the_way_to_rabbitmq_closes_by_half,
)


def faults_of(engine: str) -> tuple[Fault, ...]:
    """Return what can go wrong there."""
    return ON_ONE_FILE if engine == "sqlite" else ON_ENGINES


def name_of(fault: Fault) -> str:
    return fault.__name__.replace("_", " ")
