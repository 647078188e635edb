"""A SOAP office against a real server on a bad day: what is retried, what is final, what holds however long it takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from zeep import Client

from adapters.offices.soap import KIND, SoapOffice
from adapters.testkit.dms import MockDms
from adapters.testkit.dms_conduct import DOWN, Conduct, Manner
from adapters.wire.kind import Surroundings
from broker.errors import Refused, Unavailable
from broker.parse import Limits
from tests.around import a_parcel, packaged, surroundings


@pytest.fixture
def dms() -> Iterator[MockDms]:
    with MockDms(text=packaged) as dms:
        yield dms
    assert not dms.bugs


Open = Callable[..., SoapOffice]


@pytest.fixture
def office() -> Iterator[Open]:
    """Makes an office whose receiver is the mock; what it opened is closed after the test."""
    made: list[SoapOffice] = []

    def make(dms: MockDms, name: str = "town", around: Surroundings | None = None, **settings: object) -> SoapOffice:
        own = KIND.settings(**{"url": dms.url(name), "deadline": timedelta(seconds=20), **settings})
        made.append(KIND.make(own, around or surroundings()))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("mtom", [False, True], ids=["inline", "mtom"])
@pytest.mark.parametrize(
    "document",
    [
        b"<a/>\n\n\n",
        "<a>zażółć gęślą jaźń</a>\r\n".encode(),
        b"\xef\xbb\xbf<a/>",
        b"<a>" + b"x" * 8_000_000 + b"</a>\n",
    ],
    ids=["trailing-newlines", "polish-letters", "byte-order-mark", "eight-megabytes"],
)
def test_the_office_gets_the_very_bytes_that_came_in(dms, document, mtom, office):
    parcel = a_parcel(document)
    reference = office(dms, mtom=mtom).deliver(parcel)
    (got,) = dms.received
    assert got.document == document
    assert (got.receipt, got.report) == (parcel.receipt.xml, parcel.report)
    assert reference == got.number


def test_the_headers_say_where_from_where_to_and_when(dms, office):
    office(dms).deliver(a_parcel(reply_to="/citizen/box", file_name="pismo łódź.xml"))
    assert dms.received[0].envelope == {
        "DanePodmiotu/identyfikator": "citizen",
        "DanePodmiotu/typOsoby": "P",
        "DanePodmiotu/zgoda": "true",
        "DaneNadawcy/uzytkownik": "citizen",
        "DaneNadawcy/system": "goniec",
        "DataNadania": "2026-01-01T12:00:00Z",
        "NazwaSkrytki": "SEKAP",
        "AdresSkrytki": "/town/SEKAP",
        "AdresOdpowiedzi": "/citizen/box",
        "CzyTestowe": "true",
        "nazwaPliku": "pismo łódź.xml",
        "typPliku": "text/xml",
    }


def test_characters_that_xml_cannot_hold_do_not_stop_a_delivery(dms, office):
    office(dms).deliver(a_parcel(file_name="a\x00b\x1f\ud800.xml", sender="\ufffe"))
    assert dms.received[0].envelope["nazwaPliku"] == "a\ufffdb\ufffd\ufffd.xml"


def test_production_is_not_called_a_test(dms, office):
    office(dms, around=surroundings(environment="production")).deliver(a_parcel())
    assert dms.received[0].envelope["CzyTestowe"] == "false"


def test_many_deliveries_use_one_connection(dms, office):
    one = office(dms)
    one.check()
    for _ in range(20):
        one.deliver(a_parcel())
    assert (len(dms.received), dms.connections) == (20, 1)


def test_offices_in_many_threads_share_the_description_and_mix_nothing_up(dms, office):
    parcels = {f"town{n}": [a_parcel(f"<a>{n}.{m}</a>".encode()) for m in range(20)] for n in range(8)}

    def work(name: str) -> None:
        one = office(dms, name)
        for parcel in parcels[name]:
            one.deliver(parcel)
        one.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, parcels))
    got = {(one.office, one.delivery): one.document for one in dms.received}
    assert got == {(name, parcel.delivery): parcel.document for name, own in parcels.items() for parcel in own}


# ── bad days ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "conduct",
    [
        Conduct(manner=Manner.SERVER_FAULT),
        Conduct(manner=Manner.STATUS, code=17),
        Conduct(manner=Manner.STATUS, code=0),
        Conduct(manner=Manner.HTTP, code=500),
        Conduct(manner=Manner.HTTP, code=404),
        Conduct(manner=Manner.HTTP, code=302),
        Conduct(manner=Manner.HTTP, code=204),
        Conduct(manner=Manner.GARBAGE),
        Conduct(manner=Manner.WRONG),
        Conduct(manner=Manner.HALF, keeps=True),
        DOWN,
    ],
    ids=lambda conduct: f"{conduct.manner}-{conduct.code}",
)
@pytest.mark.parametrize("port", ["odbiorca", "odbiorca12"])
def test_whatever_is_no_yes_and_no_final_no_is_tried_again(dms, conduct, port, office):
    one = office(dms, port=port)
    dms.behave(Conduct(manner=conduct.manner, code=conduct.code, keeps=conduct.keeps, times=1))
    parcel = a_parcel()
    with pytest.raises(Unavailable) as away:
        one.deliver(parcel)
    assert away.value.retry_after is None
    assert one.deliver(parcel) == "RPW/1"


@pytest.mark.parametrize("port", ["odbiorca", "odbiorca12"])
def test_a_fault_that_blames_the_document_is_final(dms, port, office):
    dms.behave(Conduct(manner=Manner.CLIENT_FAULT, code=7))
    with pytest.raises(Refused, match="kod 7"):
        office(dms, port=port).deliver(a_parcel())


def test_which_codes_are_final_is_the_offices_to_say(dms, office):
    one = office(dms, final_codes=[17], final_faults=[])
    for conduct, error in (
        (Conduct(manner=Manner.STATUS, code=17), Refused),
        (Conduct(manner=Manner.STATUS, code=18), Unavailable),
        (Conduct(manner=Manner.SERVER_FAULT, code=17), Refused),
        (Conduct(manner=Manner.CLIENT_FAULT, code=7), Unavailable),
    ):
        dms.behave(conduct)
        with pytest.raises(error):
            one.deliver(a_parcel())


@pytest.mark.parametrize("manner", [Manner.HTTP, Manner.SERVER_FAULT, Manner.STATUS])
@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("120", timedelta(minutes=2)),
        ("Thu, 01 Jan 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Thu, 01 Jan 2026 11:00:00 GMT", timedelta(0)),
        ("9" * 400, timedelta(days=7)),
        ("soon", None),
    ],
)
def test_the_wait_that_an_office_asks_for_is_passed_on(dms, manner, said, meant, office):
    dms.behave(Conduct(manner=manner, code=503, retry_after=said))
    with pytest.raises(Unavailable) as away:
        office(dms).deliver(a_parcel())
    assert away.value.retry_after == meant


def test_a_storm_of_errors_ends_in_one_delivery(dms, office):
    one, parcel = office(dms), a_parcel()
    dms.behave(Conduct(manner=Manner.HTTP, code=500, times=25))
    for _ in range(25):
        with pytest.raises(Unavailable):
            one.deliver(parcel)
    one.deliver(parcel)
    assert len(dms.received) == 1


def test_a_repeat_after_a_lost_answer_is_known_by_its_delivery_id(dms, office):
    one, parcel = office(dms), a_parcel()
    dms.behave(Conduct(manner=Manner.DROP, keeps=True, times=1))
    with pytest.raises(Unavailable):
        one.deliver(parcel)
    assert one.deliver(parcel) == "RPW/1"
    assert [got.delivery for got in dms.received] == [parcel.delivery]
    assert (dms.records.times(parcel.delivery), dms.records.repeats) == (2, 1)
    assert not dms.records.conflicts


def test_an_office_that_is_not_there_is_unavailable(office):
    dms = MockDms()
    dms.stop()
    one = office(dms)
    with pytest.raises(Unavailable, match="refused"):
        one.deliver(a_parcel())
    with pytest.raises(Unavailable):
        one.check()


@pytest.mark.parametrize("manner", [Manner.TRICKLE, Manner.HANG])
def test_the_deadline_holds_for_the_whole_call_however_the_time_is_spent(dms, manner, office):
    """A trickle would end by itself, with a yes, after a minute: no pause between two bytes of it is long."""
    dms.behave(Conduct(manner=manner, pause=0.1))
    one = office(dms, deadline=timedelta(seconds=0.5))
    with pytest.raises(Unavailable, match=r"within 0\.5 s"):
        one.deliver(a_parcel())


def test_a_slow_office_within_the_deadline_is_waited_for(dms, office):
    dms.behave(Conduct(delay=0.3))
    assert office(dms).deliver(a_parcel()) == "RPW/1"


def test_an_answer_that_comes_byte_by_byte_within_the_deadline_is_taken(dms, office):
    dms.behave(Conduct(manner=Manner.TRICKLE, pause=0.0))
    assert office(dms).deliver(a_parcel()) == "RPW/1"


def test_a_call_after_a_late_one_gets_its_own_answer(dms, office):
    """The late answer must not be read as the answer to the next document."""
    one = office(dms, deadline=timedelta(seconds=1))
    dms.behave(Conduct(delay=1.5, times=1))
    with pytest.raises(Unavailable):
        one.deliver(a_parcel(delivery="d-late"))
    reference = one.deliver(a_parcel(delivery="d-next"))
    assert {got.delivery: got.number for got in dms.received}["d-next"] == reference


def test_an_answer_longer_than_may_be_is_not_read_to_its_end(dms, office):
    one = office(dms, around=surroundings(limits=Limits(payload=20_000)))
    dms.behave(Conduct(attachment=b"x" * 50_000))
    with pytest.raises(Unavailable, match="too long"):
        one.deliver(a_parcel())


def test_an_attachment_in_the_answer_is_no_hindrance(dms, office):
    dms.behave(Conduct(attachment=b"<a/>\n\n"))
    assert office(dms).deliver(a_parcel()) == "RPW/1"


def test_a_check_tells_a_living_office_from_a_dead_one(dms, office):
    one = office(dms)
    one.check()
    for conduct in (DOWN, Conduct(manner=Manner.HTTP, code=503), Conduct(manner=Manner.HTTP, code=404)):
        dms.behave(conduct)
        with pytest.raises(Unavailable):
            one.check()
    assert not dms.received


def test_a_password_is_read_from_a_file_and_asked_for(tmp_path, office):
    (tmp_path / "password").write_text("zażółć:\n", encoding="utf-8")
    (tmp_path / "wrong").write_text("guess")
    with MockDms(credentials=("goniec", "zażółć:")) as dms:
        office(dms, around=surroundings(tmp_path), user="goniec", password_file="password").deliver(a_parcel())
        for bad in ({}, {"user": "goniec", "password_file": "wrong"}):
            with pytest.raises(Unavailable, match="401"):
                office(dms, around=surroundings(tmp_path), **bad).deliver(a_parcel())
        assert len(dms.received) == 1


def test_nothing_of_a_document_or_an_answer_reaches_the_log(dms, caplog, office):
    caplog.set_level(logging.DEBUG)
    one = office(dms)
    one.deliver(a_parcel(b"<a>44051401359</a>", file_name="44051401359.xml"))
    dms.behave(Conduct(manner=Manner.CLIENT_FAULT))
    with pytest.raises(Refused) as no:
        one.deliver(a_parcel(b"<a>44051401359</a>"))
    assert "Dokument nie do" not in str(no.value)
    assert not [one for one in caplog.records if "44051401359" in one.getMessage() or "Envelope" in one.getMessage()]


def test_the_served_description_is_one_that_a_foreign_client_can_use(dms):
    client = Client(dms.url("town") + "?wsdl")
    assert client.wsdl.services["odbiorca"].ports["odbiorca"].binding_options["address"] == dms.url("town")
    assert "odbierzDokument" in client.service._operations
    client.transport.session.close()
