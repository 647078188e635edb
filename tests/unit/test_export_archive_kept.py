"""An archive loses nothing: no container goes that may be the last with its document, none is final too early."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from adapters.archive.writing import is_container
from adapters.testkit.stores.values import Hands
from broker.deadlines import Level, Progress, Stage, Term, Terms, Timetable
from broker.evidence import Indication
from broker.ports import OVERTURNED, Filter
from broker.retention import HELD
from broker.stamped import to_stamp, with_stamp
from config.archive import INDEX, Archive
from tests.containers import AT, TSA, a_case, a_store, an_exporter, chain_journal, deliver
from tests.receipts import ISSUED, PKI

HOUR = timedelta(hours=1)
ALL = Filter(since=ISSUED - HOUR)


@pytest.fixture
def clock():
    hands = Hands()
    hands.now = AT
    return hands


@pytest.fixture
def store(clock):
    store = a_store(clock)
    store.keep_seal(hashlib.sha256(PKI.seal.der).hexdigest(), PKI.seal.pem, ISSUED)
    return store


def a_final_case(store, number=1, **about):
    case = a_case(store, b"<letter/>", number=number, accepted_at=ISSUED, **about)
    deliver(store)
    chain_journal(store)
    return case


def run(store, folder, *, pruned=False, **about):
    """Fill the archive once more; `pruned`: when all documents have gone."""
    exporter = an_exporter(store, **about)
    if pruned:
        exporter = replace(exporter, around=replace(exporter.around, document=lambda _: None))
    archive = Archive(exporter, folder)
    list(archive.fill(ALL, None))
    return archive.tally


def inside(folder):
    with ZipFile(folder / "case-1.asice") as container:
        return {name: container.read(name) for name in container.namelist()}


# ── the last copy ──


def packed_anew(target):
    with ZipFile(target) as old:
        files = {one: old.read(one) for one in old.namelist()}
    with ZipFile(target, "w", ZIP_DEFLATED) as new:
        for name, content in files.items():
            new.writestr(name, content)


def with_a_flipped_bit(target):
    octets = bytearray(target.read_bytes())
    octets[octets.index(b"README.txt") + 40] ^= 1
    target.write_bytes(octets)


def with_the_name_of_its_document_spoilt(target):
    """As a flipped bit in the directory would: nobody can tell from it that the document is there."""
    target.write_bytes(target.read_bytes().replace(b"document.xml", b"dpcument.xml"))


def cut(target):
    target.write_bytes(target.read_bytes()[:-100])


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("spoil", [packed_anew, with_a_flipped_bit, with_the_name_of_its_document_spoilt, cut])
def test_whatever_befell_a_container_it_stays_when_its_document_is_nowhere_else(spoil, indexed, store, tmp_path):
    case = a_final_case(store)
    run(store, tmp_path)
    mine = tmp_path / "case-1.asice"
    spoil(mine)
    if not indexed:
        (tmp_path / INDEX).unlink()
    before, lines = mine.read_bytes(), (tmp_path / INDEX).read_bytes() if indexed else b""
    if spoil is packed_anew and not indexed:  # nothing speaks against it: its files are what was sealed
        assert run(store, tmp_path, pruned=True).passed_over == 1
        return
    for _ in range(2):
        tally = run(store, tmp_path, pruned=True)
        assert (tally.exported, tally.passed_over) == (0, 0)
        [doubt] = tally.doubtful
        assert (doubt.file, doubt.verdict) == (mine, Indication.FAILED)
        assert mine.read_bytes() == before
    assert (tmp_path / INDEX).read_bytes() == lines, "the index vouches for what it has vouched for"
    assert [one.name for one in store.show(case.submission.id).events].count("export.made") == 1
    assert run(store, tmp_path).exported == 1, "with the document there, it is made anew"


def test_a_seal_that_a_restored_store_has_forgotten_costs_no_document(store, tmp_path, clock):
    a_final_case(store)
    run(store, tmp_path)
    restored = a_store(clock)
    a_final_case(restored)
    [doubt] = run(restored, tmp_path, pruned=True).doubtful
    assert (doubt.verdict, doubt.why) == (Indication.INDETERMINATE, "container.seal verify.chain-untrusted")
    assert inside(tmp_path)["document.xml"] == b"<letter/>"


def test_the_container_of_another_submission_is_not_taken_for_the_last_copy_of_this_one(store, tmp_path):
    a_final_case(store)
    run(store, tmp_path)
    mine, other = tmp_path / "case-1.asice", tmp_path / "case-2.asice"
    case = a_case(store, b"<other/>", number=2, accepted_at=ISSUED)
    an_exporter(store).export(case.submission.id, other)
    mine.write_bytes(other.read_bytes())
    (tmp_path / INDEX).unlink()
    tally = run(store, tmp_path, pruned=True)
    assert [(one.file, one.why) for one in tally.doubtful] == [(mine, "it is of another submission")]
    assert mine.read_bytes() == other.read_bytes()
    assert [json.loads(line)["submission"] for line in (tmp_path / INDEX).read_text().splitlines()] == ["case-2"]


def test_a_document_that_goes_while_its_container_is_made_anew_takes_nothing_along(store, tmp_path):
    a_case(store, b"<letter/>", number=1, accepted_at=ISSUED)
    run(store, tmp_path)
    deliver(store)
    before = (tmp_path / "case-1.asice").read_bytes()
    left = iter([b"<letter/>"])  # whoever looked first has seen it
    tally = run(store, tmp_path, document=lambda _: next(left, None))
    assert (tally.exported, tally.doubtful) == (1, [])
    assert inside(tmp_path)["document.xml"] == b"<letter/>"
    assert (tmp_path / "case-1.asice").read_bytes() != before
    chain_journal(store)
    assert run(store, tmp_path, document=lambda _: next(left, None)).passed_over == 1
    assert inside(tmp_path)["document.xml"] == b"<letter/>"


def test_one_that_never_had_its_document_is_made_anew_until_it_is_final(store, tmp_path):
    a_case(store, b"<letter/>", number=1, accepted_at=ISSUED)
    deliver(store)
    assert run(store, tmp_path, pruned=True).exported == 1
    chain_journal(store)
    assert run(store, tmp_path, pruned=True).exported == 1
    assert run(store, tmp_path, pruned=True).passed_over == 1


def test_asked_for_one_case_none_is_written_over_by_one_without_its_document(store, tmp_path):
    case = a_final_case(store)
    target = tmp_path / "case.asice"
    an_exporter(store).export(case.submission.id, target)
    exporter = an_exporter(store, document=lambda _: None)
    before = target.read_bytes()
    with pytest.raises(FileExistsError, match="the document is in the store no more"):
        exporter.export(case.submission.id, target, over=is_container)
    assert target.read_bytes() == before
    assert exporter.export(case.submission.id, tmp_path / "another.asice", over=is_container) is not None


# ── final ──


def test_a_second_judgement_gets_in_and_is_waited_for(store, tmp_path):
    case = a_final_case(store, recheck=True)
    assert run(store, tmp_path).exported == 1
    assert run(store, tmp_path).exported == 1, "it is still to be judged"
    store.settle(case.submission.id, OVERTURNED, "", case.report)
    chain_journal(store)
    assert run(store, tmp_path).exported == 1
    assert inside(tmp_path)["verification-report-later.json"] == case.report
    assert OVERTURNED in inside(tmp_path)["deliveries.json"].decode()
    assert run(store, tmp_path).passed_over == 1


def test_a_time_stamped_copy_gets_in_and_is_waited_for_where_any_are_made(store, tmp_path):
    case = a_final_case(store)
    assert run(store, tmp_path).exported == 1
    assert run(store, tmp_path).passed_over == 1, "nobody time-stamps"
    assert run(store, tmp_path, stamp=TSA.token).exported == 1
    copy = with_stamp(case.receipt.xml, TSA.token(to_stamp(case.receipt.xml)))
    store.stamp(case.receipt.id, copy, AT)
    chain_journal(store)
    assert run(store, tmp_path).exported == 1, "there is more to say, whoever stamps now"
    assert inside(tmp_path)["receipt-stamped.xml"] == copy
    assert run(store, tmp_path, stamp=TSA.token).passed_over == 1


def an_answered_case(store):
    """Put a case into the store whose office is to answer it; return it, and the terms."""
    case = a_case(store, b"<letter/>", number=1, accepted_at=ISSUED, asked=True)
    deliver(store)
    chain_journal(store)
    return case, Timetable(default=Terms(retrieval=Term(expire=36 * HOUR)))


def test_an_answer_that_is_watched_for_is_waited_for_and_gets_in(store, tmp_path):
    case, _ = an_answered_case(store)
    assert run(store, tmp_path).exported == 1
    assert run(store, tmp_path).exported == 1
    store.watch.answered(case.submission.id, "by telephone")
    chain_journal(store)
    assert run(store, tmp_path).exported == 1
    assert "deadline.answered" in inside(tmp_path)["deliveries.json"].decode()
    assert run(store, tmp_path).passed_over == 1


def test_late_evidence_is_waited_for_and_gets_in_but_an_answer_that_is_late_holds_nothing_up(store, tmp_path, clock):
    case, timetable = an_answered_case(store)
    clock.pass_by(100 * HOUR)
    [told] = store.watch.tell([case.deliveries[0].id], timetable, lambda _: True)
    assert (told.stage, told.level, told.owed) == (Stage.RETRIEVAL, Level.EXPIRED, True)
    chain_journal(store)
    for _ in range(2):
        assert run(store, tmp_path).exported == 1, "it is owed"
    [owed] = store.watch.owed()
    sealed = replace(owed, progress=Progress.SEALED, id="e-1", xml=b"<late/>")
    assert store.watch.proceed(owed, sealed)
    chain_journal(store)
    for _ in range(2):
        assert run(store, tmp_path).exported == 1, "it is on its way"
    assert store.watch.proceed(sealed, replace(sealed, progress=Progress.SENT))
    chain_journal(store)
    assert run(store, tmp_path).exported == 1
    assert inside(tmp_path)["late-retrieval.xml"] == b"<late/>"
    assert store.watch.awaits_answer(case.submission.id)
    assert run(store, tmp_path).passed_over == 1, "an answer that nobody expects any more is not waited for"
    store.watch.answered(case.submission.id, "after all")
    chain_journal(store)
    assert run(store, tmp_path).exported == 1


def test_holds_and_copies_alone_make_no_container_anew(store, tmp_path):
    case = a_final_case(store)
    run(store, tmp_path)
    assert store.retention.hold(case.submission.id, "court")
    chain_journal(store)
    assert HELD in [one.name for one in store.show(case.submission.id).events]
    assert run(store, tmp_path).passed_over == 1


def test_what_a_restored_store_has_forgotten_is_not_taken_out_of_the_archive(store, tmp_path, clock):
    """The container tells of a delivery that the store knows nothing of: a new one would say less."""
    case = a_final_case(store)
    run(store, tmp_path)
    exporter = an_exporter(store)
    forgetful = replace(store.show(case.submission.id), events=store.show(case.submission.id).events[:1])
    exporter.store.show = lambda _: forgetful
    archive = Archive(exporter, tmp_path)
    list(archive.fill(ALL, None))
    assert (archive.tally.exported, archive.tally.passed_over) == (0, 1)
    assert "delivery.acknowledged" in [one["name"] for one in json.loads(inside(tmp_path)["deliveries.json"])["events"]]
