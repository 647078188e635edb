"""The mock document system's memory and moods."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.testkit.dms_conduct import GOOD, Conduct, Conducts, Manner
from adapters.testkit.dms_records import Handover, Records


def a_handover(delivery: str = "d-1", document: bytes = b"<a/>\n", office: str = "town") -> Handover:
    return Handover(
        office=office, delivery=delivery, document=document, receipt=b"<UPP/>", report=b'{"level":"none"}',
        facts={"delivery": delivery}, envelope={"nazwaPliku": "a.xml"},
    )  # fmt: skip


def test_a_repeat_is_counted_and_registers_nothing():
    records = Records()
    numbers = [records.keep(a_handover()).number for _ in range(3)]
    assert numbers == ["RPW/1"] * 3
    assert (len(records.received), len(records.arrivals), records.times("d-1"), records.repeats) == (1, 3, 3, 2)


def test_each_office_counts_for_itself():
    records = Records()
    numbers = [records.keep(a_handover(d, office=o)).number for o, d in (("a", "1"), ("b", "1"), ("a", "2"))]
    assert numbers == ["RPW/1", "RPW/1", "RPW/2"]
    assert (records.times("1"), records.times("1", "b")) == (2, 1)


def test_a_delivery_id_that_stands_for_another_document_is_a_conflict():
    records = Records()
    records.keep(a_handover())
    with pytest.raises(ValueError, match="another document"):
        records.keep(a_handover(document=b"<b/>"))
    assert [one.document for one in records.conflicts] == [b"<b/>"]
    assert [one.document for one in records.received] == [b"<a/>\n"]


def test_many_threads_register_each_delivery_once():
    records = Records()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(records.keep, [a_handover(f"d-{n % 50}") for n in range(400)]))
    assert sorted(one.number for one in records.received) == sorted(f"RPW/{n + 1}" for n in range(50))
    assert records.repeats == 350


def test_the_folder_holds_document_receipt_and_the_rest(tmp_path):
    Records(tmp_path).keep(a_handover())
    folder = tmp_path / "town"
    assert (folder / "d-1.xml").read_bytes() == b"<a/>\n"
    assert (folder / "d-1.upp.xml").read_bytes() == b"<UPP/>"
    about = json.loads((folder / "d-1.json").read_bytes())
    assert (about["number"], about["facts"], about["report"]) == ("RPW/1", {"delivery": "d-1"}, {"level": "none"})
    assert len(list(folder.iterdir())) == 3


def test_what_an_earlier_run_registered_is_known(tmp_path):
    first = Records(tmp_path)
    kept = [first.keep(a_handover(delivery)) for delivery in ("d-1", "d-2")]
    again = Records(tmp_path)
    assert {one.delivery for one in again.received} == {"d-1", "d-2"}
    assert [again.keep(a_handover(one.delivery)).number for one in kept] == [one.number for one in kept]
    assert again.keep(a_handover("d-3")).number == "RPW/3"


@pytest.mark.parametrize("delivery", ["../../escape", "/etc/passwd", "..", "", "a/b", "x" * 300, "zażółć"])
def test_no_delivery_id_leads_out_of_the_folder(tmp_path, delivery):
    folder = tmp_path / "dms"
    Records(folder).keep(a_handover(delivery, office=delivery))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 3
    assert {file.parent.parent for file in files} == {folder}


def test_a_conduct_lasts_for_its_requests_and_checks_do_not_count():
    conducts = Conducts()
    hang = Conduct(manner=Manner.HANG, times=2)
    conducts.set(hang, "town")
    assert [conducts.next("town", counted=False) for _ in range(3)] == [hang] * 3
    assert [conducts.next("town", counted=True) for _ in range(3)] == [hang, hang, GOOD]


def test_a_conduct_lasts_for_its_time():
    conducts = Conducts()
    conducts.set(Conduct(manner=Manner.HANG, seconds=0.0))
    assert conducts.next("town", counted=True) == GOOD
    conducts.set(Conduct(manner=Manner.HANG, seconds=3600))
    assert conducts.next("town", counted=True).manner is Manner.HANG


def test_an_offices_own_conduct_goes_before_that_of_all():
    conducts = Conducts()
    conducts.set(Conduct(manner=Manner.DROP))
    conducts.set(Conduct(manner=Manner.HANG, times=1), "town")
    seen = [conducts.next(office, counted=True).manner for office in ("town", "town", "village")]
    assert seen == [Manner.HANG, Manner.DROP, Manner.DROP]
