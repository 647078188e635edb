"""zeep, a SOAP stack of others, speaks to a box by its description alone: by ours, and by the public one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zeep
from lxml import etree
from zeep.exceptions import Fault
from zeep.transports import Transport

from adapters.testkit.desk import Desk, always, receipt_for
from broker.errors import Malformed, Unavailable
from tests.soap_serving import serving

OB = "http://wsdl.epuap.gov.pl/obiekty/"
PUBLIC = Path(__file__).parents[2].parent / "shared" / "data" / "epuap-wsdl" / "skrytka.wsdl"
DOCUMENT = b"\xef\xbb\xbf<a>\r\n</a>\n\n\n"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    with serving(desk) as address:
        yield address


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(timeout=30, operation_timeout=30)
    yield made
    made.session.close()


HEADERS = {
    "podmiot": "urzad",
    "adresSkrytki": "/town/SEKAP",
    "adresOdpowiedzi": "/urzad/box",
    "czyProbne": False,
    "daneDodatkowe": b"",
}


def nadaj(service: Any) -> Any:
    return service.nadaj(nazwaPliku="pismo.xml", typPliku="text/xml", zawartosc=DOCUMENT, _soapheaders=HEADERS)


def check(answer: Any, desk: Desk) -> None:
    (envelope,) = desk.envelopes
    assert envelope.payload == DOCUMENT
    assert (envelope.sender, envelope.to.box, envelope.reply_to) == ("urzad", "/town/SEKAP", "/urzad/box")
    assert (envelope.trial, envelope.file_name) == (False, "pismo.xml")
    assert answer.status.kod == 1
    assert answer.zalacznik.zawartosc == receipt_for(envelope).xml


@pytest.mark.parametrize("port", ["skrytka", "skrytka12"])
def test_nadaj_by_our_own_description(url: str, desk: Desk, transport: Transport, port: str) -> None:
    client = zeep.Client(f"{url}?wsdl", transport=transport)
    check(nadaj(client.bind("pkSkrytkaService", port)), desk)


@pytest.mark.parametrize("port", ["skrytka", "skrytka12"])
def test_nadaj_any_by_our_own_description(url: str, desk: Desk, transport: Transport, port: str) -> None:
    client = zeep.Client(f"{url}?wsdl", transport=transport)
    said = {**HEADERS, "nazwaPliku": "pismo.xml", "czyProbne": True}
    message = client.create_message(client.bind("pkSkrytkaService", port), "nadajAny", _soapheaders=said)
    document = etree.Element("{urn:x}pismo", nsmap={"x": "urn:x"})
    document.text = "za\u017c\u00f3\u0142\u0107"
    message[-1][0].append(document)  # zeep itself can put no element into an anyType
    kind = "text/xml" if port == "skrytka" else "application/soap+xml"
    answer = transport.post_xml(url, message, {"Content-Type": kind})
    assert answer.status_code == 200
    (envelope,) = desk.envelopes
    assert envelope.payload == '<x:pismo xmlns:x="urn:x">za\u017c\u00f3\u0142\u0107</x:pismo>'.encode()
    assert (envelope.trial, envelope.file_name) == (True, "pismo.xml")


@pytest.mark.parametrize("port", ["skrytka", "skrytka12"])
@pytest.mark.parametrize("error", [Malformed("intake.reused-id"), Unavailable("away")])
def test_a_fault_is_understood(url: str, desk: Desk, transport: Transport, port: str, error: Exception) -> None:
    desk.answer = always(error)
    client = zeep.Client(f"{url}?wsdl", transport=transport)
    with pytest.raises(Fault) as fault:
        nadaj(client.bind("pkSkrytkaService", port))
    sender = {"skrytka": "Client", "skrytka12": "Sender"}
    receiver = {"skrytka": "Server", "skrytka12": "Receiver"}
    assert fault.value.code.endswith(sender[port] if isinstance(error, Malformed) else receiver[port])
    assert fault.value.detail.findtext(f"{{{OB}}}Wyjatek/kod") == ("600" if isinstance(error, Malformed) else "900")


if PUBLIC.exists():

    def test_nadaj_by_the_public_description(url: str, desk: Desk, transport: Transport) -> None:
        client = zeep.Client(str(PUBLIC), transport=transport)
        check(nadaj(client.create_service("{http://ws.epuap.gov.pl/skrytka/}skrytkaBinding", url)), desk)

    def test_the_names_and_types_of_our_description_are_those_of_the_public_one(url: str, transport: Transport) -> None:
        ours = zeep.Client(f"{url}?wsdl", transport=transport)
        theirs = zeep.Client(str(PUBLIC), transport=transport)
        public = {str(element.qname): element for element in theirs.wsdl.types.elements}
        for element in ours.wsdl.types.elements:
            if element.qname.namespace.startswith(OB):
                assert element.signature(schema=ours.wsdl.types) == public[str(element.qname)].signature(
                    schema=theirs.wsdl.types
                )
