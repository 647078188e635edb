"""The keeper with its threads, against real servers that answer, lie and hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from adapters.testkit.certificates import Credential, distinguished, key
from adapters.testkit.responders import Manner, Revocation
from adapters.trust.cache import Cache
from adapters.trust.fetch import Fetcher, Hosts
from adapters.trust.keeper import Keeper, Limits
from adapters.trust.question import Question, Source
from broker.verify import Anchor, TrustSnapshot, path
from broker.verify.certificate import load
from broker.verify.path import Path
from broker.verify.revocation import CRL
from broker.verify.sources import sources
from tests.keeping import Ca

PATIENCE = 30.0


def now() -> datetime:
    return datetime.now(UTC)


class Place:
    """A CA with services, its customers, and a keeper beside them."""

    def __init__(self, service: Revocation, ca: Ca) -> None:
        self.service = service
        self.ca = ca

    def person(self, name: str, **about: bool) -> Credential:
        return self.ca.root.issue(
            distinguished(common_name=name),
            key("kept", "ec-256"),
            not_before=now() - timedelta(days=1),
            not_after=now() + timedelta(days=30),
            extras=self.service.extras(**about),
        )


Keep = Callable[..., Keeper]


@pytest.fixture
def place() -> Iterator[Callable[..., Place]]:
    with ExitStack() as ends:

        def make(name: str = "Kept CA", life: timedelta = timedelta(hours=1)) -> Place:
            ca = Ca(name=name)
            return Place(ends.enter_context(Revocation(ca.root, clock=now, life=life)), ca)

        yield make


@pytest.fixture
def keep() -> Iterator[Keep]:
    with ExitStack() as ends:

        def make(*places: Place, cache: Cache | None = None, seconds: float = 5.0, **limits: int) -> Keeper:
            hosts = Hosts(tuple(host for it in places for host in it.service.hosts))
            trust = trust_of(*places)
            keeper = Keeper(
                fetcher=Fetcher(hosts=hosts, deadline=timedelta(seconds=seconds)),
                trust=lambda: trust,
                clock=now,
                cache=cache,
                limits=Limits(**limits),
            )
            keeper.start()
            ends.callback(keeper.stop)
            return keeper

        yield make


def trust_of(*places: Place) -> TrustSnapshot:
    anchors = tuple(Anchor(certificate=it.ca.root.credential.certificate, name=it.ca.name) for it in places)
    return TrustSnapshot(anchors=anchors, revocation="require")


def way(person: Credential, *places: Place) -> Path:
    return path.find(load(person.der), [], trust_of(*places), now())


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


def status(keeper: Keeper, asked: Path):
    return keeper.evidence().status(asked.certificates[0], asked.issuers[0])


def test_what_is_asked_for_is_there_soon_and_kept_over_a_restart_with_a_dead_authority(place, keep, tmp_path):
    here = place()
    by_ocsp, by_list = way(here.person("a", crl=False), here), way(here.person("b", ocsp=False), here)
    keeper = keep(here, cache=Cache(tmp_path))
    keeper.ask(by_ocsp)
    until(lambda: status(keeper, by_ocsp))
    assert status(keeper, by_list) is None
    keeper.ask(by_list)
    until(lambda: status(keeper, by_list))
    keeper.stop()
    here.service.behave(Manner.DOWN)
    asked = here.service.ocsp.requests + here.service.crl.requests
    again = keep(here, cache=Cache(tmp_path))
    assert status(again, by_ocsp).good  # at once: a start waits for it
    assert status(again, by_list).good
    assert here.service.ocsp.requests + here.service.crl.requests == asked
    stranger = keep(place("Another CA"), cache=Cache(tmp_path))
    assert status(stranger, by_ocsp) is None  # its anchor is not trusted here


def test_two_paths_of_one_signer_are_two_notes_and_each_is_noted_once(place):
    """Of one of them the evidence may never come: it must not stand before the other."""
    here = place()
    one = way(here.person("a", crl=False), here)
    other = replace(one, certificates=(one.certificates[0], *way(here.person("b"), here).certificates))
    keeper = Keeper(fetcher=Fetcher(hosts=Hosts(here.service.hosts)), trust=lambda: trust_of(here), clock=now)
    for _ in range(2):
        for asked in (one, other, one):
            keeper.ask(asked)
        assert keeper._notes() == [one, other]


def test_it_is_kept_with_the_way_on_which_it_was_proven_whichever_was_asked_for_last(place, tmp_path):
    here = place()
    root, found = here.ca.root, way(here.person("a", ocsp=False), here)
    times = {"not_before": now() - timedelta(days=1), "not_after": now() + timedelta(days=1)}
    usage = ("key_cert_sign",)  # and signs no lists
    weak = root.issue(root.credential.certificate.subject, root.credential.key, usage=usage, ca=True, **times)
    (url,) = sources(found.chain[0]).crl
    ways = ((found.certificates[0], load(weak.der)), found.certificates)
    question = Question(key=found.digests[0], chains=ways, source=Source(CRL, url))
    fetcher = Fetcher(hosts=Hosts(here.service.hosts))
    keeper = Keeper(fetcher=fetcher, trust=lambda: trust_of(here), clock=now, cache=Cache(tmp_path))
    keeper._work(question)
    (kept,) = Cache(tmp_path).load()
    assert [it.der for it in kept.chain] == list(found.chain)


def test_what_is_known_of_those_who_stamp_time_is_kept_over_a_restart_too(place, keep, tmp_path):
    here = place()
    asked = way(here.person("unit", crl=False), here)
    keeper = keep(here, cache=Cache(tmp_path))
    keeper.ask(asked)
    until(lambda: status(keeper, asked))
    keeper.stop()
    here.service.behave(Manner.DOWN)
    for_time_alone = TrustSnapshot(timestamp_anchors=trust_of(here).anchors, revocation="require")
    again = Keeper(
        fetcher=Fetcher(hosts=Hosts(here.service.hosts)),
        trust=lambda: for_time_alone,
        clock=now,
        cache=Cache(tmp_path),
    )
    again.start()
    try:
        assert status(again, asked).good
    finally:
        again.stop()


def test_a_revocation_is_remembered_over_a_restart_although_the_evidence_of_it_has_ended(place, keep, tmp_path):
    here = place(life=timedelta(seconds=1))
    person = here.person("revoked", crl=False)
    here.service.revoke(person.certificate, now() - timedelta(days=1))
    asked = way(person, here)
    keeper = keep(here, cache=Cache(tmp_path))
    keeper.ask(asked)
    until(lambda: status(keeper, asked))
    ends = status(keeper, asked).next_update
    keeper.stop()
    here.service.behave(Manner.DOWN)
    until(lambda: now() > ends)
    again = status(keep(here, cache=Cache(tmp_path)), asked)
    assert (again.good, again.final) == (False, True)


def test_one_authority_that_hangs_holds_one_thread_and_all_others_are_served(place, keep):
    hanging, good = place("Hanging CA"), place("Good CA")
    hanging.service.behave(Manner.HANG)
    keeper = keep(hanging, good, threads=2, seconds=20)
    for number in range(50):
        keeper.ask(way(hanging.person(f"held {number}"), hanging, good))
    several = [way(good.person(f"free {number}", crl=False), hanging, good) for number in range(20)]
    for one in several:
        keeper.ask(one)
    until(lambda: all(status(keeper, one) for one in several))
    assert hanging.service.ocsp.requests == 1
    assert hanging.service.crl.requests == 0
    assert not keeper.evidence().silent
    hanging.service.behave(Manner.DOWN)  # lets the one go, so that the end of the test need not wait for it
    until(lambda: len(keeper.evidence().silent) == 50)


def test_asking_never_waits_and_what_the_clerk_cannot_read_is_dropped_and_told(place):
    here = place()
    trust, busy = trust_of(here), threading.Event()
    busy.set()

    def slow() -> TrustSnapshot:
        busy.wait()  # the clerk is held up as long as the test likes
        return trust

    keeper = Keeper(
        fetcher=Fetcher(hosts=Hosts(tuple(here.service.hosts))), trust=slow, clock=now, limits=Limits(waiting=100)
    )
    several = [way(here.person(f"p {number}", crl=False), here) for number in range(300)]
    keeper.start()
    try:
        busy.clear()
        time.sleep(1.1)  # by now it waits
        for one in several:
            keeper.ask(one)
            keeper.ask(one)
        assert keeper._inbox.qsize() <= 100
        assert keeper._dropped >= 2 * 199
        with capture_logs() as said:
            busy.set()
            until(lambda: any(line["event"] == "trust.dropped" for line in said))
        until(lambda: sum(1 for one in several if status(keeper, one)) >= 99)
    finally:
        busy.set()
        keeper.stop()


def test_a_snapshot_of_trust_that_changes_brings_its_authorities(place):
    here = place()
    between = here.ca.root.issue(
        distinguished(common_name="Between"),
        key("between", "ec-256"),
        not_before=now() - timedelta(days=1),
        not_after=now() + timedelta(days=30),
        usage=("key_cert_sign", "crl_sign"),
        ca=True,
        extras=here.service.extras(),
    )
    anchors = trust_of(here).anchors
    trusts = [TrustSnapshot(anchors=anchors, revocation="require")]
    keeper = Keeper(
        fetcher=Fetcher(hosts=Hosts(tuple(here.service.hosts))), trust=lambda: trusts[-1], clock=now, limits=Limits()
    )
    keeper.start()
    try:
        trusts.append(TrustSnapshot(anchors=anchors, intermediates=(between.certificate,), revocation="require"))
        until(lambda: load(between.der).report.sha256 in keeper.evidence().statuses)
    finally:
        keeper.stop()


def test_it_stops_while_it_is_idle_and_before_it_was_started(place):
    here = place()
    trust = trust_of(here)
    for start in (True, False):
        keeper = Keeper(fetcher=Fetcher(hosts=Hosts()), trust=lambda: trust, clock=now)
        if start:
            keeper.start()
        keeper.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("trust")]
