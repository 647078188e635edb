"""The rule by which everybody is put off: what turns it on, what turns it off, what is said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import NotYet, Unavailable
from broker.model import OfficeId
from broker.pressure import NONE, RETRY_AFTER, Ceilings, Condition, Pressure, Readings, judge

TOWN, COUNTY = OfficeId("town"), OfficeId("county")
CEILINGS = Ceilings(disk=1_000, queue=100, office_queue=10, memory=5_000)
BAD = {
    Condition.STORE: Readings(store="gone"),
    Condition.WRITER: Readings(writer="disk full"),
    Condition.SEAL: Readings(seal="no token"),
    Condition.MEMORY: Readings(memory=5_000),
    Condition.DISK: Readings(free={"/var": 999}),
    Condition.QUEUE: Readings(queued={TOWN: 9, COUNTY: 91}),
}


def on(seen, before=NONE, ceilings=CEILINGS):
    return set(judge(seen, ceilings, before).on)


@pytest.mark.parametrize("condition", BAD)
def test_each_condition_puts_everybody_off_with_its_own_wait(condition):
    pressure = judge(BAD[condition], CEILINGS, NONE)
    assert set(pressure.on) == {condition}
    with pytest.raises(Unavailable) as put_off:
        pressure.demand()
    assert (put_off.value.condition, put_off.value.retry_after) == (condition, RETRY_AFTER[condition])
    assert not isinstance(put_off.value, NotYet)


def test_every_condition_has_a_wait_and_the_shortest_is_seconds():
    assert set(RETRY_AFTER) == set(Condition)
    assert timedelta(seconds=1) < min(RETRY_AFTER.values()) <= max(RETRY_AFTER.values()) <= timedelta(minutes=1)


def test_nothing_measured_puts_nobody_off():
    pressure = judge(Readings(), CEILINGS, NONE)
    pressure.demand_store()
    pressure.demand()
    pressure.demand_room_for(TOWN)
    assert pressure == NONE


def test_without_ceilings_only_what_is_broken_counts():
    full = Readings(writes=100, memory=10**12, free={"/": 0}, queued={TOWN: 10**9})
    assert on(full, ceilings=Ceilings()) == {Condition.WRITER}


def test_only_a_store_that_does_not_answer_keeps_repeats_from_their_receipt():
    for condition, seen in BAD.items():
        pressure = judge(seen, CEILINGS, NONE)
        if condition is Condition.STORE:
            with pytest.raises(Unavailable):
                pressure.demand_store()
        else:
            pressure.demand_store()


def test_a_full_office_puts_off_its_own_documents_and_lets_others_pass():
    pressure = judge(Readings(queued={TOWN: 10, COUNTY: 9}), CEILINGS, NONE)
    pressure.demand()
    pressure.demand_room_for(COUNTY)
    with pytest.raises(NotYet) as put_off:
        pressure.demand_room_for(TOWN)
    assert (put_off.value.condition, put_off.value.retry_after) == (
        Condition.OFFICE_QUEUE,
        RETRY_AFTER[Condition.OFFICE_QUEUE],
    )


def test_where_several_are_on_the_longest_wait_is_told():
    pressure = Pressure(on={Condition.STORE: "a", Condition.DISK: "b", Condition.SEAL: "c"})
    with pytest.raises(Unavailable) as put_off:
        pressure.demand()
    assert put_off.value.condition == Condition.DISK


@given(st.integers(0, 2_000), st.integers(1, 1_000))
def test_a_ceiling_is_met_at_its_value_and_left_at_four_fifths(value, ceiling):
    ceilings = Ceilings(queue=ceiling)
    seen = Readings(queued={TOWN: value})
    fresh = Condition.QUEUE in on(seen, NONE, ceilings)
    held = Condition.QUEUE in on(seen, Pressure(on={Condition.QUEUE: ""}), ceilings)
    assert fresh == (value >= ceiling)
    assert held == (value > ceiling * 4 / 5)
    assert held or not fresh  # what turns it on keeps it on


@given(st.integers(0, 2_000), st.integers(1, 1_000))
def test_a_disk_is_low_below_its_mark_and_well_again_a_quarter_above_it(free, mark):
    ceilings, seen = Ceilings(disk=mark), Readings(free={"/": free})
    fresh = Condition.DISK in on(seen, NONE, ceilings)
    held = Condition.DISK in on(seen, Pressure(on={Condition.DISK: ""}), ceilings)
    assert fresh == (free < mark)
    assert held == (free < mark * 5 // 4)


@given(st.lists(st.integers(-3, 3), max_size=60), st.integers(20, 1_000))
def test_a_value_that_trembles_about_its_ceiling_does_not_make_it_flap(steps, ceiling):
    """Once on, a swing of less than a fifth of the ceiling changes nothing."""
    pressure = judge(Readings(memory=ceiling), Ceilings(memory=ceiling), NONE)
    for step in steps:
        pressure = judge(Readings(memory=ceiling + step), Ceilings(memory=ceiling), pressure)
        assert set(pressure.on) == {Condition.MEMORY}


@given(
    st.dictionaries(st.sampled_from([TOWN, COUNTY]), st.integers(0, 30)), st.frozensets(st.sampled_from([TOWN, COUNTY]))
)
def test_offices_are_judged_one_by_one(queued, before):
    full = judge(Readings(queued=queued), Ceilings(office_queue=10), Pressure(offices=before)).offices
    assert full == {office for office, number in queued.items() if number >= 10 or (office in before and number > 8)}


def test_operators_read_how_much_and_where():
    low = judge(Readings(free={"/var/lib": 300_000_000, "/log": 9 * 10**9}), Ceilings(disk=500_000_000), NONE)
    assert low.on == {Condition.DISK: "300 MB free of 500 MB in /var/lib"}
    many = judge(Readings(queued={TOWN: 60, COUNTY: 60}), CEILINGS, NONE)
    assert many.on == {Condition.QUEUE: "120 deliveries wait, 100 may"}
