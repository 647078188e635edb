"""The journal's format: fixed for ever, read the same by anybody, and no stranger's file goes through it unseen."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.evidence import Indication
from broker.journal import Batch, Entry, Lag, chained, head_octets, leaf_of, octets
from broker.journal_batch import check_batch
from broker.journal_check import Checker
from broker.journal_export import Closing, Opening, Reader, batch_lines, closing_line, opening_line
from broker.journal_head import Published, line, noted, published, said, unsealed
from broker.journal_proof import check, make
from broker.journal_tree import inclusion_path, leaf_hash, proven_root, tree_root
from broker.ports import EventRecord
from config.journal_verify import Believed, check_file
from tests.journals import a_batch
from tests.receipts import ISSUED, TRUST, a_seal

SEAL = a_seal()
MORE = settings(max_examples=300)

# ── the tree ──

# The inputs and roots of the reference implementation of Certificate Transparency (RFC 6962).
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_roots_are_those_of_the_published_example():
    leaves = [leaf_hash(bytes.fromhex(one)) for one in INPUTS]
    assert [tree_root(leaves[: n + 1]).hex() for n in range(8)] == ROOTS
    assert tree_root([]) == hashlib.sha256(b"").digest()


@MORE
@given(st.integers(1, 200), st.data())
def test_a_path_proves_its_leaf_in_its_place_and_nothing_else(size, data):
    leaves = [leaf_hash(bytes([n])) for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(leaves, index)
    assert proven_root(leaves[index], index, size, path) == tree_root(leaves)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index)) if size > 1 else None
    if other is not None:
        assert proven_root(leaves[other], index, size, path) != tree_root(leaves)
        assert proven_root(leaves[index], other, size, path) != tree_root(leaves)
    assert proven_root(leaves[index], index, size, [*path, leaves[0]]) is None
    assert proven_root(leaves[index], size, size, path) is None
    if path:
        assert proven_root(leaves[index], index, size, path[:-1]) != tree_root(leaves)


# ── the octets ──

texts = st.text(st.characters(), max_size=6) | st.sampled_from(["", "\ud800", "\x00", "ż"])
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
entries = st.builds(
    lambda number, at, name, submission, delivery, detail: Entry(
        id=number, event=EventRecord(at=at, name=name, submission=submission, delivery=delivery, detail=detail)
    ),
    st.integers(1, 1 << 62),
    moments,
    texts,
    st.none() | texts,
    st.none() | texts,
    texts,
)


@MORE
@given(entries, entries)
def test_events_are_written_alike_only_if_they_are_alike(one, other):
    assert (octets(one) == octets(other)) == (one == other)


def test_the_form_of_an_event_and_of_a_batch_never_changes():
    """Written out by hand, as docs/reference/journal.md says."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    event = EventRecord(at=at, name="delivery.claimed", submission=None, delivery="", detail="ż")

    def field(text):
        return struct.pack(">I", len(text.encode())) + text.encode()

    moment = str(int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)))
    own = b"".join(
        [
            field("goniec-journal-event-1"),
            field("42"),
            field(moment),
            field("delivery.claimed"),
            b"\xff" * 4,
            field(""),
            field("ż"),
        ]
    )
    assert octets(Entry(id=42, event=event)) == own
    leaf = hashlib.sha256(b"\x00" + own).digest()
    assert leaf_of(Entry(id=42, event=event)) == leaf
    batch = chained(None, [leaf], at)
    fields = ["goniec-journal-batch-1", "1", "1", moment, leaf.hex(), "00" * 32]
    assert head_octets(batch) == b"".join(map(field, fields))
    assert batch.head == hashlib.sha256(head_octets(batch)).digest()


# ── a journal in hand ──


def a_journal(sizes=(3, 1, 5), sealed=True):
    batches, last, start = [], None, 1
    for size in sizes:
        last, chained_ones = a_batch(last, range(start, start + size), submission="s00000000")
        start += size
        batches.append((replace(last, sealed=SEAL.seal(unsealed(last))) if sealed else last, chained_ones))
    return batches


JOURNAL = a_journal()
HEADS = b"".join(line(batch) for batch, _ in JOURNAL)


def an_export(batches=JOURNAL):
    lines = [opening_line(Opening(first=1, to=None, previous=bytes(32), sealed=len(batches), stamped=0, at=ISSUED))]
    for batch, chained_ones in batches:
        lines += batch_lines(batch, chained_ones)
    lines.append(closing_line(Closing(batches=len(batches), events=9, lag=Lag())))
    return b"".join(lines)


EXPORT = an_export()
AGAINST = Believed(published=noted(HEADS.splitlines()), trust=TRUST)


def judge(octets_, against=AGAINST):
    return check_file(io.BytesIO(octets_), against, lambda *_: None)[0]


def meaning(octets_):
    return [json.loads(one) for one in octets_.splitlines()]


def test_an_export_comes_back_as_it_was():
    reader = Reader(io.BytesIO(EXPORT))
    assert list(reader.batches()) == JOURNAL
    account = judge(EXPORT)
    assert (account.sound, account.batches, account.events, account.compared) == (True, 3, 9, 3)


@settings(max_examples=400)
@given(st.integers(0, len(EXPORT) - 1), st.integers(0, 255), st.sampled_from(["change", "drop", "add"]))
def test_no_octet_of_an_export_can_change_unseen(place, octet, way):
    after = EXPORT[place + (way != "add") :]
    changed = EXPORT[:place] + (b"" if way == "drop" else bytes([octet])) + after
    try:
        account = judge(changed)
    except ValueError:
        return
    opening, *rest = meaning(changed)
    own_opening, *own_rest = meaning(EXPORT)
    # What an export says about itself is nobody's promise: its moment, how far it was sealed, what is unchained.
    free = opening.keys() ^ own_opening.keys() or rest[:-1] == own_rest[:-1]
    assert not account.sound or free or rest == own_rest


@settings(max_examples=300)
@given(st.binary(max_size=400) | st.binary(max_size=60).map(lambda it: EXPORT[:200] + it))
@example(b"[" * 100_000)
@example(b"")
@example(b'{"format":"goniec-journal-export-1"}\n')
def test_any_octets_are_no_export(octets_):
    with pytest.raises(ValueError, match=r"."):
        judge(octets_)


@settings(max_examples=300)
@given(st.binary(max_size=300) | st.sampled_from([b"0", b"<a/>", b"1 " + b"0" * 63]))
def test_any_octets_are_no_published_head(octets_):
    with pytest.raises(ValueError, match=r"."):
        published(octets_)


def test_lines_of_an_export_may_be_moved_only_where_it_is_told():
    lines = EXPORT.splitlines(keepends=True)
    for one in range(1, len(lines) - 1):
        moved = lines[:one] + lines[one + 1 : one + 2] + lines[one : one + 1] + lines[one + 2 :]
        try:
            account = judge(b"".join(moved))
        except ValueError:
            continue
        # The order of lines inside a batch says nothing: each event names its position.
        within = b'"event":' in lines[one] and b'"event":' in lines[one + 1]
        assert account.sound == within


def test_an_export_without_its_end_or_with_more_after_it_is_not_whole():
    lines = EXPORT.splitlines(keepends=True)
    for cut in range(1, len(lines)):
        with pytest.raises(ValueError, match="whole"):
            judge(b"".join(lines[:cut]))
    with pytest.raises(ValueError, match="after the end"):
        judge(EXPORT + lines[-1])


# ── the proof of one submission ──

ABOUT = [JOURNAL[0][1][0], JOURNAL[0][1][2], JOURNAL[2][1][4]]


def a_proof(journal=JOURNAL, about=ABOUT):
    by_number = {batch.number: (batch, chained_ones) for batch, chained_ones in journal}
    return make(
        "s00000000",
        about,
        entries=lambda number: by_number[number][1],
        batches=lambda after, most: [by_number[n][0] for n in sorted(by_number) if n > after][:most],
    )


PROOF = a_proof()


def test_a_proof_holds_by_the_seal_or_by_a_published_head_and_by_nothing_else():
    assert check(PROOF, trust=TRUST).verdict is Indication.PASSED
    assert check(PROOF, trust=None).verdict is Indication.INDETERMINATE
    assert check(PROOF, trust=None, published=noted(HEADS.splitlines())).verdict is Indication.PASSED
    last = noted(HEADS.splitlines()[-1:])
    assert check(PROOF, trust=None, published=last).verdict is Indication.INDETERMINATE  # batch 2 is not in it
    other = Published(heads={1: bytes(32)})
    assert check(PROOF, trust=TRUST, published=other).verdict is Indication.FAILED


def test_a_head_that_is_not_sealed_is_vouched_for_by_the_next_that_is():
    bare = a_journal((3, 1, 5, 2), sealed=False)
    sealed = [(replace(b, sealed=SEAL.seal(unsealed(b))) if b.number == 4 else b, e) for b, e in bare]
    about = [sealed[1][1][0]]
    found = check(a_proof(sealed, about), trust=TRUST)
    assert (found.verdict, [one.number for one in found.batches]) == (Indication.PASSED, [2, 3, 4])
    none = check(a_proof(bare, about), trust=TRUST)
    assert (none.verdict, [one.number for one in none.batches]) == (Indication.INDETERMINATE, [2])


def test_an_event_that_is_not_chained_yet_is_told_and_not_proven():
    late = replace(ABOUT[0], id=99, batch=None, position=None, leaf=None)
    found = check(a_proof(about=[*ABOUT, late]), trust=TRUST)
    assert (found.verdict, found.unproven) == (Indication.INDETERMINATE, 1)


@settings(max_examples=400)
@given(st.integers(0, len(PROOF) - 1), st.integers(0, 255), st.sampled_from(["change", "drop", "add"]))
@example(PROOF.index(b"e", PROOF.index(b'"path"') + 7), ord("E"), "change")  # a hash has one spelling
def test_no_octet_of_a_proof_can_change_unseen(place, octet, way):
    after = PROOF[place + (way != "add") :]
    changed = PROOF[:place] + (b"" if way == "drop" else bytes([octet])) + after
    found = check(changed, trust=TRUST)
    if found.verdict is Indication.PASSED:
        mine, theirs = json.loads(changed), json.loads(PROOF)
        assert mine == theirs


@settings(max_examples=200)
@given(st.binary(max_size=300))
@example(b'{"format":"goniec-journal-proof-1"}')
@example(b'{"format":"goniec-journal-proof-1","submission":"","events":[{}],"batches":[]}')
@example(b"[" * 100_000)
def test_any_octets_are_no_proof(octets_):
    assert check(octets_, trust=TRUST).verdict is Indication.FAILED


def test_a_proof_of_nothing_proves_nothing():
    assert check(a_proof(about=[]), trust=TRUST).verdict is Indication.INDETERMINATE


# ── sealed heads ──


@settings(max_examples=300)
@given(st.data())
def test_no_octet_of_a_sealed_head_can_change_and_still_be_believed(data):
    (batch, chained_ones) = JOURNAL[1]
    sealed = batch.sealed
    place = data.draw(st.integers(0, len(sealed) - 1))
    octet = data.draw(st.integers(0, 255))
    changed = sealed[:place] + bytes([octet]) + sealed[place + 1 :]
    checker = Checker(trust=TRUST, previous=JOURNAL[0][0].head, next=2)
    found = checker.take(replace(batch, sealed=changed), chained_ones)
    assert bool(found) == (changed != sealed)


def test_a_sealed_head_says_of_which_batch_it_is():
    for batch, _ in JOURNAL:
        assert said(batch.sealed) == batch
        assert published(batch.sealed).heads == {batch.number: batch.head}
    assert said(JOURNAL[0][0].sealed.replace(b"<Size>3<", b"<Size>4<")) is None


# ── one batch ──


@settings(max_examples=300)
@given(st.integers(1, 20), st.data())
def test_any_set_of_events_but_the_one_that_was_chained_is_found(size, data):
    batch, own = a_batch(None, range(1, size + 1))
    kept = data.draw(st.lists(st.sampled_from(own), unique_by=lambda one: one.id, max_size=size))
    more = data.draw(st.lists(st.integers(50, 60), unique=True, max_size=3))
    entries_ = kept + [replace(own[0], id=number, position=data.draw(st.integers(-1, size + 1))) for number in more]
    found = check_batch(batch, entries_)
    assert bool(found) == ({one.id for one in entries_} != {one.id for one in own})


def test_a_size_that_was_made_enormous_costs_nothing():
    batch, own = a_batch(None, range(1, 4))
    huge = Batch(number=1, at=batch.at, size=1 << 60, root=batch.root, previous=batch.previous, head=batch.head)
    assert {one.kind for one in check_batch(huge, own)} == {"head-differs", "size-differs"}
    assert [one.kind for one in check_batch(huge, own[:1])] == ["head-differs", "event-missing"]
