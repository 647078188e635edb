"""How long content is kept: which rule counts, and the work in steps that take turns with everything else."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stores.memory import MemoryStore
from adapters.testkit.stores.values import NOON, Hands, a_letter, a_refusal, kept
from broker.errors import ConfigError, Unavailable
from broker.model import FormKey, OfficeId
from broker.ports import EventRecord
from broker.retention import PRUNED, Due, Rule, Rules, Terms, pruned_at
from config import settings
from config.retention import BYTES, TOGETHER, Done, InTurns, Prune, RetentionSettings, batches, chores, work
from config.schedule import Chore

DAY = timedelta(days=1)
FORMS = [FormKey(name=name, version=version) for name in ("letter", "question") for version in ("1", "2")]
OFFICES = [OfficeId("town"), OfficeId("county")]
KEEPS = st.one_of(st.none(), st.integers(1, 50).map(lambda days: days * DAY))
SPOKEN = st.sampled_from(["", "letter", "letter/1", "letter/2", "question", "question/1"])
RULES = st.lists(
    st.builds(
        lambda keep, form, office: Rule(keep=keep, form=form, office=office),
        KEEPS,
        SPOKEN,
        st.sampled_from(["", *OFFICES]),
    ),
    unique_by=lambda rule: (rule.form, rule.office),
)


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────


@given(RULES, st.sampled_from(FORMS), st.sampled_from(OFFICES))
def test_the_most_specific_rule_counts_and_of_equals_the_one_that_keeps_longer(rules, form, office):
    covering = [rule for rule in rules if rule.covers(form, office)]
    kept_for = Rules(tuple(rules)).keep(form, office)
    if not covering:
        assert kept_for is None
        return
    most = max(rule.weight for rule in covering)
    equals = [rule.keep for rule in covering if rule.weight == most]
    assert kept_for == (None if None in equals else max(equals))


@given(RULES, st.randoms())
def test_the_order_in_which_rules_are_written_means_nothing(rules, chance):
    mixed = list(rules)
    chance.shuffle(mixed)
    assert Rules(tuple(mixed)) == Rules(tuple(rules))


@given(RULES)
def test_nothing_is_over_that_was_accepted_after_the_latest_moment(rules):
    terms = Terms(rules=Rules(tuple(rules)), at=NOON)
    for form, office in product(FORMS, OFFICES):
        assert not terms.over(form, office, terms.latest)


def test_two_rules_for_the_same_content_are_an_error_that_names_it():
    with pytest.raises(ConfigError, match=r"letter/1.*town"):
        Rules((Rule(keep=DAY, form="letter/1", office="town"), Rule(keep=None, form="letter/1", office="town")))


def test_a_time_beyond_all_calendars_is_for_ever():
    terms = Terms(rules=Rules((Rule(keep=timedelta.max),)), at=NOON)
    assert not terms.over(FORMS[0], OFFICES[0], NOON - 300_000 * DAY)


def test_when_content_was_removed_is_told_by_its_event():
    events = [EventRecord(at=NOON, name="intake.accepted"), EventRecord(at=NOON + DAY, name=PRUNED)]
    assert (pruned_at(events), pruned_at(events[:1])) == (NOON + DAY, None)


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────


def configured(tmp_path: Path, text: str) -> settings.Settings:
    file = tmp_path / "goniec.toml"
    file.write_text(f"seal = {{kind = 'pkcs12'}}\n{text}")
    return settings.load(file)


def test_by_default_nothing_is_ever_pruned(tmp_path):
    own = configured(tmp_path, "").retention
    assert own.table().shortest is None
    assert chores(own, MemoryStore(Hands()).retention, Hands(), stamped=False) == {}


def test_rules_are_read_from_the_file(tmp_path):
    own = configured(
        tmp_path,
        """[retention]
        default = "P90D"
        refusals = 86400
        [[retention.rules]]
        form = "letter"
        keep = "forever"
        [[retention.rules]]
        form = "letter"
        office = "town"
        keep = "P30D"
        """,
    ).retention
    table = own.table()
    assert table.keep(FORMS[2], OFFICES[0]) == 90 * DAY
    assert table.keep(FORMS[0], OFFICES[0]) == 30 * DAY
    assert table.keep(FORMS[0], OFFICES[1]) is None
    (chore,) = chores(own, MemoryStore(Hands()).retention, Hands(), stamped=True).values()
    assert isinstance(chore, Chore)
    assert chore.alone
    assert chore.job.prune.stamped
    assert chore.job.prune.refusals == DAY


@pytest.mark.parametrize(
    "wrong",
    [
        'default = "P-1D"',
        "default = 0",
        'default = "never"',
        '[[retention.rules]]\nform = "letter"',
        '[[retention.rules]]\nkeep = "P1D"\n[[retention.rules]]\nkeep = "P2D"',
        '[[retention.rules]]\nkeep = "P1D"',  # the default says something else of the same content
    ],
)
def test_what_could_not_be_meant_is_an_error(tmp_path, wrong):
    with pytest.raises(ConfigError, match=r"retention"):
        configured(tmp_path, f"[retention]\n{wrong}")


# ── the work ─────────────────────────────────────────────────────────────────────────────────────────────


def due(*sizes: int) -> list[Due]:
    return [
        Due(submission=f"s{n}", form=FORMS[0], office=OFFICES[0], accepted_at=NOON, size=size)
        for n, size in enumerate(sizes)
    ]


@given(st.lists(st.integers(0, 2 * BYTES), max_size=3 * TOGETHER))
def test_batches_hold_everything_in_order_and_no_more_than_goes_in_one_transaction(sizes):
    all_due = due(*sizes)
    cut = list(batches(all_due))
    assert [one for batch in cut for one in batch] == all_due
    for batch in cut:
        assert 1 <= len(batch) <= TOGETHER
        assert len(batch) == 1 or sum(one.size for one in batch) <= BYTES


class Watch:
    """A steady clock of which each transaction takes a second, and that notes how long was rested."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.rested = []

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def two_days_later() -> MemoryStore:
    """A store on whose clock a day has gone by since anything was taken in."""
    clock = Hands()
    clock.pass_by(2 * DAY)
    return MemoryStore(clock)


def prune(store: MemoryStore, watch: Watch | None = None, **about: object) -> Prune:
    watch = watch or Watch()
    own = {"rules": Rules((Rule(keep=DAY),)), "clock": lambda: NOON + 2 * DAY, **about}
    return Prune(retention=store.retention, rest=watch.rested.append, seconds=watch, **own)


def test_all_that_is_over_goes_and_each_transaction_is_followed_by_a_rest_as_long():
    store, watch = two_days_later(), Watch()
    letters = [kept(store, b"x" * 10, trial=True) for _ in range(2 * TOGETHER + 1)]
    asked = prune(store, watch)
    assert [one.submission for one in asked.due()] == [letter.submission.id for letter in letters]
    steps = list(asked.steps())
    assert sum(steps, Done()) == Done(pruned=len(letters), octets=10 * len(letters))
    assert [one.pruned for one in steps[:3]] == [TOGETHER, TOGETHER, 1]
    assert watch.rested == [1.0] * 4  # three batches, and one look for space to give back
    assert all(store.document(letter.submission.id) is None for letter in letters)
    assert list(asked.due()) == []


def test_refusals_go_only_where_a_time_is_set_for_them():
    store = two_days_later()
    store.refuse(a_refusal())
    assert sum(prune(store).steps(), Done()) == Done()
    assert sum(prune(store, refusals=DAY).steps(), Done()) == Done(refusals=1)
    assert store.refusals() == []


def test_a_turn_ends_in_time_and_the_next_goes_on_where_it_stopped():
    store, watch = two_days_later(), Watch()
    for _ in range(5 * TOGETHER):
        kept(store, trial=True)
    turns = InTurns(prune=prune(store, watch), every=timedelta(seconds=1000), share=4)
    left = []
    for _ in range(4):
        turns()
        left.append(len(list(turns.prune.due())))
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1] == 0
    turns()
    late = a_letter(trial=True)
    store.accept(late)
    turns()
    assert store.document(late.submission.id) is not None  # `every` has not gone by
    watch.seconds += 1000
    turns()
    assert store.document(late.submission.id) is None


def test_a_long_look_that_finds_nothing_is_cut_into_turns_too():
    store, watch = two_days_later(), Watch()
    for _ in range(30):
        kept(store)  # not delivered yet: it stays
    look, looked = store.retention.look, []

    def short(terms, after):
        looked.append(after)
        return look(terms, after, most=2)

    store.retention.look = short
    turns = InTurns(prune=prune(store, watch), every=timedelta(seconds=1000), share=3)
    turns()
    assert len(looked) < 5  # the turn is over, the look is not
    for _ in range(20):
        turns()
    assert (len(looked), turns._under_way) == (16, None)


def test_after_a_store_that_was_away_the_next_turn_begins_anew():
    store = two_days_later()
    letter = kept(store, trial=True)
    turns = InTurns(prune=prune(store), every=DAY)
    store.close()
    with pytest.raises(Unavailable):
        turns()
    store._closed = False
    turns()
    assert store.document(letter.submission.id) is None


def test_the_configuration_says_what_the_work_is():
    own = RetentionSettings(default=DAY, refusals="forever")
    asked = work(own, MemoryStore(Hands()).retention, Hands(), stamped=False)
    assert (asked.rules, asked.refusals, asked.stamped) == (own.table(), None, False)
