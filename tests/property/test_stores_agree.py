"""The SQL store does what the plain store in memory does, whatever is asked of both and in whatever order."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from pydantic import SecretStr

from adapters.stores import AtRest, ContentKey, MemoryStore, SqlStore
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    COUNTY,
    GAVE_UP,
    NOON,
    POSTPONED,
    REFUSED,
    TOWN,
    Hands,
    a_letter,
    a_refusal,
    fingerprint,
    limits,
)
from broker.deadlines import Progress, Term, Terms, Timetable
from broker.errors import BrokerError
from broker.model import Claim
from broker.partner import Proof
from broker.ports import OVERTURNED, Filter
from broker.quarantine import Selection, Spread, grouped
from broker.states import DeliveryState

LEASE = timedelta(minutes=5)
OFFICES = st.sampled_from([TOWN, COUNTY])
FEW = st.integers(0, 2)
SOON = timedelta(minutes=1)
TIMES = Timetable(
    default=Terms(
        relay=Term(warn=SOON, expire=2 * SOON),
        delivery=Term(warn=3 * SOON, expire=5 * SOON),
        retrieval=Term(warn=6 * SOON, expire=9 * SOON),
    )
)
NO_ANSWERS = replace(TIMES, default=replace(TIMES.default, retrieval=Term()))
NO_ANSWERS_OF_THE_COUNTY = replace(TIMES, offices={COUNTY: NO_ANSWERS.default})


def answer(call):
    """What a call returns or raises, as something to compare; tokens are each store's own."""
    try:
        return call()
    except BrokerError as no:
        return type(no)


class Stores(RuleBasedStateMachine):
    claims = Bundle("claims")

    def __init__(self):
        super().__init__()
        self.clock = Hands()
        self.folder = tempfile.TemporaryDirectory()
        url = f"sqlite:///{Path(self.folder.name) / 'store.sqlite'}"
        keys = AtRest([ContentKey.of(SecretStr("ab" * 32), "key")])
        self.sql = SqlStore(url, clock=self.clock, refusals_per_hour=2, at_rest=keys)
        self.memory = MemoryStore(self.clock, refusals_per_hour=2)
        self.letters = []

    def teardown(self):
        self.sql.close()
        self.memory.close()
        self.folder.cleanup()

    def both(self, call):
        plain, sql = answer(lambda: call(self.memory)), answer(lambda: call(self.sql))
        assert sql == plain
        return plain

    @initialize()
    def enrol_the_town(self):
        self.both(lambda store: store.enrol([limits(TOWN, in_flight=2, threshold=2)]))

    @rule(office=OFFICES, in_flight=st.integers(1, 3), threshold=st.integers(1, 3))
    def enrol(self, office, in_flight, threshold):
        self.both(lambda store: store.enrol([limits(office, in_flight=in_flight, threshold=threshold)]))

    @rule(office=OFFICES, paused=st.booleans())
    def pause(self, office, paused):
        self.both(lambda store: store.pause(office, paused))

    @rule(
        sender=FEW,
        message=st.integers(0, 3),
        box=FEW,
        digest=FEW,
        trial=st.booleans(),
        office=OFFICES,
        due=st.integers(-1, 2),
        calls=st.sampled_from(["find", "accept", "find and accept"]),
        recheck=st.booleans(),
    )
    def accept(self, *, sender, message, box, digest, trial, office, due, calls, recheck):
        made = a_letter(
            sender=f"sender {sender}",
            message_id=f"m{message}" if message else "",
            fingerprint_box=f"/town/{box}",
            digest=f"{digest:064}",
            trial=trial,
            office=office,
            due_at=self.clock.now + due * timedelta(minutes=1),
            accepted_at=self.clock.now,
            in_reply_to=self.letters[-1].submission.id if self.letters and digest else "",
            box="/citizen/box" if box else "/town/SEKAP",
            proof=Proof.TLS if recheck else Proof.NONE,
        )
        letter = replace(made, recheck=recheck, awaits_answer=recheck and not trial)
        if "find" in calls:  # it binds a new id of a known message, and so does accept
            self.both(lambda store: store.find(fingerprint(letter)))
        if "accept" in calls:
            self.both(lambda store: store.accept(letter))
            self.letters.append(letter)

    @rule(sender=FEW)
    def refuse(self, sender):
        self.both(lambda store: store.refuse(a_refusal(sender=f"sender {sender}", at=self.clock.now)))

    @rule(target=claims, most=st.integers(0, 3), probes=st.integers(-1, 2))
    def claim(self, most, probes):
        plain, sql = self.memory.claim(LEASE, most, probes), self.sql.claim(LEASE, most, probes)
        assert [known(claim) for claim in sql] == [known(claim) for claim in plain]
        for claim in plain:
            self.both(lambda store, claim=claim: store.parcel(claim))
        return multiple(*zip(plain, sql, strict=True))

    @rule(claim=claims)
    def renew(self, claim):
        plain = answer(lambda: known(self.memory.renew(claim[0], LEASE)))
        assert answer(lambda: known(self.sql.renew(claim[1], LEASE))) == plain

    @rule(claim=claims, wait=st.sampled_from([timedelta(0), LEASE / 2, 2 * LEASE]))
    def release(self, claim, wait):
        plain = answer(lambda: self.memory.release(claim[0], wait))
        assert answer(lambda: self.sql.release(claim[1], wait)) == plain

    @rule(claim=consumes(claims), outcome=st.sampled_from([ACKNOWLEDGED, POSTPONED, REFUSED, GAVE_UP]))
    def record(self, claim, outcome):
        plain = answer(lambda: self.memory.record(claim[0], outcome))
        assert answer(lambda: self.sql.record(claim[1], outcome)) == plain

    @rule()
    def requeue(self):
        wanted = [one.id for letter in self.letters for one in letter.deliveries]
        self.both(lambda store: sorted(store.requeue(wanted, "again")))

    @rule(seconds=st.integers(0, 60))
    def requeue_slowly(self, seconds):
        wanted = [one.id for letter in self.letters for one in letter.deliveries]
        spread = Spread(first=timedelta(seconds=1), step=timedelta(seconds=seconds))
        self.both(lambda store: list(store.quarantine.requeue(wanted, "slowly", spread)))

    @rule(to=OFFICES, even_if_sent=st.booleans(), dry_run=st.booleans(), last=st.integers(1, 5))
    def redirect(self, *, to, even_if_sent, dry_run, last):
        wanted = [one.id for letter in self.letters[-last:] for one in letter.deliveries]
        self.both(
            lambda store: store.quarantine.redirect(wanted, to, "moved", even_if_sent=even_if_sent, dry_run=dry_run)
        )

    @rule(wants=st.booleans(), times=st.sampled_from([TIMES, TIMES, NO_ANSWERS, NO_ANSWERS_OF_THE_COUNTY]))
    def look_for_what_is_late(self, wants, times):
        def look(store):
            found = sorted(one for page in store.watch.candidates(times, self.clock.now) for one in page)
            told = store.watch.tell(found, times, lambda _: wants)
            return found, sorted((it.delivery.id, it.stage, it.level, it.owed) for it in told)

        self.both(look)

    @rule()
    def settle_what_was_late(self):
        self.both(lambda store: store.watch.settle())

    @rule(progress=st.sampled_from(Progress))
    def proceed(self, progress):
        for it in self.both(lambda store: list(store.watch.owed(2))):
            after = replace(it, progress=progress, id="e", xml=b"<e/>", tries=it.tries + 1)
            self.both(
                lambda store, it=it, after=after: store.watch.proceed(it, after, timedelta(minutes=1), "a detail")
            )

    @rule(letter=st.integers(0, 20))
    def an_operators_word(self, letter):
        for one in self.letters[letter : letter + 1]:
            self.both(lambda store, one=one: store.watch.answered(one.submission.id, "by post"))

    @rule(token=FEW, minutes=st.integers(-1, 6))
    def first_use(self, token, minutes):
        until = self.clock.now + minutes * timedelta(minutes=1)
        self.both(lambda store: store.first_use(f"token {token}", until))

    @rule(token=FEW)
    def forget_use(self, token):
        self.both(lambda store: store.forget_use(f"token {token}"))

    @rule(seal=FEW)
    def keep_seal(self, seal):
        self.both(lambda store: store.keep_seal(f"{seal:064}", f"seal {seal}".encode(), self.clock.now))

    @rule(letter=st.integers(0, 20), text=st.binary(max_size=3))
    def stamp(self, letter, text):
        for one in self.letters[letter : letter + 1]:
            self.both(lambda store, one=one: store.stamp(one.receipt.id, text, self.clock.now))

    @rule(letter=st.integers(0, 20), event=st.sampled_from(["verify.confirmed", OVERTURNED]))
    def settle(self, letter, event):
        for one in self.letters[letter : letter + 1]:
            it = one.submission.id
            self.both(lambda store, it=it: store.settle(it, event, event, event.encode()))

    @rule(most=st.integers(1, 3), letter=st.integers(0, 20))
    def queues(self, most, letter):
        self.both(lambda store: list(store.unstamped(most)))
        after = next((one.submission.id for one in self.letters[letter : letter + 1]), "")
        self.both(lambda store: list(store.awaiting(most, after)))

    @rule(seconds=st.sampled_from([1, 29, 30, 59, 60, 299, 300, 3600]))
    def time_goes_by(self, seconds):
        self.clock.pass_by(timedelta(seconds=seconds))

    @rule(office=st.sampled_from(["", TOWN]), sender=st.sampled_from(["", "sender 1"]), trials=st.booleans())
    def look(self, office, sender, trials):
        wanted = Filter(office=office, sender=sender, trials=trials, most=3, since=NOON + timedelta(minutes=1))
        self.both(lambda store: store.list(wanted))

    @invariant()
    def both_keep_the_same(self):
        self.both(lambda store: store.list(Filter(trials=True, most=1000)))
        self.both(lambda store: store.list(Filter(overturned=True)))
        self.both(lambda store: store.refusals())
        self.both(counted)
        self.both(lambda store: list(store.seals()))
        self.both(lambda store: list(store.unstamped(1000)))
        self.both(lambda store: dict(store.watch.late()))
        self.both(lambda store: dict(store.quarantine.unfinished()))
        self.both(lambda store: grouped(store.quarantine.piles(Selection(states=frozenset(DeliveryState)))))
        for letter in self.letters[-3:]:
            self.both(lambda store, letter=letter: store.show(letter.submission.id))
            self.both(lambda store, letter=letter: list(store.watch.evidence(letter.submission.id)))
            self.both(lambda store, letter=letter: store.watch.awaits_answer(letter.submission.id))


def known(claim: Claim):
    return claim.delivery, claim.claimed_at, claim.expires_at


def counted(store):
    stats = store.stats()
    return stats.submissions, stats.refusals, stats.oldest_waiting, +Counter(stats.deliveries)


TestStoresAgree = Stores.TestCase
TestStoresAgree.settings = settings(max_examples=25, stateful_step_count=40)
