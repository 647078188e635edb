"""An archive: every submission of a time in a folder, whatever befell the runs that made it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import timedelta
from zipfile import ZipFile

import pytest

from adapters.archive.writing import is_container
from broker.copies import MADE
from broker.errors import ConfigError, Unavailable
from broker.model import OfficeId
from broker.ports import Filter
from config.archive import INDEX, Archive
from config.export_check import check
from tests.containers import TRUSTED, a_case, a_store, an_exporter, chain_journal, deliver
from tests.receipts import ISSUED, PKI, a_seal

HOUR = timedelta(hours=1)
ALL = Filter(since=ISSUED - HOUR)


@pytest.fixture
def store():
    store = a_store()
    store.keep_seal(hashlib.sha256(PKI.seal.der).hexdigest(), PKI.seal.pem, ISSUED)
    return store


def cases(store, number=5, **about):
    """Put letters into custody of which nothing more will come: they are delivered, and all is chained."""
    kept = [
        a_case(store, f"<letter n='{n}'/>".encode(), number=n, accepted_at=ISSUED + n * HOUR, **about)
        for n in range(1, number + 1)
    ]
    deliver(store)
    chain_journal(store)
    return kept


def filled(store, folder, wanted=ALL, until=None, **about):
    archive = Archive(an_exporter(store, **about), folder)
    return list(archive.fill(wanted, until)), archive.tally


def index(folder):
    return [json.loads(line) for line in (folder / INDEX).read_text().splitlines()]


def made(store, case):
    return [one.name for one in store.show(case.submission.id).events].count(MADE)


def test_every_submission_is_a_container_that_holds_and_a_line_of_the_index(store, tmp_path):
    kept = cases(store)
    done, tally = filled(store, tmp_path / "archive")
    assert done == [one.submission.id for one in reversed(kept)]
    assert (tally.exported, tally.passed_over, tally.pruned) == (5, 0, 0)
    lines = {one["submission"]: one for one in index(tmp_path / "archive")}
    for case in kept:
        it = case.submission
        file = tmp_path / "archive" / f"{it.id}.asice"
        assert check(file, TRUSTED).container.verdict == "TOTAL-PASSED"
        assert lines[it.id] == {
            "submission": it.id,
            "file": file.name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "size": file.stat().st_size,
            "document": it.digest,
            "receipt": case.receipt.id,
            "office": it.office,
            "accepted_at": it.accepted_at.isoformat().replace("+00:00", "Z"),
            "deliveries": ["delivered"],
            "chained": True,
        }
        assert made(store, case) == 1
    assert len(list((tmp_path / "archive").iterdir())) == 6


def test_an_archive_is_its_owners_alone(store, tmp_path):
    """It holds documents, and the index says what came to whom; who is to have it, the operator says by chmod."""
    folder = tmp_path / "archive"
    before = os.umask(0o022)
    try:
        cases(store, 1)
        filled(store, folder)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
        for one in (folder, *folder.iterdir()):
            one.chmod(0o750 if one.is_dir() else 0o640)
        cases(store, 2)
        filled(store, folder)
    finally:
        os.umask(before)
    assert (folder.stat().st_mode & 0o777, (folder / INDEX).stat().st_mode & 0o777) == (0o750, 0o640)


def test_a_second_run_makes_only_what_came_meanwhile(store, tmp_path):
    kept = cases(store)
    filled(store, tmp_path)
    new = a_case(store, b"<new/>", number=6, accepted_at=ISSUED + 6 * HOUR)
    before = {one: one.stat().st_mtime_ns for one in tmp_path.glob("*.asice")}
    done, tally = filled(store, tmp_path)
    assert (len(done), tally.exported, tally.passed_over) == (6, 1, 5)
    assert {one: one.stat().st_mtime_ns for one in before} == before
    assert [made(store, one) for one in (*kept, new)] == [1] * 6
    assert len(index(tmp_path)) == 6


def test_a_run_that_was_broken_off_is_gone_on_with(store, tmp_path):
    cases(store)
    for _ in zip(range(2), Archive(an_exporter(store), tmp_path).fill(ALL, None), strict=False):
        pass
    _, tally = filled(store, tmp_path)
    assert tally.exported + tally.passed_over == 5
    assert sorted(one["submission"] for one in index(tmp_path)) == [f"case-{n}" for n in range(1, 6)]


def test_what_is_there_and_not_whole_is_made_anew_and_noted(store, tmp_path):
    kept = cases(store)
    filled(store, tmp_path)
    cut, changed, empty, foreign = (tmp_path / f"case-{n}.asice" for n in range(1, 5))
    cut.write_bytes(cut.read_bytes()[:-1])
    changed.write_bytes(changed.read_bytes().replace(b"PK\3\4", b"PK\3\5", 1))
    empty.write_bytes(b"")
    other = a_store()
    stranger = a_seal(PKI.organisation)
    case = a_case(other, b"<foreign/>", number=4)
    an_exporter(other, seal=stranger).export(case.submission.id, foreign, over=is_container)
    _, tally = filled(store, tmp_path)
    assert (tally.exported, tally.passed_over) == (4, 1)
    last = {one["submission"]: one["sha256"] for one in index(tmp_path)}
    for one in kept:
        file = tmp_path / f"{one.submission.id}.asice"
        assert check(file, TRUSTED).container.verdict == "TOTAL-PASSED"
        assert last[one.submission.id] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_container_of_another_submission_does_not_pass_for_this_ones(store, tmp_path):
    first, second = cases(store, 2)
    filled(store, tmp_path)
    for with_index in (True, False):
        mine = tmp_path / f"{first.submission.id}.asice"
        mine.write_bytes((tmp_path / f"{second.submission.id}.asice").read_bytes())
        if not with_index:
            (tmp_path / INDEX).unlink()
        _, tally = filled(store, tmp_path)
        assert (tally.exported, tally.passed_over) == (1, 1)
        with ZipFile(mine) as container:
            assert json.loads(container.read("submission.json"))["submission"]["id"] == first.submission.id
        last = {one["submission"]: one["sha256"] for one in index(tmp_path)}
        assert last[first.submission.id] == hashlib.sha256(mine.read_bytes()).hexdigest()


def test_a_container_that_is_not_the_one_of_the_index_is_made_anew_however_whole(store, tmp_path):
    (case,) = cases(store, 1)
    filled(store, tmp_path)
    mine = tmp_path / "case-1.asice"
    chain_journal(store)  # with the event of the first export, so that the second container is final, too
    an_exporter(store).export(case.submission.id, mine, reason="another copy", over=is_container)
    other = mine.read_bytes()
    _, tally = filled(store, tmp_path)
    assert tally.exported == 1
    assert mine.read_bytes() != other


def states(file):
    with ZipFile(file) as container:
        return [one["state"] for one in json.loads(container.read("deliveries.json"))["deliveries"]]


def test_what_was_not_final_or_not_chained_is_made_anew_until_it_is(store, tmp_path):
    a_case(store, b"<letter/>", number=1, accepted_at=ISSUED)
    file = tmp_path / "case-1.asice"

    def run():
        _, tally = filled(store, tmp_path)
        last = index(tmp_path)[-1]
        assert last["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert last["deliveries"] == states(file)
        return tally.exported, last["deliveries"], last["chained"]

    assert run() == (1, ["waiting"], False)
    chain_journal(store)
    assert run() == (1, ["waiting"], True)
    deliver(store)
    assert run() == (1, ["delivered"], False)
    while store.journal.chain(100) is not None:
        pass
    assert run() == (1, ["delivered"], False), "no seal vouches for the heads"
    chain_journal(store)
    assert run() == (1, ["delivered"], True)
    assert run() == (0, ["delivered"], True)


def test_a_container_with_its_document_is_not_written_over_by_one_without(store, tmp_path):
    a_case(store, b"<letter/>", number=1, accepted_at=ISSUED)
    filled(store, tmp_path)
    exporter = an_exporter(store)
    gone = replace(exporter, around=replace(exporter.around, document=lambda _: None))
    for _ in range(2):
        archive = Archive(gone, tmp_path)
        list(archive.fill(ALL, None))
        assert (archive.tally.exported, archive.tally.passed_over) == (0, 1)
    with ZipFile(tmp_path / "case-1.asice") as container:
        assert container.read("document.xml") == b"<letter/>"


def test_a_line_that_a_crash_has_torn_is_written_anew(store, tmp_path):
    cases(store)
    filled(store, tmp_path)
    whole = (tmp_path / INDEX).read_bytes()
    for cut in (1, 30, len(whole.splitlines()[-1]) + 3):
        (tmp_path / INDEX).write_bytes(whole[:-cut])
        _, tally = filled(store, tmp_path)
        assert (tally.exported, tally.passed_over) == (0, 5)
        lines = index(tmp_path)
        assert len(lines) == 5
        assert {one["submission"] for one in lines} == {f"case-{n}" for n in range(1, 6)}


def test_containers_without_an_index_are_noted_in_one(store, tmp_path):
    cases(store)
    filled(store, tmp_path)
    (tmp_path / INDEX).unlink()
    filled(store, tmp_path)
    assert len(index(tmp_path)) == 5


def test_two_runs_do_not_fill_one_folder_at_once(store, tmp_path):
    cases(store)
    first = Archive(an_exporter(store), tmp_path).fill(ALL, None)
    next(first)
    with pytest.raises(ConfigError, match="another run"):
        filled(store, tmp_path)
    first.close()
    assert filled(store, tmp_path)[1].exported == 4


def test_what_a_killed_run_left_half_written_is_removed_and_nothing_else(store, tmp_path):
    cases(store, 1)
    for name in (".case-1.asice.ab.part", ".mine.part", "case-1.asice.part"):
        (tmp_path / name).write_bytes(b"x")
    filled(store, tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {".mine.part", "case-1.asice.part", "case-1.asice", INDEX}


def test_a_file_that_is_no_index_is_left_alone(store, tmp_path):
    cases(store)
    (tmp_path / INDEX).write_text("my own notes\n")
    with pytest.raises(ConfigError, match="not of an index"):
        filled(store, tmp_path)
    assert (tmp_path / INDEX).read_text() == "my own notes\n"


def test_a_time_an_office_and_trials_are_as_asked(store, tmp_path):
    cases(store)
    a_case(store, b"<trial/>", number=7, trial=True, accepted_at=ISSUED + 3 * HOUR)
    a_case(store, b"<county/>", number=8, office=OfficeId("county"), accepted_at=ISSUED + 3 * HOUR)

    def found(name, until=None, **wanted):
        return filled(store, tmp_path / name, Filter(**{"since": ISSUED + 2 * HOUR, **wanted}), until)[0]

    assert found("a", ISSUED + 4 * HOUR) == ["case-8", "case-3", "case-2"]
    assert found("b", office="county") == ["case-8"]
    assert found("c", ISSUED + 4 * HOUR, trials=True) == ["case-8", "case-7", "case-3", "case-2"]
    assert found("d", since=ISSUED + 99 * HOUR) == []


def test_more_than_a_page_is_gone_through_to_the_end(store, tmp_path, monkeypatch):
    monkeypatch.setattr("config.archive._PAGE", 2)
    cases(store)
    assert len(filled(store, tmp_path)[0]) == 5


def test_where_the_store_goes_away_what_was_made_is_there_and_noted(store, tmp_path):
    cases(store)
    exporter = an_exporter(store)
    show = store.show

    def goes(submission):
        if submission == "case-2":
            raise Unavailable("the store is away")
        return show(submission)

    store.show = goes
    with pytest.raises(Unavailable):
        list(Archive(exporter, tmp_path).fill(ALL, None))
    assert [one["submission"] for one in index(tmp_path)] == ["case-5", "case-4", "case-3"]
    assert len(list(tmp_path.iterdir())) == 4
    store.show = show
    _, tally = filled(store, tmp_path)
    assert (tally.exported, tally.passed_over) == (2, 3)


def test_pruned_ones_are_counted(store, tmp_path):
    cases(store)
    exporter = an_exporter(store)
    gone = replace(exporter, around=replace(exporter.around, document=lambda _: None))
    archive = Archive(gone, tmp_path)
    assert len(list(archive.fill(ALL, None))) == 5
    assert archive.tally.pruned == 5
