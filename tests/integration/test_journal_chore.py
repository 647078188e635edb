"""The journal's chore step by step: what it does while the seal, the authority or the disk is away, and after a crash."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from adapters.stores import MemoryStore
from adapters.testkit.stores.values import Hands
from adapters.testkit.tsa import Conduct, Tsa, serving
from broker.errors import ConfigError, Unavailable
from broker.journal import Journal
from broker.journal_head import is_sealed_of, judge_seal, judge_stamp, noted
from broker.verify import TrustSnapshot, anchors
from config.journal import Chaining, examine, publish
from config.journal_verify import Believed, believed, check_store
from config.settings import Journal as Section
from config.settings import OfKind, Settings, Stamping
from tests.builders import an_acceptance
from tests.integration.test_stamping import asking
from tests.receipts import ISSUED, PKI, TRUST, a_seal

CA = PKI.local_ca
STAMPS = TrustSnapshot(anchors=anchors(CA.credential.pem))


class Seal:
    """A seal that can be taken away."""

    def __init__(self):
        self.real, self.away = a_seal(), False

    def seal(self, unsigned):
        if self.away:
            raise Unavailable("the token is out")
        return self.real.seal(unsigned)


@pytest.fixture
def clock():
    hands = Hands()
    hands.now = ISSUED
    return hands


@pytest.fixture
def store(clock):
    return MemoryStore(clock)


@pytest.fixture
def seal():
    return Seal()


@pytest.fixture
def chore(store, clock, seal, tmp_path):
    def make(**about) -> Chaining:
        return Chaining(
            **{
                "journal": store.journal,
                "seal": seal,
                "stamp": None,
                "heads": tmp_path / "heads.txt",
                "clock": clock,
                "most": 3,
                **about,
            }
        )

    return make


def write(store, number=1):
    for _ in range(number):
        store.accept(an_acceptance())


def verdict(store, tmp_path, **about):
    heads = (tmp_path / "heads.txt",) if (tmp_path / "heads.txt").exists() else ()
    against = Believed(published=believed(heads, (), ()).published, trust=TRUST, **about)
    return check_store(store.journal, against, lambda *_: None)


def told(logs, name):
    return [one for one in logs if one["event"] == name]


def test_a_run_chains_seals_and_publishes_all_there_is(store, chore, tmp_path):
    write(store, 7)
    with capture_logs() as logs:
        chore().run()
    batches = store.journal.batches()
    assert [one.size for one in batches] == [3, 3, 1]
    assert all(is_sealed_of(one.sealed, one) and not judge_seal(one.sealed, TRUST).code for one in batches)
    assert [(one["number"], one["head"], one["events"]) for one in told(logs, "journal.head")] == [
        (one.number, one.head.hex(), one.size) for one in batches
    ]
    assert noted((tmp_path / "heads.txt").read_bytes().splitlines()).heads == {one.number: one.head for one in batches}
    account = verdict(store, tmp_path)
    assert (account.sound, account.compared, account.window.batches) == (True, 3, 0)
    assert [one.by for one in account.seals] == [PKI.seal.certificate.subject.rfc4514_string()]


def test_a_run_with_nothing_to_do_does_nothing(store, chore, tmp_path):
    chore().run()
    assert store.journal.last() is None
    write(store)
    chore().run()
    before = (tmp_path / "heads.txt").read_bytes()
    chore().run()
    assert (tmp_path / "heads.txt").read_bytes() == before
    assert len(store.journal.batches()) == 1


def test_while_the_seal_is_away_heads_are_chained_and_published_and_sealed_later(store, chore, seal, clock, tmp_path):
    seal.away = True
    for _ in range(3):
        write(store, 2)
        with capture_logs() as logs:
            chore().run()
        assert told(logs, "journal.seal-unavailable")
        clock.pass_by(timedelta(minutes=3))
    assert len(store.journal.unsealed()) == 3
    assert (
        verdict(
            store,
            tmp_path,
        ).window.batches
        == 0
    )  # the file of heads vouches for them
    with capture_logs() as logs:
        chore().run()
    (lag,) = told(logs, "journal.lag")
    assert (lag["unsealed"], lag["unchained"], lag["since"]) == (3, 0, ISSUED)
    seal.away = False
    with capture_logs() as logs:
        chore().run()
    assert store.journal.unsealed() == []
    assert told(logs, "journal.lag") == []


def test_while_the_authority_is_away_events_are_chained_and_sealed_and_the_stamps_catch_up(
    store, chore, clock, tmp_path
):
    tsa = Tsa.of(CA, ISSUED)
    tsa.clock = clock
    with serving(tsa) as url:
        job = chore(stamp=asking(url, clock=clock).stamp)
        for conduct in (Conduct.FAILS, Conduct.RUBBISH, Conduct.WRONG_IMPRINT):
            tsa.conduct = conduct
            write(store, 2)
            with capture_logs() as logs:
                job.run()
            assert told(logs, "journal.stamp-unavailable")
            clock.pass_by(timedelta(minutes=3))
        assert (len(store.journal.unstamped()), store.journal.unsealed()) == (3, [])
        with capture_logs() as logs:
            job.run()
        assert [one["unstamped"] for one in told(logs, "journal.lag")] == [3]
        tsa.conduct = Conduct.GOOD
        job.run()
    assert store.journal.unstamped() == []
    assert [judge_stamp(one.stamp, one, STAMPS) for one in store.journal.batches()] == ["", "", ""]
    alone = check_store(store.journal, Believed(stamps=STAMPS), lambda *_: None)
    assert (alone.sound, alone.window.batches) == (True, 0)  # time-stamps alone vouch for it


def test_time_stamps_that_are_switched_on_later_begin_with_the_newest_head(store, chore, clock, tmp_path):
    """It covers all before it: nobody is asked for half a million time-stamps of last year."""
    for _ in range(5):
        write(store)
        chore(heads=None).run()
        clock.pass_by(timedelta(minutes=1))
    tsa = Tsa.of(CA, ISSUED)
    tsa.clock = clock
    asked = []
    with serving(tsa) as url:
        authority = asking(url, clock=clock).stamp

        def stamp(octets):
            asked.append(octets)
            return authority(octets)

        clock.pass_by(timedelta(hours=1))
        with capture_logs() as logs:
            chore(heads=None, stamp=stamp).run()
        assert (len(asked), told(logs, "journal.lag")) == (1, [])
        for _ in range(2):
            write(store)
            chore(heads=None, stamp=stamp).run()
    batches = store.journal.batches()
    assert [one.number for one in batches if one.stamp] == [5, 6, 7]
    alone = check_store(store.journal, Believed(stamps=STAMPS), lambda *_: None)
    assert (alone.sound, alone.window.batches, alone.stamped_from) == (True, 0, 5)
    store.journal._batches[5] = replace(batches[5], stamp=None)
    chore(heads=None, stamp=stamp).run()  # what was taken off again is not put back: it is found
    (found,) = check_store(store.journal, Believed(stamps=STAMPS), lambda *_: None).found
    assert (found.kind, found.batch) == ("stamp-missing", 6)


def test_an_authority_that_is_not_believed_leaves_it_open_what_its_time_stamps_are_worth(store, chore, clock):
    tsa = Tsa.of(CA, ISSUED)
    write(store, 7)
    with serving(tsa) as url:
        chore(heads=None, most=1, stamp=asking(url, clock=clock).stamp).run()
        write(store)
        chore(heads=None, most=1, stamp=asking(url, clock=clock).stamp).run()
    other = TrustSnapshot(anchors=anchors(PKI.untrusted_ca.credential.pem))
    account = check_store(store.journal, Believed(stamps=other), lambda *_: None)
    (doubt,) = account.doubts
    assert (doubt.kind, doubt.code) == ("stamp-unknown", "verify.timestamp-untrusted")
    assert (doubt.first, doubt.last, doubt.number) == (7, 8, 2)
    assert (account.number, account.sound, account.vouched, account.window.batches) == (0, False, 0, 8)
    assert check_store(store.journal, Believed(trust=TRUST, stamps=other), lambda *_: None).vouched == 8


def test_openssl_finds_the_head_in_its_time_stamp(store, chore, clock, tmp_path):
    tsa = Tsa.of(CA, ISSUED)
    with serving(tsa) as url:
        write(store)
        chore(stamp=asking(url, clock=clock).stamp).run()
    (batch,) = store.journal.batches()
    token, ca = tmp_path / "stamp.der", tmp_path / "ca.pem"
    token.write_bytes(batch.stamp)
    ca.write_bytes(CA.credential.certificate.public_bytes(Encoding.PEM))
    words = ["openssl", "ts", "-verify", "-digest", batch.head.hex(), "-in", token, "-token_in", "-CAfile", ca]
    at = str(int(ISSUED.timestamp()))
    done = subprocess.run([*words, "-attime", at], capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout + done.stderr
    assert believed((token,), (), ()).published.nameless == (batch.head,)


@pytest.mark.parametrize("stamps", [None, STAMPS], ids=["unasked", "judged"])
def test_time_stamps_alone_show_that_all_was_made_anew_and_sealed_again(store, chore, clock, tmp_path, stamps):
    """Whoever has the seal's key can seal another journal; he cannot have had it time-stamped before he made it."""
    tsa = Tsa.of(CA, ISSUED)
    other = MemoryStore(clock)
    write(store, 3)
    write(other, 3)
    with serving(tsa) as url:
        chore(stamp=asking(url, clock=clock).stamp).run()
    chore(journal=other.journal, heads=None).run()
    assert check_store(other.journal, Believed(trust=TRUST), lambda *_: None).sound  # by itself
    other.journal.keep_stamp(1, store.journal.last().stamp)
    (found,) = check_store(other.journal, Believed(trust=TRUST, stamps=stamps), lambda *_: None).found
    assert (found.kind, found.batch, found.detail) == ("stamp-broken", 1, "verify.timestamp-imprint")


class Died(BaseException):
    """The process ends here."""


STEPS = ["chain", "batches", "unsealed", "keep_sealed", "unstamped", "keep_stamp", "lag"]


@pytest.mark.parametrize("at", [(step, after) for step in STEPS for after in (False, True)], ids=str)
def test_a_run_that_dies_at_any_step_is_followed_by_one_that_goes_on(store, chore, clock, tmp_path, at):
    step, after = at

    class Deadly:
        """The store's journal, for a process that dies."""

        def __getattr__(self, name):
            real = getattr(store.journal, name)
            if name != step:
                return real

            def call(*words, **about):
                if after:
                    real(*words, **about)
                raise Died

            return call

    tsa = Tsa.of(CA, ISSUED)
    with serving(tsa) as url:
        stamp = asking(url, clock=clock).stamp
        dying: Journal = Deadly()
        for _ in range(2):
            write(store, 4)
            with pytest.raises(Died):
                chore(journal=dying, stamp=stamp).run()
        write(store)
        chore(stamp=stamp).run()
    account = verdict(store, tmp_path, stamps=STAMPS)
    assert (account.sound, account.events, account.window.batches) == (True, 9, 0)
    assert account.compared == account.batches == len((tmp_path / "heads.txt").read_text().splitlines())
    assert (store.journal.unsealed(), store.journal.unstamped(after=account.stamped_from)) == ([], [])
    assert account.stamped_from


def test_few_events_wait_until_the_oldest_is_old_enough_and_full_batches_do_not_wait(store, chore, clock):
    minute = timedelta(minutes=1)
    job = chore(every=minute)
    write(store, 2)
    job.run()
    assert store.journal.last() is None
    write(store, 2)
    job.run()
    assert [one.size for one in store.journal.batches()] == [3]
    clock.pass_by(minute)
    job.run()
    assert [one.size for one in store.journal.batches()] == [3, 1]


def test_what_cannot_be_chained_holds_up_neither_seals_nor_heads_and_is_told(store, chore, clock, tmp_path):
    class Stuck:
        """The store's journal with an event in it that cannot be read."""

        def __getattr__(self, name):
            return getattr(store.journal, name)

        def chain(self, most):
            raise Unavailable("the journal holds what cannot be read: event 7")

    write(store, 3)
    store.journal.chain(3)
    write(store)
    clock.pass_by(timedelta(hours=1))
    with capture_logs() as logs:
        chore(journal=Stuck()).run()
    assert [one["reason"] for one in told(logs, "journal.not-chained")] == [
        "the journal holds what cannot be read: event 7"
    ]
    assert [one["unchained"] for one in told(logs, "journal.lag")] == [1]
    assert (store.journal.last(sealed=True).number, (tmp_path / "heads.txt").read_bytes()[:2]) == (1, b"1 ")


def test_a_clock_that_was_set_back_holds_nothing_up(store, chore, clock):
    write(store)
    clock.pass_by(timedelta(hours=-1))
    chore(every=timedelta(minutes=1)).run()
    assert store.journal.lag().unchained == 0


def test_between_two_batches_intake_has_the_store_to_itself(store, chore):
    waited = []
    write(store, 12)
    chore(wait=waited.append).run()
    assert len(waited) == 4
    assert all(one > 0 for one in waited)


def test_the_same_complaint_is_made_once_a_minute(store, chore, seal, clock):
    seal.away = True
    job = chore()
    write(store)
    with capture_logs() as logs:
        for _ in range(20):
            job.run()
            clock.pass_by(timedelta(seconds=5))
    assert len(told(logs, "journal.seal-unavailable")) == 2


# ── the file of heads ──


def test_a_line_that_a_crash_has_torn_is_left_and_written_again(store, chore, tmp_path):
    write(store, 9)
    chore().run()
    file = tmp_path / "heads.txt"
    whole = file.read_bytes()
    for length in range(len(whole) - 1):
        file.write_bytes(whole[:length])
        publish(store.journal, file)
        found = noted(file.read_bytes().splitlines())
        assert found.heads == noted(whole.splitlines()).heads
        assert (found.twice, found.unread <= 1) == (frozenset(), True)


@pytest.mark.parametrize("lost", [1, 70, 5000, 100_000])
@pytest.mark.parametrize("torn", [b"", b"4 ab", b"4 " + b"ab" * 32])
def test_nuls_that_a_power_cut_has_left_are_passed_over(store, chore, tmp_path, lost, torn):
    write(store, 9)
    job = chore()
    job.run()
    file = tmp_path / "heads.txt"
    whole = file.read_bytes()
    file.write_bytes(whole + torn + bytes(lost))
    write(store, 3)
    with capture_logs() as logs:
        job.run()
    assert told(logs, "journal.contradicted") == []
    assert file.read_bytes().startswith(whole + torn + bytes(lost) + b"\n4 ")
    found = noted(file.read_bytes().splitlines())
    assert (sorted(found.heads), found.twice, found.unread) == ([1, 2, 3, 4], frozenset(), 1)
    assert verdict(store, tmp_path).compared == 4


@pytest.mark.parametrize("lost", [70, 5000])
def test_nuls_hide_no_head_that_the_store_contradicts(store, chore, clock, tmp_path, lost):
    write(store, 9)
    chore().run()
    file = tmp_path / "heads.txt"
    file.write_bytes(file.read_bytes() + bytes(lost))
    forged = made_anew(store, clock, 9)
    with capture_logs() as logs:
        chore(journal=forged.journal).run()
    assert told(logs, "journal.contradicted")
    file.write_bytes(b"\0letter\0")  # and another file stays another file
    with capture_logs() as logs:
        chore().run()
    assert told(logs, "journal.contradicted")


def test_a_head_counts_as_published_when_it_is_on_the_disk(store, chore, tmp_path, monkeypatch):
    flushed, real = [], os.fsync

    def fsync(descriptor):
        real(descriptor)
        flushed.append(Path(f"/proc/self/fd/{descriptor}").resolve())

    monkeypatch.setattr(os, "fsync", fsync)
    write(store)
    chore().run()
    assert flushed == [tmp_path, tmp_path / "heads.txt"]


def test_the_file_catches_up_with_all_that_was_chained_without_it(store, chore, tmp_path):
    write(store, 9)
    chore(heads=None, most=1).run()
    assert not (tmp_path / "heads.txt").exists()
    chore().run()
    assert verdict(store, tmp_path).compared == 9


@pytest.mark.parametrize("way", ["cut", "rewritten", "another-file"])
def test_nothing_is_added_to_a_file_that_contradicts_the_store(store, chore, clock, tmp_path, way):
    write(store, 3)
    chore(most=1).run()
    file = tmp_path / "heads.txt"
    if way == "another-file":
        file.write_bytes(b"[journal]\nheads = 'goniec.toml'\n")
    kept = file.read_bytes()
    other = MemoryStore(clock)
    write(other, 2 if way == "cut" else 4)
    with capture_logs() as logs:
        chore(journal=store.journal if way == "another-file" else other.journal, most=1).run()
    assert told(logs, "journal.contradicted")[0]["log_level"] == "error"
    assert file.read_bytes() == kept
    if way != "another-file":
        found = {one.kind for one in verdict(other, tmp_path).found}
        assert found == ({"tail-cut", "rewritten"} if way == "cut" else {"rewritten"})


@pytest.mark.parametrize("file", ["/dev/full", "/dev"])
def test_a_disk_that_is_full_holds_up_nothing_but_the_file(store, chore, file):
    write(store)
    with capture_logs() as logs:
        chore(heads=Path(file)).run()
    assert told(logs, "journal.heads-unwritable")
    assert store.journal.unsealed() == []


# ── the configuration ──


def settings(tmp_path, stamping=None, **about):
    (tmp_path / "ca.pem").write_bytes(PKI.seal_ca.credential.pem)
    return Settings(
        seal=OfKind(kind="pem"),
        folder=tmp_path,
        stamping=stamping or Stamping(),
        journal=Section(**{"ca": ("ca.pem",), **about}),
    )


def test_a_configuration_that_can_be_is_taken(tmp_path):
    examine(settings(tmp_path))
    examine(
        settings(tmp_path, heads="heads.txt", stamp=True, stamping=Stamping(url="http://tsa.example/", ca=("x.pem",)))
    )


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({"ca": ("gone.pem",)}, "journal.ca"),
        ({"stamp": True}, "journal.stamp"),
        ({"heads": "nowhere/heads.txt"}, "journal.heads"),
    ],
)
def test_a_configuration_that_cannot_be_is_named(tmp_path, about, problem):
    with pytest.raises(ConfigError) as wrong:
        examine(settings(tmp_path, **about))
    assert [one.startswith(problem) for one in wrong.value.problems] == [True]


# ── a journal that was made anew ──


def made_anew(store, clock, number):
    """Another journal in the store's place: what somebody makes who can write to the database."""
    other = MemoryStore(clock)
    write(other, number)
    while other.journal.chain(1):
        pass
    return other


class Replaced:
    """A store's journal in whose place another can be put."""

    def __init__(self, journal):
        self.now = journal

    def __getattr__(self, name):
        return getattr(self.now, name)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_what_contradicts_the_file_of_heads_is_neither_sealed_nor_stamped(store, chore, clock, number):
    write(store, 3)
    chore(most=1).run()
    forged = made_anew(store, clock, number)
    asked = []
    with capture_logs() as logs:
        chore(journal=forged.journal, most=1, stamp=asked.append).run()
    assert told(logs, "journal.contradicted")
    assert len(forged.journal.unsealed()) == number
    assert asked == []


@pytest.mark.parametrize("number", [0, 2, 3, 5])
def test_a_journal_that_was_made_anew_while_the_broker_runs_is_neither_chained_nor_sealed(store, chore, clock, number):
    """Without any file of heads: the process remembers the last head it has seen."""
    journal, asked = Replaced(store.journal), []
    write(store, 3)
    job = chore(journal=journal, most=1, heads=None)
    job.run()
    forged = made_anew(store, clock, number)
    write(forged, 1)
    journal.now = forged.journal
    object.__setattr__(job, "stamp", asked.append)
    with capture_logs() as logs:
        job.run()
        job.run()
    assert [one["log_level"] for one in told(logs, "journal.contradicted")] == ["error"]
    assert (len(forged.journal.unsealed()), forged.journal.lag().unchained) == (number, 1)
    assert asked == []
    object.__setattr__(job, "stamp", None)
    journal.now = store.journal
    write(store, 1)
    job.run()
    assert (store.journal.last(sealed=True).number, store.journal.lag().unchained) == (4, 0)


def test_a_journal_that_is_made_anew_while_a_batch_is_chained_is_not_sealed(store, chore, clock):
    write(store, 3)
    forged = made_anew(store, clock, 4)
    journal = Replaced(store.journal)

    def swap(_seconds):
        journal.now = forged.journal

    chore(journal=journal, heads=None, wait=swap).run()
    assert len(forged.journal.unsealed()) == 4
    assert len(store.journal.unsealed()) == 1


def test_what_other_nodes_chain_is_sealed_as_long_as_it_follows(store, chore):
    write(store, 3)
    one, other = chore(most=1), chore(most=1)
    for _ in range(3):
        one.run()
        write(store, 2)
        other.run()
        write(store, 1)
    with capture_logs() as logs:
        one.run()
    assert (store.journal.unsealed(), told(logs, "journal.contradicted")) == ([], [])


def test_a_batch_that_does_not_follow_what_was_seen_is_not_sealed(store, chore, clock):
    """Whoever leaves the last head alone and puts something behind it."""
    write(store, 1)
    job = chore(heads=None)
    journal = Replaced(store.journal)
    object.__setattr__(job, "journal", journal)
    job.run()
    (mine,) = store.journal.batches()
    [_, stranger] = made_anew(store, clock, 2).journal.batches()

    class Behind:
        """The store's journal with a batch of another one behind."""

        def __getattr__(self, name):
            return getattr(store.journal, name)

        def batches(self, after=0, most=100):
            return [one for one in (mine, stranger) if one.number > after][:most]

        def unsealed(self, most=100):
            raise AssertionError("it is to be sealed")

    journal.now = Behind()
    with capture_logs() as logs:
        job.run()
    assert told(logs, "journal.contradicted")


def test_a_new_file_of_heads_beside_a_journal_that_was_there_is_told(store, chore, tmp_path):
    write(store, 3)
    with capture_logs() as logs:
        chore(most=1).run()
    assert told(logs, "journal.heads-anew") == []
    (tmp_path / "heads.txt").unlink()
    with capture_logs() as logs:
        chore(most=1).run()
        chore(most=1).run()
    (one,) = told(logs, "journal.heads-anew")
    assert (one["log_level"], one["batches"]) == ("warning", 3)
