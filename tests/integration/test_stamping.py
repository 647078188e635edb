"""Receipts are time-stamped after they went out: by a real authority on loopback, good, bad, slow and away."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest

from adapters.stores.memory import MemoryStore
from adapters.testkit.tsa import POLICY, Conduct, Tsa, serving
from adapters.trust.fetch import Fetcher, Hosts
from adapters.trust.timestamp import Authority
from broker.errors import ConfigError, Unavailable
from broker.ports import Filter
from broker.proof import check
from broker.stamped import apart, to_stamp
from broker.verify import TrustSnapshot, anchors
from config.settings import OfKind, Settings
from config.settings import Stamping as Section
from config.stamping import Stamping, authority
from tests.builders import an_acceptance
from tests.receipts import ISSUED, PKI, SCHEMA, TRUST, a_seal, a_upp

NOW = ISSUED + timedelta(minutes=1)
CA = PKI.local_ca
STAMPS = TrustSnapshot(anchors=anchors(CA.credential.pem))
LETTER = b"<letter/>"


def a_store(number=1):
    store = MemoryStore(lambda: NOW)
    seal = a_seal()
    for _ in range(number):
        acceptance = an_acceptance(LETTER)
        object.__setattr__(acceptance.receipt, "xml", a_upp(LETTER, seal=seal))
        store.accept(acceptance)
    return store


@pytest.fixture
def tsa():
    return Tsa.of(CA, NOW)


@pytest.fixture
def url(tsa):
    with serving(tsa) as url:
        yield url


def asking(url, *, clock=lambda: NOW, trust=STAMPS, policy="", deadline=5.0):
    host = url.removeprefix("http://").rstrip("/")
    fetcher = Fetcher(hosts=Hosts((host,)), deadline=timedelta(seconds=deadline), most=100_000)
    return Authority(fetcher=fetcher, url=url, trust=trust, clock=clock, policy=policy)


def a_job(store, url, **about):
    how = {name: about.pop(name) for name in ("most", "parallel") if name in about}
    return Stamping(store=store, stamp=asking(url, **about).stamp, clock=lambda: NOW, **how)


def copies(store):
    records = [store.show(one.submission.id) for one in store.list(everything())]
    return [one.stamped for one in records if one.stamped is not None]


def everything():
    return Filter(most=1000)


def test_every_receipt_gets_its_copy_and_stays_as_it_is(tsa, url):
    store = a_store(5)
    before = {one.receipt.id: one.receipt.xml for one in store.list(everything())}
    a_job(store, url).run()
    assert store.unstamped() == [] or not list(store.unstamped())
    assert {one.receipt.id: one.receipt.xml for one in store.list(everything())} == before
    made = copies(store)
    assert len(made) == 5
    for one in made:
        found = check(one, schema=SCHEMA, trust=TRUST, stamps=STAMPS, document=LETTER)
        assert found.holds, found
        assert found.stamped_at == NOW.replace(microsecond=0)
    assert len(tsa.asked) == 5


def test_a_repeat_gets_the_receipt_as_it_was_issued(url):
    store = MemoryStore(lambda: NOW)
    acceptance = an_acceptance(LETTER)
    object.__setattr__(acceptance.receipt, "xml", a_upp(LETTER))
    store.accept(acceptance)
    a_job(store, url).run()
    assert copies(store)
    assert store.accept(acceptance).xml == acceptance.receipt.xml


def test_no_more_are_stamped_in_a_run_than_configured_and_the_oldest_first(tsa, url):
    store = a_store(7)
    job = a_job(store, url, most=3)
    waiting = [one.id for one in store.unstamped()]
    job.run()
    assert [one.id for one in store.unstamped()] == waiting[3:]
    job.run()
    job.run()
    assert not list(store.unstamped())
    job.run()
    assert len(tsa.asked) == 7


@pytest.mark.parametrize(
    ("conduct", "said"),
    [
        (Conduct.WRONG_IMPRINT, "verify.timestamp-imprint"),
        (Conduct.WRONG_NONCE, "nonce"),
        (Conduct.WRONG_POLICY, "policy"),
        (Conduct.OLD, "old"),
        (Conduct.REFUSES, "refuses: rejection"),
        (Conduct.RUBBISH, "cannot be read"),
        (Conduct.FAILS, "503"),
    ],
)
def test_what_is_wrong_with_an_answer_keeps_nothing_and_is_tried_again(tsa, url, conduct, said):
    store = a_store()
    tsa.conduct = conduct
    with pytest.raises(Unavailable, match=said):
        asking(url, policy=POLICY).stamp(b"octets")
    job = a_job(store, url, policy=POLICY)
    job.run()
    assert copies(store) == []
    tsa.conduct = Conduct.GOOD
    job.run()
    assert len(copies(store)) == 1


def test_a_strangers_time_stamp_is_not_kept(url, tsa):
    tsa.credential = Tsa.of(PKI.untrusted_ca, NOW).credential
    store = a_store()
    with pytest.raises(Unavailable, match="timestamp-untrusted"):
        asking(url).stamp(b"octets")
    a_job(store, url).run()
    assert copies(store) == []


def test_an_authority_whose_clock_runs_ahead_is_not_believed(url):
    with pytest.raises(Unavailable, match="timestamp-future"):
        asking(url, clock=lambda: NOW - timedelta(hours=1)).stamp(b"octets")


def test_an_authority_that_is_away_ends_the_run_and_stamps_catch_up(tsa):
    store = a_store(6)
    with serving(tsa) as url:
        pass
    a_job(store, url).run()
    assert copies(store) == []
    with serving(tsa) as url:
        a_job(store, url).run()
    assert len(copies(store)) == 6


def test_an_authority_that_hangs_costs_one_deadline_and_no_more(tsa, url):
    store = a_store(20)
    tsa.conduct = Conduct.HANGS
    a_job(store, url, deadline=0.3, parallel=2).run()
    assert copies(store) == []
    assert len(tsa.asked) <= 4, "after the first that was not answered, nobody else is asked"


def test_what_cannot_be_stamped_does_not_block_the_rest(tsa, url):
    store = a_store(3)
    odd = an_acceptance(b"<odd/>", id="s000000")  # sorts first; its receipt was issued by another version
    store.accept(odd)
    job = a_job(store, url, most=1)
    for _ in range(5):
        job.run()
    assert len(copies(store)) == 3
    assert [one.submission for one in store.unstamped()] == [odd.submission.id]


def test_openssl_verifies_the_token_of_a_copy(tsa, url, tmp_path):
    store = a_store()
    a_job(store, url).run()
    (copy,) = copies(store)
    receipt, token = apart(copy.partition(b"\n")[2])
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "data").write_bytes(to_stamp(receipt))
    (tmp_path / "ca.pem").write_bytes(CA.credential.pem)
    words = ["ts", "-verify", "-data", "data", "-in", "token", "-token_in", "-CAfile", "ca.pem"]
    command = ["openssl", *words, "-attime", str(int(NOW.timestamp()))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout, done.stderr


def configured(tmp_path, **about):
    section = Section(**{"url": "http://tsa.example/", "ca": ["ca.pem"], **about})
    return Settings(seal=OfKind(kind="pem"), stamping=section, folder=tmp_path)


def test_the_configuration_names_an_authority_or_none(tmp_path):
    (tmp_path / "ca.pem").write_bytes(CA.credential.pem)
    assert authority(configured(tmp_path, url="")) is None
    made = authority(configured(tmp_path, policy=POLICY, deadline=3))
    assert (made.url, made.policy, made.fetcher.deadline) == ("http://tsa.example/", POLICY, timedelta(seconds=3))
    assert [anchor.der for anchor in made.trust.anchors] == [CA.credential.der]


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"ca": []}, "stamping.ca"),
        ({"ca": ["nowhere.pem"]}, "nowhere.pem"),
        ({"url": "ftp://tsa.example/"}, "stamping.url"),
        ({"hosts": ["a b"]}, "a b"),
    ],
)
def test_what_is_wrong_with_the_configuration_is_told(tmp_path, about, said):
    (tmp_path / "ca.pem").write_bytes(CA.credential.pem)
    with pytest.raises(ConfigError, match=said):
        authority(configured(tmp_path, **about))


def test_an_authority_on_loopback_must_be_listed_by_its_address(tmp_path, tsa, url):
    """Else a name that leads inside would let the broker call what its network hides."""
    (tmp_path / "ca.pem").write_bytes(CA.credential.pem)
    port = url.rstrip("/").rpartition(":")[2]
    named = configured(tmp_path, url=f"http://localhost:{port}/")
    with pytest.raises(Unavailable):
        authority(named).fetcher.post(f"http://localhost:{port}/", b"", "application/timestamp-query")
    assert tsa.asked == []
