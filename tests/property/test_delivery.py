"""Whatever an office does and however often its workers die, a delivery ends, and ends once."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.stores.memory import MemoryStore
from adapters.testkit.stores.values import Hands, kept, limits
from broker.dispatch import Dispatcher
from broker.errors import Refused, Unavailable
from broker.retry import RetryPolicy
from broker.states import LIVE, TRANSITIONS, DeliveryEvent, DeliveryState

LEASE = timedelta(minutes=5)
POLICY = RetryPolicy(first=timedelta(seconds=15), longest=timedelta(hours=6), patience=timedelta(days=2), crashes=3)
FINAL = set(DeliveryState) - LIVE
ANSWERS = st.one_of(
    st.just("EZD/1"),
    st.just(Unavailable("down")),
    st.timedeltas(timedelta(0), timedelta(days=30)).map(lambda wait: Unavailable("busy", retry_after=wait)),
    st.just(Refused("no such box")),
    st.just(RuntimeError("bug")),
    st.just(SystemExit("killed")),
)


@dataclass
class ScriptedOffice:
    script: list
    given: list = field(default_factory=list)  # the parcels it was handed

    def deliver(self, parcel):
        self.given.append(parcel)
        answer = self.script.pop(0) if self.script else Unavailable("gone for good")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def check(self):
        raise Unavailable("not asked for")

    def close(self):
        self.script.clear()


def run(script, jitter, steps):
    """Let workers work until time has passed all patience; return store, letter and office."""
    clock = Hands()
    store, office = MemoryStore(clock), ScriptedOffice(list(script))
    store.enrol([limits(threshold=2, cooling=timedelta(minutes=1))])
    letter = kept(store)

    @contextmanager
    def lend(_office):
        yield office

    dispatcher = Dispatcher(store=store, lend=lend, policy=POLICY, jitter=lambda: jitter)
    for step in [*steps, *[timedelta(hours=9)] * 12]:
        for claim in store.claim(LEASE):
            with suppress(SystemExit), capture_logs():
                dispatcher.deliver(claim)
        clock.pass_by(step)
    return store, letter, office


STEPS = st.lists(st.timedeltas(timedelta(0), timedelta(hours=1)), max_size=30)


@given(st.lists(ANSWERS, max_size=12), st.floats(0, 0.999), STEPS)
def test_every_delivery_ends_in_exactly_one_final_state_with_all_its_attempts_on_record(script, jitter, steps):
    store, letter, office = run(script, jitter, steps)
    record = store.show(letter.submission.id)
    events = [DeliveryEvent(event.name.removeprefix("delivery.")) for event in record.events[1:]]

    state, entered = DeliveryState.WAITING, []
    for event in events:
        state = TRANSITIONS[state][event]
        entered.append(state)
    assert state is record.deliveries[0].state
    assert sum(state in FINAL for state in entered) == 1
    assert state in FINAL

    attempts = events.count(DeliveryEvent.CLAIMED) + events.count(DeliveryEvent.TAKEN_OVER)
    assert record.deliveries[0].attempts == attempts
    assert record.deliveries[0].crashes == events.count(DeliveryEvent.TAKEN_OVER) <= POLICY.crashes
    assert attempts - 1 <= len(office.given) <= attempts
    assert {parcel.delivery for parcel in office.given} <= {letter.deliveries[0].id}


@given(st.lists(ANSWERS, max_size=12), st.floats(0, 0.999), STEPS)
def test_delivered_means_that_the_office_said_so_last(script, jitter, steps):
    store, letter, office = run(script, jitter, steps)
    delivery = store.show(letter.submission.id).deliveries[0]
    answered = script[: len(office.given)]
    acknowledged = [answer for answer in answered if isinstance(answer, str)]
    assert (delivery.state is DeliveryState.DELIVERED) == bool(acknowledged)
    assert delivery.reference == "".join(acknowledged[:1])


@given(st.lists(st.just(SystemExit("killed")), min_size=5, max_size=5), st.floats(0, 0.999))
def test_a_document_that_kills_its_workers_is_quarantined_after_a_few(script, jitter):
    store, letter, office = run(script, jitter, [])
    delivery = store.show(letter.submission.id).deliveries[0]
    assert (delivery.state, delivery.crashes) == (DeliveryState.QUARANTINED, POLICY.crashes)
    assert len(office.given) == POLICY.crashes
